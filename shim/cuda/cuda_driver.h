/* The driver calls we make ourselves, from inside wrappers only, on the caller's context. Pointers are the real functions,
 * never our wrappers; a member is NULL when the loaded driver lacks it. */
#ifndef DET_CUDA_DRIVER_H
#define DET_CUDA_DRIVER_H

#include "shim/cuda/cuda_api.h"

struct det_driver {
#define DET_DRIVER(symbol) __typeof__(&symbol) symbol;
#include "shim/cuda/cuda_driver.def"
#undef DET_DRIVER
};
/** Filled at the first use; never NULL. */
const struct det_driver *det_driver(void);

#endif
