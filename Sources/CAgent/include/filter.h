// SPDX-License-Identifier: Apache-2.0

#ifndef BERTH_FILTER_H
#define BERTH_FILTER_H

#include <stddef.h>

// Puts this process, and all that it starts, under a filter of system calls: `size` bytes of `struct sock_filter`. It needs
// no capability, since it first gives up what a setuid file would bring.
int berth_take_filter(const void *program, size_t size);

#endif
