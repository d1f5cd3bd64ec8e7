/* Compare-and-swap loops that emulate an operation on floats, recognised as a slice: the new value depends on the compared one
 * through one addition; nothing of the loop lives on behind it. Forms seen: nvcc's atomicAdd for double and bfloat16 on old
 * targets, hand-written loops with lane extraction, Triton and XLA (exit by a branch in the middle). */
#include "shim/ptx/analysis.h"

#include <string.h>

#define MAX_LOOPS       4096
#define MAX_LOOP_BLOCKS 64

struct slice {
    unsigned adds, minmax, compares, integers, others;
    uint8_t extreme; /* 1 max, 2 min; with compares it cannot be told */
    uint32_t add;    /* the last addition, float or integer */
};

/* Smallest backward branch around the block, in text order. */
static bool find_loop(const struct analysis *a, uint32_t block, struct cas_loop *loop)
{
    bool found = false;
    for (uint32_t b = block; b < a->n_blocks; b++) {
        const struct block *x = &a->blocks[b];
        if (x->taken < 0 || (uint32_t)x->taken > block)
            continue;
        const uint32_t first = (uint32_t)x->taken;
        if (found && b - first >= loop->last - loop->first)
            continue;
        loop->first = first;
        loop->last = b;
        loop->branch = x->last - 1;
        found = true;
    }
    return found;
}

static bool inside(const struct analysis *a, const struct cas_loop *loop, uint32_t inst)
{
    const uint32_t block = a->insts[inst].block;
    return block >= loop->first && block <= loop->last;
}

static bool edge_ok(const struct cas_loop *loop, int32_t to, int *exit_block)
{
    if (to < 0 || ((uint32_t)to >= loop->first && (uint32_t)to <= loop->last))
        return to >= 0;
    if (*exit_block >= 0 && *exit_block != to)
        return false;
    *exit_block = to;
    return true;
}

/* One way in (the first block), one place to leave to, and nothing inside but the cas has an effect. */
static bool closed(const struct analysis *a, struct cas_loop *loop)
{
    loop->exit_block = -1;
    for (uint32_t b = 0; b < a->n_blocks; b++) {
        const struct block *x = &a->blocks[b];
        const bool in = b >= loop->first && b <= loop->last;
        if (in) {
            if (x->n_many || (x->next >= 0 && !edge_ok(loop, x->next, &loop->exit_block)) ||
                (x->taken >= 0 && !edge_ok(loop, x->taken, &loop->exit_block)) ||
                (x->next < 0 && x->taken < 0))
                return false;
            for (uint32_t i = x->first; i < x->last; i++) {
                const enum op id = (enum op)stmt_of(a, i)->id;
                const bool effect =
                    (det_ptx_op_flags[id] & OPF_S) && id != OP_BRA && id != OP_NANOSLEEP;
                if (effect && i != loop->inst && id != OP_MEMBAR && id != OP_FENCE)
                    return false;
            }
            continue;
        }
        for (unsigned e = 0; e < 2; e++) {
            const int32_t to = e ? x->taken : x->next;
            if (to > (int32_t)loop->first && to <= (int32_t)loop->last)
                return false;
        }
    }
    return loop->exit_block >= 0;
}

/* Does anything behind the loop read what the loop writes? Registers written outside as well (the initial value) count. */
static bool lives_on(const struct analysis *a, const struct cas_loop *loop)
{
    for (uint32_t b = loop->first; b <= loop->last; b++)
        for (uint32_t i = a->blocks[b].first; i < a->blocks[b].last; i++)
            for (uint32_t r = 0; r < a->insts[i].n_refs; r++) {
                const struct ref *ref = &a->refs[a->insts[i].ref + r];
                if (ref->kind != REF_REG || ref->role != ROLE_DEF || !a->needed[ref->reg])
                    continue;
                for (uint32_t u = a->use_at[ref->reg]; u < a->use_at[ref->reg + 1]; u++)
                    if (!inside(a, loop, a->uses[u]))
                        return true;
            }
    return false;
}

/* Registers that carry the old value around: the compared one, the returned one and plain copies of them. */
static void mark_old(const struct analysis *a, const struct cas_loop *loop, bool *old)
{
    const struct ref *got = det_ptx_slot(a, loop->inst, 0), *cmp = det_ptx_slot(a, loop->inst, 2);
    if (got && got->kind == REF_REG)
        old[got->reg] = true;
    if (cmp && cmp->kind == REF_REG)
        old[cmp->reg] = true;
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t b = loop->first; b <= loop->last; b++)
            for (uint32_t i = a->blocks[b].first; i < a->blocks[b].last; i++) {
                if (stmt_of(a, i)->id != OP_MOV)
                    continue;
                const struct ref *dst = det_ptx_slot(a, i, 0), *src = det_ptx_slot(a, i, 1);
                if (!dst || !src || dst->kind != REF_REG || src->kind != REF_REG || dst->vector ||
                    src->vector)
                    continue;
                if (old[src->reg] != old[dst->reg]) {
                    changed = true;
                    old[src->reg] = old[dst->reg] = true;
                }
            }
    }
}

/* From the carriers to everything computed from them inside the loop. */
static void spread_old(const struct analysis *a, const struct cas_loop *loop, bool *from_old)
{
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t i = a->blocks[loop->first].first; i < a->blocks[loop->last].last; i++) {
            bool on_path = false;
            for (uint32_t r = 0; r < a->insts[i].n_refs && !on_path; r++) {
                const struct ref *ref = &a->refs[a->insts[i].ref + r];
                on_path = ref->kind == REF_REG && ref->role != ROLE_DEF && from_old[ref->reg];
            }
            for (uint32_t r = 0; r < a->insts[i].n_refs && on_path; r++) {
                const struct ref *ref = &a->refs[a->insts[i].ref + r];
                if (ref->kind != REF_REG || ref->role != ROLE_DEF || from_old[ref->reg])
                    continue;
                from_old[ref->reg] = changed = true;
            }
        }
    }
}

/* What a loop's registers are: carriers of the old value, and all that follows from it. */
struct olds {
    bool *carrier, *derived;
};

static bool is_float(const struct analysis *a, uint32_t inst)
{
    return det_ptx_has(a, inst, "f32") || det_ptx_has(a, inst, "f64") ||
           det_ptx_has(a, inst, "f16") || det_ptx_has(a, inst, "f16x2") ||
           det_ptx_has(a, inst, "bf16") || det_ptx_has(a, inst, "bf16x2");
}

/* Counts the operations between the old value and the new one. */
static void count_ops(const struct analysis *a, const struct cas_loop *loop, const struct olds *old,
    struct slice *slice)
{
    for (uint32_t b = loop->first; b <= loop->last; b++)
        for (uint32_t i = a->blocks[b].first; i < a->blocks[b].last; i++) {
            bool on_path = false;
            for (uint32_t r = 0; r < a->insts[i].n_refs && !on_path; r++) {
                const struct ref *ref = &a->refs[a->insts[i].ref + r];
                on_path = ref->kind == REF_REG && ref->role != ROLE_DEF && old->derived[ref->reg];
            }
            if (!on_path)
                continue;
            switch (stmt_of(a, i)->id) {
            case OP_ADD:
            case OP_SUB:
            case OP_FMA:
                slice->add = i;
                if (is_float(a, i))
                    slice->adds++;
                else
                    slice->integers++;
                break;
            case OP_MAX:
            case OP_MIN:
                slice->minmax++;
                slice->extreme |= stmt_of(a, i)->id == OP_MAX ? 1 : 2;
                break;
            case OP_SETP:
                slice->compares += det_ptx_has(a, i, "lt") || det_ptx_has(a, i, "gt") ||
                                   det_ptx_has(a, i, "le") || det_ptx_has(a, i, "ge") ||
                                   det_ptx_has(a, i, "ltu") || det_ptx_has(a, i, "gtu") ||
                                   det_ptx_has(a, i, "leu") || det_ptx_has(a, i, "geu");
                break;
            case OP_MOV:
            case OP_CVT:
            case OP_SELP:
            case OP_SHR:
            case OP_SHL:
            case OP_AND:
            case OP_OR:
            case OP_XOR:
            case OP_LOP3:
            case OP_PRMT:
            case OP_BFI:
            case OP_BFE:
            case OP_BRA:
            case OP_ATOM:
                break;
            default:
                slice->others++;
            }
        }
}

/* Is this operand the constant one of the addition's type? */
static bool is_one(const struct analysis *a, const struct ref *ref)
{
    static const char *const ones[] = { "0f3F800000", "0f3f800000", "0d3FF0000000000000",
        "0d3ff0000000000000", "0x3f80U", "0x3F80", "0x3f80", "0x3f803f80U", "0x3F803F80", "0x3c00",
        "0x3C00", "0x3c00U", "0x3C003C00", "0x3c003c00U", "16256", "1065369472", "15360",
        "1006648320" };
    for (unsigned step = 0; step < 4; step++) {
        if (ref->kind == REF_IMM) {
            for (size_t i = 0; i < sizeof ones / sizeof *ones; i++)
                if (det_ptx_ref_is(a, ref, ones[i]))
                    return true;
            return false;
        }
        if (ref->kind != REF_REG || a->def_at[ref->reg + 1] - a->def_at[ref->reg] != 1)
            return false;
        const uint32_t def = a->defs[a->def_at[ref->reg]];
        if (stmt_of(a, def)->id != OP_MOV || !(ref = det_ptx_slot(a, def, 1)) || ref->vector)
            return false;
    }
    return false;
}

static bool set_type(const struct analysis *a, struct cas_loop *loop)
{
    static const struct {
        const char *part, *width;
        enum det_ptx_type type;
        uint8_t n_lanes;
    } types[] = { { "f32", "b32", DET_PTX_F32, 1 }, { "f64", "b64", DET_PTX_F64, 1 },
        { "f16", "b16", DET_PTX_F16, 1 }, { "bf16", "b16", DET_PTX_BF16, 1 },
        { "f16x2", "b32", DET_PTX_F16, 2 }, { "bf16x2", "b32", DET_PTX_BF16, 2 } };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (!det_ptx_has(a, loop->add, types[i].part) ||
            !det_ptx_has(a, loop->inst, types[i].width))
            continue;
        loop->type = types[i].type;
        loop->n_lanes = types[i].n_lanes;
        loop->packed = types[i].n_lanes == 2;
        return true;
    }
    return false;
}

/* Only moves may stand between the addition and the cas on either side (whole-word forms). */
static bool only_moves(
    const struct analysis *a, const struct cas_loop *loop, const struct olds *old)
{
    const struct ref *fresh = det_ptx_slot(a, loop->inst, 3);
    for (unsigned step = 0; step < 6 && fresh; step++) {
        if (fresh->kind != REF_REG)
            return false;
        const struct ref *sum = det_ptx_slot(a, loop->add, 0);
        if (sum && fresh->reg == sum->reg)
            break;
        uint32_t n_inside = 0, def = 0;
        for (uint32_t d = a->def_at[fresh->reg]; d < a->def_at[fresh->reg + 1]; d++)
            if (inside(a, loop, a->defs[d]))
                n_inside++, def = a->defs[d];
        if (n_inside != 1 || stmt_of(a, def)->id != OP_MOV)
            return false;
        fresh = det_ptx_slot(a, def, 1);
        if (step == 5)
            return false;
    }
    for (uint32_t r = 0; r < a->insts[loop->add].n_refs; r++) {
        const struct ref *ref = &a->refs[a->insts[loop->add].ref + r];
        if (ref->role != ROLE_USE || ref->kind != REF_REG || !old->derived[ref->reg])
            continue;
        return old->carrier[ref->reg];
    }
    return false;
}

/* Which operand is added, and with which sign. */
static bool set_addend(const struct analysis *a, struct cas_loop *loop, const struct olds *old)
{
    const enum op id = (enum op)stmt_of(a, loop->add)->id;
    int addend = -1;
    unsigned n_old = 0, old_slot = 0;
    for (uint32_t r = 0; r < a->insts[loop->add].n_refs; r++) {
        const uint32_t at = a->insts[loop->add].ref + r;
        const struct ref *ref = &a->refs[at];
        if (ref->role == ROLE_DEF)
            continue;
        if (ref->kind == REF_REG && old->derived[ref->reg]) {
            n_old++;
            old_slot = ref->slot;
        } else if (id == OP_FMA && is_one(a, ref) && ref->slot < 3) {
            continue;
        } else if (addend >= 0) {
            return false;
        } else {
            addend = (int)at;
        }
    }
    if (n_old != 1 || addend < 0)
        return false;
    if (id == OP_SUB && old_slot != 1)
        return false;
    if (det_ptx_has(a, loop->add, "rz") || det_ptx_has(a, loop->add, "rm") ||
        det_ptx_has(a, loop->add, "rp") || det_ptx_has(a, loop->add, "sat"))
        return false;
    loop->negate = id == OP_SUB;
    loop->addend = addend;
    return true;
}

/* The address must be the same register in every round. */
static bool set_address(const struct analysis *a, struct cas_loop *loop)
{
    for (uint32_t r = 0; r < a->insts[loop->inst].n_refs; r++) {
        const struct ref *ref = &a->refs[a->insts[loop->inst].ref + r];
        if (ref->role != ROLE_ADDR)
            continue;
        if (ref->kind == REF_REG)
            for (uint32_t d = a->def_at[ref->reg]; d < a->def_at[ref->reg + 1]; d++)
                if (inside(a, loop, a->defs[d]))
                    return false;
        loop->address = (int)(a->insts[loop->inst].ref + r);
        return true;
    }
    return false;
}

/* The addition comes in every round, before the cas, and no earlier instruction of the round jumps out. */
static bool add_comes_first(const struct analysis *a, const struct cas_loop *loop)
{
    if (a->insts[loop->add].guard >= 0 || a->insts[loop->inst].guard >= 0)
        return false;
    for (uint32_t b = loop->first; b < a->insts[loop->add].block; b++)
        if (a->blocks[b].taken >= 0)
            return false;
    return loop->add < loop->inst;
}

/* An integer addition of the cas's own width: wraps, so it commutes and associates. A carry in or out, saturation, a part of
 * the word or an addend that follows from the old value would not. */
static bool commutes(const struct analysis *a, struct cas_loop *loop, const struct olds *old)
{
    static const char *const widths[] = { "16", "32", "64" };
    const struct stmt *add = stmt_of(a, loop->add);
    if ((add->id != OP_ADD && add->id != OP_SUB) || det_ptx_has(a, loop->add, "cc"))
        return false;
    bool same = false;
    for (size_t i = 0; i < sizeof widths / sizeof *widths && !same; i++) {
        char cas[4] = "b", s[4] = "s", u[4] = "u";
        same = det_ptx_has(a, loop->inst, strcat(cas, widths[i])) &&
               (det_ptx_has(a, loop->add, strcat(s, widths[i])) ||
                   det_ptx_has(a, loop->add, strcat(u, widths[i])));
    }
    return same && set_addend(a, loop, old) && set_address(a, loop) && add_comes_first(a, loop) &&
           only_moves(a, loop, old);
}

static enum hazard judge(const struct analysis *a, struct cas_loop *loop, const struct olds *old)
{
    struct slice slice = { 0 };
    count_ops(a, loop, old, &slice);
    const bool clean = closed(a, loop) && !lives_on(a, loop);
    loop->extreme = slice.compares || slice.extreme == 3 ? 0 : slice.extreme;
    loop->add = slice.add;
    if (slice.integers == 1 && !slice.adds && !slice.others && !slice.minmax && !slice.compares)
        return clean && commutes(a, loop, old) ? HAZARD_INTEGER : HAZARD_CAS_OTHER;
    slice.others += slice.integers;
    if (!slice.adds && !slice.others && (slice.minmax || slice.compares))
        return clean ? HAZARD_CAS_MINMAX : HAZARD_CAS_OTHER;
    if (slice.adds != 1 || slice.others || slice.minmax || slice.compares)
        return slice.adds || slice.others ? HAZARD_CAS_OTHER : HAZARD_LOCK;
    if (!clean)
        return HAZARD_RESULT_USED;
    if (!set_type(a, loop) || !set_addend(a, loop, old) || !set_address(a, loop) ||
        !add_comes_first(a, loop) || !only_moves(a, loop, old))
        return HAZARD_ROUNDING;
    return HAZARD_CAS_ADD;
}

enum det_err det_ptx_cas_loops(struct analysis *a)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < a->n_insts; i++)
        n += stmt_of(a, i)->id == OP_ATOM && det_ptx_has(a, i, "cas");
    if (!n)
        return DET_OK;
    a->loops = det_arena_take(&a->arena, n * sizeof *a->loops);
    struct olds old = { det_arena_take(&a->arena, a->n_regs + 1),
        det_arena_take(&a->arena, a->n_regs + 1) };
    if (!a->loops || !old.carrier || !old.derived)
        return DET_E_NOMEM;
    for (uint32_t i = 0; i < a->n_insts; i++) {
        if (stmt_of(a, i)->id != OP_ATOM || !det_ptx_has(a, i, "cas"))
            continue;
        struct cas_loop *loop = &a->loops[a->n_loops++];
        *loop = (struct cas_loop){
            .inst = i, .exit_block = -1, .addend = -1, .address = -1, .hazard = HAZARD_LOCK
        };
        if (!find_loop(a, a->insts[i].block, loop)) {
            loop->first = 1, loop->last = 0; /* no loop: nothing is inside */
            continue;
        }
        if (a->n_loops > MAX_LOOPS || loop->last - loop->first > MAX_LOOP_BLOCKS)
            continue; /* a lock, for all we know: work stays linear */
        memset(old.carrier, 0, a->n_regs);
        mark_old(a, loop, old.carrier);
        memcpy(old.derived, old.carrier, a->n_regs);
        spread_old(a, loop, old.derived);
        loop->hazard = judge(a, loop, &old);
    }
    return DET_OK;
}
