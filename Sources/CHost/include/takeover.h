// SPDX-License-Identifier: Apache-2.0
// One program takes the place of another in the same process.

#ifndef BERTH_TAKEOVER_H
#define BERTH_TAKEOVER_H

#include <stddef.h>
#include <sys/types.h>

// A file in memory with these bytes and then those, which nobody can change; closed on exec. Returns its descriptor, or a negative
// error.
int berth_sealed_file(const void *head, size_t head_count, const void *rest, size_t rest_count);

// Whether nobody can change a file in memory any more.
int berth_is_sealed(int descriptor);

// Executes `path`. The new program has the descriptors `keep`, and no other that is closed on exec. SIGTERM, SIGINT and SIGHUP are
// blocked in it, so that they wait until it handles them. Returns only if that fails, with a negative error; then all is as before.
int berth_execute(const char *path, char *const argv[], char *const envp[], const int *keep, size_t count);

// The environment variable that names the descriptor of the state in the new program. There, SIGTERM, SIGINT and SIGHUP are noted
// from the first moment on, until something else handles them.
#define BERTH_STATE_DESCRIPTOR "BERTH_STATE_DESCRIPTOR"

// Whether a signal has come that was only noted; no longer after that.
int berth_noted_signal(int number);

// Ignores a signal, unless it is noted.
void berth_ignore_signal(int number);

// Whether both paths are the same file, as it was when it was made. A negative error if one can't be looked at.
int berth_same_file(const char *one, const char *other);

#endif
