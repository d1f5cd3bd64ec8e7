/* Calls that are forwarded as they are: matrix-vector products that obey the atomics mode, and settings that explain differences.
 * A setting is written to the log once per value. */
#include <cublas_v2.h>

#include <cublasXt.h>

#include "shim/core/hash.h"
#include "shim/core/seen.h"
#include "shim/cublas/cublas_ledger.h"
#include "shim/cublas/cublas_routines.h"
#include "shim/loader/call.h"
#include "shim/log/log.h"
#include "shim/pins/pins.h"

/* cuBLAS guide, cublasSetAtomicsMode: symv and hemv are the routines that have an atomics path. */
#define MATVEC(symbol, type, integer)                                                              \
    DET_EXPORT cublasStatus_t symbol(cublasHandle_t handle, cublasFillMode_t half, integer n,      \
        const type *alpha, const type *A, integer lda, const type *x, integer incx,                \
        const type *beta, type *y, integer incy)                                                   \
    {                                                                                              \
        if (!det_enter(DET_ID_##symbol))                                                           \
            return DET_REAL(symbol)(handle, half, n, alpha, A, lda, x, incx, beta, y, incy);       \
        det_cublas_count(DET_ID_##symbol, det_cublas_handle_outcome(handle, true));                \
        const cublasStatus_t status =                                                              \
            DET_REAL(symbol)(handle, half, n, alpha, A, lda, x, incx, beta, y, incy);              \
        det_leave(DET_ID_##symbol);                                                                \
        return status;                                                                             \
    }
MATVEC(cublasSsymv_v2, float, int)
MATVEC(cublasSsymv_v2_64, float, int64_t)
MATVEC(cublasDsymv_v2, double, int)
MATVEC(cublasDsymv_v2_64, double, int64_t)
MATVEC(cublasCsymv_v2, cuComplex, int)
MATVEC(cublasCsymv_v2_64, cuComplex, int64_t)
MATVEC(cublasZsymv_v2, cuDoubleComplex, int)
MATVEC(cublasZsymv_v2_64, cuDoubleComplex, int64_t)
MATVEC(cublasChemv_v2, cuComplex, int)
MATVEC(cublasChemv_v2_64, cuComplex, int64_t)
MATVEC(cublasZhemv_v2, cuDoubleComplex, int)
MATVEC(cublasZhemv_v2_64, cuDoubleComplex, int64_t)

void det_cublas_count_routine(enum det_call call, const void *handle, const void *caller)
{
    cublasHandle_t const of = (cublasHandle_t)(uintptr_t)handle;
    if (!det_caller_is_vendor(caller))
        det_cublas_count(call, det_cublas_handle_outcome(of, false));
}

/* One record per call and value. */
static void observe(enum det_call call, const char *field, int64_t a, int64_t b)
{
    static struct det_seen seen;
    const int64_t key[3] = { (int64_t)call, a, b };
    if (det_seen_first(&seen, det_hash(key, sizeof key, 0)))
        det_log_event("observe", det_call_name(call), field, (uint64_t)a, (uint64_t)b);
}

#define SETTING(symbol, field, params, a, b, ...)                                                  \
    DET_EXPORT cublasStatus_t symbol params                                                        \
    {                                                                                              \
        if (!det_enter(DET_ID_##symbol))                                                           \
            return DET_REAL(symbol)(__VA_ARGS__);                                                  \
        observe(DET_ID_##symbol, field, (int64_t)(a), (int64_t)(b));                               \
        const cublasStatus_t status = DET_REAL(symbol)(__VA_ARGS__);                               \
        det_leave(DET_ID_##symbol);                                                                \
        return status;                                                                             \
    }

SETTING(cublasSetSmCountTarget, "sm count", (cublasHandle_t handle, int n), n, 0, handle, n)
SETTING(cublasXtSetCpuRatio, "routine and type",
    (cublasXtHandle_t handle, cublasXtBlasOp_t op, cublasXtOpType_t type, float ratio), op, type,
    handle, op, type, ratio)
SETTING(cublasXtSetBlockDim, "block", (cublasXtHandle_t handle, int n), n, 0, handle, n)
SETTING(cublasXtDeviceSelect, "devices", (cublasXtHandle_t handle, int n, int devices[]), n,
    devices &&n > 0 ? devices[0] : -1, handle, n, devices)
SETTING(cublasSetEmulationStrategy, "strategy",
    (cublasHandle_t handle, cublasEmulationStrategy_t strategy), strategy, 0, handle, strategy)
SETTING(cublasSetFixedPointEmulationMantissaControl, "control",
    (cublasHandle_t handle, cudaEmulationMantissaControl_t control), control, 0, handle, control)
SETTING(cublasSetFixedPointEmulationMaxMantissaBitCount, "bits", (cublasHandle_t handle, int n), n,
    0, handle, n)
SETTING(cublasSetFixedPointEmulationMantissaBitOffset, "bits", (cublasHandle_t handle, int n), n, 0,
    handle, n)
