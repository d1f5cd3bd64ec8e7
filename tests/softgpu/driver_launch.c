/* Software GPU: launches. Arguments are packed when the call is made, as CUDA promises; the grid runs when its stream is
 * waited for. SOFTGPU_TRACE gets one JSON line per launch, graph nodes included. */
#include "tests/softgpu/driver.h"

#include <stdlib.h>
#include <string.h>

CUresult sg_launch_pack(struct sg_function *function, void **params, void **extra, void **packed)
{
    const struct sg_param *layout = NULL;
    size_t total = 0, n_extra = 0;
    const char *buffer = NULL;
    const size_t n = sg_kernel_params(function->code, &layout, &total);
    for (size_t i = 0; !params && extra && extra[i] != CU_LAUNCH_PARAM_END; i += 2)
        if (extra[i] == CU_LAUNCH_PARAM_BUFFER_POINTER)
            buffer = extra[i + 1];
        else if (extra[i] == CU_LAUNCH_PARAM_BUFFER_SIZE)
            n_extra = *(const size_t *)extra[i + 1];
    SG_CHECK(!(params && extra), CUDA_ERROR_INVALID_VALUE);
    SG_CHECK(params || buffer || !n, CUDA_ERROR_INVALID_VALUE);
    char *bytes = sg_calloc(1, total);
    if (buffer)
        memcpy(bytes, buffer, n_extra < total ? n_extra : total);
    for (size_t i = 0; params && i < n; i++)
        memcpy(bytes + layout[i].offset, params[i], layout[i].bytes);
    *packed = bytes;
    return CUDA_SUCCESS;
}

static CUresult check_shape(const struct sg_function *function, const unsigned grid[3],
    const unsigned block[3], unsigned shared)
{
    int allowed = 0;
    SG_CHECK(grid[0] && grid[1] && grid[2] && block[0] && block[1] && block[2],
        CUDA_ERROR_INVALID_VALUE);
    SG_CHECK(
        grid[0] <= 2147483647u && grid[1] <= 65535 && grid[2] <= 65535, CUDA_ERROR_INVALID_VALUE);
    SG_CHECK(block[0] <= 1024 && block[1] <= 1024 && block[2] <= 64, CUDA_ERROR_INVALID_VALUE);
    SG_CHECK((uint64_t)block[0] * block[1] * block[2] <= sg_kernel_max_threads(function->code),
        CUDA_ERROR_INVALID_VALUE);
    SG_TRY(cuFuncGetAttribute(&allowed, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
        (CUfunction)(uintptr_t)function));
    SG_CHECK((int)shared <= allowed, CUDA_ERROR_INVALID_VALUE);
    return CUDA_SUCCESS;
}

CUresult sg_launch_work(CUfunction handle, struct sg_context *context, const unsigned grid[3],
    const unsigned block[3], unsigned shared, void **params, void **extra, struct sg_work *work)
{
    struct sg_function *function = NULL;
    void *packed = NULL;
    SG_TRY(sg_function_of(handle, context, &function));
    SG_TRY(check_shape(function, grid, block, shared));
    SG_TRY(sg_launch_pack(function, params, extra, &packed));
    *work = (struct sg_work){ .kind = SG_WORK_KERNEL,
        .u.kernel = { .function = function,
            .asked = handle,
            .launch = { .kernel = function->code,
                .grid = { grid[0], grid[1], grid[2] },
                .block = { block[0], block[1], block[2] },
                .dynamic_shared_bytes = shared,
                .params = packed } } };
    return CUDA_SUCCESS;
}

void sg_launch_trace(const struct sg_work *work, const struct sg_stream *stream, const char *via)
{
    const struct sg_launch *launch = &work->u.kernel.launch;
    const struct sg_param *layout = NULL;
    size_t total = 0;
    sg_note_launch();
    if (!sg_trace_wanted())
        return;
    sg_kernel_params(launch->kernel, &layout, &total);
    char *hex = sg_calloc(2, total + 1);
    for (size_t i = 0; i < total; i++)
        sprintf(hex + 2 * i, "%02x", ((const unsigned char *)launch->params)[i]);
    sg_trace(
        "{\"kernel\":\"%s\",\"grid\":[%u,%u,%u],\"block\":[%u,%u,%u],\"shared\":%zu,\"stream\":%lu,"
        "\"via\":\"%s\",\"cooperative\":%d,\"param_bytes\":%zu,\"params\":\"%s\"}\n",
        sg_kernel_name(launch->kernel), launch->grid.x, launch->grid.y, launch->grid.z,
        launch->block.x, launch->block.y, launch->block.z, launch->dynamic_shared_bytes,
        stream->ordinal, via, launch->cooperative, total, hex);
    free(hex);
}

struct extras {
    bool cooperative;
    CUevent
        after; /* programmatic or completion event: recorded when the grid ends, which is late but allowed */
};

static CUresult read_attributes(const CUlaunchConfig *config, struct extras *extras)
{
    SG_CHECK(config->attrs || !config->numAttrs, CUDA_ERROR_INVALID_VALUE);
    for (unsigned i = 0; i < config->numAttrs; i++) {
        const CUlaunchAttribute *a = &config->attrs[i];
        switch (a->id) {
        case CU_LAUNCH_ATTRIBUTE_COOPERATIVE:
            extras->cooperative = a->value.cooperative != 0;
            break;
        case CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION:
            if (a->value.clusterDim.x * a->value.clusterDim.y * a->value.clusterDim.z > 1)
                return CUDA_ERROR_NOT_SUPPORTED;
            break;
        case CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_EVENT:
            extras->after = a->value.programmaticEvent.event;
            break;
        case CU_LAUNCH_ATTRIBUTE_LAUNCH_COMPLETION_EVENT:
            extras->after = a->value.launchCompletionEvent.event;
            break;
        case CU_LAUNCH_ATTRIBUTE_DEVICE_UPDATABLE_KERNEL_NODE:
            return CUDA_ERROR_NOT_SUPPORTED;
        default: /* hints; programmatic serialization only permits an early start */
            break;
        }
    }
    return CUDA_SUCCESS;
}

static CUresult cooperative_fits(const struct sg_work *work)
{
    const struct sg_launch *l = &work->u.kernel.launch;
    int each = 0, n_sm = 0;
    SG_TRY(cuOccupancyMaxActiveBlocksPerMultiprocessor(&each,
        (CUfunction)(void *)work->u.kernel.function, (int)(l->block.x * l->block.y * l->block.z),
        l->dynamic_shared_bytes));
    SG_TRY(cuDeviceGetAttribute(&n_sm, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, 0));
    SG_CHECK((uint64_t)l->grid.x * l->grid.y * l->grid.z <= (uint64_t)each * (uint64_t)n_sm,
        CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE);
    return CUDA_SUCCESS;
}

static CUresult launch(
    CUfunction handle, const CUlaunchConfig *c, void **params, void **extra, bool cooperative)
{
    struct sg_stream *stream = NULL;
    struct sg_work work;
    struct extras extras = { .cooperative = cooperative };
    SG_TRY(sg_stream_of(c->hStream, &stream));
    SG_CHECK(handle, CUDA_ERROR_INVALID_HANDLE);
    SG_TRY(read_attributes(c, &extras));
    const unsigned grid[3] = { c->gridDimX, c->gridDimY, c->gridDimZ };
    const unsigned block[3] = { c->blockDimX, c->blockDimY, c->blockDimZ };
    SG_TRY(sg_launch_work(
        handle, stream->context, grid, block, c->sharedMemBytes, params, extra, &work));
    work.u.kernel.launch.cooperative = extras.cooperative;
    const CUresult fits = extras.cooperative ? cooperative_fits(&work) : CUDA_SUCCESS;
    if (fits) {
        sg_work_free(&work);
        return fits;
    }
    if (!stream->capture)
        sg_launch_trace(&work, stream, "launch");
    SG_TRY(sg_submit(stream, &work));
    return extras.after ? cuEventRecord(extras.after, c->hStream) : CUDA_SUCCESS;
}

SG_API(cuLaunchKernel, CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
    unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared, CUstream stream,
    void **params, void **extra)
{
    SG_ENTER();
    const CUlaunchConfig config = { .gridDimX = grid_x,
        .gridDimY = grid_y,
        .gridDimZ = grid_z,
        .blockDimX = block_x,
        .blockDimY = block_y,
        .blockDimZ = block_z,
        .sharedMemBytes = shared,
        .hStream = stream };
    return launch(function, &config, params, extra, false);
}

SG_API(cuLaunchCooperativeKernel, CUfunction function, unsigned grid_x, unsigned grid_y,
    unsigned grid_z, unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared,
    CUstream stream, void **params)
{
    SG_ENTER();
    const CUlaunchConfig config = { .gridDimX = grid_x,
        .gridDimY = grid_y,
        .gridDimZ = grid_z,
        .blockDimX = block_x,
        .blockDimY = block_y,
        .blockDimZ = block_z,
        .sharedMemBytes = shared,
        .hStream = stream };
    return launch(function, &config, params, NULL, true);
}

SG_API(cuLaunchKernelEx, const CUlaunchConfig *config, CUfunction function, void **params,
    void **extra)
{
    SG_ENTER();
    SG_CHECK(config, CUDA_ERROR_INVALID_VALUE);
    return launch(function, config, params, extra, false);
}
