/* Integer arithmetic, all 32 lanes at a time: computed for every lane, kept for the active ones. Narrow values live in the
 * low bits of a 32-bit lane; whoever reads them narrows. Conversions truncate on purpose throughout. */
#include "tests/softgpu/exec_ops.h"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wtype-limits"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC optimize("O3")

__extension__ typedef unsigned __int128 wide_u;
__extension__ typedef __int128 wide_s;

#define OP1(name, lane, T, R, put, expr)                                                           \
    static void name(struct warp *w, const struct ins *i)                                          \
    {                                                                                              \
        const lane *a = lanes_of(w, i, 1);                                                         \
        R r[LANES];                                                                                \
        for (unsigned l = 0; l < LANES; l++) {                                                     \
            const T x = (T)a[l];                                                                   \
            r[l] = (R)(expr);                                                                      \
        }                                                                                          \
        put(w, i, r);                                                                              \
    }
#define OP2(name, lane, T, R, put, expr)                                                           \
    static void name(struct warp *w, const struct ins *i)                                          \
    {                                                                                              \
        const lane *a = lanes_of(w, i, 1), *b = lanes_of(w, i, 2);                                 \
        R r[LANES];                                                                                \
        for (unsigned l = 0; l < LANES; l++) {                                                     \
            const T x = (T)a[l], y = (T)b[l];                                                      \
            r[l] = (R)(expr);                                                                      \
        }                                                                                          \
        put(w, i, r);                                                                              \
    }
#define OP3(name, lane, T, clane, R, put, expr)                                                    \
    static void name(struct warp *w, const struct ins *i)                                          \
    {                                                                                              \
        const lane *a = lanes_of(w, i, 1), *b = lanes_of(w, i, 2);                                 \
        const clane *c = lanes_of(w, i, 3);                                                        \
        R r[LANES];                                                                                \
        for (unsigned l = 0; l < LANES; l++) {                                                     \
            const T x = (T)a[l], y = (T)b[l];                                                      \
            const R z = (R)c[l];                                                                   \
            r[l] = (R)(expr);                                                                      \
        }                                                                                          \
        put(w, i, r);                                                                              \
    }
/* Result as wide as the type; 16-bit results are cut. */
#define ALL1(op, e16, e32, e64)                                                                    \
    OP1(op##_u16, lane32, uint16_t, uint32_t, put32, (uint16_t)(e16))                              \
    OP1(op##_s16, lane32, int16_t, uint32_t, put32, (uint16_t)(e16))                               \
    OP1(op##_u32, lane32, uint32_t, uint32_t, put32, e32)                                          \
    OP1(op##_s32, lane32, int32_t, uint32_t, put32, e32)                                           \
    OP1(op##_u64, lane64, uint64_t, uint64_t, put64, e64)                                          \
    OP1(op##_s64, lane64, int64_t, uint64_t, put64, e64)
#define ALL2(op, expr)                                                                             \
    OP2(op##_u16, lane32, uint16_t, uint32_t, put32, (uint16_t)(expr))                             \
    OP2(op##_s16, lane32, int16_t, uint32_t, put32, (uint16_t)(expr))                              \
    OP2(op##_u32, lane32, uint32_t, uint32_t, put32, expr)                                         \
    OP2(op##_s32, lane32, int32_t, uint32_t, put32, expr)                                          \
    OP2(op##_u64, lane64, uint64_t, uint64_t, put64, expr)                                         \
    OP2(op##_s64, lane64, int64_t, uint64_t, put64, expr)
#define ROWS(text, op)                                                                             \
    { text, PT_U16, op##_u16 }, { text, PT_S16, op##_s16 }, { text, PT_U32, op##_u32 },            \
        { text, PT_S32, op##_s32 }, { text, PT_U64, op##_u64 },                                    \
    {                                                                                              \
        text, PT_S64, op##_s64                                                                     \
    }

/* Unsigned inside: signed overflow wraps. */
#define UX ((uint64_t)x)
#define UY ((uint64_t)y)
ALL2(add, UX + UY)
ALL2(sub, UX - UY)
ALL2(mul, UX *UY)
ALL2(min, x < y ? x : y)
ALL2(max, x > y ? x : y)
ALL1(neg, 0 - UX, 0 - UX, 0 - UX)
ALL1(abs, x < 0 ? 0 - UX : UX, x < 0 ? 0 - UX : UX, x < 0 ? 0 - UX : UX)
OP2(add_sat_s32, lane32, int32_t, uint32_t, put32,
    (int64_t)x + y > INT32_MAX   ? INT32_MAX
    : (int64_t)x + y < INT32_MIN ? INT32_MIN
                                 : (int64_t)x + y)
OP2(sub_sat_s32, lane32, int32_t, uint32_t, put32,
    (int64_t)x - y > INT32_MAX   ? INT32_MAX
    : (int64_t)x - y < INT32_MIN ? INT32_MIN
                                 : (int64_t)x - y)

#define RELU(T, v) ((T)(v) < 0 ? 0 : (T)(v))
OP2(min_relu_s32, lane32, int32_t, uint32_t, put32, RELU(int32_t, x < y ? x : y))
OP2(max_relu_s32, lane32, int32_t, uint32_t, put32, RELU(int32_t, x > y ? x : y))

#define PAIR(T, expr_lo, expr_hi) ((uint16_t)(T)(expr_lo) | (uint32_t)(uint16_t)(T)(expr_hi) << 16)
#define LO(T, v)                  ((T)(v))
#define HI(T, v)                  ((T)((v) >> 16))
#define MIN2(a, b)                ((a) < (b) ? (a) : (b))
#define MAX2(a, b)                ((a) > (b) ? (a) : (b))
OP2(add_x2, lane32, uint32_t, uint32_t, put32, PAIR(uint16_t, x + y, (x >> 16) + (y >> 16)))
OP2(sub_x2, lane32, uint32_t, uint32_t, put32, PAIR(uint16_t, x - y, (x >> 16) - (y >> 16)))
OP2(min_u16x2, lane32, uint32_t, uint32_t, put32,
    PAIR(uint16_t, MIN2(LO(uint16_t, x), LO(uint16_t, y)), MIN2(HI(uint16_t, x), HI(uint16_t, y))))
OP2(max_u16x2, lane32, uint32_t, uint32_t, put32,
    PAIR(uint16_t, MAX2(LO(uint16_t, x), LO(uint16_t, y)), MAX2(HI(uint16_t, x), HI(uint16_t, y))))
OP2(min_s16x2, lane32, uint32_t, uint32_t, put32,
    PAIR(int16_t, MIN2(LO(int16_t, x), LO(int16_t, y)), MIN2(HI(int16_t, x), HI(int16_t, y))))
OP2(max_s16x2, lane32, uint32_t, uint32_t, put32,
    PAIR(int16_t, MAX2(LO(int16_t, x), LO(int16_t, y)), MAX2(HI(int16_t, x), HI(int16_t, y))))
OP2(min_relu_s16x2, lane32, uint32_t, uint32_t, put32,
    PAIR(int16_t, MAX2(0, MIN2(LO(int16_t, x), LO(int16_t, y))),
        MAX2(0, MIN2(HI(int16_t, x), HI(int16_t, y)))))
OP2(max_relu_s16x2, lane32, uint32_t, uint32_t, put32,
    PAIR(int16_t, MAX2(0, MAX2(LO(int16_t, x), LO(int16_t, y))),
        MAX2(0, MAX2(HI(int16_t, x), HI(int16_t, y)))))

/* Division by zero has no defined result; all ones (and the dividend) are what hardware gives. */
ALL2(div, !(w->active >> l & 1)                             ? 0
          : y == 0                                          ? ~0ull
          : y == (__typeof__(y))-1 && (__typeof__(y))-1 < 0 ? 0 - UX
                                                            : (uint64_t)(x / y))
ALL2(rem, !(w->active >> l & 1)                             ? 0
          : y == 0                                          ? UX
          : y == (__typeof__(y))-1 && (__typeof__(y))-1 < 0 ? 0
                                                            : (uint64_t)(x % y))

OP2(mul_hi_u16, lane32, uint16_t, uint32_t, put32, (uint32_t)x *y >> 16)
OP2(mul_hi_s16, lane32, int16_t, uint32_t, put32, (uint16_t)((int32_t)x *y >> 16))
OP2(mul_hi_u32, lane32, uint32_t, uint32_t, put32, (uint64_t)x *y >> 32)
OP2(mul_hi_s32, lane32, int32_t, uint32_t, put32, (int64_t)x *y >> 32)
OP2(mul_hi_u64, lane64, uint64_t, uint64_t, put64, (wide_u)x *y >> 64)
OP2(mul_hi_s64, lane64, int64_t, uint64_t, put64, (wide_s)x *y >> 64)
OP2(mul_wide_u16, lane32, uint16_t, uint32_t, put32, (uint32_t)x *y)
OP2(mul_wide_s16, lane32, int16_t, uint32_t, put32, (int32_t)x *y)
OP2(mul_wide_u32, lane32, uint32_t, uint64_t, put64, (uint64_t)x *y)
OP2(mul_wide_s32, lane32, int32_t, uint64_t, put64, (int64_t)x *y)

OP3(mad_u16, lane32, uint16_t, lane32, uint32_t, put32, (uint16_t)((uint32_t)x *y + z))
OP3(mad_u32, lane32, uint32_t, lane32, uint32_t, put32, x *y + z)
OP3(mad_u64, lane64, uint64_t, lane64, uint64_t, put64, x *y + z)
OP3(mad_hi_u16, lane32, uint16_t, lane32, uint32_t, put32, (uint16_t)(((uint32_t)x * y >> 16) + z))
OP3(mad_hi_s16, lane32, int16_t, lane32, uint32_t, put32, (uint16_t)(((int32_t)x * y >> 16) + z))
OP3(mad_hi_u32, lane32, uint32_t, lane32, uint32_t, put32, ((uint64_t)x * y >> 32) + z)
OP3(mad_hi_s32, lane32, int32_t, lane32, uint32_t, put32, ((int64_t)x * y >> 32) + z)
OP3(mad_hi_u64, lane64, uint64_t, lane64, uint64_t, put64, ((wide_u)x * y >> 64) + z)
OP3(mad_hi_s64, lane64, int64_t, lane64, uint64_t, put64, ((wide_s)x * y >> 64) + z)
OP3(mad_wide_u16, lane32, uint16_t, lane32, uint32_t, put32, (uint32_t)x *y + z)
OP3(mad_wide_s16, lane32, int16_t, lane32, uint32_t, put32, (int32_t)x *y + z)
OP3(mad_wide_u32, lane32, uint32_t, lane64, uint64_t, put64, (uint64_t)x *y + z)
OP3(mad_wide_s32, lane32, int32_t, lane64, uint64_t, put64, (uint64_t)((int64_t)x *y) + z)
OP3(mad_sat_s32, lane32, int32_t, lane32, uint32_t, put32,
    ((int64_t)x * y >> 32) + (int32_t)z > INT32_MAX   ? INT32_MAX
    : ((int64_t)x * y >> 32) + (int32_t)z < INT32_MIN ? INT32_MIN
                                                      : ((int64_t)x * y >> 32) + (int32_t)z)

#define S24(v) ((int32_t)((uint32_t)(v) << 8) >> 8)
#define U24(v) ((uint32_t)(v)&0xffffff)
OP2(mul24_u32, lane32, uint32_t, uint32_t, put32, U24(x) * U24(y))
OP2(mul24_s32, lane32, uint32_t, uint32_t, put32, (int64_t)S24(x) * S24(y))
OP2(mul24_hi_u32, lane32, uint32_t, uint32_t, put32, (uint64_t)U24(x) * U24(y) >> 16)
OP2(mul24_hi_s32, lane32, uint32_t, uint32_t, put32, (int64_t)S24(x) * S24(y) >> 16)
OP3(mad24_u32, lane32, uint32_t, lane32, uint32_t, put32, U24(x) * U24(y) + z)
OP3(mad24_s32, lane32, uint32_t, lane32, uint32_t, put32, (int64_t)S24(x) * S24(y) + z)
OP3(mad24_hi_u32, lane32, uint32_t, lane32, uint32_t, put32, ((uint64_t)U24(x) * U24(y) >> 16) + z)
OP3(mad24_hi_s32, lane32, uint32_t, lane32, uint32_t, put32, ((int64_t)S24(x) * S24(y) >> 16) + z)

#define DISTANCE (x < y ? UY - UX : UX - UY)
OP3(sad_u16, lane32, uint16_t, lane32, uint32_t, put32, (uint16_t)(DISTANCE + z))
OP3(sad_s16, lane32, int16_t, lane32, uint32_t, put32, (uint16_t)(DISTANCE + z))
OP3(sad_u32, lane32, uint32_t, lane32, uint32_t, put32, DISTANCE + z)
OP3(sad_s32, lane32, int32_t, lane32, uint32_t, put32, DISTANCE + z)
OP3(sad_u64, lane64, uint64_t, lane64, uint64_t, put64, DISTANCE + z)
OP3(sad_s64, lane64, int64_t, lane64, uint64_t, put64, DISTANCE + z)

/* imm: bit 0 a is signed, bit 1 b is signed, bit 2 the upper half of b (dp2a.hi) */
static int32_t part(uint32_t v, unsigned at, unsigned bits, bool is_signed)
{
    const uint32_t cut = v >> at << (32 - bits);
    return is_signed ? (int32_t)cut >> (32 - bits) : (int32_t)(cut >> (32 - bits));
}

static uint32_t dot4(uint32_t a, uint32_t b, uint32_t c, uint64_t how)
{
    for (unsigned k = 0; k < 4; k++)
        c += (uint32_t)part(a, 8 * k, 8, how & 1) * (uint32_t)part(b, 8 * k, 8, how >> 1 & 1);
    return c;
}

static uint32_t dot2(uint32_t a, uint32_t b, uint32_t c, uint64_t how)
{
    for (unsigned k = 0; k < 2; k++)
        c += (uint32_t)part(a, 16 * k, 16, how & 1) *
             (uint32_t)part(b, 8 * k + (how & 4 ? 16 : 0), 8, how >> 1 & 1);
    return c;
}
OP3(dp4a, lane32, uint32_t, lane32, uint32_t, put32, dot4(x, y, z, i->imm))
OP3(dp2a, lane32, uint32_t, lane32, uint32_t, put32, dot2(x, y, z, i->imm))

/* --- carry chains: source 4 is the function's CC.CF --- */
static void carry32(struct warp *w, const struct ins *i)
{
    const lane32 *a = lanes_of(w, i, 1), *b = lanes_of(w, i, 2);
    lane32 *cc = lanes_of(w, i, 4);
    uint32_t r[LANES];
    FOR_LANES(l, w->active)
    {
        const uint64_t in = i->flags & IF_CARRY_IN ? cc[l] & 1 : 0;
        const uint64_t sum = i->sub ? (uint64_t)a[l] - b[l] - in : (uint64_t)a[l] + b[l] + in;
        r[l] = (uint32_t)sum;
        if (i->flags & IF_CC)
            cc[l] = sum >> 32 & 1;
    }
    put32(w, i, r);
}

static void carry64(struct warp *w, const struct ins *i)
{
    const lane64 *a = lanes_of(w, i, 1), *b = lanes_of(w, i, 2);
    lane32 *cc = lanes_of(w, i, 4);
    uint64_t r[LANES];
    FOR_LANES(l, w->active)
    {
        const uint64_t in = i->flags & IF_CARRY_IN ? cc[l] & 1 : 0;
        const wide_u sum = i->sub ? (wide_u)a[l] - b[l] - in : (wide_u)a[l] + b[l] + in;
        r[l] = (uint64_t)sum;
        if (i->flags & IF_CC)
            cc[l] = (uint32_t)(sum >> 64) & 1;
    }
    put64(w, i, r);
}

static void carry_mad32(struct warp *w, const struct ins *i)
{
    const lane32 *a = lanes_of(w, i, 1), *b = lanes_of(w, i, 2), *c = lanes_of(w, i, 3);
    lane32 *cc = lanes_of(w, i, 4);
    uint32_t r[LANES];
    FOR_LANES(l, w->active)
    {
        const uint64_t product = i->type == PT_S32
                                     ? (uint64_t)((int64_t)(int32_t)a[l] * (int32_t)b[l])
                                     : (uint64_t)a[l] * b[l];
        const uint32_t half = (uint32_t)(i->flags & IF_HI ? product >> 32 : product);
        const uint64_t sum = (uint64_t)half + c[l] + (i->flags & IF_CARRY_IN ? cc[l] & 1 : 0);
        r[l] = (uint32_t)sum;
        if (i->flags & IF_CC)
            cc[l] = sum >> 32 & 1;
    }
    put32(w, i, r);
}

static void carry_mad64(struct warp *w, const struct ins *i)
{
    const lane64 *a = lanes_of(w, i, 1), *b = lanes_of(w, i, 2), *c = lanes_of(w, i, 3);
    lane32 *cc = lanes_of(w, i, 4);
    uint64_t r[LANES];
    FOR_LANES(l, w->active)
    {
        const wide_u product = i->type == PT_S64 ? (wide_u)((wide_s)(int64_t)a[l] * (int64_t)b[l])
                                                 : (wide_u)a[l] * b[l];
        const uint64_t half = (uint64_t)(i->flags & IF_HI ? product >> 64 : product);
        const wide_u sum = (wide_u)half + c[l] + (i->flags & IF_CARRY_IN ? cc[l] & 1 : 0);
        r[l] = (uint64_t)sum;
        if (i->flags & IF_CC)
            cc[l] = (uint32_t)(sum >> 64) & 1;
    }
    put64(w, i, r);
}

static const struct exec_row rows[] = { ROWS("add", add), ROWS("sub", sub), ROWS("mul.lo", mul),
    ROWS("min", min), ROWS("max", max), ROWS("neg", neg), ROWS("abs", abs), ROWS("div", div),
    ROWS("rem", rem), ROWS("mul.hi", mul_hi), ROWS("sad", sad), ROWS("mad.hi", mad_hi),
    { "add.sat", PT_S32, add_sat_s32 }, { "sub.sat", PT_S32, sub_sat_s32 },
    { "min.relu", PT_S32, min_relu_s32 }, { "max.relu", PT_S32, max_relu_s32 },
    { "add", PT_U16X2, add_x2 }, { "add", PT_S16X2, add_x2 }, { "sub", PT_U16X2, sub_x2 },
    { "sub", PT_S16X2, sub_x2 }, { "min", PT_U16X2, min_u16x2 }, { "max", PT_U16X2, max_u16x2 },
    { "min", PT_S16X2, min_s16x2 }, { "max", PT_S16X2, max_s16x2 },
    { "min.relu", PT_S16X2, min_relu_s16x2 }, { "max.relu", PT_S16X2, max_relu_s16x2 },
    { "mul.wide", PT_U16, mul_wide_u16 }, { "mul.wide", PT_S16, mul_wide_s16 },
    { "mul.wide", PT_U32, mul_wide_u32 }, { "mul.wide", PT_S32, mul_wide_s32 },
    { "mad.lo", PT_U16, mad_u16 }, { "mad.lo", PT_S16, mad_u16 }, { "mad.lo", PT_U32, mad_u32 },
    { "mad.lo", PT_S32, mad_u32 }, { "mad.lo", PT_U64, mad_u64 }, { "mad.lo", PT_S64, mad_u64 },
    { "mad.wide", PT_U16, mad_wide_u16 }, { "mad.wide", PT_S16, mad_wide_s16 },
    { "mad.wide", PT_U32, mad_wide_u32 }, { "mad.wide", PT_S32, mad_wide_s32 },
    { "mad.hi.sat", PT_S32, mad_sat_s32 }, { "mul24.lo", PT_U32, mul24_u32 },
    { "mul24.lo", PT_S32, mul24_s32 }, { "mul24.hi", PT_U32, mul24_hi_u32 },
    { "mul24.hi", PT_S32, mul24_hi_s32 }, { "mad24.lo", PT_U32, mad24_u32 },
    { "mad24.lo", PT_S32, mad24_s32 }, { "mad24.hi", PT_U32, mad24_hi_u32 },
    { "mad24.hi", PT_S32, mad24_hi_s32 }, { "dp4a", PT_U32, dp4a }, { "dp4a", PT_S32, dp4a },
    { "dp2a", PT_U32, dp2a }, { "dp2a", PT_S32, dp2a }, { "carry", PT_U32, carry32 },
    { "carry", PT_S32, carry32 }, { "carry", PT_U64, carry64 }, { "carry", PT_S64, carry64 },
    { "carry.mad", PT_U32, carry_mad32 }, { "carry.mad", PT_S32, carry_mad32 },
    { "carry.mad", PT_U64, carry_mad64 }, { "carry.mad", PT_S64, carry_mad64 } };

ins_fn exec_find_row(const struct exec_row *row, size_t n, const char *op, enum ptx_type type)
{
    for (size_t k = 0; k < n; k++)
        if (row[k].type == type && strcmp(row[k].op, op) == 0)
            return row[k].fn;
    return NULL;
}

ins_fn exec_find_int(const char *op, enum ptx_type type)
{
    return exec_find_row(rows, sizeof rows / sizeof *rows, op, type);
}
