// SPDX-License-Identifier: Apache-2.0

#ifndef BERTH_CLAUNCHER_H
#define BERTH_CLAUNCHER_H

// What the server and its launchers say to each other, for both ends. CLinux.h says how functions report errors.

#include "messages.h"
#include "protocol.h"

#endif
