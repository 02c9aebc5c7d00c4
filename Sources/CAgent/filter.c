// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "filter.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

int berth_take_filter(const void *program, size_t size) {
    if (size == 0 || size % sizeof(struct sock_filter) != 0 || size / sizeof(struct sock_filter) > BPF_MAXINSNS) return -EINVAL;
    // The caller's bytes may lie anywhere.
    struct sock_filter *copy = malloc(size);
    if (!copy) return -ENOMEM;
    memcpy(copy, program, size);
    struct sock_fprog filter = {(unsigned short)(size / sizeof *copy), copy};
    int result = 0;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) result = -errno;
    if (result == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) != 0) result = -errno;
    free(copy);
    return result;
}
