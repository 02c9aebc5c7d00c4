// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "probe.h"
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/netlink.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static const int namespaces[] = {CLONE_NEWPID, CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWNET};

// A fork into new namespaces. The child has a copy of the memory, and may call only functions that are safe in a signal
// handler, since the parent has threads.
static pid_t fork_into(int flags) { return (pid_t)syscall(SYS_clone, (long)flags | SIGCHLD, 0L, 0L, 0L, 0L); }

static int checked(int result) { return result < 0 ? -errno : 0; }

static int ended_by(pid_t pid, int *status) {
    while (waitpid(pid, status, 0) < 0)
        if (errno != EINTR) return -errno;
    return 0;
}

static int join(const char *procs) {
    int fd = open(procs, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return -errno;
    int result = write(fd, "0", 1) == 1 ? 0 : -errno;
    close(fd);
    return result;
}

// On cgroup v2, a BPF program controls a container's access to devices.
static int load_device_program(void) {
    struct bpf_insn program[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1},
        {.code = BPF_JMP | BPF_EXIT},
    };
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
    attributes.insns = (unsigned long)program;
    attributes.insn_cnt = sizeof program / sizeof program[0];
    attributes.license = (unsigned long)"Apache";
    int fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof attributes);
    if (fd < 0) return -errno;
    close(fd);
    return 0;
}

// Each step reports its number before it is tried, since a seccomp filter may kill the process during it.
static void try_steps(int pipe, int unified, int guards_devices, const char *directory, char *const procs[]) {
    int report[2];
// `result` is 0 or an error.
#define STEP(number, result) \
    do { \
        report[0] = (number), report[1] = 0; \
        if (write(pipe, report, sizeof report) != sizeof report) _exit(1); \
        report[1] = -(result); \
        if (report[1] != 0) { \
            ssize_t ignored = write(pipe, report, sizeof report); \
            (void)ignored; \
            _exit(1); \
        } \
    } while (0)

    for (int i = 0; procs[i]; i++) STEP(BERTH_PROBE_CGROUP, join(procs[i]));
    // Only now, since a process can't be moved out of the root of its cgroup namespace.
    if (unified) STEP(BERTH_PROBE_NAMESPACES, checked(unshare(CLONE_NEWCGROUP)));
    if (directory) {
        STEP(BERTH_PROBE_MOUNT, checked(mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL)));
        STEP(BERTH_PROBE_MOUNT, checked(mount("tmpfs", directory, "tmpfs", MS_NOSUID | MS_NODEV, "size=4k")));
        STEP(BERTH_PROBE_MOUNT, checked(mount("proc", directory, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL)));
        STEP(BERTH_PROBE_MOUNT, checked(umount2(directory, MNT_DETACH)));
    }
    STEP(BERTH_PROBE_HOSTNAME, checked(sethostname("berth", 5)));
    // runc uses it to bring up loopback.
    STEP(BERTH_PROBE_NETLINK, checked(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)));
    if (unified && guards_devices) STEP(BERTH_PROBE_DEVICES, load_device_program());
    STEP(BERTH_PROBE_DONE, 0);
    _exit(0);
}

// Which namespaces are refused if each is requested alone.
static int refused_namespaces(int flags) {
    int refused = 0;
    for (unsigned i = 0; i < sizeof namespaces / sizeof namespaces[0]; i++) {
        if (!(flags & namespaces[i])) continue;
        pid_t pid = fork_into(namespaces[i]);
        if (pid == 0) _exit(0);
        int status;
        if (pid > 0) ended_by(pid, &status);
        else refused |= namespaces[i];
    }
    return refused;
}

int berth_try_container(
    int unified, int guards_devices, const char *directory, char *const procs[], struct berth_probe_failure *failure) {
    memset(failure, 0, sizeof *failure);
    int flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET;
    int ends[2];
    int result = berth_pipe(ends);
    if (result < 0) {
        failure->error = -result;
        return result;
    }
    pid_t pid = fork_into(flags);
    if (pid == 0) try_steps(ends[1], unified, guards_devices, directory, procs);
    int error = errno;
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        failure->step = BERTH_PROBE_NAMESPACES;
        failure->error = error;
        failure->refused = refused_namespaces(flags);
        return -error;
    }
    int report[2] = {BERTH_PROBE_NAMESPACES, 0};
    int step[2];
    while (read(ends[0], step, sizeof step) == sizeof step) memcpy(report, step, sizeof report);
    close(ends[0]);
    int status = 0;
    failure->step = report[0];
    failure->error = report[1];
    result = ended_by(pid, &status);
    if (result != 0) failure->error = -result;
    else if (WIFSIGNALED(status)) failure->signal = WTERMSIG(status);
    if (failure->step == BERTH_PROBE_NAMESPACES) failure->refused = CLONE_NEWCGROUP;
    if (failure->error != 0) return -failure->error;
    return failure->step == BERTH_PROBE_DONE && failure->signal == 0 ? 0 : -ECANCELED;
}

int berth_can_make_user_namespace(void) {
    pid_t pid = fork_into(CLONE_NEWUSER | CLONE_NEWNS);
    if (pid < 0) return 0;
    if (pid == 0) _exit(0);
    int status;
    ended_by(pid, &status);
    return 1;
}

int berth_is_delegated(const char *cgroup) {
    char value[2];
    // A user's manager can't set the trusted attribute.
    return (getxattr(cgroup, "trusted.delegate", value, sizeof value) == 1 && value[0] == '1')
        || (getxattr(cgroup, "user.delegate", value, sizeof value) == 1 && value[0] == '1');
}
