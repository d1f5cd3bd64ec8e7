/* Edges of the exact accumulator, on its C twin: headroom to the last add, full tables, mixed types, neighbours, single adds.
 * The layouts that are proven too small are run as controls: they must fail on the very data the real one passes. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "replacements/reference/accumulator.h"
#include "tests/support/acc_table.h"
#include "tests/support/families.h"

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, 4);
    return bits;
}

static float float_of(uint64_t bits)
{
    const uint32_t low = (uint32_t)bits;
    float value;
    memcpy(&value, &low, 4);
    return value;
}

/* --- one add per target keeps the bits of a plain add --- */
static uint64_t add_once(struct table *t, enum det_acc_type type, uint64_t initial, uint64_t addend)
{
    static _Alignas(256) unsigned char target[8];
    uint64_t bits = 0;
    memcpy(target, &initial, 8);
    det_acc_ref_add(t->head, type, target, addend);
    det_acc_ref_fold(t->head, &t->report);
    memcpy(&bits, target, det_acc_formats[type].bytes);
    return bits;
}

/* The CPU's own adder, which knows nothing of our arithmetic. */
static uint64_t hardware_sum(float a, float b, bool flush)
{
    volatile float x = flush && fabsf(a) < 0x1p-126f ? copysignf(0, a) : a;
    volatile float y = flush && fabsf(b) < 0x1p-126f ? copysignf(0, b) : b;
    volatile float sum = x + y;
    if (sum != sum)
        return 0x7fffffff;
    return bits_of(flush && fabsf(sum) < 0x1p-126f ? copysignf(0, sum) : sum);
}

static void single_adds_f32(bool flush)
{
    struct table t = table_open(1024, flush ? DET_ACC_FLUSH_F32 : 0);
    uint64_t random = 5;
    for (unsigned i = 0; i < 400000; i++) {
        uint64_t a = random_bits(&random) & UINT32_MAX, b = random_bits(&random) & UINT32_MAX;
        if (i &
            1) /* near exponents, where rounding happens; and the low end, where flushing does */
            b = (a + (random_bits(&random) & 0x83ffffff)) & UINT32_MAX;
        if (i % 8 == 0)
            a &= 0x80ffffff, b &= 0x80ffffff;
        if (isnan(float_of(a)))
            a = 0x7fffffff; /* an old NaN's payload survives a plain add on some hardware */
        const uint64_t got = add_once(&t, DET_ACC_F32, a, b),
                       want = hardware_sum(float_of(a), float_of(b), flush);
        cr_assert_eq(got, want, "%08lx + %08lx: %08lx instead of %08lx", a, b, got, want);
    }
    table_close(&t);
}

Test(acc_edges, a_single_f32_add_keeps_the_bits_of_a_plain_add)
{
    single_adds_f32(false);
}

Test(acc_edges, a_single_f32_add_keeps_them_under_flush)
{
    single_adds_f32(true);
}

Test(acc_edges, a_single_f64_add_keeps_the_bits_of_a_plain_add)
{
    struct table t = table_open(1024, 0);
    uint64_t random = 6;
    for (unsigned i = 0; i < 200000; i++) {
        uint64_t a = random_bits(&random), b = random_bits(&random), want;
        if (i & 1)
            b = a + (random_bits(&random) & UINT64_C(0x83ffffffffffffff));
        if (i % 8 == 0)
            a &= UINT64_C(0x801fffffffffffff), b &= UINT64_C(0x801fffffffffffff);
        double x, y;
        memcpy(&x, &a, 8);
        memcpy(&y, &b, 8);
        if (isnan(x) || isnan(y))
            continue;
        volatile double sum = x + y;
        const double value = sum;
        memcpy(&want, &value, 8);
        if (isnan(value))
            want = UINT64_MAX >> 1;
        cr_assert_eq(add_once(&t, DET_ACC_F64, a, b), want, "%016lx + %016lx", a, b);
    }
    table_close(&t);
}

Test(acc_edges, a_single_16_bit_add_equals_the_oracle)
{
    struct table t = table_open(1024, 0);
    uint64_t random = 7;
    for (unsigned i = 0; i < 200000; i++) {
        const enum det_acc_type type = i & 1 ? DET_ACC_F16 : DET_ACC_BF16;
        const uint64_t a = random_bits(&random) & 0xffff, b = random_bits(&random) & 0xffff;
        cr_assert_eq(add_once(&t, type, a, b), oracle_sum((enum oracle_type)type, a, &b, 1, false),
            "%s %04lx + %04lx", det_acc_formats[type].name, a, b);
    }
    table_close(&t);
}

/* --- headroom --- */

/* n equal addends, all but the last put into the bin directly; the largest significand at the top of its plane. */
static uint64_t many(
    enum det_acc_type type, uint64_t n, uint64_t addend, uint64_t chunk, unsigned plane)
{
    static _Alignas(256) unsigned char target[8];
    struct table t = table_open(1024, 0);
    memset(target, 0, 8);
    det_acc_ref_add(t.head, type, target, addend);
    const uint32_t slot = *(uint32_t *)(uintptr_t)t.head->dirty;
    uint64_t *bin = table_bins(&t, slot) + plane * det_acc_formats[type].elements;
    cr_assert_eq(*bin, chunk);
    *bin += (n - 1) * chunk;
    det_acc_ref_fold(t.head, &t.report);
    cr_assert(table_is_zero(&t));
    table_close(&t);
    uint64_t bits = 0;
    memcpy(&bits, target, det_acc_formats[type].bytes);
    return bits;
}

static uint64_t times(enum oracle_type type, uint64_t addend, uint64_t n)
{
    uint64_t parts[64]; /* n * addend as powers of two: exact as long as the exponent has room */
    size_t n_parts = 0;
    for (unsigned i = 0; i < 63; i++)
        if (n >> i & 1)
            parts[n_parts++] = addend + ((uint64_t)i << (oracle_formats[type].p - 1));
    return oracle_sum(type, 0, parts, n_parts, false);
}

Test(acc_edges, an_f32_bin_holds_2_to_the_31_adds_and_not_one_more_than_proven)
{
    const unsigned s = DET_ACC_F32_BASE + 3 * DET_ACC_F32_STEP - 1; /* top binade of plane 2 */
    const uint64_t addend = oracle_make(ORACLE_F32, false, 0xffffff, (int)s),
                   chunk = UINT64_C(0xffffff) << 8;
    const uint64_t last = (uint64_t)INT64_MAX / chunk;
    cr_assert(last >= DET_ACC_ADDS_LIMIT);
    cr_assert_eq(many(DET_ACC_F32, DET_ACC_ADDS_LIMIT, addend, chunk, 2),
        times(ORACLE_F32, addend, DET_ACC_ADDS_LIMIT));
    cr_assert_eq(many(DET_ACC_F32, last, addend, chunk, 2), times(ORACLE_F32, addend, last));
    cr_assert_neq(
        many(DET_ACC_F32, last + 1, addend, chunk, 2), times(ORACLE_F32, addend, last + 1));
    const uint64_t minus = addend | oracle_sign(ORACLE_F32);
    cr_assert_eq(many(DET_ACC_F32, last, minus, -chunk, 2),
        times(ORACLE_F32, addend, last) | oracle_sign(ORACLE_F32));
}

Test(acc_edges, a_bf16_bin_holds_2_to_the_32_adds)
{
    const unsigned s = DET_ACC_BF16_BASE + DET_ACC_BF16_STEP - 1;
    const uint64_t addend = oracle_make(ORACLE_BF16, false, 0xff, (int)s), chunk = UINT64_C(0xff)
                                                                                   << 23;
    const uint64_t last = (uint64_t)INT64_MAX / chunk;
    cr_assert(last >= 2 * DET_ACC_ADDS_LIMIT);
    cr_assert_eq(many(DET_ACC_BF16, last, addend, chunk, 0), times(ORACLE_BF16, addend, last));
    cr_assert_neq(
        many(DET_ACC_BF16, last + 1, addend, chunk, 0), times(ORACLE_BF16, addend, last + 1));
}

Test(acc_edges, an_f64_digit_holds_2_to_the_31_adds)
{
    /* significand 2^32 - 1 on a digit boundary: one digit, all ones */
    const uint64_t addend = oracle_make(ORACLE_F64, false, UINT32_MAX, 31 * 32), chunk = UINT32_MAX;
    cr_assert_eq(many(DET_ACC_F64, DET_ACC_ADDS_LIMIT, addend, chunk, 31),
        times(ORACLE_F64, addend, DET_ACC_ADDS_LIMIT));
    cr_assert_neq(many(DET_ACC_F64, DET_ACC_ADDS_LIMIT + 2, addend, chunk, 31),
        times(ORACLE_F64, addend, DET_ACC_ADDS_LIMIT + 2));
}

Test(acc_edges, more_adds_than_the_headroom_are_reported)
{
    struct table t = table_open(1024, 0);
    table_counters(&t)->adds = DET_ACC_ADDS_LIMIT;
    det_acc_ref_fold(t.head, &t.report);
    cr_assert_eq(t.report.headroom, 0);
    table_counters(&t)->adds = DET_ACC_ADDS_LIMIT + 1;
    det_acc_ref_fold(t.head, &t.report);
    cr_assert_eq(t.report.headroom, 1);
    table_close(&t);
}

/* --- the table --- */
Test(acc_edges, a_full_table_loses_no_update_and_says_so)
{
    enum { N = 40000 };
    static _Alignas(256) float targets[N];
    struct table t = table_open(1024, DET_ACC_FLUSH_F32);
    t.head->probe_limit = 2;
    for (unsigned round = 0; round < 3; round++)
        for (unsigned i = 0; i < N; i++)
            det_acc_ref_add(t.head, DET_ACC_F32, &targets[i], bits_of((float)(i % 97 + round)));
    det_acc_ref_fold(t.head, &t.report);
    for (unsigned i = 0; i < N; i++)
        cr_assert_eq(targets[i], (float)(3 * (i % 97) + 3));
    cr_assert(t.report.overflow > 0 && t.report.elements > 20000 && t.report.elements < N);
    cr_assert(table_is_zero(&t));
    table_close(&t);
}

Test(acc_edges, two_types_over_the_same_bytes_are_reported)
{
    static _Alignas(256) unsigned char targets[512];
    static const struct {
        enum det_acc_type a, b;
        unsigned at_a, at_b;
        bool overlap;
    } cases[] = { { DET_ACC_F32, DET_ACC_F64, 0, 96, true },
        { DET_ACC_F64, DET_ACC_F32, 96, 4, true }, { DET_ACC_F32, DET_ACC_F16, 0, 64, true },
        { DET_ACC_F16, DET_ACC_BF16, 2, 60, true }, { DET_ACC_F16, DET_ACC_BF16, 2, 64, false },
        { DET_ACC_F32, DET_ACC_F64, 0, 128, false } };
    struct table t = table_open(1024, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const uint64_t before = t.report.mixed_types;
        det_acc_ref_add(
            t.head, cases[i].a, targets + cases[i].at_a, det_acc_formats[cases[i].a].inf / 2);
        det_acc_ref_add(
            t.head, cases[i].b, targets + cases[i].at_b, det_acc_formats[cases[i].b].inf / 2);
        det_acc_ref_fold(t.head, &t.report);
        cr_assert_eq(t.report.mixed_types > before, cases[i].overlap, "case %zu", i);
    }
    table_close(&t);
}

Test(acc_edges, neighbours_keep_every_bit)
{
    static _Alignas(256) uint32_t targets[96];
    struct table t = table_open(1024, DET_ACC_FLUSH_F32);
    for (unsigned i = 0; i < 96; i++)
        targets[i] = i % 3 == 0   ? 0x7f800001 + i
                     : i % 3 == 1 ? 0x00000001 + i
                                  : 0x80000000; /* NaN, subnormal, -0 */
    det_acc_ref_add(t.head, DET_ACC_F32, &targets[40], bits_of(1.5f));
    det_acc_ref_fold(t.head, &t.report);
    for (unsigned i = 0; i < 96; i++)
        cr_assert_eq(targets[i], i == 40      ? bits_of(1.5f)
                                 : i % 3 == 0 ? 0x7f800001 + i
                                 : i % 3 == 1 ? 0x00000001 + i
                                              : 0x80000000);
    cr_assert_eq(t.report.elements, 1);
    table_close(&t);
}

Test(acc_edges, a_nan_comes_out_canonical_from_every_order)
{
    static _Alignas(256) uint32_t target;
    struct table t = table_open(1024, DET_ACC_FLUSH_F32);
    for (unsigned order = 0; order < 2; order++) {
        target = 0;
        det_acc_ref_add(t.head, DET_ACC_F32, &target, order ? 0xffc12345 : 0x7f812345);
        det_acc_ref_add(t.head, DET_ACC_F32, &target, order ? 0x7f812345 : 0xffc12345);
        target = order ? 0x7fc99999 : 0xff800001; /* whatever payload the hardware left */
        det_acc_ref_fold(t.head, &t.report);
        cr_assert_eq(target, 0x7fffffff);
    }
    table_close(&t);
}

/* --- layouts that are too small --- */
struct layout {
    enum oracle_type type;
    unsigned step;
    bool split; /* digits, one per bin; else one word per add */
};

static uint64_t layout_sum(struct layout l, uint64_t initial, const uint64_t *addends, size_t n)
{
    const unsigned p = (unsigned)oracle_formats[l.type].p;
    const uint64_t sign = oracle_sign(l.type), hidden = UINT64_C(1) << (p - 1);
    enum { N_BINS = 264 };
    int64_t bins[N_BINS] = { 0 };
    for (size_t i = 0; i < n; i++) {
        const uint64_t magnitude = addends[i] & (sign - 1), e = magnitude >> (p - 1);
        const unsigned s = e ? (unsigned)e - 1 : 0;
        unsigned __int128 rest = (unsigned __int128)((magnitude & (hidden - 1)) | (e ? hidden : 0))
                                 << s % l.step;
        for (unsigned bin = s / l.step; rest != 0; bin++) {
            const uint64_t digit =
                l.split ? (uint64_t)rest & ((UINT64_C(1) << l.step) - 1) : (uint64_t)rest;
            rest = l.split ? rest >> l.step : 0;
            bins[bin] = (int64_t)((uint64_t)bins[bin] + (addends[i] & sign ? 0 - digit : digit));
        }
    }
    return oracle_sum_words(l.type, initial, bins, N_BINS, l.step);
}

/* How many of 30 x 14 multisets come out wrong; specials and signed zeros, which no bin sees, are left out. */
static unsigned wrong_sums(struct layout l, unsigned most_copies)
{
    uint64_t random = 11, initial, addends[FAMILY_MAX_ADDENDS];
    unsigned wrong = 0;
    for (unsigned i = 0; i < 30 * N_FAMILIES; i++) {
        size_t n = family_draw(l.type, i % N_FAMILIES, &random, addends, &initial);
        if (i % N_FAMILIES == 9 || i % N_FAMILIES == 10)
            continue;
        n = n < most_copies ? n : most_copies;
        wrong +=
            layout_sum(l, initial, addends, n) != oracle_sum(l.type, initial, addends, n, false);
    }
    return wrong;
}

Test(acc_controls, the_families_pass_layouts_that_are_proven)
{
    cr_assert_eq(wrong_sums((struct layout){ ORACLE_F32, 9, false }, FAMILY_MAX_ADDENDS), 0);
    cr_assert_eq(wrong_sums((struct layout){ ORACLE_F32, 32, true }, FAMILY_MAX_ADDENDS), 0);
    cr_assert_eq(wrong_sums((struct layout){ ORACLE_BF16, 24, false }, FAMILY_MAX_ADDENDS), 0);
    cr_assert_eq(wrong_sums((struct layout){ ORACLE_F64, 32, true }, FAMILY_MAX_ADDENDS), 0);
}

Test(acc_controls, five_bins_of_56_bits_are_wrong)
{
    cr_assert_gt(wrong_sums((struct layout){ ORACLE_F32, 56, true }, FAMILY_MAX_ADDENDS), 0);
    cr_assert_eq(wrong_sums((struct layout){ ORACLE_F32, 56, true }, 128),
        0); /* 128 adds are what they hold */
}

Test(acc_controls, bins_of_32_binades_without_split_are_wrong)
{
    cr_assert_gt(wrong_sums((struct layout){ ORACLE_F32, 32, false }, FAMILY_MAX_ADDENDS), 0);
    cr_assert_eq(wrong_sums((struct layout){ ORACLE_F32, 32, false }, 256), 0);
}

Test(acc_controls, f64_words_of_60_bits_are_wrong)
{
    cr_assert_gt(wrong_sums((struct layout){ ORACLE_F64, 8, false }, FAMILY_MAX_ADDENDS), 0);
}
