// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "zygote.h"
#include "child.h"
#include "descendants.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// The capabilities that are kept are those that exec gives root: no new ones with no_new_privs.
static int keep_only_change_of_user(void) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2], kept[2] = {{0}};
    if (syscall(SYS_capget, &header, data) != 0) return -errno;
    uint32_t wanted = (1U << CAP_SETUID) | (1U << CAP_SETGID);
    kept[0].permitted = kept[0].effective = data[0].permitted & wanted;
    return syscall(SYS_capset, &header, kept) == 0 ? 0 : -errno;
}

// Runs in the child of vfork: only system calls, and no memory is changed except for `failure`.
static void become_zygote(const struct berth_program *program, volatile struct berth_failure *failure) {
    failure->stage = BERTH_STAGE_IDENTITY;
    const struct rlimit none = {0, 0};
    struct sigaction standard = {.sa_handler = SIG_DFL};
    sigset_t nothing;
    sigemptyset(&nothing);
    umask(022);
    if (dup2(program->input, STDIN_FILENO) < 0 || dup2(program->output, STDOUT_FILENO) < 0 ||
        dup2(program->error, STDERR_FILENO) < 0 || dup2(program->context, STDERR_FILENO + 1) < 0) {
        failure->error = errno;
        return;
    }
    // The agent's other descriptors are closed on exec; these, too, where the kernel can do it at once.
#ifdef SYS_close_range
    syscall(SYS_close_range, (unsigned)STDERR_FILENO + 2, ~0U, 0U);
#endif
    if (setsid() < 0 || setrlimit(RLIMIT_CORE, &none) != 0 || sigaction(SIGPIPE, &standard, NULL) != 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        failure->error = errno;
        return;
    }
    failure->error = -keep_only_change_of_user();
    if (failure->error != 0) return;
    failure->stage = BERTH_STAGE_DIRECTORY;
    if (chdir(program->directory) != 0) {
        failure->error = errno;
        return;
    }
    sigprocmask(SIG_SETMASK, &nothing, NULL);
    failure->stage = BERTH_STAGE_EXEC;
    failure->error = ENOENT;
    for (const char *const *path = program->paths; *path; path++) {
        execve(*path, (char *const *)program->arguments, (char *const *)program->environment);
        if (errno != ENOENT && errno != ENOTDIR) failure->error = errno;
    }
}

pid_t berth_start_zygote(const struct berth_program *program, struct berth_failure *failure) {
    volatile struct berth_failure shared = {0};
    pid_t pid = vfork();
    if (pid == 0) {
        become_zygote(program, &shared);
        shared.has_failed = 1;
        _exit(127);
    }
    return berth_started(pid, errno, &shared, failure);
}

int berth_send_with_descriptors(int socket, const void *bytes, size_t size, const int *descriptors, int count) {
    enum { MOST = 8 };
    if (count > MOST || count < 1) return -EINVAL;
    struct iovec content = {(void *)bytes, size};
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(MOST * sizeof(int))];
    } control = {0};
    struct msghdr message = {.msg_iov = &content, .msg_iovlen = 1, .msg_control = control.room};
    message.msg_controllen = CMSG_SPACE((size_t)count * sizeof(int));
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
    memcpy(CMSG_DATA(&control.header), descriptors, (size_t)count * sizeof(int));
    ssize_t sent = sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) return -errno;
    return (size_t)sent == size ? 0 : -EMSGSIZE;
}

int berth_get_process_state(pid_t pid, struct berth_process_state *state) {
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -errno;
    ssize_t count = read(fd, text, sizeof text - 1);
    close(fd);
    if (count <= 0) return -ESRCH;
    text[count] = 0;
    // The name may contain anything, also parentheses.
    const char *fields = strrchr(text, ')');
    int found = fields ? sscanf(fields + 1,
                                " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %ld %*d %llu",
                                &state->state, &state->threads, &state->started)
                       : 0;
    return found == 3 ? 0 : -ESRCH;
}

static void ignore(pid_t pid, void *context) {
    (void)pid;
    (void)context;
}

int berth_process_has_children(pid_t pid) {
    return berth_visit_descendants(pid, BERTH_CHILDREN_AUTO, ignore, NULL) > 0;
}

int berth_kill_all_of(uint32_t uid) {
    // Only where programs share the agent's user, and the agent is the first process, which that spares.
    if (uid == 0 && getpid() != 1) return -EINVAL;
    volatile int error = 0;
    pid_t pid = vfork();
    if (pid == 0) {
        // Plain system calls: those of glibc would change all threads, and the memory is the parent's.
        if (syscall(SYS_setresuid, uid, uid, uid) != 0 || (kill(-1, SIGKILL) != 0 && errno != ESRCH)) error = errno;
        _exit(0);
    }
    if (pid < 0) return -errno;
    waitpid(pid, NULL, 0);
    return -error;
}
