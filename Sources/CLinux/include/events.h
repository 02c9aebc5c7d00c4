#ifndef BERTH_EVENTS_H
#define BERTH_EVENTS_H

// Linux's own calls, which Swift's Glibc module leaves out.

#include <stdint.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/types.h>

// pipe2(2) with O_CLOEXEC: ends[0] is read from, ends[1] is written to.
int berth_pipe(int ends[2]);

// The same, of a pipe that belongs to the user `uid`, who may then open it by its name in /proc/self/fd as well.
int berth_pipe_of(uint32_t uid, int ends[2]);

// accept4(2) with SOCK_CLOEXEC, the peer's address left out.
int berth_accept(int listener);

// The process that has connected a unix socket, as this one sees it; 0 where it cannot.
pid_t berth_peer(int socket);

// Bytes a pipe holds; an error where `fd` is no pipe or the user may not.
int berth_set_pipe_size(int fd, int bytes);

// splice(2) from a pipe to a pipe or socket: moves up to `count` bytes that are there, without waiting for more.
ssize_t berth_splice(int pipe, int stream, size_t count);

#endif
