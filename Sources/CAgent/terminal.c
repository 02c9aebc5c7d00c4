// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "terminal.h"
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

static int open_program_side(int master) {
#ifdef TIOCGPTPEER
    int peer = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (peer >= 0) return peer;
#endif
    unsigned number;
    if (ioctl(master, TIOCGPTN, &number) != 0) return -errno;
    char path[32];
    snprintf(path, sizeof path, "/dev/pts/%u", number);
    int side = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    return side < 0 ? -errno : side;
}

static int open_both(int ends[2]) {
    ends[0] = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (ends[0] < 0) return -errno;
    int unlocked = 0;
    ends[1] = ioctl(ends[0], TIOCSPTLCK, &unlocked) == 0 ? open_program_side(ends[0]) : -errno;
    if (ends[1] >= 0) return 0;
    close(ends[0]);
    return ends[1];
}

int berth_open_terminal(uint32_t uid, uint16_t rows, uint16_t columns, int echoes, int ends[2]) {
    // A terminal belongs to the file system user id that opens its master. Changing the owner later would need
    // CAP_CHOWN.
    uid_t own = geteuid();
    syscall(SYS_setfsuid, uid);
    int result = open_both(ends);
    syscall(SYS_setfsuid, own);
    // If fs.suid_dumpable is set on the machine, the change of the user has undone this.
    berth_become_undumpable();
    if (result != 0) return result;
    struct termios settings;
    if (tcgetattr(ends[1], &settings) == 0) {
        settings.c_iflag |= IUTF8;
        if (!echoes) settings.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(ends[1], TCSANOW, &settings);
    }
    berth_resize_terminal(ends[0], rows, columns);
    return 0;
}

int berth_resize_terminal(int master, uint16_t rows, uint16_t columns) {
    struct winsize size = {.ws_row = rows, .ws_col = columns};
    return ioctl(master, TIOCSWINSZ, &size) == 0 ? 0 : -errno;
}

int berth_has_unread_input(int master) {
    int side = open_program_side(master);
    if (side < 0) return side;
    // poll(2) also knows input that is still in transit, and a typed end of file; FIONREAD also knows fewer bytes than
    // a read waits for.
    struct pollfd ready = {.fd = side, .events = POLLIN};
    int count = 0;
    int unread = (poll(&ready, 1, 0) > 0 && (ready.revents & POLLIN)) || (ioctl(side, FIONREAD, &count) == 0 && count > 0);
    close(side);
    return unread;
}

int berth_end_of_file_keys(int master, int line_has_begun, uint8_t keys[2]) {
    struct termios settings;
    if (tcgetattr(master, &settings) != 0 || settings.c_cc[VEOF] == _POSIX_VDISABLE) return 0;
    keys[0] = keys[1] = settings.c_cc[VEOF];
    return line_has_begun && (settings.c_lflag & ICANON) ? 2 : 1;
}
