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
    int has_terminal;               // all three of the following are one: it becomes the session's
    // Descriptors, each 3 or more; control is not one of the others.
    int input;
    int output;
    int error;
    int control;                    // the supervisor's end of a stream socket pair
    int context;                    // becomes the program's 3; -1: none. Only with a supervisor
};

// What the supervisor writes to its control socket.
enum berth_report_kind {
    BERTH_STARTED = 1, // pid
    BERTH_FAILED = 2,  // stage, error: the program never ran; nothing follows
    BERTH_EXITED = 3,  // status, wall_us, and usage as in BERTH_GONE so far: the program was reaped. What it left goes on.
    BERTH_GONE = 4,    // user_us, system_us, peak_memory_bytes: nothing that descended from it is left; nothing follows
};

enum berth_stage {
    BERTH_STAGE_FORK = 1,
    BERTH_STAGE_IDENTITY = 2,    // session, limits, user and groups
    BERTH_STAGE_DIRECTORY = 3,
    BERTH_STAGE_EXEC = 4,
    BERTH_STAGE_INTERPRETER = 5, // the file is there; what its first line or its header names is not
};

// Why a program did not start. Written by the child, read by its parent once the child is gone or has exec'd: they share
// their memory until then.
struct berth_failure {
    int has_failed;
    int stage; // enum berth_stage: how far it came
    int error; // errno
};

struct berth_report {
    int32_t kind;
    int32_t pid;
    int32_t stage;
    int32_t error;  // errno
    int32_t status; // as waitpid gives it
    int32_t reserved;
    uint64_t wall_us;
    uint64_t user_us;
    uint64_t system_us;
    uint64_t peak_memory_bytes;
};

// What the supervisor reads from its control socket: one byte each.
//   1 to 64                a signal for the program's process group
//   BERTH_TERMINATE        TERM to the process group and to everything that descends from the program
//   end of the stream      KILL to everything. So the death of the caller, too, ends all of it.
enum { BERTH_TERMINATE = 0x80 };

// Forks a supervisor, which starts the program and is the reaper of all that descends from it. It ends when nothing of
// that is left. What is left when the program ends goes on until the caller kills it, or is gone.
// The caller must have all signals blocked and all dispositions at their default (SIGPIPE may be ignored).
// Returns the supervisor's pid.
pid_t berth_supervise(const struct berth_program *program);

// Starts the program as the caller's own child; `control` means nothing. The caller stands still
// until it runs, and has to reap it and all that it leaves. While any other process could stop the child before it has
// exec'd, being of the same user, that process could hold up the caller: so it is only for a caller that knows of none.
// The same holds for the caller's signals as for berth_supervise. Returns the program's pid;
// where it fails, `failure` says at which stage.
pid_t berth_start(const struct berth_program *program, struct berth_failure *failure);

// Whether the calling process has any, running or not reaped.
int berth_has_children(void);

// Reaps a child that has ended: sets the report's status, and its usage with that of what it had reaped itself. Returns its
// pid, 0 when none has ended, -ECHILD when there is none.
pid_t berth_reap(struct berth_report *report);

// wait(2)'s macros, which Swift does not see.
static inline int berth_did_exit(int32_t status) { return (status & 0x7f) == 0; }
static inline int berth_exit_code(int32_t status) { return (status >> 8) & 0xff; }
static inline int berth_end_signal(int32_t status) { return status & 0x7f; }

#endif
