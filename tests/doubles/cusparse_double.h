/* What the files of the cuSPARSE double share. */
#ifndef DOUBLES_CUSPARSE_H
#define DOUBLES_CUSPARSE_H

#include <cusparse.h>
#include <stdlib.h>
#include <string.h>

#include "tests/doubles/double.h"

/* A handle or matrix of one copy of the library means nothing to another copy. */
static const char double_here;
struct cusparseContext {
    const char *owner;
    cudaStream_t stream;
    cusparsePointerMode_t mode;
};
struct cusparseSpMatDescr {
    const char *owner;
    cusparseFormat_t format;
    int64_t rows, cols, nnz;
    const int *offsets,
        *columns; /* COO: offsets holds row indices; CSC: offsets of columns, then row indices */
    float *values;
};
struct cusparseDnVecDescr {
    int64_t n;
    float *at;
};
struct cusparseDnMatDescr {
    int64_t rows, cols, ld;
    float *at;
    cusparseOrder_t order;
};

#define ENTER(name)                                                                                \
    do {                                                                                           \
        const int injected_ = double_fail(#name);                                                  \
        double_trace(#name, "\"injected\":%d", injected_);                                         \
        if (injected_)                                                                             \
            return (cusparseStatus_t)injected_;                                                    \
    } while (0)
#define NEED(condition)                                                                            \
    if (!(condition))                                                                              \
    return CUSPARSE_STATUS_INVALID_VALUE

#endif
