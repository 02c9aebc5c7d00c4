#define _GNU_SOURCE
#include "files.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

const int berth_o_path = O_PATH;
const int berth_o_tmpfile = O_TMPFILE;

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
    if (sigprocmask(SIG_BLOCK, &termination, 0) != 0) return -1;
    return signalfd(-1, &termination, SFD_CLOEXEC | SFD_NONBLOCK);
}
