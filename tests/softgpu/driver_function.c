/* Software GPU: functions: attributes, parameters, occupancy. Register counts are the front end's estimate; occupancy is the
 * plain resource model (threads, blocks, registers, shared memory per multiprocessor), without allocation granularity. */
#include "tests/softgpu/driver.h"

#include <string.h>

CUresult sg_function_of(CUfunction handle, struct sg_context *context, struct sg_function **out)
{
    if (SG_HANDLE(handle, SG_FUNCTION)) {
        *out = (struct sg_function *)(void *)handle;
        return CUDA_SUCCESS;
    }
    SG_CHECK(SG_HANDLE(handle, SG_KERNEL), CUDA_ERROR_INVALID_HANDLE);
    struct sg_kernel_object *kernel = (struct sg_kernel_object *)(void *)handle;
    struct sg_module_object *module = NULL;
    SG_TRY(sg_library_module(kernel->library, context, &module));
    *out = sg_module_function(module, kernel->index);
    return CUDA_SUCCESS;
}

static CUresult function_here(CUfunction handle, struct sg_function **function)
{
    struct sg_context *context = NULL;
    SG_TRY(sg_current(&context));
    return sg_function_of(handle, context, function);
}

static int max_dynamic_shared(const struct sg_function *f)
{
    if (f->max_dynamic_shared)
        return f->max_dynamic_shared;
    if (f->kernel && f->kernel->max_dynamic_shared)
        return f->kernel->max_dynamic_shared;
    return 48 * 1024 - (int)sg_kernel_shared_bytes(f->code);
}

static CUresult get_attribute(
    int *value, CUfunction_attribute attribute, const struct sg_function *f)
{
    switch (attribute) {
    case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
        *value = (int)sg_kernel_max_threads(f->code);
        break;
    case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES:
        *value = (int)sg_kernel_shared_bytes(f->code);
        break;
    case CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES:
        *value = (int)sg_kernel_const_bytes(f->code);
        break;
    case CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES:
        *value = (int)sg_kernel_local_bytes(f->code);
        break;
    case CU_FUNC_ATTRIBUTE_NUM_REGS:
        *value = (int)sg_kernel_registers(f->code);
        break;
    case CU_FUNC_ATTRIBUTE_PTX_VERSION:
    case CU_FUNC_ATTRIBUTE_BINARY_VERSION:
        *value = sg_options.sm;
        break;
    case CU_FUNC_ATTRIBUTE_CACHE_MODE_CA:
    case CU_FUNC_ATTRIBUTE_CLUSTER_SIZE_MUST_BE_SET:
        *value = 0;
        break;
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
        *value = max_dynamic_shared(f);
        break;
    case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
        *value = f->carveout;
        break;
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH:
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_HEIGHT:
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_DEPTH:
        *value = f->cluster[attribute - CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH];
        break;
    case CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED:
        *value = f->non_portable;
        break;
    case CU_FUNC_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE:
        *value = f->cluster_policy;
        break;
    default:
        return CUDA_ERROR_INVALID_VALUE;
    }
    return CUDA_SUCCESS;
}

static CUresult set_attribute(struct sg_function *f, CUfunction_attribute attribute, int value)
{
    int optin = 0;
    switch (attribute) {
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
        SG_TRY(cuDeviceGetAttribute(&optin, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN,
            f->module->context->device));
        SG_CHECK(value >= 0 && value + (int)sg_kernel_shared_bytes(f->code) <= optin,
            CUDA_ERROR_INVALID_VALUE);
        f->max_dynamic_shared = value;
        break;
    case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
        SG_CHECK(value >= -1 && value <= 100, CUDA_ERROR_INVALID_VALUE);
        f->carveout = value;
        break;
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH:
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_HEIGHT:
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_DEPTH:
        SG_CHECK(value <= 1, CUDA_ERROR_NOT_SUPPORTED); /* no clusters here */
        f->cluster[attribute - CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH] = value;
        break;
    case CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED:
        f->non_portable = value;
        break;
    case CU_FUNC_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE:
        f->cluster_policy = value;
        break;
    default:
        return CUDA_ERROR_INVALID_VALUE;
    }
    return CUDA_SUCCESS;
}

SG_API(cuFuncGetAttribute, int *value, CUfunction_attribute attribute, CUfunction handle)
{
    SG_ENTER();
    struct sg_function *function = NULL;
    SG_CHECK(value, CUDA_ERROR_INVALID_VALUE);
    SG_TRY(function_here(handle, &function));
    return get_attribute(value, attribute, function);
}

SG_API(cuFuncSetAttribute, CUfunction handle, CUfunction_attribute attribute, int value)
{
    SG_ENTER();
    struct sg_function *function = NULL;
    SG_TRY(function_here(handle, &function));
    return set_attribute(function, attribute, value);
}

SG_API(cuKernelGetAttribute, int *value, CUfunction_attribute attribute, CUkernel handle,
    CUdevice device)
{
    SG_ENTER();
    struct sg_function *function = NULL;
    SG_CHECK(value && SG_HANDLE(handle, SG_KERNEL), CUDA_ERROR_INVALID_HANDLE);
    SG_CHECK(device >= 0 && device < sg_options.n_devices, CUDA_ERROR_INVALID_DEVICE);
    SG_TRY(function_here((CUfunction)(void *)handle, &function));
    return get_attribute(value, attribute, function);
}

SG_API(cuKernelSetAttribute, CUfunction_attribute attribute, int value, CUkernel handle,
    CUdevice device)
{
    SG_ENTER();
    struct sg_function *function = NULL;
    SG_CHECK(SG_HANDLE(handle, SG_KERNEL), CUDA_ERROR_INVALID_HANDLE);
    SG_CHECK(device >= 0 && device < sg_options.n_devices, CUDA_ERROR_INVALID_DEVICE);
    SG_TRY(function_here((CUfunction)(void *)handle, &function));
    SG_TRY(set_attribute(function, attribute, value));
    if (attribute == CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES)
        function->kernel->max_dynamic_shared = value;
    return CUDA_SUCCESS;
}

static CUresult param_info(CUfunction handle, size_t index, size_t *offset, size_t *n_bytes)
{
    struct sg_function *function = NULL;
    const struct sg_param *params = NULL;
    size_t total = 0;
    SG_CHECK(offset, CUDA_ERROR_INVALID_VALUE);
    SG_TRY(function_here(handle, &function));
    SG_CHECK(index < sg_kernel_params(function->code, &params, &total), CUDA_ERROR_INVALID_VALUE);
    *offset = params[index].offset;
    if (n_bytes)
        *n_bytes = params[index].bytes;
    return CUDA_SUCCESS;
}

SG_API(cuFuncGetParamInfo, CUfunction handle, size_t index, size_t *offset, size_t *n_bytes)
{
    SG_ENTER();
    return param_info(handle, index, offset, n_bytes);
}

SG_API(cuKernelGetParamInfo, CUkernel handle, size_t index, size_t *offset, size_t *n_bytes)
{
    SG_ENTER();
    return param_info((CUfunction)(void *)handle, index, offset, n_bytes);
}

SG_API(cuFuncGetName, const char **name, CUfunction handle)
{
    SG_ENTER();
    struct sg_function *function = NULL;
    SG_CHECK(name, CUDA_ERROR_INVALID_VALUE);
    SG_TRY(function_here(handle, &function));
    *name = sg_kernel_name(function->code);
    return CUDA_SUCCESS;
}

SG_API(cuFuncGetModule, CUmodule *module, CUfunction handle)
{
    SG_ENTER();
    struct sg_function *function = NULL;
    SG_CHECK(module, CUDA_ERROR_INVALID_VALUE);
    SG_TRY(function_here(handle, &function));
    *module = (CUmodule)(void *)function->module;
    return CUDA_SUCCESS;
}

SG_API(cuFuncIsLoaded, CUfunctionLoadingState *state, CUfunction handle)
{
    SG_ENTER();
    struct sg_function *function = NULL;
    SG_CHECK(state, CUDA_ERROR_INVALID_VALUE);
    SG_TRY(function_here(handle, &function));
    *state = CU_FUNCTION_LOADING_STATE_LOADED;
    return CUDA_SUCCESS;
}

SG_API(cuFuncLoad, CUfunction handle)
{
    SG_ENTER();
    struct sg_function *function = NULL;
    return function_here(handle, &function);
}

SG_API(cuFuncSetCacheConfig, CUfunction handle, CUfunc_cache config)
{
    SG_ENTER();
    struct sg_function *function = NULL;
    SG_CHECK(config <= CU_FUNC_CACHE_PREFER_EQUAL, CUDA_ERROR_INVALID_VALUE);
    return function_here(handle, &function);
}

SG_API(cuKernelSetCacheConfig, CUkernel handle, CUfunc_cache config, CUdevice device)
{
    SG_ENTER();
    struct sg_function *function = NULL;
    SG_CHECK(config <= CU_FUNC_CACHE_PREFER_EQUAL, CUDA_ERROR_INVALID_VALUE);
    SG_CHECK(device >= 0 && device < sg_options.n_devices, CUDA_ERROR_INVALID_DEVICE);
    return function_here((CUfunction)(void *)handle, &function);
}

/* --- occupancy --- */

static int device_value(CUdevice_attribute attribute)
{
    int value = 0;
    cuDeviceGetAttribute(&value, attribute, 0);
    return value;
}

static int blocks_per_sm(const struct sg_function *f, int block_size, size_t dynamic)
{
    const int warps = (block_size + 31) / 32;
    const int registers = (int)sg_kernel_registers(f->code) * warps * 32;
    const size_t shared =
        sg_kernel_shared_bytes(f->code) + dynamic + 1024; /* 1 KiB is kept per block */
    int n = device_value(CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR);
    const int by_threads =
        device_value(CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR) / (warps * 32);
    const int by_registers = device_value(CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR) /
                             (registers ? registers : 1);
    const size_t per_sm =
        (size_t)device_value(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR);
    const int by_shared = (int)(per_sm / shared);
    if (block_size > (int)sg_kernel_max_threads(f->code))
        return 0;
    n = n < by_threads ? n : by_threads;
    n = n < by_registers ? n : by_registers;
    return n < by_shared ? n : by_shared;
}

static CUresult occupancy(int *n, CUfunction handle, int block_size, size_t dynamic)
{
    struct sg_function *function = NULL;
    SG_CHECK(n && block_size > 0, CUDA_ERROR_INVALID_VALUE);
    SG_TRY(function_here(handle, &function));
    *n = blocks_per_sm(function, block_size, dynamic);
    return CUDA_SUCCESS;
}

SG_API(cuOccupancyMaxActiveBlocksPerMultiprocessor, int *n, CUfunction handle, int block_size,
    size_t dynamic)
{
    SG_ENTER();
    return occupancy(n, handle, block_size, dynamic);
}

SG_API(cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags, int *n, CUfunction handle,
    int block_size, size_t dynamic, unsigned flags)
{
    SG_ENTER();
    SG_CHECK(flags <= 1, CUDA_ERROR_INVALID_VALUE);
    return occupancy(n, handle, block_size, dynamic);
}

static CUresult best_block(int *min_grid, int *block_size, CUfunction handle,
    CUoccupancyB2DSize dynamic_of, size_t dynamic, int limit)
{
    struct sg_function *function = NULL;
    int best = 0, best_threads = 0;
    SG_CHECK(min_grid && block_size, CUDA_ERROR_INVALID_VALUE);
    SG_TRY(function_here(handle, &function));
    const int max = (int)sg_kernel_max_threads(function->code);
    for (int size = limit && limit < max ? limit : max; size > 0; size = (size - 1) / 32 * 32) {
        const int threads =
            size * blocks_per_sm(function, size, dynamic_of ? dynamic_of(size) : dynamic);
        if (threads > best_threads) {
            best_threads = threads;
            best = size;
        }
    }
    SG_CHECK(best, CUDA_ERROR_INVALID_VALUE);
    *block_size = best;
    *min_grid = best_threads / best * device_value(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
    return CUDA_SUCCESS;
}

SG_API(cuOccupancyMaxPotentialBlockSize, int *min_grid, int *block_size, CUfunction handle,
    CUoccupancyB2DSize dynamic_of, size_t dynamic, int limit)
{
    SG_ENTER();
    return best_block(min_grid, block_size, handle, dynamic_of, dynamic, limit);
}

SG_API(cuOccupancyMaxPotentialBlockSizeWithFlags, int *min_grid, int *block_size, CUfunction handle,
    CUoccupancyB2DSize dynamic_of, size_t dynamic, int limit, unsigned flags)
{
    SG_ENTER();
    SG_CHECK(flags <= 1, CUDA_ERROR_INVALID_VALUE);
    return best_block(min_grid, block_size, handle, dynamic_of, dynamic, limit);
}

SG_API(cuOccupancyAvailableDynamicSMemPerBlock, size_t *n_bytes, CUfunction handle, int n_blocks,
    int block_size)
{
    SG_ENTER();
    struct sg_function *function = NULL;
    SG_CHECK(n_bytes && n_blocks > 0 && block_size > 0, CUDA_ERROR_INVALID_VALUE);
    SG_TRY(function_here(handle, &function));
    const size_t each =
        (size_t)device_value(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR) /
        (size_t)n_blocks;
    const size_t fixed = sg_kernel_shared_bytes(function->code) + 1024;
    *n_bytes = each > fixed ? each - fixed : 0;
    return CUDA_SUCCESS;
}
