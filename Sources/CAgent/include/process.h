// SPDX-License-Identifier: Apache-2.0

#ifndef BERTH_PROCESS_H
#define BERTH_PROCESS_H

// What the agent's own process, and each tool that it starts, sets up for itself.

// Nobody but root may trace the process or read its memory; its children get that too, until they exec.
int berth_become_undumpable(void);

// Orphans among what descends from the process become its children. Process 1 has that anyway.
int berth_become_subreaper(void);

// Every signal at its default disposition, also the two that glibc keeps to itself and a parent may have ignored.
void berth_reset_signals(void);

// Raises the number of files that may be open to what is allowed; deep trees are walked with one for each level.
void berth_raise_open_files(void);

// Blocks SIGTERM. Returns a descriptor that is readable once it has come.
int berth_terminations(void);

#endif
