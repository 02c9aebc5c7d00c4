// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "sockets.h"

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>

int berth_accept(int listener) {
    int descriptor = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    return descriptor < 0 ? -errno : descriptor;
}

pid_t berth_peer(int socket) {
    struct ucred peer;
    socklen_t size = sizeof peer;
    return getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer.pid : 0;
}
