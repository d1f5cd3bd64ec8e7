/* Ordered sparse products: one struct for kernel parameters and twins. PTX: sparse.ptx; twins equal bit for bit: reference/sparse.c. */
#ifndef DET_REPLACEMENTS_SPARSE_H
#define DET_REPLACEMENTS_SPARSE_H

#include <stdint.h>

/** c[out, k] = alpha * sum + beta * c[out, k], the sum over stored elements in storage order, one fused multiply-add each, from +0.
 *
 * offsets  [in]    n_rows + 1 int32, CSR; columns, values: [in] as many int32, float32 as offsets say; counted from `base`
 * b        [in]    float32; element (r, k) at r * b_row + k * b_column elements
 * c        [inout] float32, same with c_row, c_column; not read where beta is 0; may not overlap b
 * n_outputs        rows of c: rows of the matrix (rows form) or its columns (columns form: the matrix transposed)
 * Addresses are device addresses for the kernels, host addresses for the twins. */
struct det_sparse {
    uint64_t offsets, columns, values, b, c;
    int64_t b_row, b_column, c_row, c_column;
    uint32_t n_rows, n_outputs, n;
    float alpha, beta;
    int32_t base;
};
enum { DET_SPARSE_BLOCK = 128 }; /* threads; n_outputs * n threads in all */
#define DET_SPARSE_ROWS    "det_k_csr_rows_f32"
#define DET_SPARSE_COLUMNS "det_k_csr_columns_f32"
extern const char det_sparse_ptx[] __attribute__((visibility("hidden")));

/** Plain C twins of the two kernels. */
void det_sparse_rows(const struct det_sparse *product);
void det_sparse_columns(const struct det_sparse *product);

#endif
