/* cuBLAS state that decides whether results repeat: pinned when set, answered as set. */
#include <cublas_v2.h>

#include <stdatomic.h>

#include "shim/core/kept.h"
#include "shim/cublas/cublas_decide.h"
#include "shim/cublas/cublas_ledger.h"
#include "shim/loader/call.h"
#include "shim/log/log.h"
#include "shim/pins/pins.h"

enum field { ATOMICS, MATH, WORKSPACE, STREAM, N_FIELDS };
static struct det_kept kept;
static atomic_bool
    any_asked; /* spares compute calls the look-up in programs that never set a mode */

static void keep(cublasHandle_t handle, enum field field, int64_t asked)
{
    if (asked)
        atomic_store_explicit(&any_asked, true, memory_order_relaxed);
    det_kept_set(&kept, handle, field, asked);
}

/* Default is NOT_ALLOWED. Source: cuBLAS guide, cublasSetAtomicsMode. */
DET_EXPORT cublasStatus_t cublasSetAtomicsMode(cublasHandle_t handle, cublasAtomicsMode_t asked)
{
    if (!det_enter(DET_ID_cublasSetAtomicsMode))
        return DET_REAL(cublasSetAtomicsMode)(handle, asked);
    const cublasAtomicsMode_t given = det_cublas_atomics(asked);
    if (given != asked)
        det_log_override(
            DET_NAME(cublasSetAtomicsMode), DET_RULE_CUBLAS_ATOMICS, "mode", asked, given);
    const cublasStatus_t status = DET_REAL(cublasSetAtomicsMode)(handle, given);
    if (status == CUBLAS_STATUS_SUCCESS)
        keep(handle, ATOMICS, asked);
    det_leave(DET_ID_cublasSetAtomicsMode);
    return status;
}

DET_EXPORT cublasStatus_t cublasGetAtomicsMode(cublasHandle_t handle, cublasAtomicsMode_t *mode)
{
    const cublasStatus_t status = DET_REAL(cublasGetAtomicsMode)(handle, mode);
    int64_t asked = 0;
    if (status == CUBLAS_STATUS_SUCCESS && mode && det_kept_get(&kept, handle, ATOMICS, &asked))
        *mode = (cublasAtomicsMode_t)asked;
    return status;
}

DET_EXPORT cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t asked)
{
    if (!det_enter(DET_ID_cublasSetMathMode))
        return DET_REAL(cublasSetMathMode)(handle, asked);
    const cublasMath_t given = det_cublas_math(asked);
    if (given != asked)
        det_log_override(
            DET_NAME(cublasSetMathMode), DET_RULE_CUBLAS_EMULATION, "mode", asked, given);
    const cublasStatus_t status = DET_REAL(cublasSetMathMode)(handle, given);
    if (status == CUBLAS_STATUS_SUCCESS)
        keep(handle, MATH, asked);
    det_leave(DET_ID_cublasSetMathMode);
    return status;
}

DET_EXPORT cublasStatus_t cublasGetMathMode(cublasHandle_t handle, cublasMath_t *mode)
{
    const cublasStatus_t status = DET_REAL(cublasGetMathMode)(handle, mode);
    int64_t asked = 0;
    if (status == CUBLAS_STATUS_SUCCESS && mode && det_kept_get(&kept, handle, MATH, &asked))
        *mode = (cublasMath_t)asked;
    return status;
}

enum det_cublas_outcome det_cublas_handle_outcome(cublasHandle_t handle, bool obeys_atomics)
{
    int64_t asked = 0;
    if (!atomic_load_explicit(&any_asked, memory_order_relaxed))
        return DET_CUBLAS_PLAIN;
    if (obeys_atomics && det_kept_get(&kept, handle, ATOMICS, &asked) && asked)
        return det_cublas_atomics((cublasAtomicsMode_t)asked) == CUBLAS_ATOMICS_NOT_ALLOWED
                   ? DET_CUBLAS_ATOMICS_PINNED
                   : DET_CUBLAS_ATOMICS_LEFT;
    if (det_kept_get(&kept, handle, MATH, &asked) && det_cublas_math_emulates((cublasMath_t)asked))
        return det_cublas_math((cublasMath_t)asked) != (cublasMath_t)asked
                   ? DET_CUBLAS_EMULATION_PINNED
                   : DET_CUBLAS_EMULATION_LEFT;
    return DET_CUBLAS_PLAIN;
}

DET_EXPORT cublasStatus_t cublasCreate_v2(cublasHandle_t *handle)
{
    if (!det_enter(DET_ID_cublasCreate_v2))
        return DET_REAL(cublasCreate_v2)(handle);
    det_pins_library("cublas");
    const cublasStatus_t status = DET_REAL(cublasCreate_v2)(handle);
    if (status == CUBLAS_STATUS_SUCCESS && handle)
        det_kept_drop(
            &kept, *handle, N_FIELDS); /* an address of a handle we did not see destroyed */
    det_leave(DET_ID_cublasCreate_v2);
    return status;
}

DET_EXPORT cublasStatus_t cublasSetWorkspace_v2(
    cublasHandle_t handle, void *workspace, size_t n_bytes)
{
    if (!det_enter(DET_ID_cublasSetWorkspace_v2))
        return DET_REAL(cublasSetWorkspace_v2)(handle, workspace, n_bytes);
    const cublasStatus_t status = DET_REAL(cublasSetWorkspace_v2)(handle, workspace, n_bytes);
    if (status == CUBLAS_STATUS_SUCCESS)
        det_kept_set(&kept, handle, WORKSPACE, workspace != NULL);
    det_leave(DET_ID_cublasSetWorkspace_v2);
    return status;
}

/* The real call drops a workspace that the program set (cuBLAS guide, cublasSetStream). It is not set again: the program may have
 * freed that memory, or given it to another stream. The pool that takes its place is ordered under CUBLAS_WORKSPACE_CONFIG. */
static void stream_changes(cublasHandle_t handle, cudaStream_t stream)
{
    int64_t had = 0;
    if (det_kept_get(&kept, handle, WORKSPACE, &had) && had) {
        det_log_counter("cublas workspaces dropped by cublasSetStream", 1);
        det_kept_set(&kept, handle, WORKSPACE, 0);
        if (!det_pins_hold(DET_RULE_CUBLAS_WORKSPACE))
            det_log_note("cublasSetStream drops the workspace a program set, and "
                         "CUBLAS_WORKSPACE_CONFIG is not pinned");
    }
    had = 0;
    if (det_kept_get(&kept, handle, STREAM, &had) && had != (int64_t)(intptr_t)stream &&
        !det_pins_hold(DET_RULE_CUBLAS_WORKSPACE))
        det_log_note("one cuBLAS handle is used on several streams, and CUBLAS_WORKSPACE_CONFIG "
                     "is not pinned");
    det_kept_set(&kept, handle, STREAM, (int64_t)(intptr_t)stream);
}

DET_EXPORT cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream)
{
    if (!det_enter(DET_ID_cublasSetStream_v2))
        return DET_REAL(cublasSetStream_v2)(handle, stream);
    const cublasStatus_t status = DET_REAL(cublasSetStream_v2)(handle, stream);
    if (status == CUBLAS_STATUS_SUCCESS)
        stream_changes(handle, stream);
    det_leave(DET_ID_cublasSetStream_v2);
    return status;
}

DET_EXPORT cublasStatus_t cublasDestroy_v2(cublasHandle_t handle)
{
    det_kept_drop(&kept, handle, N_FIELDS);
    return DET_REAL(cublasDestroy_v2)(handle);
}
