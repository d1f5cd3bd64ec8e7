/* Finds the driver functions we call ourselves. Duplicate work by two threads is harmless: both find the same. */
#include "shim/cuda/cuda_driver.h"

#include <stdatomic.h>

#include "shim/loader/call.h"

const struct det_driver *det_driver(void)
{
    static struct det_driver table;
    static _Atomic int ready;
    if (!atomic_load_explicit(&ready, memory_order_acquire)) {
#define DET_DRIVER(symbol)                                                                         \
    __atomic_store_n((void **)&table.symbol, det_driver_symbol(#symbol), __ATOMIC_RELAXED);
#include "shim/cuda/cuda_driver.def"
#undef DET_DRIVER
        atomic_store_explicit(&ready, 1, memory_order_release);
    }
    return &table;
}
