// SPDX-License-Identifier: Apache-2.0

#ifndef BERTH_CHILD_H
#define BERTH_CHILD_H

#include "supervisor.h"

#include <stdint.h>
#include <sys/types.h>

// What a child of the agent does before it is what it shall be. Not for the agent itself.

// Closes every descriptor from `first` on.
void berth_close_from(int first);

// Whether programs have the agent's user, since there is no other. Then they have none of its capabilities; elsewhere a
// program that is asked to be root has those of the container's root.
extern int berth_has_one_id;

// Becomes the user and no one else's group member. A container may deny setgroups (a user namespace does): that is
// harmless only where no foreign group is held. Returns 0 or a negative errno.
int berth_become(uint32_t uid, uint32_t gid);

// What a vfork has come to, whose child tells in `shared` if it could not become a program. `error` is the parent's errno.
// Returns the process id, or a negative errno and the failure, with the child reaped.
pid_t berth_started(pid_t pid, int error, const volatile struct berth_failure *shared, struct berth_failure *failure);

// Writes the text to /proc/self/oom_score_adj; NULL: leaves it.
void berth_raise_oom_score(const char *text);

#endif
