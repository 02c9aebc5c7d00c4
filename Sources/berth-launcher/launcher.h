// SPDX-License-Identifier: Apache-2.0

#ifndef BERTH_LAUNCHER_H
#define BERTH_LAUNCHER_H

#include "CLauncher.h"

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    MAX_SOURCES = 512,
    MAX_LIMITS = 32,
    MAX_LAYERS = 16,
    MAX_STEPS = 1024,
    MAX_RLIMITS = 16,
    MAX_ARGUMENTS = 16,
    MAX_VARIABLES = 512,
    MAX_NAME = 32,
};

struct limit {
    struct berth_launcher_limit head;
    const char *file;
    const char *value;
};

struct step {
    struct berth_launcher_step head;
    const char *target;
    const char *source;
    const char *type;
    const char *data;
};

// All members of this launcher have this in common. Strings are in the message that it came in, which is kept.
struct template {
    const char *tree;
    const char *sources[MAX_SOURCES];
    size_t source_count;
    struct {
        uint32_t kind;
        const char *path;
        int parent;
    } cgroups[BERTH_LAUNCHER_MAX_CGROUPS];
    size_t cgroup_count;
    struct limit limits[MAX_LIMITS];
    size_t limit_count;
    const char *layers[MAX_LAYERS];
    size_t layer_count;
    struct step steps[MAX_STEPS];
    size_t step_count;
    struct berth_launcher_rlimit rlimits[MAX_RLIMITS];
    size_t rlimit_count;
    uint64_t capabilities;
    struct sock_fprog filter;
    char *arguments[MAX_ARGUMENTS + 1];
    size_t argument_count;
    char *variables[MAX_VARIABLES + 1];
    size_t variable_count;
    int has_network;
    // In the user namespace of an ordinary user's server.
    int is_rootless;
    // There, groups may be impossible to leave.
    int keeps_groups;
};

struct request {
    uint64_t number;
    char name[MAX_NAME + 1];
    uint32_t user;
    struct {
        const unsigned char *bytes;
        size_t count;
    } files[MAX_LAYERS];
    size_t file_count;
    int stream;
    int errors;
};

// What a member that is being made tells the launcher, in memory that both have.
struct report {
    // What is being done: a literal, which both have at the same address.
    const char *volatile doing;
    volatile int error;
    // Details of the error.
    char detail[240];
};

// Sets the error and what it is about. Returns -1.
int failed(struct report *report, int error, const char *what, const char *which);

// message.c: read a message's items. Both return 0 or -1 with a report.
int read_template(unsigned char *bytes, size_t count, struct template *template, struct report *report);
int read_request(const unsigned char *bytes, size_t count, struct request *request, struct report *report);

// tree.c: makes the launcher's tree, in a mount namespace of its own, and leaves the host's. Opens the cgroups' parents.
int make_tree(struct template *template, struct report *report);

// cgroups.c: makes a member's cgroups and sets its limits. `cgroups` gets a descriptor for each, -1 where it has none
// of its own; the caller closes them.
int make_cgroups(
    const struct template *template, const char *name, int cgroups[BERTH_LAUNCHER_MAX_CGROUPS], struct report *report);
// Moves this process into those of v1.
int join_cgroups(const struct template *template, const int cgroups[BERTH_LAUNCHER_MAX_CGROUPS], struct report *report);

// files.c: the member's own layer, and its file systems up to the last step.
int make_layer(const struct template *template, const struct request *request, struct report *report);
int make_file_systems(const struct template *template, const struct request *request, struct report *report);

// member.c: what a member does between its clone and its first instruction as the agent. Never returns.
_Noreturn void become_member(
    const struct template *template, const struct request *request, const int cgroups[BERTH_LAUNCHER_MAX_CGROUPS],
    int status, struct report *report);

// Adds restrictions to a mount, which keeps those that it has. `flags` are those of mount(2) for a bind mount.
int restrict_mount(const char *path, unsigned long flags);
// Binds a file or directory, with what is mounted below it where a user namespace allows nothing else, and restricts it.
int bind_restricted(const char *source, const char *target, unsigned long flags);

// user_namespace.c: never returns if it succeeds, else the exit status.
int enter_user_namespace(int count, char *arguments[]);

#endif
