#define _GNU_SOURCE
#include "events.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

int berth_pipe(int ends[2]) {
    return pipe2(ends, O_CLOEXEC);
}

int berth_set_pipe_size(int fd, int bytes) {
    return fcntl(fd, F_SETPIPE_SZ, bytes);
}

int berth_accept(int listener) { return accept4(listener, NULL, NULL, SOCK_CLOEXEC); }

ssize_t berth_splice(int pipe, int stream, size_t count) {
    return splice(pipe, NULL, stream, NULL, count, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
}
