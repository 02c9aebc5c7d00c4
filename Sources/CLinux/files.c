// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

const int berth_o_path = O_PATH;
const int berth_o_tmpfile = O_TMPFILE;

int berth_rename(int from_directory, const char *from, int to_directory, const char *to, int never_replaces) {
    unsigned flags = never_replaces ? 1U /* NOREPLACE */ : 0U;
    return syscall(SYS_renameat2, from_directory, from, to_directory, to, flags) == 0 ? 0 : -errno;
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
