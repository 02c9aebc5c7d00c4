// SPDX-License-Identifier: Apache-2.0

#ifndef BERTH_RESET_H
#define BERTH_RESET_H

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

// Functions that clean a container, for its process 1, which is root with only CAP_SETUID and CAP_KILL. Deadlines are
// in nanoseconds of CLOCK_MONOTONIC; after them, a function fails with -ETIME.

// Kills and reaps all other processes of the PID namespace. Only for process 1, otherwise it fails with -EPERM.
int berth_end_all_others(uint64_t deadline);

// The same for all but the spared ones, which no program can have signalled. `users` are those that programs ran as.
int berth_end_all_but(const pid_t *spared, int count, const uint32_t *users, int user_count, uint64_t deadline);

// Removes everything from the directory `top` except for the names in `kept` (which ends with NULL), whoever owns it
// and however deep it is.
int berth_empty_directory(int top, const char *const *kept, uint64_t deadline);

// What the owner of a directory can change about it, without its content.
struct berth_directory {
    uint32_t mode;
    int flags; // of FS_IOC_GETFLAGS
    struct timespec times[2];
};

// Changes a mode as the owner.
void berth_change_mode(const char *path, uid_t owner, mode_t mode);

// Restores the state of a directory.
int berth_restore_directory(int fd, const struct berth_directory *start);

// The flags of chattr(1); 0 if the file system has none.
int berth_directory_flags(int fd);

// Removes all System V shared memory, semaphores and message queues of the IPC namespace.
int berth_remove_ipc(uint64_t deadline);

// Whether there are any; an error if that is unknown.
int berth_has_ipc(void);

// Whether programs can leave keys in the kernel's keyrings, which outlive them.
int berth_can_use_keyrings(void);

// Forbids the calls for keyrings to this thread and everything that it starts, for engines whose own filter allows them
// (Podman). It needs no-new-privileges or CAP_SYS_ADMIN.
int berth_refuse_keyrings(void);

// The names of a directory's extended attributes in the format of flistxattr(2); 0 if there are none, or can't be any.
ssize_t berth_attribute_names(int fd, char *names, size_t size);

// What another process of the same user may have changed in this one.
struct berth_own_state {
    uint64_t limits[16][2];
    int32_t nice;
    int32_t scheduler;
    int32_t io_priority;
    uint32_t umask;
    uint8_t processors[128];
    char oom_score_adj[16];
    char core_filter[24];
};
void berth_get_own_state(struct berth_own_state *state);
int berth_is_same_state(const struct berth_own_state *one, const struct berth_own_state *other);

#endif
