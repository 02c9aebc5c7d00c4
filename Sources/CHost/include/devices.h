// SPDX-License-Identifier: Apache-2.0

#ifndef BERTH_DEVICES_H
#define BERTH_DEVICES_H

// Restricts what is below a cgroup of v2 to the devices that every container has: null, zero, full, random, urandom,
// tty and its terminals.
int berth_restrict_devices(const char *cgroup);

#endif
