// SPDX-License-Identifier: Apache-2.0

// Makes the members of one template: a process of a few hundred kilobytes that has nothing but their file systems, and
// forks them. protocol.h says what the server tells it.

#define _GNU_SOURCE
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// A member between its clone and its exec.
struct pending {
    uint64_t number;
    pid_t pid;
    int pidfd;
    int status;
};

static struct template template;
static struct pending pendings[BERTH_LAUNCHER_MAX_PENDING];
static struct report *reports;
static int unified = -1;

int failed(struct report *report, int error, const char *what, const char *which) {
    snprintf(report->detail, sizeof report->detail, "%s%s%s", what, which ? " " : "", which ? which : "");
    report->error = error;
    return -1;
}

static size_t add(unsigned char *at, uint32_t tag, const void *bytes, size_t count) {
    struct berth_launcher_item head = {.tag = tag, .length = (uint32_t)count};
    memcpy(at, &head, sizeof head);
    memcpy(at + sizeof head, bytes, count);
    return sizeof head + count;
}

// The server's end of the socket is its own end: without it there is nothing to do.
static void answer(uint64_t number, uint32_t kind, const unsigned char *items, size_t count, int pidfd) {
    unsigned char bytes[1024];
    struct berth_launcher_header head = {.version = BERTH_LAUNCHER_VERSION, .kind = kind, .number = number};
    memcpy(bytes, &head, sizeof head);
    if (count > 0) memcpy(bytes + sizeof head, items, count);
    if (berth_launcher_send(BERTH_LAUNCHER_SOCKET, bytes, sizeof head + count, pidfd, -1) < 0) exit(0);
}

static void answer_failure(uint64_t number, const struct report *report) {
    unsigned char items[512];
    const char *what = report->error != 0 ? report->detail : report->doing ? report->doing : "begin";
    uint32_t error = (uint32_t)report->error;
    size_t count = add(items, BERTH_ITEM_STEP_NAME, what, strnlen(what, sizeof report->detail));
    count += add(items + count, BERTH_ITEM_ERROR, &error, sizeof error);
    answer(number, BERTH_LAUNCHER_FAILED, items, count, -1);
}

static pid_t clone_member(int *pidfd, int cgroup) {
    struct clone_args arguments;
    memset(&arguments, 0, sizeof arguments);
    arguments.flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_PIDFD;
    if (template.has_network) arguments.flags |= CLONE_NEWNET;
    if (cgroup >= 0) {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = (uint64_t)cgroup;
    }
    arguments.pidfd = (uint64_t)(uintptr_t)pidfd;
    arguments.exit_signal = SIGCHLD;
    return (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
}

static int start_member(const struct request *request, struct pending *pending, struct report *report) {
    int cgroups[BERTH_LAUNCHER_MAX_CGROUPS];
    for (size_t i = 0; i < BERTH_LAUNCHER_MAX_CGROUPS; i++) cgroups[i] = -1;
    int ends[2] = {-1, -1};
    int result = make_cgroups(&template, request->name, cgroups, report);
    if (result == 0 && pipe2(ends, O_CLOEXEC) != 0) result = failed(report, errno, "make a pipe", NULL);
    if (result == 0) {
        report->doing = "clone it";
        pid_t pid = clone_member(&pending->pidfd, unified >= 0 ? cgroups[unified] : -1);
        if (pid == 0) {
            close(ends[0]);
            become_member(&template, request, cgroups, ends[1], report);
        }
        if (pid < 0) result = failed(report, errno, "clone it into new namespaces", NULL);
        pending->pid = pid;
    }
    for (size_t i = 0; i < BERTH_LAUNCHER_MAX_CGROUPS; i++)
        if (cgroups[i] >= 0) close(cgroups[i]);
    if (ends[1] >= 0) close(ends[1]);
    if (result == 0) {
        pending->number = request->number;
        pending->status = ends[0];
    } else if (ends[0] >= 0) close(ends[0]);
    return result;
}

// The end of its pipe: it has become the agent, or failed, or was killed.
static void finish(struct pending *pending, const struct report *report) {
    static const char last[] = "start the agent";
    close(pending->status);
    if (report->error == 0 && report->doing && strcmp(report->doing, last) == 0) {
        unsigned char items[64];
        uint32_t pid = (uint32_t)pending->pid;
        size_t count = add(items, BERTH_ITEM_PID, &pid, sizeof pid);
        answer(pending->number, BERTH_LAUNCHER_CREATED, items, count, pending->pidfd);
    } else answer_failure(pending->number, report);
    close(pending->pidfd);
    memset(pending, 0, sizeof *pending);
}

static void create(unsigned char *bytes, size_t count, uint64_t number, int descriptors[2], size_t slot) {
    struct request request;
    memset(&request, 0, sizeof request);
    request.number = number;
    request.stream = descriptors[0];
    request.errors = descriptors[1];
    struct report *report = &reports[slot];
    memset(report, 0, sizeof *report);
    if (read_request(bytes, count, &request, report) < 0 || start_member(&request, &pendings[slot], report) < 0)
        answer_failure(number, report);
}

// One message of the server.
static void serve(unsigned char *bytes, size_t slot) {
    int descriptors[2];
    long count = berth_launcher_receive(BERTH_LAUNCHER_SOCKET, bytes, BERTH_LAUNCHER_MAX_MESSAGE, descriptors);
    struct berth_launcher_header head;
    if (count < (long)sizeof head) exit(0);
    memcpy(&head, bytes, sizeof head);
    if (head.version == BERTH_LAUNCHER_VERSION && head.kind == BERTH_LAUNCHER_CREATE)
        create(bytes, (size_t)count, head.number, descriptors, slot);
    else {
        struct report unknown;
        memset(&unknown, 0, sizeof unknown);
        failed(&unknown, ENOSYS, "do what is not known here", NULL);
        answer_failure(head.number, &unknown);
    }
    for (int i = 0; i < 2; i++)
        if (descriptors[i] >= 0) close(descriptors[i]);
}

static void set_up(unsigned char *bytes) {
    int descriptors[2];
    long count = berth_launcher_receive(BERTH_LAUNCHER_SOCKET, bytes, BERTH_LAUNCHER_MAX_MESSAGE, descriptors);
    struct berth_launcher_header head;
    if (count < (long)sizeof head) exit(0);
    memcpy(&head, bytes, sizeof head);
    if (head.version != BERTH_LAUNCHER_VERSION || head.kind != BERTH_LAUNCHER_SETUP) exit(2);
    if (read_template(bytes, (size_t)count, &template, reports) < 0 || make_tree(&template, reports) < 0) {
        answer_failure(head.number, reports);
        exit(1);
    }
    for (size_t i = 0; i < template.cgroup_count; i++)
        if (template.cgroups[i].kind == BERTH_CGROUP_UNIFIED) unified = (int)i;
    answer(head.number, BERTH_LAUNCHER_READY, NULL, 0, -1);
}

static void run(unsigned char *bytes) {
    struct pollfd ends[BERTH_LAUNCHER_MAX_PENDING + 1];
    size_t slots[BERTH_LAUNCHER_MAX_PENDING + 1];
    while (1) {
        size_t count = 1;
        size_t spare = BERTH_LAUNCHER_MAX_PENDING;
        for (size_t i = 0; i < BERTH_LAUNCHER_MAX_PENDING; i++) {
            if (pendings[i].pid == 0) {
                spare = i;
                continue;
            }
            slots[count] = i;
            ends[count++] = (struct pollfd){.fd = pendings[i].status, .events = POLLIN};
        }
        // Without a spare slot, requests wait; the end of the socket is seen all the same.
        short wanted = spare < BERTH_LAUNCHER_MAX_PENDING ? POLLIN : 0;
        ends[0] = (struct pollfd){.fd = BERTH_LAUNCHER_SOCKET, .events = wanted};
        if (poll(ends, count, -1) < 0) {
            if (errno == EINTR) continue;
            exit(1);
        }
        for (size_t i = 1; i < count; i++)
            if (ends[i].revents) finish(&pendings[slots[i]], &reports[slots[i]]);
        if (ends[0].revents & POLLIN) serve(bytes, spare);
        else if (ends[0].revents & (POLLHUP | POLLERR)) exit(0);
    }
}

int main(int count, char *arguments[]) {
    if (count == 2 && strcmp(arguments[1], "--version") == 0) return printf("berth-launcher %u\n", BERTH_LAUNCHER_VERSION) < 0;
    if (count > 2 && strcmp(arguments[1], "--user-namespace") == 0) return enter_user_namespace(count - 2, arguments + 2);
    struct stat info;
    if (fstat(BERTH_LAUNCHER_SOCKET, &info) != 0 || !S_ISSOCK(info.st_mode)) {
        fprintf(stderr, "berth-launcher is started by berth serve, with a socket as descriptor 3\n");
        return 2;
    }
    fcntl(BERTH_LAUNCHER_SOCKET, F_SETFD, FD_CLOEXEC);
    // Nobody may trace it or look into it, and members are its children until they are the agent.
    if (prctl(PR_SET_DUMPABLE, 0UL, 0UL, 0UL, 0UL) != 0) return 1;
    // The kernel reaps its children: the server has a descriptor for each.
    signal(SIGCHLD, SIG_IGN);
    umask(0);
    size_t size = sizeof(struct report) * BERTH_LAUNCHER_MAX_PENDING;
    reports = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    // One for the set-up, which is kept, one for requests.
    unsigned char *kept = malloc(BERTH_LAUNCHER_MAX_MESSAGE), *bytes = malloc(BERTH_LAUNCHER_MAX_MESSAGE);
    if (reports == MAP_FAILED || !kept || !bytes) return 1;
    set_up(kept);
    run(bytes);
}
