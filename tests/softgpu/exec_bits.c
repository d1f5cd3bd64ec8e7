/* Bit operations, moves, selections and integer comparisons; see exec_int.c for the conventions. */
#include "tests/softgpu/exec_ops.h"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wtype-limits"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC optimize("O3")

#define A(lane) const lane *a = lanes_of(w, i, 1)
#define B(lane) const lane *b = lanes_of(w, i, 2)
#define C(lane) const lane *c = lanes_of(w, i, 3)
#define OP(name, R, put, sources, expr)                                                            \
    static void name(struct warp *w, const struct ins *i)                                          \
    {                                                                                              \
        sources;                                                                                   \
        R r[LANES];                                                                                \
        for (unsigned l = 0; l < LANES; l++)                                                       \
            r[l] = (R)(expr);                                                                      \
        put(w, i, r);                                                                              \
    }
#define OP32(name, sources, expr) OP(name, uint32_t, put32, sources, expr)
#define OP64(name, sources, expr) OP(name, uint64_t, put64, sources, expr)
#define S1_32                     A(lane32)
#define S2_32                                                                                      \
    A(lane32);                                                                                     \
    B(lane32)
#define S3_32                                                                                      \
    A(lane32);                                                                                     \
    B(lane32);                                                                                     \
    C(lane32)
#define S2_64                                                                                      \
    A(lane64);                                                                                     \
    B(lane64)
#define S64_32                                                                                     \
    A(lane64);                                                                                     \
    B(lane32)

OP32(and32, S2_32, a[l] & b[l])
OP32(or32, S2_32, a[l] | b[l])
OP32(xor32, S2_32, a[l] ^ b[l])
OP64(and64, S2_64, a[l] & b[l])
OP64(or64, S2_64, a[l] | b[l])
OP64(xor64, S2_64, a[l] ^ b[l])
OP32(not16, S1_32, (uint16_t)~a[l])
OP32(not32, S1_32, ~a[l])
OP64(not64, A(lane64), ~a[l])
OP32(not1, S1_32, ~a[l] & 1)
OP32(cnot16, S1_32, (uint16_t)a[l] == 0)
OP32(cnot32, S1_32, a[l] == 0)
OP64(cnot64, A(lane64), a[l] == 0)
OP32(shl16, S2_32, b[l] > 15 ? 0 : (uint16_t)(a[l] << (b[l] & 15)))
OP32(shl32, S2_32, b[l] > 31 ? 0 : a[l] << (b[l] & 31))
OP64(shl64, S64_32, b[l] > 63 ? 0 : a[l] << (b[l] & 63))
OP32(shr_u16, S2_32, b[l] > 15 ? 0 : (uint32_t)(uint16_t)a[l] >> (b[l] & 15))
OP32(shr_u32, S2_32, b[l] > 31 ? 0 : a[l] >> (b[l] & 31))
OP64(shr_u64, S64_32, b[l] > 63 ? 0 : a[l] >> (b[l] & 63))
OP32(shr_s16, S2_32, (uint16_t)((int32_t)(int16_t)a[l] >> (b[l] > 15 ? 15 : b[l])))
OP32(shr_s32, S2_32, (int32_t)a[l] >> (b[l] > 31 ? 31 : b[l]))
OP64(shr_s64, S64_32, (int64_t)a[l] >> (b[l] > 63 ? 63 : b[l]))
OP32(mov32, S1_32, a[l])
OP64(mov64, A(lane64), a[l])
OP32(mov_pred, S1_32, a[l] & 1)
OP32(narrow, A(lane64), a[l])
OP64(widen_u, S1_32, a[l])
OP64(widen_u16, S1_32, (uint16_t)a[l])
OP64(widen_s, S1_32, (int64_t)(int32_t)a[l])
OP64(widen_s16, S1_32, (int64_t)(int16_t)a[l])
OP32(selp32, S3_32, c[l] & 1 ? a[l] : b[l])
OP64(selp64, S2_64; C(lane32), c[l] & 1 ? a[l] : b[l])
OP32(slct32_s32, S3_32, (int32_t)c[l] >= 0 ? a[l] : b[l])
OP64(slct64_s32, S2_64; C(lane32), (int32_t)c[l] >= 0 ? a[l] : b[l])
OP32(slct32_f32, S2_32; C(lane_f32), c[l] >= 0 ? a[l] : b[l])
OP64(slct64_f32, S2_64; C(lane_f32), c[l] >= 0 ? a[l] : b[l])

static uint32_t reverse32(uint32_t v)
{
    v = (v >> 1 & 0x55555555) | (v & 0x55555555) << 1;
    v = (v >> 2 & 0x33333333) | (v & 0x33333333) << 2;
    v = (v >> 4 & 0x0f0f0f0f) | (v & 0x0f0f0f0f) << 4;
    return __builtin_bswap32(v);
}
OP32(popc32, S1_32, __builtin_popcount(a[l]))
OP32(popc64, A(lane64), __builtin_popcountll(a[l]))
OP32(clz32, S1_32, a[l] ? __builtin_clz(a[l]) : 32)
OP32(clz64, A(lane64), a[l] ? __builtin_clzll(a[l]) : 64)
OP32(brev32, S1_32, reverse32(a[l]))
OP64(brev64, A(lane64),
    (uint64_t)reverse32((uint32_t)a[l]) << 32 | reverse32((uint32_t)(a[l] >> 32)))

static uint32_t highest(uint64_t v, unsigned bits, bool shift_amount)
{
    if (v == 0)
        return ~0u;
    const uint32_t at = 63 - (uint32_t)__builtin_clzll(v);
    return shift_amount ? bits - 1 - at : at;
}
#define SHIFTED (i->flags & IF_SHIFTAMT)
OP32(bfind_u32, S1_32, highest(a[l], 32, SHIFTED))
OP32(bfind_s32, S1_32, highest((int32_t)a[l] < 0 ? ~a[l] : a[l], 32, SHIFTED))
OP32(bfind_u64, A(lane64), highest(a[l], 64, SHIFTED))
OP32(bfind_s64, A(lane64), highest((int64_t)a[l] < 0 ? ~a[l] : a[l], 64, SHIFTED))

/* PTX ISA bfe: position and length are taken from the low 8 bits; a field past the end repeats the sign bit. */
static uint64_t extract(uint64_t a, unsigned bits, uint32_t pos, uint32_t len, bool is_signed)
{
    pos &= 0xff;
    len &= 0xff;
    const unsigned msb = bits - 1;
    bool sign = false;
    if (is_signed && len > 0)
        sign = a >> (pos + len - 1 < msb ? pos + len - 1 : msb) & 1;
    uint64_t d = 0;
    for (unsigned k = 0; k <= msb; k++) {
        const bool bit = k < len && pos + k <= msb ? a >> (pos + k) & 1 : sign;
        d |= (uint64_t)bit << k;
    }
    return d;
}
OP32(bfe_u32, S3_32, extract(a[l], 32, b[l], c[l], false))
OP32(bfe_s32, S3_32, extract(a[l], 32, b[l], c[l], true))
OP64(bfe_u64, S64_32; C(lane32), extract(a[l], 64, b[l], c[l], false))
OP64(bfe_s64, S64_32; C(lane32), extract(a[l], 64, b[l], c[l], true))

static uint64_t insert(uint64_t a, uint64_t b, unsigned bits, uint32_t pos, uint32_t len)
{
    pos &= 0xff;
    len &= 0xff;
    if (pos >= bits || len == 0)
        return b;
    const uint64_t field = len >= 64 ? ~0ull : (1ull << len) - 1;
    return (b & ~(field << pos)) | (a & field) << pos;
}
#define D32 const lane32 *d = lanes_of(w, i, 4)
OP32(bfi32, S3_32; D32, insert(a[l], b[l], 32, c[l], d[l]))
OP64(bfi64, S2_64; C(lane32); D32, insert(a[l], b[l], 64, c[l], d[l]))

static uint32_t funnel(uint32_t lo, uint32_t hi, uint32_t n, uint32_t flags)
{
    n = flags & IF_WRAP ? n & 31 : n > 32 ? 32 : n;
    const uint64_t both = (uint64_t)hi << 32 | lo;
    if (flags & IF_LEFT)
        return n == 0 ? hi : n == 32 ? lo : (uint32_t)(both << n >> 32);
    return n == 32 ? hi : (uint32_t)(both >> n);
}
OP32(shf, S3_32, funnel(a[l], b[l], c[l], i->flags))

static uint32_t permute(uint32_t a, uint32_t b, uint32_t c, unsigned mode)
{
    static const uint16_t f4e[4] = { 0x3210, 0x4321, 0x5432, 0x6543 },
                          b4e[4] = { 0x5670, 0x6701, 0x7012, 0x0123 };
    static const uint16_t rc8[4] = { 0x0000, 0x1111, 0x2222, 0x3333 },
                          ecl[4] = { 0x3210, 0x3211, 0x3222, 0x3333 };
    static const uint16_t ecr[4] = { 0x0000, 0x1110, 0x2210, 0x3210 },
                          rc16[4] = { 0x1010, 0x3232, 0x1010, 0x3232 };
    static const uint16_t *const tables[] = { NULL, f4e, b4e, rc8, ecl, ecr, rc16 };
    const uint64_t both = (uint64_t)b << 32 | a;
    const uint32_t pick = mode ? tables[mode][c & 3] : c;
    uint32_t d = 0;
    for (unsigned k = 0; k < 4; k++) {
        const uint32_t selector = pick >> (4 * k);
        uint32_t byte = (uint32_t)(both >> (8 * (selector & 7))) & 0xff;
        if (mode == 0 && selector & 8)
            byte = byte & 0x80 ? 0xff : 0;
        d |= byte << (8 * k);
    }
    return d;
}
OP32(prmt, S3_32, permute(a[l], b[l], c[l], i->sub))

static void lop3(struct warp *w, const struct ins *i)
{
    S3_32;
    const unsigned table = (unsigned)i->imm;
    uint32_t r[LANES];
    uint32_t on[8];
    for (unsigned k = 0; k < 8; k++)
        on[k] = table >> k & 1 ? ~0u : 0;
    for (unsigned l = 0; l < LANES; l++) {
        const uint32_t x = a[l], y = b[l], z = c[l];
        r[l] = (~x & ~y & ~z & on[0]) | (~x & ~y & z & on[1]) | (~x & y & ~z & on[2]) |
               (~x & y & z & on[3]) | (x & ~y & ~z & on[4]) | (x & ~y & z & on[5]) |
               (x & y & ~z & on[6]) | (x & y & z & on[7]);
    }
    put32(w, i, r);
}

static uint32_t bit_mask(uint32_t at, uint32_t n, bool wrap)
{
    if (wrap) {
        at &= 31;
        n &= 31;
    }
    const uint64_t field = n >= 32 ? 0xffffffffull : (1ull << n) - 1;
    return at >= 32 ? 0 : (uint32_t)(field << at);
}
static uint32_t sign_extend(uint32_t a, uint32_t n, bool is_signed, bool wrap)
{
    n = wrap ? n & 31 : n;
    if (n == 0)
        return 0;
    if (n >= 32)
        return a;
    return is_signed ? (uint32_t)((int32_t)(a << (32 - n)) >> (32 - n)) : a << (32 - n) >> (32 - n);
}
OP32(bmsk, S2_32, bit_mask(a[l], b[l], i->flags &IF_WRAP))
OP32(szext_u, S2_32, sign_extend(a[l], b[l], false, i->flags &IF_WRAP))
OP32(szext_s, S2_32, sign_extend(a[l], b[l], true, i->flags &IF_WRAP))

static uint32_t nth_set(uint32_t mask, uint32_t base, int32_t offset)
{
    if (offset == 0)
        return mask >> (base & 31) & 1 ? base : ~0u;
    const int step = offset > 0 ? 1 : -1;
    for (int32_t at = (int32_t)base, left = offset > 0 ? offset : -offset; at >= 0 && at < 32;
         at += step)
        if (mask >> at & 1 && --left == 0)
            return (uint32_t)at;
    return ~0u;
}
OP32(fns, S3_32, nth_set(a[l], b[l], (int32_t)c[l]))

/* --- comparisons: the outcome, then `.and/.or/.xor` with source 3, then p and q --- */
void exec_finish_cmp(struct warp *w, const struct ins *i, uint32_t r[LANES])
{
    if (i->sub != 0) {
        const lane32 *c = lanes_of(w, i, 3);
        uint32_t q[LANES];
        for (unsigned l = 0; l < LANES; l++) {
            const uint32_t p = c[l] & 1, not = r[l] ^ 1;
            q[l] = i->sub == 1 ? not &p : i->sub == 2 ? not | p : i->sub == 3 ? not ^p : not ;
            r[l] = i->sub == 1 ? r[l] & p : i->sub == 2 ? r[l] | p : i->sub == 3 ? r[l] ^ p : r[l];
        }
        if (i->more && i->more->pair >= 0) {
            lane32 *pair = (lane32 *)(void *)(w->base[0] + i->more->pair);
            FOR_LANES(l, w->active) pair[l] = q[l];
        }
    }
    if (i->imm != 0) /* set: the value for true */
        for (unsigned l = 0; l < LANES; l++)
            r[l] = r[l] ? (uint32_t)i->imm : 0;
    if (!(i->flags & IF_NO_RESULT))
        put32(w, i, r);
}
#define CMP(name, lane, T, op)                                                                     \
    static void name(struct warp *w, const struct ins *i)                                          \
    {                                                                                              \
        const lane *a = lanes_of(w, i, 1), *b = lanes_of(w, i, 2);                                 \
        uint32_t r[LANES];                                                                         \
        for (unsigned l = 0; l < LANES; l++)                                                       \
            r[l] = (T)a[l] op(T) b[l];                                                             \
        exec_finish_cmp(w, i, r);                                                                  \
    }
#define CMPS(T, lane, type)                                                                        \
    CMP(eq_##T, lane, type, ==)                                                                    \
    CMP(ne_##T, lane, type, !=)                                                                    \
    CMP(lt_##T, lane, type, <)                                                                     \
    CMP(le_##T, lane, type, <=) CMP(gt_##T, lane, type, >) CMP(ge_##T, lane, type, >=)
CMPS(u16, lane32, uint16_t)
CMPS(s16, lane32, int16_t)
CMPS(u32, lane32, uint32_t)
CMPS(s32, lane32, int32_t)
CMPS(u64, lane64, uint64_t)
CMPS(s64, lane64, int64_t)
#define CMP_ROW(T)                                                                                 \
    {                                                                                              \
        eq_##T, ne_##T, lt_##T, le_##T, gt_##T, ge_##T                                             \
    }

ins_fn exec_find_int_cmp(int cmp, enum ptx_type type)
{
    static const ins_fn table[6][6] = { CMP_ROW(u16), CMP_ROW(s16), CMP_ROW(u32), CMP_ROW(s32),
        CMP_ROW(u64), CMP_ROW(s64) };
    const size_t bytes = ptx_type_bytes(type);
    const bool is_signed = type >= PT_S8 && type <= PT_S64 && !(cmp >= CMP_LO && cmp <= CMP_HS);
    if (cmp >= CMP_LO && cmp <= CMP_HS)
        cmp = cmp - CMP_LO + CMP_LT;
    /* lo, ls, hi, hs stand in this order; lt, le, gt, ge too */
    if (cmp < 0 || cmp > CMP_GE || bytes < 2 || bytes > 8 || type >= PT_F16)
        return NULL;
    return table[(bytes == 2 ? 0 : bytes == 4 ? 2 : 4) + is_signed][cmp];
}

#define R3(text, fn16, fn32, fn64)                                                                 \
    { text, PT_B16, fn16 }, { text, PT_B32, fn32 },                                                \
    {                                                                                              \
        text, PT_B64, fn64                                                                         \
    }
static const struct exec_row rows[] = { R3("and", and32, and32, and64), R3("or", or32, or32, or64),
    R3("xor", xor32, xor32, xor64), R3("not", not16, not32, not64),
    R3("cnot", cnot16, cnot32, cnot64), { "and", PT_PRED, and32 }, { "or", PT_PRED, or32 },
    { "xor", PT_PRED, xor32 }, { "not", PT_PRED, not1 }, R3("shl", shl16, shl32, shl64),
    R3("shr", shr_u16, shr_u32, shr_u64), { "shr", PT_U16, shr_u16 }, { "shr", PT_U32, shr_u32 },
    { "shr", PT_U64, shr_u64 }, { "shr", PT_S16, shr_s16 }, { "shr", PT_S32, shr_s32 },
    { "shr", PT_S64, shr_s64 }, R3("mov", mov32, mov32, mov64), { "mov", PT_PRED, mov_pred },
    { "narrow", PT_B64, narrow }, { "widen", PT_U32, widen_u }, { "widen", PT_S32, widen_s },
    { "widen", PT_U16, widen_u16 }, { "widen", PT_S16, widen_s16 },
    R3("selp", selp32, selp32, selp64), R3("slct.s32", slct32_s32, slct32_s32, slct64_s32),
    R3("slct.f32", slct32_f32, slct32_f32, slct64_f32), { "popc", PT_B32, popc32 },
    { "popc", PT_B64, popc64 }, { "clz", PT_B32, clz32 }, { "clz", PT_B64, clz64 },
    { "brev", PT_B32, brev32 }, { "brev", PT_B64, brev64 }, { "bfind", PT_U32, bfind_u32 },
    { "bfind", PT_S32, bfind_s32 }, { "bfind", PT_U64, bfind_u64 }, { "bfind", PT_S64, bfind_s64 },
    { "bfe", PT_U32, bfe_u32 }, { "bfe", PT_S32, bfe_s32 }, { "bfe", PT_U64, bfe_u64 },
    { "bfe", PT_S64, bfe_s64 }, { "bfi", PT_B32, bfi32 }, { "bfi", PT_B64, bfi64 },
    { "shf", PT_B32, shf }, { "prmt", PT_B32, prmt }, { "lop3", PT_B32, lop3 },
    { "bmsk", PT_B32, bmsk }, { "szext", PT_U32, szext_u }, { "szext", PT_S32, szext_s },
    { "fns", PT_B32, fns } };

ins_fn exec_find_bits(const char *op, enum ptx_type type)
{
    return exec_find_row(rows, sizeof rows / sizeof *rows, op, type);
}
