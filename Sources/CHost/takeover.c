// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "takeover.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const int seals = F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_WRITE | F_SEAL_SEAL;

static int write_all(int fd, const char *bytes, size_t count) {
    for (size_t done = 0; done < count;) {
        ssize_t written = write(fd, bytes + done, count - done);
        if (written > 0) done += (size_t)written;
        else if (written == 0) return EIO;
        else if (errno != EINTR) return errno;
    }
    return 0;
}

int berth_sealed_file(const void *head, size_t head_count, const void *rest, size_t rest_count) {
    int fd = memfd_create("berth-state", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) return -errno;
    int error = write_all(fd, head, head_count);
    if (error == 0) error = write_all(fd, rest, rest_count);
    if (error == 0 && fcntl(fd, F_ADD_SEALS, seals) < 0) error = errno;
    if (error == 0) return fd;
    close(fd);
    return -error;
}

int berth_is_sealed(int descriptor) {
    int found = fcntl(descriptor, F_GET_SEALS);
    return found >= 0 && (found & seals) == seals;
}

int berth_execute(const char *path, char *const argv[], char *const envp[], const int *keep, size_t count) {
    sigset_t wait, before;
    sigemptyset(&wait);
    sigaddset(&wait, SIGTERM);
    sigaddset(&wait, SIGINT);
    sigaddset(&wait, SIGHUP);
    pthread_sigmask(SIG_SETMASK, &wait, &before);
    int error = 0;
    for (size_t i = 0; i < count && error == 0; i++)
        if (fcntl(keep[i], F_SETFD, 0) < 0) error = errno;
    if (error == 0) {
        execve(path, argv, envp);
        error = errno;
    }
    for (size_t i = 0; i < count; i++) fcntl(keep[i], F_SETFD, FD_CLOEXEC);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -error;
}

static volatile sig_atomic_t noted[65];

static void note(int number) { noted[number] = 1; }

// Before any other code of the program: what waits for it must not end it.
__attribute__((constructor)) static void note_signals(void) {
    if (getenv(BERTH_STATE_DESCRIPTOR) == NULL) return;
    struct sigaction action = {.sa_handler = note, .sa_flags = SA_RESTART};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
}

int berth_noted_signal(int number) {
    int was = noted[number];
    noted[number] = 0;
    return was;
}

void berth_ignore_signal(int number) {
    struct sigaction now;
    if (sigaction(number, NULL, &now) == 0 && now.sa_handler == note) return;
    signal(number, SIG_IGN);
}

int berth_same_file(const char *one, const char *other) {
    struct stat a, b;
    if (stat(one, &a) < 0 || stat(other, &b) < 0) return -errno;
    return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size == b.st_size &&
           a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}
