// SPDX-License-Identifier: Apache-2.0

#ifndef BERTH_FREED_MEMORY_H
#define BERTH_FREED_MEMORY_H

// Large pieces of memory, from 1 MiB on, go back to the system when they are freed. By itself glibc raises that limit up to
// 32 MiB, each time that a larger piece is freed, and keeps what is below it.
void berth_return_large_memory(void);

// Gives all that is free, whole pages of it, back to the system.
void berth_return_free_memory(void);

#endif
