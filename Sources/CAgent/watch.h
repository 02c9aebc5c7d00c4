// SPDX-License-Identifier: Apache-2.0

#ifndef BERTH_WATCH_H
#define BERTH_WATCH_H

// Between supervisor.c, which starts a program, and watch.c, which then is its reaper; of nobody else's concern.

#include "supervisor.h"

#include <sys/resource.h>
#include <unistd.h>

// Numbers of the supervisor's descriptors, once they are arranged: its end of the socket, and the program's descriptor
// 3.
enum { CONTROL = STDERR_FILENO + 1, CONTEXT };

// Each of them is the root of a tree of its own, though its parent may be another of them, or has been.
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

// Does what is ordered, and ends the process when nothing is left of its programs.
void berth_watch(struct supervision *state) __attribute__((noreturn));

void berth_send_reports(const struct berth_report *reports, int count);
void berth_set_usage(struct berth_report *report, const struct rusage *usage);
uint64_t berth_now_us(void);

#endif
