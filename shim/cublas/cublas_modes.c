/* cuBLAS state that decides whether results repeat: pinned when set, answered as set. */
#include <cublas_v2.h>

#include "shim/core/kept.h"
#include "shim/cublas/cublas_decide.h"
#include "shim/loader/call.h"
#include "shim/log/log.h"

enum field { ATOMICS, MATH, N_FIELDS };
static struct det_kept kept;

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
        det_kept_set(&kept, handle, ATOMICS, asked);
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
        det_kept_set(&kept, handle, MATH, asked);
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

DET_EXPORT cublasStatus_t cublasDestroy_v2(cublasHandle_t handle)
{
    det_kept_drop(&kept, handle, N_FIELDS);
    return DET_REAL(cublasDestroy_v2)(handle);
}
