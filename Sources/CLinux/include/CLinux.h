// SPDX-License-Identifier: Apache-2.0

#ifndef BERTH_CLINUX_H
#define BERTH_CLINUX_H

// C code for what Swift can't express, for the server and the agent. What only the agent needs is in CAgent, what only
// the host needs is in CHost.
//
// Errors, in all three: a function that can fail returns its result (0 if there is none) or a negative errno, for
// example -ENOENT. `errno` itself is not used, so that nothing can change it in between. A function that answers yes or
// no returns 1 or 0.

#include "environment.h"
#include "files.h"
#include "pipe.h"

#endif
