/* Between the halves of the C twin: the arithmetic of the fold, and reading and writing one element. */
#ifndef DET_REPLACEMENTS_REFERENCE_FOLD_H
#define DET_REPLACEMENTS_REFERENCE_FOLD_H

#include "replacements/reference/accumulator.h"

enum { DET_ACC_MAX_DIGITS = 72 };

/** A device address of the head, which here is a host pointer. */
static inline void *det_acc_at(uint64_t address)
{
    return (void *)(uintptr_t)
        address; /* NOLINT(performance-no-int-to-ptr): the device knows integers */
}
static inline struct det_acc_entry *det_acc_entry(const struct det_acc_head *head, uint32_t slot)
{
    return (struct det_acc_entry *)det_acc_at(head->entries) + slot;
}
static inline uint64_t *det_acc_bins(const struct det_acc_head *head, uint32_t slot)
{
    return (uint64_t *)det_acc_at(head->bins) + (size_t)slot * DET_ACC_SLOT_WORDS;
}

/** An exact sum: sum of digit[i] * 2^(32 i) units, each digit a signed 64-bit number, not normalised. */
struct det_acc_sum {
    int64_t digit[DET_ACC_MAX_DIGITS];
};
/** Add word * 2^at units; any word, at + 96 <= 32 * DET_ACC_MAX_DIGITS. */
void det_acc_sum_add(struct det_acc_sum *sum, int64_t word, unsigned at);
/** RN-even(old + sum) as bits of the type: Inf and NaN in `old` stay (NaN canonical), an exact zero is +0, `flush` turns a
 *  subnormal old value and a subnormal result into zero. */
uint64_t det_acc_sum_round(
    enum det_acc_type type, const struct det_acc_sum *sum, uint64_t old, bool flush);

#endif
