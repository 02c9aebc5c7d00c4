// SPDX-License-Identifier: Apache-2.0

#ifndef BERTH_WATCH_H
#define BERTH_WATCH_H

// Shared only by supervisor.c, which starts a program, and watch.c, which then reaps it.

#include "supervisor.h"

#include <sys/resource.h>
#include <unistd.h>

// Numbers of the supervisor's descriptors, once they are arranged: its end of the socket, and the program's descriptor
// 3.
enum { CONTROL = STDERR_FILENO + 1, CONTEXT };

// Each program is the root of its own tree, even if its parent is, or was, another program.
struct program {
    pid_t pid; // 0 once it is reaped
    pid_t group;
    rlim_t mark;
    uint64_t started_us;
    int is_killing;
    struct berth_report last;
};

enum { PROGRAMS_MAX = 64 };

struct supervision {
    struct program programs[PROGRAMS_MAX]; // the oldest first
    int count;
    int has_adopted;
    int is_killing; // everything
};

// Executes commands, and ends the process when no process of its programs is left.
void berth_watch(struct supervision *state) __attribute__((noreturn));

void berth_send_reports(const struct berth_report *reports, int count);
void berth_set_usage(struct berth_report *report, const struct rusage *usage);
uint64_t berth_now_us(void);

#endif
