/* See exec_num.h. Formats are described by mantissa bits and least exponent; rounding is done on integers, so it depends on
 * neither the compiler nor the floating-point environment. */
#include <immintrin.h>
#include <math.h>
#include "tests/softgpu/exec_num.h"

static const struct format {
    int mant_bits, least_exp, total_bits;
    bool no_inf; /* e4m3: the top exponent holds numbers, 0x7f is NaN */
    uint64_t nan;
} formats[PT_COUNT] = {
    [PT_F16] = { 10, -14, 16, false, 0x7fff },
    [PT_BF16] = { 7, -126, 16, false, 0x7fff },
    [PT_F32] = { 23, -126, 32, false, 0x7fffffff },
    [PT_F64] = { 52, -1022, 64, false, 0x7fffffffffffffff },
    [PT_E4M3X2] = { 3, -6, 8, true, 0x7f },
    [PT_E5M2X2] = { 2, -14, 8, false, 0x7f },
    [PT_TF32] = { 10, -126, 19, false, 0x3ffff },
};

static struct num num_of_int(enum ptx_type type, uint64_t bits)
{
    const unsigned width = 8 * (unsigned)ptx_type_bytes(type);
    const bool is_signed = type >= PT_S8 && type <= PT_S64;
    uint64_t v = width == 64 ? bits : bits & ((1ull << width) - 1);
    struct num x = { 0 };
    if (is_signed && v >> (width - 1) & 1) {
        x.sign = true;
        v = 0 - v;
        v = width == 64 ? v : v & ((1ull << width) - 1);
    }
    x.mant = v;
    return x;
}

struct num num_of(enum ptx_type type, uint64_t bits)
{
    const struct format *f = &formats[type];
    if (f->total_bits == 0)
        return num_of_int(type, bits);
    const int exp_bits = f->total_bits - 1 - f->mant_bits;
    const uint64_t top = (1ull << exp_bits) - 1, field = bits >> f->mant_bits & top;
    struct num x = { .sign = bits >> (f->total_bits - 1) & 1,
        .mant = bits & ((1ull << f->mant_bits) - 1) };
    const bool special = field == top && (!f->no_inf || x.mant == 7);
    x.nan = special && x.mant != 0;
    x.inf = special && x.mant == 0;
    if (field != 0)
        x.mant |= 1ull << f->mant_bits;
    x.exp = f->least_exp - f->mant_bits + (field ? (int)field - 1 : 0);
    return x;
}

static bool rounds_up(enum num_round round, bool sign, bool odd, bool half, bool sticky)
{
    switch (round) {
    case NUM_RN:
        return half && (sticky || odd);
    case NUM_RNA:
        return half;
    case NUM_RM:
        return sign && (half || sticky);
    case NUM_RP:
        return !sign && (half || sticky);
    default:
        return false;
    }
}

static bool overflows_to_max(enum num_round round, bool sign)
{
    return round == NUM_RZ || (round == NUM_RM && !sign) || (round == NUM_RP && sign);
}

uint64_t num_to_float(enum ptx_type type, struct num x, enum num_round round, bool satfinite)
{
    const struct format *f = &formats[type];
    const uint64_t sign = (uint64_t)x.sign << (f->total_bits - 1);
    const uint64_t top = (1ull << (f->total_bits - 1 - f->mant_bits)) - 1;
    const uint64_t inf = f->no_inf ? f->nan : top << f->mant_bits;
    const uint64_t largest = inf - 1;
    if (x.nan)
        return f->nan;
    if (x.inf)
        return sign | (satfinite ? largest : inf);
    if (x.mant == 0)
        return sign;
    const int shift = __builtin_clzll(x.mant);
    const uint64_t mant = x.mant << shift;
    const int e = x.exp - shift + 63;
    const int precision = f->mant_bits + 1 - (e < f->least_exp ? f->least_exp - e : 0);
    const int drop = 64 - precision;
    uint64_t q = 0;
    bool half = false,
         sticky = x.sticky || drop > 64 || (drop < 64 && drop > 1 && mant << (65 - drop) != 0);
    if (drop < 64)
        q = mant >> drop;
    if (drop == 64)
        sticky |= mant << 1 != 0;
    if (drop <= 64)
        half = mant >> (drop - 1) & 1;
    q += rounds_up(round, x.sign, q & 1, half, sticky);
    uint64_t bits = q;
    if (e >= f->least_exp)
        bits += (uint64_t)(e - f->least_exp) << f->mant_bits;
    if (bits >= inf || e > 2000)
        bits = satfinite || overflows_to_max(round, x.sign) ? largest : inf;
    return sign | bits;
}

/* NaN to integer: PTX ISA, cvt: zero, but the top bit when the source is f64 or the result has 64 bits. */
uint64_t num_to_int(enum ptx_type type, struct num x, enum num_round round, enum ptx_type from)
{
    const unsigned width = 8 * (unsigned)ptx_type_bytes(type);
    const bool is_signed = type >= PT_S8 && type <= PT_S64;
    if (x.nan)
        return from == PT_F64 || width == 64 ? 1ull << (width - 1) : 0;
    const uint64_t most = is_signed     ? (1ull << (width - 1)) - 1
                          : width == 64 ? ~0ull
                                        : (1ull << width) - 1;
    const uint64_t least = is_signed ? most + 1 : 0; /* magnitude */
    const uint64_t bound = x.sign ? least : most;
    uint64_t v = 0;
    bool over = x.inf;
    if (!x.inf && x.mant != 0) {
        if (x.exp >= 0) {
            over = x.exp > 63 || x.mant > ~0ull >> x.exp;
            v = over ? 0 : x.mant << x.exp;
        } else {
            const int drop = -x.exp;
            v = drop < 64 ? x.mant >> drop : 0;
            const bool half = drop <= 64 && (x.mant >> (drop - 1) & 1);
            const bool sticky = drop > 64 || (drop > 1 && x.mant << (65 - drop) != 0);
            v += rounds_up(round, x.sign, v & 1, half, sticky);
        }
    }
    if (over || v > bound)
        v = bound;
    return x.sign ? 0 - v : v;
}

float num_f16(uint16_t h)
{
    return _cvtsh_ss(h);
}

uint16_t num_to_f16(float f)
{
    return f != f ? 0x7fff : (uint16_t)_cvtss_sh(f, _MM_FROUND_TO_NEAREST_INT);
}

/* The product of two floats of at most 12 bits is exact in double, the sum is not: its last bit then remembers that. */
double num_fma_odd(float a, float b, float c)
{
    const double p = (double)a * b, s = p + (double)c;
    if (!isfinite(s))
        return s;
    const double back = s - p;
    const double error = (p - (s - back)) + ((double)c - back);
    uint64_t u = bits_f64(s);
    if (error != 0 && (u & 1) == 0)
        u = (error > 0) == (s > 0) ? u + 1 : u - 1;
    return f64_bits(u);
}
