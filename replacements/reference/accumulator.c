/* Plain C twin of the exact accumulator, the adding half: see accumulator.h here and one folder up. The order of steps is that
 * of shim/ptx/emit_add.c, so that both can be read side by side. */
#include "replacements/reference/accumulator.h"

#include "replacements/reference/fold.h"

const struct det_acc_format det_acc_formats[DET_ACC_N_TYPES] = {
    [DET_ACC_F32] = { "f32", 24, 4, 2, 128, 32, DET_ACC_F32_STEP, 10, UINT64_C(1) << 31, 0x7f800000,
        0x7fffffff },
    [DET_ACC_F64] = { "f64", 53, 8, 3, 32, 4, 32, 68, UINT64_C(1) << 63,
        UINT64_C(0x7ff0000000000000), UINT64_C(0x7fffffffffffffff) },
    [DET_ACC_F16] = { "f16", 11, 2, 1, 64, 32, 16, 10, 0x8000, 0x7c00, 0x7fff },
    [DET_ACC_BF16] = { "bf16", 8, 2, 1, 64, 32, DET_ACC_BF16_STEP, 10, 0x8000, 0x7f80, 0x7fff },
};

__thread struct det_acc_ref_stats det_acc_ref_stats;

/* NOLINTNEXTLINE(readability-non-const-parameter): tidy does not see that the builtin writes */
static void bump(uint64_t *counter)
{
    if (__atomic_load_n(counter, __ATOMIC_RELAXED) < DET_ACC_COUNT_CAP)
        __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

/* NOLINTNEXTLINE(readability-non-const-parameter): as above */
static void bump_scale(uint32_t *counter)
{
    if (__atomic_load_n(counter, __ATOMIC_RELAXED) < DET_ACC_COUNT_CAP)
        __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static struct det_acc_counters *counters_of(const struct det_acc_head *head)
{
    return det_acc_at(head->counters);
}

static void claim(const struct det_acc_head *head, uint32_t slot, enum det_acc_type type)
{
    struct det_acc_counters *counters = counters_of(head);
    const uint64_t at = __atomic_fetch_add(&counters->n_dirty, 1, __ATOMIC_RELAXED);
    ((uint32_t *)det_acc_at(head->dirty))[at] = slot;
    __atomic_fetch_or(&counters->types, UINT64_C(1) << type, __ATOMIC_RELAXED);
}

/* Nobody ever waits for another thread: an entry is ours, somebody's, or free, and one compare-and-swap decides. */
static bool find_slot(
    const struct det_acc_head *head, enum det_acc_type type, uint64_t key, uint32_t *slot)
{
    struct det_acc_entry *entries = det_acc_entry(head, 0);
    uint32_t at = ((uint32_t)(key >> 5) * DET_ACC_HASH) >> head->hash_shift;
    for (uint32_t tries = 0; tries < head->probe_limit; tries++, at = (at + 1) & head->slot_mask) {
        uint64_t found = __atomic_load_n(&entries[at].key, __ATOMIC_RELAXED);
        const bool was_free = found == 0;
        if (was_free && __atomic_compare_exchange_n(&entries[at].key, &found, key, false,
                            __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
            claim(head, at, type);
            found = key;
        }
        *slot = at;
        if (found == key)
            return true;
    }
    return false;
}

static void mark(const struct det_acc_head *head, uint32_t slot, unsigned element, uint32_t groups)
{
    uint64_t *state = &det_acc_entry(head, slot)->state;
    const uint64_t need = UINT64_C(1) << element | (uint64_t)groups << 32;
    if ((need & ~__atomic_load_n(state, __ATOMIC_RELAXED)) != 0)
        __atomic_fetch_or(state, need, __ATOMIC_RELAXED), det_acc_ref_stats.marks++;
}

/* One signed word into one bin. */
/* NOLINTNEXTLINE(readability-non-const-parameter): as above */
static void into_bin(uint64_t *bin, uint64_t magnitude, bool negative)
{
    __atomic_fetch_add(bin, negative ? 0 - magnitude : magnitude, __ATOMIC_RELAXED);
    det_acc_ref_stats.bin_updates++;
}

/* m * 2^s into the 320-bit integer. The carry out of a word is known from the word's old value alone, so whatever other
 * threads do in between, the words plus the carries still held by threads stay the exact sum. */
static void into_wide(uint64_t *word, unsigned elements, uint64_t m, unsigned s, bool negative)
{
    const unsigned shift = s & 63;
    uint64_t add = m << shift, next = shift ? m >> (64 - shift) : 0;
    unsigned plane = s >> 6;
    do {
        uint64_t *at = word + (size_t)plane * elements;
        const uint64_t old = __atomic_fetch_add(at, negative ? 0 - add : add, __ATOMIC_RELAXED);
        det_acc_ref_stats.bin_updates++;
        const bool carry = negative ? old < add : old + add < old;
        add = next + carry;
        next = 0;
        plane++;
    } while (add != 0 && plane < 5);
}

static uint32_t into_digits(uint64_t *bin, unsigned elements, uint64_t m, unsigned s, bool negative)
{
    const unsigned plane = s >> 5, shift = s & 31;
    const uint64_t digits[3] = { m << shift & UINT32_MAX, m >> (32 - shift) & UINT32_MAX,
        shift ? m >> (64 - shift) : 0 };
    for (unsigned i = 0; i < 3; i++)
        if (digits[i] != 0)
            into_bin(bin + (size_t)(plane + i) * elements, digits[i], negative);
    return 1u << (plane >> 2) | 1u << ((plane + 2) >> 2);
}

/* The groups of planes used. */
static uint32_t into_slot(const struct det_acc_head *head, enum det_acc_type type, uint64_t *bin,
    uint64_t m, unsigned s, bool negative)
{
    const struct det_acc_format *f = &det_acc_formats[type];
    if (type == DET_ACC_F64)
        return into_digits(bin, f->elements, m, s, negative);
    const unsigned base = (unsigned)(type == DET_ACC_F32    ? head->f32_base
                                     : type == DET_ACC_BF16 ? head->bf16_base
                                                            : 0);
    const unsigned above = m ? s - base : 0; /* wraps far up when s is below the window */
    if (above < 4 * f->step) {
        const unsigned plane = above / f->step;
        into_bin(bin + (size_t)plane * f->elements, m << (above % f->step), negative);
        return 1u << plane;
    }
    bump(&counters_of(head)->promotions);
    bump_scale(&counters_of(head)->scales[type == DET_ACC_BF16][s >> 3]);
    into_wide(bin + (size_t)DET_ACC_WIDE_PLANE * f->elements, f->elements, m, s, negative);
    return 1u << DET_ACC_WIDE_PLANE;
}

void det_acc_ref_add(
    const struct det_acc_head *head, enum det_acc_type type, void *target, uint64_t bits)
{
    const struct det_acc_format *f = &det_acc_formats[type];
    const bool flush = type == DET_ACC_F32 && (head->flags & DET_ACC_FLUSH_F32);
    const uint64_t magnitude = bits & (f->sign - 1), hidden = UINT64_C(1) << (f->p - 1);
    const bool nan = magnitude > f->inf;
    if (!nan && (magnitude == 0 || magnitude == f->inf || (flush && magnitude < hidden))) {
        bump(&counters_of(head)->specials);
        det_acc_ref_plain_add(type, target, bits, flush);
        return;
    }
    /* A NaN goes in as an addend of 0, to mark the element touched (the fold makes its payload canonical), then runs, too. */
    const bool normal = magnitude >= hidden;
    const uint64_t m = nan ? 0 : (magnitude & (hidden - 1)) | (normal ? hidden : 0);
    const unsigned s = nan || !normal ? 0 : (unsigned)(magnitude >> (f->p - 1)) - 1;

    const uint64_t address = (uint64_t)(uintptr_t)target;
    const uint64_t key = (address & ~(uint64_t)(f->block_bytes - 1)) | ((unsigned)type + 1);
    const unsigned element = (unsigned)(address >> f->log2_bytes) & (f->elements - 1);
    uint32_t slot;
    if (!find_slot(head, type, key, &slot)) {
        bump(&counters_of(head)->overflow);
        det_acc_ref_plain_add(type, target, bits, flush);
        return;
    }
    uint64_t *bin = det_acc_bins(head, slot) + element;
    det_acc_ref_stats.adds++;
    mark(head, slot, element, into_slot(head, type, bin, m, s, (bits & f->sign) != 0));
    if (nan) {
        bump(&counters_of(head)->specials);
        det_acc_ref_plain_add(type, target, bits, flush);
    }
}
