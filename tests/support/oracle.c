/* Exact sums by GMP, rounded once by MPFR with the format's exponent range and gradual underflow. See oracle.h. */
#include "tests/support/oracle.h"

#include <gmp.h>
#include <mpfr.h>

const struct oracle_format oracle_formats[ORACLE_N_TYPES] = {
    [ORACLE_F32] = { "f32", 24, 8, -149, 4 },
    [ORACLE_F64] = { "f64", 53, 11, -1074, 8 },
    [ORACLE_F16] = { "f16", 11, 5, -24, 2 },
    [ORACLE_BF16] = { "bf16", 8, 8, -133, 2 },
};

uint64_t oracle_sign(enum oracle_type type)
{
    return UINT64_C(1) << (8 * oracle_formats[type].bytes - 1);
}

static uint64_t exponent_mask(const struct oracle_format *f)
{
    return (UINT64_C(1) << f->exponent_bits) - 1;
}

static uint64_t fraction_mask(const struct oracle_format *f)
{
    return (UINT64_C(1) << (f->p - 1)) - 1;
}

uint64_t oracle_inf(enum oracle_type type)
{
    const struct oracle_format *f = &oracle_formats[type];
    return exponent_mask(f) << (f->p - 1);
}

uint64_t oracle_nan(enum oracle_type type)
{
    return oracle_sign(type) - 1;
}

/* Bits of x, which MPFR has already rounded and made subnormal where it must be. */
static uint64_t encode(enum oracle_type type, mpfr_srcptr x)
{
    const struct oracle_format *f = &oracle_formats[type];
    const uint64_t sign = mpfr_signbit(x) ? oracle_sign(type) : 0;
    if (mpfr_inf_p(x))
        return oracle_inf(type) | sign;
    if (mpfr_zero_p(x))
        return sign;
    mpz_t z;
    mpz_init(z);
    mpfr_exp_t exponent = mpfr_get_z_2exp(z, x);
    mpz_abs(z, z);
    for (; exponent > f->unit; exponent--)
        mpz_mul_2exp(z, z, 1);
    mpz_tdiv_q_2exp(z, z, (mp_bitcnt_t)(f->unit - exponent)); /* drops zeros only */
    uint64_t field = 0;
    const size_t length = mpz_sizeinbase(z, 2);
    if (length <= (size_t)f->p)
        field = mpz_get_ui(z);
    else {
        const uint64_t binade = length - (size_t)f->p;
        mpz_tdiv_q_2exp(z, z, binade);
        field = ((binade + 1) << (f->p - 1)) | (mpz_get_ui(z) & fraction_mask(f));
    }
    mpz_clear(z);
    return field | sign;
}

/* z units, rounded to nearest even. */
static uint64_t round_once(enum oracle_type type, mpz_srcptr z)
{
    const struct oracle_format *f = &oracle_formats[type];
    mpfr_t x;
    mpfr_set_emin(-100000);
    mpfr_set_emax(100000);
    mpfr_init2(x, f->p);
    mpfr_set_emin(f->unit + 1); /* MPFR counts from [1/2, 1) */
    mpfr_set_emax(1 << (f->exponent_bits - 1));
    int inexact = mpfr_set_z_2exp(x, z, f->unit, MPFR_RNDN);
    inexact = mpfr_check_range(x, inexact, MPFR_RNDN);
    mpfr_subnormalize(x, inexact, MPFR_RNDN);
    const uint64_t bits = encode(type, x);
    mpfr_set_emin(-100000);
    mpfr_set_emax(100000);
    mpfr_clear(x);
    return bits;
}

static void add_bits(enum oracle_type type, mpz_ptr sum, uint64_t bits, mpz_ptr scratch)
{
    const struct oracle_format *f = &oracle_formats[type];
    const uint64_t exponent = (bits >> (f->p - 1)) & exponent_mask(f);
    const uint64_t fraction = bits & fraction_mask(f);
    mpz_set_ui(scratch, exponent ? fraction + fraction_mask(f) + 1 : fraction);
    mpz_mul_2exp(scratch, scratch, exponent ? (mp_bitcnt_t)exponent - 1 : 0);
    if (bits & oracle_sign(type))
        mpz_sub(sum, sum, scratch);
    else
        mpz_add(sum, sum, scratch);
}

uint64_t oracle_sum(
    enum oracle_type type, uint64_t initial, const uint64_t *addends, size_t n, bool flush)
{
    const uint64_t inf = oracle_inf(type), sign = oracle_sign(type);
    const uint64_t normal = fraction_mask(&oracle_formats[type]) + 1;
    bool nan = false, up = false, down = false, minus_zero = true;
    if (n == 0)
        return initial;
    mpz_t sum, scratch;
    mpz_init(sum);
    mpz_init(scratch);
    for (size_t i = 0; i <= n; i++) {
        uint64_t bits = i == n ? initial : addends[i];
        if (flush && (bits & ~sign) < normal)
            bits &= sign;
        minus_zero &= bits == sign;
        nan |= (bits & ~sign) > inf;
        up |= bits == inf;
        down |= bits == (inf | sign);
        if ((bits & ~sign) < inf)
            add_bits(type, sum, bits, scratch);
    }
    uint64_t result = 0;
    if (nan || (up && down))
        result = oracle_nan(type);
    else if (up || down)
        result = up ? inf : inf | sign;
    else if (mpz_sgn(sum) == 0)
        result = minus_zero ? sign : 0;
    else
        result = round_once(type, sum);
    if (flush && (result & ~sign) < normal)
        result &= sign;
    mpz_clear(sum);
    mpz_clear(scratch);
    return result;
}

uint64_t oracle_sum_words(
    enum oracle_type type, uint64_t initial, const int64_t *words, size_t n, unsigned step)
{
    mpz_t sum, scratch;
    mpz_init(sum);
    mpz_init(scratch);
    add_bits(type, sum, initial, scratch);
    for (size_t j = 0; j < n; j++) {
        mpz_set_si(scratch, words[j]);
        mpz_mul_2exp(scratch, scratch, j * step);
        mpz_add(sum, sum, scratch);
    }
    const uint64_t bits = mpz_sgn(sum) == 0 ? 0 : round_once(type, sum);
    mpz_clear(sum);
    mpz_clear(scratch);
    return bits;
}

uint64_t oracle_from_double(enum oracle_type type, double value)
{
    mpfr_t x;
    mpz_t z;
    mpfr_set_emin(-100000);
    mpfr_set_emax(100000);
    mpfr_init2(x, 53);
    mpz_init(z);
    mpfr_set_d(x, value, MPFR_RNDN);
    mpfr_mul_2si(x, x, -oracle_formats[type].unit, MPFR_RNDN);
    mpfr_get_z(z, x, MPFR_RNDZ);
    const uint64_t bits = mpz_sgn(z) == 0 ? 0 : round_once(type, z);
    mpz_clear(z);
    mpfr_clear(x);
    return bits;
}

uint64_t oracle_make(enum oracle_type type, bool negative, uint64_t m, int s)
{
    const struct oracle_format *f = &oracle_formats[type];
    const uint64_t sign = negative ? oracle_sign(type) : 0;
    while (m != 0 && m <= fraction_mask(f) && s > 0)
        m <<= 1, s--;
    if (m <= fraction_mask(f))
        return m | sign;
    return ((uint64_t)(s + 1) << (f->p - 1)) | (m & fraction_mask(f)) | sign;
}
