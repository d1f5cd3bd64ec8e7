/* What the double and the test program use of cuSPARSELt 0.10, written from its documented interface: the toolkit has no header of it.
 * Every handle and descriptor is 512 bytes of the program's. */
#ifndef CUSPARSELT_API_H
#define CUSPARSELT_API_H

#define DISABLE_CUSPARSE_DEPRECATED
#include <cusparse.h>
#include <stdint.h>

typedef struct {
    _Alignas(16) uint8_t data[512];
} cusparseLtOpaque;
enum { CUSPARSELT_MATMUL_ALG_CONFIG_ID = 0 };

cusparseStatus_t cusparseLtInit(cusparseLtOpaque *handle);
cusparseStatus_t cusparseLtDestroy(const cusparseLtOpaque *handle);
cusparseStatus_t cusparseLtDenseDescriptorInit(const cusparseLtOpaque *handle,
    cusparseLtOpaque *matrix, int64_t rows, int64_t cols, int64_t ld, uint32_t alignment,
    cudaDataType type, cusparseOrder_t order);
cusparseStatus_t cusparseLtStructuredDescriptorInit(const cusparseLtOpaque *handle,
    cusparseLtOpaque *matrix, int64_t rows, int64_t cols, int64_t ld, uint32_t alignment,
    cudaDataType type, cusparseOrder_t order, int sparsity);
cusparseStatus_t cusparseLtMatmulDescriptorInit(const cusparseLtOpaque *handle,
    cusparseLtOpaque *product, cusparseOperation_t op_a, cusparseOperation_t op_b,
    const cusparseLtOpaque *a, const cusparseLtOpaque *b, const cusparseLtOpaque *c,
    const cusparseLtOpaque *d, int compute);
cusparseStatus_t cusparseLtMatmulAlgSelectionInit(const cusparseLtOpaque *handle,
    cusparseLtOpaque *selection, const cusparseLtOpaque *product, int algorithm);
cusparseStatus_t cusparseLtMatmulAlgGetAttribute(const cusparseLtOpaque *handle,
    const cusparseLtOpaque *selection, int name, void *to, size_t n_bytes);
cusparseStatus_t cusparseLtMatmulPlanInit(const cusparseLtOpaque *handle, cusparseLtOpaque *plan,
    const cusparseLtOpaque *product, const cusparseLtOpaque *selection);
cusparseStatus_t cusparseLtMatmul(const cusparseLtOpaque *handle, const cusparseLtOpaque *plan,
    const void *alpha, const void *A, const void *B, const void *beta, const void *C, void *D,
    void *workspace, cudaStream_t *streams, int32_t n_streams);
cusparseStatus_t cusparseLtMatmulSearch(const cusparseLtOpaque *handle, cusparseLtOpaque *plan,
    const void *alpha, const void *A, const void *B, const void *beta, const void *C, void *D,
    void *workspace, cudaStream_t *streams, int32_t n_streams);

#endif
