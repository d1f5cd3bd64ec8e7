/* Runtime double: what nvcc's host code calls: registration, <<<>>>, and the launch functions. Code is loaded when a kernel or
 * variable of it is first used. */
#include "tests/softgpu/runtime.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct image {
    const void *wrapper;
    CUlibrary library;
    bool gone;
};
struct symbol {
    const void *host;
    const char *name;
    struct image *image;
    CUkernel kernel; /* functions only, once resolved */
    void **managed;  /* managed variables: the host pointer to fill */
    size_t n_bytes;
};
struct table {
    struct symbol *items;
    size_t n, cap;
};

static struct table functions, variables;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void add(struct table *table, struct symbol symbol)
{
    pthread_mutex_lock(&lock);
    if (table->n == table->cap) {
        table->cap = table->cap ? 2 * table->cap : 64;
        table->items = realloc(table->items, table->cap * sizeof *table->items);
        if (!table->items)
            abort();
    }
    table->items[table->n++] = symbol;
    pthread_mutex_unlock(&lock);
}

static struct symbol *find(struct table *table, const void *host)
{
    for (size_t i = table->n; i--;)
        if (table->items[i].host == host && !table->items[i].image->gone)
            return &table->items[i];
    return NULL;
}

/* --- registration; prototypes as in crt/host_runtime.h, which is C++ --- */

RT_EXPORT void **CUDARTAPI __cudaRegisterFatBinary(void *wrapper);
RT_EXPORT void CUDARTAPI __cudaRegisterFatBinaryEnd(void **handle);
RT_EXPORT void CUDARTAPI __cudaUnregisterFatBinary(void **handle);
RT_EXPORT char CUDARTAPI __cudaInitModule(void **handle);
RT_EXPORT void CUDARTAPI __cudaRegisterFunction(void **handle, const char *host, char *device,
    const char *name, int thread_limit, uint3 *tid, uint3 *bid, dim3 *block, dim3 *grid,
    int *warp_size);
RT_EXPORT void CUDARTAPI __cudaRegisterVar(void **handle, char *host, char *address,
    const char *name, int ext, size_t n_bytes, int constant, int global);
RT_EXPORT void CUDARTAPI __cudaRegisterManagedVar(void **handle, void **host, char *address,
    const char *name, int ext, size_t n_bytes, int constant, int global);

RT_EXPORT void **CUDARTAPI __cudaRegisterFatBinary(void *wrapper)
{
    struct image *image = calloc(1, sizeof *image);
    if (!image)
        abort();
    image->wrapper = wrapper;
    return (void **)image;
}

RT_EXPORT void CUDARTAPI __cudaRegisterFatBinaryEnd(void **handle)
{
    (void)handle;
}

/* Called by exit handlers: no driver call is made any more, as the driver may be gone. */
RT_EXPORT void CUDARTAPI __cudaUnregisterFatBinary(void **handle)
{
    ((struct image *)handle)->gone = true;
}

RT_EXPORT void CUDARTAPI __cudaRegisterFunction(void **handle, const char *host, char *device,
    const char *name, int thread_limit, uint3 *tid, uint3 *bid, dim3 *block, dim3 *grid,
    int *warp_size)
{
    (void)device, (void)thread_limit, (void)tid, (void)bid, (void)block, (void)grid,
        (void)warp_size;
    add(&functions, (struct symbol){ .host = host, .name = name, .image = (struct image *)handle });
}

RT_EXPORT void CUDARTAPI __cudaRegisterVar(void **handle, char *host, char *address,
    const char *name, int ext, size_t n_bytes, int constant, int global)
{
    (void)address, (void)ext, (void)constant, (void)global;
    add(&variables,
        (struct symbol){
            .host = host, .name = name, .image = (struct image *)handle, .n_bytes = n_bytes });
}

RT_EXPORT void CUDARTAPI __cudaRegisterManagedVar(void **handle, void **host, char *address,
    const char *name, int ext, size_t n_bytes, int constant, int global)
{
    (void)address, (void)ext, (void)constant, (void)global;
    add(&variables, (struct symbol){ .host = host,
                        .name = name,
                        .image = (struct image *)handle,
                        .managed = host,
                        .n_bytes = n_bytes });
}

static cudaError_t load(struct image *image)
{
    RT_TRY(rt_context());
    if (image->library)
        return cudaSuccess;
    return RT_DRV(
        cuLibraryLoadData_(&image->library, image->wrapper, NULL, NULL, 0, NULL, NULL, 0));
}

/* Host code that touches a __managed__ variable calls this first. */
RT_EXPORT char CUDARTAPI __cudaInitModule(void **handle)
{
    struct image *image = (struct image *)handle;
    if (rt_done(load(image)) != cudaSuccess)
        return 0;
    for (size_t i = 0; i < variables.n; i++) {
        struct symbol *v = &variables.items[i];
        CUdeviceptr at = 0;
        size_t n_bytes = 0;
        if (v->image == image && v->managed &&
            rt_legacy.cuLibraryGetGlobal_(&at, &n_bytes, image->library, v->name) == CUDA_SUCCESS)
            *v->managed = (void *)(uintptr_t)at;
    }
    return 1;
}

/* --- look-ups --- */

cudaError_t rt_kernel(const void *host, CUkernel *kernel)
{
    if (!host)
        return cudaErrorInvalidDeviceFunction;
    struct symbol *f = find(&functions, host);
    if (!f) { /* documented: a cudaKernel_t may stand where a host stub does */
        *kernel = (CUkernel)(uintptr_t)host;
        return cudaSuccess;
    }
    if (!f->kernel) {
        RT_TRY(load(f->image));
        const CUresult result =
            rt_legacy.cuLibraryGetKernel_(&f->kernel, f->image->library, f->name);
        if (result != CUDA_SUCCESS) {
            f->kernel = NULL;
            return result == CUDA_ERROR_NOT_FOUND ? cudaErrorInvalidDeviceFunction
                                                  : rt_from(result);
        }
    }
    *kernel = f->kernel;
    return cudaSuccess;
}

const void *rt_host_of(CUkernel kernel)
{
    for (size_t i = 0; i < functions.n; i++)
        if (functions.items[i].kernel == kernel)
            return functions.items[i].host;
    return kernel;
}

cudaError_t rt_function(const void *host, CUfunction *function)
{
    CUkernel kernel = NULL;
    RT_TRY(rt_context());
    RT_TRY(rt_kernel(host, &kernel));
    if (rt_legacy.cuKernelGetFunction_(function, kernel) != CUDA_SUCCESS)
        return cudaErrorInvalidDeviceFunction;
    return cudaSuccess;
}

static cudaError_t variable(const void *host, CUdeviceptr *at, size_t *n_bytes)
{
    struct symbol *v = find(&variables, host);
    if (!v)
        return cudaErrorInvalidSymbol;
    RT_TRY(load(v->image));
    const CUresult result = rt_legacy.cuLibraryGetGlobal_(at, n_bytes, v->image->library, v->name);
    return result == CUDA_ERROR_NOT_FOUND ? cudaErrorInvalidSymbol : rt_from(result);
}

RT_API(cudaGetSymbolAddress, (void **at, const void *symbol), (at, symbol))
{
    CUdeviceptr found = 0;
    size_t n_bytes = 0;
    RT_TRY(variable(symbol, &found, &n_bytes));
    *at = (void *)(uintptr_t)found;
    return cudaSuccess;
}

RT_API(cudaGetSymbolSize, (size_t * n_bytes, const void *symbol), (n_bytes, symbol))
{
    CUdeviceptr found = 0;
    return variable(symbol, &found, n_bytes);
}

static cudaError_t symbol_range(const void *symbol, size_t n, size_t offset, void **at)
{
    CUdeviceptr found = 0;
    size_t n_bytes = 0;
    RT_TRY(variable(symbol, &found, &n_bytes));
    if (offset > n_bytes || n > n_bytes - offset)
        return cudaErrorInvalidValue;
    *at = (void *)(uintptr_t)(found + offset);
    return cudaSuccess;
}

RT_TWO(cudaMemcpyToSymbol, _ptds,
    (const void *symbol, const void *from, size_t n, size_t offset, enum cudaMemcpyKind kind),
    (symbol, from, n, offset, kind))
{
    void *at = NULL;
    RT_TRY(symbol_range(symbol, n, offset, &at));
    return d == &rt_legacy ? cudaMemcpy(at, from, n, kind) : cudaMemcpy_ptds(at, from, n, kind);
}

RT_TWO(cudaMemcpyFromSymbol, _ptds,
    (void *to, const void *symbol, size_t n, size_t offset, enum cudaMemcpyKind kind),
    (to, symbol, n, offset, kind))
{
    void *at = NULL;
    RT_TRY(symbol_range(symbol, n, offset, &at));
    return d == &rt_legacy ? cudaMemcpy(to, at, n, kind) : cudaMemcpy_ptds(to, at, n, kind);
}

RT_TWO(cudaMemcpyToSymbolAsync, _ptsz,
    (const void *symbol, const void *from, size_t n, size_t offset, enum cudaMemcpyKind kind,
        cudaStream_t stream),
    (symbol, from, n, offset, kind, stream))
{
    void *at = NULL;
    RT_TRY(symbol_range(symbol, n, offset, &at));
    return d == &rt_legacy ? cudaMemcpyAsync(at, from, n, kind, stream)
                           : cudaMemcpyAsync_ptsz(at, from, n, kind, stream);
}

RT_TWO(cudaMemcpyFromSymbolAsync, _ptsz,
    (void *to, const void *symbol, size_t n, size_t offset, enum cudaMemcpyKind kind,
        cudaStream_t stream),
    (to, symbol, n, offset, kind, stream))
{
    void *at = NULL;
    RT_TRY(symbol_range(symbol, n, offset, &at));
    return d == &rt_legacy ? cudaMemcpyAsync(to, at, n, kind, stream)
                           : cudaMemcpyAsync_ptsz(to, at, n, kind, stream);
}

/* --- <<<>>> --- */

struct configuration {
    dim3 grid, block;
    size_t shared;
    struct CUstream_st *stream;
};
static __thread struct configuration configurations[16];
static __thread unsigned n_configurations;

RT_EXPORT unsigned CUDARTAPI __cudaPushCallConfiguration(
    dim3 grid, dim3 block, size_t shared, struct CUstream_st *stream);
RT_EXPORT unsigned CUDARTAPI __cudaPushCallConfiguration(
    dim3 grid, dim3 block, size_t shared, struct CUstream_st *stream)
{
    if (n_configurations == 16)
        return 1;
    configurations[n_configurations++] = (struct configuration){ grid, block, shared, stream };
    return 0;
}

RT_EXPORT cudaError_t CUDARTAPI __cudaPopCallConfiguration(
    dim3 *grid, dim3 *block, size_t *shared, void *stream);
RT_EXPORT cudaError_t CUDARTAPI __cudaPopCallConfiguration(
    dim3 *grid, dim3 *block, size_t *shared, void *stream)
{
    if (!n_configurations)
        return rt_done(cudaErrorMissingConfiguration);
    const struct configuration *c = &configurations[--n_configurations];
    *grid = c->grid;
    *block = c->block;
    *shared = c->shared;
    memcpy(stream, &c->stream, sizeof c->stream);
    return cudaSuccess;
}

/* nvcc keeps the answer in a static variable. What cannot be loaded is answered with the host stub, so that each launch
 * reports the error. */
RT_EXPORT cudaError_t CUDARTAPI __cudaGetKernel(cudaKernel_t *kernel, const void *host);
RT_EXPORT cudaError_t CUDARTAPI __cudaGetKernel(cudaKernel_t *kernel, const void *host)
{
    CUkernel found = NULL;
    const cudaError_t error = rt_kernel(host, &found);
    *kernel = (cudaKernel_t)(error == cudaSuccess ? (void *)found : (void *)(uintptr_t)host);
    return error;
}

/* --- launches --- */

static cudaError_t launch_error(CUresult result, dim3 grid, dim3 block)
{
    const bool shape = !grid.x || !grid.y || !grid.z || !block.x || !block.y || !block.z ||
                       grid.y > 65535 || grid.z > 65535 ||
                       (uint64_t)block.x * block.y * block.z > 1024 || block.z > 64;
    if (result == CUDA_ERROR_INVALID_VALUE && shape)
        return cudaErrorInvalidConfiguration;
    return rt_from(result);
}

RT_TWO(cudaLaunchKernel, _ptsz,
    (const void *host, dim3 grid, dim3 block, void **params, size_t shared, cudaStream_t stream),
    (host, grid, block, params, shared, stream))
{
    CUkernel kernel = NULL;
    RT_TRY(rt_kernel(host, &kernel));
    return launch_error(d->cuLaunchKernel_((CUfunction)(void *)kernel, grid.x, grid.y, grid.z,
                            block.x, block.y, block.z, (unsigned)shared, stream, params, NULL),
        grid, block);
}

RT_TWO(__cudaLaunchKernel, _ptsz,
    (cudaKernel_t kernel, dim3 grid, dim3 block, void **params, size_t shared, cudaStream_t stream),
    (kernel, grid, block, params, shared, stream))
{
    return cudaLaunchKernel_do(d, (const void *)kernel, grid, block, params, shared, stream);
}

RT_TWO(cudaLaunchCooperativeKernel, _ptsz,
    (const void *host, dim3 grid, dim3 block, void **params, size_t shared, cudaStream_t stream),
    (host, grid, block, params, shared, stream))
{
    CUkernel kernel = NULL;
    RT_TRY(rt_kernel(host, &kernel));
    return launch_error(d->cuLaunchCooperativeKernel_((CUfunction)(void *)kernel, grid.x, grid.y,
                            grid.z, block.x, block.y, block.z, (unsigned)shared, stream, params),
        grid, block);
}

RT_TWO(cudaLaunchKernelExC, _ptsz, (const cudaLaunchConfig_t *c, const void *host, void **params),
    (c, host, params))
{
    CUkernel kernel = NULL;
    CUlaunchAttribute attributes[32];
    if (!c || c->numAttrs > 32)
        return cudaErrorInvalidValue;
    RT_TRY(rt_kernel(host, &kernel));
    for (unsigned i = 0; i < c->numAttrs; i++) { /* same ids, same 64-byte values */
        attributes[i].id = (CUlaunchAttributeID)c->attrs[i].id;
        memcpy(&attributes[i].value, &c->attrs[i].val, sizeof attributes[i].value);
    }
    const CUlaunchConfig config = { .gridDimX = c->gridDim.x,
        .gridDimY = c->gridDim.y,
        .gridDimZ = c->gridDim.z,
        .blockDimX = c->blockDim.x,
        .blockDimY = c->blockDim.y,
        .blockDimZ = c->blockDim.z,
        .sharedMemBytes = (unsigned)c->dynamicSmemBytes,
        .hStream = c->stream,
        .attrs = attributes,
        .numAttrs = c->numAttrs };
    return launch_error(d->cuLaunchKernelEx_(&config, (CUfunction)(void *)kernel, params, NULL),
        c->gridDim, c->blockDim);
}

RT_TWO(cudaLaunchHostFunc, _ptsz, (cudaStream_t stream, cudaHostFn_t function, void *data),
    (stream, function, data))
{
    return RT_ON(cuLaunchHostFunc_(stream, function, data));
}
