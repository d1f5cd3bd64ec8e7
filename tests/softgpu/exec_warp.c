/* Operations across the lanes of a warp. They run once all lanes of the mask have come, so lanes may sit in different frames:
 * operands are fetched lane by lane. Also special registers. */
#include "tests/softgpu/exec_ops.h"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wtype-limits"

static const unsigned char *registers_of(const struct warp *w, unsigned l)
{
    return w->lane_frame[l] ? w->lane_frame[l]->registers : w->base[0];
}

static uint32_t get32(const struct warp *w, const struct ins *i, unsigned k, unsigned l)
{
    const unsigned char *base = i->base[k] ? NULL : registers_of(w, l);
    return ((const lane32 *)(const void *)(base + i->at[k]))[l];
}

static uint64_t get64(const struct warp *w, const struct ins *i, unsigned k, unsigned l)
{
    const unsigned char *base = i->base[k] ? NULL : registers_of(w, l);
    return ((const lane64 *)(const void *)(base + i->at[k]))[l];
}

static void set_at(const struct warp *w, intptr_t at, unsigned l, uint32_t value)
{
    ((lane32 *)(void *)(registers_of(w, l) + at))[l] = value;
}

static void set32(const struct warp *w, const struct ins *i, unsigned l, uint32_t value)
{
    set_at(w, i->at[0], l, value);
}

uint32_t exec_operand32(const struct warp *w, const struct ins *i, unsigned k, unsigned l)
{
    return get32(w, i, k, l);
}

void exec_set_result32(const struct warp *w, const struct ins *i, unsigned l, uint32_t value)
{
    set32(w, i, l, value);
}

static void set_pair(const struct warp *w, const struct ins *i, unsigned l, bool value)
{
    if (i->more->pair >= 0)
        set_at(w, i->more->pair, l, value);
}

/* PTX ISA shfl: source 3 packs the clamp (bits 0-4) and the segment mask (bits 8-12). A source lane outside the mask gives a
 * value nobody should use. */
void exec_shuffle(struct warp *w, const struct ins *i)
{
    uint32_t value[LANES] = { 0 }, result[LANES];
    bool valid[LANES];
    FOR_LANES(l, w->active) value[l] = get32(w, i, 1, l);
    FOR_LANES(l, w->active)
    {
        const uint32_t b = get32(w, i, 2, l) & 31, c = get32(w, i, 3, l);
        const uint32_t segment = c >> 8 & 31, clamp = c & 31;
        const uint32_t most = (l & segment) | (clamp & ~segment), least = l & segment;
        uint32_t from;
        if (i->sub == MODE_UP) {
            from = l - b;
            valid[l] = (int32_t)from >= (int32_t)most;
        } else if (i->sub == MODE_DOWN) {
            from = l + b;
            valid[l] = from <= most;
        } else if (i->sub == MODE_BFLY) {
            from = l ^ b;
            valid[l] = from <= most;
        } else {
            from = least | (b & ~segment);
            valid[l] = from <= most;
        }
        from = valid[l] ? from & 31 : l;
        result[l] = w->active >> from & 1 ? value[from] : 0xdeadbeef;
    }
    FOR_LANES(l, w->active)
    {
        set32(w, i, l, result[l]);
        set_pair(w, i, l, valid[l]);
    }
}

void exec_vote(struct warp *w, const struct ins *i)
{
    uint32_t yes = 0;
    FOR_LANES(l, w->active) yes |= (get32(w, i, 1, l) & 1) << l;
    const uint32_t all = w->active;
    const uint32_t result = i->sub == MODE_BALLOT ? yes
                            : i->sub == MODE_ANY  ? yes != 0
                            : i->sub == MODE_ALL  ? yes == all
                                                  : yes == 0 || yes == all;
    FOR_LANES(l, w->active) set32(w, i, l, result);
}

void exec_match(struct warp *w, const struct ins *i)
{
    const bool wide = ptx_type_bytes(i->type) == 8;
    uint64_t value[LANES] = { 0 };
    uint32_t same[LANES] = { 0 };
    FOR_LANES(l, w->active) value[l] = wide ? get64(w, i, 1, l) : get32(w, i, 1, l);
    FOR_LANES(l, w->active)
    FOR_LANES(m, w->active) same[l] |= (uint32_t)(value[l] == value[m]) << m;
    FOR_LANES(l, w->active)
    {
        const bool all = same[l] == w->active;
        set32(w, i, l, i->sub == MODE_ALL && !all ? 0 : same[l]);
        set_pair(w, i, l, all);
    }
}

void exec_redux(struct warp *w, const struct ins *i)
{
    bool first = true;
    uint64_t value = 0;
    FOR_LANES(l, w->active)
    {
        uint32_t v = get32(w, i, 1, l);
        if (i->flags & IF_ABS)
            v &= 0x7fffffff;
        if (i->flags & IF_NAN && i->type == PT_F32 &&
            ((v & 0x7fffffff) > 0x7f800000 || (value & 0x7fffffff) > 0x7f800000))
            value = 0x7fffffff;
        else
            value = first ? v : exec_atom_combine(i->sub, i->type, value, v, 0);
        first = false;
    }
    FOR_LANES(l, w->active) set32(w, i, l, (uint32_t)value);
}

/* elect.sync d|p: the lowest lane of the mask. */
void exec_elect(struct warp *w, const struct ins *i)
{
    const uint32_t leader = lowest_lane(w->active);
    FOR_LANES(l, w->active)
    {
        set32(w, i, l, leader);
        set_pair(w, i, l, l == leader);
    }
}

void exec_warp_barrier(struct warp *w, const struct ins *i)
{
    (void)w;
    (void)i;
}

void exec_active_mask(struct warp *w, const struct ins *i)
{
    uint32_t r[LANES];
    for (unsigned l = 0; l < LANES; l++)
        r[l] = w->active;
    put32(w, i, r);
}

/* --- special registers --- */
static uint64_t uniform_special(const struct warp *w, const struct ins *i)
{
    const struct sg_grid *g = w->grid;
    switch (i->sub) {
    case SR_NTID_X:
        return g->block.x;
    case SR_NTID_Y:
        return g->block.y;
    case SR_NTID_Z:
        return g->block.z;
    case SR_CTAID_X:
    case SR_CTAID_Y:
    case SR_CTAID_Z:
        return w->block->id[i->sub - SR_CTAID_X];
    case SR_NCTAID_X:
        return g->grid.x;
    case SR_NCTAID_Y:
        return g->grid.y;
    case SR_NCTAID_Z:
        return g->grid.z;
    case SR_WARPID:
        return w->index;
    case SR_NWARPID:
        return w->block->n_warps;
    case SR_SMID:
        return (uint64_t)(w->block - g->slot) % 132;
    case SR_NSMID:
        return 132;
    case SR_GRIDID:
        return g->id;
    case SR_CLOCK:
    case SR_CLOCK64:
        return g->clock;
    case SR_CLOCK_HI:
    case SR_GLOBALTIMER_HI:
        return g->clock >> 32;
    case SR_GLOBALTIMER:
    case SR_GLOBALTIMER_LO:
        return g->clock;
    case SR_ENVREG1: /* cooperative groups: address of the grid's workspace */
        return g->sync_area ? (uint64_t)(uintptr_t)g->sync_area >> 32 : 0;
    case SR_ENVREG2:
        return g->sync_area ? (uint32_t)(uintptr_t)g->sync_area : 0;
    case SR_ONE:
        return 1;
    case SR_WARP_SIZE:
        return LANES;
    case SR_DYNAMIC_SHARED_SIZE:
        return g->dynamic_bytes;
    case SR_TOTAL_SHARED_SIZE:
        return g->shared_bytes;
    case SR_DYNAMIC_SHARED:
        return g->static_bytes + i->imm;
    case SR_FRAME:
        return w->frame->local_base + i->imm;
    default:
        return 0;
    }
}

static uint64_t lane_special(const struct warp *w, unsigned special, unsigned l)
{
    switch (special) {
    case SR_TID_X:
    case SR_TID_Y:
    case SR_TID_Z:
        return w->tid[special - SR_TID_X][l];
    case SR_LANEID:
        return l;
    case SR_LANEMASK_EQ:
        return 1u << l;
    case SR_LANEMASK_LT:
        return (1u << l) - 1;
    case SR_LANEMASK_LE:
        return (1u << l) | ((1u << l) - 1);
    case SR_LANEMASK_GE:
        return ~((1u << l) - 1);
    default: /* SR_LANEMASK_GT */
        return ~((1u << l) | ((1u << l) - 1));
    }
}

void exec_special(struct warp *w, const struct ins *i)
{
    const bool by_lane = (i->sub >= SR_TID_X && i->sub <= SR_TID_Z) || i->sub == SR_LANEID ||
                         (i->sub >= SR_LANEMASK_EQ && i->sub <= SR_LANEMASK_GT);
    const uint64_t uniform = by_lane ? 0 : uniform_special(w, i);
    lane32 *r = lanes_of(w, i, 0);
    lane64 *r64 = lanes_of(w, i, 0);
    FOR_LANES(l, w->active)
    {
        const uint64_t v = by_lane ? lane_special(w, i->sub, l) : uniform;
        if (i->bytes == 8)
            r64[l] = v;
        else
            r[l] = (uint32_t)v;
    }
}
