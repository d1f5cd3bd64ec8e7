/* The exact accumulator: layout in device memory, host side of its life, and the names of its fold kernel.
 * Float adds become integer adds into wide fixed-point bins, kept in a hash of 128-byte target blocks; a fold kernel rounds
 * once per touched element. Proofs: notes/exact-accumulation.md sections 2-4; decisions: design section 6.4.
 * The plain C twin of everything on the device stands in reference/accumulator.c and is equal bit for bit. */
#ifndef DET_REPLACEMENTS_ACCUMULATOR_H
#define DET_REPLACEMENTS_ACCUMULATOR_H

#include <stddef.h>
#include <stdint.h>

#include "detshim/err.h"

/** What the extra kernel parameter points to. Read-only while kernels run; lives in device memory. Device addresses. */
struct det_acc_head {
    uint64_t keys;       /* u64[n_slots]: 0 empty, else target block number * 8 + element type + 1 */
    uint64_t bins;       /* main window bins, slot-major */
    uint64_t wide;       /* full-range promotion bins, slot-major */
    uint64_t touched;    /* one bit per element of a block */
    uint64_t dirty;      /* u32[n_slots]: slots used since the last fold */
    uint64_t counters;   /* struct det_acc_counters */
    uint32_t slot_mask;  /* n_slots - 1, a power of two */
    uint32_t probe_limit;
    int32_t f32_base;    /* exponent position of the f32 window; others follow from it */
    int32_t f64_base;
    uint32_t flags;      /* DET_ACC_* */
    uint32_t n_vars;
    uint64_t vars[];     /* addresses of module variables in the original module */
};
#define DET_ACC_FLUSH_F32 1u /* this device flushes subnormals in global f32 atomics */

/** Device counters of one table; the fold adds them to the report and clears them. */
struct det_acc_counters {
    uint64_t n_dirty, adds, promotions, specials, overflow, mixed_types, foreign_writer, headroom, ticket;
};
/** Written by the fold into host-visible memory (mapped, pinned): read after a synchronise, without another call. Only ever
 *  grows. One per (table, kernel) as the launcher likes. */
struct det_acc_report {
    uint64_t folds, adds, promotions, specials, overflow, mixed_types, foreign_writer, headroom, elements;
};

struct det_acc_layout {
    uint32_t n_slots;
    size_t keys_at, bins_at, wide_at, touched_at, dirty_at, counters_at, head_at; /* byte offsets in one allocation */
    size_t total_bytes;  /* must be zero-filled once; a fold leaves it zero again */
};
/** Layout for at least `min_slots` target blocks (128 bytes each) and `n_vars` variables. */
enum det_err det_acc_plan(uint32_t min_slots, uint32_t n_vars, struct det_acc_layout *out);
/** Slots that fit into `bytes` of device memory, at least 1024 or 0. */
uint32_t det_acc_slots_in(size_t bytes);
/** Fill the head for a table whose allocation starts at device address `base`; vars are left to the caller. */
void det_acc_head_fill(const struct det_acc_layout *layout, uint64_t base, uint32_t flags, struct det_acc_head *out);

/** NUL-terminated PTX (.version 6.0, .target sm_60) of the fold kernels. */
extern const char det_acc_fold_ptx[];
#define DET_ACC_FOLD_KERNEL "det_k_acc_fold"
/** kernelParams of the fold: { &head_address, &report_address }. Block of 128 threads; grid as below; no shared memory
 *  beyond static. Queue on the stream of the launch, right after it. */
#define DET_ACC_FOLD_BLOCK 128
uint32_t det_acc_fold_grid(uint32_t n_slots, uint32_t n_sms);

#endif
