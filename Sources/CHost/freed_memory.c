// SPDX-License-Identifier: Apache-2.0

#include "freed_memory.h"

#include <malloc.h>

void berth_return_large_memory(void) {
#ifdef __GLIBC__
    // Both are wishes, and both end glibc's own changes of them.
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
    // Beyond this, what is free at the end of the heap goes back: more than what output takes and gives all the time.
    mallopt(M_TRIM_THRESHOLD, 4 << 20);
#endif
}

void berth_return_free_memory(void) {
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}
