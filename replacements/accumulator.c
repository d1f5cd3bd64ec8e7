/* Host side of the exact accumulator: sizes and the head. Pure functions of values; the device memory itself belongs to the
 * launcher. Layout and meaning: accumulator.h. */
#include "replacements/accumulator.h"

#include <assert.h>
#include <string.h>

enum { MIN_SLOTS = 1024, MAX_SLOTS = 1 << 26, MAX_VARS = 1 << 16, ALIGN = 256, PROBE_LIMIT = 64 };

static_assert(sizeof(struct det_acc_entry) == 16, "one 16-byte load fetches key and state");
static_assert(
    offsetof(struct det_acc_head, vars) == 64, "emitted code and fold.ptx hold these offsets");

static_assert(offsetof(struct det_acc_head, window) == 60 &&
                  offsetof(struct det_acc_counters, scales) == 80 &&
                  offsetof(struct det_acc_counters, pending) == 336,
    "fold.ptx holds these offsets");

static size_t up(size_t n, size_t step)
{
    return (n + step - 1) / step * step;
}

static uint32_t power_of_two_from(size_t n)
{
    uint32_t slots = MIN_SLOTS;
    while (slots < n && slots < MAX_SLOTS)
        slots *= 2;
    return slots;
}

enum det_err det_acc_plan(uint32_t min_slots, uint32_t n_vars, struct det_acc_layout *out)
{
    if (min_slots > MAX_SLOTS || n_vars > MAX_VARS)
        return DET_E_LIMIT;
    const size_t n = power_of_two_from(min_slots);
    memset(out, 0, sizeof *out);
    out->n_slots = (uint32_t)n;
    out->head_at = 0;
    out->counters_at = up(sizeof(struct det_acc_head) + n_vars * sizeof(uint64_t), ALIGN);
    out->entries_at = out->counters_at +
                      up(DET_ACC_CHECK_AT + DET_ACC_CHECKS * sizeof(struct det_acc_check), ALIGN);
    static_assert(sizeof(struct det_acc_counters) <= DET_ACC_CHECK_AT, "the entries come behind");
    out->dirty_at = out->entries_at + n * sizeof(struct det_acc_entry);
    out->bins_at = out->dirty_at + n * sizeof(uint32_t);
    out->total_bytes = out->bins_at + n * DET_ACC_SLOT_WORDS * sizeof(uint64_t);
    return DET_OK;
}

uint32_t det_acc_slots_in(size_t bytes)
{
    struct det_acc_layout layout;
    uint32_t best = 0;
    for (uint32_t n = MIN_SLOTS; n <= MAX_SLOTS; n *= 2)
        if (det_acc_plan(n, MAX_VARS, &layout) == DET_OK && layout.total_bytes <= bytes)
            best = n;
    return best;
}

uint32_t det_acc_blocks_for(size_t target_bytes, unsigned element_bytes)
{
    const size_t block = element_bytes == 8 ? 32 : element_bytes == 2 ? 64 : 128;
    const size_t blocks =
        target_bytes / block + 2; /* a target need not start on a block boundary */
    return blocks < MAX_SLOTS ? (uint32_t)blocks : MAX_SLOTS;
}

uint32_t det_acc_slots_for(size_t target_bytes, unsigned element_bytes)
{
    const uint32_t blocks = det_acc_blocks_for(target_bytes, element_bytes);
    return blocks >= MAX_SLOTS / 2 ? MAX_SLOTS : power_of_two_from(2 * (size_t)blocks);
}

void det_acc_head_fill(const struct det_acc_layout *layout, uint64_t base, uint32_t n_vars,
    uint32_t flags, struct det_acc_head *out)
{
    memset(out, 0, sizeof *out);
    out->entries = base + layout->entries_at;
    out->bins = base + layout->bins_at;
    out->dirty = base + layout->dirty_at;
    out->counters = base + layout->counters_at;
    out->hash_shift = (uint32_t)__builtin_clz(layout->n_slots) + 1;
    out->slot_mask = layout->n_slots - 1;
    out->probe_limit = PROBE_LIMIT;
    out->f32_base = DET_ACC_F32_BASE;
    out->bf16_base = DET_ACC_BF16_BASE;
    out->flags = flags;
    out->n_vars = n_vars;
}

uint32_t det_acc_fold_grid(uint32_t n_blocks, uint32_t n_sms)
{
    const uint32_t warps = DET_ACC_FOLD_BLOCK / 32;
    const uint32_t most = n_blocks ? (n_blocks - 1) / warps + 1 : 1,
                   wanted = 8 * (n_sms ? n_sms : 1);
    return most < wanted ? most : wanted;
}
