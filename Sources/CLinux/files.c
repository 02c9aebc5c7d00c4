#define _GNU_SOURCE
#include <unistd.h>
#include <sys/vfs.h>
#include <sys/syscall.h>
#include <linux/magic.h>
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

int berth_rename(int from_directory, const char *from, int to_directory, const char *to, int never_replaces) {
    return (int)syscall(SYS_renameat2, from_directory, from, to_directory, to, never_replaces ? 1U /* NOREPLACE */ : 0U);
}

int berth_is_kernels_file(int descriptor) {
    struct statfs system;
    if (fstatfs(descriptor, &system) != 0) return 0;
    switch ((unsigned long)system.f_type) {
    case PROC_SUPER_MAGIC:
    case SYSFS_MAGIC:
    case CGROUP_SUPER_MAGIC:
    case CGROUP2_SUPER_MAGIC:
    case BINFMTFS_MAGIC:
    case DEBUGFS_MAGIC:
    case SECURITYFS_MAGIC:
    case TRACEFS_MAGIC:
        return 1;
    default:
        return 0;
    }
}

int berth_is_on_tmpfs(int descriptor) {
    struct statfs system;
    return fstatfs(descriptor, &system) == 0 && system.f_type == TMPFS_MAGIC;
}
