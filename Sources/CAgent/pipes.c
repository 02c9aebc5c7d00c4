// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "pipes.h"
#include "CLinux.h"
#include "process.h"
#include "zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

int berth_pipe_of(uint32_t uid, int ends[2]) {
    uid_t own = geteuid();
    if (uid == own) return berth_pipe(ends);
    // The pipe belongs to the file system user id of its creator. Changing the owner later would need CAP_CHOWN.
    syscall(SYS_setfsuid, uid);
    int result = berth_pipe(ends);
    syscall(SYS_setfsuid, own);
    // If fs.suid_dumpable is set on the machine, the change of the user has undone this.
    berth_become_undumpable();
    return result;
}

int berth_open_end_of(uint32_t uid, int pipe, int flags) {
    uid_t own = geteuid();
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", pipe);
    if (uid != own) syscall(SYS_setfsuid, uid);
    int end = open(path, flags | O_NONBLOCK | O_CLOEXEC);
    if (end < 0) end = -errno;
    if (uid != own) {
        syscall(SYS_setfsuid, own);
        berth_become_undumpable();
    }
    return end;
}

int berth_send_descriptors(int socket, const int *descriptors, int count) {
    return berth_send_with_descriptors(socket, "", 1, descriptors, count);
}

int berth_set_pipe_size(int fd, int bytes) {
    int size = fcntl(fd, F_SETPIPE_SZ, bytes);
    return size < 0 ? -errno : size;
}

ssize_t berth_splice(int pipe, int stream, size_t count) {
    ssize_t moved = splice(pipe, NULL, stream, NULL, count, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    return moved < 0 ? -errno : moved;
}
