// SPDX-License-Identifier: Apache-2.0

#ifndef BERTH_FREED_MEMORY_H
#define BERTH_FREED_MEMORY_H

// Makes blocks of at least 1 MiB return to the system when they are freed. By default, glibc raises that threshold up
// to 32 MiB, each time that a larger block is freed, and keeps smaller ones.
void berth_return_large_memory(void);

// Returns all free pages to the system.
void berth_return_free_memory(void);

#endif
