// SPDX-License-Identifier: Apache-2.0

#ifndef BERTH_PROCESS_H
#define BERTH_PROCESS_H

// Set-up of the agent's process, and of each tool that it starts.

// From then on, only root may trace the process or read its memory. Children inherit that until they exec.
int berth_become_undumpable(void);

// Makes orphaned descendants children of this process, as for process 1.
int berth_become_subreaper(void);

// Looks whether this user namespace has one id, which programs then share with the agent: see `berth_has_one_id`.
void berth_look_at_ids(void);

// Sets all signals to their default disposition, also the two that glibc reserves and a parent may have ignored.
void berth_reset_signals(void);

// Raises the limit of open files as far as allowed, since walking a tree needs one for each level.
void berth_raise_open_files(void);

// Blocks SIGTERM. Returns a descriptor that becomes readable when it arrives.
int berth_terminations(void);

#endif
