// SPDX-License-Identifier: Apache-2.0

#ifndef BERTH_CAGENT_H
#define BERTH_CAGENT_H

// C of the agent: what is between fork and exec, and what it does as a container's process 1. How a function tells that it
// failed is in CLinux.h.

#include "descendants.h"
#include "pipes.h"
#include "process.h"
#include "reset.h"
#include "supervisor.h"
#include "terminal.h"

#endif
