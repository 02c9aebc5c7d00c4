// SPDX-License-Identifier: Apache-2.0

#ifndef BERTH_CHILDREN_H
#define BERTH_CHILDREN_H

#include <sys/types.h>

// Starts argv[0] in a new session, with default signals. Only stdin, stdout and stderr (-1: /dev/null) and, as
// descriptor 3, `keep` (-1: none) are open. Returns its pid.
pid_t berth_spawn(char *const argv[], char *const envp[], int in, int out, int err, int keep);

// Waits for the child `pid` and stores its wait status. Its process group is killed when `cancel` becomes readable, or
// after `timeout_ms` (-1: never). Returns 0, -ECANCELED, -ETIME or another error. The child is always reaped.
int berth_wait(pid_t pid, int cancel, int timeout_ms, int *status);

// A descriptor for the process, which never refers to a later process with the same pid.
int berth_pidfd_open(pid_t pid);
int berth_pidfd_kill(int pidfd);

// These return a descriptor that is closed on exec: one that becomes readable after a write, and a file in memory.
int berth_event(void);
int berth_memory_file(void);

// A file in memory with a maximum size of `bytes`.
int berth_bounded_file(size_t bytes);

// Whether orphaned descendants become children of this process, so that it must reap them.
int berth_adopts_orphans(void);

int berth_is_cgroup2(const char *path);

#endif
