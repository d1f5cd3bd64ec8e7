/* The launch entry points: each packs its arguments into one form and forwards what cuda_launch.c leaves to it. */
#include <errno.h>

#include "shim/cuda/cuda_launch.h"
#include "shim/cuda/cuda_table.h"
#include "shim/loader/call.h"

/* det_launch_try with the guard that keeps our own driver calls out of the wrappers, and errno kept. */
static bool try_twin(struct det_launch *launch, CUresult *status)
{
    const int saved = errno;
    det_inside_begin();
    const bool done = det_launch_try(launch, status);
    det_inside_end();
    errno = saved;
    return done;
}

#define LAUNCH_KERNEL(symbol, per_thread)                                                          \
    DET_EXPORT CUresult symbol(CUfunction f, unsigned int gridDimX, unsigned int gridDimY,         \
        unsigned int gridDimZ, unsigned int blockDimX, unsigned int blockDimY,                     \
        unsigned int blockDimZ, unsigned int sharedMemBytes, CUstream hStream,                     \
        void **kernelParams, void **extra)                                                         \
    {                                                                                              \
        if (!det_enter(DET_ID_##symbol))                                                           \
            return DET_REAL(symbol)(f, gridDimX, gridDimY, gridDimZ, blockDimX, blockDimY,         \
                blockDimZ, sharedMemBytes, hStream, kernelParams, extra);                          \
                                                                                                   \
        struct det_launch launch = {                                                               \
            .function = f,                                                                         \
            .grid = { gridDimX, gridDimY, gridDimZ },                                              \
            .block = { blockDimX, blockDimY, blockDimZ },                                          \
            .shared_bytes = sharedMemBytes,                                                        \
            .stream = det_stream_normal(hStream, per_thread),                                      \
            .params = kernelParams,                                                                \
            .extra = extra,                                                                        \
        };                                                                                         \
        CUresult status;                                                                           \
        if (!try_twin(&launch, &status)) {                                                         \
            status = DET_REAL(symbol)(f, gridDimX, gridDimY, gridDimZ, blockDimX, blockDimY,       \
                blockDimZ, sharedMemBytes, hStream, kernelParams, extra);                          \
            det_launch_count(&launch, status);                                                     \
        }                                                                                          \
        det_leave(DET_ID_##symbol);                                                                \
        return status;                                                                             \
    }
LAUNCH_KERNEL(cuLaunchKernel, false)
LAUNCH_KERNEL(cuLaunchKernel_ptsz, true)

#define LAUNCH_COOPERATIVE(symbol, per_thread)                                                     \
    DET_EXPORT CUresult symbol(CUfunction f, unsigned int gridDimX, unsigned int gridDimY,         \
        unsigned int gridDimZ, unsigned int blockDimX, unsigned int blockDimY,                     \
        unsigned int blockDimZ, unsigned int sharedMemBytes, CUstream hStream,                     \
        void **kernelParams)                                                                       \
    {                                                                                              \
        if (!det_enter(DET_ID_##symbol))                                                           \
            return DET_REAL(symbol)(f, gridDimX, gridDimY, gridDimZ, blockDimX, blockDimY,         \
                blockDimZ, sharedMemBytes, hStream, kernelParams);                                 \
                                                                                                   \
        struct det_launch launch = {                                                               \
            .function = f,                                                                         \
            .grid = { gridDimX, gridDimY, gridDimZ },                                              \
            .block = { blockDimX, blockDimY, blockDimZ },                                          \
            .shared_bytes = sharedMemBytes,                                                        \
            .stream = det_stream_normal(hStream, per_thread),                                      \
            .params = kernelParams,                                                                \
            .cooperative = true,                                                                   \
        };                                                                                         \
        CUresult status;                                                                           \
        if (!try_twin(&launch, &status)) {                                                         \
            status = DET_REAL(symbol)(f, gridDimX, gridDimY, gridDimZ, blockDimX, blockDimY,       \
                blockDimZ, sharedMemBytes, hStream, kernelParams);                                 \
            det_launch_count(&launch, status);                                                     \
        }                                                                                          \
        det_leave(DET_ID_##symbol);                                                                \
        return status;                                                                             \
    }
LAUNCH_COOPERATIVE(cuLaunchCooperativeKernel, false)
LAUNCH_COOPERATIVE(cuLaunchCooperativeKernel_ptsz, true)

#define LAUNCH_EX(symbol, per_thread)                                                              \
    DET_EXPORT CUresult symbol(                                                                    \
        const CUlaunchConfig *config, CUfunction f, void **kernelParams, void **extra)             \
    {                                                                                              \
        if (config == NULL || !det_enter(DET_ID_##symbol))                                         \
            return DET_REAL(symbol)(config, f, kernelParams, extra);                               \
                                                                                                   \
        struct det_launch launch = {                                                               \
            .function = f,                                                                         \
            .grid = { config->gridDimX, config->gridDimY, config->gridDimZ },                      \
            .block = { config->blockDimX, config->blockDimY, config->blockDimZ },                  \
            .shared_bytes = config->sharedMemBytes,                                                \
            .stream = det_stream_normal(config->hStream, per_thread),                              \
            .params = kernelParams,                                                                \
            .extra = extra,                                                                        \
            .config = config,                                                                      \
        };                                                                                         \
        CUresult status;                                                                           \
        if (!try_twin(&launch, &status)) {                                                         \
            status = DET_REAL(symbol)(config, f, kernelParams, extra);                             \
            det_launch_count(&launch, status);                                                     \
        }                                                                                          \
        det_leave(DET_ID_##symbol);                                                                \
        return status;                                                                             \
    }
LAUNCH_EX(cuLaunchKernelEx, false)
LAUNCH_EX(cuLaunchKernelEx_ptsz, true)

/* Deprecated, gone from drivers of CUDA 13: never rewritten, each kernel counted by name. */
DET_EXPORT CUresult cuLaunchCooperativeKernelMultiDevice(
    CUDA_LAUNCH_PARAMS *launchParamsList, unsigned int numDevices, unsigned int flags)
{
    if (!det_enter(DET_ID_cuLaunchCooperativeKernelMultiDevice))
        return DET_REAL(cuLaunchCooperativeKernelMultiDevice)(launchParamsList, numDevices, flags);

    const CUresult status =
        DET_REAL(cuLaunchCooperativeKernelMultiDevice)(launchParamsList, numDevices, flags);
    det_inside_begin();
    for (unsigned i = 0; status == CUDA_SUCCESS && i < numDevices; i++) {
        struct det_ledger_row *const row = det_launch_row(launchParamsList[i].function,
            launchParamsList[i].hStream, "several devices at once", NULL);
        if (row != NULL)
            det_ledger_hit(row);
    }
    det_inside_end();
    det_leave(DET_ID_cuLaunchCooperativeKernelMultiDevice);
    return status;
}
