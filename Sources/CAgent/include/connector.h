// SPDX-License-Identifier: Apache-2.0

#ifndef BERTH_CONNECTOR_H
#define BERTH_CONNECTOR_H

#include <stdint.h>
#include <sys/types.h>

// The target of a connection, and its user.
struct berth_endpoint {
    const char *path;          // path of a unix socket; NULL: port is used
    uint16_t port;             // on 127.0.0.1, or on ::1 if nothing listens there
    uint32_t uid;
    uint32_t gid;
    uint64_t wait_ms;          // how long to repeat the attempt if nothing listens
    const char *oom_score_adj; // text to write to /proc/self/oom_score_adj; NULL: leave it
    int control;               // the child's end of a stream socket pair, 3 or more
};

// Forks a child that becomes the user, connects, sends the socket on `control`, and ends. It executes no file, so no other
// process of the user can trace it. It may wait for any time, but the caller does not.
// The caller must have all signals blocked. Returns the child's pid; the caller has to reap it.
pid_t berth_connect(const struct berth_endpoint *endpoint);

// Takes the socket from the other end of the pair. Returns it; -EAGAIN if it has not come yet; -EPIPE if the child has ended
// without a result; or the negative errno of connect(2), with ENOTSOCK for a path that is not a socket.
int berth_take_connection(int control);

// recv and send that never block, even if the socket is blocking. They return -errno on failure.
ssize_t berth_receive(int socket, void *bytes, size_t count);
ssize_t berth_send(int socket, const void *bytes, size_t count);

#endif
