// SPDX-License-Identifier: Apache-2.0

#ifndef BERTH_CCURL_LOADER_H
#define BERTH_CCURL_LOADER_H

// libcurl is loaded at its first use, not with the program: it depends on 35 shared libraries, whose loading takes
// longer than all the work of `berth run`. The functions of curl.h that Berth calls are defined here, and call the
// library.

// Loads libcurl, once. Returns NULL, or the error message of the loader. Must be called before anything else.
const char *berth_load_curl(void);

#endif
