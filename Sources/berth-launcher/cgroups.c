// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// A file of a cgroup takes its whole value with one write.
static int write_file(int directory, const char *file, const char *value) {
    int fd = openat(directory, file, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return -errno;
    ssize_t count = write(fd, value, strlen(value));
    int result = count == (ssize_t)strlen(value) ? 0 : count < 0 ? -errno : -EIO;
    close(fd);
    return result;
}

int make_cgroups(
    const struct template *template, const char *name, int cgroups[BERTH_LAUNCHER_MAX_CGROUPS], struct report *report) {
    report->doing = "make its cgroups";
    for (size_t i = 0; i < template->cgroup_count; i++) {
        if (template->cgroups[i].kind == BERTH_CGROUP_SHARED) continue;
        int parent = template->cgroups[i].parent;
        // One that exists may have limits or processes of somebody else.
        if (mkdirat(parent, name, 0755) != 0) return failed(report, errno, "make a cgroup in", template->cgroups[i].path);
        cgroups[i] = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (cgroups[i] < 0) return failed(report, errno, "open a cgroup in", template->cgroups[i].path);
    }
    report->doing = "set its limits";
    for (size_t i = 0; i < template->limit_count; i++) {
        const struct limit *limit = &template->limits[i];
        int result = write_file(cgroups[limit->head.cgroup], limit->file, limit->value);
        if (result == -ENOENT && limit->head.is_optional) continue;
        if (result < 0) return failed(report, -result, "set the limit", limit->file);
    }
    return 0;
}

int join_cgroups(const struct template *template, const int cgroups[BERTH_LAUNCHER_MAX_CGROUPS], struct report *report) {
    report->doing = "enter its cgroups";
    for (size_t i = 0; i < template->cgroup_count; i++) {
        int directory = cgroups[i];
        if (template->cgroups[i].kind == BERTH_CGROUP_UNIFIED) continue;
        if (template->cgroups[i].kind == BERTH_CGROUP_SHARED) directory = template->cgroups[i].parent;
        // This one thread is all of the process. Moved as that, it does not wait until no process of the machine forks or
        // exits, as with cgroup.procs.
        int result = write_file(directory, "tasks", "0");
        if (result < 0) return failed(report, -result, "enter a cgroup in", template->cgroups[i].path);
    }
    return 0;
}
