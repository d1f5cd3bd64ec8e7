/* Matrix products of the cuBLAS double: float and double, host scalars, any transposition, strides and pointer arrays. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/doubles/cublas.h"

struct gemm {
    struct double_sum_order order;
    bool ta, tb, f64, arrays;
    int64_t m, n, k, lda, ldb, ldc, sa, sb, sc, batch;
    double alpha, beta;
    const void *A, *B;
    void *C;
};

#define PRODUCT(name, type)                                                                        \
    static void name(const struct gemm *g, const type *A, const type *B, type *C)                  \
    {                                                                                              \
        for (int64_t j = 0; j < g->n; j++)                                                         \
            for (int64_t i = 0; i < g->m; i++) {                                                   \
                type total = 0;                                                                    \
                for (int s = 0; s < g->order.split; s++) {                                         \
                    type part = 0;                                                                 \
                    const int64_t from = g->k * s / g->order.split,                                \
                                  to = g->k * (s + 1) / g->order.split;                            \
                    for (int64_t l = from; l < to; l++) {                                          \
                        const type a = g->ta ? A[l + i * g->lda] : A[i + l * g->lda];              \
                        const type b = g->tb ? B[j + l * g->ldb] : B[l + j * g->ldb];              \
                        part += g->order.emulated ? (type)(float)(a * b) : a * b;                  \
                    }                                                                              \
                    total += part;                                                                 \
                }                                                                                  \
                type *c = &C[i + j * g->ldc];                                                      \
                *c = (type)g->alpha * total + (g->beta == 0 ? 0 : (type)g->beta * *c);             \
            }                                                                                      \
    }
PRODUCT(product_f32, float)
PRODUCT(product_f64, double)

static void run(void *arg)
{
    const struct gemm *g = arg;
    const size_t bytes = g->f64 ? 8 : 4;
    for (int64_t b = 0; b < g->batch; b++) {
        const void *A = g->arrays ? ((const void *const *)g->A)[b]
                                  : (const char *)g->A + (size_t)(b * g->sa) * bytes;
        const void *B = g->arrays ? ((const void *const *)g->B)[b]
                                  : (const char *)g->B + (size_t)(b * g->sb) * bytes;
        void *C = g->arrays ? ((void *const *)g->C)[b] : (char *)g->C + (size_t)(b * g->sc) * bytes;
        if (g->f64)
            product_f64(g, A, B, C);
        else
            product_f32(g, A, B, C);
    }
}

static cublasStatus_t gemm(const char *call, cublasHandle_t handle, cublasOperation_t opA,
    cublasOperation_t opB, struct gemm g, const void *alpha, const void *beta, int types,
    int compute, int algo)
{
    const cublasStatus_t checked = double_cublas_check(call, handle);
    if (checked)
        return checked;
    double_trace(call, "\"m\":%ld,\"n\":%ld,\"k\":%ld,\"compute\":%d,\"algo\":%d", (long)g.m,
        (long)g.n, (long)g.k, compute, algo);
    if (!alpha || !beta || g.m < 0 || g.n < 0 || g.k < 0)
        return CUBLAS_STATUS_INVALID_VALUE;
    if ((types != CUDA_R_32F && types != CUDA_R_64F) ||
        handle->pointers != CUBLAS_POINTER_MODE_HOST)
        return CUBLAS_STATUS_NOT_SUPPORTED;
    g.f64 = types == CUDA_R_64F;
    g.ta = opA != CUBLAS_OP_N;
    g.tb = opB != CUBLAS_OP_N;
    g.alpha = g.f64 ? *(const double *)alpha : *(const float *)alpha;
    g.beta = g.f64 ? *(const double *)beta : *(const float *)beta;
    g.order = double_cublas_order(handle, compute, algo, g.f64);
    struct gemm *copy = malloc(sizeof *copy);
    *copy = g;
    return double_queue(handle->stream, run, copy) ? CUBLAS_STATUS_SUCCESS
                                                   : CUBLAS_STATUS_EXECUTION_FAILED;
}

#define ONE_TYPE(a, b, c) ((a) == (b) && (b) == (c) ? (int)(a) : -1)
#define EX(name, integer)                                                                          \
    DOUBLE_API cublasStatus_t name(cublasHandle_t handle, cublasOperation_t opA,                   \
        cublasOperation_t opB, integer m, integer n, integer k, const void *alpha, const void *A,  \
        cudaDataType ta, integer lda, const void *B, cudaDataType tb, integer ldb,                 \
        const void *beta, void *C, cudaDataType tc, integer ldc, cublasComputeType_t compute,      \
        cublasGemmAlgo_t algo)                                                                     \
    {                                                                                              \
        const struct gemm g = { .m = m,                                                            \
            .n = n,                                                                                \
            .k = k,                                                                                \
            .lda = lda,                                                                            \
            .ldb = ldb,                                                                            \
            .ldc = ldc,                                                                            \
            .batch = 1,                                                                            \
            .A = A,                                                                                \
            .B = B,                                                                                \
            .C = C };                                                                              \
        return gemm(#name, handle, opA, opB, g, alpha, beta, ONE_TYPE(ta, tb, tc), compute, algo); \
    }
EX(cublasGemmEx, int)
EX(cublasGemmEx_64, int64_t)

#define BATCHED(name, integer)                                                                     \
    DOUBLE_API cublasStatus_t name(cublasHandle_t handle, cublasOperation_t opA,                   \
        cublasOperation_t opB, integer m, integer n, integer k, const void *alpha,                 \
        const void *const A[], cudaDataType ta, integer lda, const void *const B[],                \
        cudaDataType tb, integer ldb, const void *beta, void *const C[], cudaDataType tc,          \
        integer ldc, integer batch, cublasComputeType_t compute, cublasGemmAlgo_t algo)            \
    {                                                                                              \
        const struct gemm g = { .m = m,                                                            \
            .n = n,                                                                                \
            .k = k,                                                                                \
            .lda = lda,                                                                            \
            .ldb = ldb,                                                                            \
            .ldc = ldc,                                                                            \
            .batch = batch,                                                                        \
            .arrays = true,                                                                        \
            .A = A,                                                                                \
            .B = B,                                                                                \
            .C = (void *)C };                                                                      \
        return gemm(#name, handle, opA, opB, g, alpha, beta, ONE_TYPE(ta, tb, tc), compute, algo); \
    }
BATCHED(cublasGemmBatchedEx, int)
BATCHED(cublasGemmBatchedEx_64, int64_t)

#define STRIDED(name, integer)                                                                     \
    DOUBLE_API cublasStatus_t name(cublasHandle_t handle, cublasOperation_t opA,                   \
        cublasOperation_t opB, integer m, integer n, integer k, const void *alpha, const void *A,  \
        cudaDataType ta, integer lda, long long int sa, const void *B, cudaDataType tb,            \
        integer ldb, long long int sb, const void *beta, void *C, cudaDataType tc, integer ldc,    \
        long long int sc, integer batch, cublasComputeType_t compute, cublasGemmAlgo_t algo)       \
    {                                                                                              \
        const struct gemm g = { .m = m,                                                            \
            .n = n,                                                                                \
            .k = k,                                                                                \
            .lda = lda,                                                                            \
            .ldb = ldb,                                                                            \
            .ldc = ldc,                                                                            \
            .sa = sa,                                                                              \
            .sb = sb,                                                                              \
            .sc = sc,                                                                              \
            .batch = batch,                                                                        \
            .A = A,                                                                                \
            .B = B,                                                                                \
            .C = C };                                                                              \
        return gemm(#name, handle, opA, opB, g, alpha, beta, ONE_TYPE(ta, tb, tc), compute, algo); \
    }
STRIDED(cublasGemmStridedBatchedEx, int)
STRIDED(cublasGemmStridedBatchedEx_64, int64_t)

#define PLAIN(name, type, data, compute, integer)                                                  \
    DOUBLE_API cublasStatus_t name(cublasHandle_t handle, cublasOperation_t opA,                   \
        cublasOperation_t opB, integer m, integer n, integer k, const type *alpha, const type *A,  \
        integer lda, const type *B, integer ldb, const type *beta, type *C, integer ldc)           \
    {                                                                                              \
        const struct gemm g = { .m = m,                                                            \
            .n = n,                                                                                \
            .k = k,                                                                                \
            .lda = lda,                                                                            \
            .ldb = ldb,                                                                            \
            .ldc = ldc,                                                                            \
            .batch = 1,                                                                            \
            .A = A,                                                                                \
            .B = B,                                                                                \
            .C = C };                                                                              \
        return gemm(#name, handle, opA, opB, g, alpha, beta, data, compute, -1);                   \
    }
PLAIN(cublasSgemm_v2, float, CUDA_R_32F, CUBLAS_COMPUTE_32F, int)
PLAIN(cublasSgemm_v2_64, float, CUDA_R_32F, CUBLAS_COMPUTE_32F, int64_t)
PLAIN(cublasDgemm_v2, double, CUDA_R_64F, CUBLAS_COMPUTE_64F, int)
PLAIN(cublasDgemm_v2_64, double, CUDA_R_64F, CUBLAS_COMPUTE_64F, int64_t)

#define STRIDED_PLAIN(name, type, data, compute)                                                   \
    DOUBLE_API cublasStatus_t name(cublasHandle_t handle, cublasOperation_t opA,                   \
        cublasOperation_t opB, int m, int n, int k, const type *alpha, const type *A, int lda,     \
        long long int sa, const type *B, int ldb, long long int sb, const type *beta, type *C,     \
        int ldc, long long int sc, int batch)                                                      \
    {                                                                                              \
        const struct gemm g = { .m = m,                                                            \
            .n = n,                                                                                \
            .k = k,                                                                                \
            .lda = lda,                                                                            \
            .ldb = ldb,                                                                            \
            .ldc = ldc,                                                                            \
            .sa = sa,                                                                              \
            .sb = sb,                                                                              \
            .sc = sc,                                                                              \
            .batch = batch,                                                                        \
            .A = A,                                                                                \
            .B = B,                                                                                \
            .C = C };                                                                              \
        return gemm(#name, handle, opA, opB, g, alpha, beta, data, compute, -1);                   \
    }
STRIDED_PLAIN(cublasSgemmStridedBatched, float, CUDA_R_32F, CUBLAS_COMPUTE_32F)
STRIDED_PLAIN(cublasDgemmStridedBatched, double, CUDA_R_64F, CUBLAS_COMPUTE_64F)

/* A matrix times a vector is a product with one column. */
#define GEMV(name, type, data, compute)                                                            \
    DOUBLE_API cublasStatus_t name(cublasHandle_t handle, cublasOperation_t op, int m, int n,      \
        const type *alpha, const type *A, int lda, const type *x, int incx, const type *beta,      \
        type *y, int incy)                                                                         \
    {                                                                                              \
        if (incx != 1 || incy != 1)                                                                \
            return CUBLAS_STATUS_NOT_SUPPORTED;                                                    \
        const int rows = op == CUBLAS_OP_N ? m : n, inner = op == CUBLAS_OP_N ? n : m;             \
        const struct gemm g = { .m = rows,                                                         \
            .n = 1,                                                                                \
            .k = inner,                                                                            \
            .lda = lda,                                                                            \
            .ldb = inner,                                                                          \
            .ldc = rows,                                                                           \
            .batch = 1,                                                                            \
            .A = A,                                                                                \
            .B = x,                                                                                \
            .C = y };                                                                              \
        return gemm(#name, handle, op, CUBLAS_OP_N, g, alpha, beta, data, compute, -1);            \
    }
GEMV(cublasSgemv_v2, float, CUDA_R_32F, CUBLAS_COMPUTE_32F)
GEMV(cublasDgemv_v2, double, CUDA_R_64F, CUBLAS_COMPUTE_64F)
