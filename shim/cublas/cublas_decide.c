/* See cublas_decide.h. */
#include "shim/cublas/cublas_decide.h"

enum { FLAGS = ~15 };

cublasAtomicsMode_t det_cublas_atomics(cublasAtomicsMode_t asked)
{
    return det_rule_acts(DET_RULE_CUBLAS_ATOMICS) ? CUBLAS_ATOMICS_NOT_ALLOWED : asked;
}

bool det_cublas_math_emulates(cublasMath_t mode)
{
    return ((int)mode & ~FLAGS) == DET_CUBLAS_FIXED_POINT_MATH;
}

cublasMath_t det_cublas_math(cublasMath_t asked)
{
    const int mode = (int)asked;
    if (!det_cublas_math_emulates(asked) || !det_rule_acts(DET_RULE_CUBLAS_EMULATION))
        return asked;
    return (
        cublasMath_t)(mode & FLAGS); /* flags such as DISALLOW_REDUCED_PRECISION_REDUCTION stay */
}

cublasGemmAlgo_t det_cublas_algo(cublasGemmAlgo_t asked)
{
    return (int)asked == DET_CUBLAS_TIMED && det_rule_acts(DET_RULE_CUBLAS_AUTOTUNE)
               ? CUBLAS_GEMM_DEFAULT
               : asked;
}

cublasComputeType_t det_cublas_compute(cublasComputeType_t asked)
{
    return (int)asked == DET_CUBLAS_FIXED_POINT && det_rule_acts(DET_RULE_CUBLAS_EMULATION)
               ? CUBLAS_COMPUTE_64F
               : asked;
}
