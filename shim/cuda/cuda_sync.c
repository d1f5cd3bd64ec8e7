/* Calls after which the program may look at results: reports are read before they return, and a strict run ends here
 * instead of showing a result that depends on order. The calls themselves are never changed. */
#include <errno.h>

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

#define SYNC(symbol, idle, params, args)                                                           \
    DET_EXPORT CUresult symbol params                                                              \
    {                                                                                              \
        if (!det_enter(DET_ID_##symbol))                                                           \
            return DET_REAL(symbol) args;                                                          \
                                                                                                   \
        before();                                                                                  \
        const CUresult status = DET_REAL(symbol) args;                                             \
        after(status, idle);                                                                       \
        det_leave(DET_ID_##symbol);                                                                \
        return status;                                                                             \
    }

SYNC(cuCtxSynchronize, true, (void), ())
SYNC(cuCtxSynchronize_v2, false, (CUcontext ctx), (ctx))
SYNC(cuStreamSynchronize, false, (CUstream hStream), (hStream))
SYNC(cuStreamSynchronize_ptsz, false, (CUstream hStream), (hStream))
SYNC(cuStreamQuery, false, (CUstream hStream), (hStream))
SYNC(cuStreamQuery_ptsz, false, (CUstream hStream), (hStream))
SYNC(cuEventSynchronize, false, (CUevent hEvent), (hEvent))
SYNC(cuEventQuery, false, (CUevent hEvent), (hEvent))

/* Copies that may end in host memory; those the driver runs at once synchronise, the others deliver nothing before a later
 * call of this list. */
SYNC(cuMemcpyDtoH_v2, false, (void *dstHost, CUdeviceptr srcDevice, size_t ByteCount),
    (dstHost, srcDevice, ByteCount))
SYNC(cuMemcpyDtoH_v2_ptds, false, (void *dstHost, CUdeviceptr srcDevice, size_t ByteCount),
    (dstHost, srcDevice, ByteCount))
SYNC(cuMemcpyDtoHAsync_v2, false,
    (void *dstHost, CUdeviceptr srcDevice, size_t ByteCount, CUstream hStream),
    (dstHost, srcDevice, ByteCount, hStream))
SYNC(cuMemcpyDtoHAsync_v2_ptsz, false,
    (void *dstHost, CUdeviceptr srcDevice, size_t ByteCount, CUstream hStream),
    (dstHost, srcDevice, ByteCount, hStream))
SYNC(cuMemcpy, false, (CUdeviceptr dst, CUdeviceptr src, size_t ByteCount), (dst, src, ByteCount))
SYNC(cuMemcpy_ptds, false, (CUdeviceptr dst, CUdeviceptr src, size_t ByteCount),
    (dst, src, ByteCount))
SYNC(cuMemcpyAsync, false, (CUdeviceptr dst, CUdeviceptr src, size_t ByteCount, CUstream hStream),
    (dst, src, ByteCount, hStream))
SYNC(cuMemcpyAsync_ptsz, false,
    (CUdeviceptr dst, CUdeviceptr src, size_t ByteCount, CUstream hStream),
    (dst, src, ByteCount, hStream))
SYNC(cuMemcpy2D_v2, false, (const CUDA_MEMCPY2D *pCopy), (pCopy))
SYNC(cuMemcpy2D_v2_ptds, false, (const CUDA_MEMCPY2D *pCopy), (pCopy))
SYNC(cuMemcpy2DUnaligned_v2, false, (const CUDA_MEMCPY2D *pCopy), (pCopy))
SYNC(cuMemcpy2DUnaligned_v2_ptds, false, (const CUDA_MEMCPY2D *pCopy), (pCopy))
SYNC(cuMemcpy3D_v2, false, (const CUDA_MEMCPY3D *pCopy), (pCopy))
SYNC(cuMemcpy3D_v2_ptds, false, (const CUDA_MEMCPY3D *pCopy), (pCopy))
