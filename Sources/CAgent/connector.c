// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "connector.h"
#include "child.h"
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

// The child's end of the pair, after its descriptors were arranged.
enum { CONTROL = STDERR_FILENO + 1 };

static uint64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int connect_socket(int family, const struct sockaddr *address, socklen_t size) {
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    if (connect(fd, address, size) == 0) return fd;
    int error = errno;
    close(fd);
    return -error;
}

static int connect_port(uint16_t port) {
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = connect_socket(AF_INET, (struct sockaddr *)&four, sizeof four);
    if (fd == -ECONNREFUSED) {
        struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = in6addr_loopback};
        fd = connect_socket(AF_INET6, (struct sockaddr *)&six, sizeof six);
        // A missing IPv6 must not hide the first error.
        if (fd < 0) return -ECONNREFUSED;
    }
    int one = 1;
    if (fd >= 0) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

// A path may be longer than a socket address. The working directory belongs to this process alone, so it changes there.
static int connect_path(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *name = path;
    if (strlen(path) >= sizeof address.sun_path) {
        name = strrchr(path, '/') + 1;
        if (strlen(name) >= sizeof address.sun_path) return -ENAMETOOLONG;
        char directory[4096];
        size_t length = (size_t)(name - path);
        if (length >= sizeof directory) return -ENAMETOOLONG;
        memcpy(directory, path, length);
        directory[length] = 0;
        if (chdir(directory) != 0) return -errno;
    }
    strcpy(address.sun_path, name);
    int fd = connect_socket(AF_UNIX, (struct sockaddr *)&address, sizeof address);
    struct stat status;
    // connect(2) reports the same error for a file that is not a socket as for one without a listener, or without permission.
    if ((fd == -ECONNREFUSED || fd == -EACCES) && stat(name, &status) == 0 && !S_ISSOCK(status.st_mode)) return -ENOTSOCK;
    return fd == -EPROTOTYPE ? -ENOTSOCK : fd;
}

static int connect_in_time(const struct berth_endpoint *endpoint) {
    uint64_t end = now_ms() + endpoint->wait_ms;
    // Short pauses first, since the listener is usually there soon; longer ones later.
    long pause_ms = 1;
    while (1) {
        int fd = endpoint->path ? connect_path(endpoint->path) : connect_port(endpoint->port);
        if ((fd != -ECONNREFUSED && fd != -ENOENT) || now_ms() >= end) return fd;
        struct timespec pause = {.tv_nsec = pause_ms * 1000000};
        nanosleep(&pause, NULL);
        if (pause_ms < 16) pause_ms *= 2;
    }
}

static void hand_over(int fd) {
    int32_t error = fd < 0 ? -fd : 0;
    struct iovec bytes = {.iov_base = &error, .iov_len = sizeof error};
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1};
    if (fd >= 0) {
        message.msg_control = &control;
        message.msg_controllen = sizeof control;
        struct cmsghdr *head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(head), &fd, sizeof fd);
    }
    sendmsg(CONTROL, &message, MSG_NOSIGNAL);
}

static void run_connector(const struct berth_endpoint *endpoint) {
    dup2(endpoint->control, CONTROL);
    berth_close_from(CONTROL + 1);
    prctl(PR_SET_NAME, "berth-connect", 0, 0, 0);
    berth_raise_oom_score(endpoint->oom_score_adj);
    setsid();
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    int result = berth_become(endpoint->uid, endpoint->gid);
    // A change of user may reset the first, depending on the system's settings, and always resets the second.
    berth_become_undumpable();
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (result == 0) result = connect_in_time(endpoint);
    hand_over(result);
}

pid_t berth_connect(const struct berth_endpoint *endpoint) {
    pid_t pid = fork();
    if (pid == 0) {
        run_connector(endpoint);
        _exit(0);
    }
    return pid < 0 ? -errno : pid;
}

int berth_take_connection(int control) {
    int32_t error = 0;
    struct iovec bytes = {.iov_base = &error, .iov_len = sizeof error};
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int))];
    } space;
    struct msghdr message = {
        .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = &space, .msg_controllen = sizeof space};
    ssize_t count = recvmsg(control, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (count < 0) return errno == EINTR ? -EAGAIN : -errno;
    if (count != sizeof error) return -EPIPE;
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    if (!head || head->cmsg_type != SCM_RIGHTS) {
        if (error > 0) return -error;
        // The agent has no free descriptor for it.
        return message.msg_flags & MSG_CTRUNC ? -EMFILE : -EPIPE;
    }
    int fd;
    memcpy(&fd, CMSG_DATA(head), sizeof fd);
    return fd;
}

ssize_t berth_receive(int socket, void *bytes, size_t count) {
    ssize_t result = recv(socket, bytes, count, MSG_DONTWAIT);
    return result < 0 ? -errno : result;
}

ssize_t berth_send(int socket, const void *bytes, size_t count) {
    ssize_t result = send(socket, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL);
    return result < 0 ? -errno : result;
}
