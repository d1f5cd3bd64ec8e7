/* Routines without a choice of algorithm: forwarded untouched and counted, so that the ledger knows which promise stands for the
 * kernels they launch. The vendor's header is left out on purpose: stamped by number of arguments (loader/forward.h). */
#include "shim/cublas/cublas_routines.h"

#include "shim/loader/forward.h"

#define DET_ROUTINE(symbol, since, n)                                                              \
    int symbol(DET_WORDS_##n);                                                                     \
    DET_EXPORT int symbol(DET_WORDS_##n)                                                           \
    {                                                                                              \
        if (!det_enter(DET_ID_##symbol))                                                           \
            return DET_REAL(symbol)(DET_VALUES_##n);                                               \
        det_cublas_count_routine(DET_ID_##symbol, (const void *)a1, __builtin_return_address(0));  \
        const int status = DET_REAL(symbol)(DET_VALUES_##n);                                       \
        det_leave(DET_ID_##symbol);                                                                \
        return status;                                                                             \
    }
#include "shim/cublas/cublas_routines.def"
