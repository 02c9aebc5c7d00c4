// SPDX-License-Identifier: Apache-2.0

#ifndef BERTH_TIMERS_H
#define BERTH_TIMERS_H

// The calling thread's sleeps end when they are to; the kernel otherwise adds up to 50 µs, to wake threads together.
void berth_exact_sleeps(void);

#endif
