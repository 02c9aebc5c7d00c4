// SPDX-License-Identifier: Apache-2.0

#ifndef BERTH_SUPERVISOR_H
#define BERTH_SUPERVISOR_H

#include <stdint.h>
#include <sys/types.h>

// A program to start. All pointers are read before berth_supervise returns in the caller.
struct berth_program {
    const char *const *paths;       // files to try in turn, ends with NULL
    const char *const *arguments;   // ends with NULL
    const char *const *environment; // ends with NULL
    const char *directory;
    uint32_t uid;
    uint32_t gid;
    const char *oom_score_adj;      // text to write to /proc/self/oom_score_adj; NULL: leave it
    int has_terminal;               // input, output and error are a terminal, which becomes that of the session
    // Descriptors, each 3 or more; control is not one of the others.
    int input;
    int output;
    int error;
    int control;                    // the supervisor's end of a stream socket pair
    int context;                    // becomes the program's 3; -1: none. Only with a supervisor
};

// The messages that the supervisor writes to its control socket. Each has the pid of the program.
enum berth_report_kind {
    BERTH_STARTED = 1, // it runs, or was adopted
    BERTH_FAILED = 2,  // stage, error: the program never ran, or can't be adopted; nothing follows
    BERTH_EXITED = 3,  // status, wall_us, and usage so far as in BERTH_GONE: the program was reaped. Others may go on.
    BERTH_GONE = 4,    // user_us, system_us, peak_memory_bytes: no descendant of it is left; nothing follows
};

enum berth_stage {
    BERTH_STAGE_FORK = 1,
    BERTH_STAGE_IDENTITY = 2,    // session, limits, user and groups
    BERTH_STAGE_DIRECTORY = 3,
    BERTH_STAGE_EXEC = 4,
    BERTH_STAGE_INTERPRETER = 5, // the file exists, but the interpreter in its first line or header does not
    BERTH_STAGE_ADOPTION = 6,
};

// Why a program did not start. The child writes it, and the parent reads it after the child has ended or called exec:
// they share their memory until then.
struct berth_failure {
    int has_failed;
    int stage; // enum berth_stage
    int error; // errno
};

struct berth_report {
    int32_t kind;
    int32_t pid;
    int32_t stage;
    int32_t error;  // errno
    int32_t status; // wait status
    int32_t reserved;
    uint64_t wall_us;
    uint64_t user_us;
    uint64_t system_us;
    uint64_t peak_memory_bytes;
};

// The commands that the supervisor reads from its control socket. The end of the stream is KILL to everything, so that
// the death of the caller ends it, too.
struct berth_order {
    int32_t kind; // 1 to 64: a signal for the program's process group; or one of the following
    int32_t pid;  // of the program; 0: the one that the supervisor was started with
};
enum {
    BERTH_TERMINATE = 0x80, // TERM to the process group and to all descendants of the program
    BERTH_KILL = 0x81,      // KILL to all of them
    // Makes `pid`, a descendant of one of the programs, a separate program. Processes whose parents have ended are
    // distinguished by their hard limit of RLIMIT_RTTIME, which is inherited and can't be raised.
    BERTH_ADOPT = 0x82,
};

// Forks a supervisor, which starts the program and reaps all its descendants. It ends when none is left, adopted programs
// included. Processes that are left when the program ends go on until the caller kills them, or ends. The caller must have
// blocked all signals, and all dispositions must be the default (SIGPIPE may be ignored). Returns the pid of the supervisor.
pid_t berth_supervise(const struct berth_program *program);

// Starts the program as a child of the caller; `control` is not used. The caller is blocked until the program runs, and
// must reap it and everything that it leaves. A process of the same user could stop the child before its exec, and so
// block the caller: so there must be no such process. The signals of the caller must be as for berth_supervise. Returns
// the pid of the program; on failure, `failure` has the stage.
pid_t berth_start(const struct berth_program *program, struct berth_failure *failure);

// Whether the calling process has children that run or are not reaped.
int berth_has_children(void);

// Reaps a child that has ended, and sets the status of the report and its usage, including that of children that it had
// reaped itself. Returns its pid, 0 if none has ended, -ECHILD if there is none.
pid_t berth_reap(struct berth_report *report);

// The macros of wait(2), which Swift can't import.
static inline int berth_did_exit(int32_t status) { return (status & 0x7f) == 0; }
static inline int berth_exit_code(int32_t status) { return (status >> 8) & 0xff; }
static inline int berth_end_signal(int32_t status) { return status & 0x7f; }

#endif
