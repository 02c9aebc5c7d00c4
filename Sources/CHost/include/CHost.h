// SPDX-License-Identifier: Apache-2.0

#ifndef BERTH_CHOST_H
#define BERTH_CHOST_H

// C of the host: what the server, its runtimes and the command line start and look at. How a function tells that it failed
// is in CLinux.h.

#include "children.h"
#include "freed_memory.h"
#include "probe.h"
#include "sockets.h"
#include "timers.h"

#endif
