/* See cublaslt_decide.h. */
#include "shim/cublaslt/cublaslt_decide.h"

cublasComputeType_t det_cublaslt_compute(cublasComputeType_t asked)
{
    return (int)asked == DET_CUBLASLT_FIXED_POINT && det_rule_acts(DET_RULE_CUBLAS_EMULATION)
               ? CUBLAS_COMPUTE_64F
               : asked;
}

int det_cublaslt_first(const cublasLtMatmulHeuristicResult_t results[], int n)
{
    for (int i = 0; i < n; i++)
        if (results[i].state == CUBLAS_STATUS_SUCCESS)
            return i;
    return -1;
}

bool det_cublaslt_schemes(int i, uint32_t asked, uint32_t *allowed)
{
    const bool strict = det_policy()->strict > 0 && det_rule_acts(DET_RULE_CUBLASLT_SCHEME);
    const uint32_t tries[] = { CUBLASLT_REDUCTION_SCHEME_NONE,
        asked & CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE, asked };
    const int n_tries = sizeof tries / sizeof *tries, at = strict ? i : i + n_tries - 1;
    if (at >= n_tries)
        return false;
    *allowed = tries[at];
    return true;
}
