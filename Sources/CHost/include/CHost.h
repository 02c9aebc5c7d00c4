// SPDX-License-Identifier: Apache-2.0

#ifndef BERTH_CHOST_H
#define BERTH_CHOST_H

// C code of the host, for the server, its runtimes and the command line. CLinux.h says how functions report errors.

#include "children.h"
#include "devices.h"
#include "freed_memory.h"
#include "probe.h"
#include "sockets.h"
#include "takeover.h"
#include "timers.h"

#endif
