/* What cuSPARSE is asked for, decided as values. Sources: cuSPARSE guide, the notes on determinism of each routine; cusparse.h;
 * CUDA 13.0 release notes (known issue of CSR_ALG3), 13.1 (CUSPARSE-2612, fixed). */
#ifndef DET_CUSPARSE_DECIDE_H
#define DET_CUSPARSE_DECIDE_H

#include <cusparse.h>
#include <stdbool.h>

#include "shim/policy/policy.h"

/** What the call will run and what can be said of it. `cls` is the class of an execution with `given`. */
struct det_sparse_choice {
    int given;
    enum det_class cls;
    enum det_rule rule;
    const char *reason; /* "" or why it is uncovered or unknown */
};
struct det_sparse_choice det_cusparse_spmv(
    cusparseFormat_t format, cusparseOperation_t op, int asked);
/** version: as cusparseGetVersion gives it. */
struct det_sparse_choice det_cusparse_spmm(
    cusparseFormat_t format, cusparseOperation_t op, int asked, int version);
struct det_sparse_choice det_cusparse_spgemm(int asked);

#endif
