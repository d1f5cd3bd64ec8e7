/* See cublas_decide.h. Newer enumerators are written as numbers where the oldest supported header lacks them. */
#include "shim/cublas/cublas_decide.h"

enum { AUTOTUNE = 999, FP64_FIXED_POINT_MATH = 8, COMPUTE_64F_FIXED_POINT = 79, FLAGS = ~15 };

cublasAtomicsMode_t det_cublas_atomics(cublasAtomicsMode_t asked)
{
    return det_rule_acts(DET_RULE_CUBLAS_ATOMICS) ? CUBLAS_ATOMICS_NOT_ALLOWED : asked;
}

cublasMath_t det_cublas_math(cublasMath_t asked)
{
    const int mode = (int)asked;
    if ((mode & ~FLAGS) != FP64_FIXED_POINT_MATH || !det_rule_acts(DET_RULE_CUBLAS_EMULATION))
        return asked;
    return (
        cublasMath_t)(mode & FLAGS); /* flags such as DISALLOW_REDUCED_PRECISION_REDUCTION stay */
}

cublasGemmAlgo_t det_cublas_algo(cublasGemmAlgo_t asked)
{
    return (int)asked == AUTOTUNE && det_rule_acts(DET_RULE_CUBLAS_AUTOTUNE) ? CUBLAS_GEMM_DEFAULT
                                                                             : asked;
}

cublasComputeType_t det_cublas_compute(cublasComputeType_t asked)
{
    return (int)asked == COMPUTE_64F_FIXED_POINT && det_rule_acts(DET_RULE_CUBLAS_EMULATION)
               ? CUBLAS_COMPUTE_64F
               : asked;
}
