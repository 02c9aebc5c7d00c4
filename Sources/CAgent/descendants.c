// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "descendants.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

// Maximum number of processes that a walk remembers. The others are found by the next walk, when their parents are
// gone.
enum { QUEUE_MAX = 16384 };
static pid_t queue[QUEUE_MAX];
static pid_t parents[QUEUE_MAX];

static int append_list(const char *path, int count) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return count;
    char buffer[4096];
    pid_t pid = 0;
    ssize_t size;
    while ((size = read(fd, buffer, sizeof buffer)) > 0) {
        for (ssize_t i = 0; i < size; i++) {
            if (isdigit((unsigned char)buffer[i])) {
                pid = pid * 10 + (buffer[i] - '0');
            } else if (pid > 0) {
                if (count < QUEUE_MAX) queue[count++] = pid;
                pid = 0;
            }
        }
    }
    close(fd);
    return count;
}

// Each thread has a list of the children that it has forked.
static int append_children(pid_t parent, int count) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", parent);
    DIR *tasks = opendir(path);
    if (!tasks) return count;
    struct dirent *entry;
    while ((entry = readdir(tasks))) {
        if (!isdigit((unsigned char)entry->d_name[0])) continue;
        snprintf(path, sizeof path, "/proc/%d/task/%d/children", parent, atoi(entry->d_name));
        count = append_list(path, count);
    }
    closedir(tasks);
    return count;
}

static int lists_are_there(void) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", getpid());
    return access(path, R_OK) == 0;
}

// The fields of /proc/PID/stat after the name, which may contain anything, also parentheses. NULL if there is no such
// process.
static const char *read_stat(pid_t pid, char *text, size_t size) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return NULL;
    ssize_t count = read(fd, text, size - 1);
    close(fd);
    if (count <= 0) return NULL;
    text[count] = 0;
    char *end = strrchr(text, ')');
    return end ? end + 1 : NULL;
}

pid_t berth_parent_of(pid_t pid) {
    char text[512];
    const char *fields = read_stat(pid, text, sizeof text);
    int parent = 0;
    char state;
    return fields && sscanf(fields, " %c %d", &state, &parent) == 2 ? parent : 0;
}

static int visit_by_lists(pid_t root, void (*visit)(pid_t, void *), void *context) {
    int count = append_children(root, 0);
    for (int i = 0; i < count; i++) {
        visit(queue[i], context);
        count = append_children(queue[i], count);
    }
    return count;
}

static int visit_by_scan(pid_t root, void (*visit)(pid_t, void *), void *context) {
    DIR *proc = opendir("/proc");
    if (!proc) return 0;
    int all = 0;
    struct dirent *entry;
    while ((entry = readdir(proc)) && all < QUEUE_MAX) {
        if (!isdigit((unsigned char)entry->d_name[0])) continue;
        queue[all] = atoi(entry->d_name);
        parents[all] = berth_parent_of(queue[all]);
        all++;
    }
    closedir(proc);
    // Descendants are moved to the front in the order in which they are found, and then their children are searched.
    int found = 0;
    for (int i = -1; i < found; i++) {
        pid_t parent = i < 0 ? root : queue[i];
        for (int j = found; j < all; j++) {
            if (parents[j] != parent) continue;
            pid_t pid = queue[j];
            queue[j] = queue[found];
            parents[j] = parents[found];
            queue[found] = pid;
            parents[found] = parent;
            found++;
            visit(pid, context);
        }
    }
    return found;
}

int berth_visit_descendants(pid_t root, int source, void (*visit)(pid_t, void *), void *context) {
    if (source == BERTH_CHILDREN_AUTO) source = lists_are_there() ? BERTH_CHILDREN_LISTS : BERTH_CHILDREN_SCAN;
    return source == BERTH_CHILDREN_LISTS ? visit_by_lists(root, visit, context) : visit_by_scan(root, visit, context);
}

struct children {
    pid_t *pids;
    int count, capacity;
    pid_t parent;
};

static void collect_child(pid_t pid, void *context) {
    struct children *children = context;
    if (children->count < children->capacity && berth_parent_of(pid) == children->parent) children->pids[children->count++] = pid;
}

uint64_t berth_mark_of(pid_t pid) {
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/%d/limits", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return RLIM_INFINITY;
    ssize_t count = read(fd, text, sizeof text - 1);
    close(fd);
    if (count <= 0) return RLIM_INFINITY;
    text[count] = 0;
    const char *line = strstr(text, "Max realtime timeout");
    unsigned long long soft, hard;
    return line && sscanf(line, "Max realtime timeout %llu %llu", &soft, &hard) == 2 ? hard : RLIM_INFINITY;
}

static pid_t strays[QUEUE_MAX];

// Collects the children of the calling process that belong to `whose`.
static int collect_strays(const struct berth_strays *whose) {
    struct children children = {strays, 0, QUEUE_MAX, getpid()};
    berth_visit_descendants(children.parent, BERTH_CHILDREN_AUTO, collect_child, &children);
    int kept = 0;
    for (int i = 0; i < children.count; i++) {
        int is_spared = 0;
        for (int j = 0; j < whose->count; j++) is_spared |= whose->spared[j] == strays[i];
        if (is_spared) continue;
        if (whose->mark && strays[i] != whose->program && berth_mark_of(strays[i]) != whose->mark) continue;
        strays[kept++] = strays[i];
    }
    return kept;
}

struct sending {
    int signal;
    pid_t except_group;
};

static void send_signal(pid_t pid, void *context) {
    const struct sending *sending = context;
    if (sending->signal == 0 || (sending->except_group && getpgid(pid) == sending->except_group)) return;
    kill(pid, sending->signal);
    if (sending->signal == SIGTERM) kill(pid, SIGCONT);
}

int berth_signal_strays(const struct berth_strays *whose, int signal, pid_t except_group) {
    struct sending sending = {signal, except_group};
    int found = collect_strays(whose), all = found;
    for (int i = 0; i < found; i++) {
        send_signal(strays[i], &sending);
        all += berth_visit_descendants(strays[i], BERTH_CHILDREN_AUTO, send_signal, &sending);
    }
    return all;
}

struct killing {
    int only_stopped;
    int count;
};

static void kill_if_asked(pid_t pid, void *context) {
    struct killing *killing = context;
    if (killing->only_stopped) {
        char text[512], state;
        const char *fields = read_stat(pid, text, sizeof text);
        if (!fields || sscanf(fields, " %c", &state) != 1 || state != 'T') return;
    }
    if (kill(pid, SIGKILL) == 0) killing->count++;
}

int berth_kill_below(pid_t root, int only_stopped) {
    struct killing killing = {only_stopped, 0};
    berth_visit_descendants(root, BERTH_CHILDREN_AUTO, kill_if_asked, &killing);
    return killing.count;
}

static void note_running(pid_t pid, void *context) {
    char text[512], state;
    const char *fields = read_stat(pid, text, sizeof text);
    if (fields && sscanf(fields, " %c", &state) == 1 && (state == 'R' || state == 'D')) *(int *)context = 1;
}

int berth_runs_below(pid_t root) {
    int runs = 0;
    berth_visit_descendants(root, BERTH_CHILDREN_AUTO, note_running, &runs);
    return runs;
}

int berth_strays_run(const struct berth_strays *whose) {
    int runs = 0, found = collect_strays(whose);
    for (int i = 0; i < found; i++) {
        note_running(strays[i], &runs);
        berth_visit_descendants(strays[i], BERTH_CHILDREN_AUTO, note_running, &runs);
    }
    return runs;
}

struct times {
    unsigned long long own;    // of the processes themselves
    unsigned long long reaped; // of children they have waited for
};

static void add_times(pid_t pid, void *context) {
    char text[512];
    const char *fields = read_stat(pid, text, sizeof text);
    unsigned long user, system;
    long reaped_user, reaped_system;
    if (!fields || sscanf(fields, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %ld %ld", &user, &system,
                          &reaped_user, &reaped_system) != 4)
        return;
    struct times *times = context;
    times->own += user + system;
    times->reaped += (unsigned long long)reaped_user + (unsigned long long)reaped_system;
}

static uint64_t microseconds(unsigned long long ticks) { return ticks * 1000000 / (unsigned long long)sysconf(_SC_CLK_TCK); }

uint64_t berth_cpu_time_below(pid_t root) {
    struct times of_root = {0, 0}, below = {0, 0};
    add_times(root, &of_root);
    berth_visit_descendants(root, BERTH_CHILDREN_AUTO, add_times, &below);
    return microseconds(of_root.reaped + below.own + below.reaped);
}

uint64_t berth_cpu_time_of(pid_t root) {
    struct times times = {0, 0};
    add_times(root, &times);
    berth_visit_descendants(root, BERTH_CHILDREN_AUTO, add_times, &times);
    return microseconds(times.own + times.reaped);
}

uint64_t berth_cpu_time_of_strays(const struct berth_strays *whose) {
    struct times times = {0, 0};
    int found = collect_strays(whose);
    for (int i = 0; i < found; i++) {
        add_times(strays[i], &times);
        berth_visit_descendants(strays[i], BERTH_CHILDREN_AUTO, add_times, &times);
    }
    return microseconds(times.own + times.reaped);
}
