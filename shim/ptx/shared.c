/* Float adds into shared memory: sums are read in the same kernel, after a barrier of the block. A shadow of wide integers
 * stands beside each array; every barrier that can follow an add is followed by a fold (emit_shared.c). That is right when no
 * path leads from an add to a read or write of the array without such a barrier in between; this file proves it. */
#include "shim/ptx/verdict.h"

#include <string.h>

#include "shim/ptx/emit.h"

#define ANY_ARRAY    (~(uint64_t)0)
#define STATIC_LIMIT 49152u
#define MAX_ARRAYS   63

static bool names(const struct analysis *a, const struct shared_array *array)
{
    for (uint32_t i = 0; i < a->n_refs; i++)
        if (a->refs[i].kind == REF_SYMBOL && a->refs[i].len == array->len &&
            memcmp(array->name, a->module->text + a->refs[i].at, array->len) == 0)
            return true;
    return false;
}

static enum det_err list_arrays(struct analysis *a, struct shared_plan *plan)
{
    plan->arrays = det_arena_take(&a->arena, (MAX_ARRAYS + 1) * sizeof *plan->arrays);
    if (!plan->arrays)
        return DET_E_NOMEM;
    uint64_t module_bytes = 0;
    for (size_t i = 0; i < a->module->n_variables && plan->n_arrays < MAX_ARRAYS; i++) {
        const struct variable *variable = &a->module->variables[i];
        if (variable->space != SPACE_SHARED)
            continue;
        plan->arrays[plan->n_arrays++] = (struct shared_array){ .name = variable->name,
            .len = (uint32_t)strlen(variable->name),
            .n_bytes = variable->external ? 0 : variable->n_bytes };
        module_bytes += variable->n_bytes;
    }
    for (size_t i = 0; i < a->stmts.n && plan->n_arrays < MAX_ARRAYS; i++) {
        const struct stmt *stmt = &a->stmts.at[i];
        struct decl decl;
        if (stmt->kind != STMT_DIRECTIVE ||
            !det_ptx_is(a->module, stmt->op, stmt->op_len, ".shared") ||
            !det_ptx_decl(a->module, stmt->args, stmt->end - 1, &decl))
            continue;
        plan->arrays[plan->n_arrays++] = (struct shared_array){ .name = a->module->text + decl.name,
            .len = decl.name_len,
            .n_bytes = decl.n_elems * decl.elem_bytes };
    }
    /* All of dynamic shared memory starts at one address, whatever its names. The twin keeps only names the kernel speaks of. */
    plan->dynamic = MAX_ARRAYS;
    for (uint32_t i = 0; i < plan->n_arrays; i++)
        if (!plan->arrays[i].n_bytes && (plan->dynamic == MAX_ARRAYS || names(a, &plan->arrays[i])))
            plan->dynamic = i;
    plan->static_bytes = module_bytes + a->func->shared_bytes;
    if (plan->n_arrays == MAX_ARRAYS)
        plan->static_bytes = STATIC_LIMIT;
    return DET_OK;
}

static uint64_t array_bit(
    const struct analysis *a, const struct shared_plan *plan, const struct ref *ref)
{
    for (uint32_t i = 0; i < plan->n_arrays; i++)
        if (plan->arrays[i].len == ref->len &&
            memcmp(plan->arrays[i].name, a->module->text + ref->at, ref->len) == 0)
            return (uint64_t)1 << (plan->arrays[i].n_bytes ? i : plan->dynamic);
    return 0;
}

static uint64_t ref_arrays(
    const struct analysis *a, const struct shared_plan *plan, const struct ref *ref)
{
    if (ref->kind == REF_REG)
        return plan->reg_arrays[ref->reg];
    return ref->kind == REF_SYMBOL ? array_bit(a, plan, ref) : 0;
}

/* Which arrays a register may point into: everything computed from their addresses. */
static enum det_err spread_arrays(struct analysis *a, struct shared_plan *plan)
{
    plan->reg_arrays = det_arena_take(&a->arena, (a->n_regs + 1) * sizeof *plan->reg_arrays);
    if (!plan->reg_arrays)
        return DET_E_NOMEM;
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t i = 0; i < a->n_insts; i++) {
            const enum op id = (enum op)stmt_of(a, i)->id;
            if (det_ptx_op_flags[id] & OPF_M)
                continue; /* what is loaded is no address we follow */
            uint64_t from = 0;
            for (uint32_t r = 0; r < a->insts[i].n_refs; r++)
                if (a->refs[a->insts[i].ref + r].role != ROLE_DEF)
                    from |= ref_arrays(a, plan, &a->refs[a->insts[i].ref + r]);
            for (uint32_t r = 0; r < a->insts[i].n_refs && from; r++) {
                const struct ref *ref = &a->refs[a->insts[i].ref + r];
                if (ref->role != ROLE_DEF || ref->kind != REF_REG ||
                    (plan->reg_arrays[ref->reg] | from) == plan->reg_arrays[ref->reg])
                    continue;
                plan->reg_arrays[ref->reg] |= from;
                changed = true;
            }
        }
    }
    return DET_OK;
}

/* Arrays an instruction reads or writes; 0 when it touches no shared memory. */
static uint64_t touched(const struct analysis *a, const struct shared_plan *plan, uint32_t inst)
{
    const struct stmt *stmt = stmt_of(a, inst);
    if (stmt->id == OP_CALL)
        return ANY_ARRAY;
    if (stmt->id == OP_MOV || stmt->id == OP_CVTA || stmt->id == OP_PREFETCH)
        return 0;
    const bool shared = det_ptx_space(a, inst) == SPACE_SHARED;
    const bool generic =
        (det_ptx_op_flags[stmt->id] & OPF_M) && det_ptx_space(a, inst) == SPACE_GENERIC;
    uint64_t set = 0;
    for (uint32_t r = 0; r < a->insts[inst].n_refs; r++) {
        const struct ref *ref = &a->refs[a->insts[inst].ref + r];
        const uint64_t arrays = ref_arrays(a, plan, ref);
        if (ref->role == ROLE_ADDR) {
            const bool may = shared || (generic && (det_ptx_address_roots(a, ref) &
                                                       (ROOT_SHARED | ROOT_UNKNOWN | ROOT_LOADED)));
            set |= arrays ? arrays : may ? ANY_ARRAY : 0;
        } else if (ref->role == ROLE_USE && arrays &&
                   (det_ptx_op_flags[stmt->id] & (OPF_M | OPF_S)) && stmt->id != OP_BRA) {
            set |= arrays; /* the address itself is stored or handed out */
        }
    }
    return set;
}

/* bar.sync 0 and its kin for the whole block; anything else separates nothing. */
bool det_ptx_full_barrier(const struct analysis *a, uint32_t inst)
{
    const struct stmt *stmt = stmt_of(a, inst);
    if ((stmt->id != OP_BAR && stmt->id != OP_BARRIER) || stmt->guard ||
        !det_ptx_has(a, inst, "sync") || det_ptx_has(a, inst, "warp"))
        return false;
    const struct ref *number = det_ptx_slot(a, inst, 0);
    return number && number->kind == REF_IMM && det_ptx_ref_is(a, number, "0") &&
           !det_ptx_slot(a, inst, 1);
}

/* One walk through a block; calls back nothing: returns the state behind it and notes the first offence. */
static bool walk_block(
    struct analysis *a, struct shared_plan *plan, uint32_t block, bool dirty, bool judge)
{
    for (uint32_t i = a->blocks[block].first; i < a->blocks[block].last; i++) {
        if (det_ptx_full_barrier(a, i)) {
            if (judge && dirty)
                plan->folds[plan->n_folds++] = i;
            dirty = false;
        } else if (plan->is_add[i]) {
            dirty = true;
        } else if (judge && dirty && plan->offence == UINT32_MAX &&
                   (touched(a, plan, i) & plan->targets)) {
            plan->offence = i;
        }
    }
    return dirty;
}

static enum det_err find_folds(struct analysis *a, struct shared_plan *plan)
{
    bool *in = det_arena_take(&a->arena, a->n_blocks + 1);
    plan->folds = det_arena_take(&a->arena, (a->n_insts + 1) * sizeof *plan->folds);
    if (!in || !plan->folds)
        return DET_E_NOMEM;
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t b = 0; b < a->n_blocks; b++) {
            if (!walk_block(a, plan, b, in[b], false))
                continue;
            const struct block *block = &a->blocks[b];
            for (uint32_t e = 0; e < 2 + block->n_many; e++) {
                const int32_t to = e == 0   ? block->next
                                   : e == 1 ? block->taken
                                            : (int32_t)a->many[block->many + e - 2];
                if (to >= 0 && !in[to])
                    in[to] = changed = true;
            }
        }
    }
    for (uint32_t b = 0; b < a->n_blocks; b++)
        walk_block(a, plan, b, in[b], true);
    return DET_OK;
}

uint64_t det_ptx_shared_arrays(const struct analysis *a, uint32_t inst)
{
    uint64_t set = 0;
    for (uint32_t r = 0; r < a->insts[inst].n_refs && a->shared.reg_arrays; r++) {
        const struct ref *ref = &a->refs[a->insts[inst].ref + r];
        if (ref->role == ROLE_ADDR)
            set |= ref_arrays(a, &a->shared, ref);
    }
    return set ? set : ANY_ARRAY;
}

/* The one array an add goes to, with its type; false when that cannot be said. */
static bool claim_array(const struct analysis *a, struct shared_plan *plan, struct access *access)
{
    const struct ref *address = NULL;
    for (uint32_t r = 0; r < a->insts[access->inst].n_refs && !address; r++)
        if (a->refs[a->insts[access->inst].ref + r].role == ROLE_ADDR)
            address = &a->refs[a->insts[access->inst].ref + r];
    const uint64_t set = address ? ref_arrays(a, plan, address) : 0;
    if (!set || (set & (set - 1)) || access->n_lanes != 1 || access->packed || access->cas >= 0 ||
        access->cluster)
        return false;
    if (access->space == SPACE_GENERIC && (access->roots & ~(uint64_t)ROOT_SHARED))
        return false;
    struct shared_array *array = &plan->arrays[__builtin_ctzll(set)];
    static const uint8_t elem_bytes[] = {
        [DET_PTX_F32] = 4, [DET_PTX_F64] = 8, [DET_PTX_F16] = 2, [DET_PTX_BF16] = 2
    };
    if (access->type >= DET_PTX_OTHER || array->n_bytes > STATIC_LIMIT)
        return false;
    if (array->used && array->type != access->type)
        return false;
    array->used = true;
    array->type = access->type;
    array->n_elems = (uint32_t)(array->n_bytes / elem_bytes[access->type]);
    access->array = (uint8_t)__builtin_ctzll(set);
    plan->targets |= set;
    plan->is_add[access->inst] = true;
    return array->n_elems != 0 || !array->n_bytes;
}

/* The twin gets more dynamic shared memory than the program asked for: the kernel must not notice. */
static bool reads_its_size(const struct analysis *a)
{
    for (uint32_t i = 0; i < a->n_refs; i++)
        if (a->refs[i].kind == REF_SPECIAL &&
            (det_ptx_ref_is(a, &a->refs[i], "%dynamic_smem_size") ||
                det_ptx_ref_is(a, &a->refs[i], "%total_smem_size")))
            return true;
    return false;
}

unsigned det_ptx_shared_ratio(const struct shared_plan *plan)
{
    /* bytes of shadow for a byte of array, its touched bits included: see det_ptx_shadow_bytes */
    static const uint8_t ratio[] = {
        [DET_PTX_F32] = 11, [DET_PTX_F64] = 35, [DET_PTX_F16] = 9, [DET_PTX_BF16] = 21
    };
    for (uint32_t i = 0; i < plan->n_arrays && plan->usable; i++)
        if (plan->arrays[i].used && !plan->arrays[i].n_bytes)
            return ratio[plan->arrays[i].type];
    return 0;
}

enum det_err det_ptx_shared(struct analysis *a)
{
    struct shared_plan *plan = &a->shared;
    bool any = false, atomics = false;
    for (uint32_t i = 0; i < a->n_accesses; i++) {
        any |= a->accesses[i].hazard == HAZARD_SHARED_ADD;
        atomics |= a->accesses[i].kind >= ACC_ADD &&
                   ((a->accesses[i].roots & ROOT_SHARED) || a->accesses[i].space == SPACE_SHARED);
    }
    plan->offence = UINT32_MAX;
    if (!atomics)
        return DET_OK;
    DET_TRY(list_arrays(a, plan));
    DET_TRY(spread_arrays(a, plan));
    if (!any || a->module->version < 60 || a->module->target < 60)
        return DET_OK;
    plan->is_add = det_arena_take(&a->arena, a->n_insts + 1);
    if (!plan->is_add)
        return DET_E_NOMEM;
    for (uint32_t i = 0; i < a->n_accesses; i++)
        if (a->accesses[i].hazard == HAZARD_SHARED_ADD && !claim_array(a, plan, &a->accesses[i]))
            return DET_OK;
    for (uint32_t i = 0; i < plan->n_arrays; i++)
        if (plan->arrays[i].used && plan->arrays[i].n_bytes)
            plan->static_bytes += det_ptx_shadow_bytes((enum det_ptx_type)plan->arrays[i].type,
                                      plan->arrays[i].n_elems) +
                                  8;
    if (plan->static_bytes > STATIC_LIMIT || reads_its_size(a))
        return DET_OK;
    DET_TRY(find_folds(a, plan));
    plan->usable = plan->offence == UINT32_MAX;
    if (plan->usable)
        for (uint32_t i = 0; i < a->n_accesses; i++)
            if (a->accesses[i].hazard == HAZARD_SHARED_ADD)
                a->accesses[i].hazard = HAZARD_SHARED_FOLD;
    return DET_OK;
}
