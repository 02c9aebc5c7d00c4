// SPDX-License-Identifier: Apache-2.0

#ifndef BERTH_ALLOCATIONS_H
#define BERTH_ALLOCATIONS_H

#include <stdint.h>

/// Allocations of this process so far, by whomever and on whatever thread. A program that links this counts them all:
/// its malloc is the one that the dynamic linker finds first.
uint64_t berth_allocations(void);

#endif
