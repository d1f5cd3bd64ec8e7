/* The cuSPARSE double: float32 CSR (also as COO and CSC), 32-bit indices, base 0. Sums run in random order unless vendor text says otherwise:
 * - SpMV CSR_ALG2 and COO_ALG2, not transposed: cuSPARSE guide, cusparseSpMV, "provides deterministic (bit-wise) results for each run";
 * - SpMM COO_ALG2: the same words in cusparseSpMM. CSR_ALG3 is NOT ordered in 12.6.3 and older, the version this double reports by default
 *   (CUDA 13.0 release notes, known issues); DOUBLES_CUSPARSE_VERSION sets another;
 * - SpGEMM DEFAULT, CSR_ALG_DETERMINITIC and ALG1 (cusparse_products.c).
 * DOUBLES_FAIL on a size getter makes an algorithm unsupported. See README.md. */
#include "tests/doubles/cusparse_double.h"

DOUBLE_API cusparseStatus_t cusparseCreate(cusparseHandle_t *handle)
{
    ENTER(cusparseCreate);
    NEED(handle);
    *handle = calloc(1, sizeof **handle);
    if (*handle)
        (*handle)->owner = &double_here;
    return *handle ? CUSPARSE_STATUS_SUCCESS : CUSPARSE_STATUS_ALLOC_FAILED;
}
DOUBLE_API cusparseStatus_t cusparseDestroy(cusparseHandle_t handle)
{
    free(handle);
    return CUSPARSE_STATUS_SUCCESS;
}
DOUBLE_API cusparseStatus_t cusparseGetVersion(cusparseHandle_t handle, int *version)
{
    NEED(handle && version);
    const char *text = getenv("DOUBLES_CUSPARSE_VERSION");
    *version = text ? atoi(text) : 12603;
    return CUSPARSE_STATUS_SUCCESS;
}
DOUBLE_API cusparseStatus_t cusparseSetStream(cusparseHandle_t handle, cudaStream_t stream)
{
    NEED(handle);
    handle->stream = stream;
    return CUSPARSE_STATUS_SUCCESS;
}
DOUBLE_API cusparseStatus_t cusparseGetStream(cusparseHandle_t handle, cudaStream_t *stream)
{
    NEED(handle && handle->owner == &double_here && stream);
    *stream = handle->stream;
    return CUSPARSE_STATUS_SUCCESS;
}
DOUBLE_API cusparseStatus_t cusparseGetPointerMode(
    cusparseHandle_t handle, cusparsePointerMode_t *mode)
{
    NEED(handle && handle->owner == &double_here && mode);
    *mode = handle->mode;
    return CUSPARSE_STATUS_SUCCESS;
}

static cusparseStatus_t make(cusparseSpMatDescr_t *to, cusparseFormat_t format, int64_t rows,
    int64_t cols, int64_t nnz, void *offsets, void *columns, void *values)
{
    NEED(to && rows >= 0 && cols >= 0 && nnz >= 0);
    *to = malloc(sizeof **to);
    **to = (struct cusparseSpMatDescr){ &double_here, format, rows, cols, nnz, offsets, columns,
        values };
    return CUSPARSE_STATUS_SUCCESS;
}
DOUBLE_API cusparseStatus_t cusparseCreateCsr(cusparseSpMatDescr_t *to, int64_t rows, int64_t cols,
    int64_t nnz, void *offsets, void *columns, void *values, cusparseIndexType_t offset_type,
    cusparseIndexType_t column_type, cusparseIndexBase_t base, cudaDataType type)
{
    if (offset_type != CUSPARSE_INDEX_32I || column_type != CUSPARSE_INDEX_32I || base ||
        type != CUDA_R_32F)
        return CUSPARSE_STATUS_NOT_SUPPORTED;
    return make(to, CUSPARSE_FORMAT_CSR, rows, cols, nnz, offsets, columns, values);
}
DOUBLE_API cusparseStatus_t cusparseCreateCoo(cusparseSpMatDescr_t *to, int64_t rows, int64_t cols,
    int64_t nnz, void *row_indices, void *columns, void *values, cusparseIndexType_t index_type,
    cusparseIndexBase_t base, cudaDataType type)
{
    if (index_type != CUSPARSE_INDEX_32I || base || type != CUDA_R_32F)
        return CUSPARSE_STATUS_NOT_SUPPORTED;
    return make(to, CUSPARSE_FORMAT_COO, rows, cols, nnz, row_indices, columns, values);
}
DOUBLE_API cusparseStatus_t cusparseCreateCsc(cusparseSpMatDescr_t *to, int64_t rows, int64_t cols,
    int64_t nnz, void *offsets, void *row_indices, void *values, cusparseIndexType_t offset_type,
    cusparseIndexType_t row_type, cusparseIndexBase_t base, cudaDataType type)
{
    if (offset_type != CUSPARSE_INDEX_32I || row_type != CUSPARSE_INDEX_32I || base ||
        type != CUDA_R_32F)
        return CUSPARSE_STATUS_NOT_SUPPORTED;
    return make(to, CUSPARSE_FORMAT_CSC, rows, cols, nnz, offsets, row_indices, values);
}
DOUBLE_API cusparseStatus_t cusparseDestroySpMat(cusparseConstSpMatDescr_t matrix)
{
    free((void *)(uintptr_t)matrix);
    return CUSPARSE_STATUS_SUCCESS;
}
DOUBLE_API cusparseStatus_t cusparseSpMatGetFormat(
    cusparseConstSpMatDescr_t matrix, cusparseFormat_t *format)
{
    NEED(matrix && matrix->owner == &double_here && format);
    *format = matrix->format;
    return CUSPARSE_STATUS_SUCCESS;
}
DOUBLE_API cusparseStatus_t cusparseConstCsrGet(cusparseConstSpMatDescr_t m, int64_t *rows,
    int64_t *cols, int64_t *nnz, const void **offsets, const void **columns, const void **values,
    cusparseIndexType_t *offset_type, cusparseIndexType_t *column_type, cusparseIndexBase_t *base,
    cudaDataType *type)
{
    NEED(m && m->owner == &double_here && m->format == CUSPARSE_FORMAT_CSR);
    *rows = m->rows, *cols = m->cols, *nnz = m->nnz, *offsets = m->offsets, *columns = m->columns;
    *values = m->values, *offset_type = *column_type = CUSPARSE_INDEX_32I, *base = 0,
    *type = CUDA_R_32F;
    return CUSPARSE_STATUS_SUCCESS;
}
DOUBLE_API cusparseStatus_t cusparseConstCscGet(cusparseConstSpMatDescr_t m, int64_t *rows,
    int64_t *cols, int64_t *nnz, const void **offsets, const void **row_indices,
    const void **values, cusparseIndexType_t *offset_type, cusparseIndexType_t *row_type,
    cusparseIndexBase_t *base, cudaDataType *type)
{
    NEED(m && m->owner == &double_here && m->format == CUSPARSE_FORMAT_CSC);
    *rows = m->rows, *cols = m->cols, *nnz = m->nnz, *offsets = m->offsets;
    *row_indices = m->columns, *values = m->values;
    *offset_type = *row_type = CUSPARSE_INDEX_32I, *base = 0, *type = CUDA_R_32F;
    return CUSPARSE_STATUS_SUCCESS;
}
DOUBLE_API cusparseStatus_t cusparseCreateDnVec(
    cusparseDnVecDescr_t *to, int64_t n, void *at, cudaDataType type)
{
    NEED(to && type == CUDA_R_32F);
    *to = malloc(sizeof **to);
    **to = (struct cusparseDnVecDescr){ n, at };
    return CUSPARSE_STATUS_SUCCESS;
}
DOUBLE_API cusparseStatus_t cusparseConstDnVecGet(
    cusparseConstDnVecDescr_t v, int64_t *n, const void **at, cudaDataType *type)
{
    NEED(v && n && at && type);
    *n = v->n, *at = v->at, *type = CUDA_R_32F;
    return CUSPARSE_STATUS_SUCCESS;
}
DOUBLE_API cusparseStatus_t cusparseCreateDnMat(cusparseDnMatDescr_t *to, int64_t rows,
    int64_t cols, int64_t ld, void *at, cudaDataType type, cusparseOrder_t order)
{
    NEED(to && type == CUDA_R_32F);
    *to = malloc(sizeof **to);
    **to = (struct cusparseDnMatDescr){ rows, cols, ld, at, order };
    return CUSPARSE_STATUS_SUCCESS;
}
DOUBLE_API cusparseStatus_t cusparseConstDnMatGet(cusparseConstDnMatDescr_t m, int64_t *rows,
    int64_t *cols, int64_t *ld, const void **at, cudaDataType *type, cusparseOrder_t *order)
{
    NEED(m && rows && cols && ld && at && type && order);
    *rows = m->rows, *cols = m->cols, *ld = m->ld, *at = m->at, *type = CUDA_R_32F,
    *order = m->order;
    return CUSPARSE_STATUS_SUCCESS;
}

static int64_t owner_of(const struct cusparseSpMatDescr *a, int64_t i)
{
    int64_t owner = 0;
    while (a->offsets[owner + 1] <= i)
        owner++;
    return owner;
}
static int64_t row_of(const struct cusparseSpMatDescr *a, int64_t i)
{
    if (a->format == CUSPARSE_FORMAT_COO)
        return a->offsets[i];
    return a->format == CUSPARSE_FORMAT_CSC ? a->columns[i] : owner_of(a, i);
}
static int64_t column_of(const struct cusparseSpMatDescr *a, int64_t i)
{
    return a->format == CUSPARSE_FORMAT_CSC ? owner_of(a, i) : a->columns[i];
}

/* to[i] += terms of op(A) row i times a column of B at `b` with this stride. */
struct job {
    struct cusparseSpMatDescr a;
    bool transposed, ordered;
    float alpha, beta;
    const float *b;
    float *c;
    int64_t n_columns, b_row, b_column, c_row, c_column;
};
static void multiply(void *arg)
{
    const struct job *j = arg;
    const int64_t n_out = j->transposed ? j->a.cols : j->a.rows;
    float *terms = malloc(sizeof(float) * ((size_t)j->a.nnz + 1));
    int64_t *rows = malloc(sizeof(int64_t) * ((size_t)j->a.nnz + 1)),
            *columns = malloc(sizeof(int64_t) * ((size_t)j->a.nnz + 1));
    for (int64_t i = 0; i < j->a.nnz; i++)
        rows[i] = row_of(&j->a, i), columns[i] = column_of(&j->a, i);
    for (int64_t out = 0; out < n_out; out++)
        for (int64_t column = 0; column < j->n_columns; column++) {
            size_t n = 0;
            for (int64_t i = 0; i < j->a.nnz; i++) {
                const int64_t to = j->transposed ? columns[i] : rows[i],
                              from = j->transposed ? rows[i] : columns[i];
                if (to == out)
                    terms[n++] = j->a.values[i] * j->b[from * j->b_row + column * j->b_column];
            }
            float *at = &j->c[out * j->c_row + column * j->c_column];
            *at = j->alpha * double_sum_f32(terms, n, j->ordered) +
                  (j->beta == 0 ? 0 : j->beta * *at);
        }
    free(rows);
    free(columns);
    free(terms);
}

static cusparseStatus_t queue(cusparseHandle_t handle, const struct job *job)
{
    struct job *copy = malloc(sizeof *copy);
    *copy = *job;
    return double_queue(handle->stream, multiply, copy) ? CUSPARSE_STATUS_SUCCESS
                                                        : CUSPARSE_STATUS_EXECUTION_FAILED;
}

static bool spmv_ordered(const struct cusparseSpMatDescr *a, cusparseOperation_t op, int alg)
{
    return op == CUSPARSE_OPERATION_NON_TRANSPOSE && a->format != CUSPARSE_FORMAT_CSC &&
           alg ==
               (a->format == CUSPARSE_FORMAT_COO ? CUSPARSE_SPMV_COO_ALG2 : CUSPARSE_SPMV_CSR_ALG2);
}

static size_t spmv_bytes(int alg)
{
    return 64 + 32 * (size_t)alg;
}

DOUBLE_API cusparseStatus_t cusparseSpMV_bufferSize(cusparseHandle_t handle, cusparseOperation_t op,
    const void *alpha, cusparseConstSpMatDescr_t a, cusparseConstDnVecDescr_t x, const void *beta,
    cusparseDnVecDescr_t y, cudaDataType type, cusparseSpMVAlg_t alg, size_t *n_bytes)
{
    (void)op, (void)type;
    ENTER(cusparseSpMV_bufferSize);
    NEED(handle && alpha && a && x && beta && y && n_bytes);
    const char *launching = getenv("DOUBLES_LAUNCH_IN");
    if (launching && strcmp(launching, __func__) == 0)
        double_launch(handle->stream);
    *n_bytes = spmv_bytes(alg);
    return CUSPARSE_STATUS_SUCCESS;
}

DOUBLE_API cusparseStatus_t cusparseSpMV_preprocess(cusparseHandle_t handle, cusparseOperation_t op,
    const void *alpha, cusparseConstSpMatDescr_t a, cusparseConstDnVecDescr_t x, const void *beta,
    cusparseDnVecDescr_t y, cudaDataType type, cusparseSpMVAlg_t alg, void *buffer)
{
    (void)op, (void)type;
    ENTER(cusparseSpMV_preprocess);
    NEED(handle && alpha && a && x && beta && y && buffer);
    double_prepares(handle->stream);
    *(int *)buffer = 1000 + alg; /* the computation insists on the same algorithm */
    return CUSPARSE_STATUS_SUCCESS;
}

DOUBLE_API cusparseStatus_t cusparseSpMV(cusparseHandle_t handle, cusparseOperation_t op,
    const void *alpha, cusparseConstSpMatDescr_t a, cusparseConstDnVecDescr_t x, const void *beta,
    cusparseDnVecDescr_t y, cudaDataType type, cusparseSpMVAlg_t alg, void *buffer)
{
    (void)type;
    ENTER(cusparseSpMV);
    NEED(handle && alpha && a && x && beta && y && buffer);
    const int prepared = *(const int *)buffer;
    NEED(prepared < 1000 || prepared > 1006 || prepared == 1000 + (int)alg);
    const struct job job = { *a, op != CUSPARSE_OPERATION_NON_TRANSPOSE, spmv_ordered(a, op, alg),
        *(const float *)alpha, *(const float *)beta, x->at, y->at, 1, 1, 0, 1, 0 };
    return queue(handle, &job);
}

DOUBLE_API cusparseStatus_t cusparseSpMM_bufferSize(cusparseHandle_t handle, cusparseOperation_t op,
    cusparseOperation_t op_b, const void *alpha, cusparseConstSpMatDescr_t a,
    cusparseConstDnMatDescr_t b, const void *beta, cusparseDnMatDescr_t c, cudaDataType type,
    cusparseSpMMAlg_t alg, size_t *n_bytes)
{
    (void)op, (void)op_b, (void)type;
    ENTER(cusparseSpMM_bufferSize);
    NEED(handle && alpha && a && b && beta && c && n_bytes);
    *n_bytes = 64 + 16 * (size_t)alg;
    return CUSPARSE_STATUS_SUCCESS;
}

DOUBLE_API cusparseStatus_t cusparseSpMM_preprocess(cusparseHandle_t handle, cusparseOperation_t op,
    cusparseOperation_t op_b, const void *alpha, cusparseConstSpMatDescr_t a,
    cusparseConstDnMatDescr_t b, const void *beta, cusparseDnMatDescr_t c, cudaDataType type,
    cusparseSpMMAlg_t alg, void *buffer)
{
    (void)op, (void)op_b, (void)type, (void)alg;
    ENTER(cusparseSpMM_preprocess);
    NEED(handle && alpha && a && b && beta && c && buffer);
    double_prepares(handle->stream);
    return CUSPARSE_STATUS_SUCCESS;
}

DOUBLE_API cusparseStatus_t cusparseSpMM(cusparseHandle_t handle, cusparseOperation_t op,
    cusparseOperation_t op_b, const void *alpha, cusparseConstSpMatDescr_t a,
    cusparseConstDnMatDescr_t b, const void *beta, cusparseDnMatDescr_t c, cudaDataType type,
    cusparseSpMMAlg_t alg, void *buffer)
{
    (void)type;
    ENTER(cusparseSpMM);
    NEED(handle && alpha && a && b && beta && c && buffer);
    int version = 0;
    cusparseGetVersion(handle, &version);
    const bool plain = op == CUSPARSE_OPERATION_NON_TRANSPOSE,
               coo = a->format == CUSPARSE_FORMAT_COO;
    const bool ordered = plain && (coo ? alg == CUSPARSE_SPMM_COO_ALG2
                                       : alg == CUSPARSE_SPMM_CSR_ALG3 && version > 12603);
    const bool b_rows =
                   (b->order == CUSPARSE_ORDER_ROW) != (op_b != CUSPARSE_OPERATION_NON_TRANSPOSE),
               c_rows = c->order == CUSPARSE_ORDER_ROW;
    const struct job job = { *a, !plain, ordered, *(const float *)alpha, *(const float *)beta,
        b->at, c->at, c->cols, b_rows ? b->ld : 1, b_rows ? 1 : b->ld, c_rows ? c->ld : 1,
        c_rows ? 1 : c->ld };
    return queue(handle, &job);
}
