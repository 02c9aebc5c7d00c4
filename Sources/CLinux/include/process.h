#ifndef BERTH_PROCESS_H
#define BERTH_PROCESS_H

// prctl(2) is variadic, which Swift does not call. Each returns 0, or -1 with errno.

// Nobody but root may trace the process or read its memory; its children get that too, until they exec.
int berth_become_undumpable(void);

// Orphans among what descends from the process become its children. Process 1 has that anyway.
int berth_become_subreaper(void);

#endif
