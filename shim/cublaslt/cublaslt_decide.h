/* What cuBLASLt is asked for, decided as values. Sources: cublasLt.h; cuBLAS guide, "Results Reproducibility". */
#ifndef DET_CUBLASLT_DECIDE_H
#define DET_CUBLASLT_DECIDE_H

#include <cublasLt.h>

#include "shim/policy/policy.h"

enum { DET_CUBLASLT_FIXED_POINT = 79, DET_CUBLASLT_EMULATION_DESCRIPTOR = 38 };

/** CUBLAS_COMPUTE_64F_EMULATED_FIXEDPOINT becomes native FP64. */
cublasComputeType_t det_cublaslt_compute(cublasComputeType_t asked);
/** Index of the first result a heuristic query found usable; -1 when none. */
int det_cublaslt_first(const cublasLtMatmulHeuristicResult_t results[], int n);
/** Try number `i` of a query: the reduction schemes to allow. False when there is no further try. DETSHIM_STRICT asks for
 *  algorithms without split-K sums first, then for sums in the compute type, then for what the caller allowed. */
bool det_cublaslt_schemes(int i, uint32_t asked, uint32_t *allowed);

#endif
