/* The exact accumulator: layout in device memory, host side of its life, and the names of its fold kernel.
 * Float adds become integer adds into wide fixed-point bins, kept in a hash of small target blocks; a fold kernel rounds once
 * per touched element: result = RN-even(old value + exact sum of all addends), whatever their order. Proofs: headroom and
 * order independence below, longer in the project's notes on exact accumulation; decisions: design section 6.4.
 * The plain C twin of everything on the device stands in reference/accumulator.h and is equal bit for bit. */
#ifndef DET_REPLACEMENTS_ACCUMULATOR_H
#define DET_REPLACEMENTS_ACCUMULATOR_H

#include <stddef.h>
#include <stdint.h>

#include "detshim/err.h"

/* A finite float is +-m * 2^s units, m < 2^p, unit = the smallest subnormal, s = max(E,1) - 1, E = exponent field.
 *
 * A slot holds the bins of one block of consecutive elements of one type, as planes of u64: word = plane * elements + element.
 *
 *   type  block  elements  planes                                     one add                        adds until a bin is full
 *   f32   128 B  32        0-3: window, 9 binades each; 4-8: 320 bits 1 RED, or 2 atoms and carries  2^31
 *   bf16   64 B  32        0-3: window, 24 each;        4-8: 320 bits same                           2^32
 *   f16    64 B  32        0-1: 16 binades each, all of f16           1 RED                          2^37
 *   f64    32 B   4        0-65: 32-bit digits, all of f64            2 or 3 REDs                    2^31
 *
 * Window plane j holds the addends with base + j*step <= s < base + (j+1)*step as m << ((s - base) mod step), signed, in one
 * word: a word per add, never split. Its headroom: |addend| < 2^(p+step-1), so 2^(64-p-step) adds stay below 2^63.
 * (Two bins of 32 bits, the first plan, would split 24-bit significands across bins: 1.0 to 2.0 REDs per add, by phase.)
 * What misses the window is added to one two's-complement integer of 320 bits per element by atoms that return the old word,
 * from which the carry is derived. Both are exact, so where an addend lands changes no bit of the result. */
#define DET_ACC_SLOT_WORDS 288u
#define DET_ACC_WIDE_PLANE                                                                         \
    4u /* first plane of the 320-bit integer, and its bit in the group mask */
#define DET_ACC_ADDS_LIMIT (UINT64_C(1) << 31) /* smallest headroom of the four types */

/** Element types; the low three bits of a key are the type plus one. Same order as enum det_ptx_type. */
enum det_acc_type { DET_ACC_F32, DET_ACC_F64, DET_ACC_F16, DET_ACC_BF16, DET_ACC_N_TYPES };

/** What the extra kernel parameter points to. Read-only while kernels run; lives in device memory. Device addresses.
 *  The bases follow the data: after more than one promotion in 64 adds the fold moves them to where most promotions were, unless
 *  more adds were inside; each move doubles the number of such folds before the next, so that data of two scales settles. */
struct det_acc_head {
    uint64_t entries;    /* struct det_acc_entry[n_slots] */
    uint64_t bins;       /* u64[n_slots * DET_ACC_SLOT_WORDS] */
    uint64_t dirty;      /* u32[n_slots]: slots claimed since the last fold, in order of claiming */
    uint64_t counters;   /* struct det_acc_counters */
    uint32_t hash_shift; /* first slot tried: (u32)(address / 32) * DET_ACC_HASH >> hash_shift */
    uint32_t slot_mask;  /* n_slots - 1; n_slots is a power of two */
    uint32_t probe_limit; /* slots tried before an insert fails */
    int32_t f32_base;     /* s of the lowest binade of the window, 0 … DET_ACC_F32_BASE_MAX */
    int32_t bf16_base;    /* same, 0 … DET_ACC_BF16_BASE_MAX */
    uint32_t flags;       /* DET_ACC_* */
    uint32_t n_vars;
    uint32_t
        window; /* written by the fold alone: folds to wait before the next move * 32 + moves so far */
    uint64_t vars[]; /* addresses of module variables in the original module */
};
#define DET_ACC_FLUSH_F32 1u /* this device flushes subnormals in global f32 atomics */
#define DET_ACC_CHECK                                                                              \
    2u /* the kernel before the fold kept ordinary sums beside the exact ones: compare */
#define DET_ACC_HASH          0x9e3779b1u
#define DET_ACC_F32_STEP      9
#define DET_ACC_BF16_STEP     24
#define DET_ACC_F32_BASE_MAX  (253 - 4 * DET_ACC_F32_STEP + 1)
#define DET_ACC_BF16_BASE_MAX (253 - 4 * DET_ACC_BF16_STEP + 1)
/* Defaults: addends of 2^-25 … 2^11 (N(0,1) falls nearly whole into one plane) and 2^-64 … 2^32. */
#define DET_ACC_F32_BASE  101
#define DET_ACC_BF16_BASE 62

/** One slot of the hash. key: 0 free, else (address of the block | type + 1). state: bits 0-31 one per element that received
 *  a finite non-zero addend or a NaN; bits 32-48 one per group of planes used (f64: four planes a group; else one plane, the
 *  320-bit integer counting as one). Never inferred from bins: x + -x leaves zero bins on a touched element. */
struct det_acc_entry {
    uint64_t key, state;
};

/** Device counters of one table, since the last fold; the fold adds them to the report and clears them. */
struct det_acc_counters {
    uint64_t n_dirty; /* entries in the dirty list */
    uint64_t
        adds; /* adds counted by the kernel's threads (0 where the rewriter proved a bound instead) */
    uint64_t promotions; /* addends outside the window */
    uint64_t
        specials; /* zeros, Inf, NaN and flushed subnormals: given to the original instruction */
    uint64_t
        overflow; /* addends whose insert failed: given to the original instruction, order-dependent */
    uint64_t mixed_types;    /* blocks of one type that overlap a block of another */
    uint64_t foreign_writer; /* elements somebody else changed during the fold */
    uint64_t elements;       /* elements folded */
    uint64_t types;          /* bit per enum det_acc_type seen */
    uint64_t ticket;         /* blocks of the fold that are done */
    uint32_t scales[2][32];  /* promotions of f32 and of bf16 with s / 8 == i */
    uint64_t pending;        /* guarded accesses that met a block with a sum still pending */
};
/** Cross-check (launches that DETSHIM_CROSS_CHECK samples): the kernel's second compiled form also adds x, |x| and 1 for the
 *  first targets that claim an entry, by ordinary f64 atomics. The fold's last block, when all is rounded, takes
 *    |after - (before + sum)| <= |after| 2^-p + (n + 4) 2^-52 absolute + |before + sum| 2^-52 + (n + 2) tiny
 *  for what rounding may explain: half an ulp of the result; the error of n f64 adds in any order, at most (n - 1) u / (1 -
 *  (n - 1) u) times the sum of magnitudes with u = 2^-53, and the same for that sum itself; one more add; flushed subnormals.
 *  More is a mismatch. Not compared: sums that are not finite, launches with a full table, mixed types or a foreign writer. */
struct det_acc_check {
    uint64_t key; /* 0 free, else (address << 3 | type + 1) */
    double sum, absolute;
    uint64_t n; /* the fold sets bit 63 when it writes the target */
    uint64_t before,
        after; /* its bits: what the fold found (until then: what the kernel found), and wrote */
};
#define DET_ACC_CHECKS   64u
#define DET_ACC_CHECK_AT 512u /* struct det_acc_check[DET_ACC_CHECKS], from the counters */
/* promotions, specials and overflow stop near this value per launch: one hot counter must not slow a kernel down. */
#define DET_ACC_COUNT_CAP (1u << 20)

/** Written by the fold into host-visible memory (mapped, pinned) with system-scope fences: read after a synchronise, without
 *  another call. Only ever grows. One writer: tables whose folds may run at the same time need a report each.
 *  headroom: folds before which more than DET_ACC_ADDS_LIMIT adds were counted; their sums are folded, but not vouched for. */
struct det_acc_report {
    uint64_t folds, adds, promotions, specials, overflow, mixed_types, foreign_writer, headroom,
        elements;
    uint64_t checked, mismatch; /* targets cross-checked, and of these wrong ones */
    uint64_t pending;
};

struct det_acc_layout {
    uint32_t n_slots;
    size_t entries_at, bins_at, dirty_at, counters_at,
        head_at; /* byte offsets in one allocation, 256-byte aligned */
    size_t
        total_bytes; /* zero-filled once (all but the head); a fold leaves it zero again, but for the stale dirty list */
};
/** Layout for at least `min_slots` slots (see det_acc_slots_for) and `n_vars` variables. Whatever `min_slots`, at least 1024.
 *  DET_E_LIMIT past 2^26 slots or 2^16 variables. */
enum det_err det_acc_plan(uint32_t min_slots, uint32_t n_vars, struct det_acc_layout *out);
/** Largest power of two of slots that fits into `bytes` of device memory, at least 1024 or 0. */
uint32_t det_acc_slots_in(size_t bytes);
/** Blocks that targets of `target_bytes` bytes of `element_bytes`-byte elements (2, 4, 8; 0 unknown: as 4) may touch. Saturates. */
uint32_t det_acc_blocks_for(size_t target_bytes, unsigned element_bytes);
/** Slots for targets of `target_bytes` bytes of `element_bytes`-byte elements (2, 4, 8; 0 unknown: as 4), for the hash to stay
 *  at most half full. Saturates at 2^26. */
uint32_t det_acc_slots_for(size_t target_bytes, unsigned element_bytes);
/** Fill the head for a table whose allocation starts at device address `base`; vars are left to the caller. */
void det_acc_head_fill(const struct det_acc_layout *layout, uint64_t base, uint32_t n_vars,
    uint32_t flags, struct det_acc_head *out);

/** NUL-terminated PTX (.version 6.0, .target sm_60) of the fold kernel. */
extern const char det_acc_fold_ptx[];
#define DET_ACC_FOLD_KERNEL "det_k_acc_fold"
/** kernelParams of the fold: { &head_address, &report_address }, both uint64_t device addresses. Block of 128 threads; grid as
 *  below; no dynamic shared memory. Queue on the stream of the launch, right after it. All element types in one kernel.
 *  The grid decides speed only: n_blocks is what the launch may have touched (det_acc_blocks_for), or the table's n_slots. */
#define DET_ACC_FOLD_BLOCK 128u
uint32_t det_acc_fold_grid(uint32_t n_blocks, uint32_t n_sms);

#endif
