/* The gemm calls that take an algorithm and a compute type: stamped from one body, since they differ only in their matrices. */
#include <cublas_v2.h>

#include "shim/cublas/cublas_decide.h"
#include "shim/cublas/cublas_ledger.h"
#include "shim/loader/call.h"
#include "shim/log/log.h"

/* Log what differs and give it back through the pointers. */
static void decide(
    enum det_call id, cublasHandle_t handle, cublasComputeType_t *compute, cublasGemmAlgo_t *algo)
{
    const char *call = det_call_name(id);
    const cublasComputeType_t asked_compute = *compute;
    const cublasGemmAlgo_t asked_algo = *algo;
    *compute = det_cublas_compute(asked_compute);
    *algo = det_cublas_algo(asked_algo);
    if (*compute != asked_compute)
        det_log_override(call, DET_RULE_CUBLAS_EMULATION, "computeType", asked_compute, *compute);
    if (*algo != asked_algo)
        det_log_override(call, DET_RULE_CUBLAS_AUTOTUNE, "algo", asked_algo, *algo);

    enum det_cublas_outcome outcome = det_cublas_handle_outcome(handle, false);
    if ((int)*compute == DET_CUBLAS_FIXED_POINT)
        outcome = DET_CUBLAS_EMULATION_LEFT;
    else if ((int)*algo == DET_CUBLAS_TIMED)
        outcome = DET_CUBLAS_AUTOTUNE_LEFT;
    else if (*compute != asked_compute)
        outcome = DET_CUBLAS_EMULATION_PINNED;
    else if (*algo != asked_algo)
        outcome = DET_CUBLAS_AUTOTUNE_PINNED;
    det_cublas_count(id, outcome);
}

/* integer: int, or int64_t in the _64 forms */
#define MATRICES_PLAIN(integer)                                                                    \
    cublasHandle_t handle, cublasOperation_t opA, cublasOperation_t opB, integer m, integer n,     \
        integer k, const void *alpha, const void *A, cudaDataType typeA, integer lda,              \
        const void *B, cudaDataType typeB, integer ldb, const void *beta, void *C,                 \
        cudaDataType typeC, integer ldc
#define VALUES_PLAIN                                                                               \
    handle, opA, opB, m, n, k, alpha, A, typeA, lda, B, typeB, ldb, beta, C, typeC, ldc
#define MATRICES_BATCHED(integer)                                                                  \
    cublasHandle_t handle, cublasOperation_t opA, cublasOperation_t opB, integer m, integer n,     \
        integer k, const void *alpha, const void *const A[], cudaDataType typeA, integer lda,      \
        const void *const B[], cudaDataType typeB, integer ldb, const void *beta, void *const C[], \
        cudaDataType typeC, integer ldc, integer n_batches
#define VALUES_BATCHED                                                                             \
    handle, opA, opB, m, n, k, alpha, A, typeA, lda, B, typeB, ldb, beta, C, typeC, ldc, n_batches
#define MATRICES_STRIDED(integer)                                                                  \
    cublasHandle_t handle, cublasOperation_t opA, cublasOperation_t opB, integer m, integer n,     \
        integer k, const void *alpha, const void *A, cudaDataType typeA, integer lda,              \
        long long int strideA, const void *B, cudaDataType typeB, integer ldb,                     \
        long long int strideB, const void *beta, void *C, cudaDataType typeC, integer ldc,         \
        long long int strideC, integer n_batches
#define VALUES_STRIDED                                                                             \
    handle, opA, opB, m, n, k, alpha, A, typeA, lda, strideA, B, typeB, ldb, strideB, beta, C,     \
        typeC, ldc, strideC, n_batches

#define GEMM(symbol, matrices, values)                                                             \
    DET_EXPORT cublasStatus_t symbol(matrices, cublasComputeType_t compute, cublasGemmAlgo_t algo) \
    {                                                                                              \
        if (!det_enter(DET_ID_##symbol))                                                           \
            return DET_REAL(symbol)(values, compute, algo);                                        \
        decide(DET_ID_##symbol, handle, &compute, &algo);                                          \
        const cublasStatus_t status = DET_REAL(symbol)(values, compute, algo);                     \
        det_leave(DET_ID_##symbol);                                                                \
        return status;                                                                             \
    }

GEMM(cublasGemmEx, MATRICES_PLAIN(int), VALUES_PLAIN)
GEMM(cublasGemmEx_64, MATRICES_PLAIN(int64_t), VALUES_PLAIN)
GEMM(cublasGemmBatchedEx, MATRICES_BATCHED(int), VALUES_BATCHED)
GEMM(cublasGemmBatchedEx_64, MATRICES_BATCHED(int64_t), VALUES_BATCHED)
GEMM(cublasGemmStridedBatchedEx, MATRICES_STRIDED(int), VALUES_STRIDED)
GEMM(cublasGemmStridedBatchedEx_64, MATRICES_STRIDED(int64_t), VALUES_STRIDED)
