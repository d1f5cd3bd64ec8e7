/* vadd2, vabsdiff4 and kin: small integers packed in a word, optionally summed (`.add`) into source 3. */
#include "tests/softgpu/exec_ops.h"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"

enum simd_op { SIMD_ADD, SIMD_SUB, SIMD_ABSDIFF, SIMD_MIN, SIMD_MAX, SIMD_AVRG };

static int64_t lane_part(uint32_t v, unsigned at, unsigned bits, bool is_signed)
{
    const uint32_t cut = v >> at << (32 - bits);
    return is_signed ? (int64_t)((int32_t)cut >> (32 - bits)) : (int64_t)(cut >> (32 - bits));
}

static int64_t one(unsigned op, int64_t a, int64_t b)
{
    switch ((enum simd_op)op) {
    case SIMD_ADD:
        return a + b;
    case SIMD_SUB:
        return a - b;
    case SIMD_ABSDIFF:
        return a > b ? a - b : b - a;
    case SIMD_MIN:
        return a < b ? a : b;
    case SIMD_MAX:
        return a > b ? a : b;
    default:
        return (a + b + (a + b >= 0)) >> 1;
    }
}

static int64_t clamp(int64_t v, unsigned bits, bool is_signed)
{
    const int64_t most = is_signed ? (1ll << (bits - 1)) - 1 : (1ll << bits) - 1;
    const int64_t least = is_signed ? -most - 1 : 0;
    return v < least ? least : v > most ? most : v;
}

/* imm: bits per part; bit 8 result signed, 9 a signed, 10 b signed, 11 sum into source 3 */
static void simd(struct warp *w, const struct ins *i)
{
    const lane32 *a = lanes_of(w, i, 1), *b = lanes_of(w, i, 2), *c = lanes_of(w, i, 3);
    const unsigned bits = i->imm & 0xff;
    const bool to_signed = i->imm >> 8 & 1, a_signed = i->imm >> 9 & 1, b_signed = i->imm >> 10 & 1;
    uint32_t r[LANES] = { 0 };
    FOR_LANES(l, w->active)
    {
        uint32_t sum = c[l], packed = 0;
        for (unsigned at = 0; at < 32; at += bits) {
            int64_t v = one(
                i->sub, lane_part(a[l], at, bits, a_signed), lane_part(b[l], at, bits, b_signed));
            if (i->flags & IF_SAT)
                v = clamp(v, bits, to_signed);
            sum += (uint32_t)v;
            packed |= ((uint32_t)v & (uint32_t)((1ull << bits) - 1)) << at;
        }
        r[l] = i->imm >> 11 & 1 ? sum : packed;
    }
    put32(w, i, r);
}

bool exec_set_simd(struct ins *i, const char *op)
{
    static const char *const names[] = { "vadd", "vsub", "vabsdiff", "vmin", "vmax", "vavrg" };
    const size_t n = strlen(op);
    if (n < 5 || (op[n - 1] != '2' && op[n - 1] != '4'))
        return false;
    for (unsigned k = 0; k < sizeof names / sizeof *names; k++)
        if (strlen(names[k]) == n - 1 && strncmp(op, names[k], n - 1) == 0) {
            i->fn = simd;
            i->sub = (uint8_t)k;
            i->imm = op[n - 1] == '2' ? 16 : 8;
            return true;
        }
    return false;
}
