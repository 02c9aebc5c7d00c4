#ifndef BERTH_PROCESS_H
#define BERTH_PROCESS_H

// prctl(2) is variadic, which Swift does not call. Both return 0, or -1 with errno.

// Nobody but root may trace the process or read its memory; its children get that too, until they exec.
int berth_become_undumpable(void);

// Orphans among what descends from the process become its children. Process 1 has that anyway.
int berth_become_subreaper(void);

// This process's environment, ended by NULL: Swift does not read `environ`, which C may change at any time.
char *_Nullable *_Nonnull berth_environment(void);

// Every signal at its default disposition, also the two that glibc keeps to itself and a parent may have ignored.
void berth_reset_signals(void);

#endif
