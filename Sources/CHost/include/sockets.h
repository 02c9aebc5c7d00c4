// SPDX-License-Identifier: Apache-2.0

#ifndef BERTH_SOCKETS_H
#define BERTH_SOCKETS_H

#include <sys/types.h>

// accept4(2) with SOCK_CLOEXEC, the peer's address left out. Returns the connection's descriptor.
int berth_accept(int listener);

// The process that has connected a unix socket, as this one sees it; 0 where it sees none.
pid_t berth_peer(int socket);

#endif
