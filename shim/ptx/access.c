/* Memory operations of one function, each with where its address comes from and what kind of hazard it is by itself. How they
 * interact is decided per kernel (classify.c). */
#include "shim/ptx/analysis.h"

#include <stdlib.h>
#include <string.h>

const struct hazard_row det_ptx_hazards[N_HAZARDS] = {
#define REWRITE ACT_REWRITE
#define LEAVE   ACT_LEAVE
#define STAY    ACT_STAY
#define LAUNCH  ACT_LAUNCH
#define OPAQUE  ACT_OPAQUE
#define DET_PTX_HAZARD(id, slug, row, action, sentence)                                            \
    [HAZARD_##id] = { slug, sentence, row, action },
#include "shim/ptx/hazards.def"
#undef DET_PTX_HAZARD
};

/* Element type of a float atomic and its scalar adds; false when no float type stands in the opcode. */
static bool float_type(const struct analysis *a, uint32_t inst, struct access *out)
{
    static const struct {
        const char *part;
        enum det_ptx_type type;
        uint8_t n_lanes;
    } types[] = { { "f32", DET_PTX_F32, 1 }, { "f64", DET_PTX_F64, 1 }, { "f16", DET_PTX_F16, 1 },
        { "bf16", DET_PTX_BF16, 1 }, { "f16x2", DET_PTX_F16, 2 }, { "bf16x2", DET_PTX_BF16, 2 } };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (!det_ptx_has(a, inst, types[i].part))
            continue;
        out->type = (uint8_t)types[i].type;
        out->packed = types[i].n_lanes == 2;
        out->vector = det_ptx_has(a, inst, "v2")   ? 2
                      : det_ptx_has(a, inst, "v4") ? 4
                      : det_ptx_has(a, inst, "v8") ? 8
                                                   : 1;
        out->n_lanes = (uint8_t)(types[i].n_lanes * out->vector);
        return true;
    }
    return false;
}

static bool result_needed(const struct analysis *a, uint32_t inst)
{
    for (uint32_t r = 0; r < a->insts[inst].n_refs; r++) {
        const struct ref *ref = &a->refs[a->insts[inst].ref + r];
        if (ref->role == ROLE_DEF && ref->kind == REF_REG && a->needed[ref->reg])
            return true;
    }
    return false;
}

static const struct ref *address_of(const struct analysis *a, uint32_t inst, unsigned nth)
{
    for (uint32_t r = 0; r < a->insts[inst].n_refs; r++) {
        const struct ref *ref = &a->refs[a->insts[inst].ref + r];
        if (ref->role == ROLE_ADDR && nth-- == 0)
            return ref;
    }
    return NULL;
}

static int loop_of(const struct analysis *a, uint32_t inst)
{
    for (uint32_t i = 0; i < a->n_loops; i++)
        if (a->loops[i].inst == inst)
            return (int)i;
    return -1;
}

static struct access *add_access(
    struct analysis *a, uint32_t inst, enum access_kind kind, const struct ref *address)
{
    struct access *access = &a->accesses[a->n_accesses++];
    *access = (struct access){ .inst = inst,
        .kind = (uint8_t)kind,
        .space = (uint8_t)det_ptx_space(a, inst),
        .cas = -1,
        .hazard = N_HAZARDS,
        .vector = 1 };
    access->roots = address ? det_ptx_address_roots(a, address) : ROOT_UNKNOWN;
    access->cluster =
        det_ptx_has(a, inst, "shared::cluster") || (access->roots & ROOT_CLUSTER) != 0;
    return access;
}

static bool is_strong(const struct analysis *a, uint32_t inst)
{
    return det_ptx_has(a, inst, "volatile") || det_ptx_has(a, inst, "acquire") ||
           det_ptx_has(a, inst, "relaxed") || det_ptx_has(a, inst, "mmio");
}

/* A compare-and-swap that is no loop of ours, an exchange, an integer operation. */
static enum hazard other_atomic(
    const struct analysis *a, uint32_t inst, const struct access *access)
{
    if (access->roots & ROOT_BARRIER)
        return HAZARD_GRID_BARRIER;
    if (det_ptx_has(a, inst, "cas"))
        return access->cas >= 0 ? a->loops[access->cas].hazard : HAZARD_LOCK;
    if (det_ptx_has(a, inst, "exch"))
        return HAZARD_EXCHANGE;
    return access->dead ? HAZARD_INTEGER : HAZARD_SLOT;
}

static enum hazard float_add(const struct access *access)
{
    if (access->cluster)
        return HAZARD_CLUSTER_ADD;
    const uint64_t here = ROOT_SHARED | ROOT_LOCAL;
    if (access->space == SPACE_SHARED || (access->space == SPACE_GENERIC && (access->roots & here)))
        return access->dead ? HAZARD_SHARED_ADD : HAZARD_RESULT_USED;
    if (!access->dead)
        return HAZARD_RESULT_USED;
    if (access->space == SPACE_GENERIC &&
        (access->roots & (ROOT_UNKNOWN | ROOT_LOADED | ROOT_CONST | ROOT_BARRIER)))
        return HAZARD_ADDRESS_SPACE;
    return HAZARD_FLOAT_ADD;
}

static void atomic(struct analysis *a, uint32_t inst)
{
    struct access *access = add_access(a, inst, ACC_ATOM, address_of(a, inst, 0));
    access->dead = stmt_of(a, inst)->id == OP_RED || !result_needed(a, inst);
    access->cas = loop_of(a, inst);
    const bool is_add = det_ptx_has(a, inst, "add");
    if (float_type(a, inst, access)) {
        if (is_add) {
            access->kind = ACC_ADD;
            access->hazard = (uint8_t)float_add(access);
        } else {
            access->hazard = access->dead ? HAZARD_CAS_MINMAX : HAZARD_RESULT_USED;
        }
        return;
    }
    access->type = DET_PTX_OTHER;
    access->n_lanes = 1;
    access->hazard = (uint8_t)other_atomic(a, inst, access);
    if (access->hazard != HAZARD_CAS_ADD)
        return;
    const struct cas_loop *loop = &a->loops[access->cas];
    access->dead = true;
    access->type = (uint8_t)loop->type;
    access->n_lanes = loop->n_lanes;
    access->packed = loop->packed;
    access->negate = loop->negate;
    const enum hazard as_add = float_add(access);
    if (as_add == HAZARD_FLOAT_ADD)
        access->kind = ACC_ADD;
    else
        access->hazard = (uint8_t)as_add;
}

/* cp.async and its bulk and tensor forms. */
static void copy(struct analysis *a, uint32_t inst)
{
    const struct ref *first = address_of(a, inst, 0);
    if (!first)
        return; /* commit_group, wait_group */
    const bool tensor = det_ptx_has(a, inst, "tensor");
    if (det_ptx_has(a, inst, "reduce")) {
        struct access *access = add_access(a, inst, ACC_ATOM, tensor ? NULL : first);
        access->dead = true;
        access->type = DET_PTX_OTHER;
        access->n_lanes = 1;
        const bool floats = float_type(a, inst, access);
        const bool extreme = det_ptx_has(a, inst, "min") || det_ptx_has(a, inst, "max");
        access->hazard = extreme            ? HAZARD_CAS_MINMAX
                         : floats || tensor ? HAZARD_BULK_REDUCE
                                            : HAZARD_INTEGER;
        return;
    }
    const struct stmt *stmt = stmt_of(a, inst);
    const char *op = a->module->text + stmt->op;
    const char *global = memmem(op, stmt->op_len, ".global", 7),
               *shared = memmem(op, stmt->op_len, ".shared", 7);
    const bool store = global && shared && global < shared;
    if (!global && !tensor)
        return; /* shared to shared */
    if (store)
        add_access(a, inst, ACC_STORE, tensor ? NULL : first);
    else
        add_access(a, inst, ACC_LOAD, tensor ? NULL : address_of(a, inst, 1));
}

static void load(struct analysis *a, uint32_t inst)
{
    const enum space space = det_ptx_space(a, inst);
    if (space != SPACE_GLOBAL && space != SPACE_GENERIC)
        return;
    struct access *access = add_access(a, inst, ACC_LOAD, address_of(a, inst, 0));
    access->proven = det_ptx_has(a, inst, "nc") || stmt_of(a, inst)->id == OP_LDU;
    access->strong = is_strong(a, inst);
    access->dead = !result_needed(a, inst);
}

static void store(struct analysis *a, uint32_t inst)
{
    const enum space space = det_ptx_space(a, inst);
    if (space == SPACE_GLOBAL || space == SPACE_GENERIC)
        add_access(a, inst, ACC_STORE, address_of(a, inst, 0));
}

/* A load that only feeds a compare-and-swap loop's first round. */
static bool feeds_loop(const struct analysis *a, uint32_t inst, int *loop_index)
{
    for (uint32_t l = 0; l < a->n_loops; l++) {
        const struct cas_loop *loop = &a->loops[l];
        if (loop->hazard != HAZARD_CAS_ADD && loop->hazard != HAZARD_CAS_MINMAX &&
            loop->hazard != HAZARD_INTEGER)
            continue;
        bool all = true;
        int32_t reg = -1;
        for (uint32_t r = 0; r < a->insts[inst].n_refs && all; r++) {
            const struct ref *ref = &a->refs[a->insts[inst].ref + r];
            if (ref->role != ROLE_DEF || ref->kind != REF_REG)
                continue;
            reg = ref->reg;
            for (unsigned step = 0; step < 4 && all && reg >= 0; step++) {
                int32_t next = -1;
                for (uint32_t u = a->use_at[reg]; u < a->use_at[reg + 1] && all; u++) {
                    const uint32_t use = a->uses[u];
                    const uint32_t block = a->insts[use].block;
                    if (block >= loop->first && block <= loop->last)
                        continue;
                    const struct ref *dst = det_ptx_slot(a, use, 0);
                    all = stmt_of(a, use)->id == OP_MOV && dst && dst->kind == REF_REG && next < 0;
                    next = all ? dst->reg : -1;
                }
                reg = next;
            }
        }
        const uint32_t own = a->insts[inst].block;
        const struct ref *cmp = det_ptx_slot(a, loop->inst, 2);
        const bool inside = own >= loop->first && own <= loop->last;
        if (all && cmp && !inside &&
            det_ptx_address_roots(a, address_of(a, inst, 0)) ==
                det_ptx_address_roots(a, address_of(a, loop->inst, 0))) {
            *loop_index = (int)l;
            return true;
        }
    }
    return false;
}

enum det_err det_ptx_accesses(struct analysis *a)
{
    a->accesses = det_arena_take(&a->arena, (a->n_insts + 1) * sizeof *a->accesses);
    if (!a->accesses)
        return DET_E_NOMEM;
    for (uint32_t i = 0; i < a->n_insts; i++) {
        switch (stmt_of(a, i)->id) {
        case OP_LD:
        case OP_LDU:
            load(a, i);
            break;
        case OP_ST:
            store(a, i);
            break;
        case OP_ATOM:
        case OP_RED:
            atomic(a, i);
            break;
        case OP_CP:
            copy(a, i);
            break;
        case OP_WMMA:
            if (det_ptx_has(a, i, "load"))
                load(a, i);
            else if (det_ptx_has(a, i, "store"))
                store(a, i);
            break;
        case OP_MULTIMEM: {
            struct access *access = add_access(a, i, ACC_ATOM, NULL);
            access->type = DET_PTX_OTHER;
            access->n_lanes = 1;
            access->dead = true;
            if (det_ptx_has(a, i, "st"))
                access->kind = ACC_STORE;
            else
                access->hazard = float_type(a, i, access) ? HAZARD_BULK_REDUCE : HAZARD_INTEGER;
            break;
        }
        case OP_DISCARD:
            add_access(a, i, ACC_STORE, address_of(a, i, 0));
            break;
        default:
            break;
        }
    }
    for (uint32_t i = 0; i < a->n_accesses; i++)
        if (a->accesses[i].kind == ACC_LOAD &&
            feeds_loop(a, a->accesses[i].inst, &a->accesses[i].cas))
            a->accesses[i].cas_read = true;
    return DET_OK;
}

enum det_err det_ptx_analyse(struct det_ptx_module *module, struct func *func, struct analysis *out)
{
    *out = (struct analysis){ .module = module, .func = func };
    const struct func keep = *func;
    DET_TRY(det_ptx_scan_body(module, func, &out->stmts, NULL));
    *func = keep;
    DET_TRY(det_ptx_operands(out));
    DET_TRY(det_ptx_flow(out));
    if (out->broken)
        return DET_OK;
    DET_TRY(det_ptx_uses(out));
    DET_TRY(det_ptx_roots(out));
    DET_TRY(det_ptx_cas_loops(out));
    DET_TRY(det_ptx_accesses(out));
    return det_ptx_shared(out);
}

void det_ptx_analysis_free(struct analysis *a)
{
    free(a->stmts.at);
    free(a->refs);
    free(a->many);
    det_arena_free(&a->arena);
    *a = (struct analysis){ 0 };
}
