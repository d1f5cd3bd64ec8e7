/* Inside of the runtime double (libcudart.so.13): written over the documented driver API alone, which it finds as the real one
 * does: dlopen, dlsym of cuGetProcAddress_v2, then cuGetProcAddress by name and version. Shares nothing with driver_*.c. */
#ifndef SOFTGPU_RUNTIME_H
#define SOFTGPU_RUNTIME_H

#include <cuda.h>
#include <cudaProfilerTypedefs.h>
#include <cudaTypedefs.h>
#include <cuda_runtime_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RT_EXPORT      __attribute__((visibility("default")))
#define RT_UNPACK(...) __VA_ARGS__

/* The driver calls used, each at the version this runtime was written for. */
#define RT_DRIVER_CALLS(D)                                                                         \
    D(cuInit, 2000)                                                                                \
    D(cuDriverGetVersion, 2020)                                                                    \
    D(cuDeviceGetCount, 2000)                                                                      \
    D(cuDeviceGet, 2000)                                                                           \
    D(cuDeviceGetName, 2000)                                                                       \
    D(cuDeviceTotalMem, 3020)                                                                      \
    D(cuDeviceGetAttribute, 2000)                                                                  \
    D(cuDeviceGetUuid, 11040)                                                                      \
    D(cuDeviceGetPCIBusId, 4010)                                                                   \
    D(cuDeviceGetByPCIBusId, 4010)                                                                 \
    D(cuDeviceCanAccessPeer, 4000)                                                                 \
    D(cuDevicePrimaryCtxRetain, 7000)                                                              \
    D(cuDevicePrimaryCtxReset, 11000)                                                              \
    D(cuDevicePrimaryCtxSetFlags, 11000)                                                           \
    D(cuDevicePrimaryCtxGetState, 7000)                                                            \
    D(cuCtxGetCurrent, 4000)                                                                       \
    D(cuCtxSetCurrent, 4000)                                                                       \
    D(cuCtxGetDevice, 2000)                                                                        \
    D(cuCtxSynchronize, 2000)                                                                      \
    D(cuCtxGetStreamPriorityRange, 5050)                                                           \
    D(cuCtxSetLimit, 3010)                                                                         \
    D(cuCtxGetLimit, 3010)                                                                         \
    D(cuCtxEnablePeerAccess, 4000)                                                                 \
    D(cuCtxDisablePeerAccess, 4000)                                                                \
    D(cuMemAlloc, 3020)                                                                            \
    D(cuMemAllocPitch, 3020)                                                                       \
    D(cuMemFree, 3020)                                                                             \
    D(cuMemAllocManaged, 6000)                                                                     \
    D(cuMemHostAlloc, 2020)                                                                        \
    D(cuMemFreeHost, 2000)                                                                         \
    D(cuMemHostRegister, 6050)                                                                     \
    D(cuMemHostUnregister, 4000)                                                                   \
    D(cuMemHostGetDevicePointer, 3020)                                                             \
    D(cuMemHostGetFlags, 2030)                                                                     \
    D(cuMemGetInfo, 3020)                                                                          \
    D(cuMemAllocAsync, 11020)                                                                      \
    D(cuMemFreeAsync, 11020)                                                                       \
    D(cuMemAllocFromPoolAsync, 11020)                                                              \
    D(cuDeviceGetDefaultMemPool, 11020)                                                            \
    D(cuDeviceGetMemPool, 11020)                                                                   \
    D(cuDeviceSetMemPool, 11020)                                                                   \
    D(cuMemPoolCreate, 11020)                                                                      \
    D(cuMemPoolDestroy, 11020)                                                                     \
    D(cuMemPoolTrimTo, 11020)                                                                      \
    D(cuMemPoolSetAttribute, 11020)                                                                \
    D(cuMemPoolGetAttribute, 11020)                                                                \
    D(cuMemcpy, 4000)                                                                              \
    D(cuMemcpyAsync, 4000)                                                                         \
    D(cuMemcpyHtoD, 3020)                                                                          \
    D(cuMemcpyDtoH, 3020)                                                                          \
    D(cuMemcpyDtoD, 3020)                                                                          \
    D(cuMemcpyHtoDAsync, 3020)                                                                     \
    D(cuMemcpyDtoHAsync, 3020)                                                                     \
    D(cuMemcpyDtoDAsync, 3020)                                                                     \
    D(cuMemcpy2DUnaligned, 3020)                                                                   \
    D(cuMemcpy2DAsync, 3020)                                                                       \
    D(cuMemcpy3D, 3020)                                                                            \
    D(cuMemcpy3DAsync, 3020)                                                                       \
    D(cuMemsetD8, 3020)                                                                            \
    D(cuMemsetD8Async, 3020)                                                                       \
    D(cuMemsetD2D8, 3020)                                                                          \
    D(cuMemsetD2D8Async, 3020)                                                                     \
    D(cuPointerGetAttributes, 7000)                                                                \
    D(cuLibraryLoadData, 12000)                                                                    \
    D(cuLibraryLoadFromFile, 12000)                                                                \
    D(cuLibraryUnload, 12000)                                                                      \
    D(cuLibraryGetKernel, 12000)                                                                   \
    D(cuLibraryGetKernelCount, 12040)                                                              \
    D(cuLibraryEnumerateKernels, 12040)                                                            \
    D(cuLibraryGetGlobal, 12000)                                                                   \
    D(cuKernelGetFunction, 12000)                                                                  \
    D(cuFuncGetAttribute, 2020)                                                                    \
    D(cuFuncSetAttribute, 9000)                                                                    \
    D(cuFuncSetCacheConfig, 3000)                                                                  \
    D(cuFuncGetParamInfo, 12040)                                                                   \
    D(cuFuncGetName, 12030)                                                                        \
    D(cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags, 7000)                                  \
    D(cuOccupancyAvailableDynamicSMemPerBlock, 10020)                                              \
    D(cuLaunchKernel, 4000)                                                                        \
    D(cuLaunchKernelEx, 11060)                                                                     \
    D(cuLaunchCooperativeKernel, 9000)                                                             \
    D(cuLaunchHostFunc, 10000)                                                                     \
    D(cuStreamAddCallback, 5000)                                                                   \
    D(cuStreamCreate, 2000)                                                                        \
    D(cuStreamCreateWithPriority, 5050)                                                            \
    D(cuStreamDestroy, 4000)                                                                       \
    D(cuStreamQuery, 2000)                                                                         \
    D(cuStreamSynchronize, 2000)                                                                   \
    D(cuStreamWaitEvent, 3020)                                                                     \
    D(cuStreamGetPriority, 5050)                                                                   \
    D(cuStreamGetFlags, 5050)                                                                      \
    D(cuStreamGetId, 12000)                                                                        \
    D(cuStreamBeginCapture, 10010)                                                                 \
    D(cuStreamBeginCaptureToGraph, 12030)                                                          \
    D(cuStreamEndCapture, 10000)                                                                   \
    D(cuStreamIsCapturing, 10000)                                                                  \
    D(cuStreamGetCaptureInfo, 12030)                                                               \
    D(cuStreamUpdateCaptureDependencies, 12030)                                                    \
    D(cuThreadExchangeStreamCaptureMode, 10010)                                                    \
    D(cuEventCreate, 2000)                                                                         \
    D(cuEventDestroy, 4000)                                                                        \
    D(cuEventRecord, 2000)                                                                         \
    D(cuEventRecordWithFlags, 11010)                                                               \
    D(cuEventQuery, 2000)                                                                          \
    D(cuEventSynchronize, 2000)                                                                    \
    D(cuEventElapsedTime, 12080)                                                                   \
    D(cuGraphCreate, 10000)                                                                        \
    D(cuGraphDestroy, 10000)                                                                       \
    D(cuGraphDestroyNode, 10000)                                                                   \
    D(cuGraphClone, 10000)                                                                         \
    D(cuGraphNodeFindInClone, 10000)                                                               \
    D(cuGraphNodeGetType, 10000)                                                                   \
    D(cuGraphGetNodes, 10000)                                                                      \
    D(cuGraphGetRootNodes, 10000)                                                                  \
    D(cuGraphGetEdges, 12030)                                                                      \
    D(cuGraphNodeGetDependencies, 12030)                                                           \
    D(cuGraphNodeGetDependentNodes, 12030)                                                         \
    D(cuGraphAddDependencies, 12030)                                                               \
    D(cuGraphAddKernelNode, 12000)                                                                 \
    D(cuGraphKernelNodeGetParams, 12000)                                                           \
    D(cuGraphKernelNodeSetParams, 12000)                                                           \
    D(cuGraphAddMemcpyNode, 10000)                                                                 \
    D(cuGraphAddMemsetNode, 10000)                                                                 \
    D(cuGraphAddHostNode, 10000)                                                                   \
    D(cuGraphAddEmptyNode, 10000)                                                                  \
    D(cuGraphAddChildGraphNode, 10000)                                                             \
    D(cuGraphAddEventRecordNode, 11010)                                                            \
    D(cuGraphAddEventWaitNode, 11010)                                                              \
    D(cuGraphInstantiateWithFlags, 11040)                                                          \
    D(cuGraphExecDestroy, 10000)                                                                   \
    D(cuGraphExecUpdate, 12000)                                                                    \
    D(cuGraphExecKernelNodeSetParams, 12000)                                                       \
    D(cuGraphUpload, 11010)                                                                        \
    D(cuGraphLaunch, 10000)                                                                        \
    D(cuProfilerStart, 4000)                                                                       \
    D(cuProfilerStop, 4000)

#define RT_STR_(x) #x
struct rt_driver {
#define RT_FIELD(name, version) PFN_##name##_v##version name##_;
    RT_DRIVER_CALLS(RT_FIELD)
#undef RT_FIELD
};
/* The same calls twice: as asked for plainly, and with the per-thread default stream. */
extern struct rt_driver rt_legacy, rt_per_thread;

/** Load the driver once; 35 without one. */
cudaError_t rt_start(void);
/** rt_start, and a context current on this thread (the primary one of its device, unless the program chose another). */
cudaError_t rt_context(void);
cudaError_t rt_from(CUresult result);
cudaError_t rt_done(cudaError_t error); /* remembers for cudaGetLastError */
void *rt_driver_entry(const char *name, unsigned version, unsigned long long flags, int *status);
/** Kernel registered by nvcc for a host stub, or a cudaKernel_t/cudaFunction_t itself. */
cudaError_t rt_kernel(const void *host, CUkernel *kernel);
const void *rt_host_of(CUkernel kernel);
cudaError_t rt_function(const void *host, CUfunction *function);
void rt_forget_device(int device);
cudaError_t CUDARTAPI cudaMemcpy_ptds(
    void *to, const void *from, size_t n, enum cudaMemcpyKind kind);
cudaError_t CUDARTAPI cudaMemcpyAsync_ptsz(
    void *to, const void *from, size_t n, enum cudaMemcpyKind kind, cudaStream_t stream);

#define RT_TRY(expression)                                                                         \
    do {                                                                                           \
        const cudaError_t tried = (expression);                                                    \
        if (tried != cudaSuccess)                                                                  \
            return tried;                                                                          \
    } while (0)
#define RT_DRV(call) rt_from((CUresult)rt_legacy.call)
#define RT_ON(call)  rt_from((CUresult)d->call)

/* An entry point: body sees the arguments, its result is remembered as the last error. */
#define RT_API(name, params, arguments)                                                            \
    static cudaError_t name##_do params;                                                           \
    RT_EXPORT cudaError_t CUDARTAPI name params;                                                   \
    RT_EXPORT cudaError_t CUDARTAPI name params                                                    \
    {                                                                                              \
        return rt_done(name##_do arguments);                                                       \
    }                                                                                              \
    static cudaError_t name##_do params
/* One with a per-thread twin; the body uses the driver `d`. */
#define RT_TWO(name, suffix, params, arguments)                                                    \
    static cudaError_t name##_do(const struct rt_driver *d, RT_UNPACK params);                     \
    RT_EXPORT cudaError_t CUDARTAPI name params;                                                   \
    RT_EXPORT cudaError_t CUDARTAPI name params                                                    \
    {                                                                                              \
        const cudaError_t ready = rt_context();                                                    \
        return rt_done(ready ? ready : name##_do(&rt_legacy, RT_UNPACK arguments));                \
    }                                                                                              \
    RT_EXPORT cudaError_t CUDARTAPI name##suffix params;                                           \
    RT_EXPORT cudaError_t CUDARTAPI name##suffix params                                            \
    {                                                                                              \
        const cudaError_t ready = rt_context();                                                    \
        return rt_done(ready ? ready : name##_do(&rt_per_thread, RT_UNPACK arguments));            \
    }                                                                                              \
    static cudaError_t name##_do(const struct rt_driver *d, RT_UNPACK params)

#endif
