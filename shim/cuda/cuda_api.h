/* cuda.h with every versioned form declared under its exported name (cuMemAlloc_v2, cuLaunchKernel_ptsz, …) and none of
 * the renaming macros: wrappers and tables name symbols, not API names. */
#ifndef DET_CUDA_API_H
#define DET_CUDA_API_H

#define __CUDA_API_VERSION_INTERNAL 1
#include <cuda.h>

#endif
