// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "supervisor.h"
#include "child.h"
#include "watch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void berth_close_from(int first) {
#ifdef SYS_close_range
    if (syscall(SYS_close_range, (unsigned)first, ~0U, 0U) == 0) return;
#endif
    // The kernel is older, or a seccomp profile does not know the call.
    DIR *open_ones = opendir("/proc/self/fd");
    if (open_ones) {
        struct dirent *entry;
        while ((entry = readdir(open_ones))) {
            int fd = atoi(entry->d_name);
            if (fd >= first && fd != dirfd(open_ones)) close(fd);
        }
        closedir(open_ones);
        return;
    }
    struct rlimit limit;
    int end = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 65536 ? (int)limit.rlim_cur : 65536;
    for (int fd = first; fd < end; fd++) close(fd);
}

// With no_new_privs, exec gives nothing back.
static int drop_all_capabilities(void) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}};
    return syscall(SYS_capset, &header, none) == 0 ? 0 : -errno;
}

// Changes to the user, without supplementary groups. setgroups may be refused, for example in a user namespace, which
// is harmless only if this process has no other groups.
int berth_become(uint32_t uid, uint32_t gid) {
    // For setresuid, -1 means "no change", so the user would stay root.
    if (uid == UINT32_MAX || gid == UINT32_MAX) return -EINVAL;
    gid_t groups[NGROUPS_MAX > 256 ? 256 : NGROUPS_MAX];
    // Plain system calls: the wrappers of glibc would also change other threads, and the memory is the supervisor's.
    gid_t only = gid;
    if (syscall(SYS_setgroups, (size_t)1, &only) != 0) {
        int error = errno;
        int same_user = geteuid() == uid && getegid() == gid;
        int count = getgroups(sizeof groups / sizeof *groups, groups);
        int foreign = count < 0;
        for (int i = 0; i < count; i++) foreign |= groups[i] != gid;
        if (error != EPERM || (foreign && !same_user)) return -error;
    }
    if (syscall(SYS_setresgid, gid, gid, gid) != 0) return -errno;
    if (syscall(SYS_setresuid, uid, uid, uid) != 0) return -errno;
    return berth_has_one_id ? drop_all_capabilities() : 0;
}

pid_t berth_started(pid_t pid, int error, const volatile struct berth_failure *shared, struct berth_failure *failure) {
    if (pid > 0 && !shared->has_failed) return pid;
    *failure = (struct berth_failure){
        .has_failed = 1,
        .stage = pid < 0 ? BERTH_STAGE_FORK : shared->stage,
        .error = pid < 0 ? error : shared->error,
    };
    if (pid > 0) waitpid(pid, NULL, 0);
    return -failure->error;
}

void berth_raise_oom_score(const char *text) {
    if (!text) return;
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0) return;
    ssize_t ignored = write(fd, text, strlen(text));
    (void)ignored;
    close(fd);
}

// Runs in the child of vfork: it makes only system calls, and changes no memory except for `failure`.
static void become_program(const struct berth_program *program, volatile struct berth_failure *failure) {
    failure->stage = BERTH_STAGE_IDENTITY;
    berth_raise_oom_score(program->oom_score_adj);
    const struct rlimit none = {0, 0};
    struct sigaction standard = {.sa_handler = SIG_DFL};
    sigset_t nothing;
    sigemptyset(&nothing);
    umask(022);
    if (setsid() < 0 || setrlimit(RLIMIT_CORE, &none) != 0 || sigaction(SIGPIPE, &standard, NULL) != 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        failure->error = errno;
        return;
    }
    failure->error = -berth_become(program->uid, program->gid);
    if (failure->error != 0) return;
    // The foreground becomes the process group of the program, which then gets the signals of typed keys.
    if (program->has_terminal && ioctl(STDIN_FILENO, TIOCSCTTY, 0) != 0) {
        failure->error = errno;
        return;
    }
    // As the user, so that its own permissions decide whether it may enter.
    failure->stage = BERTH_STAGE_DIRECTORY;
    if (chdir(program->directory) != 0) {
        failure->error = errno;
        return;
    }
    // This does not change descriptor 3 of the supervisor: descriptors are not shared, unlike memory.
    if (program->context >= 0 && dup2(CONTEXT, STDERR_FILENO + 1) < 0) {
        failure->error = errno;
        return;
    }
    sigprocmask(SIG_SETMASK, &nothing, NULL);
    failure->stage = BERTH_STAGE_EXEC;
    failure->error = ENOENT;
    for (const char *const *path = program->paths; *path; path++) {
        execve(*path, (char *const *)program->arguments, (char *const *)program->environment);
        switch (errno) {
        case ENOENT:
            if (access(*path, F_OK) != 0) continue;
            failure->stage = BERTH_STAGE_INTERPRETER;
            failure->error = ENOENT;
            return;
        case ENOTDIR:
            continue;
        case EACCES:
            // A later directory may have an executable file. If none has, this is the error.
            failure->error = EACCES;
            continue;
        default:
            failure->error = errno;
            return;
        }
    }
}

// The supervisor's descriptors, by example. The caller passes input 9, output 12, error 14 and control 7, all of them
// at least 3, since 0, 1 and 2 are always open in the caller. Then
//
//     dup2(9, 0)  dup2(12, 1)  dup2(14, 2)     none of the four sources can be overwritten by these
//     dup2(7, 3)                               3 may have been a source (input 3, say), but it has been copied by now
//     close 4 …                                the sources, and all other descriptors of the caller
//
// leave the program's three and control, which is closed on exec. dup2 clears close-on-exec on 0 to 2. If control is 3
// already, dup2 does nothing, and nothing is needed.
//
// The socket of a context is first moved to a number that is not 3, and at the end to 4.
static void arrange_descriptors(const struct berth_program *program) {
    dup2(program->input, STDIN_FILENO);
    dup2(program->output, STDOUT_FILENO);
    dup2(program->error, STDERR_FILENO);
    int context = program->context < 0 ? -1 : fcntl(program->context, F_DUPFD, CONTEXT + 1);
    dup2(program->control, CONTROL);
    if (context >= 0) {
        dup2(context, CONTEXT);
        fcntl(CONTEXT, F_SETFD, FD_CLOEXEC);
    }
    berth_close_from(context >= 0 ? CONTEXT + 1 : CONTROL + 1);
    fcntl(CONTROL, F_SETFD, FD_CLOEXEC);
}

static void run_supervisor(const struct berth_program *program) {
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    prctl(PR_SET_NAME, "berth-watch", 0, 0, 0);
    arrange_descriptors(program);

    volatile struct berth_failure failure = {0};
    static struct supervision state;
    state.programs[0] = (struct program){.started_us = berth_now_us()};
    state.count = 1;
    // vfork instead of fork copies no page tables, and needs no pipe to report why exec failed, since this process
    // continues only after the child has called exec or ended.
    pid_t pid = vfork();
    if (pid == 0) {
        become_program(program, &failure);
        failure.has_failed = 1;
        _exit(127);
    }
    struct berth_report report = {0};
    if (pid < 0 || failure.has_failed) {
        report.kind = BERTH_FAILED;
        report.stage = pid < 0 ? BERTH_STAGE_FORK : failure.stage;
        report.error = pid < 0 ? errno : failure.error;
        berth_send_reports(&report, 1);
        _exit(0);
    }
    report.kind = BERTH_STARTED;
    report.pid = pid;
    berth_send_reports(&report, 1);
    // From here on, only the program has its ends: otherwise an end of file could never be seen.
    close(STDIN_FILENO);
    close(STDOUT_FILENO);
    close(STDERR_FILENO);
    if (program->context >= 0) close(CONTEXT);
    state.programs[0].pid = pid;
    state.programs[0].group = pid;
    berth_watch(&state);
}

pid_t berth_supervise(const struct berth_program *program) {
    pid_t pid = fork();
    if (pid == 0) {
        run_supervisor(program);
        _exit(0);
    }
    return pid < 0 ? -errno : pid;
}

// Without opendir of glibc, which would change the memory of the caller, whose descriptors are closed on exec anyway.
static void arrange_directly(const struct berth_program *program) {
    dup2(program->input, STDIN_FILENO);
    dup2(program->output, STDOUT_FILENO);
    dup2(program->error, STDERR_FILENO);
#ifdef SYS_close_range
    syscall(SYS_close_range, (unsigned)STDERR_FILENO + 1, ~0U, 0U);
#endif
}

pid_t berth_start(const struct berth_program *program, struct berth_failure *failure) {
    volatile struct berth_failure shared = {0};
    pid_t pid = vfork();
    if (pid == 0) {
        arrange_directly(program);
        become_program(program, &shared);
        shared.has_failed = 1;
        _exit(127);
    }
    return berth_started(pid, errno, &shared, failure);
}

int berth_has_children(void) {
    siginfo_t info;
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0 || errno != ECHILD;
}

pid_t berth_reap(struct berth_report *report) {
    struct rusage usage;
    pid_t pid = wait4(-1, &report->status, WNOHANG, &usage);
    if (pid < 0) return -errno;
    if (pid > 0) berth_set_usage(report, &usage);
    return pid;
}
