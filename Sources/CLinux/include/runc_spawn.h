#ifndef BERTH_RUNC_SPAWN_H
#define BERTH_RUNC_SPAWN_H

#include <sys/types.h>

// Starts argv[0] in a session of its own with nothing open but the given stdin, stdout, stderr and, as 3, `keep`
// (-1: none); signals at their defaults. Returns 0 or an errno.
int berth_runc_spawn(char *const argv[], char *const envp[], int in, int out, int err, int keep, pid_t *pid);

// Waits for the child `pid` and stores its wait status. As soon as `cancel` is readable, or after `timeout_ms`
// (-1: never), its process group is killed. Returns 0, ECANCELED, ETIME or another errno; the child is reaped always.
int berth_runc_wait(pid_t pid, int cancel, int timeout_ms, int *status);

int berth_runc_pidfd_open(pid_t pid);
int berth_runc_pidfd_kill(int pidfd);

// These close on exec. Readable once written to; two ends, the first to read from; a file in memory.
int berth_runc_event(void);
int berth_runc_pipe(int ends[2]);
int berth_runc_memory_file(void);

// A file in memory that takes `bytes` and not one more.
int berth_runc_bounded_file(size_t bytes);

// Whether orphaned descendants come to this process, so that it has to reap them.
int berth_runc_adopts_orphans(void);

int berth_runc_is_cgroup2(const char *path);

#endif
