// SPDX-License-Identifier: Apache-2.0

#ifndef BERTH_TERMINAL_H
#define BERTH_TERMINAL_H

#include <stdint.h>

// Makes a pseudo-terminal that belongs to the user `uid`, of the size given, with the kernel's standard settings and
// UTF-8 line editing, and without echo unless `echoes`. ends[0] is the master, which does not block, ends[1] the program's
// side. Both close on exec.
int berth_open_terminal(uint32_t uid, uint16_t rows, uint16_t columns, int echoes, int ends[2]);

// Tells a terminal its size; what runs in its foreground gets SIGWINCH if it has changed.
int berth_resize_terminal(int master, uint16_t rows, uint16_t columns);

// Whether there is input, an end of file included, that was typed and that no program has read yet; a line that is not
// complete is none where lines are edited. An error where it cannot be
// told.
int berth_has_unread_input(int master);

// What is to be typed to end the input: the terminal's end-of-file character; twice where the line has begun, since the
// first then only hands over what there is of it. Writes it to `keys`, and returns how many bytes, 0 where there is no
// such character.
int berth_end_of_file_keys(int master, int line_has_begun, uint8_t keys[2]);

#endif
