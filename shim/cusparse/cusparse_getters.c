/* Getters that change nothing: rows, so that the wrappers reach those of the copy of cuSPARSE that the program called. A descriptor of
 * one copy means nothing to another. */
#include <cusparse.h>

#include "shim/loader/call.h"

#define GETTER(symbol, params, args)                                                               \
    DET_EXPORT cusparseStatus_t symbol params                                                      \
    {                                                                                              \
        return DET_REAL(symbol) args;                                                              \
    }

GETTER(cusparseGetVersion, (cusparseHandle_t handle, int *version), (handle, version))
GETTER(
    cusparseGetPointerMode, (cusparseHandle_t handle, cusparsePointerMode_t *mode), (handle, mode))
GETTER(cusparseGetStream, (cusparseHandle_t handle, cudaStream_t *stream), (handle, stream))
GETTER(cusparseSpMatGetFormat, (cusparseConstSpMatDescr_t matrix, cusparseFormat_t *format),
    (matrix, format))
GETTER(cusparseConstCsrGet,
    (cusparseConstSpMatDescr_t a, int64_t *rows, int64_t *columns, int64_t *nnz,
        const void **offsets, const void **indices, const void **values,
        cusparseIndexType_t *offset_type, cusparseIndexType_t *index_type,
        cusparseIndexBase_t *base, cudaDataType *type),
    (a, rows, columns, nnz, offsets, indices, values, offset_type, index_type, base, type))
GETTER(cusparseConstCscGet,
    (cusparseConstSpMatDescr_t a, int64_t *rows, int64_t *columns, int64_t *nnz,
        const void **offsets, const void **indices, const void **values,
        cusparseIndexType_t *offset_type, cusparseIndexType_t *index_type,
        cusparseIndexBase_t *base, cudaDataType *type),
    (a, rows, columns, nnz, offsets, indices, values, offset_type, index_type, base, type))
GETTER(cusparseConstDnVecGet,
    (cusparseConstDnVecDescr_t v, int64_t *n, const void **values, cudaDataType *type),
    (v, n, values, type))
GETTER(cusparseConstDnMatGet,
    (cusparseConstDnMatDescr_t m, int64_t *rows, int64_t *columns, int64_t *ld, const void **values,
        cudaDataType *type, cusparseOrder_t *order),
    (m, rows, columns, ld, values, type, order))
