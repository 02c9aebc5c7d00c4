// SPDX-License-Identifier: Apache-2.0

// Enters a user namespace of its own and becomes a program there, for servers of ordinary users. It is here, and not in the
// server, since only a process of one thread may enter one.

#define _GNU_SOURCE
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

static int write_map(const char *file, const char *text) {
    int fd = open(file, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    int result = write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1;
    int error = errno;
    close(fd);
    errno = error;
    return result;
}

static int run(const char *tool, char *const arguments[]) {
    pid_t pid = fork();
    if (pid == 0) {
        execvp(tool, arguments);
        _exit(127);
    }
    int status = 0;
    if (pid < 0) return -1;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return -1;
    return status == 0 ? 0 : -1;
}

// In the namespace of before, in which alone the tools may say who the user is. Tells by its exit whether both maps are set.
static _Noreturn void map_from_outside(pid_t inside, int ready, const char *program, const char *own, char *const range[2]) {
    char pid[16], byte;
    if (read(ready, &byte, 1) != 1) _exit(1);
    snprintf(pid, sizeof pid, "%d", (int)inside);
    char *const arguments[] = {
        (char *)(uintptr_t)program, pid, "0", (char *)(uintptr_t)own, "1", "1", range[0], range[1], NULL};
    _exit(run(program, arguments) == 0 ? 0 : 1);
}

static int map_range(const char *program, unsigned own, char *const range[2], int ready[2]) {
    char text[16];
    snprintf(text, sizeof text, "%u", own);
    pid_t inside = getpid();
    if (pipe2(ready, O_CLOEXEC) != 0) return -1;
    pid_t pid = fork();
    if (pid == 0) {
        // Else it would never see the end of this process.
        close(ready[1]);
        map_from_outside(inside, ready[0], program, text, range);
    }
    close(ready[0]);
    return pid;
}

static int is_mapped(pid_t helper, int ready) {
    int status = 1;
    if (helper <= 0 || write(ready, "", 1) != 1) return 0;
    while (waitpid(helper, &status, 0) < 0)
        if (errno != EINTR) return 0;
    return status == 0;
}

static int enter_alone(unsigned uid, unsigned gid) {
    char text[64];
    snprintf(text, sizeof text, "0 %u 1\n", uid);
    if (write_map("/proc/self/uid_map", text) != 0) return -1;
    // Before the map of groups: a process that left a group could reach what is forbidden to that.
    if (write_map("/proc/self/setgroups", "deny") != 0) return -1;
    snprintf(text, sizeof text, "0 %u 1\n", gid);
    return write_map("/proc/self/gid_map", text);
}

// arguments: UID-START UID-COUNT GID-START GID-COUNT PROGRAM ARGUMENT…; counts of 0 for none.
int enter_user_namespace(int count, char *arguments[]) {
    if (count < 5) return 2;
    unsigned uid = geteuid(), gid = getegid();
    int has_range = strcmp(arguments[1], "0") != 0 && strcmp(arguments[3], "0") != 0;
    int uids[2] = {-1, -1}, gids[2] = {-1, -1};
    pid_t helpers[2] = {-1, -1};
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    if (has_range) {
        helpers[0] = map_range("newuidmap", uid, arguments, uids);
        helpers[1] = map_range("newgidmap", gid, arguments + 2, gids);
    }
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) {
        fprintf(stderr, "berth: can't make a user namespace: %s\n", strerror(errno));
        return 1;
    }
    if (has_range && (!is_mapped(helpers[0], uids[1]) || !is_mapped(helpers[1], gids[1]))) {
        fprintf(stderr, "berth: newuidmap and newgidmap could not map the subordinate ids of this user\n");
        return 1;
    }
    if (!has_range && enter_alone(uid, gid) != 0) {
        fprintf(stderr, "berth: can't map the user in its namespace: %s\n", strerror(errno));
        return 1;
    }
    // The other ends are closed.
    if (has_range) {
        close(uids[1]);
        close(gids[1]);
    }
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) != 0) {
        fprintf(stderr, "berth: can't make mounts private: %s\n", strerror(errno));
        return 1;
    }
    char text[16];
    snprintf(text, sizeof text, "%u", uid);
    setenv("BERTH_OUTER_UID", text, 1);
    signal(SIGPIPE, SIG_DFL);
    execv(arguments[4], arguments + 5);
    fprintf(stderr, "berth: %s: %s\n", arguments[4], strerror(errno));
    return 1;
}
