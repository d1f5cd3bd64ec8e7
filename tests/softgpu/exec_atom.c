/* Atomics: the lanes of one instruction are served in a random order, which is where order dependence shows inside one warp.
 * Rounding and flushing as PTX ISA says under atom and red. */
#include "tests/softgpu/exec_num.h"
#include "tests/softgpu/exec_ops.h"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wtype-limits"

static uint64_t integer_combine(unsigned op, enum ptx_type type, uint64_t old, uint64_t value)
{
    const unsigned width = 8 * (unsigned)ptx_type_bytes(type);
    const bool is_signed = type >= PT_S8 && type <= PT_S64;
    const int64_t so = (int64_t)(old << (64 - width)) >> (64 - width);
    const int64_t sv = (int64_t)(value << (64 - width)) >> (64 - width);
    switch (op) {
    case ATOM_ADD:
        return old + value;
    case ATOM_MIN:
        return is_signed ? (so < sv ? old : value) : (old < value ? old : value);
    case ATOM_MAX:
        return is_signed ? (so > sv ? old : value) : (old > value ? old : value);
    case ATOM_AND:
        return old & value;
    case ATOM_OR:
        return old | value;
    case ATOM_XOR:
        return old ^ value;
    case ATOM_EXCH:
        return value;
    case ATOM_INC:
        return old >= value ? 0 : old + 1;
    default: /* ATOM_DEC */
        return old == 0 || old > value ? value : old - 1;
    }
}

static uint64_t float_combine(
    unsigned op, enum ptx_type type, uint64_t old, uint64_t value, bool flush)
{
    if (type == PT_F64)
        return op == ATOM_ADD ? bits_f64(f64_bits(old) + f64_bits(value))
                              : exec_min_f64(old, value, op == ATOM_MAX);
    if (op != ATOM_ADD)
        return exec_min_f32((uint32_t)old, (uint32_t)value, op == ATOM_MAX);
    const uint32_t a = flush ? flush32((uint32_t)old) : (uint32_t)old;
    const uint32_t b = flush ? flush32((uint32_t)value) : (uint32_t)value;
    const uint32_t sum = canonical32(bits_f32(f32_bits(a) + f32_bits(b)));
    return flush ? flush32(sum) : sum;
}

static uint64_t combine(unsigned op, enum ptx_type type, uint64_t old, uint64_t value, bool flush)
{
    uint32_t both = 0;
    switch (type) {
    case PT_F32:
    case PT_F64:
        return op == ATOM_EXCH ? value : float_combine(op, type, old, value, flush);
    case PT_F16:
    case PT_BF16:
        return op == ATOM_ADD
                   ? exec_half_add(type == PT_BF16, (uint16_t)old, (uint16_t)value)
                   : exec_half_min(type == PT_BF16, op == ATOM_MAX, (uint16_t)old, (uint16_t)value);
    case PT_F16X2:
    case PT_BF16X2:
        for (unsigned shift = 0; shift < 32; shift += 16)
            both |= (uint32_t)combine(op, type == PT_F16X2 ? PT_F16 : PT_BF16,
                        old >> shift & 0xffff, value >> shift & 0xffff, flush)
                    << shift;
        return both;
    default:
        return integer_combine(op, type, old, value);
    }
}

uint64_t exec_atom_combine(
    unsigned op, enum ptx_type type, uint64_t old, uint64_t value, uint64_t other)
{
    (void)other;
    return combine(op, type, old, value, false);
}

/* All active lanes, shuffled. */
static unsigned lane_order(struct warp *w, uint8_t order[LANES])
{
    unsigned n = 0;
    FOR_LANES(l, w->active) order[n++] = (uint8_t)l;
    if (n < 2 || w->grid->schedule->in_order)
        return n;
    uint64_t r = (uint64_t)sg_schedule_pick(w->grid->schedule, ~0u) + 1;
    for (unsigned k = n - 1; k > 0; k--) {
        r = r * 6364136223846793005ull + 1442695040888963407ull;
        const unsigned j = (unsigned)((r >> 33) * (k + 1) >> 31);
        const uint8_t t = order[k];
        order[k] = order[j];
        order[j] = t;
    }
    return n;
}

static uint64_t lane_value(const void *lanes, unsigned l, size_t bytes)
{
    return bytes == 8 ? ((const lane64 *)lanes)[l]
                      : ((const lane32 *)lanes)[l] & (bytes == 2 ? 0xffffu : ~0u);
}

static void set_lane(void *lanes, unsigned l, size_t bytes, uint64_t value)
{
    if (bytes == 8)
        ((lane64 *)lanes)[l] = value;
    else
        ((lane32 *)lanes)[l] = (uint32_t)value;
}

static void *part(const struct warp *w, const struct ins *i, unsigned side, unsigned k)
{
    if (i->n_vec == 1)
        return lanes_of(w, i, side == 0 ? 0 : 2);
    return (void *)(w->base[i->more->vec_base[side][k]] + i->more->vec[side][k]);
}

static void one_atomic(
    struct warp *w, const struct ins *i, unsigned l, unsigned char *at, bool flush)
{
    for (unsigned k = 0; k < i->n_vec; k++) {
        uint64_t old = 0;
        memcpy(&old, at + (size_t)k * i->bytes, i->bytes);
        const uint64_t value = lane_value(part(w, i, 1, k), l, i->bytes);
        uint64_t new;
        if (i->sub == ATOM_CAS)
            new = old == value ? lane_value(lanes_of(w, i, 3), l, i->bytes) : old;
        else
            new = combine(i->sub, i->type, old, value, flush);
        memcpy(at + (size_t)k * i->bytes, &new, i->bytes);
        if (!(i->flags & IF_NO_RESULT))
            set_lane(part(w, i, 0, k), l, i->bytes, old);
    }
}

static void one_128(struct warp *w, const struct ins *i, unsigned l, unsigned char *at)
{
    uint64_t old[2], value[4] = { 0 };
    memcpy(old, at, 16);
    const unsigned n = i->sub == ATOM_CAS ? 4 : 2;
    for (unsigned k = 0; k < n; k++)
        value[k] =
            ((const lane64 *)(void *)(w->base[i->more->vec_base[1][k]] + i->more->vec[1][k]))[l];
    if (i->sub == ATOM_EXCH)
        memcpy(at, value, 16);
    else if (old[0] == value[0] && old[1] == value[1])
        memcpy(at, value + 2, 16);
    if (!(i->flags & IF_NO_RESULT))
        for (unsigned k = 0; k < 2; k++)
            ((lane64 *)(void *)(w->base[0] + i->more->vec[0][k]))[l] = old[k];
}

void exec_atomic(struct warp *w, const struct ins *i)
{
    uint8_t order[LANES];
    const unsigned n = lane_order(w, order);
    const lane64 *wide = lanes_of(w, i, 1);
    const lane32 *narrow = lanes_of(w, i, 1);
    const size_t bytes = i->bytes == 16 ? 16 : (size_t)i->bytes * i->n_vec;
    for (unsigned k = 0; k < n; k++) {
        const unsigned l = order[k];
        const uint64_t address =
            i->flags & IF_WIDE_BASE ? wide[l] + i->imm : (uint32_t)(narrow[l] + (uint32_t)i->imm);
        unsigned char *at = exec_resolve(w, i, l, address, (enum ptx_space)i->space, bytes);
        if (!at)
            return;
        const bool shared =
            i->space == PS_SHARED || (i->space == PS_GENERIC && address >= SHARED_WINDOW);
        if (i->bytes == 16)
            one_128(w, i, l, at);
        else
            one_atomic(w, i, l, at, !shared);
        exec_atomics++;
    }
}
