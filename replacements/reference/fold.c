/* Plain C twin of fold.ptx: one exact sum per touched element, rounded once. Same steps, same order. */
#include "replacements/reference/fold.h"

#include <string.h>

static int64_t shift_down(int64_t word, unsigned n) /* arithmetic, n may be 64 and more */
{
    return word >> (n > 63 ? 63 : n);
}

void det_acc_sum_add(struct det_acc_sum *sum, int64_t word, unsigned at)
{
    const unsigned digit = at >> 5, shift = at & 31;
    sum->digit[digit] += (int64_t)((uint64_t)word << shift & UINT32_MAX);
    sum->digit[digit + 1] += shift_down(word, 32 - shift);
}

/* The three digits under the highest non-zero one, that one included, and whether anything lies below. */
struct top {
    int at; /* index of the highest non-zero digit, -1 for zero */
    uint32_t digit[3];
    bool sticky;
};

/* One walk over the digits of sign * (sum + word * 2^at); the carry left at the end is its sign, 0 or -1. */
static int64_t walk(const struct det_acc_sum *sum, unsigned n, int64_t word, unsigned at,
    int64_t sign, struct top *top)
{
    const unsigned first = at >> 5, shift = at & 31;
    const int64_t low = (int64_t)((uint64_t)word << shift & UINT32_MAX),
                  high = word >> (32 - shift);
    uint32_t older = 0, old = 0;
    bool sticky = false;
    int64_t carry = 0;
    memset(top, 0, sizeof *top);
    top->at = -1;
    for (unsigned i = 0; i < n; i++) {
        /* split first, add afterwards: a bin at its limit plus a carry would overflow */
        const int64_t bin = sign * sum->digit[i];
        int64_t lower = (bin & UINT32_MAX) + carry;
        lower += i == first ? sign * low : i == first + 1 ? sign * high : 0;
        carry = (bin >> 32) + (lower >> 32);
        const uint32_t digit = (uint32_t)lower;
        if (digit != 0) {
            top->at = (int)i;
            top->digit[0] = digit, top->digit[1] = old, top->digit[2] = older;
            top->sticky = sticky;
        }
        sticky |= older != 0;
        older = old, old = digit;
    }
    return carry;
}

/* field = k * 2^(p-1) + RNE(N / 2^k): the encoding is contiguous, so a rounding carry walks into the next binade, and into
 * Inf, by itself. N < 2^p is its own field (zero, subnormals, first binade). */
static uint64_t round_field(const struct det_acc_format *f, const struct top *top)
{
    if (top->at < 0)
        return 0;
    const unsigned lead = (unsigned)__builtin_clz(top->digit[0]);
    const unsigned length = 32 * (unsigned)top->at + 32 - lead;
    const uint64_t two = (uint64_t)top->digit[0] << 32 | top->digit[1];
    if (length <= f->p)
        return top->at == 0 ? top->digit[0] : two;
    const unsigned k = length - f->p;
    const uint64_t x = two << lead | (uint64_t)top->digit[2] << lead >> 32;
    const bool below = top->sticky || (uint32_t)(top->digit[2] << lead) != 0;
    const uint64_t rest = x << f->p | below, half = UINT64_C(1) << 63;
    uint64_t q = x >> (64 - f->p);
    q += rest > half || (rest == half && (q & 1));
    const uint64_t field = ((uint64_t)k << (f->p - 1)) + q;
    return field > f->inf ? f->inf : field;
}

uint64_t det_acc_sum_round(
    enum det_acc_type type, const struct det_acc_sum *sum, uint64_t old, bool flush)
{
    const struct det_acc_format *f = &det_acc_formats[type];
    const uint64_t magnitude = old & (f->sign - 1), hidden = UINT64_C(1) << (f->p - 1);
    if (magnitude >= f->inf)
        return magnitude > f->inf ? f->nan : old;
    const uint64_t exponent = magnitude >> (f->p - 1);
    int64_t m = (int64_t)((magnitude & (hidden - 1)) | (exponent ? hidden : 0));
    if (flush && !exponent)
        m = 0;
    const unsigned s = exponent ? (unsigned)exponent - 1 : 0;
    if (old & f->sign)
        m = -m;
    struct top top;
    const bool negative = walk(sum, f->fold_digits, m, s, 1, &top) < 0;
    if (negative)
        walk(sum, f->fold_digits, m, s, -1, &top);
    uint64_t field = round_field(f, &top);
    if (field == 0)
        return 0;
    if (flush && field < hidden)
        field = 0;
    return field | (negative ? f->sign : 0);
}

/* Sum of the bins of one element; leaves them zero. */
static void gather(const struct det_acc_head *head, enum det_acc_type type, uint64_t *bin,
    uint32_t groups, struct det_acc_sum *sum)
{
    const struct det_acc_format *f = &det_acc_formats[type];
    const unsigned step = type == DET_ACC_F64 ? 128 : f->step; /* f64: a group is four digits */
    const unsigned base = (unsigned)(type == DET_ACC_F32    ? head->f32_base
                                     : type == DET_ACC_BF16 ? head->bf16_base
                                                            : 0);
    memset(sum, 0, sizeof *sum);
    for (unsigned group = 0; group < 17; group++) {
        if (!(groups >> group & 1))
            continue;
        const bool wide = type != DET_ACC_F64 && group == DET_ACC_WIDE_PLANE;
        const unsigned words = wide ? 5 : type == DET_ACC_F64 ? 4 : 1;
        const unsigned plane = type == DET_ACC_F64 ? 4 * group : group;
        unsigned at = wide ? 0 : base + group * step;
        for (unsigned i = 0; i < words; i++) {
            uint64_t *word = bin + (size_t)(plane + i) * f->elements;
            if (!wide)
                det_acc_sum_add(sum, (int64_t)*word, at);
            else { /* unsigned halves, but for the last word, which holds the sign */
                sum->digit[(size_t)2 * i] += (int64_t)(uint32_t)*word;
                sum->digit[(size_t)2 * i + 1] +=
                    i == 4 ? (int64_t)*word >> 32 : (int64_t)(*word >> 32);
            }
            *word = 0;
            at += 32;
        }
    }
}

static uint64_t load(const void *target, unsigned bytes)
{
    uint64_t bits = 0;
    if (bytes == 4)
        bits = __atomic_load_n((const uint32_t *)target, __ATOMIC_RELAXED);
    else if (bytes == 8)
        bits = __atomic_load_n((const uint64_t *)target, __ATOMIC_RELAXED);
    else
        bits = __atomic_load_n((const uint16_t *)target, __ATOMIC_RELAXED);
    return bits;
}

static bool swap(void *target, unsigned bytes, uint64_t old, uint64_t bits)
{
    uint16_t o16 = (uint16_t)old;
    uint32_t o32 = (uint32_t)old;
    if (bytes == 2)
        return __atomic_compare_exchange_n(
            (uint16_t *)target, &o16, (uint16_t)bits, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    if (bytes == 4)
        return __atomic_compare_exchange_n(
            (uint32_t *)target, &o32, (uint32_t)bits, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    return __atomic_compare_exchange_n(
        (uint64_t *)target, &old, bits, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

uint64_t det_acc_ref_sum(enum det_acc_type type, uint64_t a, uint64_t b, bool flush)
{
    const struct det_acc_format *f = &det_acc_formats[type];
    const uint64_t hidden = UINT64_C(1) << (f->p - 1);
    if (flush && (a & (f->sign - 1)) < hidden)
        a &= f->sign;
    if (flush && (b & (f->sign - 1)) < hidden)
        b &= f->sign;
    const uint64_t ma = a & (f->sign - 1), mb = b & (f->sign - 1);
    if (ma > f->inf || mb > f->inf || (ma == f->inf && mb == f->inf && a != b))
        return f->nan;
    if (ma == f->inf || mb == f->inf)
        return ma == f->inf ? a : b;
    if (ma == 0 && mb == 0)
        return a & b & f->sign;
    struct det_acc_sum sum = { { 0 } };
    const int64_t m = (int64_t)((mb & (hidden - 1)) | (mb >= hidden ? hidden : 0));
    det_acc_sum_add(
        &sum, b & f->sign ? -m : m, mb >= hidden ? (unsigned)(mb >> (f->p - 1)) - 1 : 0);
    return det_acc_sum_round(type, &sum, a, flush);
}

void det_acc_ref_plain_add(enum det_acc_type type, void *target, uint64_t bits, bool flush)
{
    const unsigned bytes = det_acc_formats[type].bytes;
    uint64_t old;
    do
        old = load(target, bytes);
    while (!swap(target, bytes, old, det_acc_ref_sum(type, old, bits, flush)));
}

/* Does a block of another type overlap this one? Entries are being cleared meanwhile (on the device, by other warps), so a
 * free entry does not end the search; of two overlapping blocks at least the first to look sees the other. */
static bool overlaps_other(const struct det_acc_head *head, uint64_t key, uint64_t types)
{
    const struct det_acc_entry *entries = det_acc_entry(head, 0);
    const unsigned own = (unsigned)(key & 7) - 1;
    const uint64_t from = key & ~UINT64_C(31), until = from + det_acc_formats[own].block_bytes;
    for (unsigned type = 0; type < DET_ACC_N_TYPES; type++) {
        if (type == own || !(types >> type & 1))
            continue;
        const uint64_t bytes = det_acc_formats[type].block_bytes;
        for (uint64_t block = from & ~(bytes - 1); block < until; block += bytes) {
            uint32_t at = ((uint32_t)(block >> 5) * DET_ACC_HASH) >> head->hash_shift;
            for (uint32_t i = 0; i < head->probe_limit; i++, at = (at + 1) & head->slot_mask)
                if (entries[at].key == (block | (type + 1)))
                    return true;
        }
    }
    return false;
}

static void fold_element(const struct det_acc_head *head, enum det_acc_type type, uint64_t *bin,
    uint32_t groups, void *target)
{
    struct det_acc_counters *counters = det_acc_at(head->counters);
    const unsigned bytes = det_acc_formats[type].bytes;
    const bool flush = type == DET_ACC_F32 && (head->flags & DET_ACC_FLUSH_F32);
    struct det_acc_sum sum;
    gather(head, type, bin, groups, &sum);
    for (;;) {
        const uint64_t old = load(target, bytes);
        if (swap(target, bytes, old, det_acc_sum_round(type, &sum, old, flush)))
            break;
        __atomic_fetch_add(&counters->foreign_writer, 1, __ATOMIC_RELAXED);
    }
    counters->elements++;
}

static void fold_slot(const struct det_acc_head *head, uint32_t slot, uint64_t types)
{
    struct det_acc_counters *counters = det_acc_at(head->counters);
    struct det_acc_entry *entry = det_acc_entry(head, slot);
    const enum det_acc_type type = (enum det_acc_type)((entry->key & 7) - 1);
    const struct det_acc_format *f = &det_acc_formats[type];
    if ((types & (types - 1)) != 0 && overlaps_other(head, entry->key, types))
        counters->mixed_types++;
    uint64_t *bins = det_acc_bins(head, slot);
    char *block = det_acc_at((entry->key & ~UINT64_C(31)));
    for (unsigned i = 0; i < f->elements; i++)
        if (entry->state >> i & 1)
            fold_element(
                head, type, bins + i, (uint32_t)(entry->state >> 32), block + (size_t)i * f->bytes);
    entry->key = 0;
    entry->state = 0;
}

/* First of `n` neighbouring scales that hold most promotions, and how many. */
static unsigned best_scale(const uint32_t *scales, unsigned n, uint64_t *most)
{
    unsigned best = 0;
    *most = 0;
    for (unsigned i = 0; i < 32; i++) {
        uint64_t sum = 0;
        for (unsigned k = 0; k < n && i + k < 32; k++)
            sum += scales[i + k];
        if (sum > *most)
            *most = sum, best = i;
    }
    return best;
}

static bool move_base(int32_t *base, const uint32_t *scales, unsigned n, int32_t margin,
    int32_t limit, uint64_t inside)
{
    uint64_t most;
    int32_t to = 8 * (int32_t)best_scale(scales, n, &most) - margin;
    if (most <= inside)
        return false;
    to = to < 0 ? 0 : to;
    *base = to > limit ? limit : to;
    return true;
}

/* The window follows the data; see struct det_acc_head. */
static void move_window(struct det_acc_head *head, const struct det_acc_counters *c)
{
    const uint64_t size = c->adds > c->elements ? c->adds : c->elements;
    const bool many = c->promotions >= DET_ACC_COUNT_CAP; /* and nobody knows how many */
    if (c->promotions * 64 <= size && !many)
        return;
    if (head->window >> 5 != 0) {
        head->window -= 32;
        return;
    }
    const uint64_t inside = c->adds > c->promotions && !many ? c->adds - c->promotions : 0;
    bool moved = move_base(&head->f32_base, c->scales[0], 4, 2, DET_ACC_F32_BASE_MAX, inside);
    moved |= move_base(&head->bf16_base, c->scales[1], 11, 4, DET_ACC_BF16_BASE_MAX, inside);
    if (moved) {
        const uint32_t moves = (head->window & 31) < 20 ? (head->window & 31) + 1 : 20;
        head->window = ((1u << moves) - 2) << 5 | moves;
    }
}

void det_acc_ref_fold(struct det_acc_head *head, struct det_acc_report *report)
{
    struct det_acc_counters *counters = det_acc_at(head->counters);
    const uint64_t types = counters->types;
    for (uint64_t i = 0; i < counters->n_dirty; i++)
        fold_slot(head, ((const uint32_t *)det_acc_at(head->dirty))[i], types);
    report->folds++;
    report->adds += counters->adds;
    report->promotions += counters->promotions;
    report->specials += counters->specials;
    report->overflow += counters->overflow;
    report->mixed_types += counters->mixed_types;
    report->foreign_writer += counters->foreign_writer;
    report->headroom += counters->adds > DET_ACC_ADDS_LIMIT;
    report->elements += counters->elements;
    report->pending += counters->pending;
    move_window(head, counters);
    memset(counters, 0, sizeof *counters);
}
