/* cvt: the common pairs directly, every other pair through struct num. */
#include "tests/softgpu/exec_num.h"
#include "tests/softgpu/exec_ops.h"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wtype-limits"
#pragma GCC optimize("O3,no-trapping-math")

#define FAST(name, lane, R, put, expr)                                                             \
    static void name(struct warp *w, const struct ins *i)                                          \
    {                                                                                              \
        const lane *a = lanes_of(w, i, 1);                                                         \
        R r[LANES];                                                                                \
        for (unsigned l = 0; l < LANES; l++)                                                       \
            r[l] = (R)(expr);                                                                      \
        put(w, i, r);                                                                              \
    }
FAST(s32_to_f32, lane_s32, uint32_t, put32, bits_f32((float)a[l]))
FAST(u32_to_f32, lane32, uint32_t, put32, bits_f32((float)a[l]))
FAST(f32_to_f64, lane_f32, uint64_t, put64, bits_f64((double)a[l]))
FAST(f64_to_f32, lane_f64, uint32_t, put32, canonical32(bits_f32((float)a[l])))
FAST(s32_to_f64, lane_s32, uint64_t, put64, bits_f64((double)a[l]))
FAST(u32_to_f64, lane32, uint64_t, put64, bits_f64((double)a[l]))
FAST(f16_to_f32, lane32, uint32_t, put32, canonical32(bits_f32(num_f16((uint16_t)a[l]))))
FAST(bf16_to_f32, lane32, uint32_t, put32, canonical32(a[l] << 16))
FAST(f32_to_f16, lane_f32, uint32_t, put32, num_to_f16(a[l]))
FAST(f32_to_bf16, lane_f32, uint32_t, put32, num_to_bf16(a[l]))
FAST(to_u8, lane32, uint32_t, put32, (uint8_t)a[l])
FAST(to_s8, lane32, uint32_t, put32, (int32_t)(int8_t)a[l])
FAST(to_u16, lane32, uint32_t, put32, (uint16_t)a[l])
FAST(to_s16, lane32, uint32_t, put32, (int32_t)(int16_t)a[l])
FAST(same32, lane32, uint32_t, put32, a[l])
FAST(same64, lane64, uint64_t, put64, a[l])
FAST(cut64, lane64, uint32_t, put32, a[l])
FAST(u32_to_64, lane32, uint64_t, put64, a[l])
FAST(s32_to_64, lane_s32, uint64_t, put64, (int64_t)a[l])

static uint64_t load_lane(
    const struct warp *w, const struct ins *i, unsigned k, unsigned l, bool wide)
{
    const void *at = lanes_of(w, i, k);
    return wide ? ((const lane64 *)at)[l] : ((const lane32 *)at)[l];
}

static bool is_float(enum ptx_type t)
{
    return t == PT_F16 || t == PT_BF16 || t == PT_F32 || t == PT_F64 || t == PT_TF32;
}

/* cvt.rni and friends between floats: to an integral value, staying a float. */
static struct num integral(struct num x, enum num_round round)
{
    if (x.nan || x.inf || x.exp >= 0 || x.mant == 0)
        return x;
    const bool sign = x.sign;
    const uint64_t magnitude = num_to_int(PT_S64, x, round, PT_F32);
    x = num_of(PT_S64, magnitude);
    x.sign = sign;
    return x;
}

static uint64_t saturated(enum ptx_type type, uint64_t bits)
{
    const struct num x = num_of(type, bits);
    if (x.nan || x.sign || x.mant == 0)
        return 0;
    const struct num unit = { .mant = 1 };
    const uint64_t one = num_to_float(type, unit, NUM_RN, false);
    return bits > one ? one : bits;
}

static struct num flushed(enum ptx_type type, uint64_t bits, uint32_t flags)
{
    return num_of(type, type == PT_F32 && flags & IF_FTZ ? flush32((uint32_t)bits) : bits);
}

static uint64_t convert(const struct ins *i, uint64_t a)
{
    const enum ptx_type to = i->type, from = i->type2;
    const uint32_t flags = i->flags;
    struct num x = flushed(from, a, flags);
    const uint32_t to_integral = flags & (IF_RNI | IF_RZI | IF_RMI | IF_RPI);
    if (!is_float(to))
        return num_to_int(to, x, num_round_of(flags), from);
    if (to_integral)
        x = integral(x, num_round_of(flags));
    uint64_t bits = num_to_float(to, x, num_round_of(flags), flags & IF_SATFINITE);
    if (to == PT_F32 && flags & IF_FTZ)
        bits = flush32((uint32_t)bits);
    if (flags & IF_SAT)
        bits = saturated(to, bits);
    if (flags & IF_RELU && !x.nan && x.sign)
        bits = 0;
    return to == PT_TF32 ? bits << 13 : bits;
}

/* Integer to integer without .sat keeps low bits; with it the value is clamped. */
static uint64_t integer_to_integer(const struct ins *i, uint64_t a)
{
    const unsigned from = 8 * (unsigned)ptx_type_bytes(i->type2),
                   to = 8 * (unsigned)ptx_type_bytes(i->type);
    if (i->flags & IF_SAT)
        a = num_to_int(i->type, num_of(i->type2, a), NUM_RZ, i->type2);
    else if (i->type2 >= PT_S8 && i->type2 <= PT_S64)
        a = (uint64_t)((int64_t)(a << (64 - from)) >> (64 - from));
    else
        a = a << (64 - from) >> (64 - from);
    if (i->type >= PT_S8 && i->type <= PT_S64)
        return (uint64_t)((int64_t)(a << (64 - to)) >> (64 - to));
    return a << (64 - to) >> (64 - to);
}

static void cvt_any(struct warp *w, const struct ins *i)
{
    const bool from_wide = ptx_type_bytes(i->type2) == 8, to_wide = ptx_type_bytes(i->type) == 8;
    const bool integers = !is_float(i->type) && !is_float(i->type2);
    uint64_t r[LANES] = { 0 };
    uint32_t narrow[LANES] = { 0 };
    FOR_LANES(l, w->active)
    {
        const uint64_t a = load_lane(w, i, 1, l, from_wide);
        r[l] = integers ? integer_to_integer(i, a) : convert(i, a);
        narrow[l] = (uint32_t)r[l];
    }
    if (to_wide)
        put64(w, i, r);
    else
        put32(w, i, narrow);
}

/* d = {a, b}: a above, b below. */
static void cvt_pack2(struct warp *w, const struct ins *i)
{
    const enum ptx_type part = i->type == PT_F16X2    ? PT_F16
                               : i->type == PT_BF16X2 ? PT_BF16
                                                      : i->type;
    const unsigned width = part == PT_F16 || part == PT_BF16 ? 16 : 8;
    const lane32 *a = lanes_of(w, i, 1), *b = lanes_of(w, i, 2);
    uint32_t r[LANES] = { 0 };
    FOR_LANES(l, w->active)
    {
        uint64_t both = 0;
        for (unsigned k = 0; k < 2; k++) {
            struct num x = flushed(PT_F32, k ? a[l] : b[l], i->flags);
            if (i->flags & IF_RELU && x.sign && !x.nan)
                x = (struct num){ 0 };
            both |=
                num_to_float(part, x, num_round_of(i->flags), width == 8 || i->flags & IF_SATFINITE)
                << (width * k);
        }
        r[l] = (uint32_t)both;
    }
    put32(w, i, r);
}

/* fp8 pair from or to f16x2: each half by itself. */
static void cvt_halves(struct warp *w, const struct ins *i)
{
    const lane32 *a = lanes_of(w, i, 1);
    const bool to_fp8 = i->type == PT_E4M3X2 || i->type == PT_E5M2X2;
    const unsigned from_width = to_fp8 ? 16 : 8, to_width = to_fp8 ? 8 : 16;
    const enum ptx_type from = to_fp8 ? PT_F16 : i->type2, to = to_fp8 ? i->type : PT_F16;
    uint32_t r[LANES] = { 0 };
    FOR_LANES(l, w->active)
    for (unsigned k = 0; k < 2; k++) {
        struct num x = num_of(from, a[l] >> (k * from_width) & ((1u << from_width) - 1));
        if (i->flags & IF_RELU && x.sign && !x.nan)
            x = (struct num){ 0 };
        r[l] |= (uint32_t)num_to_float(to, x, NUM_RN, to_fp8) << (k * to_width);
    }
    put32(w, i, r);
}

static ins_fn fast_integer(enum ptx_type to, enum ptx_type from)
{
    const size_t n = ptx_type_bytes(to), m = ptx_type_bytes(from);
    const bool signed_from = from >= PT_S8 && from <= PT_S64,
               signed_to = to >= PT_S8 && to <= PT_S64;
    if (n == 8)
        return m == 8 ? same64 : m == 4 ? (signed_from ? s32_to_64 : u32_to_64) : NULL;
    if (m == 8)
        return n == 4 ? cut64 : NULL;
    if (n == 4)
        return m == 4   ? same32
               : m == 2 ? (signed_from ? to_s16 : to_u16)
                        : (signed_from ? to_s8 : to_u8);
    if (m >= n)
        return n == 2 ? (signed_to ? to_s16 : to_u16) : (signed_to ? to_s8 : to_u8);
    return NULL;
}

static ins_fn fast_float(enum ptx_type to, enum ptx_type from)
{
    static const struct {
        enum ptx_type to, from;
        ins_fn fn;
    } fast[] = { { PT_F32, PT_S32, s32_to_f32 }, { PT_F32, PT_U32, u32_to_f32 },
        { PT_F64, PT_F32, f32_to_f64 }, { PT_F32, PT_F64, f64_to_f32 },
        { PT_F64, PT_S32, s32_to_f64 }, { PT_F64, PT_U32, u32_to_f64 },
        { PT_F32, PT_F16, f16_to_f32 }, { PT_F32, PT_BF16, bf16_to_f32 },
        { PT_F16, PT_F32, f32_to_f16 }, { PT_BF16, PT_F32, f32_to_bf16 } };
    for (size_t k = 0; k < sizeof fast / sizeof *fast; k++)
        if (fast[k].to == to && fast[k].from == from)
            return fast[k].fn;
    return NULL;
}

ins_fn exec_find_cvt(enum ptx_type to, enum ptx_type from, uint32_t flags, unsigned n_sources)
{
    const bool fp8_to = to == PT_E4M3X2 || to == PT_E5M2X2,
               fp8_from = from == PT_E4M3X2 || from == PT_E5M2X2;
    if (n_sources == 2)
        return from == PT_F32 && (fp8_to || to == PT_F16X2 || to == PT_BF16X2) ? cvt_pack2 : NULL;
    if (n_sources != 1)
        return NULL;
    if ((fp8_to && from == PT_F16X2) || (fp8_from && to == PT_F16X2))
        return cvt_halves;
    if (to >= PT_F16X2 && to != PT_TF32)
        return NULL;
    if (from >= PT_F16X2 || from == PT_PRED || to == PT_PRED || to == PT_NONE || from == PT_NONE)
        return NULL;
    ins_fn fn = NULL;
    if (!is_float(to) && !is_float(from))
        fn = flags & IF_SAT ? NULL : fast_integer(to, from);
    else if ((flags & ~(uint32_t)(IF_RN | IF_APPROX)) == 0)
        fn = fast_float(to, from);
    return fn ? fn : cvt_any;
}
