// SPDX-License-Identifier: Apache-2.0

#ifndef BERTH_LAUNCHER_MESSAGES_H
#define BERTH_LAUNCHER_MESSAGES_H

#include <stddef.h>

// A pair of sockets for a server and a launcher, closed on exec, with room for the longest message.
int berth_launcher_sockets(int ends[2]);

// Sends one message with up to two descriptors (-1: none). Never raises SIGPIPE.
int berth_launcher_send(int socket, const void *bytes, size_t count, int first, int second);

// Receives one message with up to two descriptors, which are closed on exec; -1 for those that did not come. Returns its
// length, 0 at the end of the stream, and -EMSGSIZE for a message that is longer than `limit` or has more descriptors.
long berth_launcher_receive(int socket, void *bytes, size_t limit, int descriptors[2]);

#endif
