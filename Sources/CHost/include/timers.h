// SPDX-License-Identifier: Apache-2.0

#ifndef BERTH_TIMERS_H
#define BERTH_TIMERS_H

// Makes sleeps of the calling thread exact. By default the kernel adds up to 50 µs, to wake threads together.
void berth_exact_sleeps(void);

#endif
