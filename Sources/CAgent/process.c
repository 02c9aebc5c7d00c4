// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "process.h"

#include "child.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

int berth_become_undumpable(void) { return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : -errno; }

int berth_become_subreaper(void) { return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0 ? 0 : -errno; }

int berth_has_one_id = 0;

void berth_look_at_ids(void) {
    FILE *map = fopen("/proc/self/uid_map", "re");
    if (!map) return;
    unsigned inside, outside, count, lines = 0, ids = 0;
    while (fscanf(map, "%u %u %u", &inside, &outside, &count) == 3) {
        lines++;
        ids = count;
    }
    berth_has_one_id = lines == 1 && ids == 1;
    fclose(map);
}

void berth_reset_signals(void) {
    // The kernel's struct sigaction with all zeros: the default handler, no flags, an empty mask.
    const char standard[64] = {0};
    // This fails for KILL and STOP, which need no reset.
    for (int number = 1; number <= 64; number++) syscall(SYS_rt_sigaction, number, standard, NULL, (size_t)8);
}

void berth_raise_open_files(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int berth_terminations(void) {
    sigset_t termination;
    sigemptyset(&termination);
    sigaddset(&termination, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &termination, 0) != 0) return -errno;
    int descriptor = signalfd(-1, &termination, SFD_CLOEXEC | SFD_NONBLOCK);
    return descriptor < 0 ? -errno : descriptor;
}
