/* Sparse products as a program makes them, on the double's memory. Knows nothing of detshim.
 * usage: sparse_calls spmv|spmm|spgemm|reuse|spvv|random csr|coo|csc ALGORITHM|COUNT [transposed] ; prints the result's hash, and with "dump" as last word the
 * inputs and outputs as bit patterns. */
#define DISABLE_CUSPARSE_DEPRECATED
#include <cuda_runtime.h>
#include <cusparse.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state = 88172645463325252u, hash = 1469598103934665603u;
static int dump;
static unsigned draw(unsigned n)
{
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (unsigned)(state >> 33) % n;
}

static void *put(const void *host, size_t n_bytes)
{
    void *at = NULL;
    if (cudaMalloc(&at, n_bytes + 1) || cudaMemcpy(at, host, n_bytes, cudaMemcpyHostToDevice))
        exit(4);
    return at;
}

static float *values(int n)
{
    float *host = malloc(sizeof(float) * (size_t)(n + 1));
    for (int i = 0; i < n; i++)
        host[i] = ((float)draw(20001) - 10000.0f) * (1.0f / (float)(1u << draw(16)));
    float *at = put(host, sizeof(float) * (size_t)n);
    free(host);
    return at;
}

static void words(const char *name, const void *device, int n)
{
    uint32_t *host = malloc(4 * (size_t)(n + 1));
    cudaMemcpy(host, device, 4 * (size_t)n, cudaMemcpyDeviceToHost);
    printf("%s", name);
    for (int i = 0; i < n; i++)
        printf(" %08x", host[i]);
    printf("\n");
    free(host);
}

struct matrix {
    int rows, cols, nnz;
    int *offsets, *columns;
    float *at;
    cusparseSpMatDescr_t sparse;
};

enum { CSC = 2 };
static struct matrix matrix(int rows, int cols, int per_row, int coo)
{
    struct matrix m = { rows, cols, 0, NULL, NULL, NULL, NULL };
    int *offsets = malloc(sizeof(int) * (size_t)(rows + 1)),
        *columns = malloc(sizeof(int) * (size_t)(rows * per_row + 1)),
        *row_of = malloc(sizeof(int) * (size_t)(rows * per_row + 1));
    for (int r = 0; r < rows; r++) {
        offsets[r] = m.nnz;
        for (int k = (int)draw((unsigned)per_row + 1); k > 0; k--)
            row_of[m.nnz] = r, columns[m.nnz++] = (int)draw((unsigned)cols);
    }
    offsets[rows] = m.nnz;
    m.columns = put(columns, sizeof(int) * (size_t)m.nnz);
    m.at = values(m.nnz);
    m.offsets = coo == 1 ? put(row_of, sizeof(int) * (size_t)m.nnz)
                         : put(offsets, sizeof(int) * (size_t)(rows + 1));
    if (coo == CSC) /* the same arrays, read as columns */
        cusparseCreateCsc(&m.sparse, cols, rows, m.nnz, m.offsets, m.columns, m.at,
            CUSPARSE_INDEX_32I, CUSPARSE_INDEX_32I, 0, CUDA_R_32F);
    else if (coo)
        cusparseCreateCoo(&m.sparse, rows, cols, m.nnz, m.offsets, m.columns, m.at,
            CUSPARSE_INDEX_32I, 0, CUDA_R_32F);
    else
        cusparseCreateCsr(&m.sparse, rows, cols, m.nnz, m.offsets, m.columns, m.at,
            CUSPARSE_INDEX_32I, CUSPARSE_INDEX_32I, 0, CUDA_R_32F);
    return m;
}

static cusparseHandle_t handle;
static cudaStream_t stream;

#include "capture.h"

static void finish(float *at, int n)
{
    cudaStreamSynchronize(stream);
    float *host = malloc(sizeof(float) * (size_t)(n + 1));
    cudaMemcpy(host, at, sizeof(float) * (size_t)n, cudaMemcpyDeviceToHost);
    for (int i = 0; i < n * 4; i++)
        hash = (hash ^ ((unsigned char *)host)[i]) * 1099511628211u;
    free(host);
}

static void dump_matrix(const struct matrix *m, const float *b, int n_b)
{
    if (!dump)
        return;
    words("offsets", m->offsets, m->rows + 1), words("columns", m->columns, m->nnz);
    words("values", m->at, m->nnz), words("b", b, n_b);
}

static int spmv(int coo, int alg, int transposed, int rows, int cols, int per_row, float alpha,
    float beta, int prepare)
{
    const struct matrix m = matrix(rows, cols, per_row, coo);
    if (coo == CSC) { /* the matrix is the transpose of what was drawn */
        const int kept = rows;
        rows = cols, cols = kept;
    }
    const int n_x = transposed ? rows : cols, n_y = transposed ? cols : rows;
    float *x_at = values(n_x), *y_at = values(n_y);
    cusparseDnVecDescr_t x, y;
    cusparseCreateDnVec(&x, n_x, x_at, CUDA_R_32F), cusparseCreateDnVec(&y, n_y, y_at, CUDA_R_32F);
    const cusparseOperation_t op =
        transposed ? CUSPARSE_OPERATION_TRANSPOSE : CUSPARSE_OPERATION_NON_TRANSPOSE;
    if (dump)
        words("c", y_at, n_y);
    size_t n_bytes = 0;
    int status = cusparseSpMV_bufferSize(
        handle, op, &alpha, m.sparse, x, &beta, y, CUDA_R_32F, alg, &n_bytes);
    void *buffer = NULL;
    cudaMalloc(&buffer, n_bytes + 16), cudaMemset(buffer, 0, n_bytes + 16);
    if (!status && prepare)
        status = cusparseSpMV_preprocess(
            handle, op, &alpha, m.sparse, x, &beta, y, CUDA_R_32F, alg, buffer);
    capture_begin();
    if (!status)
        status = cusparseSpMV(handle, op, &alpha, m.sparse, x, &beta, y, CUDA_R_32F, alg, buffer);
    capture_end();
    dump_matrix(&m, x_at, n_x);
    finish(y_at, n_y);
    if (dump)
        words("result_bits", y_at, n_y);
    return status;
}

static int spmm(int coo, int alg, int transposed, int rows, int cols, int per_row, int n,
    int b_order, int c_order, float alpha, float beta)
{
    const struct matrix m = matrix(rows, cols, per_row, coo);
    const int b_rows = transposed ? rows : cols, c_rows = transposed ? cols : rows;
    float *b_at = values(b_rows * n), *c_at = values(c_rows * n);
    cusparseDnMatDescr_t b, c;
    cusparseCreateDnMat(
        &b, b_rows, n, b_order == CUSPARSE_ORDER_ROW ? n : b_rows, b_at, CUDA_R_32F, b_order);
    cusparseCreateDnMat(
        &c, c_rows, n, c_order == CUSPARSE_ORDER_ROW ? n : c_rows, c_at, CUDA_R_32F, c_order);
    const cusparseOperation_t op =
        transposed ? CUSPARSE_OPERATION_TRANSPOSE : CUSPARSE_OPERATION_NON_TRANSPOSE;
    if (dump)
        words("c", c_at, c_rows * n);
    size_t n_bytes = 0;
    int status = cusparseSpMM_bufferSize(
        handle, op, 0, &alpha, m.sparse, b, &beta, c, CUDA_R_32F, alg, &n_bytes);
    void *buffer = NULL;
    cudaMalloc(&buffer, n_bytes + 16);
    if (!status)
        status = cusparseSpMM_preprocess(
            handle, op, 0, &alpha, m.sparse, b, &beta, c, CUDA_R_32F, alg, buffer);
    capture_begin();
    if (!status)
        status =
            cusparseSpMM(handle, op, 0, &alpha, m.sparse, b, &beta, c, CUDA_R_32F, alg, buffer);
    capture_end();
    dump_matrix(&m, b_at, b_rows * n);
    finish(c_at, c_rows * n);
    if (dump)
        words("result_bits", c_at, c_rows * n);
    return status;
}

#define TRY(call)                                                                                  \
    if ((status = (int)(call)) != 0)                                                               \
    return status
static const float one = 1.25f, zero = 0;
static const cusparseOperation_t N = CUSPARSE_OPERATION_NON_TRANSPOSE;

static void *room(size_t n_bytes)
{
    void *at = NULL;
    cudaMalloc(&at, n_bytes + 16);
    return at;
}

static void take(struct matrix *c, int64_t nnz)
{
    int *offsets = malloc(4 * (size_t)(c->rows + 1)), *columns = malloc(4 * (size_t)(nnz + 1));
    cudaMemcpy(offsets, c->offsets, 4 * (size_t)(c->rows + 1), cudaMemcpyDeviceToHost);
    cudaMemcpy(columns, c->columns, 4 * (size_t)nnz, cudaMemcpyDeviceToHost);
    for (int i = 0; i <= c->rows; i++)
        hash = (hash ^ (unsigned)offsets[i]) * 1099511628211u;
    for (int64_t i = 0; i < nnz; i++)
        hash = (hash ^ (unsigned)columns[i]) * 1099511628211u;
    free(offsets), free(columns);
    finish(c->at, (int)nnz);
}

static struct matrix empty(int rows, int cols)
{
    struct matrix c = { rows, cols, 0, room(4 * (size_t)(rows + 1)), NULL, NULL, NULL };
    cusparseCreateCsr(&c.sparse, rows, cols, 0, c.offsets, NULL, NULL, CUSPARSE_INDEX_32I,
        CUSPARSE_INDEX_32I, 0, CUDA_R_32F);
    return c;
}

static int64_t size_up(struct matrix *c)
{
    int64_t rows, cols, nnz = 0;
    cusparseSpMatGetSize(c->sparse, &rows, &cols, &nnz);
    c->columns = room(4 * (size_t)nnz), c->at = room(4 * (size_t)nnz);
    cusparseCsrSetPointers(c->sparse, c->offsets, c->columns, c->at);
    return nnz;
}

static int spgemm(int alg, int rows, int inner, int cols, int per_row)
{
    const struct matrix a = matrix(rows, inner, per_row, 0), b = matrix(inner, cols, per_row, 0);
    struct matrix c = empty(rows, cols);
    cusparseSpGEMMDescr_t d;
    size_t n1 = 0, n2 = 0, n3 = 0;
    int status;
    const cudaDataType t = CUDA_R_32F;
    const cusparseSpGEMMAlg_t g = (cusparseSpGEMMAlg_t)alg;
    TRY(cusparseSpGEMM_createDescr(&d));
    TRY(cusparseSpGEMM_workEstimation(
        handle, N, N, &one, a.sparse, b.sparse, &zero, c.sparse, t, g, d, &n1, NULL));
    TRY(cusparseSpGEMM_workEstimation(
        handle, N, N, &one, a.sparse, b.sparse, &zero, c.sparse, t, g, d, &n1, room(n1)));
    if (alg >= 4)
        TRY(cusparseSpGEMM_estimateMemory(handle, N, N, &one, a.sparse, b.sparse, &zero, c.sparse,
            t, g, d, 0.5f, &n3, NULL, NULL));
    TRY(cusparseSpGEMM_compute(
        handle, N, N, &one, a.sparse, b.sparse, &zero, c.sparse, t, g, d, &n2, NULL));
    TRY(cusparseSpGEMM_compute(
        handle, N, N, &one, a.sparse, b.sparse, &zero, c.sparse, t, g, d, &n2, room(n2)));
    const int64_t nnz = size_up(&c);
    TRY(cusparseSpGEMM_copy(handle, N, N, &one, a.sparse, b.sparse, &zero, c.sparse, t, g, d));
    take(&c, nnz);
    return cusparseSpGEMM_destroyDescr(d);
}

static int reuse(int alg, int rows, int inner, int cols, int per_row)
{
    const struct matrix a = matrix(rows, inner, per_row, 0), b = matrix(inner, cols, per_row, 0);
    struct matrix c = empty(rows, cols);
    cusparseSpGEMMDescr_t d;
    size_t n1 = 0, n2 = 0, n3 = 0, n4 = 0, n5 = 0;
    int status;
    const cusparseSpGEMMAlg_t g = (cusparseSpGEMMAlg_t)alg;
    TRY(cusparseSpGEMM_createDescr(&d));
    TRY(cusparseSpGEMMreuse_workEstimation(
        handle, N, N, a.sparse, b.sparse, c.sparse, g, d, &n1, NULL));
    TRY(cusparseSpGEMMreuse_workEstimation(
        handle, N, N, a.sparse, b.sparse, c.sparse, g, d, &n1, room(n1)));
    TRY(cusparseSpGEMMreuse_nnz(
        handle, N, N, a.sparse, b.sparse, c.sparse, g, d, &n2, NULL, &n3, NULL, &n4, NULL));
    TRY(cusparseSpGEMMreuse_nnz(handle, N, N, a.sparse, b.sparse, c.sparse, g, d, &n2, room(n2),
        &n3, room(n3), &n4, room(n4)));
    const int64_t nnz = size_up(&c);
    TRY(cusparseSpGEMMreuse_copy(handle, N, N, a.sparse, b.sparse, c.sparse, g, d, &n5, NULL));
    TRY(cusparseSpGEMMreuse_copy(handle, N, N, a.sparse, b.sparse, c.sparse, g, d, &n5, room(n5)));
    for (int i = 0; i < 2; i++)
        TRY(cusparseSpGEMMreuse_compute(
            handle, N, N, &one, a.sparse, b.sparse, &zero, c.sparse, CUDA_R_32F, g, d));
    take(&c, nnz);
    return cusparseSpGEMM_destroyDescr(d);
}

static int spvv(int n)
{
    int *indices = malloc(4 * (size_t)n);
    float *y_at = values(n), *x_at = values(n), dot = 0;
    for (int i = 0; i < n; i++)
        indices[i] = i;
    cusparseSpVecDescr_t x;
    cusparseDnVecDescr_t y;
    size_t n_bytes = 0;
    int status;
    TRY(cusparseCreateSpVec(
        &x, n, n, put(indices, 4 * (size_t)n), x_at, CUSPARSE_INDEX_32I, 0, CUDA_R_32F));
    TRY(cusparseCreateDnVec(&y, n, y_at, CUDA_R_32F));
    TRY(cusparseSpVV_bufferSize(handle, N, x, y, &dot, CUDA_R_32F, &n_bytes));
    TRY(cusparseSpVV(handle, N, x, y, &dot, CUDA_R_32F, room(n_bytes)));
    hash = (hash ^ *(uint32_t *)(void *)&dot) * 1099511628211u;
    return cudaStreamSynchronize(stream);
}

static int random_calls(int coo, int n)
{
    static const int csr_mv[] = { 0, 2, 3 }, coo_mv[] = { 0, 1, 4 }, csr_mm[] = { 0, 4, 6, 12 },
                     coo_mm[] = { 0, 1, 2, 3 };
    int failed = 0;
    for (int i = 0; i < n; i++) {
        const int rows = 1 + (int)draw(12), cols = 1 + (int)draw(12), per_row = 1 + (int)draw(20);
        const float alpha = (float)draw(3), beta = (float)draw(2);
        const unsigned kind = draw(coo ? 2 : 4);
        if (coo == CSC)
            failed += spmv(coo, csr_mv[draw(3)], (int)draw(2), rows, cols, per_row, alpha, beta,
                          (int)draw(2)) != 0;
        else if (kind == 2)
            failed += spgemm((int)draw(4), rows, cols, 1 + (int)draw(12), per_row) != 0;
        else if (kind == 3)
            failed += reuse((int)draw(4), rows, cols, 1 + (int)draw(12), per_row) != 0;
        else if (kind)
            failed += spmv(coo, coo ? coo_mv[draw(3)] : csr_mv[draw(3)], 0, rows, cols, per_row,
                          alpha, beta, (int)draw(2)) != 0;
        else
            failed += spmm(coo, coo ? coo_mm[draw(4)] : csr_mm[draw(4)], 0, rows, cols, per_row,
                          1 + (int)draw(4), 1 + (int)draw(2), 1 + (int)draw(2), alpha, beta) != 0;
    }
    printf("failed %d of %d\n", failed, n);
    return failed;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "spmv", *form = argc > 2 ? argv[2] : "csr";
    const int coo = !strcmp(form, "coo") ? 1 : !strcmp(form, "csc") ? CSC : 0;
    const int number = argc > 3 ? atoi(argv[3]) : 0;
    const int transposed = argc > 4 && !strcmp(argv[4], "transposed");
    dump = argc > 4 && !strcmp(argv[argc - 1], "dump");
    if (cudaStreamCreate(&stream) || cusparseCreate(&handle) || cusparseSetStream(handle, stream))
        return 3;
    const int status =
        !strcmp(what, "spmv")     ? spmv(coo, number, transposed, 20, 16, 40, 1.5f, 0.5f, 1)
        : !strcmp(what, "spmm")   ? spmm(coo, number, transposed, 20, 16, 40, 3, CUSPARSE_ORDER_COL,
                                        CUSPARSE_ORDER_ROW, 1.5f, 0.5f)
        : !strcmp(what, "spgemm") ? spgemm(number, 20, 16, 18, 12)
        : !strcmp(what, "reuse")  ? reuse(number, 20, 16, 18, 12)
        : !strcmp(what, "spvv")   ? spvv(500)
                                  : random_calls(coo, number);
    cusparseDestroy(handle);
    printf("result status=%d hash=%016llx nodes=%d\n", status, (unsigned long long)hash, n_nodes);
    return 0;
}
