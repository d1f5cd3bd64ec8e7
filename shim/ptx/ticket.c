/* The last-block ticket (CUDA sample threadFenceReduction): blocks store partial results, fence, and count themselves with an
 * integer atomic; the block that gets the last number combines. Which block that is does not matter as long as the number is
 * only compared for equality. Conservative: whatever does not look like that keeps the kernel uncovered. */
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

bool det_ptx_is_ticket(const struct analysis *a, uint32_t inst)
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
    const bool kept = follow(a, marks);
    free(marks);
    return kept;
}
