/* f32 and f64 arithmetic. Nearest rounding is what the C compiler does (no contraction); the directed modes set MXCSR and use
 * single instructions the compiler cannot move. Approximate functions give the C library's value. */
#include <immintrin.h>
#include <math.h>
#include "tests/softgpu/exec_num.h"
#include "tests/softgpu/exec_ops.h"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wtype-limits"
#pragma GCC diagnostic ignored "-Wdouble-promotion"
#pragma GCC optimize("O3,no-trapping-math")

/* --- the common case: nearest, gradual underflow --- */
#define F32(name, sources, expr)                                                                   \
    static void name(struct warp *w, const struct ins *i)                                          \
    {                                                                                              \
        sources;                                                                                   \
        uint32_t r[LANES];                                                                         \
        for (unsigned l = 0; l < LANES; l++) {                                                     \
            const float z = (expr);                                                                \
            const uint32_t u = bits_f32(z);                                                        \
            r[l] = z != z ? 0x7fffffff : u;                                                        \
        }                                                                                          \
        put32(w, i, r);                                                                            \
    }
#define F64(name, sources, expr)                                                                   \
    static void name(struct warp *w, const struct ins *i)                                          \
    {                                                                                              \
        sources;                                                                                   \
        uint64_t r[LANES];                                                                         \
        for (unsigned l = 0; l < LANES; l++)                                                       \
            r[l] = bits_f64(expr);                                                                 \
        put64(w, i, r);                                                                            \
    }
#define SRC(lane, n, k) const lane *n = lanes_of(w, i, k)
#define AF              SRC(lane_f32, a, 1)
#define ABF                                                                                        \
    AF;                                                                                            \
    SRC(lane_f32, b, 2)
#define ABCF                                                                                       \
    ABF;                                                                                           \
    SRC(lane_f32, c, 3)
#define AD SRC(lane_f64, a, 1)
#define ABD                                                                                        \
    AD;                                                                                            \
    SRC(lane_f64, b, 2)
#define ABCD                                                                                       \
    ABD;                                                                                           \
    SRC(lane_f64, c, 3)

F32(add_f32, ABF, a[l] + b[l])
F32(sub_f32, ABF, a[l] - b[l])
F32(mul_f32, ABF, a[l] * b[l])
F32(div_f32, ABF, a[l] / b[l])
F32(fma_f32, ABCF, __builtin_fmaf(a[l], b[l], c[l]))
F32(rcp_f32, AF, 1.0f / a[l])
F32(sqrt_f32, AF, sqrtf(a[l]))
F64(add_f64, ABD, a[l] + b[l])
F64(sub_f64, ABD, a[l] - b[l])
F64(mul_f64, ABD, a[l] * b[l])
F64(div_f64, ABD, a[l] / b[l])
F64(fma_f64, ABCD, __builtin_fma(a[l], b[l], c[l]))
F64(rcp_f64, AD, 1.0 / a[l])
F64(sqrt_f64, AD, sqrt(a[l]))
F64(rsqrt_f64, AD, 1.0 / sqrt(a[l]))

static double rcp_approx(double x)
{
    const uint64_t u = bits_f64(x), flushed = u & 0x7ff0000000000000 ? u : u & 1ull << 63;
    const uint64_t r = bits_f64(1.0 / f64_bits(flushed)) & ~0xffffffffull;
    return f64_bits(r & 0x7ff0000000000000 ? r : r & 1ull << 63);
}
F64(rcp_approx_f64, AD, rcp_approx(a[l]))

/* --- bits only --- */
static void neg_f32(struct warp *w, const struct ins *i)
{
    const lane32 *a = lanes_of(w, i, 1);
    uint32_t r[LANES];
    for (unsigned l = 0; l < LANES; l++)
        r[l] = (i->flags & IF_FTZ ? flush32(a[l]) : a[l]) ^ 0x80000000;
    put32(w, i, r);
}

static void abs_f32(struct warp *w, const struct ins *i)
{
    const lane32 *a = lanes_of(w, i, 1);
    uint32_t r[LANES];
    for (unsigned l = 0; l < LANES; l++)
        r[l] = (i->flags & IF_FTZ ? flush32(a[l]) : a[l]) & 0x7fffffff;
    put32(w, i, r);
}

static void copysign_f32(struct warp *w, const struct ins *i)
{
    const lane32 *a = lanes_of(w, i, 1), *b = lanes_of(w, i, 2);
    uint32_t r[LANES];
    for (unsigned l = 0; l < LANES; l++)
        r[l] = (a[l] & 0x80000000) | (b[l] & 0x7fffffff);
    put32(w, i, r);
}

#define BITS64(name, sources, expr)                                                                \
    static void name(struct warp *w, const struct ins *i)                                          \
    {                                                                                              \
        sources;                                                                                   \
        uint64_t r[LANES];                                                                         \
        for (unsigned l = 0; l < LANES; l++)                                                       \
            r[l] = (expr);                                                                         \
        put64(w, i, r);                                                                            \
    }
#define SIGN64 (1ull << 63)
BITS64(neg_f64, SRC(lane64, a, 1), a[l] ^ SIGN64)
BITS64(abs_f64, SRC(lane64, a, 1), a[l] & ~SIGN64)
BITS64(copysign_f64, SRC(lane64, a, 1); SRC(lane64, b, 2), (a[l] & SIGN64) | (b[l] & ~SIGN64))

/* --- minimum and maximum: -0 < +0; a NaN loses, or wins with .NaN --- */
static uint32_t least32(uint32_t a, uint32_t b, bool max, uint32_t flags)
{
    if (flags & IF_FTZ) {
        a = flush32(a);
        b = flush32(b);
    }
    const uint32_t sign = flags & IF_XORSIGN ? (a ^ b) & 0x80000000 : 0;
    if (flags & IF_XORSIGN) {
        a &= 0x7fffffff;
        b &= 0x7fffffff;
    }
    const float x = f32_bits(a), y = f32_bits(b);
    if (x != x || y != y) {
        if (flags & IF_NAN || (x != x && y != y))
            return 0x7fffffff;
        return (x != x ? b : a) | sign;
    }
    const bool a_less = x < y || (x == y && a >> 31);
    return (a_less != max ? a : b) | sign;
}

static uint64_t least64(uint64_t a, uint64_t b, bool max)
{
    const double x = f64_bits(a), y = f64_bits(b);
    if (x != x)
        return y != y ? a : b;
    if (y != y)
        return a;
    const bool a_less = x < y || (x == y && a >> 63);
    return a_less != max ? a : b;
}

static void minmax_f32(struct warp *w, const struct ins *i)
{
    const lane32 *a = lanes_of(w, i, 1), *b = lanes_of(w, i, 2),
                 *c = i->n_vec == 3 ? lanes_of(w, i, 3) : NULL;
    uint32_t r[LANES];
    for (unsigned l = 0; l < LANES; l++) {
        r[l] = least32(a[l], b[l], i->sub, i->flags);
        if (c)
            r[l] = least32(r[l], c[l], i->sub, i->flags);
    }
    put32(w, i, r);
}
BITS64(min_f64, SRC(lane64, a, 1); SRC(lane64, b, 2), least64(a[l], b[l], false))
BITS64(max_f64, SRC(lane64, a, 1); SRC(lane64, b, 2), least64(a[l], b[l], true))

uint32_t exec_min_f32(uint32_t a, uint32_t b, bool max)
{
    return least32(a, b, max, 0);
}

uint64_t exec_min_f64(uint64_t a, uint64_t b, bool max)
{
    return least64(a, b, max);
}

/* --- modifiers: .ftz .sat .rz .rm .rp --- */
enum slow { SLOW_ADD, SLOW_SUB, SLOW_MUL, SLOW_DIV, SLOW_FMA, SLOW_RCP, SLOW_SQRT };

static float step32(enum slow op, float a, float b, float c)
{
    float r = a;
    switch (op) {
    case SLOW_ADD:
        __asm__ volatile("vaddss %2, %1, %0" : "=x"(r) : "x"(a), "x"(b));
        break;
    case SLOW_SUB:
        __asm__ volatile("vsubss %2, %1, %0" : "=x"(r) : "x"(a), "x"(b));
        break;
    case SLOW_MUL:
        __asm__ volatile("vmulss %2, %1, %0" : "=x"(r) : "x"(a), "x"(b));
        break;
    case SLOW_DIV:
        __asm__ volatile("vdivss %2, %1, %0" : "=x"(r) : "x"(a), "x"(b));
        break;
    case SLOW_FMA:
        __asm__ volatile("vfmadd213ss %2, %1, %0" : "+x"(r) : "x"(b), "x"(c));
        break;
    case SLOW_RCP:
        __asm__ volatile("vdivss %2, %1, %0" : "=x"(r) : "x"(1.0f), "x"(a));
        break;
    case SLOW_SQRT:
        __asm__ volatile("vsqrtss %1, %1, %0" : "=x"(r) : "x"(a));
        break;
    }
    return r;
}

static double step64(enum slow op, double a, double b, double c)
{
    double r = a;
    switch (op) {
    case SLOW_ADD:
        __asm__ volatile("vaddsd %2, %1, %0" : "=x"(r) : "x"(a), "x"(b));
        break;
    case SLOW_SUB:
        __asm__ volatile("vsubsd %2, %1, %0" : "=x"(r) : "x"(a), "x"(b));
        break;
    case SLOW_MUL:
        __asm__ volatile("vmulsd %2, %1, %0" : "=x"(r) : "x"(a), "x"(b));
        break;
    case SLOW_DIV:
        __asm__ volatile("vdivsd %2, %1, %0" : "=x"(r) : "x"(a), "x"(b));
        break;
    case SLOW_FMA:
        __asm__ volatile("vfmadd213sd %2, %1, %0" : "+x"(r) : "x"(b), "x"(c));
        break;
    case SLOW_RCP:
        __asm__ volatile("vdivsd %2, %1, %0" : "=x"(r) : "x"(1.0), "x"(a));
        break;
    case SLOW_SQRT:
        __asm__ volatile("vsqrtsd %1, %1, %0" : "=x"(r) : "x"(a));
        break;
    }
    return r;
}

static unsigned enter_rounding(uint32_t flags)
{
    const unsigned before = _mm_getcsr();
    const unsigned mode = flags & IF_RZ ? 3 : flags & IF_RP ? 2 : flags & IF_RM ? 1 : 0;
    _mm_setcsr((before & ~0x6000u) | mode << 13);
    return before;
}

static void slow_f32(struct warp *w, const struct ins *i)
{
    const lane32 *a = lanes_of(w, i, 1), *b = lanes_of(w, i, 2), *c = lanes_of(w, i, 3);
    const bool ftz = i->flags & IF_FTZ;
    uint32_t r[LANES];
    const unsigned before = enter_rounding(i->flags);
    FOR_LANES(l, w->active)
    {
        uint32_t x = a[l], y = i->n_vec > 1 ? b[l] : 0, z = i->n_vec > 2 ? c[l] : 0;
        if (ftz) {
            x = flush32(x);
            y = flush32(y);
            z = flush32(z);
        }
        uint32_t u = canonical32(bits_f32(step32(i->sub, f32_bits(x), f32_bits(y), f32_bits(z))));
        u = ftz ? flush32(u) : u;
        u = i->flags & IF_SAT ? saturate32(u) : u;
        r[l] = i->flags & IF_RELU ? (u >> 31 ? 0 : u) : u;
    }
    _mm_setcsr(before);
    put32(w, i, r);
}

static void slow_f64(struct warp *w, const struct ins *i)
{
    const lane64 *a = lanes_of(w, i, 1), *b = lanes_of(w, i, 2), *c = lanes_of(w, i, 3);
    uint64_t r[LANES];
    const unsigned before = enter_rounding(i->flags);
    FOR_LANES(l, w->active)
    r[l] = bits_f64(step64(i->sub, f64_bits(a[l]), i->n_vec > 1 ? f64_bits(b[l]) : 0,
        i->n_vec > 2 ? f64_bits(c[l]) : 0));
    _mm_setcsr(before);
    put64(w, i, r);
}

/* Two floats in one 64-bit register (sm_100). */
static void slow_f32x2(struct warp *w, const struct ins *i)
{
    const lane64 *a = lanes_of(w, i, 1), *b = lanes_of(w, i, 2), *c = lanes_of(w, i, 3);
    uint64_t r[LANES];
    const unsigned before = enter_rounding(i->flags);
    FOR_LANES(l, w->active)
    {
        r[l] = 0;
        for (unsigned shift = 0; shift < 64; shift += 32) {
            uint32_t x = (uint32_t)(a[l] >> shift), y = (uint32_t)(b[l] >> shift);
            uint32_t z = i->n_vec > 2 ? (uint32_t)(c[l] >> shift) : 0;
            if (i->flags & IF_FTZ) {
                x = flush32(x);
                y = flush32(y);
                z = flush32(z);
            }
            uint32_t u =
                canonical32(bits_f32(step32(i->sub, f32_bits(x), f32_bits(y), f32_bits(z))));
            u = i->flags & IF_FTZ ? flush32(u) : u;
            r[l] |= (uint64_t)u << shift;
        }
    }
    _mm_setcsr(before);
    put64(w, i, r);
}

/* --- functions the hardware approximates --- */
enum approx { APPROX_EX2, APPROX_LG2, APPROX_SIN, APPROX_COS, APPROX_TANH, APPROX_RSQRT };

static float approximate(enum approx op, float x)
{
    switch (op) {
    case APPROX_EX2:
        return exp2f(x);
    case APPROX_LG2:
        return log2f(x);
    case APPROX_SIN:
        return sinf(x);
    case APPROX_COS:
        return cosf(x);
    case APPROX_TANH:
        return tanhf(x);
    default:
        return (float)(1.0 / sqrt((double)x));
    }
}

float exec_approximate(unsigned op, float x)
{
    return approximate((enum approx)op, x);
}

static void approx_f32(struct warp *w, const struct ins *i)
{
    const lane32 *a = lanes_of(w, i, 1);
    uint32_t r[LANES];
    FOR_LANES(l, w->active)
    {
        const uint32_t x = i->flags & IF_FTZ ? flush32(a[l]) : a[l];
        const uint32_t u = canonical32(bits_f32(approximate(i->sub, f32_bits(x))));
        r[l] = i->flags & IF_FTZ ? flush32(u) : u;
    }
    put32(w, i, r);
}

/* --- testp --- */
static bool test_property(unsigned what, bool sign, unsigned category)
{
    (void)sign; /* category: 0 zero, 1 subnormal, 2 normal, 3 infinite, 4 nan */
    switch (what) {
    case 0:
        return category < 3;
    case 1:
        return category == 3;
    case 2:
        return category < 4;
    case 3:
        return category == 4;
    case 4:
        return category == 2;
    default:
        return category == 1;
    }
}

static void testp(struct warp *w, const struct ins *i)
{
    uint32_t r[LANES];
    const bool wide = i->type == PT_F64;
    const lane64 *a64 = lanes_of(w, i, 1);
    const lane32 *a32 = lanes_of(w, i, 1);
    FOR_LANES(l, w->active)
    {
        const struct num x = num_of(i->type, wide ? a64[l] : a32[l]);
        const uint64_t exp = wide ? a64[l] >> 52 & 0x7ff : a32[l] >> 23 & 0xff;
        const unsigned category = x.nan ? 4 : x.inf ? 3 : exp ? 2 : x.mant ? 1 : 0;
        r[l] = test_property(i->sub, x.sign, category);
    }
    put32(w, i, r);
}

/* --- comparisons --- */
#define CMP(name, lane, expr)                                                                      \
    static void name(struct warp *w, const struct ins *i)                                          \
    {                                                                                              \
        const lane *a = lanes_of(w, i, 1), *b = lanes_of(w, i, 2);                                 \
        uint32_t r[LANES];                                                                         \
        for (unsigned l = 0; l < LANES; l++) {                                                     \
            const __typeof__(*a + 0) x = a[l], y = b[l];                                           \
            r[l] = (expr);                                                                         \
        }                                                                                          \
        exec_finish_cmp(w, i, r);                                                                  \
    }
#define CMPS(T, lane)                                                                              \
    CMP(eq_##T, lane, x == y)                                                                      \
    CMP(ne_##T, lane, x<y || x> y)                                                                 \
    CMP(lt_##T, lane, x < y)                                                                       \
    CMP(le_##T, lane, x <= y)                                                                      \
    CMP(gt_##T, lane, x > y)                                                                       \
    CMP(ge_##T, lane, x >= y)                                                                      \
    CMP(equ_##T, lane, !(x < y || x > y))                                                          \
    CMP(neu_##T, lane, !(x == y))                                                                  \
    CMP(ltu_##T, lane, !(x >= y))                                                                  \
    CMP(leu_##T, lane, !(x > y))                                                                   \
    CMP(gtu_##T, lane, !(x <= y))                                                                  \
    CMP(geu_##T, lane, !(x < y))                                                                   \
    CMP(num_##T, lane, x == x && y == y) CMP(nan_##T, lane, x != x || y != y)
CMPS(f32, lane_f32)
CMPS(f64, lane_f64)

bool exec_compare_float(int cmp, float x, float y)
{
    const bool unordered = x != x || y != y;
    switch (cmp) {
    case CMP_EQ:
        return x == y;
    case CMP_NE:
        return !unordered && x != y;
    case CMP_LT:
        return x < y;
    case CMP_LE:
        return x <= y;
    case CMP_GT:
        return x > y;
    case CMP_GE:
        return x >= y;
    case CMP_NUM:
        return !unordered;
    case CMP_NAN:
        return unordered;
    case CMP_EQU:
        return unordered || x == y;
    case CMP_NEU:
        return unordered || x != y;
    case CMP_LTU:
        return unordered || x < y;
    case CMP_LEU:
        return unordered || x <= y;
    case CMP_GTU:
        return unordered || x > y;
    default:
        return unordered || x >= y;
    }
}

/* .ftz, and the 16-bit types */
static void cmp_slow(struct warp *w, const struct ins *i)
{
    const lane32 *a = lanes_of(w, i, 1), *b = lanes_of(w, i, 2);
    uint32_t r[LANES] = { 0 };
    FOR_LANES(l, w->active)
    {
        float x = f32_bits(a[l]), y = f32_bits(b[l]);
        if (i->type == PT_F16) {
            x = num_f16((uint16_t)a[l]);
            y = num_f16((uint16_t)b[l]);
        } else if (i->type == PT_BF16) {
            x = num_bf16((uint16_t)a[l]);
            y = num_bf16((uint16_t)b[l]);
        } else {
            x = f32_bits(flush32(a[l]));
            y = f32_bits(flush32(b[l]));
        }
        r[l] = exec_compare_float(i->type2, x, y);
    }
    exec_finish_cmp(w, i, r);
}

ins_fn exec_find_float_cmp(int cmp, enum ptx_type type, uint32_t flags)
{
#define CMP_ROW(T)                                                                                 \
    {                                                                                              \
        eq_##T, ne_##T, lt_##T, le_##T, gt_##T, ge_##T, NULL, NULL, NULL, NULL, equ_##T, neu_##T,  \
            ltu_##T, leu_##T, gtu_##T, geu_##T, num_##T, nan_##T                                   \
    }
    static const ins_fn table[2][18] = { CMP_ROW(f32), CMP_ROW(f64) };
    if (cmp < 0 || cmp > CMP_NAN)
        return NULL;
    if (type == PT_F16 || type == PT_BF16 || (type == PT_F32 && flags & IF_FTZ))
        return cmp_slow;
    return type == PT_F32 ? table[0][cmp] : type == PT_F64 ? table[1][cmp] : NULL;
}

/* --- table --- */
static const struct float_row {
    const char *op;
    ins_fn f32, f64;
    uint8_t slow, n;
} rows[] = { { "add", add_f32, add_f64, SLOW_ADD, 2 }, { "sub", sub_f32, sub_f64, SLOW_SUB, 2 },
    { "mul", mul_f32, mul_f64, SLOW_MUL, 2 }, { "div", div_f32, div_f64, SLOW_DIV, 2 },
    { "fma", fma_f32, fma_f64, SLOW_FMA, 3 }, { "mad", fma_f32, fma_f64, SLOW_FMA, 3 },
    { "rcp", rcp_f32, rcp_f64, SLOW_RCP, 1 }, { "sqrt", sqrt_f32, sqrt_f64, SLOW_SQRT, 1 } };

static const struct {
    const char *op;
    ins_fn f32, f64;
    uint8_t sub, n;
} others[] = { { "neg", neg_f32, neg_f64, 0, 1 }, { "abs", abs_f32, abs_f64, 0, 1 },
    { "copysign", copysign_f32, copysign_f64, 0, 2 }, { "min", minmax_f32, min_f64, 0, 2 },
    { "max", minmax_f32, max_f64, 1, 2 }, { "ex2", approx_f32, NULL, APPROX_EX2, 1 },
    { "lg2", approx_f32, NULL, APPROX_LG2, 1 }, { "sin", approx_f32, NULL, APPROX_SIN, 1 },
    { "cos", approx_f32, NULL, APPROX_COS, 1 }, { "tanh", approx_f32, NULL, APPROX_TANH, 1 },
    { "rsqrt", approx_f32, rsqrt_f64, APPROX_RSQRT, 1 }, { "testp.finite", testp, testp, 0, 1 },
    { "testp.infinite", testp, testp, 1, 1 }, { "testp.number", testp, testp, 2, 1 },
    { "testp.notanumber", testp, testp, 3, 1 }, { "testp.normal", testp, testp, 4, 1 },
    { "testp.subnormal", testp, testp, 5, 1 } };

/* Sets fn, sub and n_vec (the number of sources) of `i`; false when there is no such instruction. */
bool exec_set_float(struct ins *i, const char *op, enum ptx_type type, uint32_t flags)
{
    const uint32_t modified = flags & (IF_DIRECTED | IF_FTZ | IF_SAT | IF_RELU);
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        if (strcmp(rows[k].op, op) != 0)
            continue;
        i->sub = rows[k].slow;
        i->n_vec = rows[k].n;
        if (type == PT_F32X2)
            i->fn = slow_f32x2;
        else if (type == PT_F64 && rows[k].slow == SLOW_RCP && flags & IF_APPROX)
            i->fn = rcp_approx_f64;
        else if (type == PT_F32)
            i->fn = modified ? slow_f32 : rows[k].f32;
        else
            i->fn = flags & IF_DIRECTED ? slow_f64 : rows[k].f64;
        return true;
    }
    for (size_t k = 0; k < sizeof others / sizeof *others; k++) {
        if (strcmp(others[k].op, op) != 0)
            continue;
        i->sub = others[k].sub;
        i->n_vec = others[k].n;
        i->fn = type == PT_F32 ? others[k].f32 : type == PT_F64 ? others[k].f64 : NULL;
        return i->fn != NULL;
    }
    return false;
}
