/* A libc function we export too: the next definition after ours, so that other preloads (libfaketime) still see the call.
 * The pointer is found once per call site through libc's own dlsym and cached. */
#ifndef DET_ENTROPY_NEXT_H
#define DET_ENTROPY_NEXT_H

#include <stdint.h>

#include "shim/loader/libc.h"

#define DET_NEXT(name)                                                                             \
    __extension__({                                                                                \
        static __typeof__(&name) det_next_pointer;                                                 \
        __typeof__(&name) det_next_now = __atomic_load_n(&det_next_pointer, __ATOMIC_ACQUIRE);     \
        if (!det_next_now) {                                                                       \
            det_next_now = (__typeof__(&name))(uintptr_t)det_libc_next(#name);                     \
            __atomic_store_n(&det_next_pointer, det_next_now, __ATOMIC_RELEASE);                   \
        }                                                                                          \
        det_next_now;                                                                              \
    })

#endif
