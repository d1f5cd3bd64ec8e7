/* Sparse times sparse takes its algorithm in every step; all steps of one product must agree, and do, since the decision is a function
 * of the argument alone. */
#include "shim/cusparse/cusparse_decide.h"
#include "shim/loader/call.h"
#include "shim/log/log.h"

static cusparseSpGEMMAlg_t given_for(const char *call, cusparseSpGEMMAlg_t asked)
{
    const struct det_sparse_choice choice = det_cusparse_spgemm((int)asked);
    if (choice.given != (int)asked)
        det_log_override(call, choice.rule, "alg", (int)asked, choice.given);
    return (cusparseSpGEMMAlg_t)choice.given;
}

static void count(const char *call, cusparseSpGEMMAlg_t asked)
{
    const struct det_sparse_choice choice = det_cusparse_spgemm((int)asked);
    det_ledger_hit(det_ledger_row("call", call, choice.cls, choice.rule, choice.reason));
}

/* `counted`: the pointer whose presence tells computation from a question for sizes, or 1. What other steps launch belongs to the
 * product, which is counted when it is computed. */
#define STEP(symbol, counted, params, args)                                                        \
    DET_EXPORT cusparseStatus_t symbol params                                                      \
    {                                                                                              \
        if (!det_enter(DET_ID_##symbol))                                                           \
            return DET_REAL(symbol) args;                                                          \
        const cusparseSpGEMMAlg_t asked = alg;                                                     \
        alg = given_for(DET_NAME(symbol), asked);                                                  \
        const cusparseStatus_t status = DET_REAL(symbol) args;                                     \
        if (status == CUSPARSE_STATUS_SUCCESS && (counted))                                        \
            count(DET_NAME(symbol), asked);                                                        \
        else if (status == CUSPARSE_STATUS_SUCCESS)                                                \
            det_call_belongs();                                                                    \
        det_leave(DET_ID_##symbol);                                                                \
        return status;                                                                             \
    }
STEP(cusparseSpGEMM_workEstimation, 0,
    (cusparseHandle_t handle, cusparseOperation_t opA, cusparseOperation_t opB, const void *alpha,
        cusparseConstSpMatDescr_t matA, cusparseConstSpMatDescr_t matB, const void *beta,
        cusparseSpMatDescr_t matC, cudaDataType computeType, cusparseSpGEMMAlg_t alg,
        cusparseSpGEMMDescr_t spgemmDescr, size_t *bufferSize1, void *externalBuffer1),
    (handle, opA, opB, alpha, matA, matB, beta, matC, computeType, alg, spgemmDescr, bufferSize1,
        externalBuffer1))
STEP(cusparseSpGEMM_estimateMemory, 0,
    (cusparseHandle_t handle, cusparseOperation_t opA, cusparseOperation_t opB, const void *alpha,
        cusparseConstSpMatDescr_t matA, cusparseConstSpMatDescr_t matB, const void *beta,
        cusparseSpMatDescr_t matC, cudaDataType computeType, cusparseSpGEMMAlg_t alg,
        cusparseSpGEMMDescr_t spgemmDescr, float chunk_fraction, size_t *bufferSize3,
        void *externalBuffer3, size_t *bufferSize2),
    (handle, opA, opB, alpha, matA, matB, beta, matC, computeType, alg, spgemmDescr, chunk_fraction,
        bufferSize3, externalBuffer3, bufferSize2))
STEP(cusparseSpGEMM_compute, externalBuffer2 != NULL,
    (cusparseHandle_t handle, cusparseOperation_t opA, cusparseOperation_t opB, const void *alpha,
        cusparseConstSpMatDescr_t matA, cusparseConstSpMatDescr_t matB, const void *beta,
        cusparseSpMatDescr_t matC, cudaDataType computeType, cusparseSpGEMMAlg_t alg,
        cusparseSpGEMMDescr_t spgemmDescr, size_t *bufferSize2, void *externalBuffer2),
    (handle, opA, opB, alpha, matA, matB, beta, matC, computeType, alg, spgemmDescr, bufferSize2,
        externalBuffer2))
STEP(cusparseSpGEMM_copy, 0,
    (cusparseHandle_t handle, cusparseOperation_t opA, cusparseOperation_t opB, const void *alpha,
        cusparseConstSpMatDescr_t matA, cusparseConstSpMatDescr_t matB, const void *beta,
        cusparseSpMatDescr_t matC, cudaDataType computeType, cusparseSpGEMMAlg_t alg,
        cusparseSpGEMMDescr_t spgemmDescr),
    (handle, opA, opB, alpha, matA, matB, beta, matC, computeType, alg, spgemmDescr))
STEP(cusparseSpGEMMreuse_workEstimation, 0,
    (cusparseHandle_t handle, cusparseOperation_t opA, cusparseOperation_t opB,
        cusparseConstSpMatDescr_t matA, cusparseConstSpMatDescr_t matB, cusparseSpMatDescr_t matC,
        cusparseSpGEMMAlg_t alg, cusparseSpGEMMDescr_t spgemmDescr, size_t *bufferSize1,
        void *externalBuffer1),
    (handle, opA, opB, matA, matB, matC, alg, spgemmDescr, bufferSize1, externalBuffer1))
STEP(cusparseSpGEMMreuse_nnz, 0,
    (cusparseHandle_t handle, cusparseOperation_t opA, cusparseOperation_t opB,
        cusparseConstSpMatDescr_t matA, cusparseConstSpMatDescr_t matB, cusparseSpMatDescr_t matC,
        cusparseSpGEMMAlg_t alg, cusparseSpGEMMDescr_t spgemmDescr, size_t *bufferSize2,
        void *externalBuffer2, size_t *bufferSize3, void *externalBuffer3, size_t *bufferSize4,
        void *externalBuffer4),
    (handle, opA, opB, matA, matB, matC, alg, spgemmDescr, bufferSize2, externalBuffer2,
        bufferSize3, externalBuffer3, bufferSize4, externalBuffer4))
STEP(cusparseSpGEMMreuse_copy, 0,
    (cusparseHandle_t handle, cusparseOperation_t opA, cusparseOperation_t opB,
        cusparseConstSpMatDescr_t matA, cusparseConstSpMatDescr_t matB, cusparseSpMatDescr_t matC,
        cusparseSpGEMMAlg_t alg, cusparseSpGEMMDescr_t spgemmDescr, size_t *bufferSize5,
        void *externalBuffer5),
    (handle, opA, opB, matA, matB, matC, alg, spgemmDescr, bufferSize5, externalBuffer5))
STEP(cusparseSpGEMMreuse_compute, 1,
    (cusparseHandle_t handle, cusparseOperation_t opA, cusparseOperation_t opB, const void *alpha,
        cusparseConstSpMatDescr_t matA, cusparseConstSpMatDescr_t matB, const void *beta,
        cusparseSpMatDescr_t matC, cudaDataType computeType, cusparseSpGEMMAlg_t alg,
        cusparseSpGEMMDescr_t spgemmDescr),
    (handle, opA, opB, alpha, matA, matB, beta, matC, computeType, alg, spgemmDescr))
