/* What cuBLAS is asked for, decided as values: no handle, no library. Sources: cuBLAS guide, "Results Reproducibility"; cublas_api.h. */
#ifndef DET_CUBLAS_DECIDE_H
#define DET_CUBLAS_DECIDE_H

#include <cublas_v2.h>

#include "shim/policy/policy.h"

/* Enumerators that the oldest supported header lacks. */
enum { DET_CUBLAS_TIMED = 999, DET_CUBLAS_FIXED_POINT = 79, DET_CUBLAS_FIXED_POINT_MATH = 8 };

/** Atomics let partial sums arrive in any order; the other path is ordered. */
cublasAtomicsMode_t det_cublas_atomics(cublasAtomicsMode_t asked);
/** Fixed-point FP64 emulation falls back to the native routine when its workspace cannot be had: never under our promise. */
cublasMath_t det_cublas_math(cublasMath_t asked);
/** CUBLAS_GEMM_AUTOTUNE picks by time. */
cublasGemmAlgo_t det_cublas_algo(cublasGemmAlgo_t asked);
/** Does this math mode ask for fixed-point emulation? */
bool det_cublas_math_emulates(cublasMath_t mode);
/** CUBLAS_COMPUTE_64F_EMULATED_FIXEDPOINT becomes native FP64. */
cublasComputeType_t det_cublas_compute(cublasComputeType_t asked);

#endif
