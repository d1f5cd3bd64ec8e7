/* Accumulator tables of streams, and the reports their folds write. See cuda_state.h for the records. */
#ifndef DET_CUDA_TABLE_H
#define DET_CUDA_TABLE_H

#include "shim/cuda/cuda_state.h"

/** NULL and CU_STREAM_LEGACY are one stream; with `per_thread` entry points NULL is the calling thread's own. */
CUstream det_stream_normal(CUstream stream, bool per_thread);

/** The table of a stream (capture 0) or of one stream of one capture, its record made when new; no memory yet. NULL when
 *  host memory is out. */
struct det_table *det_table_get(struct det_ctx *ctx, CUstream stream, uint64_t capture);
/** Table lock held, context current. Memory for `slots` target blocks (0: unknown), zeroed in order of `stream` (at once
 *  when capturing). Under a ceiling that is too low the table stays as large as it may. */
CUresult det_table_reserve(struct det_table *table, uint64_t slots, CUstream stream);
/** `ctx` is current: take what an explicit DETSHIM_SCRATCH_MIB leaves unused, for programs that take all memory first. */
void det_table_keep(struct det_ctx *ctx);
/** Table lock held. Device address of a head with the variables of `twin`. */
CUresult det_table_head(
    struct det_table *table, const struct det_twin *twin, CUstream stream, CUdeviceptr *head);
/** Table lock held, context current. Where folds after launches counted in `row` report. NULL when memory is out. */
struct det_report *det_table_report(
    struct det_table *table, struct det_ledger_row *row, const char *name);

/** A stream is gone: its table may serve another once its folds have run. */
void det_table_stream_gone(CUstream stream);
/** Nobody names this table any more: another stream may have it once its folds have run. */
void det_table_rest(struct det_table *table);
/** The context is idle: free what tables outgrew. Context current. */
void det_table_settle(struct det_ctx *ctx);
/** Read all reports; move launches whose fold complained to uncovered. Host memory only, no driver call. `peek`: memory may
 *  be gone (process end). */
void det_reports_collect(bool peek);
/** A fold was queued: reports will change. */
void det_reports_expect(void);
/** DET_ACC_* of this context's device. */
uint32_t det_acc_flags(const struct det_ctx *ctx);

/** Freeze and thaw the capture rules of this thread around our own allocations: harmless outside capture. */
CUstreamCaptureMode det_capture_relax(void);
void det_capture_restore(CUstreamCaptureMode mode);
/** May a stream be capturing? False costs one load. */
bool det_capture_any(void);
/** Id of the capture `stream` takes part in, 0 when it is not capturing. */
uint64_t det_capture_id(CUstream stream);

#endif
