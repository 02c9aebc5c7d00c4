// SPDX-License-Identifier: Apache-2.0

#ifndef BERTH_CONNECTOR_H
#define BERTH_CONNECTOR_H

#include <stdint.h>
#include <sys/types.h>

// Where a connection goes, and as whom.
struct berth_endpoint {
    const char *path;          // of a unix socket; NULL: port
    uint16_t port;             // of 127.0.0.1, or of ::1 where nobody listens on the former
    uint32_t uid;
    uint32_t gid;
    uint64_t wait_ms;          // tries again for so long while nobody listens
    const char *oom_score_adj; // text to write to /proc/self/oom_score_adj; NULL: leave it
    int control;               // the child's end of a stream socket pair, 3 or more
};

// Forks a child that becomes the user, connects, hands the socket over on `control`, and ends. It executes nothing, so that no
// other process of the user can trace it, and it may wait for as long as it takes: the caller does not.
// The caller must have all signals blocked. Returns the child's pid; the caller has to reap it.
pid_t berth_connect(const struct berth_endpoint *endpoint);

// Takes the socket from the other end of the pair. Returns it; -EAGAIN while there is none; -EPIPE when the child has ended
// without a word; or why there is no connection, as an errno of connect(2), and ENOTSOCK where what is at the path is no socket.
int berth_take_connection(int control);

// recv and send, which never wait, whatever the socket's own state is. Like the calls, but for -errno.
ssize_t berth_receive(int socket, void *bytes, size_t count);
ssize_t berth_send(int socket, const void *bytes, size_t count);

#endif
