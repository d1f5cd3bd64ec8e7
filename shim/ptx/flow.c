/* Basic blocks, reachability, and which registers matter (flow-insensitive: a register is needed when any instruction with
 * an effect reads it, directly or through others). */
#include "shim/ptx/analysis.h"

#include <stdlib.h>
#include <string.h>

struct label {
    uint32_t at, len, inst; /* instruction that follows the label */
    uint32_t stmt;
};
struct labels {
    struct label *at;
    uint32_t *table; /* index + 1 */
    size_t n, cap;
};

static uint32_t hash_text(const char *at, uint32_t len)
{
    uint32_t hash = 2166136261u;
    for (uint32_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)at[i]) * 16777619u;
    return hash ^ (hash >> 13);
}

static const struct label *find_label(
    const struct analysis *a, const struct labels *labels, uint32_t at, uint32_t len)
{
    const char *text = a->module->text;
    for (size_t slot = hash_text(text + at, len) & (labels->cap - 1); labels->table[slot];
         slot = (slot + 1) & (labels->cap - 1)) {
        const struct label *label = &labels->at[labels->table[slot] - 1];
        if (label->len == len && memcmp(text + label->at, text + at, len) == 0)
            return label;
    }
    return NULL;
}

static enum det_err collect_labels(struct analysis *a, struct labels *labels)
{
    size_t n = 0;
    for (size_t i = 0; i < a->stmts.n; i++)
        n += a->stmts.at[i].kind == STMT_LABEL;
    for (labels->cap = 16; labels->cap < 2 * n + 2; labels->cap *= 2)
        ;
    labels->at = det_arena_take(&a->arena, (n + 1) * sizeof *labels->at);
    labels->table = det_arena_take(&a->arena, labels->cap * sizeof *labels->table);
    if (!labels->at || !labels->table)
        return DET_E_NOMEM;
    uint32_t inst = 0;
    for (size_t i = 0; i < a->stmts.n; i++) {
        const struct stmt *stmt = &a->stmts.at[i];
        inst += stmt->kind == STMT_OP;
        if (stmt->kind != STMT_LABEL)
            continue;
        if (find_label(a, labels, stmt->op, stmt->op_len))
            a->broken = true; /* two labels of one name in different scopes */
        size_t slot = hash_text(a->module->text + stmt->op, stmt->op_len) & (labels->cap - 1);
        while (labels->table[slot])
            slot = (slot + 1) & (labels->cap - 1);
        labels->table[slot] = (uint32_t)labels->n + 1;
        labels->at[labels->n++] = (struct label){
            .at = stmt->op, .len = stmt->op_len, .inst = inst, .stmt = (uint32_t)i
        };
    }
    return DET_OK;
}

static bool ends_block(const struct analysis *a, uint32_t inst)
{
    const struct stmt *stmt = stmt_of(a, inst);
    return (det_ptx_op_flags[stmt->id] & OPF_B) || stmt->id == OP_TRAP;
}

static enum det_err make_blocks(struct analysis *a, const struct labels *labels)
{
    bool *leader = det_arena_take(&a->arena, a->n_insts + 1);
    if (!leader)
        return DET_E_NOMEM;
    leader[0] = true;
    for (size_t i = 0; i < labels->n; i++)
        leader[labels->at[i].inst] = true;
    for (uint32_t i = 0; i < a->n_insts; i++)
        if (ends_block(a, i))
            leader[i + 1] = true;
    for (uint32_t i = 0; i < a->n_insts; i++)
        a->n_blocks += leader[i];
    a->blocks = det_arena_take(&a->arena, (a->n_blocks + 1) * sizeof *a->blocks);
    if (!a->blocks)
        return DET_E_NOMEM;
    uint32_t block = 0;
    for (uint32_t i = 0; i < a->n_insts; i++) {
        if (leader[i] && i)
            a->blocks[block++].last = i;
        if (leader[i])
            a->blocks[block] = (struct block){ .first = i, .next = -1, .taken = -1 };
        a->insts[i].block = block;
    }
    if (a->n_blocks)
        a->blocks[block].last = a->n_insts;
    return DET_OK;
}

/* Block a label starts, -1 when it stands at the very end. */
static int32_t block_of(const struct analysis *a, const struct label *label)
{
    return label->inst < a->n_insts ? (int32_t)a->insts[label->inst].block : -1;
}

/* Targets of brx: the labels in `name: .branchtargets L1, L2;`, or every label when the list is not found. */
static enum det_err many_targets(
    struct analysis *a, const struct labels *labels, const struct ref *list, struct block *block)
{
    const struct det_ptx_module *module = a->module;
    const struct label *name = list ? find_label(a, labels, list->at, list->len) : NULL;
    const struct stmt *targets = NULL;
    if (name && name->stmt + 1 < a->stmts.n) {
        targets = &a->stmts.at[name->stmt + 1];
        if (targets->kind != STMT_DIRECTIVE ||
            !det_ptx_is(module, targets->op, targets->op_len, ".branchtargets"))
            targets = NULL;
    }
    uint32_t *grown = realloc(a->many, (a->n_many + labels->n + 1) * sizeof *grown);
    if (!grown)
        return DET_E_NOMEM;
    a->many = grown;
    block->many = a->n_many;
    uint32_t at = targets ? targets->args : 0;
    for (size_t i = 0; i < labels->n; i++) {
        const struct label *label = &labels->at[i];
        if (targets) {
            for (;
                 at < targets->end && !(det_ptx_class[(unsigned char)module->text[at]] & CH_IDENT);)
                at++;
            if (at >= targets->end)
                break;
            const uint32_t past = det_ptx_word(module, at);
            label = find_label(a, labels, at, past - at);
            at = past;
        }
        if (label && block_of(a, label) >= 0)
            a->many[a->n_many++] = (uint32_t)block_of(a, label);
    }
    block->n_many = a->n_many - block->many;
    return DET_OK;
}

static enum det_err make_edges(struct analysis *a, const struct labels *labels)
{
    for (uint32_t b = 0; b < a->n_blocks; b++) {
        struct block *block = &a->blocks[b];
        const uint32_t last = block->last - 1;
        const struct stmt *stmt = stmt_of(a, last);
        const bool falls = b + 1 < a->n_blocks;
        const bool guarded = a->insts[last].guard >= 0;
        if (!ends_block(a, last) || guarded)
            block->next = falls ? (int32_t)b + 1 : -1;
        if (stmt->id == OP_BRA) {
            const struct ref *to = det_ptx_slot(a, last, 0);
            const struct label *label = to ? find_label(a, labels, to->at, to->len) : NULL;
            if (label)
                block->taken = block_of(a, label);
            else
                a->broken = true;
        } else if (stmt->id == OP_BRX) {
            DET_TRY(many_targets(a, labels, det_ptx_slot(a, last, 1), block));
        }
    }
    return DET_OK;
}

enum det_err det_ptx_flow(struct analysis *a)
{
    struct labels labels = { 0 };
    DET_TRY(collect_labels(a, &labels));
    DET_TRY(make_blocks(a, &labels));
    return make_edges(a, &labels);
}

static void push(uint32_t *stack, uint32_t *n, bool *seen, int32_t block)
{
    if (block >= 0 && !seen[block]) {
        seen[block] = true;
        stack[(*n)++] = (uint32_t)block;
    }
}

static void spread(const struct analysis *a, uint32_t *stack, uint32_t n, bool *seen)
{
    while (n) {
        const struct block *block = &a->blocks[stack[--n]];
        push(stack, &n, seen, block->next);
        push(stack, &n, seen, block->taken);
        for (uint32_t i = 0; i < block->n_many; i++)
            push(stack, &n, seen, (int32_t)a->many[block->many + i]);
    }
}

enum det_err det_ptx_after(struct analysis *a, const uint32_t *insts, uint32_t n, bool *block_in)
{
    uint32_t *stack = malloc((a->n_blocks + 1) * sizeof *stack);
    if (!stack)
        return DET_E_NOMEM;
    uint32_t depth = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct block *block = &a->blocks[a->insts[insts[i]].block];
        push(stack, &depth, block_in, block->next);
        push(stack, &depth, block_in, block->taken);
        for (uint32_t j = 0; j < block->n_many; j++)
            push(stack, &depth, block_in, (int32_t)a->many[block->many + j]);
    }
    spread(a, stack, depth, block_in);
    free(stack);
    return DET_OK;
}

/* Lists per register: instructions that write it, instructions that read it. */
static enum det_err index_refs(struct analysis *a)
{
    a->def_at = det_arena_take(&a->arena, (a->n_regs + 2) * sizeof(uint32_t));
    a->use_at = det_arena_take(&a->arena, (a->n_regs + 2) * sizeof(uint32_t));
    a->defs = det_arena_take(&a->arena, (a->n_refs + 1) * sizeof(uint32_t));
    a->uses = det_arena_take(&a->arena, (a->n_refs + a->n_insts + 1) * sizeof(uint32_t));
    if (!a->def_at || !a->use_at || !a->defs || !a->uses)
        return DET_E_NOMEM;
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < a->n_insts; i++) {
            const struct inst *inst = &a->insts[i];
            if (inst->guard >= 0) {
                if (pass)
                    a->uses[a->use_at[inst->guard]++] = i;
                else
                    a->use_at[inst->guard + 1]++;
            }
            for (uint32_t r = 0; r < inst->n_refs; r++) {
                const struct ref *ref = &a->refs[inst->ref + r];
                if (ref->kind != REF_REG)
                    continue;
                uint32_t *at = ref->role == ROLE_DEF ? a->def_at : a->use_at;
                if (pass)
                    (ref->role == ROLE_DEF ? a->defs : a->uses)[at[ref->reg]++] = i;
                else
                    at[ref->reg + 1]++;
            }
        }
        if (pass) { /* the second pass moved every start to the next one's place */
            memmove(a->def_at + 1, a->def_at, (a->n_regs + 1) * sizeof(uint32_t));
            memmove(a->use_at + 1, a->use_at, (a->n_regs + 1) * sizeof(uint32_t));
            a->def_at[0] = a->use_at[0] = 0;
        } else {
            for (uint32_t r = 0; r < a->n_regs; r++) {
                a->def_at[r + 1] += a->def_at[r];
                a->use_at[r + 1] += a->use_at[r];
            }
        }
    }
    return DET_OK;
}

struct work {
    uint32_t *insts;
    uint32_t n;
    bool *seen;
};

static void need(struct analysis *a, struct work *work, int32_t reg)
{
    if (reg < 0 || a->needed[reg])
        return;
    a->needed[reg] = true;
    for (uint32_t d = a->def_at[reg]; d < a->def_at[reg + 1]; d++)
        if (!work->seen[a->defs[d]]) {
            work->seen[a->defs[d]] = true;
            work->insts[work->n++] = a->defs[d];
        }
}

enum det_err det_ptx_uses(struct analysis *a)
{
    DET_TRY(index_refs(a));
    a->needed = det_arena_take(&a->arena, a->n_regs + 1);
    struct work work = { .insts = det_arena_take(&a->arena, (a->n_insts + 1) * sizeof(uint32_t)),
        .seen = det_arena_take(&a->arena, a->n_insts + 1) };
    if (!a->needed || !work.insts || !work.seen)
        return DET_E_NOMEM;
    for (uint32_t i = 0; i < a->n_insts; i++)
        if (det_ptx_op_flags[stmt_of(a, i)->id] & OPF_S) {
            work.seen[i] = true;
            work.insts[work.n++] = i;
        }
    while (work.n) {
        const uint32_t i = work.insts[--work.n];
        const struct inst *inst = &a->insts[i];
        need(a, &work, inst->guard);
        for (uint32_t r = 0; r < inst->n_refs; r++) {
            const struct ref *ref = &a->refs[inst->ref + r];
            if (ref->kind == REF_REG && ref->role != ROLE_DEF)
                need(a, &work, ref->reg);
        }
    }
    return DET_OK;
}
