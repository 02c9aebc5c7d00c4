// SPDX-License-Identifier: Apache-2.0

#include "timers.h"

#include <sys/prctl.h>

void berth_exact_sleeps(void) {
    // Errors are ignored: sleeps are then a little longer.
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
}
