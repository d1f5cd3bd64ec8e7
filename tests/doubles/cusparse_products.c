/* Sparse times sparse, in its two forms, and the dot product of a sparse vector. cusparse.h names the algorithms: one is called
 * nondeterministic, one deterministic; DEFAULT and ALG1 are documented as repeatable; ALG2 and ALG3 are not documented, so their sums
 * run in random order here. A product insists on one algorithm in all its steps. SpVV has no document: random order. */
#include "tests/doubles/cusparse_double.h"

struct cusparseSpVecDescr {
    int64_t n, nnz;
    const int *indices;
    const float *values;
};
struct cusparseSpGEMMDescr {
    int alg; /* 1 + value; 0 none yet */
    int64_t nnz;
    int *offsets, *columns;
    float *values;
};

static bool ordered(int alg)
{
    return alg == CUSPARSE_SPGEMM_DEFAULT || alg == CUSPARSE_SPGEMM_CSR_ALG_DETERMINITIC ||
           alg == CUSPARSE_SPGEMM_ALG1;
}

static bool same_algorithm(struct cusparseSpGEMMDescr *d, int alg)
{
    if (!d->alg)
        d->alg = 1 + alg;
    return d->alg == 1 + alg;
}

static cusparseStatus_t check(struct cusparseContext *handle, const struct cusparseSpMatDescr *a,
    const struct cusparseSpMatDescr *b, const struct cusparseSpMatDescr *c,
    struct cusparseSpGEMMDescr *d, cusparseOperation_t op_a, cusparseOperation_t op_b, int alg)
{
    NEED(handle && a && b && c && d && a->cols == b->rows && c->rows == a->rows);
    NEED(same_algorithm(d, alg));
    if (op_a || op_b || a->format != CUSPARSE_FORMAT_CSR || b->format != CUSPARSE_FORMAT_CSR)
        return CUSPARSE_STATUS_NOT_SUPPORTED;
    return CUSPARSE_STATUS_SUCCESS;
}
#define CHECK(name)                                                                                \
    do {                                                                                           \
        ENTER(name);                                                                               \
        const cusparseStatus_t checked_ = check(handle, a, b, c, d, op_a, op_b, (int)alg);         \
        if (checked_)                                                                              \
            return checked_;                                                                       \
        double_prepares(handle->stream);                                                           \
    } while (0)

/* One row of the product: the terms of each column, in the order of A's row, added up. */
static void multiply(const struct cusparseSpMatDescr *a, const struct cusparseSpMatDescr *b,
    struct cusparseSpGEMMDescr *d, float alpha, bool in_order)
{
    const int64_t most = a->nnz * (b->nnz + 1) + 1;
    free(d->offsets), free(d->columns), free(d->values);
    d->offsets = calloc((size_t)a->rows + 1, sizeof(int));
    d->columns = malloc((size_t)most * sizeof(int)),
    d->values = malloc((size_t)most * sizeof(float));
    float *terms = malloc(((size_t)a->nnz * 64 + 1) * sizeof(float));
    d->nnz = 0;
    for (int64_t row = 0; row < a->rows; row++) {
        for (int64_t column = 0; column < b->cols; column++) {
            size_t n = 0;
            for (int i = a->offsets[row]; i < a->offsets[row + 1]; i++)
                for (int j = b->offsets[a->columns[i]]; j < b->offsets[a->columns[i] + 1]; j++)
                    if (b->columns[j] == column && n < (size_t)a->nnz * 64)
                        terms[n++] = a->values[i] * b->values[j];
            if (!n)
                continue;
            d->columns[d->nnz] = (int)column;
            d->values[d->nnz++] = alpha * double_sum_f32(terms, n, in_order);
        }
        d->offsets[row + 1] = (int)d->nnz;
    }
    free(terms);
}

DOUBLE_API cusparseStatus_t cusparseSpGEMM_createDescr(cusparseSpGEMMDescr_t *d)
{
    NEED(d);
    *d = calloc(1, sizeof **d);
    return CUSPARSE_STATUS_SUCCESS;
}
DOUBLE_API cusparseStatus_t cusparseSpGEMM_destroyDescr(cusparseSpGEMMDescr_t d)
{
    if (d)
        free(d->offsets), free(d->columns), free(d->values);
    free(d);
    return CUSPARSE_STATUS_SUCCESS;
}
DOUBLE_API cusparseStatus_t cusparseSpMatGetSize(
    cusparseConstSpMatDescr_t m, int64_t *rows, int64_t *cols, int64_t *nnz)
{
    NEED(m && rows && cols && nnz);
    *rows = m->rows, *cols = m->cols, *nnz = m->nnz;
    return CUSPARSE_STATUS_SUCCESS;
}
DOUBLE_API cusparseStatus_t cusparseCsrSetPointers(
    cusparseSpMatDescr_t m, void *offsets, void *columns, void *values)
{
    NEED(m && m->format == CUSPARSE_FORMAT_CSR);
    m->offsets = offsets, m->columns = columns, m->values = values;
    return CUSPARSE_STATUS_SUCCESS;
}

DOUBLE_API cusparseStatus_t cusparseSpGEMM_workEstimation(cusparseHandle_t handle,
    cusparseOperation_t op_a, cusparseOperation_t op_b, const void *alpha,
    cusparseConstSpMatDescr_t a, cusparseConstSpMatDescr_t b, const void *beta,
    cusparseSpMatDescr_t c, cudaDataType type, cusparseSpGEMMAlg_t alg, cusparseSpGEMMDescr_t d,
    size_t *n_bytes, void *buffer)
{
    (void)type, (void)buffer;
    CHECK(cusparseSpGEMM_workEstimation);
    NEED(alpha && beta && n_bytes);
    *n_bytes = 256 + 16 * (size_t)alg;
    return CUSPARSE_STATUS_SUCCESS;
}
DOUBLE_API cusparseStatus_t cusparseSpGEMM_estimateMemory(cusparseHandle_t handle,
    cusparseOperation_t op_a, cusparseOperation_t op_b, const void *alpha,
    cusparseConstSpMatDescr_t a, cusparseConstSpMatDescr_t b, const void *beta,
    cusparseSpMatDescr_t c, cudaDataType type, cusparseSpGEMMAlg_t alg, cusparseSpGEMMDescr_t d,
    float fraction, size_t *bytes_3, void *buffer_3, size_t *bytes_2)
{
    (void)type, (void)buffer_3, (void)fraction;
    CHECK(cusparseSpGEMM_estimateMemory);
    NEED(alpha && beta && bytes_3 && (!buffer_3 || bytes_2));
    *bytes_3 = 128;
    if (bytes_2)
        *bytes_2 = 512;
    return CUSPARSE_STATUS_SUCCESS;
}
DOUBLE_API cusparseStatus_t cusparseSpGEMM_compute(cusparseHandle_t handle,
    cusparseOperation_t op_a, cusparseOperation_t op_b, const void *alpha,
    cusparseConstSpMatDescr_t a, cusparseConstSpMatDescr_t b, const void *beta,
    cusparseSpMatDescr_t c, cudaDataType type, cusparseSpGEMMAlg_t alg, cusparseSpGEMMDescr_t d,
    size_t *n_bytes, void *buffer)
{
    (void)type;
    CHECK(cusparseSpGEMM_compute);
    NEED(alpha && beta && n_bytes);
    *n_bytes = 512;
    if (!buffer)
        return CUSPARSE_STATUS_SUCCESS;
    multiply(a, b, d, *(const float *)alpha, ordered((int)alg));
    c->nnz = d->nnz;
    return CUSPARSE_STATUS_SUCCESS;
}

static void copy_out(struct cusparseSpMatDescr *c, const struct cusparseSpGEMMDescr *d)
{
    memcpy((void *)(uintptr_t)c->offsets, d->offsets, sizeof(int) * ((size_t)c->rows + 1));
    memcpy((void *)(uintptr_t)c->columns, d->columns, sizeof(int) * (size_t)d->nnz);
    memcpy(c->values, d->values, sizeof(float) * (size_t)d->nnz);
}

DOUBLE_API cusparseStatus_t cusparseSpGEMM_copy(cusparseHandle_t handle, cusparseOperation_t op_a,
    cusparseOperation_t op_b, const void *alpha, cusparseConstSpMatDescr_t a,
    cusparseConstSpMatDescr_t b, const void *beta, cusparseSpMatDescr_t c, cudaDataType type,
    cusparseSpGEMMAlg_t alg, cusparseSpGEMMDescr_t d)
{
    (void)type;
    CHECK(cusparseSpGEMM_copy);
    NEED(alpha && beta && d->offsets && c->offsets && c->columns && c->values);
    copy_out(c, d);
    return CUSPARSE_STATUS_SUCCESS;
}

DOUBLE_API cusparseStatus_t cusparseSpGEMMreuse_workEstimation(cusparseHandle_t handle,
    cusparseOperation_t op_a, cusparseOperation_t op_b, cusparseConstSpMatDescr_t a,
    cusparseConstSpMatDescr_t b, cusparseSpMatDescr_t c, cusparseSpGEMMAlg_t alg,
    cusparseSpGEMMDescr_t d, size_t *n_bytes, void *buffer)
{
    (void)buffer;
    CHECK(cusparseSpGEMMreuse_workEstimation);
    NEED(n_bytes);
    *n_bytes = 256;
    return CUSPARSE_STATUS_SUCCESS;
}
DOUBLE_API cusparseStatus_t cusparseSpGEMMreuse_nnz(cusparseHandle_t handle,
    cusparseOperation_t op_a, cusparseOperation_t op_b, cusparseConstSpMatDescr_t a,
    cusparseConstSpMatDescr_t b, cusparseSpMatDescr_t c, cusparseSpGEMMAlg_t alg,
    cusparseSpGEMMDescr_t d, size_t *bytes_2, void *buffer_2, size_t *bytes_3, void *buffer_3,
    size_t *bytes_4, void *buffer_4)
{
    (void)buffer_3, (void)buffer_4;
    CHECK(cusparseSpGEMMreuse_nnz);
    NEED(bytes_2 && bytes_3 && bytes_4);
    *bytes_2 = *bytes_3 = *bytes_4 = 128;
    if (buffer_2) {
        multiply(a, b, d, 1, true);
        c->nnz = d->nnz;
    }
    return CUSPARSE_STATUS_SUCCESS;
}
DOUBLE_API cusparseStatus_t cusparseSpGEMMreuse_copy(cusparseHandle_t handle,
    cusparseOperation_t op_a, cusparseOperation_t op_b, cusparseConstSpMatDescr_t a,
    cusparseConstSpMatDescr_t b, cusparseSpMatDescr_t c, cusparseSpGEMMAlg_t alg,
    cusparseSpGEMMDescr_t d, size_t *n_bytes, void *buffer)
{
    CHECK(cusparseSpGEMMreuse_copy);
    NEED(n_bytes);
    *n_bytes = 128;
    if (buffer) {
        NEED(d->offsets && c->offsets);
        copy_out(c, d);
    }
    return CUSPARSE_STATUS_SUCCESS;
}
DOUBLE_API cusparseStatus_t cusparseSpGEMMreuse_compute(cusparseHandle_t handle,
    cusparseOperation_t op_a, cusparseOperation_t op_b, const void *alpha,
    cusparseConstSpMatDescr_t a, cusparseConstSpMatDescr_t b, const void *beta,
    cusparseSpMatDescr_t c, cudaDataType type, cusparseSpGEMMAlg_t alg, cusparseSpGEMMDescr_t d)
{
    (void)type;
    CHECK(cusparseSpGEMMreuse_compute);
    NEED(alpha && beta && c->values);
    multiply(a, b, d, *(const float *)alpha, ordered((int)alg));
    memcpy(c->values, d->values, sizeof(float) * (size_t)d->nnz);
    return CUSPARSE_STATUS_SUCCESS;
}

DOUBLE_API cusparseStatus_t cusparseCreateSpVec(cusparseSpVecDescr_t *to, int64_t n, int64_t nnz,
    void *indices, void *values, cusparseIndexType_t index_type, cusparseIndexBase_t base,
    cudaDataType type)
{
    NEED(to && index_type == CUSPARSE_INDEX_32I && !base && type == CUDA_R_32F);
    *to = malloc(sizeof **to);
    **to = (struct cusparseSpVecDescr){ n, nnz, indices, values };
    return CUSPARSE_STATUS_SUCCESS;
}
DOUBLE_API cusparseStatus_t cusparseSpVV_bufferSize(cusparseHandle_t handle, cusparseOperation_t op,
    cusparseConstSpVecDescr_t x, cusparseConstDnVecDescr_t y, const void *result, cudaDataType type,
    size_t *n_bytes)
{
    (void)op, (void)type;
    NEED(handle && x && y && result && n_bytes);
    *n_bytes = 64;
    return CUSPARSE_STATUS_SUCCESS;
}
DOUBLE_API cusparseStatus_t cusparseSpVV(cusparseHandle_t handle, cusparseOperation_t op,
    cusparseConstSpVecDescr_t x, cusparseConstDnVecDescr_t y, void *result, cudaDataType type,
    void *buffer)
{
    (void)op, (void)type, (void)buffer;
    ENTER(cusparseSpVV);
    NEED(handle && x && y && result);
    if (getenv("DOUBLES_KERNELS") && !double_launch(handle->stream))
        return CUSPARSE_STATUS_EXECUTION_FAILED;
    float *terms = malloc(sizeof(float) * (size_t)(x->nnz + 1));
    for (int64_t i = 0; i < x->nnz; i++)
        terms[i] = x->values[i] * y->at[x->indices[i]];
    *(float *)result = double_sum_f32(terms, (size_t)x->nnz, false);
    free(terms);
    return CUSPARSE_STATUS_SUCCESS;
}
