/* Calls after which the program may look at results: reports are read before they return, and a strict run ends here
 * instead of showing a result that depends on order. The calls themselves are never changed. */
#include <errno.h>

#include "shim/cuda/cuda_digest.h"
#include "shim/cuda/cuda_order.h"
#include "shim/cuda/cuda_table.h"
#include "shim/loader/call.h"

/* What is already known to be uncovered must not reach the host. */
static void before(void)
{
    if (det_strict_pending())
        det_strict_end();
}

static void after(CUresult status, bool idle)
{
    const int saved = errno;
    if (status == CUDA_SUCCESS) {
        det_reports_collect(false);
        if (idle) {
            det_inside_begin();
            struct det_ctx *const ctx = det_ctx_current();
            if (ctx != NULL) {
                det_order_idle(ctx);
                det_table_settle(ctx);
            }
            det_inside_end();
        }
    }
    if (det_strict_pending())
        det_strict_end();
    errno = saved;
}

/* ask: before the call, digest: after its success, both where the trace asks for digests. */
#define SYNC(symbol, idle, params, args, ask, digest)                                              \
    DET_EXPORT CUresult symbol params                                                              \
    {                                                                                              \
        if (!det_enter(DET_ID_##symbol))                                                           \
            return DET_REAL(symbol) args;                                                          \
                                                                                                   \
        before();                                                                                  \
        ask;                                                                                       \
        const CUresult status = DET_REAL(symbol) args;                                             \
        if (status == CUDA_SUCCESS && det_digest_on())                                             \
            digest;                                                                                \
        after(status, idle);                                                                       \
        det_leave(DET_ID_##symbol);                                                                \
        return status;                                                                             \
    }
#define NOTHING (void)0
#define ASK                                                                                        \
    do                                                                                             \
        if (det_digest_waiting())                                                                  \
            det_digest_asked();                                                                    \
    while (0)

SYNC(cuCtxSynchronize, true, (void), (), NOTHING, det_digest_context_done(NULL))
SYNC(cuCtxSynchronize_v2, false, (CUcontext ctx), (ctx), NOTHING, det_digest_context_done(ctx))

#define STREAM(symbol, per_thread, ask)                                                            \
    SYNC(symbol, false, (CUstream hStream), (hStream), ask,                                        \
        det_digest_stream_done(det_stream_normal(hStream, per_thread)))
STREAM(cuStreamSynchronize, false, NOTHING)
STREAM(cuStreamSynchronize_ptsz, true, NOTHING)
STREAM(cuStreamQuery, false, ASK)
STREAM(cuStreamQuery_ptsz, true, ASK)
SYNC(cuEventSynchronize, false, (CUevent hEvent), (hEvent), NOTHING, det_digest_event_done(hEvent))
SYNC(cuEventQuery, false, (CUevent hEvent), (hEvent), ASK, det_digest_event_done(hEvent))

/* Copies that may end in host memory; those the driver runs at once synchronise, the others deliver nothing before a later
 * call of this list. */
static void flat(const char *call, CUstream stream, bool waits, bool to_host, const void *to,
    CUdeviceptr from, size_t n_bytes)
{
    const struct det_digest_copy copy = { call, stream, waits, to_host, from,
        { to, n_bytes, n_bytes, 1, n_bytes, 1 } };
    det_digest_copied(&copy);
}

#define LEGACY(per_thread) det_stream_normal(NULL, per_thread)
#define TO_HOST(symbol, per_thread)                                                                \
    SYNC(symbol, false, (void *dstHost, CUdeviceptr srcDevice, size_t ByteCount),                  \
        (dstHost, srcDevice, ByteCount), NOTHING,                                                  \
        flat(#symbol, LEGACY(per_thread), true, true, dstHost, srcDevice, ByteCount))
TO_HOST(cuMemcpyDtoH_v2, false)
TO_HOST(cuMemcpyDtoH_v2_ptds, true)
#define TO_HOST_ASYNC(symbol, per_thread)                                                          \
    SYNC(symbol, false,                                                                            \
        (void *dstHost, CUdeviceptr srcDevice, size_t ByteCount, CUstream hStream),                \
        (dstHost, srcDevice, ByteCount, hStream), NOTHING,                                         \
        flat(#symbol, det_stream_normal(hStream, per_thread), false, true, dstHost, srcDevice,     \
            ByteCount))
TO_HOST_ASYNC(cuMemcpyDtoHAsync_v2, false)
TO_HOST_ASYNC(cuMemcpyDtoHAsync_v2_ptsz, true)
#define UNIFIED(symbol, per_thread)                                                                \
    SYNC(symbol, false, (CUdeviceptr dst, CUdeviceptr src, size_t ByteCount),                      \
        (dst, src, ByteCount), NOTHING,                                                            \
        flat(#symbol, LEGACY(per_thread), true, false, (const void *)(uintptr_t)dst, src,          \
            ByteCount))
UNIFIED(cuMemcpy, false)
UNIFIED(cuMemcpy_ptds, true)
#define UNIFIED_ASYNC(symbol, per_thread)                                                          \
    SYNC(symbol, false, (CUdeviceptr dst, CUdeviceptr src, size_t ByteCount, CUstream hStream),    \
        (dst, src, ByteCount, hStream), NOTHING,                                                   \
        flat(#symbol, det_stream_normal(hStream, per_thread), false, false,                        \
            (const void *)(uintptr_t)dst, src, ByteCount))
UNIFIED_ASYNC(cuMemcpyAsync, false)
UNIFIED_ASYNC(cuMemcpyAsync_ptsz, true)
#define BLOCK_2D(symbol, per_thread)                                                               \
    SYNC(symbol, false, (const CUDA_MEMCPY2D *pCopy), (pCopy), NOTHING,                            \
        det_digest_copied_2d(#symbol, LEGACY(per_thread), true, pCopy))
BLOCK_2D(cuMemcpy2D_v2, false)
BLOCK_2D(cuMemcpy2D_v2_ptds, true)
BLOCK_2D(cuMemcpy2DUnaligned_v2, false)
BLOCK_2D(cuMemcpy2DUnaligned_v2_ptds, true)
#define BLOCK_2D_ASYNC(symbol, per_thread)                                                         \
    SYNC(symbol, false, (const CUDA_MEMCPY2D *pCopy, CUstream hStream), (pCopy, hStream), NOTHING, \
        det_digest_copied_2d(#symbol, det_stream_normal(hStream, per_thread), false, pCopy))
BLOCK_2D_ASYNC(cuMemcpy2DAsync_v2, false)
BLOCK_2D_ASYNC(cuMemcpy2DAsync_v2_ptsz, true)
#define BLOCK_3D(symbol, per_thread)                                                               \
    SYNC(symbol, false, (const CUDA_MEMCPY3D *pCopy), (pCopy), NOTHING,                            \
        det_digest_copied_3d(#symbol, LEGACY(per_thread), true, pCopy))
BLOCK_3D(cuMemcpy3D_v2, false)
BLOCK_3D(cuMemcpy3D_v2_ptds, true)
#define BLOCK_3D_ASYNC(symbol, per_thread)                                                         \
    SYNC(symbol, false, (const CUDA_MEMCPY3D *pCopy, CUstream hStream), (pCopy, hStream), NOTHING, \
        det_digest_copied_3d(#symbol, det_stream_normal(hStream, per_thread), false, pCopy))
BLOCK_3D_ASYNC(cuMemcpy3DAsync_v2, false)
BLOCK_3D_ASYNC(cuMemcpy3DAsync_v2_ptsz, true)
