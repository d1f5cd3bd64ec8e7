/* Hazards of one function: what each memory operation is, and how float adds, loads, stores, fences, waits and integer atomics
 * get along. Classes of kernels follow from this in classify.c. */
#include "shim/ptx/verdict.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- sites */
enum det_err det_ptx_site(struct verdict *v, const struct analysis *a, uint32_t inst,
    enum hazard hazard, const struct access *as)
{
    if (v->n_sites == v->cap_sites) {
        const size_t cap = v->cap_sites ? v->cap_sites * 2 : 16;
        struct det_ptx_site *grown = realloc(v->sites, cap * sizeof *grown);
        if (!grown)
            return DET_E_NOMEM;
        v->sites = grown;
        v->cap_sites = cap;
    }
    const struct stmt *stmt = stmt_of(a, inst);
    const struct hazard_row *row = &det_ptx_hazards[hazard];
    char *opcode = det_arena_take(&a->module->arena, stmt->op_len + 16u);
    if (!opcode)
        return DET_E_NOMEM;
    snprintf(opcode, stmt->op_len + 16u, "%s%.*s", hazard == HAZARD_CAS_ADD ? "cas-loop " : "",
        (int)stmt->op_len, a->module->text + stmt->op);
    v->sites[v->n_sites++] = (struct det_ptx_site){ .line = stmt->at,
        .opcode = opcode,
        .hazard = row->slug,
        .type = as ? (enum det_ptx_type)as->type : DET_PTX_OTHER,
        .n_lanes = as && as->n_lanes ? as->n_lanes : 1,
        .shared = as && (as->space == SPACE_SHARED || (as->roots & ROOT_SHARED)),
        .rewritten = row->action == ACT_REWRITE,
        .reason = row->action == ACT_STAY || row->action == ACT_OPAQUE ? row->sentence : "" };
    if (row->action == ACT_REWRITE)
        v->rewrites = true;
    if (row->action == ACT_OPAQUE && !v->opaque)
        v->opaque = row->sentence, v->opaque_at = stmt->at;
    if (row->action == ACT_STAY && !v->stays)
        v->stays = row->sentence, v->stays_at = stmt->at;
    return DET_OK;
}

static bool float_target(const struct analysis *a, uint32_t inst)
{
    for (uint32_t i = 0; i < a->n_accesses; i++)
        if (a->accesses[i].inst == inst)
            return a->accesses[i].kind == ACC_ADD;
    return false;
}

/* --- interactions of float adds with everything else in the kernel */
bool det_ptx_after_add(const struct analysis *a, const struct targets *t, uint32_t inst)
{
    if (t->block_in[a->insts[inst].block])
        return true;
    return t->first[a->insts[inst].block] < inst;
}

/* Room for the instructions, nothing marked yet. */
static enum det_err targets_open(struct analysis *a, struct targets *t)
{
    t->insts = det_arena_take(&a->arena, (a->n_insts + 1) * sizeof *t->insts);
    t->block_in = det_arena_take(&a->arena, a->n_blocks + 1);
    t->first = det_arena_take(&a->arena, (a->n_blocks + 1) * sizeof *t->first);
    if (!t->insts || !t->block_in || !t->first)
        return DET_E_NOMEM;
    memset(t->first, 0xff, (a->n_blocks + 1) * sizeof *t->first);
    return DET_OK;
}

static void target_add(const struct analysis *a, struct targets *t, uint32_t inst)
{
    t->insts[t->n++] = inst;
    uint32_t *first = &t->first[a->insts[inst].block];
    if (inst < *first)
        *first = inst;
}

static enum det_err collect_targets(struct analysis *a, struct targets *t)
{
    DET_TRY(targets_open(a, t));
    for (uint32_t i = 0; i < a->n_accesses; i++) {
        const struct access *access = &a->accesses[i];
        if (access->kind != ACC_ADD ||
            (access->hazard != HAZARD_FLOAT_ADD && access->hazard != HAZARD_CAS_ADD))
            continue;
        target_add(a, t, access->inst);
        t->roots |= access->roots;
    }
    return det_ptx_after(a, t->insts, t->n, t->block_in);
}

#define ROOTS_VAGUE (ROOT_UNKNOWN | ROOT_LOADED)

/* Can two sets of roots be the same memory? */
enum overlap { APART, GUARDED, MAYBE, SAME };
static enum overlap overlap(uint64_t x, uint64_t y)
{
    const uint64_t apart = ROOT_SHARED | ROOT_CLUSTER | ROOT_LOCAL | ROOT_CONST | ROOT_BARRIER;
    x &= ~apart, y &= ~apart;
    if (!x || !y)
        return APART;
    if (x & y & ROOTS_NAMED)
        return SAME;
    if ((x | y) & ROOTS_VAGUE)
        return MAYBE;
    return GUARDED;
}

/* Pointers that must differ from those of the targets at launch. */
static uint64_t guard(struct access *access)
{
    access->guarded = true;
    return access->roots & ROOTS_NAMED;
}

/* Float adds against loads and stores of the same kernel. */
static enum det_err judge_plain(struct verdict *v, struct analysis *a, struct targets *t)
{
    for (uint32_t i = 0; i < a->n_accesses; i++) {
        const struct access *access = &a->accesses[i];
        if (access->kind != ACC_LOAD && access->kind != ACC_STORE)
            continue;
        const bool load = access->kind == ACC_LOAD;
        if (access->proven || access->cas_read || (load && access->dead))
            continue;
        const enum overlap how = overlap(access->roots, t->roots);
        if (how == APART || (load && !det_ptx_after_add(a, t, access->inst)))
            continue;
        if (how == GUARDED)
            t->guards |= guard(&a->accesses[i]);
        else if (how == SAME)
            DET_TRY(det_ptx_site(
                v, a, access->inst, load ? HAZARD_READ_OF_TARGET : HAZARD_STORE_TO_TARGET, access));
        else
            DET_TRY(det_ptx_site(
                v, a, access->inst, load ? HAZARD_READ_UNPROVEN : HAZARD_STORE_UNPROVEN, access));
    }
    return DET_OK;
}

/* Float adds against other atomics and adds of another type on the same memory. */
static enum det_err judge_mixed(struct verdict *v, struct analysis *a, struct targets *t)
{
    for (uint32_t i = 0; i < a->n_accesses; i++) {
        const struct access *access = &a->accesses[i];
        if (access->kind == ACC_ATOM) {
            const enum overlap how = overlap(access->roots, t->roots);
            if (how == SAME || how == MAYBE)
                DET_TRY(det_ptx_site(v, a, access->inst, HAZARD_MIXED_TYPES, access));
            else if (how == GUARDED)
                t->guards |= guard(&a->accesses[i]);
        }
        if (access->kind != ACC_ADD ||
            (access->hazard != HAZARD_FLOAT_ADD && access->hazard != HAZARD_CAS_ADD))
            continue;
        for (uint32_t j = 0; j < i; j++) {
            const struct access *other = &a->accesses[j];
            if (other->kind != ACC_ADD ||
                (other->hazard != HAZARD_FLOAT_ADD && other->hazard != HAZARD_CAS_ADD) ||
                other->type == access->type)
                continue;
            if (overlap(access->roots, other->roots) >= MAYBE) {
                DET_TRY(det_ptx_site(v, a, access->inst, HAZARD_MIXED_TYPES, access));
                break;
            }
        }
    }
    return DET_OK;
}

static bool device_scope(const struct analysis *a, uint32_t inst)
{
    const bool cta = det_ptx_has(a, inst, "cta");
    return !cta && (det_ptx_has(a, inst, "gl") || det_ptx_has(a, inst, "sys") ||
                       det_ptx_has(a, inst, "gpu") || det_ptx_has(a, inst, "acq_rel") ||
                       det_ptx_has(a, inst, "sc"));
}

/* A fence after an add, and a store or another atomic after that fence: the sum is shown to somebody inside the kernel. */
static enum det_err judge_publication(
    struct verdict *v, struct analysis *a, const struct targets *t)
{
    struct targets fences = { 0 };
    DET_TRY(targets_open(a, &fences));
    for (uint32_t i = 0; i < a->n_insts; i++) {
        const enum op id = (enum op)stmt_of(a, i)->id;
        if (!det_ptx_after_add(a, t, i))
            continue;
        const bool fence = (id == OP_FENCE || id == OP_MEMBAR) && device_scope(a, i);
        const bool release = (id == OP_ST || id == OP_ATOM || id == OP_RED) &&
                             !det_ptx_has(a, i, "cta") &&
                             (det_ptx_has(a, i, "release") || det_ptx_has(a, i, "acq_rel"));
        if (fence)
            target_add(a, &fences, i);
        else if (release && det_ptx_space(a, i) != SPACE_SHARED && !float_target(a, i))
            return det_ptx_site(v, a, i, HAZARD_PUBLICATION, NULL);
    }
    if (!fences.n)
        return DET_OK;
    DET_TRY(det_ptx_after(a, fences.insts, fences.n, fences.block_in));
    for (uint32_t i = 0; i < a->n_accesses; i++) {
        const struct access *access = &a->accesses[i];
        const bool writes = access->kind == ACC_STORE || access->kind == ACC_ATOM;
        if (writes && !(access->roots & (ROOT_SHARED | ROOT_LOCAL)) &&
            det_ptx_after_add(a, &fences, access->inst))
            return det_ptx_site(v, a, access->inst, HAZARD_PUBLICATION, access);
    }
    return DET_OK;
}

/* --- integer atomics among themselves */
static unsigned operator_of(const struct analysis *a, uint32_t inst)
{
    static const char *const operators[] = { "add", "min", "max", "and", "or", "xor", "inc",
        "dec" };
    for (unsigned i = 0; i < sizeof operators / sizeof *operators; i++)
        if (det_ptx_has(a, inst, operators[i]))
            return i;
    for (uint32_t l = 0; l < a->n_loops; l++)
        if (a->loops[l].inst == inst)
            return a->loops[l].extreme ? 32u + a->loops[l].extreme : 1000u + l;
    return 31;
}

static bool commuting(const struct access *access)
{
    return access->kind == ACC_ATOM &&
           (access->hazard == HAZARD_INTEGER || access->hazard == HAZARD_CAS_MINMAX);
}

static bool in_shared(const struct access *access)
{
    return (access->roots & ROOT_SHARED) || access->space == SPACE_SHARED;
}

static bool same_memory(const struct access *x, const struct access *y)
{
    if (in_shared(x) || in_shared(y))
        return false; /* barriers may separate these: judge_shared_pair */
    return (x->roots & y->roots & (ROOTS_NAMED | ROOTS_VAGUE)) != 0;
}

static enum det_err judge_wrap(struct verdict *v, struct analysis *a, const struct access *access)
{
    /* inc and dec wrap at their operand: they commute only when it is the same everywhere, e.g. an immediate */
    const struct ref *bound =
        det_ptx_slot(a, access->inst, stmt_of(a, access->inst)->id == OP_RED ? 1 : 2);
    if (bound && bound->kind == REF_IMM)
        return DET_OK;
    return det_ptx_site(v, a, access->inst, HAZARD_MIXED_OPERATORS, access);
}

/* What one interval between barriers of the block holds: instructions reachable from `start` without passing one. */
struct interval {
    bool *seen;      /* per block, entered at its start */
    uint32_t *stack; /* blocks to enter */
    bool x, y;
};

static void interval_walk(
    const struct analysis *a, struct interval *w, uint32_t start, uint32_t x, uint32_t y)
{
    uint32_t n = 0, i = start, block = a->insts[start].block;
    memset(w->seen, 0, a->n_blocks);
    for (;;) {
        for (; i < a->blocks[block].last && !det_ptx_full_barrier(a, i); i++) {
            w->x |= i == x;
            w->y |= i == y;
        }
        const struct block *from = &a->blocks[block];
        for (uint32_t e = 0; i == from->last && e < 2 + from->n_many; e++) {
            const int32_t to = e == 0   ? from->next
                               : e == 1 ? from->taken
                                        : (int32_t)a->many[from->many + e - 2];
            if (to >= 0 && !w->seen[to])
                w->seen[to] = true, w->stack[n++] = (uint32_t)to;
        }
        if (!n || (w->x && w->y))
            return;
        block = w->stack[--n];
        i = a->blocks[block].first;
    }
}

/* May two threads of a block be at x and at y with no barrier in between? */
static bool unseparated(const struct analysis *a, uint32_t x, uint32_t y)
{
    struct interval w = { .seen = calloc(a->n_blocks + 1, sizeof *w.seen),
        .stack = calloc(a->n_blocks + 1, sizeof *w.stack) };
    bool found = !w.seen || !w.stack;
    uint64_t work = 0;
    for (uint32_t i = 0; i < a->n_insts && !found; i++) {
        const bool start = i == 0 || det_ptx_full_barrier(a, i - 1);
        if (!start)
            continue;
        w.x = w.y = false;
        interval_walk(a, &w, i, x, y);
        work += a->n_blocks;
        found = (w.x && w.y) || work > 4000000; /* a bound on work: in doubt they meet */
    }
    free(w.seen);
    free(w.stack);
    return found;
}

/* Two operators on one array of shared memory, e.g. add and max, in one interval. */
static bool shared_pair(struct analysis *a, const struct access *x, const struct access *y)
{
    if (!in_shared(x) || !in_shared(y) || (y->kind != ACC_ATOM && y->kind != ACC_ADD))
        return false;
    const bool adds = y->kind == ACC_ADD; /* a float add next to an integer or extreme operator */
    if (!adds && (!commuting(y) || operator_of(a, y->inst) == operator_of(a, x->inst)))
        return false;
    return (det_ptx_shared_arrays(a, x->inst) & det_ptx_shared_arrays(a, y->inst)) != 0 &&
           unseparated(a, x->inst, y->inst);
}

static enum det_err judge_integers(struct verdict *v, struct analysis *a)
{
    for (uint32_t i = 0; i < a->n_accesses; i++) {
        const struct access *x = &a->accesses[i];
        if (!commuting(x))
            continue;
        const unsigned mine = operator_of(a, x->inst);
        if (mine == 6 || mine == 7)
            DET_TRY(judge_wrap(v, a, x));
        for (uint32_t j = 0; j < a->n_accesses; j++) {
            const struct access *y = &a->accesses[j];
            if (j != i && (j < i || y->kind == ACC_ADD) && shared_pair(a, x, y)) {
                DET_TRY(det_ptx_site(v, a, x->inst, HAZARD_MIXED_OPERATORS, x));
                break;
            }
            if (j == i || !same_memory(x, y))
                continue;
            if (commuting(y) && operator_of(a, y->inst) != mine && j < i) {
                DET_TRY(det_ptx_site(v, a, x->inst, HAZARD_MIXED_OPERATORS, x));
                break;
            }
            if (y->kind == ACC_LOAD && !y->proven && !y->dead && !y->cas_read && !y->strong) {
                DET_TRY(det_ptx_site(v, a, y->inst, HAZARD_RACING_READ, y));
                break;
            }
        }
    }
    return DET_OK;
}

/* --- things that are hazards by themselves */
static bool name_starts(const struct analysis *a, const struct ref *ref, const char *name)
{
    return ref->len >= strlen(name) && memcmp(a->module->text + ref->at, name, strlen(name)) == 0;
}

static bool any_needed(const struct analysis *a, uint32_t inst)
{
    bool writes = false;
    for (uint32_t r = 0; r < a->insts[inst].n_refs; r++) {
        const struct ref *ref = &a->refs[a->insts[inst].ref + r];
        if (ref->role != ROLE_DEF)
            continue;
        writes = true;
        if (ref->kind == REF_REG && a->needed[ref->reg])
            return true;
    }
    return !writes;
}

static enum det_err judge_special(struct verdict *v, struct analysis *a, uint32_t inst)
{
    for (uint32_t r = 0; r < a->insts[inst].n_refs; r++) {
        const struct ref *ref = &a->refs[a->insts[inst].ref + r];
        if (ref->kind != REF_SPECIAL)
            continue;
        if (name_starts(a, ref, "%envreg")) {
            v->cooperative = true;
            continue;
        }
        const bool placed = name_starts(a, ref, "%clock") || name_starts(a, ref, "%globaltimer") ||
                            name_starts(a, ref, "%smid") || name_starts(a, ref, "%warpid") ||
                            name_starts(a, ref, "%gridid") || name_starts(a, ref, "%pm");
        if (placed && any_needed(a, inst))
            return det_ptx_site(v, a, inst, HAZARD_CLOCK, NULL);
    }
    return DET_OK;
}

static enum det_err judge_alone(struct verdict *v, struct analysis *a)
{
    for (uint32_t i = 0; i < a->n_insts; i++) {
        DET_TRY(judge_special(v, a, i));
        switch (stmt_of(a, i)->id) {
        case OP_ACTIVEMASK:
            if (any_needed(a, i))
                DET_TRY(det_ptx_site(v, a, i, HAZARD_ACTIVE_MASK, NULL));
            break;
        case OP_CLUSTERLAUNCHCONTROL:
            DET_TRY(det_ptx_site(v, a, i, HAZARD_CANCELLABLE, NULL));
            break;
        case OP_GRIDDEPCONTROL:
            DET_TRY(det_ptx_site(v, a, i, HAZARD_EARLY_START, NULL));
            break;
        case OP_OPAQUE:
            DET_TRY(det_ptx_site(v, a, i, HAZARD_OPAQUE_OP, NULL));
            break;
        default:
            break;
        }
    }
    return DET_OK;
}

/* --- loops that wait */
static bool in_cycle(struct analysis *a, uint32_t block, bool *cycle)
{
    /* blocks reachable from `block` … */
    memset(cycle, 0, a->n_blocks);
    const uint32_t from = a->blocks[block].last - 1;
    if (det_ptx_after(a, &from, 1, cycle) != DET_OK || !cycle[block])
        return false;
    /* … and back to it: walk over predecessors until nothing changes */
    bool *back = malloc(a->n_blocks + 1);
    if (!back)
        return true;
    memset(back, 0, a->n_blocks + 1);
    back[block] = true;
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t b = a->n_blocks; b-- > 0;) {
            const struct block *x = &a->blocks[b];
            bool leads = (x->next >= 0 && back[x->next]) || (x->taken >= 0 && back[x->taken]);
            for (uint32_t m = 0; m < x->n_many && !leads; m++)
                leads = back[a->many[x->many + m]];
            if (leads && !back[b])
                back[b] = changed = true;
        }
    }
    for (uint32_t b = 0; b < a->n_blocks; b++)
        cycle[b] = cycle[b] && back[b];
    free(back);
    return true;
}

/* Does a branch inside the cycle depend on what this load gave? */
static bool decides_loop(struct analysis *a, uint32_t inst, const bool *cycle)
{
    bool *from = malloc(a->n_regs + 1);
    if (!from)
        return true;
    memset(from, 0, a->n_regs + 1);
    for (uint32_t r = 0; r < a->insts[inst].n_refs; r++) {
        const struct ref *ref = &a->refs[a->insts[inst].ref + r];
        if (ref->kind == REF_REG && ref->role == ROLE_DEF)
            from[ref->reg] = true;
    }
    bool decides = false;
    for (bool changed = true; changed && !decides;) {
        changed = false;
        for (uint32_t i = 0; i < a->n_insts && !decides; i++) {
            if (!cycle[a->insts[i].block])
                continue;
            bool reads = a->insts[i].guard >= 0 && from[a->insts[i].guard];
            decides = reads && stmt_of(a, i)->id == OP_BRA;
            for (uint32_t r = 0; r < a->insts[i].n_refs && !reads; r++) {
                const struct ref *ref = &a->refs[a->insts[i].ref + r];
                reads = ref->kind == REF_REG && ref->role != ROLE_DEF && from[ref->reg];
            }
            for (uint32_t r = 0; r < a->insts[i].n_refs && reads; r++) {
                const struct ref *ref = &a->refs[a->insts[i].ref + r];
                if (ref->kind == REF_REG && ref->role == ROLE_DEF && !from[ref->reg])
                    from[ref->reg] = changed = true;
            }
        }
    }
    free(from);
    return decides;
}

static enum det_err judge_strong(struct verdict *v, struct analysis *a)
{
    bool *cycle = det_arena_take(&a->arena, a->n_blocks + 1);
    if (!cycle)
        return DET_E_NOMEM;
    unsigned judged = 0;
    for (uint32_t i = 0; i < a->n_accesses; i++) {
        const struct access *access = &a->accesses[i];
        if (access->kind != ACC_LOAD || !access->strong || access->dead || access->cas_read)
            continue;
        if (access->roots & (ROOT_BARRIER | ROOT_SHARED | ROOT_LOCAL))
            continue;
        /* a bound on work: past it every strong load in doubt is a spin */
        const bool loops = judged++ > 64 || in_cycle(a, a->insts[access->inst].block, cycle);
        if (loops && (judged > 64 || decides_loop(a, access->inst, cycle)))
            DET_TRY(det_ptx_site(v, a, access->inst, HAZARD_SPIN, access));
        else if (!det_ptx_has(a, access->inst, "volatile"))
            DET_TRY(det_ptx_site(v, a, access->inst, HAZARD_RACING_READ, access));
    }
    return DET_OK;
}

/* --- the whole of one function */
static enum det_err judge_accesses(struct verdict *v, struct analysis *a, struct targets *t)
{
    bool barrier = false;
    for (uint32_t i = 0; i < a->n_accesses; i++) {
        struct access *access = &a->accesses[i];
        barrier |= access->roots == ROOT_BARRIER || access->hazard == HAZARD_GRID_BARRIER;
        if (access->hazard == HAZARD_SLOT && det_ptx_is_ticket(a, access->inst))
            access->hazard = t->n ? HAZARD_LAST_BLOCK_ADD : HAZARD_LAST_BLOCK;
        if (access->hazard == HAZARD_FLOAT_ADD || access->hazard == HAZARD_CAS_ADD)
            if (!det_ptx_can_emit(a->module, access))
                access->hazard = HAZARD_ROUNDING;
        if (access->hazard < N_HAZARDS)
            DET_TRY(det_ptx_site(v, a, access->inst, (enum hazard)access->hazard, access));
    }
    if (a->shared.offence != UINT32_MAX)
        DET_TRY(det_ptx_site(v, a, a->shared.offence, HAZARD_SHARED_READ, NULL));
    if (t->n && barrier)
        DET_TRY(det_ptx_site(v, a, t->insts[0], HAZARD_GRID_SYNC, NULL));
    return DET_OK;
}

enum det_err det_ptx_judge(struct verdict *v, struct analysis *a, struct targets *t)
{
    if (a->broken) {
        v->opaque = "control flow or names this version cannot follow";
        v->opaque_at = a->func->at;
        return DET_OK;
    }
    DET_TRY(collect_targets(a, t));
    DET_TRY(judge_accesses(v, a, t));
    DET_TRY(judge_alone(v, a));
    DET_TRY(judge_strong(v, a));
    DET_TRY(judge_integers(v, a));
    if (!t->n)
        return DET_OK;
    DET_TRY(judge_plain(v, a, t));
    DET_TRY(judge_mixed(v, a, t));
    return judge_publication(v, a, t);
}
