#define _GNU_SOURCE
#include "events.h"
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int berth_pipe(int ends[2]) {
    return pipe2(ends, O_CLOEXEC);
}

int berth_pipe_of(uint32_t uid, int ends[2]) {
    uid_t own = geteuid();
    if (uid == own) return berth_pipe(ends);
    // It belongs to the file system user of who makes it; to change that later takes CAP_CHOWN.
    syscall(SYS_setfsuid, uid);
    int result = berth_pipe(ends);
    int error = errno;
    syscall(SYS_setfsuid, own);
    // Where the machine is set to dump privileged programs, a change of user has undone this.
    berth_become_undumpable();
    errno = error;
    return result;
}

int berth_set_pipe_size(int fd, int bytes) {
    return fcntl(fd, F_SETPIPE_SZ, bytes);
}

pid_t berth_peer(int socket) {
    struct ucred peer;
    socklen_t size = sizeof peer;
    return getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer.pid : 0;
}

int berth_accept(int listener) { return accept4(listener, NULL, NULL, SOCK_CLOEXEC); }

ssize_t berth_splice(int pipe, int stream, size_t count) {
    return splice(pipe, NULL, stream, NULL, count, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
}
