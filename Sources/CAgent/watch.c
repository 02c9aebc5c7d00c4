// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "watch.h"
#include "descendants.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

uint64_t berth_now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void berth_send_reports(const struct berth_report *reports, int count) {
    // A stream socket takes a few hundred bytes at once. If the caller is gone, that is noticed when commands are read.
    ssize_t ignored = write(CONTROL, reports, sizeof *reports * (size_t)count);
    (void)ignored;
}

static struct program *program_of_group(struct supervision *state, pid_t group) {
    if (group == 0 && state->count > 0) return &state->programs[0];
    for (int i = 0; i < state->count; i++)
        if (state->programs[i].group == group) return &state->programs[i];
    return NULL;
}

// The program that a process belongs to: the one that it descends from, or did. NULL: unknown.
static struct program *owner_of(struct supervision *state, pid_t pid) {
    if (!state->has_adopted) return &state->programs[0];
    pid_t self = getpid();
    for (pid_t at = pid; at > 1 && at != self; at = berth_parent_of(at)) {
        for (int i = 0; i < state->count; i++)
            if (state->programs[i].pid == at) return &state->programs[i];
    }
    // Its parent has ended, and it is this process's own child.
    rlim_t mark = berth_mark_of(pid);
    pid_t session = getsid(pid);
    struct program *oldest = NULL;
    for (int i = 0; i < state->count; i++) {
        struct program *one = &state->programs[i];
        if (one->mark != mark) continue;
        if (one->group == session) return one;
        if (!oldest) oldest = one;
    }
    return oldest;
}

struct visit {
    struct supervision *state;
    struct program *owner; // NULL: everything
    int count;
};

static void terminate_one(pid_t pid, void *context) {
    const struct visit *visit = context;
    // The processes of the group had their TERM. A handler may not expect to run twice.
    if (owner_of(visit->state, pid) != visit->owner || getpgid(pid) == visit->owner->group) return;
    kill(pid, SIGTERM);
    kill(pid, SIGCONT);
}

static void kill_one(pid_t pid, void *context) {
    const struct visit *visit = context;
    // Without an owner: a copy that is not adopted yet, whose maker has ended; or a process that hides, which ends with the last.
    if (visit->owner && owner_of(visit->state, pid) != visit->owner) return;
    kill(pid, SIGKILL);
}

static void count_one(pid_t pid, void *context) {
    struct visit *visit = context;
    if (owner_of(visit->state, pid) == visit->owner) visit->count++;
}

static void adopt(struct supervision *state, pid_t pid) {
    struct berth_report report = {.kind = BERTH_STARTED, .pid = pid};
    pid_t at = pid;
    while (at > 1 && at != getpid()) at = berth_parent_of(at);
    if (at != getpid() || pid == at || program_of_group(state, pid) || state->count == PROGRAMS_MAX) {
        report.kind = BERTH_FAILED;
        report.stage = BERTH_STAGE_ADOPTION;
        report.error = ESRCH;
    } else {
        if (!state->has_adopted) state->programs[0].mark = berth_mark_of(getpid());
        struct program *program = &state->programs[state->count++];
        *program = (struct program){.pid = pid, .group = pid, .mark = berth_mark_of(pid), .started_us = berth_now_us()};
        state->has_adopted = 1;
    }
    berth_send_reports(&report, 1);
}

static void obey_one(struct supervision *state, const struct berth_order *order) {
    if (order->kind == BERTH_ADOPT) adopt(state, order->pid);
    struct program *program = program_of_group(state, order->pid);
    if (!program) return;
    // The group's number is not given to another while the program is not reaped, and its orphans keep it too.
    if (order->kind <= 64 && program->pid) kill(-program->group, order->kind);
    if (order->kind == BERTH_KILL) program->is_killing = 1;
    if (order->kind != BERTH_TERMINATE) return;
    if (program->pid) {
        kill(-program->group, SIGTERM);
        kill(-program->group, SIGCONT);
    }
    struct visit visit = {state, program, 0};
    berth_visit_descendants(getpid(), BERTH_CHILDREN_AUTO, terminate_one, &visit);
}

static void obey(struct supervision *state) {
    struct berth_order orders[16];
    // Each was written as a whole.
    ssize_t size = recv(CONTROL, orders, sizeof orders, MSG_DONTWAIT);
    if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR)) state->is_killing = 1;
    for (ssize_t i = 0; i < size / (ssize_t)sizeof *orders; i++) obey_one(state, &orders[i]);
}

void berth_set_usage(struct berth_report *report, const struct rusage *usage) {
    report->user_us = (uint64_t)usage->ru_utime.tv_sec * 1000000 + (uint64_t)usage->ru_utime.tv_usec;
    report->system_us = (uint64_t)usage->ru_stime.tv_sec * 1000000 + (uint64_t)usage->ru_stime.tv_usec;
    report->peak_memory_bytes = (uint64_t)usage->ru_maxrss * 1024;
}

// Usage of everything reaped here; if there are several programs, only what this one has used and reaped itself.
static void add_usage(const struct supervision *state, struct berth_report *report, const struct rusage *own) {
    struct rusage all;
    if (!state->has_adopted) getrusage(RUSAGE_CHILDREN, &all);
    berth_set_usage(report, state->has_adopted ? own : &all);
}

// Sends the last report of a program, of which no process is left.
static void forget(struct supervision *state, int place, struct berth_report *report) {
    struct program *program = &state->programs[place];
    struct rusage all;
    *report = program->last;
    if (!state->has_adopted && getrusage(RUSAGE_CHILDREN, &all) == 0) berth_set_usage(report, &all);
    report->kind = BERTH_GONE;
    report->pid = program->group;
    memmove(program, program + 1, sizeof *program * (size_t)(--state->count - place));
}

static int has_left(struct supervision *state, struct program *program) {
    if (program->pid || !state->has_adopted) return 1;
    struct visit visit = {state, program, 0};
    berth_visit_descendants(getpid(), BERTH_CHILDREN_AUTO, count_one, &visit);
    return visit.count > 0;
}

// Returns if there are children left; otherwise it ends the process.
static void reap(struct supervision *state) {
    static struct berth_report reports[2 * PROGRAMS_MAX];
    int count = 0;
    pid_t pid;
    int status;
    struct rusage usage;
    while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0) {
        for (int i = 0; i < state->count; i++) {
            struct program *program = &state->programs[i];
            if (program->pid != pid) continue;
            program->pid = 0;
            program->last = (struct berth_report){.kind = BERTH_EXITED, .pid = pid, .status = status};
            program->last.wall_us = berth_now_us() - program->started_us;
            add_usage(state, &program->last, &usage);
            reports[count++] = program->last;
        }
    }
    int is_empty = pid < 0 && errno == ECHILD;
    for (int i = state->count - 1; i >= 0; i--)
        if (is_empty || !has_left(state, &state->programs[i])) forget(state, i, &reports[count++]);
    // In one write: a reader that gets both at once knows that no process was left.
    if (count > 0) berth_send_reports(reports, count);
    if (is_empty) _exit(0);
    // The remaining processes have no owner then.
    if (state->count == 0) state->is_killing = 1;
}

// The children of killed processes become children of this process. So when it has none left, the whole tree is gone,
// whatever was forked meanwhile. Each end of a child sends a SIGCHLD, which causes the next pass.
// Returns whether something of a program is to end while others go on.
static int kill_what_is_to_end(struct supervision *state) {
    struct visit visit = {state, NULL, 0};
    int is_one = 0;
    for (int i = 0; i < state->count; i++) {
        struct program *program = &state->programs[i];
        if (!state->is_killing && !program->is_killing) continue;
        if (program->pid) kill(-program->group, SIGKILL);
        if (state->is_killing) continue;
        is_one = state->has_adopted;
        visit.owner = is_one ? program : NULL;
        berth_visit_descendants(getpid(), BERTH_CHILDREN_AUTO, kill_one, &visit);
    }
    visit.owner = NULL;
    if (state->is_killing) berth_visit_descendants(getpid(), BERTH_CHILDREN_AUTO, kill_one, &visit);
    return is_one;
}

void berth_watch(struct supervision *state) {
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    int signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    struct pollfd ready[2] = {{.fd = CONTROL, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
    while (1) {
        struct signalfd_siginfo ignored[4];
        while (read(signals, ignored, sizeof ignored) > 0) {}
        reap(state);
        int is_killing_one = kill_what_is_to_end(state);
        // After the end of the stream, control would always be ready.
        ready[0].fd = state->is_killing ? -1 : CONTROL;
        // Where the kernel gave no signalfd, children are asked after in turn. One that ends below another program brings
        // no signal here.
        int timeout = signals < 0 || is_killing_one ? 5 : -1;
        if (poll(ready, 2, timeout) > 0 && ready[0].revents) obey(state);
    }
}
