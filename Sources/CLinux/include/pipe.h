// SPDX-License-Identifier: Apache-2.0

#ifndef BERTH_PIPE_H
#define BERTH_PIPE_H

// pipe2(2) with O_CLOEXEC: ends[0] is read from, ends[1] is written to.
int berth_pipe(int ends[2]);

#endif
