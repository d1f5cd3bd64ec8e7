/* What a cuBLAS call counts as. The promise vouched for: bitwise equal results on one architecture and SM count, which several
 * streams void unless the workspace is pinned (cuBLAS guide, "Results Reproducibility"). */
#ifndef DET_CUBLAS_LEDGER_H
#define DET_CUBLAS_LEDGER_H

#include <cublas_v2.h>

#include "shim/loader/call.h"

enum det_cublas_outcome {
    DET_CUBLAS_PLAIN,           /* nothing to change */
    DET_CUBLAS_AUTOTUNE_PINNED, /* algorithm 999 became the default */
    DET_CUBLAS_EMULATION_PINNED,
    DET_CUBLAS_ATOMICS_PINNED,
    DET_CUBLAS_AUTOTUNE_LEFT, /* the rule is off, or we only observe */
    DET_CUBLAS_EMULATION_LEFT,
    DET_CUBLAS_ATOMICS_LEFT,
    DET_CUBLAS_N_OUTCOMES
};
/** Count the call in the ledger. */
void det_cublas_count(enum det_call call, enum det_cublas_outcome outcome);
/** What the handle's modes make of a call without an algorithm of its own. symv: does the routine obey the atomics mode? */
enum det_cublas_outcome det_cublas_handle_outcome(cublasHandle_t handle, bool obeys_atomics);

#endif
