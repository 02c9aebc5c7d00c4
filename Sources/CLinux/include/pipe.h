// SPDX-License-Identifier: Apache-2.0

#ifndef BERTH_PIPE_H
#define BERTH_PIPE_H

// pipe2(2) with O_CLOEXEC: ends[0] is the read end, ends[1] the write end.
int berth_pipe(int ends[2]);

#endif
