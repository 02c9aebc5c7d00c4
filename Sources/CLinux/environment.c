// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "environment.h"

#include <unistd.h>

char **berth_environment(void) { return environ; }
