// SPDX-License-Identifier: Apache-2.0

#ifndef BERTH_PROBE_H
#define BERTH_PROBE_H

// For the CLONE_NEW… flags in `refused`.
#include <linux/sched.h>

// The steps of a container's start, which the server tries at its own start, so that what a service's unit or an outer
// container forbids shows then, and not at the first create.

enum berth_probe_step {
    BERTH_PROBE_NAMESPACES,
    BERTH_PROBE_CGROUP,
    BERTH_PROBE_MOUNT,
    BERTH_PROBE_HOSTNAME,
    BERTH_PROBE_NETLINK,
    BERTH_PROBE_DEVICES,
    BERTH_PROBE_DONE,
};

struct berth_probe_failure {
    int step;
    // An errno, or 0 if `signal` has ended the attempt, as a seccomp filter may do.
    int error;
    int signal;
    // For BERTH_PROBE_NAMESPACES: the CLONE_NEW… flags that are refused when tried one by one.
    int refused;
};

// Starts a child in new pid, mount, ipc, uts and network namespaces. It joins the cgroups with the cgroup.procs files
// `procs`, creates a cgroup namespace if `unified`, mounts something on `directory` (NULL: nothing) in its mount
// namespace, loads a program that guards devices if `unified` and `guards_devices`, and ends. Nothing of it is left. Returns 0, or an error with details in `failure`; -ECANCELED if there is
// no errno, for example because a signal has ended the attempt.
int berth_try_container(
    int unified, int guards_devices, const char *directory, char *const procs[], struct berth_probe_failure *failure);

// Whether this user may make a user namespace: tried in a child, which ends at once.
int berth_can_make_user_namespace(void);

// Whether systemd has marked the cgroup as delegated to the processes in it.
int berth_is_delegated(const char *cgroup);

#endif
