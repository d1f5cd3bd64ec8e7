/* What the files of this folder share. Decisions about engines are in engine.h; the facts behind them are cuDNN's own documents:
 * "Reproducibility (Determinism)" of the backend guide, and the headers' comments on algorithms. */
#ifndef DET_CUDNN_SHIM_H
#define DET_CUDNN_SHIM_H

#include <cudnn.h>
#include <stdatomic.h>

#include "shim/loader/call.h"
#include "shim/log/log.h"

/** The real function for the program's call at `caller`: what DET_REAL is where the caller is one frame up. */
#define DET_REAL_FOR(symbol, caller)                                                               \
    ((__typeof__(&symbol))(uintptr_t)det_real(DET_ID_##symbol, caller))

/** Count one execution. `row` is a static of the call site and (class, reason) constant for it. */
void det_cudnn_count(_Atomic(struct det_ledger_row *) *row, const char *call, enum det_class cls,
    enum det_rule rule, const char *reason);
/** Count under a class that varies. */
void det_cudnn_count_as(
    const char *call, enum det_class cls, enum det_rule rule, const char *reason);
#define DET_COUNT(call, cls, rule, reason)                                                         \
    do {                                                                                           \
        static _Atomic(struct det_ledger_row *) row_;                                              \
        det_cudnn_count(&row_, call, cls, rule, reason);                                           \
    } while (0)

/** Device memory of ours for a substitute algorithm that needs more than the program gave: one buffer per (handle, stream), grown,
 *  freed with the handle. NULL when it cannot be had; never allocates, frees or waits while the handle's stream is capturing. */
void *det_cudnn_workspace(cudnnHandle_t handle, size_t n_bytes, const void *caller);
void det_cudnn_workspace_drop(cudnnHandle_t handle);
/** The stream a handle works on; false when it cannot be told or is capturing. */
bool det_cudnn_stream(cudnnHandle_t handle, cudaStream_t *stream, const void *caller);

#endif
