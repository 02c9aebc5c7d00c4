#define _GNU_SOURCE
#include "process.h"

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int berth_become_undumpable(void) {
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

int berth_become_subreaper(void) {
    return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

extern char **environ;

char **berth_environment(void) {
    return environ;
}

void berth_reset_signals(void) {
    // The kernel's struct sigaction, all zero: the default handler, no flags, nothing masked.
    const char standard[64] = {0};
    // KILL and STOP refuse, and need no reset.
    for (int number = 1; number <= 64; number++) syscall(SYS_rt_sigaction, number, standard, NULL, (size_t)8);
}
