/* Ends of contexts and streams: what belongs to a handle is forgotten with it, so that a new object under the same address
 * starts clean. Reports are read first; their memory goes with the context. */
#include <errno.h>

#include "shim/cuda/cuda_digest.h"
#include "shim/cuda/cuda_driver.h"
#include "shim/cuda/cuda_table.h"
#include "shim/loader/call.h"

static void forget(CUcontext ctx)
{
    const int saved = errno;
    det_inside_begin();
    det_ctx_drop(ctx);
    det_inside_end();
    errno = saved;
}

#define CONTEXT_DESTROY(symbol)                                                                    \
    DET_EXPORT CUresult symbol(CUcontext ctx)                                                      \
    {                                                                                              \
        if (!det_enter(DET_ID_##symbol))                                                           \
            return DET_REAL(symbol)(ctx);                                                          \
                                                                                                   \
        det_reports_collect(false);                                                                \
        det_ctx_going(ctx, true);                                                                  \
        const CUresult status = DET_REAL(symbol)(ctx);                                             \
        if (status == CUDA_SUCCESS)                                                                \
            forget(ctx);                                                                           \
        else                                                                                       \
            det_ctx_going(ctx, false);                                                             \
        det_leave(DET_ID_##symbol);                                                                \
        return status;                                                                             \
    }
CONTEXT_DESTROY(cuCtxDestroy)
CONTEXT_DESTROY(cuCtxDestroy_v2)

struct primary {
    CUdevice device;
    CUcontext found;
};

static void on_device(struct det_ctx *ctx, void *arg)
{
    struct primary *const primary = arg;
    if (ctx->device == primary->device && ctx->primary)
        primary->found = ctx->handle;
}

static CUcontext primary_going(CUdevice device)
{
    struct primary primary = { device, NULL };
    const int saved = errno;
    det_reports_collect(false);
    det_ctx_each(on_device, &primary);
    if (primary.found != NULL)
        det_ctx_going(primary.found, true);
    errno = saved;
    return primary.found;
}

/* It was reset, or its last user let it go; or somebody still holds it. */
static void primary_gone(CUdevice device, CUcontext ctx)
{
    const struct det_driver *const cu = det_driver();
    unsigned flags = 0;
    int active = 1;
    if (ctx == NULL)
        return;
    if (cu->cuDevicePrimaryCtxGetState == NULL ||
        cu->cuDevicePrimaryCtxGetState(device, &flags, &active) != CUDA_SUCCESS || active)
        det_ctx_going(ctx, false);
    else
        forget(ctx);
}

#define PRIMARY(symbol)                                                                            \
    DET_EXPORT CUresult symbol(CUdevice dev)                                                       \
    {                                                                                              \
        if (!det_enter(DET_ID_##symbol))                                                           \
            return DET_REAL(symbol)(dev);                                                          \
                                                                                                   \
        CUcontext ctx = primary_going(dev);                                                        \
        const CUresult status = DET_REAL(symbol)(dev);                                             \
        primary_gone(dev, ctx);                                                                    \
        det_leave(DET_ID_##symbol);                                                                \
        return status;                                                                             \
    }
PRIMARY(cuDevicePrimaryCtxReset)
PRIMARY(cuDevicePrimaryCtxReset_v2)
PRIMARY(cuDevicePrimaryCtxRelease)
PRIMARY(cuDevicePrimaryCtxRelease_v2)

/* Destroying a stream does not wait for it: its table rests until its folds have run. Before the call, since the address may
 * be reused at once. */
#define STREAM_DESTROY(symbol)                                                                     \
    DET_EXPORT CUresult symbol(CUstream hStream)                                                   \
    {                                                                                              \
        if (!det_enter(DET_ID_##symbol))                                                           \
            return DET_REAL(symbol)(hStream);                                                      \
                                                                                                   \
        const int saved = errno;                                                                   \
        det_table_stream_gone(hStream);                                                            \
        if (det_digest_on())                                                                       \
            det_digest_gone(hStream);                                                              \
        errno = saved;                                                                             \
        const CUresult status = DET_REAL(symbol)(hStream);                                         \
        det_leave(DET_ID_##symbol);                                                                \
        return status;                                                                             \
    }
STREAM_DESTROY(cuStreamDestroy)
STREAM_DESTROY(cuStreamDestroy_v2)
