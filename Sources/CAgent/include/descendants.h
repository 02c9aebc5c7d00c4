// SPDX-License-Identifier: Apache-2.0

#ifndef BERTH_DESCENDANTS_H
#define BERTH_DESCENDANTS_H

#include <stdint.h>
#include <sys/types.h>

// How a process's children are found.
enum berth_children_source {
    BERTH_CHILDREN_AUTO = 0,  // by the kernel's own lists, else by a scan
    BERTH_CHILDREN_LISTS = 1, // /proc/PID/task/TID/children: fast, but not in every kernel
    BERTH_CHILDREN_SCAN = 2,  // the parent in every /proc/PID/stat: slow, and everywhere
};

// Not for use by two threads at once.
// Calls `visit` for each process that descends from `root`, itself not included, a parent before its children. A parent
// is visited before its children are looked up: one that is killed by `visit` adds none unseen.
// A process that forks or ends during the walk may be missed; one that does neither is not.
// Returns the number of processes visited.
int berth_visit_descendants(pid_t root, int source, void (*visit)(pid_t pid, void *context), void *context);

// Sends `signal` (0: none) to everything that descends from the calling process, save its `count` children in `spared`,
// what descends from them, and the process group `except_group` (0: none). After TERM, those that are stopped go on.
// Returns how many processes there are, one that has not been reaped included.
int berth_signal_strays(const pid_t *spared, int count, int signal, pid_t except_group);

// Sends KILL to everything that descends from `root`; with `only_stopped`, to those that are stopped.
// Returns how many got it.
int berth_kill_below(pid_t root, int only_stopped);

// Whether anything that descends from `root` runs, or would if it had a processor, or waits for a disk.
int berth_runs_below(pid_t root);

// Likewise of what berth_signal_strays would find.
int berth_strays_run(const pid_t *spared, int count);

// CPU time in microseconds, as exact as the kernel's ticks, of all that descends from `root` and of what was reaped among
// it: by its parents, and by `root` itself. Children whose parents ignore their end count for nobody, as in `times`.
uint64_t berth_cpu_time_below(pid_t root);

// Likewise of what berth_signal_strays would find; what the calling process has reaped itself is left out.
uint64_t berth_cpu_time_of_strays(const pid_t *spared, int count);

#endif
