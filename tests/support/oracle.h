/* What an exact sum of floats must be: GMP adds the integers, MPFR rounds once. Shares no arithmetic with the product, so that
 * one mistake cannot hide in both. Needs -lmpfr -lgmp. */
#ifndef TEST_SUPPORT_ORACLE_H
#define TEST_SUPPORT_ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Same order as enum det_acc_type and enum det_ptx_type. */
enum oracle_type { ORACLE_F32, ORACLE_F64, ORACLE_F16, ORACLE_BF16, ORACLE_N_TYPES };

struct oracle_format {
    const char *name;
    int p; /* significand bits, the hidden one included */
    int exponent_bits;
    int unit; /* exponent of the smallest subnormal */
    int bytes;
};
extern const struct oracle_format oracle_formats[ORACLE_N_TYPES];

/** RN-even(initial + sum of addends) as a program that adds atomically would leave it, were there one rounding: NaN canonical
 *  (all ones but the sign), Inf - Inf = NaN, -0 only if everything is -0, x - x = +0. `flush`: subnormal inputs and results
 *  become zeros of their sign, as global f32 atomics do. A NaN as initial value without any addend stays as it is. */
uint64_t oracle_sum(
    enum oracle_type type, uint64_t initial, const uint64_t *addends, size_t n, bool flush);
/** RN-even(initial + sum of words[j] * 2^(j * step) units), no flush: what a layout of 64-bit bins holds. */
uint64_t oracle_sum_words(
    enum oracle_type type, uint64_t initial, const int64_t *words, size_t n, unsigned step);
/** The number of the type nearest to `value`. */
uint64_t oracle_from_double(enum oracle_type type, double value);
/** +-m * 2^s units as bits; m < 2^p, must be representable. */
uint64_t oracle_make(enum oracle_type type, bool negative, uint64_t m, int s);
uint64_t oracle_inf(enum oracle_type type);
uint64_t oracle_nan(enum oracle_type type);
uint64_t oracle_sign(enum oracle_type type);

#endif
