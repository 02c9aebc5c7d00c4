// SPDX-License-Identifier: Apache-2.0

#ifndef BERTH_PROBE_H
#define BERTH_PROBE_H

// Its CLONE_NEW… are what `refused` has.
#include <linux/sched.h>

// What a container's start takes, tried at the server's start: what a service's unit or an outer container forbids
// shows there, and not in the first create.

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
    // An errno, or 0 when `signal` has ended the attempt, as a filter of system calls does.
    int error;
    int signal;
    // Of BERTH_PROBE_NAMESPACES: the CLONE_NEW… flags that were refused one by one.
    int refused;
};

// Starts a child in new pid, mount, ipc, uts and network namespaces that joins the cgroups whose cgroup.procs files are
// named, makes a cgroup namespace of its own with `unified`, mounts something in its own mount namespace on `directory`
// (NULL: does not), and ends. Nothing of it stays. Returns 0, or an error with what failed in `failure`; -ECANCELED where
// no errno tells it, as when a signal has ended the attempt.
int berth_try_container(
    int unified, const char *directory, char *const procs[], struct berth_probe_failure *failure);

// Whether systemd has marked the cgroup as delegated to what runs in it.
int berth_is_delegated(const char *cgroup);

#endif
