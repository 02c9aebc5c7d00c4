// SPDX-License-Identifier: Apache-2.0

#include "freed_memory.h"

#include <malloc.h>

void berth_return_large_memory(void) {
#ifdef __GLIBC__
    // Both settings are only hints, and both stop glibc from adjusting them itself.
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
    // Free memory beyond this at the end of the heap is returned: more than what output allocates and frees all the
    // time.
    mallopt(M_TRIM_THRESHOLD, 4 << 20);
#endif
}

void berth_return_free_memory(void) {
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}
