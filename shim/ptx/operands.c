/* Operands and registers of a function. Registers are numbered per declaration, so that a name declared again inside a
 * nested scope (inline assembly does that all the time) is another register. */
#include "shim/ptx/analysis.h"

#include <stdlib.h>
#include <string.h>

struct name {
    uint32_t at, len, scope; /* scope: index of the open brace, 0 outermost */
    int32_t reg;
};
struct names {
    struct name *table;
    size_t cap, n;
};
/* A `.reg` declaration inside a nested scope. */
struct local {
    uint32_t at, len, depth, scope;
    bool range;
};
struct walk {
    struct analysis *a;
    struct names names;
    struct local *locals;
    size_t n_locals, cap_locals;
    uint32_t scopes[256];
    uint32_t depth, next_scope;
};

static uint32_t hash_name(const char *at, uint32_t len, uint32_t scope)
{
    uint32_t hash = 2166136261u ^ (scope * 0x9e3779b9u);
    for (uint32_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)at[i]) * 16777619u;
    return hash ^ (hash >> 15);
}

static bool names_grow(struct names *names, const char *text)
{
    const size_t cap = names->cap ? names->cap * 2 : 256;
    struct name *fresh = calloc(cap, sizeof *fresh);
    if (!fresh)
        return false;
    for (size_t i = 0; i < names->cap; i++) {
        const struct name *old = &names->table[i];
        if (!old->len)
            continue;
        size_t slot = hash_name(text + old->at, old->len, old->scope) & (cap - 1);
        while (fresh[slot].len)
            slot = (slot + 1) & (cap - 1);
        fresh[slot] = *old;
    }
    free(names->table);
    names->table = fresh;
    names->cap = cap;
    return true;
}

/* Register number of a name in a scope, made on first sight; -1 on out of memory. */
static int32_t intern(struct walk *walk, uint32_t at, uint32_t len, uint32_t scope)
{
    struct names *names = &walk->names;
    const char *text = walk->a->module->text;
    if (names->n * 2 >= names->cap && !names_grow(names, text))
        return -1;
    size_t slot = hash_name(text + at, len, scope) & (names->cap - 1);
    for (; names->table[slot].len; slot = (slot + 1) & (names->cap - 1)) {
        const struct name *have = &names->table[slot];
        if (have->len == len && have->scope == scope &&
            memcmp(text + have->at, text + at, len) == 0)
            return have->reg;
    }
    const int32_t reg = (int32_t)walk->a->n_regs++;
    names->table[slot] = (struct name){ .at = at, .len = len, .scope = scope, .reg = reg };
    names->n++;
    return reg;
}

static bool local_matches(const char *text, const struct local *local, uint32_t at, uint32_t len)
{
    if (!local->range)
        return local->len == len && memcmp(text + local->at, text + at, len) == 0;
    if (len <= local->len || memcmp(text + local->at, text + at, local->len) != 0)
        return false;
    for (uint32_t i = local->len; i < len; i++)
        if (!(det_ptx_class[(unsigned char)text[at + i]] & CH_DIGIT))
            return false;
    return true;
}

/* `.reg .b32 a, b<5>;`: names declared here, for every scope (outermost: only those without '%'). */
static enum det_err declare(struct walk *walk, const struct stmt *stmt)
{
    const struct det_ptx_module *module = walk->a->module;
    const char *text = module->text;
    for (uint32_t at = det_ptx_skip(module, stmt->args); at + 1 < stmt->end;
         at = det_ptx_skip(module, at)) {
        if (text[at] == '.') {
            at = det_ptx_word(module, at + 1);
            continue;
        }
        const uint32_t past = det_ptx_word(module, at);
        if (past == at) {
            at++;
            continue;
        }
        struct local local = {
            .at = at, .len = past - at, .depth = walk->depth, .scope = walk->scopes[walk->depth]
        };
        at = det_ptx_skip(module, past);
        if (text[at] == '<') {
            local.range = true;
            while (at + 1 < stmt->end && text[at] != '>')
                at++;
            at++;
        }
        if (walk->depth == 0 && text[local.at] == '%')
            continue;
        if (walk->n_locals == walk->cap_locals) {
            const size_t cap = walk->cap_locals ? walk->cap_locals * 2 : 32;
            struct local *grown = realloc(walk->locals, cap * sizeof *grown);
            if (!grown)
                return DET_E_NOMEM;
            walk->locals = grown;
            walk->cap_locals = cap;
        }
        walk->locals[walk->n_locals++] = local;
    }
    return DET_OK;
}

/* Register a word names, -1 when it names none, -2 on out of memory. */
static int32_t lookup(struct walk *walk, uint32_t at, uint32_t len)
{
    const char *text = walk->a->module->text;
    for (size_t i = walk->n_locals; i-- > 0;)
        if (local_matches(text, &walk->locals[i], at, len)) {
            const int32_t reg = intern(walk, at, len, walk->locals[i].scope);
            return reg < 0 ? -2 : reg;
        }
    if (text[at] != '%')
        return -1;
    const int32_t reg = intern(walk, at, len, 0);
    return reg < 0 ? -2 : reg;
}

static bool special_name(const char *at, uint32_t len)
{
    static const char *const names[] = { "%tid", "%ntid", "%laneid", "%warpid", "%nwarpid",
        "%ctaid", "%nctaid", "%smid", "%nsmid", "%gridid", "%is_explicit_cluster", "%clusterid",
        "%nclusterid", "%cluster_ctaid", "%cluster_nctaid", "%cluster_ctarank", "%cluster_nctarank",
        "%lanemask_eq", "%lanemask_le", "%lanemask_lt", "%lanemask_ge", "%lanemask_gt", "%clock",
        "%clock_hi", "%clock64", "%globaltimer", "%globaltimer_lo", "%globaltimer_hi",
        "%reserved_smem_offset_begin", "%reserved_smem_offset_end", "%reserved_smem_offset_cap",
        "%reserved_smem_offset_0", "%reserved_smem_offset_1", "%total_smem_size", "%aggr_smem_size",
        "%dynamic_smem_size", "%current_graph_exec" };
    if (len > 4 && (memcmp(at, "%pm", 3) == 0 || memcmp(at, "%envreg", len > 7 ? 7 : len) == 0))
        return (at[1] == 'e' && len > 7) || (at[1] == 'p' && at[3] >= '0' && at[3] <= '9');
    if (len == 4 && memcmp(at, "%pm", 3) == 0 && at[3] >= '0' && at[3] <= '9')
        return true;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i][1] == at[1] && strlen(names[i]) == len && memcmp(names[i], at, len) == 0)
            return true;
    return false;
}

static enum det_err add_ref(struct analysis *a, const struct ref *ref)
{
    if (a->n_refs == a->cap_refs) {
        const uint32_t cap = a->cap_refs ? a->cap_refs * 2 : 1024;
        struct ref *grown = realloc(a->refs, cap * sizeof *grown);
        if (!grown)
            return DET_E_NOMEM;
        a->refs = grown;
        a->cap_refs = cap;
    }
    a->refs[a->n_refs++] = *ref;
    return DET_OK;
}

/* Does slot 0 of this instruction get written? */
static bool writes_first(const struct analysis *a, uint32_t inst)
{
    const struct stmt *stmt = stmt_of(a, inst);
    if (det_ptx_op_flags[stmt->id] & OPF_D)
        return stmt->id != OP_WMMA || !det_ptx_has(a, inst, "store");
    switch (stmt->id) {
    case OP_BAR:
    case OP_BARRIER:
        return det_ptx_has(a, inst, "red");
    case OP_MBARRIER:
        return det_ptx_has(a, inst, "test_wait") || det_ptx_has(a, inst, "try_wait") ||
               det_ptx_has(a, inst, "pending_count") || det_ptx_has(a, inst, "arrive") ||
               det_ptx_has(a, inst, "arrive_drop");
    case OP_MULTIMEM:
        return det_ptx_has(a, inst, "ld_reduce");
    case OP_WGMMA:
        return det_ptx_has(a, inst, "mma_async");
    case OP_TCGEN05:
        return det_ptx_has(a, inst, "ld");
    case OP_CLUSTERLAUNCHCONTROL:
        return det_ptx_has(a, inst, "query_cancel");
    default:
        return false;
    }
}

struct place {
    uint32_t inst;
    uint8_t slot, lane;
    bool bracket, vector, writes;
};

/* One word of an operand: number, register, special register or symbol. */
static enum det_err word(struct walk *walk, const struct place *place, uint32_t *pos)
{
    struct analysis *a = walk->a;
    const char *text = a->module->text;
    const uint32_t at = *pos;
    uint32_t past = det_ptx_word(a->module, at);
    struct ref ref = {
        .at = at, .slot = place->slot, .lane = place->lane, .vector = place->vector, .reg = -1
    };
    ref.role = place->bracket ? ROLE_ADDR : place->slot == 0 && place->writes ? ROLE_DEF : ROLE_USE;
    if (text[at] >= '0' && text[at] <= '9') {
        if (text[past] == '.') /* 1.5 */
            past = det_ptx_word(a->module, past + 1);
        ref.kind = REF_IMM;
    } else if (past == at + 1 && text[at] == '_') {
        ref.kind = REF_SINK;
    } else if (text[at] == '%' && special_name(text + at, past - at)) {
        ref.kind = REF_SPECIAL;
    } else {
        const int32_t reg = lookup(walk, at, past - at);
        if (reg == -2)
            return DET_E_NOMEM;
        ref.kind = reg >= 0 ? REF_REG : REF_SYMBOL;
        ref.reg = reg;
    }
    ref.len = (uint16_t)(past - at > 0xffff ? 0xffff : past - at);
    while (text[past] == '.') /* %tid.x, %r1.b0 */
        past = det_ptx_word(a->module, past + 1);
    *pos = past;
    return add_ref(a, &ref);
}

/* [%rd4+-8]: the sum of constants goes to the base's offset. */
static void bracket_offset(struct analysis *a, uint32_t first_ref, uint32_t *pos, bool minus)
{
    const char *text = a->module->text;
    char *end;
    const long long value = strtoll(text + *pos, &end, 0);
    *pos = (uint32_t)(end - text);
    while (det_ptx_class[(unsigned char)text[*pos]] & CH_IDENT)
        ++*pos; /* 8U */
    if (a->n_refs > first_ref && a->refs[a->n_refs - 1].role == ROLE_ADDR) {
        int64_t *offset = &a->refs[a->n_refs - 1].offset;
        if (value < (1LL << 48) && value > -(1LL << 48))
            *offset += minus ? -value : value;
    }
}

static enum det_err operands_of(struct walk *walk, uint32_t inst)
{
    struct analysis *a = walk->a;
    const char *text = a->module->text;
    const struct stmt *stmt = stmt_of(a, inst);
    struct place place = { .inst = inst, .writes = writes_first(a, inst) };
    const uint32_t first = a->insts[inst].ref = a->n_refs;
    bool plus = false, minus = false, parens = false;
    for (uint32_t at = det_ptx_skip(a->module, stmt->args); at + 1 < stmt->end;
         at = det_ptx_skip(a->module, at)) {
        const char c = text[at];
        const bool digit = c >= '0' && c <= '9';
        if (c == '[') {
            place.bracket = true, at++;
        } else if (c == ']') {
            place.bracket = plus = minus = false, at++;
        } else if (c == '{') {
            place.vector = true, place.lane = 0, at++;
        } else if (c == '}') {
            place.vector = false, place.lane = 0, at++;
        } else if (c == '(' || c == ')') {
            parens = c == '(', place.lane = 0, at++;
        } else if (c == ',') {
            if (place.vector || parens)
                place.lane = (uint8_t)(place.lane + (place.lane < 255));
            else if (!place.bracket)
                place.slot = (uint8_t)(place.slot + (place.slot < 255));
            at++, plus = minus = false;
        } else if (c == '+' || c == '-') {
            minus = c == '-' ? !minus : minus;
            plus = true, at++;
        } else if (c == '"') {
            at = det_ptx_quoted(a->module, at);
        } else if (digit && place.bracket && plus) {
            bracket_offset(a, first, &at, minus);
            plus = minus = false;
        } else if (det_ptx_class[(unsigned char)c] & CH_IDENT) {
            DET_TRY(word(walk, &place, &at));
            plus = minus = false;
        } else {
            at++;
        }
    }
    a->insts[inst].n_refs = a->n_refs - first;
    return DET_OK;
}

static enum det_err walk_all(struct walk *walk)
{
    struct analysis *a = walk->a;
    for (size_t i = 0; i < a->stmts.n; i++) {
        const struct stmt *stmt = &a->stmts.at[i];
        switch (stmt->kind) {
        case STMT_OPEN:
            if (walk->depth + 1 >= 256) {
                a->broken = true;
                return DET_OK;
            }
            walk->scopes[++walk->depth] = ++walk->next_scope;
            break;
        case STMT_CLOSE:
            while (walk->n_locals && walk->locals[walk->n_locals - 1].depth >= walk->depth)
                walk->n_locals--;
            walk->depth--;
            break;
        case STMT_DIRECTIVE:
            if (det_ptx_is(a->module, stmt->op, stmt->op_len, ".reg"))
                DET_TRY(declare(walk, stmt));
            break;
        case STMT_OP: {
            const uint32_t inst = a->n_insts++;
            a->insts[inst] = (struct inst){ .stmt = (uint32_t)i, .guard = -1 };
            if (stmt->guard) {
                const uint32_t len = det_ptx_word(a->module, stmt->guard) - stmt->guard;
                a->insts[inst].guard = lookup(walk, stmt->guard, len);
                if (a->insts[inst].guard == -2)
                    return DET_E_NOMEM;
            }
            DET_TRY(operands_of(walk, inst));
            break;
        }
        default:
            break;
        }
    }
    return DET_OK;
}

enum det_err det_ptx_operands(struct analysis *a)
{
    a->insts = det_arena_take(&a->arena, (a->stmts.n + 1) * sizeof *a->insts);
    if (!a->insts)
        return DET_E_NOMEM;
    struct walk walk = { .a = a };
    enum det_err err = walk_all(&walk);
    if (err == DET_OK) {
        a->reg_names = det_arena_take(&a->arena, (a->n_regs + 1) * sizeof *a->reg_names);
        a->reg_lens = det_arena_take(&a->arena, (a->n_regs + 1) * sizeof *a->reg_lens);
        if (!a->reg_names || !a->reg_lens)
            err = DET_E_NOMEM;
    }
    for (size_t i = 0; err == DET_OK && i < walk.names.cap; i++) {
        const struct name *name = &walk.names.table[i];
        if (!name->len)
            continue;
        a->reg_names[name->reg] = a->module->text + name->at;
        a->reg_lens[name->reg] = (uint16_t)name->len;
    }
    free(walk.names.table);
    free(walk.locals);
    return err;
}

bool det_ptx_has(const struct analysis *a, uint32_t inst, const char *part)
{
    const struct stmt *stmt = stmt_of(a, inst);
    const char *at = a->module->text + stmt->op, *end = at + stmt->op_len;
    const size_t len = strlen(part);
    while ((at = memchr(at, '.', (size_t)(end - at))) != NULL) {
        at++;
        if ((size_t)(end - at) >= len && memcmp(at, part, len) == 0 &&
            (at + len == end || at[len] == '.'))
            return true;
    }
    return false;
}

const struct ref *det_ptx_slot(const struct analysis *a, uint32_t inst, unsigned slot)
{
    for (uint32_t i = 0; i < a->insts[inst].n_refs; i++)
        if (a->refs[a->insts[inst].ref + i].slot == slot)
            return &a->refs[a->insts[inst].ref + i];
    return NULL;
}

enum space det_ptx_space(const struct analysis *a, uint32_t inst)
{
    static const struct {
        const char *part;
        enum space space;
    } spaces[] = { { "global", SPACE_GLOBAL }, { "shared", SPACE_SHARED },
        { "shared::cta", SPACE_SHARED }, { "shared::cluster", SPACE_SHARED },
        { "local", SPACE_LOCAL }, { "const", SPACE_CONST }, { "param", SPACE_PARAM },
        { "param::entry", SPACE_PARAM }, { "param::func", SPACE_PARAM } };
    for (size_t i = 0; i < sizeof spaces / sizeof *spaces; i++)
        if (det_ptx_has(a, inst, spaces[i].part))
            return spaces[i].space;
    return SPACE_GENERIC;
}

bool det_ptx_ref_is(const struct analysis *a, const struct ref *ref, const char *text)
{
    return det_ptx_is(a->module, ref->at, ref->len, text);
}
