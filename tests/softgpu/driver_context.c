/* Software GPU: contexts. One primary context per device, others by cuCtxCreate; a stack of current ones per host thread.
 * A context that met a fault answers every later call with that error until it is reset or destroyed. */
#include "tests/softgpu/driver.h"

#include <stdlib.h>
#include <string.h>

__thread struct sg_thread sg_thread;
static struct sg_context *contexts, *primaries[16];
static unsigned primary_flags[16];
static unsigned long long n_contexts;

struct sg_context *sg_contexts(void)
{
    return contexts;
}

static struct sg_context *context_new(int device, unsigned flags, bool primary)
{
    struct sg_context *context = sg_calloc(1, sizeof *context);
    context->tag = SG_CONTEXT;
    context->device = device;
    context->flags = flags;
    context->primary = primary;
    context->id = ++n_contexts;
    context->limits[CU_LIMIT_STACK_SIZE] = 1024;
    context->limits[CU_LIMIT_PRINTF_FIFO_SIZE] = 1 << 20;
    context->limits[CU_LIMIT_MALLOC_HEAP_SIZE] = 8 << 20;
    context->legacy = sg_stream_new(context, CU_STREAM_DEFAULT, 0);
    context->legacy->legacy = true;
    context->next = contexts;
    contexts = context;
    return context;
}

/* The struct itself stays: a stale handle must be recognised, not crash. */
static void context_end(struct sg_context *context)
{
    for (struct sg_context **at = &contexts; *at; at = &(*at)->next)
        if (*at == context) {
            *at = context->next;
            break;
        }
    sg_drop_queues(context);
    sg_memory_drop_context(context);
    for (struct sg_stream *s = context->streams; s; s = s->next)
        s->tag = SG_DEAD;
    context->tag = SG_DEAD;
}

static struct sg_context *top(void)
{
    return sg_thread.depth ? sg_thread.stack[sg_thread.depth - 1] : NULL;
}

CUresult sg_current(struct sg_context **context)
{
    *context = top();
    SG_CHECK(*context, CUDA_ERROR_INVALID_CONTEXT);
    SG_CHECK((*context)->tag == SG_CONTEXT, CUDA_ERROR_CONTEXT_IS_DESTROYED);
    return (*context)->sticky;
}

CUresult sg_context_check(CUcontext handle, struct sg_context **context)
{
    if (!handle)
        return sg_current(context);
    SG_CHECK(SG_HANDLE(handle, SG_CONTEXT), CUDA_ERROR_INVALID_CONTEXT);
    *context = (struct sg_context *)(void *)handle;
    return (*context)->sticky;
}

static CUcontext handle_of(struct sg_context *context)
{
    return (CUcontext)(void *)context;
}

static bool device_ok(CUdevice device)
{
    return device >= 0 && device < sg_options.n_devices;
}

/* --- primary --- */

SG_API(cuDevicePrimaryCtxRetain, CUcontext *context, CUdevice device)
{
    SG_ENTER();
    SG_CHECK(context, CUDA_ERROR_INVALID_VALUE);
    SG_CHECK(device_ok(device), CUDA_ERROR_INVALID_DEVICE);
    if (!primaries[device])
        primaries[device] = context_new(device, primary_flags[device], true);
    primaries[device]->refs++;
    *context = handle_of(primaries[device]);
    return CUDA_SUCCESS;
}

static CUresult primary_release(CUdevice device, bool all)
{
    SG_CHECK(device_ok(device), CUDA_ERROR_INVALID_DEVICE);
    struct sg_context *context = primaries[device];
    if (!context)
        return all ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
    context->refs = all ? 0 : context->refs - 1;
    if (!context->refs) {
        if (!context->sticky)
            sg_wait_context(context);
        context_end(context);
        primaries[device] = NULL;
    }
    return CUDA_SUCCESS;
}

SG_API(cuDevicePrimaryCtxRelease_v2, CUdevice device)
{
    SG_ENTER();
    return primary_release(device, false);
}

SG_API(cuDevicePrimaryCtxRelease, CUdevice device)
{
    SG_ENTER();
    return primary_release(device, false);
}

SG_API(cuDevicePrimaryCtxReset_v2, CUdevice device)
{
    SG_ENTER();
    return primary_release(device, true);
}

SG_API(cuDevicePrimaryCtxReset, CUdevice device)
{
    SG_ENTER();
    return primary_release(device, true);
}

static CUresult primary_set_flags(CUdevice device, unsigned flags)
{
    SG_CHECK(device_ok(device), CUDA_ERROR_INVALID_DEVICE);
    primary_flags[device] = flags;
    if (primaries[device])
        primaries[device]->flags = flags;
    return CUDA_SUCCESS;
}

SG_API(cuDevicePrimaryCtxSetFlags_v2, CUdevice device, unsigned flags)
{
    SG_ENTER();
    return primary_set_flags(device, flags);
}

SG_API(cuDevicePrimaryCtxSetFlags, CUdevice device, unsigned flags)
{
    SG_ENTER();
    return primary_set_flags(device, flags);
}

SG_API(cuDevicePrimaryCtxGetState, CUdevice device, unsigned *flags, int *active)
{
    SG_ENTER();
    SG_CHECK(device_ok(device), CUDA_ERROR_INVALID_DEVICE);
    if (flags)
        *flags = primary_flags[device];
    if (active)
        *active = primaries[device] != NULL;
    return CUDA_SUCCESS;
}

/* --- created --- */

static CUresult create(CUcontext *out, unsigned flags, CUdevice device)
{
    SG_CHECK(out, CUDA_ERROR_INVALID_VALUE);
    SG_CHECK(device_ok(device), CUDA_ERROR_INVALID_DEVICE);
    SG_CHECK(sg_thread.depth < sizeof sg_thread.stack / sizeof *sg_thread.stack,
        CUDA_ERROR_INVALID_VALUE);
    struct sg_context *context = context_new(device, flags, false);
    sg_thread.stack[sg_thread.depth++] = context;
    *out = handle_of(context);
    return CUDA_SUCCESS;
}

SG_API(cuCtxCreate_v2, CUcontext *context, unsigned flags, CUdevice device)
{
    SG_ENTER();
    return create(context, flags, device);
}

SG_API(cuCtxCreate_v3, CUcontext *context, CUexecAffinityParam *affinity, int n_affinity,
    unsigned flags, CUdevice device)
{
    SG_ENTER();
    SG_CHECK(!affinity || !n_affinity, CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY);
    return create(context, flags, device);
}

SG_API(
    cuCtxCreate_v4, CUcontext *context, CUctxCreateParams *params, unsigned flags, CUdevice device)
{
    SG_ENTER();
    SG_CHECK(!params || (!params->numExecAffinityParams && !params->cigParams),
        CUDA_ERROR_NOT_SUPPORTED);
    return create(context, flags, device);
}

SG_API(cuCtxDestroy_v2, CUcontext handle)
{
    SG_ENTER();
    SG_CHECK(SG_HANDLE(handle, SG_CONTEXT), CUDA_ERROR_INVALID_CONTEXT);
    struct sg_context *context = (struct sg_context *)(void *)handle;
    SG_CHECK(!context->primary, CUDA_ERROR_INVALID_CONTEXT);
    const CUresult result = context->sticky ? CUDA_SUCCESS : sg_wait_context(context);
    if (top() == context)
        sg_thread.depth--;
    context_end(context);
    return result;
}

/* --- current --- */

static CUresult push(CUcontext handle)
{
    SG_CHECK(SG_HANDLE(handle, SG_CONTEXT), CUDA_ERROR_INVALID_CONTEXT);
    SG_CHECK(sg_thread.depth < sizeof sg_thread.stack / sizeof *sg_thread.stack,
        CUDA_ERROR_INVALID_VALUE);
    sg_thread.stack[sg_thread.depth++] = (struct sg_context *)(void *)handle;
    return CUDA_SUCCESS;
}

static CUresult pop(CUcontext *handle)
{
    SG_CHECK(sg_thread.depth, CUDA_ERROR_INVALID_CONTEXT);
    if (handle)
        *handle = handle_of(top());
    sg_thread.depth--;
    return CUDA_SUCCESS;
}

SG_API(cuCtxPushCurrent_v2, CUcontext handle)
{
    SG_ENTER();
    return push(handle);
}

SG_API(cuCtxPushCurrent, CUcontext handle)
{
    SG_ENTER();
    return push(handle);
}

SG_API(cuCtxPopCurrent_v2, CUcontext *handle)
{
    SG_ENTER();
    return pop(handle);
}

SG_API(cuCtxPopCurrent, CUcontext *handle)
{
    SG_ENTER();
    return pop(handle);
}

SG_API(cuCtxSetCurrent, CUcontext handle)
{
    SG_ENTER();
    if (!handle) {
        sg_thread.depth -= sg_thread.depth > 0;
        return CUDA_SUCCESS;
    }
    SG_CHECK(SG_HANDLE(handle, SG_CONTEXT), CUDA_ERROR_INVALID_CONTEXT);
    sg_thread.depth += !sg_thread.depth;
    sg_thread.stack[sg_thread.depth - 1] = (struct sg_context *)(void *)handle;
    return CUDA_SUCCESS;
}

SG_API(cuCtxGetCurrent, CUcontext *handle)
{
    SG_ENTER();
    SG_CHECK(handle, CUDA_ERROR_INVALID_VALUE);
    *handle = handle_of(top());
    return CUDA_SUCCESS;
}

SG_API(cuCtxGetDevice, CUdevice *device)
{
    SG_ENTER();
    SG_CHECK(device, CUDA_ERROR_INVALID_VALUE);
    SG_CHECK(top() && top()->tag == SG_CONTEXT, CUDA_ERROR_INVALID_CONTEXT);
    *device = top()->device;
    return CUDA_SUCCESS;
}

SG_API(cuCtxGetDevice_v2, CUdevice *device, CUcontext handle)
{
    SG_ENTER();
    SG_CHECK(device, CUDA_ERROR_INVALID_VALUE);
    struct sg_context *context = handle ? (struct sg_context *)(void *)handle : top();
    SG_CHECK(SG_HANDLE(context, SG_CONTEXT), CUDA_ERROR_INVALID_CONTEXT);
    *device = context->device;
    return CUDA_SUCCESS;
}

SG_API(cuCtxGetId, CUcontext handle, unsigned long long *id)
{
    SG_ENTER();
    SG_CHECK(id, CUDA_ERROR_INVALID_VALUE);
    struct sg_context *context = handle ? (struct sg_context *)(void *)handle : top();
    SG_CHECK(SG_HANDLE(context, SG_CONTEXT), CUDA_ERROR_INVALID_CONTEXT);
    *id = context->id;
    return CUDA_SUCCESS;
}

SG_API(cuCtxGetFlags, unsigned *flags)
{
    SG_ENTER();
    SG_CHECK(flags, CUDA_ERROR_INVALID_VALUE);
    SG_CHECK(top(), CUDA_ERROR_INVALID_CONTEXT);
    *flags = top()->flags;
    return CUDA_SUCCESS;
}

SG_API(cuCtxSetFlags, unsigned flags)
{
    SG_ENTER();
    SG_CHECK(top(), CUDA_ERROR_INVALID_CONTEXT);
    top()->flags = flags;
    return CUDA_SUCCESS;
}

SG_API(cuCtxGetApiVersion, CUcontext handle, unsigned *version)
{
    SG_ENTER();
    struct sg_context *context = NULL;
    SG_CHECK(version, CUDA_ERROR_INVALID_VALUE);
    SG_TRY(sg_context_check(handle, &context));
    *version = 3020;
    return CUDA_SUCCESS;
}

SG_API(cuCtxGetStreamPriorityRange, int *least, int *greatest)
{
    SG_ENTER();
    SG_CHECK(top(), CUDA_ERROR_INVALID_CONTEXT);
    if (least)
        *least = 0;
    if (greatest)
        *greatest = -5;
    return CUDA_SUCCESS;
}

SG_API(cuCtxSetLimit, CUlimit limit, size_t value)
{
    SG_ENTER();
    struct sg_context *context = NULL;
    SG_TRY(sg_current(&context));
    SG_CHECK(limit < CU_LIMIT_MAX, CUDA_ERROR_UNSUPPORTED_LIMIT);
    context->limits[limit] = value;
    return CUDA_SUCCESS;
}

SG_API(cuCtxGetLimit, size_t *value, CUlimit limit)
{
    SG_ENTER();
    struct sg_context *context = NULL;
    SG_TRY(sg_current(&context));
    SG_CHECK(value, CUDA_ERROR_INVALID_VALUE);
    SG_CHECK(limit < CU_LIMIT_MAX, CUDA_ERROR_UNSUPPORTED_LIMIT);
    *value = context->limits[limit];
    return CUDA_SUCCESS;
}

SG_API(cuCtxGetCacheConfig, CUfunc_cache *config)
{
    SG_ENTER();
    SG_CHECK(config, CUDA_ERROR_INVALID_VALUE);
    *config = CU_FUNC_CACHE_PREFER_NONE;
    return CUDA_SUCCESS;
}

SG_API(cuCtxSetCacheConfig, CUfunc_cache config)
{
    SG_ENTER();
    SG_CHECK(config <= CU_FUNC_CACHE_PREFER_EQUAL, CUDA_ERROR_INVALID_VALUE);
    return CUDA_SUCCESS; /* documented as a preference; there is no cache here */
}

static CUresult synchronise(CUcontext handle)
{
    struct sg_context *context = NULL;
    SG_TRY(sg_context_check(handle, &context));
    SG_TRY(sg_capture_unsafe());
    return sg_wait_context(context);
}

SG_API(cuCtxSynchronize, void)
{
    SG_ENTER();
    return synchronise(NULL);
}

SG_API(cuCtxSynchronize_v2, CUcontext handle)
{
    SG_ENTER();
    return synchronise(handle);
}

SG_API(cuCtxEnablePeerAccess, CUcontext handle, unsigned flags)
{
    SG_ENTER();
    struct sg_context *context = NULL;
    SG_TRY(sg_current(&context));
    SG_CHECK(!flags, CUDA_ERROR_INVALID_VALUE);
    SG_CHECK(SG_HANDLE(handle, SG_CONTEXT) && (void *)handle != (void *)context,
        CUDA_ERROR_INVALID_CONTEXT);
    return CUDA_SUCCESS; /* all devices share one arena */
}

SG_API(cuCtxDisablePeerAccess, CUcontext handle)
{
    SG_ENTER();
    struct sg_context *context = NULL;
    SG_TRY(sg_current(&context));
    SG_CHECK(SG_HANDLE(handle, SG_CONTEXT), CUDA_ERROR_INVALID_CONTEXT);
    return CUDA_SUCCESS;
}
