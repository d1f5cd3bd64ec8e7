/* The cuBLAS double: handle, and how one sum over k is ordered.
 *
 * ordered when                                       vendor text
 * one stream in the process, or a workspace of the    cuBLAS guide, "Results Reproducibility": bitwise equal results, "not valid
 *   program's, or CUBLAS_WORKSPACE_CONFIG :4096:8/      when multiple CUDA streams are active"; "provide a separate workspace ...
 *   :16:8 at cublasCreate                               or set CUBLAS_WORKSPACE_CONFIG"
 * algo is not 999                                     cublas_api.h: CUBLAS_GEMM_AUTOTUNE; CUDA 13.0 notes: benchmarks and picks
 * no fixed-point emulation                            same section: an allocation failure falls back to the native routine
 * symv, hemv: atomics mode NOT_ALLOWED                cublasSetAtomicsMode: some routines "have an alternate implementation that
 *                                                       use atomics"; results may not be identical between runs
 */
#ifndef DOUBLES_CUBLAS_H
#define DOUBLES_CUBLAS_H

#include <cublas_v2.h>

#include "tests/doubles/double.h"

struct cublasContext {
    unsigned magic;
    cudaStream_t stream;
    cublasAtomicsMode_t atomics;
    cublasMath_t math;
    cublasPointerMode_t pointers;
    int sm_target, strategy, mantissa[3];
    bool workspace_pinned, workspace_set;
};
enum { DOUBLE_CUBLAS_MAGIC = 0xb1a5 };

/** How the products of one element are added: in `split` runs of neighbours, then the runs. */
struct double_sum_order {
    int split;
    bool emulated;
};
/** The order a gemm of this call uses. algo 999 and emulation pick at random. */
struct double_sum_order double_cublas_order(cublasHandle_t handle, int compute, int algo, bool f64);
bool double_cublas_bad(cublasHandle_t handle);
/** Injected status, or CUBLAS_STATUS_NOT_INITIALIZED for a bad handle, or success. */
cublasStatus_t double_cublas_check(const char *call, cublasHandle_t handle);

#endif
