// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// Binds a file or directory of the host to a place in the tree, read-only, without devices and setuid.
static int bind_source(const char *source, const char *place, struct report *report) {
    struct stat info;
    if (stat(source, &info) != 0) return failed(report, errno, "look at", source);
    if (S_ISDIR(info.st_mode)) {
        if (mkdir(place, 0755) != 0) return failed(report, errno, "make", place);
    } else {
        int fd = open(place, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (fd < 0) return failed(report, errno, "make", place);
        close(fd);
    }
    if (mount(source, place, NULL, MS_BIND, NULL) != 0
        || mount(NULL, place, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV, NULL) != 0)
        return failed(report, errno, "bind", source);
    return 0;
}

int make_tree(struct template *template, struct report *report) {
    report->doing = "make the launcher's tree";
    for (size_t i = 0; i < template->cgroup_count; i++) {
        int fd = open(template->cgroups[i].path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0) return failed(report, errno, "open", template->cgroups[i].path);
        template->cgroups[i].parent = fd;
    }
    if (unshare(CLONE_NEWNS) != 0) return failed(report, errno, "make a mount namespace", NULL);
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) return failed(report, errno, "make mounts private", NULL);
    if (mount("tmpfs", template->tree, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=1m,mode=700") != 0)
        return failed(report, errno, "mount the tree on", template->tree);
    if (chdir(template->tree) != 0) return failed(report, errno, "enter", template->tree);

    // Relative until the root is this tree: the host's paths are still needed.
    static const char *const places[] = {BERTH_TREE_ROOT, BERTH_TREE_LAYER, BERTH_TREE_EMPTY, BERTH_TREE_SOURCES};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        if (mkdir(places[i] + 1, 0755) != 0) return failed(report, errno, "make", places[i]);
    for (size_t i = 0; i < template->source_count; i++) {
        char place[32];
        snprintf(place, sizeof place, "%s/%zu", &BERTH_TREE_SOURCES[1], i);
        if (bind_source(template->sources[i], place, report) < 0) return -1;
    }
    // The old root is stacked on the new one, and "." is in it.
    if (syscall(SYS_pivot_root, ".", ".") != 0 || umount2(".", MNT_DETACH) != 0 || chdir("/") != 0)
        return failed(report, errno, "leave the host's tree", NULL);
    if (mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=1m,mode=700") != 0)
        return failed(report, errno, "make the tree read-only", NULL);
    return 0;
}
