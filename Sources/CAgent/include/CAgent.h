// SPDX-License-Identifier: Apache-2.0

#ifndef BERTH_CAGENT_H
#define BERTH_CAGENT_H

// The agent's C code: between fork and exec, and for its work as process 1 of a container. CLinux.h says how functions
// report errors.

#include "connector.h"
#include "descendants.h"
#include "filter.h"
#include "pipes.h"
#include "process.h"
#include "reset.h"
#include "supervisor.h"
#include "terminal.h"
#include "zygote.h"

#endif
