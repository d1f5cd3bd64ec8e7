/* Two copies of cuSPARSE in one process, each found by its own path, as two Python packages bring them: a transposed product by each.
 * usage: two_sparse LIBRARY LIBRARY. Knows nothing of detshim. */
#define DISABLE_CUSPARSE_DEPRECATED
#include <cusparse.h>

#include "lib.h"

#define FN(symbol) ((__typeof__(&symbol))dlsym(library, #symbol))
#define GOOD(call)                                                                                 \
    do {                                                                                           \
        const int good_status = (int)(call);                                                       \
        if (good_status) {                                                                         \
            printf("%s: status %d\n", #call, good_status);                                         \
            exit(2);                                                                               \
        }                                                                                          \
    } while (0)

static void product(void *library)
{
    enum { ROWS = 12, COLUMNS = 5 };
    int offsets[ROWS + 1], columns[ROWS * COLUMNS];
    const float one = 1, zero = 0;
    for (int i = 0; i <= ROWS; i++)
        offsets[i] = i * COLUMNS;
    for (int i = 0; i < ROWS * COLUMNS; i++)
        columns[i] = i % COLUMNS;
    int *offsets_at = lib_device(sizeof offsets), *columns_at = lib_device(sizeof columns);
    lib_upload(offsets_at, offsets, sizeof offsets);
    lib_upload(columns_at, columns, sizeof columns);
    lib_state = 5;
    float *values = lib_numbers(ROWS * COLUMNS, 0), *x = lib_numbers(ROWS, 0),
          *y = lib_numbers(COLUMNS, 0);
    cusparseHandle_t handle;
    cusparseSpMatDescr_t matrix;
    cusparseDnVecDescr_t of_x, of_y;
    size_t n_bytes = 0;
    GOOD(FN(cusparseCreate)(&handle));
    GOOD(FN(cusparseCreateCsr)(&matrix, ROWS, COLUMNS, ROWS * COLUMNS, offsets_at, columns_at,
        values, CUSPARSE_INDEX_32I, CUSPARSE_INDEX_32I, CUSPARSE_INDEX_BASE_ZERO, CUDA_R_32F));
    GOOD(FN(cusparseCreateDnVec)(&of_x, ROWS, x, CUDA_R_32F));
    GOOD(FN(cusparseCreateDnVec)(&of_y, COLUMNS, y, CUDA_R_32F));
    GOOD(FN(cusparseSpMV_bufferSize)(handle, CUSPARSE_OPERATION_TRANSPOSE, &one, matrix, of_x,
        &zero, of_y, CUDA_R_32F, CUSPARSE_SPMV_ALG_DEFAULT, &n_bytes));
    GOOD(FN(cusparseSpMV)(handle, CUSPARSE_OPERATION_TRANSPOSE, &one, matrix, of_x, &zero, of_y,
        CUDA_R_32F, CUSPARSE_SPMV_ALG_DEFAULT, lib_device(n_bytes + 16)));
    lib_take(y, COLUMNS * sizeof(float));
    GOOD(FN(cusparseDestroy)(handle));
}

int main(int argc, char **argv)
{
    drv_start();
    for (int i = 1; i < argc; i++) {
        void *library = dlopen(argv[i], RTLD_NOW | RTLD_LOCAL);
        if (!library) {
            printf("%s\n", dlerror());
            return 3;
        }
        product(library);
    }
    printf("result status=0 hash=%016llx\n", (unsigned long long)lib_hash);
    return 0;
}
