/* See cusparse_decide.h. */
#include "shim/cusparse/cusparse_decide.h"

static struct det_sparse_choice unchanged(
    int asked, enum det_class cls, enum det_rule rule, const char *reason)
{
    return (struct det_sparse_choice){ asked, cls, rule, reason };
}

static struct det_sparse_choice pinned(int asked, int ordered, enum det_rule rule)
{
    if (asked == ordered)
        return unchanged(asked, DET_CLASS_VOUCHED, rule, "");
    if (!det_rule_acts(rule))
        return unchanged(asked, DET_CLASS_UNCOVERED, rule,
            "algorithm is not documented to repeat; would be replaced");
    return (struct det_sparse_choice){ ordered, DET_CLASS_PINNED, rule, "" };
}

struct det_sparse_choice det_cusparse_spmv(
    cusparseFormat_t format, cusparseOperation_t op, int asked)
{
    const enum det_rule rule = DET_RULE_CUSPARSE_SPMV;
    int ordered = CUSPARSE_SPMV_CSR_ALG2;
    if (format == CUSPARSE_FORMAT_COO)
        ordered = CUSPARSE_SPMV_COO_ALG2;
    else if (format != CUSPARSE_FORMAT_CSR && format != CUSPARSE_FORMAT_CSC)
        return unchanged(asked, DET_CLASS_UNKNOWN, rule, "no document on this format");
    /* CSC is CSR of the transposed matrix: only one of the two directions is a sum along rows, and no document says which of them
     * CSR_ALG2 orders. Our kernels order both. */
    if (format == CUSPARSE_FORMAT_CSC)
        return unchanged(asked, DET_CLASS_UNCOVERED, rule, "CSC: no document says that it repeats");
    if (op != CUSPARSE_OPERATION_NON_TRANSPOSE)
        return unchanged(
            asked, DET_CLASS_UNCOVERED, rule, "transposed: no algorithm of cuSPARSE repeats");
    return pinned(asked, ordered, rule);
}

struct det_sparse_choice det_cusparse_spmm(
    cusparseFormat_t format, cusparseOperation_t op, int asked, int version)
{
    enum { BROKEN_UP_TO = 12603, CSR_ALG3 = 12 };
    const enum det_rule rule = DET_RULE_CUSPARSE_SPMM;
    if (op != CUSPARSE_OPERATION_NON_TRANSPOSE)
        return unchanged(
            asked, DET_CLASS_UNCOVERED, rule, "transposed: no algorithm of cuSPARSE repeats");
    if (format == CUSPARSE_FORMAT_COO)
        return pinned(asked, CUSPARSE_SPMM_COO_ALG2, rule);
    if (format != CUSPARSE_FORMAT_CSR)
        return unchanged(asked, DET_CLASS_UNKNOWN, rule, "no document on this format");
    if (version <= BROKEN_UP_TO)
        return unchanged(asked, DET_CLASS_UNCOVERED, rule,
            "CSR: the documented algorithm does not repeat before CUDA 13.1");
    return pinned(asked, CSR_ALG3, rule);
}

struct det_sparse_choice det_cusparse_spgemm(int asked)
{
    const enum det_rule rule = DET_RULE_CUSPARSE_SPGEMM;
    switch (asked) {
    case CUSPARSE_SPGEMM_CSR_ALG_NONDETERMINITIC:
        return pinned(asked, CUSPARSE_SPGEMM_DEFAULT, rule);
    case CUSPARSE_SPGEMM_DEFAULT:
    case CUSPARSE_SPGEMM_CSR_ALG_DETERMINITIC:
    case CUSPARSE_SPGEMM_ALG1:
        return unchanged(asked, DET_CLASS_VOUCHED, rule, "");
    default:
        return unchanged(asked, DET_CLASS_UNKNOWN, rule, "no document on this algorithm");
    }
}
