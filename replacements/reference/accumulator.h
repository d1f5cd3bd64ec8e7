/* Plain C twin of what runs on the device: the add that shim/ptx/emit_add.c writes as PTX and the fold of fold.ptx, over host
 * memory with atomics. Same tables, same steps, same bits; tests hold the PTX against it. Not used while a program runs. */
#ifndef DET_REPLACEMENTS_REFERENCE_ACCUMULATOR_H
#define DET_REPLACEMENTS_REFERENCE_ACCUMULATOR_H

#include <stdbool.h>

#include "replacements/accumulator.h"

/** How a format is laid out. Values are +-m * 2^s units, see accumulator.h. */
struct det_acc_format {
    const char *name;
    unsigned p;     /* bits of the significand, the hidden one included */
    unsigned bytes; /* of an element */
    unsigned log2_bytes;
    unsigned block_bytes; /* targets of one slot */
    unsigned elements;    /* of one slot */
    unsigned step;        /* binades per window plane (digit bits for f64) */
    unsigned fold_digits; /* 32-bit digits that hold any sum, sign included */
    uint64_t sign, inf, nan;
};
extern const struct det_acc_format det_acc_formats[DET_ACC_N_TYPES];

/**
 * Add `bits` (a number of the type, in the low bytes) to *target, later: into the table. Any thread, any time between folds.
 *
 * head    [in]    addresses in it are host pointers; the table as det_acc_plan laid it out, zero before the first add
 * target  [inout] touched at once only where the original instruction runs: zero, Inf, NaN, flushed subnormal, full table
 */
void det_acc_ref_add(
    const struct det_acc_head *head, enum det_acc_type type, void *target, uint64_t bits);
/** Round every touched element once, clear the table, add the counters to *report. One caller, no concurrent adds. */
void det_acc_ref_fold(struct det_acc_head *head, struct det_acc_report *report);

/** The original instruction: *target = RN-even(*target + bits), NaN canonical, subnormals flushed if `flush`. Atomic. */
void det_acc_ref_plain_add(enum det_acc_type type, void *target, uint64_t bits, bool flush);
/** One IEEE add of two numbers, by the fold's own arithmetic. */
uint64_t det_acc_ref_sum(enum det_acc_type type, uint64_t a, uint64_t b, bool flush);

/** What this thread's det_acc_ref_add did so far; for benches. Bookkeeping (claims, marks, counters) is not an update. */
struct det_acc_ref_stats {
    uint64_t adds;        /* addends that went into bins */
    uint64_t bin_updates; /* atomic integer adds on bins, carries included */
    uint64_t marks;       /* atomic ors on state words */
};
extern __thread struct det_acc_ref_stats det_acc_ref_stats;

#endif
