/* See cusparse_kernel.h. */
#include "shim/cusparse/cusparse_kernel.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "replacements/sparse.h"
#include "shim/loader/call.h"

/* Driver functions that we do not wrap, by exported name; cuSPARSE functions of the copy that the program called. */
#define DRIVER(name, type)     ((type)(uintptr_t)det_driver_symbol(name))
#define SPARSE(symbol, caller) ((__typeof__(&symbol))(uintptr_t)det_real(DET_ID_##symbol, caller))

typedef int (*current_fn)(void **context);
typedef int (*load_fn)(void **module, const void *image);
typedef int (*function_fn)(void **function, void *module, const char *name);
typedef int (*capturing_fn)(void *stream, int *status);
typedef int (*mode_fn)(int *mode);
typedef int (*launch_fn)(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx,
    unsigned by, unsigned bz, unsigned shared, void *stream, void **params, void **extra);

/* One module per context; contexts beyond the table are not served. A destroyed context whose address comes back is told by its id. */
enum { MAX_CONTEXTS = 32, RELAXED = 2 };
static struct {
    void *context, *rows, *columns;
    unsigned long long id;
} loaded[MAX_CONTEXTS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static bool load(void *context, unsigned long long id, unsigned i)
{
    const load_fn load_data = DRIVER("cuModuleLoadData", load_fn);
    const function_fn function = DRIVER("cuModuleGetFunction", function_fn);
    const mode_fn exchange = DRIVER("cuThreadExchangeStreamCaptureMode", mode_fn);
    void *module = NULL, *rows = NULL, *columns = NULL;
    int mode = RELAXED;
    if (!load_data || !function || !exchange)
        return false;
    exchange(&mode);
    const bool good = load_data(&module, det_sparse_ptx) == 0 &&
                      function(&rows, module, DET_SPARSE_ROWS) == 0 &&
                      function(&columns, module, DET_SPARSE_COLUMNS) == 0;
    exchange(&mode);
    if (good) {
        loaded[i].context = context;
        loaded[i].id = id;
        loaded[i].rows = rows;
        loaded[i].columns = columns;
    }
    return good;
}

static void *kernel_for(bool columns, bool may_load)
{
    const current_fn current = DRIVER("cuCtxGetCurrent", current_fn);
    int (*const get_id)(void *, unsigned long long *) =
        (int (*)(void *, unsigned long long *))(uintptr_t)det_driver_symbol("cuCtxGetId");
    void *context = NULL, *found = NULL;
    unsigned long long id = 0;
    if (!current || current(&context) != 0 || !context)
        return NULL;
    if (get_id && get_id(context, &id) != 0)
        id = 0;
    pthread_mutex_lock(&lock);
    unsigned i = 0;
    while (i < MAX_CONTEXTS && loaded[i].context && loaded[i].context != context)
        i++;
    if (i < MAX_CONTEXTS && ((loaded[i].context == context && loaded[i].id == id) ||
                                (may_load && load(context, id, i))))
        found = columns ? loaded[i].columns : loaded[i].rows;
    pthread_mutex_unlock(&lock);
    return found;
}

static cusparseStatus_t launch(void *kernel, void *stream, struct det_sparse *p)
{
    const launch_fn launch_kernel = DRIVER("cuLaunchKernel", launch_fn);
    const uint64_t n_blocks =
        ((uint64_t)p->n_outputs * p->n + DET_SPARSE_BLOCK - 1) / DET_SPARSE_BLOCK;
    void *params[] = { &p->offsets, &p->columns, &p->values, &p->b, &p->c, &p->b_row, &p->b_column,
        &p->c_row, &p->c_column, &p->n_rows, &p->n_outputs, &p->n, &p->alpha, &p->beta, &p->base };
    if (!n_blocks)
        return CUSPARSE_STATUS_SUCCESS;
    return launch_kernel && launch_kernel(kernel, (unsigned)n_blocks, 1, 1, DET_SPARSE_BLOCK, 1, 1,
                                0, stream, params, NULL) == 0
               ? CUSPARSE_STATUS_SUCCESS
               : CUSPARSE_STATUS_EXECUTION_FAILED;
}

static const char *run(cusparseHandle_t handle, bool columns, const void *alpha, const void *beta,
    struct det_sparse *p, int64_t nnz, cusparseStatus_t *status, const void *caller)
{
    enum { MOST_BLOCKS_LOG2 = 31, MOST_WORK_LOG2 = 36 };
    const __typeof__(&cusparseGetPointerMode) get_mode = SPARSE(cusparseGetPointerMode, caller);
    const __typeof__(&cusparseGetStream) get_stream = SPARSE(cusparseGetStream, caller);
    const capturing_fn capturing = DRIVER("cuStreamIsCapturing", capturing_fn);
    cusparsePointerMode_t mode = CUSPARSE_POINTER_MODE_DEVICE;
    cudaStream_t stream = NULL;
    int captured = 1;
    if (!get_mode || get_mode(handle, &mode) != 0 || mode != CUSPARSE_POINTER_MODE_HOST)
        return "ordered kernel: alpha and beta are on the device";
    if (!get_stream || get_stream(handle, &stream) != 0 || !capturing ||
        capturing(stream, &captured) != 0)
        return "ordered kernel: stream unknown";
    /* every output of the columns form reads the whole matrix */
    if ((uint64_t)p->n_outputs * p->n >> MOST_BLOCKS_LOG2 ||
        (columns &&
            (double)p->n_outputs * p->n * (double)nnz > (double)(UINT64_C(1) << MOST_WORK_LOG2)))
        return "ordered kernel: matrix too large";
    void *kernel = kernel_for(columns, captured == 0);
    if (!kernel)
        return "ordered kernel: not loaded";
    p->alpha = *(const float *)alpha;
    p->beta = *(const float *)beta;
    *status = launch(kernel, stream, p);
    return NULL;
}

/* A CSC matrix is the CSR form of its transpose: `rows` and `columns` are those of the CSR form. */
static const char *matrix_of(cusparseConstSpMatDescr_t a, struct det_sparse *p, int64_t *rows,
    int64_t *columns, int64_t *nnz, bool *csc, const void *caller)
{
    cusparseIndexType_t offset_type, index_type;
    cusparseIndexBase_t base;
    cudaDataType type;
    const void *offsets, *indices, *values;
    *csc = false;
    if (SPARSE(cusparseConstCsrGet, caller)(a, rows, columns, nnz, &offsets, &indices, &values,
            &offset_type, &index_type, &base, &type) != CUSPARSE_STATUS_SUCCESS) {
        *csc = true;
        if (SPARSE(cusparseConstCscGet, caller)(a, columns, rows, nnz, &offsets, &indices, &values,
                &offset_type, &index_type, &base, &type) != CUSPARSE_STATUS_SUCCESS)
            return "ordered kernel: matrix is neither CSR nor CSC";
    }
    if (type != CUDA_R_32F || offset_type != CUSPARSE_INDEX_32I ||
        index_type != CUSPARSE_INDEX_32I || *rows > INT32_MAX || *columns > INT32_MAX)
        return "ordered kernel: only float32 with 32-bit indices";
    p->offsets = (uintptr_t)offsets;
    p->columns = (uintptr_t)indices;
    p->values = (uintptr_t)values;
    p->n_rows = (uint32_t)*rows;
    p->base = base == CUSPARSE_INDEX_BASE_ONE;
    return NULL;
}

const char *det_cusparse_spmv_kernel(cusparseHandle_t handle, cusparseOperation_t op,
    const void *alpha, cusparseConstSpMatDescr_t a, cusparseConstDnVecDescr_t x, const void *beta,
    cusparseDnVecDescr_t y, cudaDataType type, cusparseStatus_t *status, const void *caller)
{
    const __typeof__(&cusparseConstDnVecGet) get = SPARSE(cusparseConstDnVecGet, caller);
    bool csc = false;
    struct det_sparse p = { .n = 1, .b_row = 1, .c_row = 1 };
    int64_t rows = 0, columns = 0, nnz = 0, n_x = 0, n_y = 0;
    const void *x_at = NULL, *y_at = NULL;
    cudaDataType x_type, y_type;
    if (!alpha || !beta || type != CUDA_R_32F)
        return "ordered kernel: only float32 with 32-bit indices";
    const char *why = matrix_of(a, &p, &rows, &columns, &nnz, &csc, caller);
    if (why)
        return why;
    const bool transposed = (op != CUSPARSE_OPERATION_NON_TRANSPOSE) != csc;
    p.n_outputs = (uint32_t)(transposed ? columns : rows);
    if (get(x, &n_x, &x_at, &x_type) != 0 || get(y, &n_y, &y_at, &y_type) != 0 ||
        x_type != CUDA_R_32F || y_type != CUDA_R_32F || n_y != p.n_outputs ||
        n_x != (transposed ? rows : columns))
        return "ordered kernel: vectors do not fit";
    p.b = (uintptr_t)x_at;
    p.c = (uintptr_t)y_at;
    det_inside_begin();
    why = run(handle, transposed, alpha, beta, &p, nnz, status, caller);
    det_inside_end();
    return why;
}

const char *det_cusparse_spmm_kernel(cusparseHandle_t handle, cusparseOperation_t op,
    cusparseOperation_t op_b, const void *alpha, cusparseConstSpMatDescr_t a,
    cusparseConstDnMatDescr_t b, const void *beta, cusparseDnMatDescr_t c, cudaDataType type,
    cusparseStatus_t *status, const void *caller)
{
    const __typeof__(&cusparseConstDnMatGet) get = SPARSE(cusparseConstDnMatGet, caller);
    bool csc = false;
    const bool b_transposed = op_b != CUSPARSE_OPERATION_NON_TRANSPOSE;
    struct det_sparse p = { .n = 0 };
    int64_t rows = 0, columns = 0, nnz = 0, b_rows, b_columns, b_ld, c_rows, c_columns, c_ld;
    const void *b_at = NULL, *c_at = NULL;
    cudaDataType b_type, c_type;
    cusparseOrder_t b_order, c_order;
    if (!alpha || !beta || type != CUDA_R_32F)
        return "ordered kernel: only float32 with 32-bit indices";
    const char *why = matrix_of(a, &p, &rows, &columns, &nnz, &csc, caller);
    if (why)
        return why;
    const bool transposed = (op != CUSPARSE_OPERATION_NON_TRANSPOSE) != csc;
    if (get(b, &b_rows, &b_columns, &b_ld, &b_at, &b_type, &b_order) != 0 ||
        get(c, &c_rows, &c_columns, &c_ld, &c_at, &c_type, &c_order) != 0 || b_type != CUDA_R_32F ||
        c_type != CUDA_R_32F || c_rows != (transposed ? columns : rows) || c_columns > INT32_MAX ||
        (b_transposed ? b_columns : b_rows) != (transposed ? rows : columns) ||
        (b_transposed ? b_rows : b_columns) != c_columns)
        return "ordered kernel: matrices do not fit";
    p.n_outputs = (uint32_t)c_rows;
    p.n = (uint32_t)c_columns;
    p.b = (uintptr_t)b_at;
    p.c = (uintptr_t)c_at;
    const bool b_by_rows = (b_order == CUSPARSE_ORDER_ROW) != b_transposed;
    p.b_row = b_by_rows ? b_ld : 1;
    p.b_column = b_by_rows ? 1 : b_ld;
    p.c_row = c_order == CUSPARSE_ORDER_ROW ? c_ld : 1;
    p.c_column = c_order == CUSPARSE_ORDER_ROW ? 1 : c_ld;
    det_inside_begin();
    why = run(handle, transposed, alpha, beta, &p, nnz, status, caller);
    det_inside_end();
    return why;
}
