// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "children.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

static int descriptor_or_error(int result) { return result < 0 ? -errno : result; }

pid_t berth_spawn(char *const argv[], char *const envp[], int in, int out, int err, int keep) {
    pid_t pid = -1;
    // Copies above 3, so that no dup2 below overwrites the source of a later one, for example with in = 1 and out = 0.
    int from[4] = {in, out, err, keep};
    int copies[4] = {-1, -1, -1, -1};
    int result = 0;
    for (int i = 0; i < 4 && result == 0; i++) {
        if (from[i] < 0) continue;
        copies[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 4);
        if (copies[i] < 0) result = errno;
    }

    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    int count = keep < 0 ? 3 : 4;
    for (int i = 0; i < count && result == 0; i++) {
        if (copies[i] < 0) result = posix_spawn_file_actions_addopen(&actions, i, "/dev/null", O_RDWR, 0);
        else result = posix_spawn_file_actions_adddup2(&actions, copies[i], i);
    }
    if (result == 0) result = posix_spawn_file_actions_addclosefrom_np(&actions, count);

    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    if (result == 0) result = posix_spawn(&pid, argv[0], &actions, &attributes, argv, envp);

    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    for (int i = 0; i < 4; i++)
        if (copies[i] >= 0) close(copies[i]);
    return result == 0 ? pid : -result;
}

int berth_wait(pid_t pid, int cancel, int timeout_ms, int *status) {
    int result = 0;
    int pidfd = berth_pidfd_open(pid);
    if (pidfd < 0) {
        result = pidfd;
    } else {
        struct pollfd ends[2] = {{.fd = pidfd, .events = POLLIN}, {.fd = cancel, .events = POLLIN}};
        int ready;
        do ready = poll(ends, 2, timeout_ms);
        while (ready < 0 && errno == EINTR);
        if (ready < 0) result = -errno;
        else if (ready == 0) result = -ETIME;
        else if (!ends[0].revents) result = -ECANCELED;
        close(pidfd);
    }
    if (result != 0) kill(-pid, SIGKILL);
    while (waitpid(pid, status, 0) < 0)
        if (errno != EINTR) return -errno;
    return result;
}

int berth_pidfd_open(pid_t pid) { return descriptor_or_error((int)syscall(SYS_pidfd_open, pid, 0)); }

int berth_pidfd_kill(int pidfd) {
    return syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) == 0 ? 0 : -errno;
}

int berth_event(void) { return descriptor_or_error(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }

int berth_memory_file(void) { return descriptor_or_error(memfd_create("berth-output", MFD_CLOEXEC)); }

int berth_bounded_file(size_t bytes) {
    int fd = memfd_create("berth-stderr", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) return -errno;
    if (ftruncate(fd, (off_t)bytes) < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0) {
        int error = errno;
        close(fd);
        return -error;
    }
    return fd;
}

int berth_adopts_orphans(void) {
    int subreaper = 0;
    prctl(PR_GET_CHILD_SUBREAPER, &subreaper, 0, 0, 0);
    return subreaper || getpid() == 1;
}

int berth_is_cgroup2(const char *path) {
    struct statfs info;
    return statfs(path, &info) == 0 && info.f_type == 0x63677270;
}
