/* Launches through the runtime: only the kernel's name is noted for the driver-level wrapper below it, which acts. */
#include "shim/cudart/cudart_api.h"
#include "shim/image/registry.h"
#include "shim/loader/call.h"

#define LAUNCH(symbol, key, params, args)                                                          \
    DET_EXPORT cudaError_t symbol params                                                           \
    {                                                                                              \
        if (!det_enter(DET_ID_##symbol))                                                           \
            return DET_REAL(symbol) args;                                                          \
                                                                                                   \
        det_registry_launching(key);                                                               \
        const cudaError_t status = DET_REAL(symbol) args;                                          \
        det_registry_launching(NULL);                                                              \
        det_leave(DET_ID_##symbol);                                                                \
        return status;                                                                             \
    }

#define BY_FUNCTION                                                                                \
    (const void *func, dim3 gridDim, dim3 blockDim, void **args, size_t sharedMem,                 \
        cudaStream_t stream)
LAUNCH(cudaLaunchKernel, func, BY_FUNCTION, (func, gridDim, blockDim, args, sharedMem, stream))
LAUNCH(cudaLaunchKernel_ptsz, func, BY_FUNCTION, (func, gridDim, blockDim, args, sharedMem, stream))
LAUNCH(cudaLaunchCooperativeKernel, func, BY_FUNCTION,
    (func, gridDim, blockDim, args, sharedMem, stream))
LAUNCH(cudaLaunchCooperativeKernel_ptsz, func, BY_FUNCTION,
    (func, gridDim, blockDim, args, sharedMem, stream))

#define BY_TOKEN                                                                                   \
    (cudaKernel_t kernel, dim3 gridDim, dim3 blockDim, void **args, size_t sharedMem,              \
        cudaStream_t stream)
LAUNCH(__cudaLaunchKernel, kernel, BY_TOKEN, (kernel, gridDim, blockDim, args, sharedMem, stream))
LAUNCH(
    __cudaLaunchKernel_ptsz, kernel, BY_TOKEN, (kernel, gridDim, blockDim, args, sharedMem, stream))

#define BY_CONFIG (const cudaLaunchConfig_t *config, const void *func, void **args)
LAUNCH(cudaLaunchKernelExC, func, BY_CONFIG, (config, func, args))
LAUNCH(cudaLaunchKernelExC_ptsz, func, BY_CONFIG, (config, func, args))
