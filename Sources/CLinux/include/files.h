// SPDX-License-Identifier: Apache-2.0

#ifndef BERTH_FILES_H
#define BERTH_FILES_H

// Flags of open(2) that Swift's Glibc module does not have.
extern const int berth_o_path;
extern const int berth_o_tmpfile;

// rename(2) from a name in one directory to a name in another. With `never_replaces`, -EEXIST if the target exists.
int berth_rename(int from_directory, const char *from, int to_directory, const char *to, int never_replaces);

// Whether an open file is on a file system whose files the kernel generates when they are read (/proc, /sys, cgroups).
int berth_is_kernels_file(int descriptor);

// Whether an open file is on a tmpfs.
int berth_is_on_tmpfs(int descriptor);

#endif
