// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// The launcher's end must be this member's end until it is the agent: nobody else would see it.
static int end_with_launcher(int status, struct report *report) {
    if (prctl(PR_SET_PDEATHSIG, (unsigned long)SIGKILL, 0UL, 0UL, 0UL) != 0)
        return failed(report, errno, "end with the launcher", NULL);
    // It may have ended before that.
    struct pollfd end = {.fd = status, .events = 0};
    if (poll(&end, 1, 0) != 0) _exit(1);
    return 0;
}

static int bring_up_loopback(struct report *report) {
    struct ifreq request;
    memset(&request, 0, sizeof request);
    memcpy(request.ifr_name, "lo", 3);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return failed(report, errno, "open a socket", NULL);
    request.ifr_flags = IFF_UP;
    if (ioctl(fd, SIOCSIFFLAGS, &request) != 0) return failed(report, errno, "bring lo up", NULL);
    close(fd);
    return 0;
}

static int enter_namespaces(
    const struct template *template, const struct request *request, const int cgroups[BERTH_LAUNCHER_MAX_CGROUPS],
    struct report *report) {
    if (join_cgroups(template, cgroups, report) < 0) return -1;
    report->doing = "make its namespaces";
    // Only now, so that its own cgroup is the root that it sees.
    if (unshare(CLONE_NEWCGROUP) != 0) return failed(report, errno, "make a cgroup namespace", NULL);
    if (setsid() < 0) return failed(report, errno, "begin a session", NULL);
    if (sethostname(request->name, strlen(request->name)) != 0) return failed(report, errno, "set the host name", NULL);
    return template->has_network ? bring_up_loopback(report) : 0;
}

// Standard input and output are the stream, standard error is the file for last words, descriptor 3 closes with exec.
static int take_descriptors(const struct request *request, int status, struct report *report) {
    int from[4] = {request->stream, request->stream, request->errors, status};
    for (int i = 0; i < 4; i++) {
        // Above what is being replaced.
        from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 16);
        if (from[i] < 0) return failed(report, errno, "copy descriptors", NULL);
    }
    for (int i = 0; i < 4; i++)
        if (dup3(from[i], i == 3 ? 3 : i, i == 3 ? O_CLOEXEC : 0) < 0)
            return failed(report, errno, "place descriptors", NULL);
    if (syscall(SYS_close_range, 4U, ~0U, 0U) != 0) return failed(report, errno, "close descriptors", NULL);
    return 0;
}

// By system calls: the C library does not let go of its own two signals, which posix_spawn(3) has set to be ignored.
static int reset_signals(struct report *report) {
    // The kernel's struct sigaction, all of it zero: the default.
    unsigned long standard[4] = {0};
    for (int i = 1; i <= 64; i++) syscall(SYS_rt_sigaction, i, standard, NULL, sizeof(unsigned long));
    sigset_t none;
    sigemptyset(&none);
    return sigprocmask(SIG_SETMASK, &none, NULL) == 0 ? 0 : failed(report, errno, "unblock signals", NULL);
}

static int drop_capabilities(const struct template *template, struct report *report) {
    uint64_t keep = template->capabilities;
    for (unsigned long i = 0; i < 64; i++) {
        if (keep & (1ULL << i)) continue;
        if (prctl(PR_CAPBSET_DROP, i, 0UL, 0UL, 0UL) == 0) continue;
        // The first number that this kernel does not know.
        if (errno == EINVAL) break;
        return failed(report, errno, "drop from the bounding set", NULL);
    }
    if (prctl(PR_CAP_AMBIENT, (unsigned long)PR_CAP_AMBIENT_CLEAR_ALL, 0UL, 0UL, 0UL) != 0)
        return failed(report, errno, "clear ambient capabilities", NULL);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL) != 0) return failed(report, errno, "set no_new_privs", NULL);
    if (!template->keeps_groups && syscall(SYS_setgroups, (size_t)0, NULL) != 0)
        return failed(report, errno, "leave groups", NULL);
    if (syscall(SYS_setresgid, 0, 0, 0) != 0 || syscall(SYS_setresuid, 0, 0, 0) != 0)
        return failed(report, errno, "become its root", NULL);
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    struct __user_cap_data_struct data[2];
    for (int i = 0; i < 2; i++) {
        data[i].effective = data[i].permitted = (uint32_t)(keep >> (32 * i));
        data[i].inheritable = 0;
    }
    return syscall(SYS_capset, &head, data) == 0 ? 0 : failed(report, errno, "set capabilities", NULL);
}

// What of the launcher must not reach the agent, and what the agent must not have.
static int harden(const struct template *template, const struct request *request, int status, struct report *report) {
    report->doing = "harden it";
    if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0)
        return failed(report, errno, "begin a session keyring", NULL);
    for (size_t i = 0; i < template->rlimit_count; i++) {
        const struct berth_launcher_rlimit *limit = &template->rlimits[i];
        struct rlimit value = {.rlim_cur = limit->value, .rlim_max = limit->value};
        if (setrlimit((__rlimit_resource_t)limit->resource, &value) != 0)
            return failed(report, errno, "set a resource limit", NULL);
    }
    if (take_descriptors(request, status, report) < 0 || reset_signals(report) < 0) return -1;
    umask(022);
    return drop_capabilities(template, report);
}

_Noreturn void become_member(
    const struct template *template, const struct request *request, const int cgroups[BERTH_LAUNCHER_MAX_CGROUPS],
    int status, struct report *report) {
    report->doing = "begin";
    if (end_with_launcher(status, report) == 0 && enter_namespaces(template, request, cgroups, report) == 0
        && make_layer(template, request, report) == 0 && make_file_systems(template, request, report) == 0
        && harden(template, request, status, report) == 0) {
        report->doing = "start the agent";
        // Changing capabilities has not cleared it, and the member outlives the launcher.
        if (prctl(PR_SET_PDEATHSIG, 0UL, 0UL, 0UL, 0UL) != 0) failed(report, errno, "live on without the launcher", NULL);
        else if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0U, &template->filter) != 0)
            failed(report, errno, "install the filter of system calls", NULL);
        else {
            execve(template->arguments[0], template->arguments, template->variables);
            failed(report, errno, "start the agent", template->arguments[0]);
        }
    }
    _exit(1);
}
