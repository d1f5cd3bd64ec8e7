/* One warp: which lanes go on together, branches, barriers and waiting. Lanes of one frame and pc form a group; the deepest
 * call and the lowest pc go first, so that lanes meet again, but in some turns another group has the preference: a lane that
 * spins for its neighbour must not starve it. */
#include <immintrin.h>
#include "tests/softgpu/exec_ops.h"

uint64_t exec_instructions, exec_atomics;

static uint32_t predicate_mask(const unsigned char *at)
{
    uint32_t mask = 0;
    for (unsigned k = 0; k < 4; k++) {
        const __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)(at + 32 * k));
        mask |= (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_slli_epi32(v, 31)))
                << (8 * k);
    }
    return mask;
}

static void save_group(struct warp *w)
{
    FOR_LANES(l, w->group) w->lane_pc[l] = w->pc;
    w->group = 0;
}

static bool goes_before(const struct warp *w, unsigned a, unsigned b)
{
    const uint32_t da = w->lane_frame[a]->depth, db = w->lane_frame[b]->depth;
    return da != db ? da > db : w->lane_pc[a] < w->lane_pc[b];
}

static void choose_group(struct warp *w)
{
    if (w->runnable == 0)
        return;
    unsigned lead = lowest_lane(w->runnable);
    if (w->preferred >= 0 && w->runnable >> w->preferred & 1)
        lead = (unsigned)w->preferred;
    else
        FOR_LANES(l, w->runnable)
    if (goes_before(w, l, lead))
        lead = l;
    w->frame = w->lane_frame[lead];
    w->base[0] = w->frame->registers;
    w->pc = w->lane_pc[lead];
    w->merge_pc = ~0u;
    FOR_LANES(l, w->runnable)
    if (w->lane_frame[l] == w->frame) {
        const uint32_t pc = w->lane_pc[l];
        if (pc == w->pc)
            w->group |= 1u << l;
        else if (pc > w->pc && pc < w->merge_pc)
            w->merge_pc = pc;
    }
}

/* Some lanes go round while others wait elsewhere in the warp: every so often the others get a chance. */
static void spin(struct warp *w)
{
    const uint32_t others = w->runnable & ~w->group;
    if (others == 0 || ++w->spins % 32 != 0)
        return;
    const unsigned skip = w->spins / 32 % (unsigned)__builtin_popcount(others);
    uint32_t left = others;
    for (unsigned k = 0; k < skip; k++)
        left &= left - 1;
    save_group(w);
    w->preferred = (int)lowest_lane(left);
}

static void branch(struct warp *w, uint32_t target, uint32_t taken)
{
    if (taken == w->group) {
        const bool back = target <= w->pc;
        w->pc = target;
        if (back)
            spin(w);
    } else if (taken == 0) {
        w->pc++;
    } else {
        FOR_LANES(l, w->group) w->lane_pc[l] = taken >> l & 1 ? target : w->pc + 1;
        w->group = 0;
    }
}

static void branch_table(struct warp *w, const struct ins *i, uint32_t active)
{
    const lane32 *index = lanes_of(w, i, 1);
    FOR_LANES(l, w->group)
    {
        w->lane_pc[l] = w->pc + 1;
        if (active >> l & 1) {
            if (index[l] >= i->more->n_targets) {
                exec_fault(w, i, SG_ILLEGAL_INSTRUCTION, "branch index outside its table");
                return;
            }
            w->lane_pc[l] = i->more->targets[index[l]];
        }
    }
    w->group = 0;
}

/* --- operations of several lanes --- */
static void try_sync(struct warp *w)
{
    uint32_t waiting = 0;
    FOR_LANES(l, w->alive) waiting |= (uint32_t)(w->lane_state[l] == LANE_SYNC) << l;
    while (waiting) {
        const unsigned first = lowest_lane(waiting);
        const struct ins *i = &w->grid->code->ins[w->lane_pc[first]];
        const uint32_t mask = exec_operand32(w, i, 4, first);
        uint32_t here = 0;
        FOR_LANES(l, waiting)
        if (w->lane_pc[l] == w->lane_pc[first] && exec_operand32(w, i, 4, l) == mask)
            here |= 1u << l;
        waiting &= ~here;
        const uint32_t wanted = mask & w->alive;
        if ((here & wanted) != wanted)
            continue;
        w->active = here;
        i->fn(w, i);
        FOR_LANES(l, here)
        {
            w->lane_pc[l]++;
            w->lane_state[l] = LANE_RUN;
        }
        w->runnable |= here;
    }
}

static bool same_mask(const struct warp *w, const struct ins *i, uint32_t active, uint32_t mask)
{
    if (i->base[4] == 1)
        return true;
    const lane32 *m = lanes_of(w, i, 4);
    FOR_LANES(l, active)
    if (m[l] != mask)
        return false;
    return true;
}

static void sync_lanes(struct warp *w, const struct ins *i, uint32_t active)
{
    if (active == 0) {
        w->pc++;
        return;
    }
    const lane32 *m = lanes_of(w, i, 4);
    const uint32_t mask = m[lowest_lane(active)];
    if ((mask & w->alive) == active && same_mask(w, i, active, mask)) {
        w->active = active;
        i->fn(w, i);
        w->pc++;
        return;
    }
    FOR_LANES(l, w->group)
    {
        w->lane_pc[l] = w->pc + !(active >> l & 1);
        if (active >> l & 1)
            w->lane_state[l] = LANE_SYNC;
    }
    w->runnable &= ~active;
    w->group = 0;
    try_sync(w);
}

/* --- barriers of a block --- */
static void release_barrier(struct block *b, unsigned id)
{
    struct barrier *bar = &b->barrier[id];
    const unsigned expected = bar->expected ? bar->expected : b->alive_threads;
    if (bar->arrived == 0 || bar->arrived < expected)
        return;
    for (unsigned k = 0; k < b->n_warps; k++) {
        struct warp *w = &b->warp[k];
        FOR_LANES(l, w->alive)
        {
            if (w->lane_state[l] != LANE_BARRIER || w->barrier_id[l] != id)
                continue;
            const struct ins *i = &b->grid->code->ins[w->lane_pc[l]];
            if (i->sub == MODE_RED)
                exec_set_result32(w, i, l,
                    i->type2 == 0   ? bar->popc
                    : i->type2 == 1 ? bar->popc == bar->arrived
                                    : bar->popc != 0);
            w->lane_pc[l]++;
            w->lane_state[l] = LANE_RUN;
            w->runnable |= 1u << l;
        }
    }
    *bar = (struct barrier){ 0 };
}

static void arrive(struct warp *w, const struct ins *i, uint32_t active)
{
    if (active == 0) {
        w->pc++;
        return;
    }
    struct block *b = w->block;
    const unsigned lead = lowest_lane(active), id = exec_operand32(w, i, 1, lead) & 15;
    struct barrier *bar = &b->barrier[id];
    if (i->imm) {
        const unsigned count = exec_operand32(w, i, 2, lead);
        bar->expected = count < w->grid->n_threads ? count : w->grid->n_threads;
    }
    const bool waits = i->sub != MODE_ARRIVE;
    FOR_LANES(l, w->group)
    {
        const bool on = active >> l & 1;
        w->lane_pc[l] = w->pc + !(on && waits);
        if (on && waits)
            w->lane_state[l] = LANE_BARRIER;
        if (on)
            w->barrier_id[l] = (uint8_t)id;
        if (on && i->sub == MODE_RED)
            bar->popc += exec_operand32(w, i, 3, l) & 1;
    }
    bar->arrived += (unsigned)__builtin_popcount(active);
    if (waits)
        w->runnable &= ~active;
    w->group = 0;
    release_barrier(b, id);
}

static void leave(struct warp *w, uint32_t lanes)
{
    struct block *b = w->block;
    FOR_LANES(l, w->group) w->lane_pc[l] = w->pc + 1;
    FOR_LANES(l, lanes) w->lane_state[l] = LANE_DONE;
    exec_leave_frames(w, lanes);
    w->alive &= ~lanes;
    w->runnable &= ~lanes;
    w->group = 0;
    b->alive_threads -= (unsigned)__builtin_popcount(lanes);
    b->alive_warps -= w->alive == 0;
    if (w->alive != w->runnable)
        try_sync(w);
    for (unsigned id = 0; id < 16 && b->alive_threads > 0; id++)
        if (b->barrier[id].arrived > 0)
            release_barrier(b, id);
}

/* Everything but plain instructions; false ends the turn. */
static bool control(struct warp *w, const struct ins *i, uint32_t active)
{
    switch ((enum ins_kind)i->kind) {
    case IK_BRANCH:
        branch(w, i->target, active);
        return true;
    case IK_BRANCH_TABLE:
        branch_table(w, i, active);
        return true;
    case IK_EXIT:
        if (active == 0)
            w->pc++;
        else
            leave(w, active);
        return true;
    case IK_CALL:
        if (active == 0)
            w->pc++;
        else
            exec_call(w, i, active);
        w->merge_pc = 0; /* choose again: the others may be in another frame */
        return true;
    case IK_RETURN:
        if (active == 0)
            w->pc++;
        else
            exec_return(w, i, active);
        return true;
    case IK_SYNC:
        sync_lanes(w, i, active);
        return true;
    case IK_BARRIER:
        arrive(w, i, active);
        return true;
    case IK_BAD:
        if (active)
            exec_fault(w, i, i->sub ? SG_TRAP : SG_ILLEGAL_INSTRUCTION,
                i->sub ? "trap" : "instruction not supported by the software GPU");
        w->pc++;
        return true;
    case IK_YIELD:
        w->pc++;
        return active == 0;
    default:
        w->pc++;
        return true;
    }
}

bool exec_run_warp(struct warp *w, unsigned quantum)
{
    const struct sg_grid *g = w->grid;
    const struct ins *code = g->code->ins;
    if (w->group != w->runnable || w->preferred >= 0)
        save_group(w);
    if (w->runnable == 0)
        return false;
    uint64_t count = 0;
    for (; quantum > 0 && g->fault == SG_OK; quantum--) {
        if (w->group == 0) {
            choose_group(w);
            if (w->group == 0)
                break;
        }
        const struct ins *i = &code[w->pc];
        uint32_t active = w->group;
        count += i->lanes_count ? (unsigned)__builtin_popcount(active) : 0;
        if (i->guard >= 0) {
            const uint32_t mask = predicate_mask(w->base[0] + i->guard);
            active &= i->guard_negated ? ~mask : mask;
        }
        if (i->kind == IK_PLAIN) {
            if (active) {
                w->active = active;
                i->fn(w, i);
            }
            w->pc++;
        } else if (!control(w, i, active)) {
            break;
        }
        if (w->pc >= w->merge_pc)
            save_group(w);
    }
    exec_instructions += count;
    return true;
}
