/* Where addresses come from: a set of roots per register, grown to a fixed point. In `pointer + integer` the pointer's roots
 * stand for the sum (C's own rule: arithmetic stays inside the object); where two pointers meet, both are kept. */
#include "shim/ptx/analysis.h"

#include <string.h>

/* Roots that are surely addresses; LOADED and UNKNOWN may just as well be integers. */
static uint64_t strong_part(uint64_t set)
{
    return set &
           (ROOTS_NAMED | ROOT_SHARED | ROOT_CLUSTER | ROOT_LOCAL | ROOT_CONST | ROOT_BARRIER);
}

static uint64_t named(struct analysis *a, bool variable, uint32_t index)
{
    for (uint32_t i = 0; i < a->n_roots; i++)
        if (a->roots[i].variable == variable && a->roots[i].index == index)
            return (uint64_t)1 << (ROOT_FIRST + i);
    if (a->n_roots == ROOT_MAX)
        return ROOT_UNKNOWN;
    a->roots[a->n_roots] = (struct root){ .variable = variable, .index = index };
    return (uint64_t)1 << (ROOT_FIRST + a->n_roots++);
}

static const struct param *param_named(const struct analysis *a, const struct ref *ref)
{
    const char *text = a->module->text + ref->at;
    for (uint32_t i = 0; i < a->func->n_params; i++) {
        const struct param *param = &a->func->params[i];
        if (strlen(param->name) == ref->len && memcmp(param->name, text, ref->len) == 0)
            return param;
    }
    return NULL;
}

/* Shared and local variables declared inside the function. */
static uint64_t inner_variable(const struct analysis *a, const struct ref *ref)
{
    for (uint32_t i = 0; i < a->n_inner; i++)
        if (a->inner[i].len == ref->len &&
            memcmp(a->module->text + a->inner[i].at, a->module->text + ref->at, ref->len) == 0)
            return a->inner[i].roots;
    return 0;
}

static enum det_err list_inner(struct analysis *a)
{
    for (int pass = 0; pass < 2; pass++) {
        uint32_t n = 0;
        for (size_t i = 0; i < a->stmts.n; i++) {
            const struct stmt *stmt = &a->stmts.at[i];
            if (stmt->kind != STMT_DIRECTIVE)
                continue;
            const bool shared = det_ptx_is(a->module, stmt->op, stmt->op_len, ".shared");
            struct decl decl;
            if ((!shared && !det_ptx_is(a->module, stmt->op, stmt->op_len, ".local")) ||
                !det_ptx_decl(a->module, stmt->args, stmt->end - 1, &decl))
                continue;
            if (pass)
                a->inner[n] =
                    (struct inner){ decl.name, decl.name_len, shared ? ROOT_SHARED : ROOT_LOCAL };
            n++;
        }
        if (!pass && !(a->inner = det_arena_take(&a->arena, (n + 1) * sizeof *a->inner)))
            return DET_E_NOMEM;
        a->n_inner = n;
    }
    return DET_OK;
}

static uint64_t symbol_roots(struct analysis *a, const struct ref *ref)
{
    const struct symbol *symbol = det_ptx_symbol(a->module, a->module->text + ref->at, ref->len);
    if (symbol && symbol->kind == SYM_VARIABLE) {
        switch (a->module->variables[symbol->index].space) {
        case SPACE_SHARED:
            return ROOT_SHARED;
        case SPACE_LOCAL:
            return ROOT_LOCAL;
        case SPACE_CONST:
            return ROOT_CONST;
        default:
            return named(a, true, symbol->index);
        }
    }
    const uint64_t inner = inner_variable(a, ref);
    if (inner)
        return inner;
    return param_named(a, ref) ? ROOT_LOADED : ROOT_UNKNOWN;
}

/* The parameter a register points at: `mov.b64 %rd1, f_param_0` through a chain of single definitions. */
static const struct param *param_behind(
    const struct analysis *a, const struct ref *ref, int64_t *offset)
{
    for (unsigned step = 0; step < 8; step++) {
        if (ref->kind == REF_SYMBOL) {
            *offset += ref->offset;
            return param_named(a, ref);
        }
        if (ref->kind != REF_REG || a->def_at[ref->reg + 1] - a->def_at[ref->reg] != 1)
            return NULL;
        *offset += ref->offset;
        const uint32_t def = a->defs[a->def_at[ref->reg]];
        const enum op id = (enum op)stmt_of(a, def)->id;
        if (id != OP_MOV && id != OP_CVTA)
            return NULL;
        ref = det_ptx_slot(a, def, 1);
        if (!ref || ref->vector)
            return NULL;
    }
    return NULL;
}

static uint64_t ref_roots(struct analysis *a, const struct ref *ref)
{
    switch (ref->kind) {
    case REF_REG:
        return a->reg_roots[ref->reg];
    case REF_SYMBOL:
        return symbol_roots(a, ref);
    case REF_SPECIAL:
        return a->module->text[ref->at + 1] == 'e' ? ROOT_BARRIER : 0;
    default:
        return 0;
    }
}

static uint64_t slot_roots(struct analysis *a, uint32_t inst, unsigned slot)
{
    uint64_t set = 0;
    for (uint32_t i = 0; i < a->insts[inst].n_refs; i++) {
        const struct ref *ref = &a->refs[a->insts[inst].ref + i];
        if (ref->slot == slot)
            set |= ref_roots(a, ref);
    }
    return set;
}

/* What a load gives its lane-th destination. */
static uint64_t loaded(struct analysis *a, uint32_t inst, const struct ref *dst)
{
    if (!det_ptx_has(a, inst, "u64") && !det_ptx_has(a, inst, "b64") &&
        !det_ptx_has(a, inst, "s64"))
        return 0;
    const enum space space = det_ptx_space(a, inst);
    const struct ref *from = det_ptx_slot(a, inst, 1);
    if (!from || (space != SPACE_PARAM && space != SPACE_GENERIC))
        return ROOT_LOADED;
    int64_t offset = 0;
    const struct param *param = param_behind(a, from, &offset);
    if (!param || offset < 0 || offset + 8 > param->n_bytes)
        return ROOT_LOADED;
    return named(a, false, param->offset + (uint32_t)offset + 8u * dst->lane);
}

static uint64_t sum_roots(uint64_t x, uint64_t y)
{
    if (strong_part(x) && !strong_part(y))
        return x;
    if (strong_part(y) && !strong_part(x))
        return y;
    return x | y;
}

static uint64_t transfer(struct analysis *a, uint32_t inst, const struct ref *dst)
{
    const struct stmt *stmt = stmt_of(a, inst);
    switch (stmt->id) {
    case OP_LD:
    case OP_LDU:
        return loaded(a, inst, dst);
    case OP_ATOM:
        return det_ptx_has(a, inst, "b64") || det_ptx_has(a, inst, "u64") ? ROOT_LOADED : 0;
    case OP_MOV: {
        const struct ref *src = det_ptx_slot(a, inst, 1);
        const uint64_t set = slot_roots(a, inst, 1);
        return src && src->vector && !set ? ROOT_LOADED : set;
    }
    case OP_CVTA:
        if (det_ptx_has(a, inst, "shared"))
            return ROOT_SHARED | (slot_roots(a, inst, 1) & ROOT_CLUSTER);
        if (det_ptx_has(a, inst, "local"))
            return ROOT_LOCAL;
        return slot_roots(a, inst, 1);
    case OP_CVT:
    case OP_NOT:
    case OP_NEG:
        return slot_roots(a, inst, 1);
    case OP_ADD:
        return sum_roots(slot_roots(a, inst, 1), slot_roots(a, inst, 2));
    case OP_SUB:
        return sum_roots(slot_roots(a, inst, 1), slot_roots(a, inst, 2));
    case OP_MAD:
        return slot_roots(a, inst, 3);
    case OP_SELP:
    case OP_SLCT:
    case OP_MIN:
    case OP_MAX:
    case OP_AND:
    case OP_OR:
    case OP_XOR:
    case OP_LOP3:
    case OP_BFI:
    case OP_PRMT:
    case OP_SHF:
        return slot_roots(a, inst, 1) | slot_roots(a, inst, 2) |
               (stmt->id == OP_LOP3 ? slot_roots(a, inst, 3) : 0);
    case OP_SHFL:
        return slot_roots(a, inst, 1);
    case OP_MAPA:
        return ROOT_SHARED | ROOT_CLUSTER;
    default:
        return 0;
    }
}

uint64_t det_ptx_address_roots(const struct analysis *a, const struct ref *ref)
{
    /* symbol_roots may add a named root; by now they are all known */
    uint64_t set = ref ? ref_roots((struct analysis *)a, ref) : 0;
    if (!set)
        return ROOT_UNKNOWN;
    uint64_t pointers = 0;
    for (uint32_t i = 0; i < a->n_roots; i++)
        if (a->roots[i].pointer || a->roots[i].variable)
            pointers |= (uint64_t)1 << (ROOT_FIRST + i);
    const uint64_t kept = (set & ~ROOTS_NAMED) | (set & pointers);
    return strong_part(kept) ? kept : set;
}

/* Parameters that are addresses on their own account: converted, or the only root of an address. */
static void mark_pointers(struct analysis *a)
{
    for (uint32_t i = 0; i < a->n_insts; i++) {
        const struct stmt *stmt = stmt_of(a, i);
        const bool cvta = stmt->id == OP_CVTA;
        for (uint32_t r = 0; r < a->insts[i].n_refs; r++) {
            const struct ref *ref = &a->refs[a->insts[i].ref + r];
            if (ref->role != ROLE_ADDR && !(cvta && ref->role == ROLE_USE))
                continue;
            const uint64_t set = ref_roots(a, ref) & ROOTS_NAMED;
            if (!set || (set & (set - 1)))
                continue;
            a->roots[__builtin_ctzll(set) - ROOT_FIRST].pointer = true;
        }
    }
}

enum det_err det_ptx_roots(struct analysis *a)
{
    a->reg_roots = det_arena_take(&a->arena, (a->n_regs + 1) * sizeof *a->reg_roots);
    if (!a->reg_roots)
        return DET_E_NOMEM;
    DET_TRY(list_inner(a));
    bool changed = true;
    for (unsigned round = 0; changed && round < 64; round++) {
        changed = false;
        for (uint32_t i = 0; i < a->n_insts; i++)
            for (uint32_t r = 0; r < a->insts[i].n_refs; r++) {
                const struct ref *dst = &a->refs[a->insts[i].ref + r];
                if (dst->role != ROLE_DEF || dst->kind != REF_REG)
                    continue;
                const uint64_t set = a->reg_roots[dst->reg] | transfer(a, i, dst);
                changed |= set != a->reg_roots[dst->reg];
                a->reg_roots[dst->reg] = set;
            }
    }
    if (changed)
        a->broken = true; /* 64 rounds did not settle it: do not guess */
    mark_pointers(a);
    return DET_OK;
}
