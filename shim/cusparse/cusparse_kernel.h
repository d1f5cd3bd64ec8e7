/* Products that cuSPARSE cannot repeat, answered by kernels of ours (replacements/sparse.h). */
#ifndef DET_CUSPARSE_KERNEL_H
#define DET_CUSPARSE_KERNEL_H

#include <cusparse.h>

/** Run the product on the handle's stream. NULL when it was queued, else why the kernel does not do for it; then nothing was done and the
 *  real call follows. float32 CSR or CSC with 32-bit indices, alpha and beta on the host. Loads its module outside capture only. `*status` is the
 *  answer for the program where a launch failed. `caller`: of the wrapper, for the copy of cuSPARSE it came by. */
const char *det_cusparse_spmv_kernel(cusparseHandle_t handle, cusparseOperation_t op,
    const void *alpha, cusparseConstSpMatDescr_t a, cusparseConstDnVecDescr_t x, const void *beta,
    cusparseDnVecDescr_t y, cudaDataType type, cusparseStatus_t *status, const void *caller);
const char *det_cusparse_spmm_kernel(cusparseHandle_t handle, cusparseOperation_t op,
    cusparseOperation_t op_b, const void *alpha, cusparseConstSpMatDescr_t a,
    cusparseConstDnMatDescr_t b, const void *beta, cusparseDnMatDescr_t c, cudaDataType type,
    cusparseStatus_t *status, const void *caller);

#endif
