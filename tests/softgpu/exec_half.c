/* f16 and bf16 arithmetic, single and paired: computed in float (exact enough for one operation), fma in double rounded to
 * odd, then rounded once. */
#include <math.h>
#include "tests/softgpu/exec_num.h"
#include "tests/softgpu/exec_ops.h"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wtype-limits"

enum half_op {
    HALF_ADD,
    HALF_SUB,
    HALF_MUL,
    HALF_FMA,
    HALF_MIN,
    HALF_MAX,
    HALF_NEG,
    HALF_ABS,
    HALF_EX2,
    HALF_TANH,
    HALF_COPYSIGN,
    HALF_CMP
};

static float half_in(bool bf16, uint32_t flags, uint16_t h)
{
    if (!bf16 && flags & IF_FTZ && (h & 0x7c00) == 0)
        h &= 0x8000;
    return bf16 ? num_bf16(h) : num_f16(h);
}

static uint16_t half_from_double(bool bf16, double x)
{
    return (uint16_t)num_to_float(
        bf16 ? PT_BF16 : PT_F16, num_of(PT_F64, bits_f64(x)), NUM_RN, false);
}

static uint16_t half_finish(bool bf16, uint32_t flags, uint16_t h)
{
    const uint16_t one = bf16 ? 0x3f80 : 0x3c00, inf = bf16 ? 0x7f80 : 0x7c00;
    const bool nan = (h & 0x7fff) > inf;
    if (!bf16 && flags & IF_FTZ && (h & 0x7c00) == 0)
        h &= 0x8000;
    if (flags & IF_SAT)
        h = nan || h >> 15 ? 0 : h > one ? one : h;
    if (flags & IF_RELU && !nan && h >> 15)
        h = 0;
    return h;
}

static uint16_t half_minmax(bool bf16, uint32_t flags, bool max, uint16_t a, uint16_t b)
{
    const uint16_t sign = flags & IF_XORSIGN ? (a ^ b) & 0x8000 : 0;
    if (flags & IF_XORSIGN) {
        a &= 0x7fff;
        b &= 0x7fff;
    }
    const float x = half_in(bf16, flags, a), y = half_in(bf16, flags, b);
    if (x != x || y != y) {
        if (flags & IF_NAN || (x != x && y != y))
            return 0x7fff;
        return (x != x ? b : a) | sign;
    }
    const bool a_less = x < y || (x == y && a >> 15);
    return (a_less != max ? a : b) | sign;
}

static uint16_t half_one(const struct ins *i, bool bf16, uint16_t a, uint16_t b, uint16_t c)
{
    const uint32_t flags = i->flags;
    const float x = half_in(bf16, flags, a), y = half_in(bf16, flags, b),
                z = half_in(bf16, flags, c);
    float r = 0;
    switch ((enum half_op)i->sub) {
    case HALF_ADD:
        r = x + y;
        break;
    case HALF_SUB:
        r = x - y;
        break;
    case HALF_MUL:
        r = x * y;
        break;
    case HALF_FMA:
        return half_finish(bf16, flags, half_from_double(bf16, num_fma_odd(x, y, z)));
    case HALF_MIN:
    case HALF_MAX:
        return half_finish(
            bf16, flags & ~(uint32_t)IF_SAT, half_minmax(bf16, flags, i->sub == HALF_MAX, a, b));
    case HALF_NEG:
        return half_finish(bf16, flags, a ^ 0x8000);
    case HALF_ABS:
        return half_finish(bf16, flags, a & 0x7fff);
    case HALF_EX2:
        r = exec_approximate(0, x);
        break;
    case HALF_TANH:
        r = exec_approximate(4, x);
        break;
    case HALF_COPYSIGN:
        return (a & 0x8000) | (b & 0x7fff);
    case HALF_CMP:
        return exec_compare_float(i->imm & 0xff, x, y);
    }
    return half_finish(bf16, flags, bf16 ? num_to_bf16(r) : num_to_f16(r));
}

uint16_t exec_half_add(bool bf16, uint16_t a, uint16_t b)
{
    const struct ins add = { .sub = HALF_ADD };
    return half_one(&add, bf16, a, b, 0);
}

uint16_t exec_half_min(bool bf16, bool max, uint16_t a, uint16_t b)
{
    return half_minmax(bf16, 0, max, a, b);
}

static void half_scalar(struct warp *w, const struct ins *i)
{
    const lane32 *a = lanes_of(w, i, 1), *b = lanes_of(w, i, 2), *c = lanes_of(w, i, 3);
    const bool bf16 = i->type == PT_BF16;
    uint32_t r[LANES] = { 0 };
    FOR_LANES(l, w->active)
    r[l] = half_one(i, bf16, (uint16_t)a[l], i->n_vec > 1 ? (uint16_t)b[l] : 0,
        i->n_vec > 2 ? (uint16_t)c[l] : 0);
    put32(w, i, r);
}

static void half_pair(struct warp *w, const struct ins *i)
{
    const lane32 *a = lanes_of(w, i, 1), *b = lanes_of(w, i, 2), *c = lanes_of(w, i, 3);
    const bool bf16 = i->type == PT_BF16X2;
    uint32_t r[LANES] = { 0 };
    FOR_LANES(l, w->active)
    for (unsigned shift = 0; shift < 32; shift += 16)
        r[l] |= (uint32_t)half_one(i, bf16, (uint16_t)(a[l] >> shift),
                    i->n_vec > 1 ? (uint16_t)(b[l] >> shift) : 0,
                    i->n_vec > 2 ? (uint16_t)(c[l] >> shift) : 0)
                << shift;
    put32(w, i, r);
}

/* set/setp on pairs: imm bits 0-7 the comparison, 8-11 how the result looks (0 p|q, 1 f16x2 ones, 2 bf16x2 ones, 3 masks). */
static void half_pair_cmp(struct warp *w, const struct ins *i)
{
    static const uint32_t one[4] = { 1, 0x3c00, 0x3f80, 0xffff };
    const lane32 *a = lanes_of(w, i, 1), *b = lanes_of(w, i, 2), *c = lanes_of(w, i, 3);
    const bool bf16 = i->type == PT_BF16X2;
    const unsigned form = i->imm >> 8 & 15;
    uint32_t r[LANES] = { 0 };
    lane32 *pair =
        i->more && i->more->pair >= 0 ? (lane32 *)(void *)(w->base[0] + i->more->pair) : NULL;
    FOR_LANES(l, w->active)
    {
        uint32_t hit[2];
        for (unsigned k = 0; k < 2; k++) {
            hit[k] =
                half_one(i, bf16, (uint16_t)(a[l] >> (16 * k)), (uint16_t)(b[l] >> (16 * k)), 0);
            const unsigned boolean = i->imm >> 12 & 3;
            if (boolean)
                hit[k] = boolean == 1   ? hit[k] & c[l] & 1
                         : boolean == 2 ? hit[k] | (c[l] & 1)
                                        : hit[k] ^ (c[l] & 1);
        }
        r[l] = form == 0 ? hit[0] : hit[0] * one[form] | hit[1] * one[form] << 16;
        if (form == 0 && pair)
            pair[l] = hit[1];
    }
    if (!(i->flags & IF_NO_RESULT))
        put32(w, i, r);
}

bool exec_set_half(struct ins *i, const char *op, enum ptx_type type)
{
    static const struct {
        const char *op;
        uint8_t sub, n;
    } rows[] = { { "add", HALF_ADD, 2 }, { "sub", HALF_SUB, 2 }, { "mul", HALF_MUL, 2 },
        { "fma", HALF_FMA, 3 }, { "min", HALF_MIN, 2 }, { "max", HALF_MAX, 2 },
        { "neg", HALF_NEG, 1 }, { "abs", HALF_ABS, 1 }, { "ex2", HALF_EX2, 1 },
        { "tanh", HALF_TANH, 1 }, { "copysign", HALF_COPYSIGN, 2 }, { "cmp", HALF_CMP, 2 } };
    const bool pair = type == PT_F16X2 || type == PT_BF16X2;
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++)
        if (strcmp(rows[k].op, op) == 0) {
            i->sub = rows[k].sub;
            i->n_vec = rows[k].n;
            i->fn = rows[k].sub == HALF_CMP ? half_pair_cmp : pair ? half_pair : half_scalar;
            return true;
        }
    return false;
}
