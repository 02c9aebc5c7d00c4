// SPDX-License-Identifier: Apache-2.0

#ifndef BERTH_CLINUX_H
#define BERTH_CLINUX_H

// C that Swift cannot say, for both sides of the stream. What only the agent needs is in CAgent, what only the host needs in
// CHost.
//
// Errors, in all three: a function that can fail returns what it was asked for (0 where that is nothing) or, negative, why
// not: -ENOENT. `errno` means nothing after it, so nothing that is done between can change it. A function that answers yes
// or no returns 1 or 0.

#include "environment.h"
#include "files.h"
#include "pipe.h"

#endif
