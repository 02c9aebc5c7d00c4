// SPDX-License-Identifier: Apache-2.0

#ifndef BERTH_RESET_H
#define BERTH_RESET_H

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

// What a container is cleaned with, by its process 1, as root with CAP_SETUID and CAP_KILL and nothing else. Deadlines
// are nanoseconds of CLOCK_MONOTONIC; past one, what has it fails with -ETIME.

// Kills and reaps every other process of the PID namespace. Only for process 1: it fails with -EPERM elsewhere.
int berth_end_all_others(uint64_t deadline);

// The directory `top` loses everything but the names in `kept` (ends with NULL), whoever owns it and
// however deep it is.
int berth_empty_directory(int top, const char *const *kept, uint64_t deadline);

// What a directory's owner can change of it, but for what is in it.
struct berth_directory {
    uint32_t mode;
    int flags; // of FS_IOC_GETFLAGS
    struct timespec times[2];
};

// Changes a mode in the name of its owner.
void berth_change_mode(const char *path, uid_t owner, mode_t mode);

// Gives a directory back what it had.
int berth_restore_directory(int fd, const struct berth_directory *start);

// The flags of `chattr`; 0 where the file system has none.
int berth_directory_flags(int fd);

// Removes all SysV shared memory, semaphores and message queues of the IPC namespace.
int berth_remove_ipc(uint64_t deadline);

// Whether there are any; an error where that cannot be told.
int berth_has_ipc(void);

// Whether programs can leave keys in the kernel's keyrings, which outlive them.
int berth_can_use_keyrings(void);

// Refuses the calls for keyrings to this thread and all that it starts, for engines whose own filter allows them
// (Podman's). Takes no-new-privileges or CAP_SYS_ADMIN.
int berth_refuse_keyrings(void);

// The names of a directory's extended attributes, as flistxattr gives them; 0 where there are none or can be none.
ssize_t berth_attribute_names(int fd, char *names, size_t size);

// What another process of the same user may have changed of this one.
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
