// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

int restrict_mount(const char *path, unsigned long flags) {
    if (mount(NULL, path, NULL, MS_BIND | MS_REMOUNT | flags, NULL) == 0) return 0;
    // In a user namespace, restrictions of the host's own mount must be named again.
    struct statvfs info;
    if (errno != EPERM || statvfs(path, &info) != 0) return -1;
    static const struct {
        unsigned long seen, wanted;
    } kinds[] = {
        {ST_RDONLY, MS_RDONLY}, {ST_NOSUID, MS_NOSUID}, {ST_NODEV, MS_NODEV}, {ST_NOEXEC, MS_NOEXEC},
        {ST_NOATIME, MS_NOATIME}, {ST_NODIRATIME, MS_NODIRATIME}, {ST_RELATIME, MS_RELATIME},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (info.f_flag & kinds[i].seen) flags |= kinds[i].wanted;
    return mount(NULL, path, NULL, MS_BIND | MS_REMOUNT | flags, NULL);
}

int bind_restricted(const char *source, const char *target, unsigned long flags) {
    if (mount(source, target, NULL, MS_BIND, NULL) == 0) return restrict_mount(target, flags);
    // A user namespace may not uncover what the host has mounted over.
    if (errno != EINVAL || mount(source, target, NULL, MS_BIND | MS_REC, NULL) != 0) return -1;
    struct {
        uint64_t set, clear, propagation, user;
    } attributes = {0};
    // MOUNT_ATTR_RDONLY, NOSUID, NODEV and NOEXEC have the values of MS_….
    attributes.set = flags & (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC);
    enum { MOUNT_SETATTR = 442, RECURSIVE = 0x8000 };
    return (int)syscall(MOUNT_SETATTR, AT_FDCWD, target, RECURSIVE, &attributes, sizeof attributes);
}

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
    // A device that is named itself is one that members may use.
    unsigned long flags = MS_RDONLY | MS_NOSUID | (S_ISCHR(info.st_mode) ? MS_NOEXEC : MS_NODEV);
    return bind_restricted(source, place, flags) == 0 ? 0 : failed(report, errno, "bind", source);
}

// In a user namespace, the kernel mounts proc and sysfs only beside those that are seen whole.
static int keep_system(struct report *report) {
    static const char *const names[] = {"proc", "sys"};
    if (mkdir(&BERTH_TREE_SYSTEM[1], 0755) != 0) return failed(report, errno, "make", BERTH_TREE_SYSTEM);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char source[16], place[16];
        snprintf(source, sizeof source, "/%s", names[i]);
        snprintf(place, sizeof place, "%s/%s", &BERTH_TREE_SYSTEM[1], names[i]);
        if (mkdir(place, 0755) != 0) return failed(report, errno, "make", place);
        if (mount(source, place, NULL, MS_BIND | MS_REC, NULL) != 0) return failed(report, errno, "bind", source);
    }
    return 0;
}

// Whether the kernel refuses setgroups(2) here, as it does where a user is alone in its user namespace.
static int denies_groups(void) {
    char text[8] = "";
    int fd = open("/proc/self/setgroups", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t count = read(fd, text, sizeof text - 1);
    close(fd);
    return count >= 4 && memcmp(text, "deny", 4) == 0;
}

int make_tree(struct template *template, struct report *report) {
    report->doing = "make the launcher's tree";
    template->keeps_groups = denies_groups();
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
    if (template->is_rootless && keep_system(report) < 0) return -1;
    // The old root is stacked on the new one, and "." is in it.
    if (syscall(SYS_pivot_root, ".", ".") != 0 || umount2(".", MNT_DETACH) != 0 || chdir("/") != 0)
        return failed(report, errno, "leave the host's tree", NULL);
    if (mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=1m,mode=700") != 0)
        return failed(report, errno, "make the tree read-only", NULL);
    return 0;
}
