// SPDX-License-Identifier: Apache-2.0

#ifndef BERTH_DESCENDANTS_H
#define BERTH_DESCENDANTS_H

#include <stdint.h>
#include <sys/types.h>

// How to find the children of a process.
enum berth_children_source {
    BERTH_CHILDREN_AUTO = 0,  // the lists of the kernel if it has them, otherwise a scan
    BERTH_CHILDREN_LISTS = 1, // /proc/PID/task/TID/children: fast, but not in every kernel
    BERTH_CHILDREN_SCAN = 2,  // the parent in every /proc/PID/stat: slow, and everywhere
};

// Not to be used by two threads at the same time.
// Calls `visit` for each descendant of `root`, a parent before its children. A parent is visited before its children
// are looked up: if `visit` kills it, it can't add children unnoticed. Processes that fork or end during the walk may
// be missed, others are not. Returns the number of visited processes.
int berth_visit_descendants(pid_t root, int source, void (*visit)(pid_t pid, void *context), void *context);

// The parent of a process; 0 if there is no such process.
pid_t berth_parent_of(pid_t pid);

// The hard limit of RLIMIT_RTTIME of a process, which distinguishes those whose parents have ended: it is inherited, can't be
// raised, and nobody needs it. Only a program that wants to hide would lower it. RLIM_INFINITY if there is none, or no process.
uint64_t berth_mark_of(pid_t pid);

// Descendants of the calling process that are not below one of its `count` children in `spared`. With a mark: of its other
// children only `program`, and those with that mark.
struct berth_strays {
    const pid_t *spared;
    int count;
    pid_t program;
    uint64_t mark; // 0: whatever their mark
};

// Sends `signal` (0: none) to all strays, except the process group `except_group` (0: none). After TERM, stopped processes
// are continued. Returns how many processes there are, including those that have not been reaped.
int berth_signal_strays(const struct berth_strays *whose, int signal, pid_t except_group);

// Sends KILL to all descendants of `root`, or with `only_stopped` to those that are stopped.
// Returns how many processes got it.
int berth_kill_below(pid_t root, int only_stopped);

// Whether any descendant of `root` runs, or waits for a processor or a disk.
int berth_runs_below(pid_t root);

// The same for strays.
int berth_strays_run(const struct berth_strays *whose);

// CPU time in microseconds, in units of the kernel's ticks, of all descendants of `root`, including those that their
// parents or `root` have reaped. As for times(2), children whose parents ignore SIGCHLD do not count.
uint64_t berth_cpu_time_below(pid_t root);

// The same, including `root` itself.
uint64_t berth_cpu_time_of(pid_t root);

// The same for strays, without those that the calling process has reaped.
uint64_t berth_cpu_time_of_strays(const struct berth_strays *whose);

#endif
