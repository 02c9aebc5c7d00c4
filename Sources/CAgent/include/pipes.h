// SPDX-License-Identifier: Apache-2.0

#ifndef BERTH_PIPES_H
#define BERTH_PIPES_H

// Linux's own calls, which Swift's Glibc module leaves out.

#include <stdint.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/types.h>

// A pipe, as berth_pipe makes it, that belongs to the user `uid`, who may then open it by its name in /proc/self/fd as well.
int berth_pipe_of(uint32_t uid, int ends[2]);

// Another end of a pipe, by one of its ends and with a state of its own: it does not block. `uid` is its owner, `flags` are
// O_RDONLY or O_WRONLY. Returns the end.
int berth_open_end_of(uint32_t uid, int pipe, int flags);

// Has a pipe hold `bytes`, rounded up. Returns how many it then holds; fails where `fd` is no pipe or the user may not.
int berth_set_pipe_size(int fd, int bytes);

// splice(2) from a pipe to a pipe or socket: moves up to `count` bytes that are there, without waiting for more. Returns how
// many it moved.
ssize_t berth_splice(int pipe, int stream, size_t count);

#endif
