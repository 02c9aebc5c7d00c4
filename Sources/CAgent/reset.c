// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "reset.h"
#include "process.h"
#include "zygote.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

// Processes

// Sends a signal (0: none) to all processes but this one and those that are spared. Returns how many there are, or an error.
// It does not only look at children, since a process that entered the namespace from outside is not a child.
static int signal_others(const pid_t *spared, int count, int signal) {
    DIR *proc = opendir("/proc");
    if (!proc) return -errno;
    struct dirent *entry;
    int others = 0;
    while ((entry = readdir(proc))) {
        if (!isdigit((unsigned char)entry->d_name[0])) continue;
        pid_t pid = atoi(entry->d_name);
        int is_spared = pid == getpid();
        for (int i = 0; i < count; i++) is_spared |= spared[i] == pid;
        if (is_spared) continue;
        others++;
        if (signal) kill(pid, signal);
    }
    closedir(proc);
    return others;
}

static int is_alone(void) {
    int others = signal_others(NULL, 0, 0);
    return others < 0 ? others : others == 0;
}

int berth_end_all_but(const pid_t *spared, int count, const uint32_t *users, int user_count, uint64_t deadline) {
    if (getpid() != 1) return -EPERM;
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    while (1) {
        // All of a user at once: no fork of theirs can escape this. What else there is came from outside, or is the agent's.
        for (int i = 0; i < user_count; i++) berth_kill_all_of(users[i]);
        int others = signal_others(spared, count, SIGKILL);
        while (waitpid(-1, NULL, WNOHANG | __WALL) > 0) {}
        if (others <= 0) return others;
        if (now_ns() >= deadline) return -ETIME;
        struct timespec moment = {0, 1000000};
        sigtimedwait(&child, NULL, &moment);
    }
}

int berth_end_all_others(uint64_t deadline) {
    // Outside of a PID namespace, -1 would mean all processes of the machine.
    if (getpid() != 1) return -EPERM;
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    while (1) {
        // No fork can escape this: the kernel locks its list of tasks meanwhile, and a fork with a pending signal
        // fails.
        kill(-1, SIGKILL);
        pid_t pid;
        while ((pid = waitpid(-1, NULL, WNOHANG | __WALL)) > 0) {}
        if (pid < 0 && errno == ECHILD) {
            int alone = is_alone();
            if (alone != 0) return alone < 0 ? alone : 0;
        }
        uint64_t now = now_ns();
        if (now >= deadline) return -ETIME;
        uint64_t left = deadline - now;
        // A process that came from outside is reaped there, so its end sends no signal.
        struct timespec moment = {0, left < 1000000 ? (long)left : 1000000};
        sigtimedwait(&child, NULL, &moment);
    }
}

// Directories

// Files are changed as their owner, since root has no special rights without CAP_DAC_OVERRIDE and CAP_FOWNER.
static void touch_as(uid_t uid) { syscall(SYS_setfsuid, uid); }

struct entry {
    uint64_t inode;
    int64_t offset;
    unsigned short length;
    unsigned char type;
    char name[];
};

// At most two directories are open at the same time: a place, and a directory in it.
enum { NAMES_MAX = 32768 };
static char names_of_top[NAMES_MAX] __attribute__((aligned(16)));
static char names_of_inner[NAMES_MAX] __attribute__((aligned(16)));

struct emptying {
    int top;
    const char *const *kept;
    uint64_t deadline;
    int problem;    // the last errno
    uint64_t moves; // names given to directories that were moved up
};

static int is_kept(const struct emptying *job, const char *name) {
    for (const char *const *kept = job->kept; *kept; kept++)
        if (strcmp(*kept, name) == 0) return 1;
    return 0;
}

static int is_dots(const char *name) { return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2])); }

static int note(struct emptying *job) {
    job->problem = errno;
    return 0;
}

// Moves a non-empty directory up into the place itself. So no tree is too deep, and no memory is needed.
static int move_up(struct emptying *job, int parent, uid_t parent_owner, const char *name) {
    struct stat status;
    if (fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) != 0) return note(job);
    touch_as(status.st_uid);
    // A directory can be moved to another parent only by a user who may write to the directory itself.
    int result = fchmodat(parent, name, 0777, 0);
    for (int attempt = 0; result == 0 && attempt < 64; attempt++) {
        char moved[48];
        snprintf(moved, sizeof moved, ".moved-%llu", (unsigned long long)job->moves++);
        if (is_kept(job, moved)) continue;
        result = renameat(parent, name, job->top, moved);
        if (result == 0) break;
        // A program uses this name already. Its entry stays, and is removed later.
        if (errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR || errno == EPERM) {
            if (attempt < 63) result = 0;
        }
    }
    if (result != 0) note(job);
    touch_as(parent_owner);
    return result == 0;
}

static int remove_name(struct emptying *job, int parent, const struct entry *entry) {
    if (entry->type != DT_DIR && unlinkat(parent, entry->name, 0) == 0) return 1;
    if (entry->type != DT_DIR && errno != EISDIR) return note(job);
    if (unlinkat(parent, entry->name, AT_REMOVEDIR) == 0) return 1;
    if (errno != ENOTEMPTY && errno != EEXIST) return note(job);
    return -1;
}

// Removes the content of `parent` in passes, until a pass finds nothing. Returns whether one did.
static int clear(
    struct emptying *job, int parent, char *names, int (*take)(struct emptying *, int, uid_t, const struct entry *),
    uid_t owner
) {
    while (1) {
        int seen = 0, removed = 0;
        if (lseek(parent, 0, SEEK_SET) < 0) return note(job);
        long count;
        while ((count = syscall(SYS_getdents64, parent, names, (size_t)NAMES_MAX)) > 0) {
            for (long at = 0; at < count;) {
                const struct entry *entry = (const struct entry *)(names + at);
                at += entry->length;
                if (is_dots(entry->name) || (parent == job->top && is_kept(job, entry->name))) continue;
                seen++;
                removed += take(job, parent, owner, entry);
                if (now_ns() >= job->deadline) {
                    job->problem = ETIME;
                    return 0;
                }
            }
        }
        if (count < 0) return note(job);
        if (seen == 0) return 1;
        if (removed == 0) return 0;
    }
}

static int take_inner(struct emptying *job, int parent, uid_t owner, const struct entry *entry) {
    int removed = remove_name(job, parent, entry);
    return removed < 0 ? move_up(job, parent, owner, entry->name) : removed;
}

static int take_outer(struct emptying *job, int top, uid_t owner, const struct entry *entry) {
    int removed = remove_name(job, top, entry);
    if (removed >= 0) return removed;
    struct stat status;
    if (fstatat(top, entry->name, &status, AT_SYMLINK_NOFOLLOW) != 0) return note(job);
    touch_as(status.st_uid);
    int inner = -1;
    // Clears the sticky bit, so that the owner may remove files of others in it.
    if (fchmodat(top, entry->name, 0777, 0) == 0)
        inner = openat(top, entry->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (inner < 0) note(job);
    int cleared = inner >= 0 && clear(job, inner, names_of_inner, take_inner, status.st_uid);
    if (inner >= 0) close(inner);
    touch_as(owner);
    if (!cleared) return 0;
    return unlinkat(top, entry->name, AT_REMOVEDIR) == 0 ? 1 : note(job);
}

int berth_empty_directory(int top, const char *const *kept, uint64_t deadline) {
    struct emptying job = {top, kept, deadline, 0, 0};
    struct stat status;
    if (fstat(top, &status) != 0) return -errno;
    touch_as(status.st_uid);
    int is_empty = clear(&job, top, names_of_top, take_outer, status.st_uid);
    touch_as(0);
    // If fs.suid_dumpable is set on the machine, the change of the user has undone this.
    berth_become_undumpable();
    return is_empty ? 0 : -(job.problem ? job.problem : EBUSY);
}

void berth_change_mode(const char *path, uid_t owner, mode_t mode) {
    touch_as(owner);
    int ignored = chmod(path, mode);
    (void)ignored;
    touch_as(0);
    berth_become_undumpable();
}

int berth_restore_directory(int fd, const struct berth_directory *start) {
    struct stat status;
    if (fstat(fd, &status) != 0) return -errno;
    touch_as(status.st_uid);
    // Programs of its owner may have changed this, so that nothing could be removed.
    int result = fchmod(fd, start->mode & 07777) == 0 ? 0 : -errno;
    int flags = start->flags;
    if (berth_directory_flags(fd) != flags) ioctl(fd, FS_IOC_SETFLAGS, &flags);
    futimens(fd, start->times);
    touch_as(0);
    berth_become_undumpable();
    return result;
}

int berth_directory_flags(int fd) {
    int flags = 0;
    return ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 ? flags : 0;
}

// IPC objects

static int remove_memory(int id) { return shmctl(id, IPC_RMID, NULL); }
static int remove_semaphores(int id) { return semctl(id, 0, IPC_RMID); }
static int remove_queue(int id) { return msgctl(id, IPC_RMID, NULL); }

static const struct {
    const char *list;
    int owner_column;
    int (*remove)(int id);
} ipc_kinds[] = {
    {"/proc/sysvipc/shm", 7, remove_memory},
    {"/proc/sysvipc/sem", 4, remove_semaphores},
    {"/proc/sysvipc/msg", 7, remove_queue},
};
enum { IPC_KINDS = sizeof ipc_kinds / sizeof *ipc_kinds };

// Calls `visit` for each object, until it returns 0. Returns the number of objects.
static int visit_ipc(int kind, int (*visit)(int kind, int id, uid_t owner, void *context), void *context) {
    FILE *list = fopen(ipc_kinds[kind].list, "re");
    if (!list) return -errno;
    char line[512];
    int count = 0;
    // The first line has the titles of the columns.
    int goes_on = fgets(line, sizeof line, list) != NULL;
    while (goes_on && fgets(line, sizeof line, list)) {
        long id = -1, owner = -1;
        char *rest = NULL;
        int column = 0;
        for (char *word = strtok_r(line, " \t\n", &rest); word; word = strtok_r(NULL, " \t\n", &rest), column++) {
            if (column == 1) id = strtol(word, NULL, 10);
            if (column == ipc_kinds[kind].owner_column) owner = strtol(word, NULL, 10);
        }
        if (column == 0) continue;
        count++;
        goes_on = visit(kind, (int)id, (uid_t)owner, context);
    }
    fclose(list);
    return count;
}

struct ipc_removal {
    uint64_t deadline;
    int removed;
    int problem;
};

static int remove_ipc(int kind, int id, uid_t owner, void *context) {
    struct ipc_removal *removal = context;
    // Only the owner may do this. The real and saved user ids stay root, to be able to switch back.
    syscall(SYS_setresuid, -1, owner, -1);
    if (ipc_kinds[kind].remove(id) == 0) removal->removed++;
    else removal->problem = errno;
    syscall(SYS_setresuid, -1, 0, -1);
    if (now_ns() < removal->deadline) return 1;
    removal->problem = ETIME;
    return 0;
}

int berth_remove_ipc(uint64_t deadline) {
    struct ipc_removal removal = {deadline, 0, 0};
    for (int kind = 0; kind < IPC_KINDS; kind++) {
        int count;
        do {
            removal.removed = 0;
            count = visit_ipc(kind, remove_ipc, &removal);
            if (count < 0) return count;
        } while (count > 0 && removal.removed > 0 && removal.problem != ETIME);
        if (count > 0) return -(removal.problem ? removal.problem : EBUSY);
    }
    berth_become_undumpable();
    return 0;
}

static int stop_at_first(int kind, int id, uid_t owner, void *context) {
    (void)kind, (void)id, (void)owner, (void)context;
    return 0;
}

int berth_has_ipc(void) {
    for (int kind = 0; kind < IPC_KINDS; kind++) {
        int count = visit_ipc(kind, stop_at_first, NULL);
        if (count != 0) return count;
    }
    return 0;
}

int berth_can_use_keyrings(void) {
    // KEYCTL_GET_KEYRING_ID of KEY_SPEC_USER_KEYRING, which does not create one. If it is allowed, it returns an id, or
    // says that there is none; otherwise a filter refuses it, or it does not exist.
    return syscall(SYS_keyctl, 0, -4, 0) >= 0 || (errno != EPERM && errno != ENOSYS);
}

// add_key, request_key and keyctl have consecutive numbers in every table of system calls.
#if defined(__x86_64__)
#define NATIVE_ARCHITECTURE AUDIT_ARCH_X86_64
#define OTHER_ARCHITECTURE AUDIT_ARCH_I386
#define OTHER_FIRST_KEY_CALL 286
// The x32 ABI has the same numbers with this bit.
#define NUMBER_MASK (~0x40000000u)
#elif defined(__aarch64__)
#define NATIVE_ARCHITECTURE AUDIT_ARCH_AARCH64
#define OTHER_ARCHITECTURE AUDIT_ARCH_ARM
#define OTHER_FIRST_KEY_CALL 309
#define NUMBER_MASK (~0u)
#endif

int berth_refuse_keyrings(void) {
#ifdef NATIVE_ARCHITECTURE
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define SKIP_UNLESS(test, value, count) BPF_JUMP(BPF_JMP | (test) | BPF_K, (value), 0, (count))
#define ANSWER(value) BPF_STMT(BPF_RET | BPF_K, (value))
    struct sock_filter program[] = {
        LOAD(arch),
        SKIP_UNLESS(BPF_JEQ, NATIVE_ARCHITECTURE, 6),
        LOAD(nr),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, NUMBER_MASK),
        SKIP_UNLESS(BPF_JGE, SYS_add_key, 2),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, SYS_add_key + 2, 1, 0),
        ANSWER(SECCOMP_RET_ERRNO | EPERM),
        ANSWER(SECCOMP_RET_ALLOW),
        SKIP_UNLESS(BPF_JEQ, OTHER_ARCHITECTURE, 4),
        LOAD(nr),
        SKIP_UNLESS(BPF_JGE, OTHER_FIRST_KEY_CALL, 3),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, OTHER_FIRST_KEY_CALL + 2, 2, 0),
        ANSWER(SECCOMP_RET_ERRNO | EPERM),
        // The numbers of an unknown architecture are unknown.
        ANSWER(SECCOMP_RET_ERRNO | ENOSYS),
        ANSWER(SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {sizeof program / sizeof program[0], program};
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) == 0 ? 0 : -errno;
#else
    return -ENOSYS;
#endif
}

ssize_t berth_attribute_names(int fd, char *names, size_t size) {
    ssize_t count = flistxattr(fd, names, size);
    if (count >= 0) return count;
    return errno == ENOTSUP ? 0 : -errno;
}

// This process

static void read_line(const char *path, char *text, size_t size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    ssize_t ignored = read(fd, text, size - 1);
    (void)ignored;
    close(fd);
}

void berth_get_own_state(struct berth_own_state *state) {
    memset(state, 0, sizeof *state);
    for (int i = 0; i < 16; i++) {
        struct rlimit limit = {0, 0};
        getrlimit(i, &limit);
        state->limits[i][0] = limit.rlim_cur;
        state->limits[i][1] = limit.rlim_max;
    }
    state->nice = getpriority(PRIO_PROCESS, 0);
    state->scheduler = sched_getscheduler(0);
    state->io_priority = (int32_t)syscall(SYS_ioprio_get, 1, 0);
    state->umask = umask(0);
    umask(state->umask);
    sched_getaffinity(0, sizeof state->processors, (cpu_set_t *)state->processors);
    read_line("/proc/self/oom_score_adj", state->oom_score_adj, sizeof state->oom_score_adj);
    read_line("/proc/self/coredump_filter", state->core_filter, sizeof state->core_filter);
}

int berth_is_same_state(const struct berth_own_state *one, const struct berth_own_state *other) {
    return memcmp(one, other, sizeof *one) == 0;
}
