/* The last-block ticket (CUDA sample threadFenceReduction): blocks store partial results, fence, and count themselves with an
 * integer atomic; the block that gets the last number combines. Which block that is does not matter as long as the number is
 * only compared for equality and nothing that differs between blocks is used behind it. Conservative: whatever does not look
 * like that keeps the kernel uncovered. Not proven element by element: shared memory read behind the ticket counts as written
 * there when some store behind the ticket leads to the read. */
#include "shim/ptx/verdict.h"

#include <stdlib.h>
#include <string.h>

enum mark { PLAIN, COUNT, PREDICATE, FLAG };

/* What an instruction makes of a marked operand; -1: the number gets out. */
static int result_mark(const struct analysis *a, uint32_t inst, enum mark from)
{
    const enum op id = (enum op)stmt_of(a, inst)->id;
    switch (from) {
    case COUNT:
        if (id == OP_MOV || id == OP_ADD || id == OP_SUB || id == OP_CVT)
            return COUNT;
        if (id == OP_SETP && (det_ptx_has(a, inst, "eq") || det_ptx_has(a, inst, "ne")))
            return PREDICATE;
        return -1;
    case PREDICATE:
        if (id == OP_SELP)
            return FLAG;
        if (id == OP_NOT || id == OP_AND || id == OP_OR || id == OP_MOV)
            return PREDICATE;
        return id == OP_BRA ? PLAIN : -1;
    case FLAG:
        if (id == OP_MOV || id == OP_CVT || id == OP_AND)
            return FLAG;
        if (id == OP_SETP)
            return PREDICATE;
        return id == OP_ST && det_ptx_space(a, inst) == SPACE_SHARED ? PLAIN : -1;
    default:
        return -1;
    }
}

/* selp may only choose between constants, otherwise the number's bits could travel in its operands. */
static bool constants_only(const struct analysis *a, uint32_t inst)
{
    for (unsigned slot = 1; slot <= 2; slot++) {
        const struct ref *ref = det_ptx_slot(a, inst, slot);
        if (!ref || ref->kind != REF_IMM)
            return false;
    }
    return true;
}

static bool follow(const struct analysis *a, uint8_t *marks)
{
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t i = 0; i < a->n_insts; i++) {
            enum mark from = a->insts[i].guard >= 0 ? (enum mark)marks[a->insts[i].guard] : PLAIN;
            if (from != PLAIN && stmt_of(a, i)->id != OP_BRA)
                return false; /* predicated work is not followed */
            for (uint32_t r = 0; r < a->insts[i].n_refs; r++) {
                const struct ref *ref = &a->refs[a->insts[i].ref + r];
                if (ref->kind == REF_REG && ref->role != ROLE_DEF && marks[ref->reg] > from)
                    from = (enum mark)marks[ref->reg];
            }
            if (from == PLAIN)
                continue;
            const int to = result_mark(a, i, from);
            if (to < 0 || (stmt_of(a, i)->id == OP_SELP && !constants_only(a, i)))
                return false;
            for (uint32_t r = 0; r < a->insts[i].n_refs; r++) {
                const struct ref *ref = &a->refs[a->insts[i].ref + r];
                if (ref->kind != REF_REG || ref->role != ROLE_DEF || marks[ref->reg] == to)
                    continue;
                if (marks[ref->reg] > to)
                    return false;
                marks[ref->reg] = (uint8_t)to;
                changed = true;
            }
        }
    }
    return true;
}

/* inc, or add of the constant one. */
static bool counts(const struct analysis *a, uint32_t inst)
{
    if (det_ptx_space(a, inst) == SPACE_SHARED)
        return false;
    if (det_ptx_has(a, inst, "inc"))
        return true;
    const struct ref *step = det_ptx_slot(a, inst, 2);
    return det_ptx_has(a, inst, "add") && step && step->kind == REF_IMM &&
           det_ptx_ref_is(a, step, "1");
}

static bool fenced(const struct analysis *a, uint32_t inst)
{
    if (det_ptx_has(a, inst, "acq_rel"))
        return true;
    for (uint32_t i = 0; i < inst; i++) {
        const enum op id = (enum op)stmt_of(a, i)->id;
        if ((id == OP_MEMBAR && !det_ptx_has(a, i, "cta")) ||
            (id == OP_FENCE && !det_ptx_has(a, i, "cta")))
            return true;
    }
    return false;
}

/* --- nothing behind the ticket may depend on which block this is */
struct behind {
    uint8_t *own; /* per register: differs between blocks */
    bool *after,
        *split;    /* per block: what can follow the ticket; a branch on a block's own value */
    bool *reached; /* scratch */
    uint32_t ticket;
};

static bool is_after(const struct analysis *a, const struct behind *b, uint32_t inst)
{
    const uint32_t block = a->insts[inst].block;
    return b->after[block] || (block == a->insts[b->ticket].block && inst > b->ticket);
}

static bool names_block(const struct analysis *a, const struct ref *ref)
{
    static const char *const names[] = { "%ctaid", "%clusterid", "%cluster_ctaid", "%smid",
        "%warpid" };
    for (size_t i = 0; i < sizeof names / sizeof *names && ref->kind == REF_SPECIAL; i++)
        if (ref->len >= strlen(names[i]) &&
            memcmp(a->module->text + ref->at, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

static bool uses_own(const struct analysis *a, const struct behind *b, uint32_t inst)
{
    if (a->insts[inst].guard >= 0 && b->own[a->insts[inst].guard])
        return true;
    for (uint32_t r = 0; r < a->insts[inst].n_refs; r++) {
        const struct ref *ref = &a->refs[a->insts[inst].ref + r];
        if (names_block(a, ref) ||
            (ref->kind == REF_REG && ref->role != ROLE_DEF && b->own[ref->reg]))
            return true;
    }
    return false;
}

/* A load before the ticket may give each block something else: other blocks are writing meanwhile, or it reads shared
 * memory. Parameters and constants are the same for all. */
static bool loads_own(const struct analysis *a, const struct behind *b, uint32_t inst)
{
    const enum op id = (enum op)stmt_of(a, inst)->id;
    if (id == OP_ATOM || id == OP_CALL)
        return inst != b->ticket && !is_after(a, b, inst);
    if (id != OP_LD && id != OP_LDU)
        return false;
    const enum space space = det_ptx_space(a, inst);
    return space == SPACE_SHARED && !is_after(a, b, inst);
}

/* A register with several definitions, one of them behind a branch on a block's own value: which one it was is own. */
static bool chosen_by_own(const struct analysis *a, const struct behind *b, int32_t reg)
{
    if (a->def_at[reg + 1] - a->def_at[reg] < 2)
        return false;
    for (uint32_t d = a->def_at[reg]; d < a->def_at[reg + 1]; d++)
        if (!is_after(a, b, a->defs[d]) && b->split[a->insts[a->defs[d]].block])
            return true;
    return false;
}

static enum det_err spread_own(struct analysis *a, struct behind *b)
{
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t i = 0; i < a->n_insts; i++) {
            const bool own = uses_own(a, b, i) || loads_own(a, b, i);
            if (own && stmt_of(a, i)->id == OP_BRA && !is_after(a, b, i))
                DET_TRY(det_ptx_after(a, &i, 1, b->split));
            for (uint32_t r = 0; r < a->insts[i].n_refs; r++) {
                const struct ref *ref = &a->refs[a->insts[i].ref + r];
                if (ref->kind != REF_REG || ref->role != ROLE_DEF || b->own[ref->reg] ||
                    (!own && !chosen_by_own(a, b, ref->reg)))
                    continue;
                b->own[ref->reg] = changed = true;
            }
        }
    }
    return DET_OK;
}

/* Does a store into shared memory behind the ticket lead to this load? */
static bool written_behind(struct analysis *a, const struct behind *b, uint32_t load)
{
    for (uint32_t i = 0; i < a->n_insts; i++) {
        const enum op id = (enum op)stmt_of(a, i)->id;
        if ((id != OP_ST && id != OP_ATOM && id != OP_RED) || !is_after(a, b, i) ||
            det_ptx_space(a, i) != SPACE_SHARED)
            continue;
        const uint32_t block = a->insts[load].block;
        if (a->insts[i].block == block && i < load)
            return true;
        memset(b->reached, 0, a->n_blocks);
        if (det_ptx_after(a, &i, 1, b->reached) == DET_OK && b->reached[block])
            return true;
    }
    return false;
}

static bool same_for_all(struct analysis *a, const struct behind *b, const uint8_t *marks)
{
    for (uint32_t i = 0; i < a->n_insts; i++) {
        const struct stmt *stmt = stmt_of(a, i);
        if (!is_after(a, b, i))
            continue;
        const struct ref *dst = det_ptx_slot(a, i, 0);
        const bool flag = dst && dst->kind == REF_REG && marks[dst->reg];
        if ((det_ptx_op_flags[stmt->id] & (OPF_S | OPF_M)) && uses_own(a, b, i))
            return false;
        if (stmt->id == OP_LD && det_ptx_space(a, i) == SPACE_SHARED && !flag &&
            !written_behind(a, b, i))
            return false;
    }
    return true;
}

/* Loads of the place in shared memory that says whether this block is the last: the same answer wherever it is asked. */
static void mark_flag_loads(const struct analysis *a, uint8_t *marks)
{
    for (uint32_t i = 0; i < a->n_insts; i++) {
        const struct ref *value = det_ptx_slot(a, i, 1), *to = det_ptx_slot(a, i, 0);
        if (stmt_of(a, i)->id != OP_ST || det_ptx_space(a, i) != SPACE_SHARED || !value || !to ||
            value->kind != REF_REG || marks[value->reg] != FLAG)
            continue;
        for (uint32_t l = 0; l < a->n_insts; l++) {
            const struct ref *dst = det_ptx_slot(a, l, 0), *from = det_ptx_slot(a, l, 1);
            if (stmt_of(a, l)->id == OP_LD && det_ptx_space(a, l) == SPACE_SHARED && dst && from &&
                dst->kind == REF_REG && from->offset == to->offset && from->len == to->len &&
                memcmp(a->module->text + from->at, a->module->text + to->at, to->len) == 0)
                marks[dst->reg] = FLAG;
        }
    }
}

static bool any_block_will_do(struct analysis *a, uint32_t ticket, uint8_t *marks)
{
    struct behind b = { .ticket = ticket,
        .own = calloc(a->n_regs + 1, 1),
        .after = calloc(a->n_blocks + 1, 1),
        .split = calloc(a->n_blocks + 1, 1),
        .reached = calloc(a->n_blocks + 1, 1) };
    bool good = b.own && b.after && b.split && b.reached &&
                det_ptx_after(a, &ticket, 1, b.after) == DET_OK && spread_own(a, &b) == DET_OK;
    if (good) {
        mark_flag_loads(a, marks);
        good = same_for_all(a, &b, marks);
    }
    free(b.own);
    free(b.after);
    free(b.split);
    free(b.reached);
    return good;
}

bool det_ptx_is_ticket(struct analysis *a, uint32_t inst)
{
    const struct ref *got = det_ptx_slot(a, inst, 0);
    if (!got || got->kind != REF_REG || got->vector || !counts(a, inst) || !fenced(a, inst))
        return false;
    for (uint32_t d = a->def_at[got->reg]; d < a->def_at[got->reg + 1]; d++)
        if (a->defs[d] != inst)
            return false;
    uint8_t *marks = calloc(a->n_regs + 1, 1);
    if (!marks)
        return false;
    marks[got->reg] = COUNT;
    const bool kept = follow(a, marks) && any_block_will_do(a, inst, marks);
    free(marks);
    return kept;
}
