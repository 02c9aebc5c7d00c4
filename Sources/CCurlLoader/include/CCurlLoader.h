// SPDX-License-Identifier: Apache-2.0

#ifndef BERTH_CCURL_LOADER_H
#define BERTH_CCURL_LOADER_H

// libcurl is loaded when it is first wanted, and not with the program: it brings 35 shared libraries, whose loading takes longer
// than all that `berth run` does. The functions of curl.h that Berth calls are defined here, and go through to the library.

// Loads libcurl, once. NULL when it is there, else why it is not, in the loader's words. To be called before anything else.
const char *berth_load_curl(void);

#endif
