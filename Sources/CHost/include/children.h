// SPDX-License-Identifier: Apache-2.0

#ifndef BERTH_CHILDREN_H
#define BERTH_CHILDREN_H

#include <sys/types.h>

// Starts argv[0] in a session of its own with nothing open but the given stdin, stdout, stderr (-1: /dev/null) and, as 3,
// `keep` (-1: none); signals at their defaults. Returns its pid.
pid_t berth_spawn(char *const argv[], char *const envp[], int in, int out, int err, int keep);

// Waits for the child `pid` and stores its wait status. As soon as `cancel` is readable, or after `timeout_ms`
// (-1: never), its process group is killed. Returns 0, -ECANCELED, -ETIME or another error; the child is reaped always.
int berth_wait(pid_t pid, int cancel, int timeout_ms, int *status);

// A descriptor that means the process, and no later one with its number.
int berth_pidfd_open(pid_t pid);
int berth_pidfd_kill(int pidfd);

// These return a descriptor that closes on exec: readable once written to; a file in memory.
int berth_event(void);
int berth_memory_file(void);

// A file in memory that takes `bytes` and not one more.
int berth_bounded_file(size_t bytes);

// Whether orphaned descendants come to this process, so that it has to reap them.
int berth_adopts_orphans(void);

int berth_is_cgroup2(const char *path);

#endif
