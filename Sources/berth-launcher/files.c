// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

// Files that the member has for itself, in a file system in memory that counts for the member.
int make_layer(const struct template *template, const struct request *request, struct report *report) {
    report->doing = "write its own files";
    if (request->file_count != template->layer_count) return failed(report, EINVAL, "count the files", NULL);
    unsigned flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    if (mount("tmpfs", BERTH_TREE_LAYER, "tmpfs", flags, "size=1m,mode=755") != 0)
        return failed(report, errno, "mount the layer", NULL);
    for (size_t i = 0; i < request->file_count; i++) {
        char path[256];
        int length = snprintf(path, sizeof path, "%s/%s", BERTH_TREE_LAYER, template->layers[i]);
        if (length < 0 || length >= (int)sizeof path) return failed(report, ENAMETOOLONG, "name", template->layers[i]);
        for (char *slash = path + sizeof BERTH_TREE_LAYER; (slash = strchr(slash, '/')); slash++) {
            *slash = 0;
            if (mkdir(path, 0755) != 0 && errno != EEXIST) return failed(report, errno, "make", path);
            *slash = '/';
        }
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (fd < 0) return failed(report, errno, "make", path);
        size_t count = request->files[i].count;
        ssize_t written = count == 0 ? 0 : write(fd, request->files[i].bytes, count);
        int error = written < 0 ? errno : ENOSPC;
        close(fd);
        if (written != (ssize_t)count) return failed(report, error, "write", path);
    }
    return 0;
}

// Before ENTER, targets are below the place of the member's root. There they must not lead through a link, which would
// be followed in the launcher's tree.
static int check_target(const char *path, struct report *report) {
    struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS};
    int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
    if (fd < 0) return failed(report, errno, "mount on", path + sizeof BERTH_TREE_ROOT - 1);
    close(fd);
    return 0;
}

static int enter(struct report *report) {
    // The old root is stacked on the new one, and "." is in it.
    if (chdir(BERTH_TREE_ROOT) != 0 || syscall(SYS_pivot_root, ".", ".") != 0 || umount2(".", MNT_DETACH) != 0)
        return failed(report, errno, "enter its root", NULL);
    // Not a directory of the tree that it has left.
    return chdir("/") == 0 ? 0 : failed(report, errno, "enter its root", NULL);
}

static int mask(const char *path, struct report *report) {
    if (mount("/dev/null", path, NULL, MS_BIND, NULL) == 0 || errno == ENOENT) return 0;
    if (errno == ENOTDIR && mount("tmpfs", path, "tmpfs", MS_RDONLY, NULL) == 0) return 0;
    return failed(report, errno, "mask", path);
}

static int make_read_only(const char *path, struct report *report) {
    if (mount(path, path, NULL, MS_BIND | MS_REC, NULL) != 0)
        return errno == ENOENT ? 0 : failed(report, errno, "bind", path);
    struct statfs info;
    if (statfs(path, &info) != 0) return failed(report, errno, "look at", path);
    // The other flags of the mount below stay. Those of statfs(2) have the same values, except for this one.
    unsigned long keep = (unsigned long)info.f_flags & (MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME);
    if (info.f_flags & 4096) keep |= MS_RELATIME;
    if (mount(NULL, path, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | keep, NULL) != 0)
        return failed(report, errno, "make read-only", path);
    return 0;
}

static int device(const struct step *step, struct report *report) {
    dev_t number = makedev(step->head.number >> 16, step->head.number & 0xFFFF);
    if (mknod(step->target, S_IFCHR | 0666, number) != 0) return failed(report, errno, "make the device", step->target);
    return 0;
}

// An empty file, which is made here and so leads nowhere, covered by the host's device.
static int host_device(const struct step *step, const char *target, struct report *report) {
    int fd = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd < 0) return failed(report, errno, "make the device", step->target);
    close(fd);
    return mount(step->source, target, NULL, MS_BIND, NULL) == 0 ? 0 : failed(report, errno, "bind on", step->target);
}

static int mount_step(const struct step *step, const char *target, const struct request *request, struct report *report) {
    char data[4096];
    const char *options = step->data[0] ? step->data : NULL;
    if (step->head.kind == BERTH_STEP_PLACE) {
        int length = snprintf(
            data, sizeof data, "%s%suid=%u,gid=%u", step->data, step->data[0] ? "," : "", request->user, request->user);
        if (length < 0 || length >= (int)sizeof data) return failed(report, ENAMETOOLONG, "mount on", step->target);
        options = data;
    }
    if (mount(step->source, target, step->type, step->head.flags, options) != 0)
        return failed(report, errno, "mount on", step->target);
    return 0;
}

static int take_step(const struct step *step, int is_inside, const struct request *request, struct report *report) {
    char outside[4096];
    const char *target = step->target;
    if (!is_inside && step->head.kind != BERTH_STEP_ENTER) {
        int length = snprintf(outside, sizeof outside, "%s%s", BERTH_TREE_ROOT, strcmp(target, "/") == 0 ? "" : target);
        if (length < 0 || length >= (int)sizeof outside) return failed(report, ENAMETOOLONG, "mount on", target);
        if (step->head.kind != BERTH_STEP_HOST_DEVICE && check_target(outside, report) < 0) return -1;
        target = outside;
    }
    switch (step->head.kind) {
    case BERTH_STEP_MOUNT:
    case BERTH_STEP_PLACE: return mount_step(step, target, request, report);
    case BERTH_STEP_BIND:
        if (bind_restricted(step->source, target, step->head.flags) != 0)
            return failed(report, errno, "bind on", step->target);
        return 0;
    case BERTH_STEP_ENTER: return enter(report);
    case BERTH_STEP_DIRECTORY:
        return mkdir(target, step->head.number) == 0 ? 0 : failed(report, errno, "make", target);
    case BERTH_STEP_LINK: return symlink(step->source, target) == 0 ? 0 : failed(report, errno, "link", target);
    case BERTH_STEP_DEVICE: return device(step, report);
    case BERTH_STEP_HOST_DEVICE: return host_device(step, target, report);
    case BERTH_STEP_MASK: return mask(target, report);
    case BERTH_STEP_READ_ONLY: return make_read_only(target, report);
    case BERTH_STEP_REMOUNT:
        if (mount(NULL, target, NULL, MS_REMOUNT | MS_BIND | step->head.flags, NULL) != 0)
            return failed(report, errno, "remount", target);
        return 0;
    default: return failed(report, EINVAL, "take a step of an unknown kind", NULL);
    }
}

int make_file_systems(const struct template *template, const struct request *request, struct report *report) {
    int is_inside = 0;
    report->doing = "make its file systems";
    for (size_t i = 0; i < template->step_count; i++) {
        if (take_step(&template->steps[i], is_inside, request, report) < 0) return -1;
        if (template->steps[i].head.kind == BERTH_STEP_ENTER) is_inside = 1;
    }
    // Otherwise the program would be in the launcher's tree.
    return is_inside ? 0 : failed(report, EINVAL, "enter its root", NULL);
}
