// SPDX-License-Identifier: Apache-2.0

#ifndef BERTH_SOCKETS_H
#define BERTH_SOCKETS_H

#include <sys/types.h>

// accept4(2) with SOCK_CLOEXEC, without the address of the peer. Returns the descriptor of the connection.
int berth_accept(int listener);

// The pid of the process that has connected a unix socket, in this pid namespace; 0 if it is not in it.
pid_t berth_peer(int socket);

#endif
