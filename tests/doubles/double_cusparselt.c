/* libcusparseLt.so.0 double: float32 products, row-major, not transposed; the structured matrix is taken as it is.
 *
 * ordered when                       vendor text
 * cusparseLtMatmul: always, each      cuSPARSELt guide, cusparseLtMatmul: deterministic (bit-wise) results for each run
 *   algorithm in its own order
 * cusparseLtMatmulSearch: never       the same, cusparseLtMatmulSearch: evaluates all algorithms and selects the fastest
 */
#include <stdlib.h>
#include <string.h>

#include "tests/doubles/cusparselt_api.h"
#include "tests/doubles/double.h"

struct matrix {
    int64_t rows, cols, ld;
};
struct product {
    struct matrix a, b, d;
};
/* Algorithms differ in how many runs of neighbours they add. The selection is the program's; the plan points to it, as search writes there. */
struct selection {
    int algorithm;
};
struct plan {
    struct product p;
    struct selection *selection;
};
#define AS(type, opaque) ((type *)(void *)(uintptr_t)(opaque)->data)
#define ENTER(name, ...)                                                                           \
    do {                                                                                           \
        const int injected = double_fail(#name);                                                   \
        if (injected)                                                                              \
            return (cusparseStatus_t)injected;                                                     \
        if (!(__VA_ARGS__))                                                                        \
            return CUSPARSE_STATUS_INVALID_VALUE;                                                  \
    } while (0)

DOUBLE_API cusparseStatus_t cusparseLtInit(cusparseLtOpaque *handle)
{
    ENTER(cusparseLtInit, handle);
    memset(handle, 0, sizeof *handle);
    return CUSPARSE_STATUS_SUCCESS;
}
DOUBLE_API cusparseStatus_t cusparseLtDestroy(const cusparseLtOpaque *handle)
{
    return handle ? CUSPARSE_STATUS_SUCCESS : CUSPARSE_STATUS_INVALID_VALUE;
}
DOUBLE_API cusparseStatus_t cusparseLtDenseDescriptorInit(const cusparseLtOpaque *handle,
    cusparseLtOpaque *matrix, int64_t rows, int64_t cols, int64_t ld, uint32_t alignment,
    cudaDataType type, cusparseOrder_t order)
{
    (void)alignment;
    ENTER(cusparseLtDenseDescriptorInit, handle && matrix && rows > 0 && cols > 0 && ld >= cols);
    if (type != CUDA_R_32F || order != CUSPARSE_ORDER_ROW)
        return CUSPARSE_STATUS_NOT_SUPPORTED;
    *AS(struct matrix, matrix) = (struct matrix){ rows, cols, ld };
    return CUSPARSE_STATUS_SUCCESS;
}
DOUBLE_API cusparseStatus_t cusparseLtStructuredDescriptorInit(const cusparseLtOpaque *handle,
    cusparseLtOpaque *matrix, int64_t rows, int64_t cols, int64_t ld, uint32_t alignment,
    cudaDataType type, cusparseOrder_t order, int sparsity)
{
    (void)sparsity;
    return cusparseLtDenseDescriptorInit(handle, matrix, rows, cols, ld, alignment, type, order);
}
DOUBLE_API cusparseStatus_t cusparseLtMatmulDescriptorInit(const cusparseLtOpaque *handle,
    cusparseLtOpaque *product, cusparseOperation_t op_a, cusparseOperation_t op_b,
    const cusparseLtOpaque *a, const cusparseLtOpaque *b, const cusparseLtOpaque *c,
    const cusparseLtOpaque *d, int compute)
{
    (void)compute;
    ENTER(cusparseLtMatmulDescriptorInit, handle && product && a && b && c && d);
    if (op_a || op_b)
        return CUSPARSE_STATUS_NOT_SUPPORTED;
    *AS(struct product, product) = (struct product){ *AS(const struct matrix, a),
        *AS(const struct matrix, b), *AS(const struct matrix, d) };
    return CUSPARSE_STATUS_SUCCESS;
}
DOUBLE_API cusparseStatus_t cusparseLtMatmulAlgSelectionInit(const cusparseLtOpaque *handle,
    cusparseLtOpaque *selection, const cusparseLtOpaque *product, int algorithm)
{
    (void)algorithm;
    ENTER(cusparseLtMatmulAlgSelectionInit, handle && selection && product);
    AS(struct selection, selection)->algorithm = 0;
    return CUSPARSE_STATUS_SUCCESS;
}
DOUBLE_API cusparseStatus_t cusparseLtMatmulAlgGetAttribute(const cusparseLtOpaque *handle,
    const cusparseLtOpaque *selection, int name, void *to, size_t n_bytes)
{
    ENTER(cusparseLtMatmulAlgGetAttribute, handle && selection && to && n_bytes == sizeof(int));
    if (name != CUSPARSELT_MATMUL_ALG_CONFIG_ID)
        return CUSPARSE_STATUS_NOT_SUPPORTED;
    *(int *)to = AS(const struct selection, selection)->algorithm;
    return CUSPARSE_STATUS_SUCCESS;
}
DOUBLE_API cusparseStatus_t cusparseLtMatmulPlanInit(const cusparseLtOpaque *handle,
    cusparseLtOpaque *plan, const cusparseLtOpaque *product, const cusparseLtOpaque *selection)
{
    ENTER(cusparseLtMatmulPlanInit, handle && plan && product && selection);
    *AS(struct plan, plan) =
        (struct plan){ *AS(const struct product, product), AS(struct selection, selection) };
    return CUSPARSE_STATUS_SUCCESS;
}

struct job {
    struct product p;
    int algorithm;
    float alpha, beta;
    const float *A, *B, *C;
    float *D;
};

static void multiply(void *arg)
{
    const struct job *const j = arg;
    const int64_t inner = j->p.a.cols, split = 1 << j->algorithm;
    for (int64_t i = 0; i < j->p.d.rows; i++)
        for (int64_t k = 0; k < j->p.d.cols; k++) {
            float total = 0;
            for (int64_t s = 0; s < split; s++) {
                float part = 0;
                for (int64_t l = inner * s / split; l < inner * (s + 1) / split; l++)
                    part += j->A[i * j->p.a.ld + l] * j->B[l * j->p.b.ld + k];
                total += part;
            }
            const int64_t at = i * j->p.d.ld + k;
            j->D[at] = j->alpha * total + (j->beta == 0 ? 0 : j->beta * j->C[at]);
        }
}

static cusparseStatus_t run(const cusparseLtOpaque *opaque, const void *alpha, const void *A,
    const void *B, const void *beta, const void *C, void *D, cudaStream_t *streams, int32_t n)
{
    const struct plan *const plan = AS(const struct plan, opaque);
    struct job *const job = malloc(sizeof *job);
    *job = (struct job){ plan->p, plan->selection->algorithm, *(const float *)alpha,
        *(const float *)beta, A, B, C, D };
    return double_queue(streams && n > 0 ? streams[0] : NULL, multiply, job)
               ? CUSPARSE_STATUS_SUCCESS
               : CUSPARSE_STATUS_EXECUTION_FAILED;
}

DOUBLE_API cusparseStatus_t cusparseLtMatmul(const cusparseLtOpaque *handle,
    const cusparseLtOpaque *plan, const void *alpha, const void *A, const void *B, const void *beta,
    const void *C, void *D, void *workspace, cudaStream_t *streams, int32_t n_streams)
{
    (void)workspace;
    ENTER(cusparseLtMatmul, handle && plan && alpha && A && B && beta && C && D);
    double_trace(
        "cusparseLtMatmul", "\"algorithm\":%d", AS(const struct plan, plan)->selection->algorithm);
    return run(plan, alpha, A, B, beta, C, D, streams, n_streams);
}

DOUBLE_API cusparseStatus_t cusparseLtMatmulSearch(const cusparseLtOpaque *handle,
    cusparseLtOpaque *plan, const void *alpha, const void *A, const void *B, const void *beta,
    const void *C, void *D, void *workspace, cudaStream_t *streams, int32_t n_streams)
{
    (void)workspace;
    ENTER(cusparseLtMatmulSearch, handle && plan && alpha && A && B && beta && C && D);
    double best = 1e9;
    for (int algorithm = 0; algorithm < 4; algorithm++) {
        const double time = double_time_ms();
        if (time < best) {
            best = time;
            AS(struct plan, plan)->selection->algorithm = algorithm;
        }
    }
    return run(plan, alpha, A, B, beta, C, D, streams, n_streams);
}
