/* The families of families.h. The edges are built from +-m * 2^s units, so that each sits exactly on its threshold. */
#include "tests/support/families.h"

#include <math.h>

const char *const family_names[N_FAMILIES] = { "random bits", "normal", "uniform",
    "pairs and a residue", "subnormals", "largest with smallest", "ties", "overflow threshold",
    "intermediate overflow", "inf and nan", "signed zeros", "equal binade", "single add",
    "cancels to subnormal" };

uint64_t random_bits(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

double random_unit(uint64_t *state)
{
    return (double)((random_bits(state) >> 11) + 1) * 0x1p-53;
}

double random_normal(uint64_t *state)
{
    const double radius = sqrt(-2 * log(random_unit(state)));
    return radius * cos(6.283185307179586 * random_unit(state));
}

struct draw {
    enum oracle_type type;
    uint64_t *random, *addends;
    size_t n;
};

static uint64_t below(struct draw *d, uint64_t n)
{
    return random_bits(d->random) % n;
}

static uint64_t top(const struct draw *d)
{
    return (UINT64_C(1) << oracle_formats[d->type].p) - 1;
}

static int largest_s(const struct draw *d)
{
    return (1 << oracle_formats[d->type].exponent_bits) - 3;
}

static uint64_t random_finite(struct draw *d)
{
    const uint64_t sign = oracle_sign(d->type);
    uint64_t bits;
    do
        bits = random_bits(d->random) & (sign | (sign - 1));
    while ((bits & ~sign) >= oracle_inf(d->type));
    return bits;
}

static void put(struct draw *d, uint64_t bits)
{
    d->addends[d->n++] = bits;
}

static void put_made(struct draw *d, bool negative, uint64_t m, int s)
{
    put(d, oracle_make(d->type, negative, m, s));
}

static void put_pairs(struct draw *d, size_t until)
{
    while (d->n < until) {
        const uint64_t bits = random_finite(d);
        put(d, bits);
        put(d, bits ^ oracle_sign(d->type));
    }
}

static uint64_t subnormal(struct draw *d)
{
    return oracle_make(d->type, below(d, 2), 1 + below(d, top(d) / 2), 0);
}

static uint64_t starting_value(struct draw *d)
{
    switch (below(d, 6)) {
    case 0:
        return 0;
    case 1:
        return oracle_sign(d->type);
    case 2:
        return random_finite(d);
    case 3:
        return oracle_from_double(d->type, random_normal(d->random));
    case 4:
        return subnormal(d);
    default:
        return oracle_from_double(d->type, 1e-3 * random_normal(d->random));
    }
}

/* q * 2^k plus half an ulp, plus or minus one unit or nothing. */
static void tie(struct draw *d, uint64_t q, int k)
{
    const bool negative = below(d, 2);
    put_made(d, negative, q, k);
    put_made(d, negative, 1, k - 1);
    const uint64_t nudge = below(d, 3);
    if (nudge != 0)
        put_made(d, nudge == 1, 1, 0);
}

static void specials(struct draw *d, size_t n)
{
    const uint64_t inf = oracle_inf(d->type), sign = oracle_sign(d->type);
    const uint64_t kinds = 1 + below(d, 7); /* which of +Inf, -Inf, NaN may occur */
    while (d->n < n) {
        const uint64_t kind = below(d, 8);
        if (kind < 3 && (kinds >> kind & 1))
            put(d, kind == 0   ? inf
                   : kind == 1 ? inf | sign
                               : inf | (1 + below(d, top(d) / 4)) | (below(d, 2) ? sign : 0));
        else
            put(d, random_finite(d));
    }
}

static void signed_zeros(struct draw *d, size_t n, uint64_t *initial)
{
    const uint64_t sign = oracle_sign(d->type), mode = below(d, 3);
    while (d->n < n)
        if (mode == 2)
            put_pairs(d, d->n + 2);
        else
            put(d, mode == 0 || below(d, 2) ? sign : 0);
    if (below(d, 2))
        *initial = below(d, 2) ? sign : 0;
}

static void edges(struct draw *d, unsigned family, size_t n, uint64_t *initial)
{
    const int s_max = largest_s(d);
    const uint64_t half = (top(d) + 1) / 2;
    switch (family) {
    case 5:
        while (d->n < n) {
            put_made(d, below(d, 2), top(d) - below(d, 8), s_max - (int)below(d, 3));
            put_made(d, below(d, 2), 1 + below(d, 4), 0);
        }
        break;
    case 6:
        *initial = 0;
        tie(d, half | below(d, half), 1 + (int)below(d, (uint64_t)s_max));
        put_pairs(d, n);
        break;
    case 7:
        *initial = 0;
        tie(d, top(d), s_max);
        put_pairs(d, n);
        break;
    case 8:
        for (size_t i = 0; i <= n / 4; i++) {
            put_made(d, false, top(d), s_max);
            put_made(d, true, top(d), s_max);
        }
        put(d, random_finite(d));
        break;
    case 11: {
        const int s = (int)below(d, (uint64_t)s_max - 9);
        const bool negative = below(d, 2);
        for (n = 1 + below(d, 400); d->n < n;)
            put_made(d, negative, top(d), s);
        break;
    }
    default: {
        const uint64_t m = half | below(d, half);
        const int s = (int)below(d, 4);
        put_pairs(d, n);
        put_made(d, false, m, s);
        put_made(d, true, (m ^ below(d, 16)) | 1, s);
    }
    }
}

size_t family_draw(
    enum oracle_type type, unsigned family, uint64_t *random, uint64_t *addends, uint64_t *initial)
{
    struct draw draw = { type, random, addends, 0 }, *d = &draw;
    const size_t n = 1 + below(d, 96);
    *initial = starting_value(d);
    switch (family) {
    case 0:
        while (d->n < n)
            put(d, random_finite(d));
        break;
    case 1:
        while (d->n < n)
            put(d, oracle_from_double(type, random_normal(random)));
        break;
    case 2:
        while (d->n < n)
            put(d, oracle_from_double(type, random_unit(random)));
        break;
    case 3:
        put_pairs(d, n);
        put_made(d, below(d, 2), 1 + below(d, top(d)), (int)below(d, (uint64_t)largest_s(d) / 2));
        break;
    case 4:
        while (d->n < n)
            put(d, subnormal(d));
        break;
    case 9:
        specials(d, n);
        break;
    case 10:
        signed_zeros(d, 1 + below(d, 6), initial);
        break;
    case 12:
        put(d, random_finite(d));
        break;
    default:
        edges(d, family, n, initial);
    }
    return d->n;
}
