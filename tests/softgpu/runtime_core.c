/* Runtime double: finding the driver, contexts, errors. */
#include "tests/softgpu/runtime.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

struct rt_driver rt_legacy, rt_per_thread;
static PFN_cuGetProcAddress_v12000 get_proc_address;
static cudaError_t start_error;
static __thread cudaError_t last_error;
static __thread int this_device;
static CUcontext primaries[64];
static pthread_mutex_t primaries_lock = PTHREAD_MUTEX_INITIALIZER;

void *rt_driver_entry(const char *name, unsigned version, unsigned long long flags, int *status)
{
    void *found = NULL;
    CUdriverProcAddressQueryResult query = CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
    if (get_proc_address(name, &found, (int)version, flags, &query) != CUDA_SUCCESS)
        found = NULL;
    if (status)
        *status = (int)query;
    return found;
}

static void start(void)
{
    int version = 0;
    start_error = cudaErrorInsufficientDriver;
    void *library = dlopen("libcuda.so.1", RTLD_NOW);
    void *entry = library ? dlsym(library, "cuGetProcAddress_v2") : NULL;
    if (!entry)
        return;
    memcpy(&get_proc_address, &entry, sizeof entry);
#define RT_FIND(name, version)                                                                     \
    entry = rt_driver_entry(#name, version, 0, NULL);                                              \
    memcpy(&rt_legacy.name##_, &entry, sizeof entry);                                              \
    entry = rt_driver_entry(#name, version, CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM, NULL);  \
    memcpy(&rt_per_thread.name##_, &entry, sizeof entry);                                          \
    if (!rt_legacy.name##_)                                                                        \
        start_error = cudaErrorSymbolNotFound;
    RT_DRIVER_CALLS(RT_FIND)
    if (start_error == cudaErrorSymbolNotFound)
        return;
    if (rt_legacy.cuDriverGetVersion_(&version) != CUDA_SUCCESS || version < CUDART_VERSION)
        return;
    start_error = (cudaError_t)rt_legacy.cuInit_(0);
}

cudaError_t rt_start(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start);
    return start_error;
}

static cudaError_t use_device(int device)
{
    cudaError_t error = cudaSuccess;
    pthread_mutex_lock(&primaries_lock);
    if (!primaries[device])
        error = RT_DRV(cuDevicePrimaryCtxRetain_(&primaries[device], device));
    if (error == cudaSuccess)
        error = RT_DRV(cuCtxSetCurrent_(primaries[device]));
    pthread_mutex_unlock(&primaries_lock);
    return error;
}

cudaError_t rt_context(void)
{
    CUcontext current = NULL;
    CUdevice unused;
    RT_TRY(rt_start());
    RT_TRY(RT_DRV(cuCtxGetCurrent_(&current)));
    /* A context that cudaDeviceReset of another thread destroyed is replaced as well. */
    if (current && rt_legacy.cuCtxGetDevice_(&unused) == CUDA_SUCCESS)
        return cudaSuccess;
    return use_device(this_device);
}

void rt_forget_device(int device)
{
    pthread_mutex_lock(&primaries_lock);
    primaries[device] = NULL;
    pthread_mutex_unlock(&primaries_lock);
}

cudaError_t rt_from(CUresult result)
{
    return (cudaError_t)
        result; /* the two enumerations agree in number for every code the driver gives */
}

cudaError_t rt_done(cudaError_t error)
{
    if (error != cudaSuccess && error != cudaErrorNotReady)
        last_error = error;
    return error;
}

RT_EXPORT cudaError_t CUDARTAPI cudaGetLastError(void)
{
    const cudaError_t error = last_error;
    last_error = cudaSuccess;
    return error;
}

RT_EXPORT cudaError_t CUDARTAPI cudaPeekAtLastError(void)
{
    return last_error;
}

static const struct {
    cudaError_t code;
    const char *name, *text;
} errors[] = {
#define RT_ERROR(name, text) { name, #name, text },
#include "tests/softgpu/runtime_errors.def"
#undef RT_ERROR
};

RT_EXPORT const char *CUDARTAPI cudaGetErrorName(cudaError_t error)
{
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (errors[i].code == error)
            return errors[i].name;
    return "unrecognized error code";
}

RT_EXPORT const char *CUDARTAPI cudaGetErrorString(cudaError_t error)
{
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (errors[i].code == error)
            return errors[i].text;
    return "unrecognized error code";
}

/* --- devices of threads --- */

RT_API(cudaGetDeviceCount, (int *n), (n))
{
    if (!n)
        return cudaErrorInvalidValue;
    *n = 0;
    RT_TRY(rt_start());
    return RT_DRV(cuDeviceGetCount_(n));
}

RT_API(cudaSetDevice, (int device), (device))
{
    int n = 0;
    RT_TRY(rt_start());
    RT_TRY(RT_DRV(cuDeviceGetCount_(&n)));
    if (device < 0 || device >= n)
        return cudaErrorInvalidDevice;
    this_device = device;
    return use_device(device);
}

RT_API(cudaInitDevice, (int device, unsigned device_flags, unsigned flags),
    (device, device_flags, flags))
{
    CUcontext unused = NULL;
    (void)device_flags, (void)flags;
    RT_TRY(rt_start());
    return RT_DRV(cuDevicePrimaryCtxRetain_(&unused, device));
}

RT_API(cudaGetDevice, (int *device), (device))
{
    if (!device)
        return cudaErrorInvalidValue;
    RT_TRY(rt_start());
    CUdevice current;
    *device = rt_legacy.cuCtxGetDevice_(&current) == CUDA_SUCCESS ? current : this_device;
    return cudaSuccess;
}

RT_API(cudaDeviceSynchronize, (void), ())
{
    RT_TRY(rt_context());
    return RT_DRV(cuCtxSynchronize_());
}

RT_API(cudaDeviceReset, (void), ())
{
    int device = 0;
    RT_TRY(rt_start());
    RT_TRY(cudaGetDevice_do(&device));
    rt_forget_device(device);
    last_error = cudaSuccess;
    RT_TRY(RT_DRV(cuDevicePrimaryCtxReset_(device)));
    return RT_DRV(cuCtxSetCurrent_(NULL));
}

RT_API(cudaDriverGetVersion, (int *version), (version))
{
    if (!version)
        return cudaErrorInvalidValue;
    *version = 0;
    return rt_start() == cudaErrorInsufficientDriver ? cudaSuccess
                                                     : RT_DRV(cuDriverGetVersion_(version));
}

RT_API(cudaRuntimeGetVersion, (int *version), (version))
{
    if (!version)
        return cudaErrorInvalidValue;
    *version = CUDART_VERSION;
    return cudaSuccess;
}

static cudaError_t entry_point(const char *name, void **out, unsigned version,
    unsigned long long flags, enum cudaDriverEntryPointQueryResult *status)
{
    int query = 0;
    if (!name || !out)
        return cudaErrorInvalidValue;
    RT_TRY(rt_start());
    *out = rt_driver_entry(name, version, flags, &query);
    if (status)
        *status = (enum cudaDriverEntryPointQueryResult)query;
    return cudaSuccess;
}

RT_API(cudaGetDriverEntryPointByVersion,
    (const char *name, void **out, unsigned version, unsigned long long flags,
        enum cudaDriverEntryPointQueryResult *status),
    (name, out, version, flags, status))
{
    return entry_point(name, out, version, flags, status);
}

RT_EXPORT cudaError_t CUDARTAPI cudaGetDriverEntryPoint(const char *name, void **out,
    unsigned long long flags, enum cudaDriverEntryPointQueryResult *status);
RT_EXPORT cudaError_t CUDARTAPI cudaGetDriverEntryPoint(const char *name, void **out,
    unsigned long long flags, enum cudaDriverEntryPointQueryResult *status)
{
    return rt_done(entry_point(name, out, CUDART_VERSION, flags, status));
}

RT_API(cudaProfilerStart, (void), ())
{
    RT_TRY(rt_context());
    return RT_DRV(cuProfilerStart_());
}

RT_API(cudaProfilerStop, (void), ())
{
    RT_TRY(rt_context());
    return RT_DRV(cuProfilerStop_());
}
