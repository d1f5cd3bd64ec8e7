/* Runtime double: device properties, function attributes, occupancy, libraries. */
#include "tests/softgpu/runtime.h"

#include <string.h>

RT_API(cudaDeviceGetAttribute, (int *value, enum cudaDeviceAttr attribute, int device),
    (value, attribute, device))
{
    RT_TRY(rt_start());
    return RT_DRV(cuDeviceGetAttribute_(value, (CUdevice_attribute)attribute, device));
}

static int attribute(CUdevice device, CUdevice_attribute name)
{
    int value = 0;
    rt_legacy.cuDeviceGetAttribute_(&value, name, device);
    return value;
}

#define A(name) attribute(device, CU_DEVICE_ATTRIBUTE_##name)

static void sizes(struct cudaDeviceProp *p, int device)
{
    p->sharedMemPerBlock = (size_t)A(MAX_SHARED_MEMORY_PER_BLOCK);
    p->regsPerBlock = A(MAX_REGISTERS_PER_BLOCK);
    p->warpSize = A(WARP_SIZE);
    p->memPitch = (size_t)A(MAX_PITCH);
    p->maxThreadsPerBlock = A(MAX_THREADS_PER_BLOCK);
    p->maxThreadsDim[0] = A(MAX_BLOCK_DIM_X);
    p->maxThreadsDim[1] = A(MAX_BLOCK_DIM_Y);
    p->maxThreadsDim[2] = A(MAX_BLOCK_DIM_Z);
    p->maxGridSize[0] = A(MAX_GRID_DIM_X);
    p->maxGridSize[1] = A(MAX_GRID_DIM_Y);
    p->maxGridSize[2] = A(MAX_GRID_DIM_Z);
    p->totalConstMem = (size_t)A(TOTAL_CONSTANT_MEMORY);
    p->textureAlignment = (size_t)A(TEXTURE_ALIGNMENT);
    p->texturePitchAlignment = (size_t)A(TEXTURE_PITCH_ALIGNMENT);
    p->surfaceAlignment = (size_t)A(SURFACE_ALIGNMENT);
    p->memoryBusWidth = A(GLOBAL_MEMORY_BUS_WIDTH);
    p->l2CacheSize = A(L2_CACHE_SIZE);
    p->persistingL2CacheMaxSize = A(MAX_PERSISTING_L2_CACHE_SIZE);
    p->accessPolicyMaxWindowSize = A(MAX_ACCESS_POLICY_WINDOW_SIZE);
    p->maxThreadsPerMultiProcessor = A(MAX_THREADS_PER_MULTIPROCESSOR);
    p->maxBlocksPerMultiProcessor = A(MAX_BLOCKS_PER_MULTIPROCESSOR);
    p->sharedMemPerMultiprocessor = (size_t)A(MAX_SHARED_MEMORY_PER_MULTIPROCESSOR);
    p->sharedMemPerBlockOptin = (size_t)A(MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);
    p->reservedSharedMemPerBlock = (size_t)A(RESERVED_SHARED_MEMORY_PER_BLOCK);
    p->regsPerMultiprocessor = A(MAX_REGISTERS_PER_MULTIPROCESSOR);
}

static void features(struct cudaDeviceProp *p, int device)
{
    p->major = A(COMPUTE_CAPABILITY_MAJOR);
    p->minor = A(COMPUTE_CAPABILITY_MINOR);
    p->multiProcessorCount = A(MULTIPROCESSOR_COUNT);
    p->integrated = A(INTEGRATED);
    p->canMapHostMemory = A(CAN_MAP_HOST_MEMORY);
    p->concurrentKernels = A(CONCURRENT_KERNELS);
    p->ECCEnabled = A(ECC_ENABLED);
    p->pciBusID = A(PCI_BUS_ID);
    p->pciDeviceID = A(PCI_DEVICE_ID);
    p->pciDomainID = A(PCI_DOMAIN_ID);
    p->asyncEngineCount = A(ASYNC_ENGINE_COUNT);
    p->unifiedAddressing = A(UNIFIED_ADDRESSING);
    p->streamPrioritiesSupported = A(STREAM_PRIORITIES_SUPPORTED);
    p->globalL1CacheSupported = A(GLOBAL_L1_CACHE_SUPPORTED);
    p->localL1CacheSupported = A(LOCAL_L1_CACHE_SUPPORTED);
    p->managedMemory = A(MANAGED_MEMORY);
    p->hostNativeAtomicSupported = A(HOST_NATIVE_ATOMIC_SUPPORTED);
    p->pageableMemoryAccess = A(PAGEABLE_MEMORY_ACCESS);
    p->concurrentManagedAccess = A(CONCURRENT_MANAGED_ACCESS);
    p->computePreemptionSupported = A(COMPUTE_PREEMPTION_SUPPORTED);
    p->canUseHostPointerForRegisteredMem = A(CAN_USE_HOST_POINTER_FOR_REGISTERED_MEM);
    p->cooperativeLaunch = A(COOPERATIVE_LAUNCH);
    p->hostRegisterSupported = A(HOST_REGISTER_SUPPORTED);
    p->memoryPoolsSupported = A(MEMORY_POOLS_SUPPORTED);
    p->clusterLaunch = A(CLUSTER_LAUNCH);
}

RT_API(cudaGetDeviceProperties, (struct cudaDeviceProp * p, int device), (p, device))
{
    int n = 0;
    if (!p)
        return cudaErrorInvalidValue;
    RT_TRY(rt_start());
    RT_TRY(RT_DRV(cuDeviceGetCount_(&n)));
    if (device < 0 || device >= n)
        return cudaErrorInvalidDevice;
    memset(p, 0, sizeof *p);
    RT_TRY(RT_DRV(cuDeviceGetName_(p->name, sizeof p->name, device)));
    RT_TRY(RT_DRV(cuDeviceGetUuid_((CUuuid *)&p->uuid, device)));
    RT_TRY(RT_DRV(cuDeviceTotalMem_(&p->totalGlobalMem, device)));
    sizes(p, device);
    features(p, device);
    return cudaSuccess;
}

RT_API(cudaDeviceGetPCIBusId, (char *text, int n, int device), (text, n, device))
{
    RT_TRY(rt_start());
    return RT_DRV(cuDeviceGetPCIBusId_(text, n, device));
}

RT_API(cudaDeviceGetByPCIBusId, (int *device, const char *text), (device, text))
{
    RT_TRY(rt_start());
    return RT_DRV(cuDeviceGetByPCIBusId_(device, text));
}

RT_API(cudaDeviceCanAccessPeer, (int *can, int device, int peer), (can, device, peer))
{
    RT_TRY(rt_start());
    return RT_DRV(cuDeviceCanAccessPeer_(can, device, peer));
}

static cudaError_t peer_context(int peer, CUcontext *context)
{
    RT_TRY(rt_context());
    return RT_DRV(cuDevicePrimaryCtxRetain_(context, peer));
}

RT_API(cudaDeviceEnablePeerAccess, (int peer, unsigned flags), (peer, flags))
{
    CUcontext context = NULL;
    RT_TRY(peer_context(peer, &context));
    return RT_DRV(cuCtxEnablePeerAccess_(context, flags));
}

RT_API(cudaDeviceDisablePeerAccess, (int peer), (peer))
{
    CUcontext context = NULL;
    RT_TRY(peer_context(peer, &context));
    return RT_DRV(cuCtxDisablePeerAccess_(context));
}

RT_API(cudaDeviceSetLimit, (enum cudaLimit limit, size_t value), (limit, value))
{
    RT_TRY(rt_context());
    return RT_DRV(cuCtxSetLimit_((CUlimit)limit, value));
}

RT_API(cudaDeviceGetLimit, (size_t * value, enum cudaLimit limit), (value, limit))
{
    RT_TRY(rt_context());
    return RT_DRV(cuCtxGetLimit_(value, (CUlimit)limit));
}

RT_API(cudaDeviceSetCacheConfig, (enum cudaFuncCache config), (config))
{
    (void)config; /* a preference without a cache to apply it to */
    return rt_context();
}

RT_API(cudaSetDeviceFlags, (unsigned flags), (flags))
{
    int device = 0;
    RT_TRY(cudaGetDevice(&device));
    return RT_DRV(cuDevicePrimaryCtxSetFlags_(device, flags & ~(unsigned)cudaDeviceSyncMemops));
}

RT_API(cudaGetDeviceFlags, (unsigned *flags), (flags))
{
    int device = 0, active = 0;
    if (!flags)
        return cudaErrorInvalidValue;
    RT_TRY(cudaGetDevice(&device));
    RT_TRY(RT_DRV(cuDevicePrimaryCtxGetState_(device, flags, &active)));
    *flags |= cudaDeviceMapHost;
    return cudaSuccess;
}

/* --- functions --- */

static int of(CUfunction function, CUfunction_attribute name)
{
    int value = 0;
    rt_legacy.cuFuncGetAttribute_(&value, name, function);
    return value;
}

RT_API(cudaFuncGetAttributes, (struct cudaFuncAttributes * out, const void *host), (out, host))
{
    CUfunction f = NULL;
    if (!out)
        return cudaErrorInvalidValue;
    RT_TRY(rt_function(host, &f));
    *out = (struct cudaFuncAttributes){
        .sharedSizeBytes = (size_t)of(f, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES),
        .constSizeBytes = (size_t)of(f, CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES),
        .localSizeBytes = (size_t)of(f, CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES),
        .maxThreadsPerBlock = of(f, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK),
        .numRegs = of(f, CU_FUNC_ATTRIBUTE_NUM_REGS),
        .ptxVersion = of(f, CU_FUNC_ATTRIBUTE_PTX_VERSION),
        .binaryVersion = of(f, CU_FUNC_ATTRIBUTE_BINARY_VERSION),
        .cacheModeCA = of(f, CU_FUNC_ATTRIBUTE_CACHE_MODE_CA),
        .maxDynamicSharedSizeBytes = of(f, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES),
        .preferredShmemCarveout = of(f, CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT),
    };
    return cudaSuccess;
}

RT_API(cudaFuncSetAttribute, (const void *host, enum cudaFuncAttribute name, int value),
    (host, name, value))
{
    CUfunction f = NULL;
    RT_TRY(rt_function(host, &f));
    return RT_DRV(cuFuncSetAttribute_(f, (CUfunction_attribute)name, value));
}

RT_API(cudaFuncSetCacheConfig, (const void *host, enum cudaFuncCache config), (host, config))
{
    CUfunction f = NULL;
    RT_TRY(rt_function(host, &f));
    return RT_DRV(cuFuncSetCacheConfig_(f, (CUfunc_cache)config));
}

RT_API(cudaFuncGetName, (const char **name, const void *host), (name, host))
{
    CUfunction f = NULL;
    RT_TRY(rt_function(host, &f));
    return RT_DRV(cuFuncGetName_(name, f));
}

RT_API(cudaFuncGetParamInfo, (const void *host, size_t index, size_t *offset, size_t *n_bytes),
    (host, index, offset, n_bytes))
{
    CUfunction f = NULL;
    RT_TRY(rt_function(host, &f));
    return RT_DRV(cuFuncGetParamInfo_(f, index, offset, n_bytes));
}

RT_API(cudaGetFuncBySymbol, (cudaFunction_t * function, const void *host), (function, host))
{
    return rt_function(host, (CUfunction *)function);
}

RT_API(cudaGetKernel, (cudaKernel_t * kernel, const void *host), (kernel, host))
{
    RT_TRY(rt_context());
    return rt_kernel(host, (CUkernel *)(void *)kernel);
}

static cudaError_t occupancy(
    int *n, const void *host, int block_size, size_t dynamic, unsigned flags)
{
    CUfunction f = NULL;
    RT_TRY(rt_function(host, &f));
    return RT_DRV(
        cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags_(n, f, block_size, dynamic, flags));
}

RT_API(cudaOccupancyMaxActiveBlocksPerMultiprocessor,
    (int *n, const void *host, int block_size, size_t dynamic), (n, host, block_size, dynamic))
{
    return occupancy(n, host, block_size, dynamic, 0);
}

RT_API(cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags,
    (int *n, const void *host, int block_size, size_t dynamic, unsigned flags),
    (n, host, block_size, dynamic, flags))
{
    return occupancy(n, host, block_size, dynamic, flags);
}

RT_API(cudaOccupancyAvailableDynamicSMemPerBlock,
    (size_t * n_bytes, const void *host, int n_blocks, int block_size),
    (n_bytes, host, n_blocks, block_size))
{
    CUfunction f = NULL;
    RT_TRY(rt_function(host, &f));
    return RT_DRV(cuOccupancyAvailableDynamicSMemPerBlock_(n_bytes, f, n_blocks, block_size));
}

/* --- libraries --- */

RT_API(cudaLibraryLoadData,
    (cudaLibrary_t * library, const void *image, enum cudaJitOption *options, void **values,
        unsigned n, enum cudaLibraryOption *library_options, void **library_values,
        unsigned n_library),
    (library, image, options, values, n, library_options, library_values, n_library))
{
    RT_TRY(rt_context());
    return RT_DRV(cuLibraryLoadData_((CUlibrary *)(void *)library, image, (CUjit_option *)options,
        values, n, (CUlibraryOption *)library_options, library_values, n_library));
}

RT_API(cudaLibraryLoadFromFile,
    (cudaLibrary_t * library, const char *path, enum cudaJitOption *options, void **values,
        unsigned n, enum cudaLibraryOption *library_options, void **library_values,
        unsigned n_library),
    (library, path, options, values, n, library_options, library_values, n_library))
{
    RT_TRY(rt_context());
    return RT_DRV(
        cuLibraryLoadFromFile_((CUlibrary *)(void *)library, path, (CUjit_option *)options, values,
            n, (CUlibraryOption *)library_options, library_values, n_library));
}

RT_API(cudaLibraryUnload, (cudaLibrary_t library), (library))
{
    RT_TRY(rt_context());
    return RT_DRV(cuLibraryUnload_((CUlibrary)(void *)library));
}

RT_API(cudaLibraryGetKernel, (cudaKernel_t * kernel, cudaLibrary_t library, const char *name),
    (kernel, library, name))
{
    RT_TRY(rt_context());
    return RT_DRV(
        cuLibraryGetKernel_((CUkernel *)(void *)kernel, (CUlibrary)(void *)library, name));
}

RT_API(cudaLibraryGetKernelCount, (unsigned *n, cudaLibrary_t library), (n, library))
{
    RT_TRY(rt_context());
    return RT_DRV(cuLibraryGetKernelCount_(n, (CUlibrary)(void *)library));
}

RT_API(cudaLibraryEnumerateKernels, (cudaKernel_t * kernels, unsigned n, cudaLibrary_t library),
    (kernels, n, library))
{
    RT_TRY(rt_context());
    return RT_DRV(
        cuLibraryEnumerateKernels_((CUkernel *)(void *)kernels, n, (CUlibrary)(void *)library));
}

RT_API(cudaLibraryGetGlobal, (void **at, size_t *n_bytes, cudaLibrary_t library, const char *name),
    (at, n_bytes, library, name))
{
    CUdeviceptr found = 0;
    RT_TRY(rt_context());
    RT_TRY(RT_DRV(cuLibraryGetGlobal_(&found, n_bytes, (CUlibrary)(void *)library, name)));
    if (at)
        *at = (void *)(uintptr_t)found;
    return cudaSuccess;
}
