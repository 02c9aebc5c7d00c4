// SPDX-License-Identifier: Apache-2.0

#ifndef BERTH_PIPES_H
#define BERTH_PIPES_H

// Calls of Linux that Swift's Glibc module does not have.

#include <stdint.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/types.h>

// Creates a pipe like berth_pipe that belongs to the user `uid`, who can also open it by its name in /proc/self/fd.
int berth_pipe_of(uint32_t uid, int ends[2]);

// Opens another end of a pipe, which has its own state and does not block. `pipe` is one of its ends, `uid` its owner,
// `flags` O_RDONLY or O_WRONLY. Returns the new end.
int berth_open_end_of(uint32_t uid, int pipe, int flags);

// Sets the capacity of a pipe to `bytes`, rounded up. Returns the capacity; fails if `fd` is not a pipe, or the user
// may not.
int berth_set_pipe_size(int fd, int bytes);

// splice(2) from a pipe to a pipe or socket: moves up to `count` available bytes, without waiting for more. Returns how
// many.
ssize_t berth_splice(int pipe, int stream, size_t count);

// Sends a byte, and copies of at most 8 descriptors with it, without waiting. 0, or -errno.
int berth_send_descriptors(int socket, const int *descriptors, int count);

#endif
