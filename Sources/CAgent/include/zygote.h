// SPDX-License-Identifier: Apache-2.0

#ifndef BERTH_ZYGOTE_H
#define BERTH_ZYGOTE_H

#include "supervisor.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// A zygote: an interpreter that forks later programs. It is a child of the agent, and so are the processes that it makes.

// Starts it as berth_start starts a program, but as the agent's own user, with no right but CAP_SETUID and CAP_SETGID, and
// with the descriptor `context` as its 3. Only before the first program of the container.
pid_t berth_start_zygote(const struct berth_program *program, struct berth_failure *failure);

// Sends bytes, and copies of at most 8 descriptors with the first of them, without waiting. All of it or nothing: 0, or
// -errno, which is -EMSGSIZE if the socket has no room for all now.
int berth_send_with_descriptors(int socket, const void *bytes, size_t size, const int *descriptors, int count);

// What a process is, from /proc/PID/stat: its state (a letter), the number of its threads, and when it started, in ticks
// since the machine did. 0, or -ESRCH.
struct berth_process_state {
    char state;
    long threads;
    unsigned long long started;
};
int berth_get_process_state(pid_t pid, struct berth_process_state *state);

// Whether a process has children.
int berth_process_has_children(pid_t pid);

// Kills all processes of a user at once, so that none can escape by a fork. 0, or -errno.
int berth_kill_all_of(uint32_t uid);

#endif
