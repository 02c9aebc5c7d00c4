// SPDX-License-Identifier: Apache-2.0

#ifndef BERTH_TERMINAL_H
#define BERTH_TERMINAL_H

#include <stdint.h>

// Creates a pseudo-terminal of this size for the user `uid`, with the kernel's default settings and line editing in
// UTF-8. It echoes only with `echoes`. ends[0] is the master, which does not block; ends[1] is the side of the program.
// Both are closed on exec.
int berth_open_terminal(uint32_t uid, uint16_t rows, uint16_t columns, int echoes, int ends[2]);

// Sets the size of a terminal. Its foreground process group gets SIGWINCH if it has changed.
int berth_resize_terminal(int master, uint16_t rows, uint16_t columns);

// Whether there is typed input, or an end of file, that no program has read yet. With line editing, an incomplete line
// does not count. An error if it is unknown.
int berth_has_unread_input(int master);

// The keys that end the input: the end-of-file character of the terminal, and twice if a line has begun, since the
// first one then only passes on that line. Writes them to `keys` and returns how many bytes; 0 if there is no such
// character.
int berth_end_of_file_keys(int master, int line_has_begun, uint8_t keys[2]);

#endif
