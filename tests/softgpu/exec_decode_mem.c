/* Decoding of loads, stores, atomics, warp operations, branches, calls and barriers. */
#include "tests/softgpu/exec_decode.h"

static bool op_is(const char *op, const char *name)
{
    return strcmp(op, name) == 0;
}

/* Source k becomes the address base, imm the offset. The space of a symbol wins over `.param`: parameters of functions and of
 * calls live in local memory. */
static bool address(struct exec_decoder *d, struct ins *i, unsigned k, const struct ptx_operand *o)
{
    if (o->kind != PO_ADDRESS)
        return false;
    i->imm = o->imm;
    if (i->space == PS_PARAM && !d->function->entry)
        i->space = PS_LOCAL;
    if (!o->has_base) {
        i->flags |= IF_WIDE_BASE;
        decode_constant(d, i, k, 0, PT_B64);
        return true;
    }
    struct ptx_operand base = { .kind = PO_REG, .reg = o->reg, .reg_pair = -1 };
    if (o->base_is_symbol) {
        base.kind = PO_SYMBOL;
        base.symbol = o->symbol;
        base.imm = o->imm;
        i->imm = 0;
        if (i->space == PS_GENERIC || i->space == PS_PARAM)
            i->space = (uint8_t)o->symbol->space;
        i->flags |= IF_WIDE_BASE;
        return decode_source(d, i, k, &base, PT_B64);
    }
    const bool wide = ptx_type_bytes(d->function->reg_type[o->reg]) == 8;
    i->flags |= wide ? IF_WIDE_BASE : 0;
    return decode_source(d, i, k, &base, wide ? PT_B64 : PT_B32);
}

/* Results (side 0) or sources (side 1) of a vector; a single one is a vector of one. */
static bool elements(struct exec_decoder *d, struct ins *i, unsigned side,
    const struct ptx_operand *o, enum ptx_type t)
{
    const unsigned n = o->kind == PO_LIST ? o->n : 1;
    i->n_vec = (uint8_t)n;
    if (n == 0 || n > 8 || (d->n_vec > 0 && n != d->n_vec))
        return false;
    if (n == 1)
        o = o->kind == PO_LIST ? &o->list[0] : o;
    if (n == 1)
        return side == 0 ? decode_result(d, i, o, t) : decode_source(d, i, 2, o, t);
    for (unsigned k = 0; k < n; k++)
        if (!decode_element(d, i, side, k, &o->list[k], t))
            return false;
    return true;
}

/* .b128 as a vector of two .b64. */
static bool split_128(
    struct exec_decoder *d, struct ins *i, unsigned side, const struct ptx_operand *o)
{
    struct ins one = *i;
    if (!(side == 0 ? decode_result(d, &one, o, PT_B128) : decode_source(d, &one, 1, o, PT_B128)))
        return false;
    struct ins_more *more = decode_more(d, i);
    for (unsigned k = 0; k < 2; k++) {
        more->vec[side][k] = one.at[side] + (intptr_t)k * 2 * UNIT;
        more->vec_base[side][k] = one.base[side];
    }
    i->n_vec = 2;
    i->bytes = 8;
    i->type = PT_B64;
    return true;
}

static bool no_op(struct exec_decoder *d, enum ins_kind kind)
{
    struct ins i = decode_new(d);
    i.kind = (uint8_t)kind;
    decode_emit(d, i);
    return true;
}

bool decode_memory(struct exec_decoder *d, const char *op)
{
    if (op_is(op, "prefetch") || op_is(op, "prefetchu") || op_is(op, "applypriority") ||
        op_is(op, "discard"))
        return no_op(d, IK_NOP);
    const bool load = op_is(op, "ld") || op_is(op, "ldu"), store = op_is(op, "st");
    if ((!load && !store) || decode_has(d, "async"))
        return false;
    struct ins i = decode_new(d);
    const enum ptx_type t = d->type[0];
    i.fn = load ? exec_load : exec_store;
    i.bytes = (uint8_t)ptx_type_bytes(t);
    decode_more(d, &i);
    if (!address(d, &i, 1, decode_operand(d, store ? 0 : 1)))
        return false;
    const struct ptx_operand *value = decode_operand(d, store ? 1 : 0);
    if (!(t == PT_B128 && value->kind != PO_LIST ? split_128(d, &i, store, value)
                                                 : elements(d, &i, store, value, t)))
        return false;
    decode_emit(d, i);
    return true;
}

bool decode_atomic(struct exec_decoder *d, const char *op)
{
    const bool red = op_is(op, "red");
    if ((!red && !op_is(op, "atom")) || d->atomic < 0 || decode_has(d, "async"))
        return false;
    struct ins i = decode_new(d);
    const enum ptx_type t = d->type[0];
    const unsigned first = red ? 0 : 1;
    i.fn = exec_atomic;
    i.sub = (uint8_t)d->atomic;
    i.bytes = (uint8_t)ptx_type_bytes(t);
    decode_more(d, &i);
    if (red)
        i.flags |= IF_NO_RESULT;
    if (i.bytes < 2 || !address(d, &i, 1, decode_operand(d, first)))
        return false;
    const struct ptx_operand *value = decode_operand(d, first + 1), *to = decode_operand(d, 0);
    if (t == PT_B128) {
        if (d->atomic != ATOM_CAS && d->atomic != ATOM_EXCH)
            return false;
        i.type = PT_B128; /* value halves in vec[1][0..1], compare or swap in vec[1][2..3] */
        struct ins other = i;
        if (!split_128(d, &i, 1, value) || (!red && !split_128(d, &i, 0, to)))
            return false;
        if (d->atomic == ATOM_CAS) {
            if (!decode_source(d, &other, 1, decode_operand(d, first + 2), PT_B128))
                return false;
            for (unsigned k = 0; k < 2; k++) {
                i.more->vec[1][2 + k] = other.at[1] + (intptr_t)k * 2 * UNIT;
                i.more->vec_base[1][2 + k] = other.base[1];
            }
        }
        i.type = PT_B128;
        i.bytes = 16;
        decode_emit(d, i);
        return true;
    }
    if (!elements(d, &i, 1, value, t))
        return false;
    if (!red && !elements(d, &i, 0, to, t))
        return false;
    if (d->atomic == ATOM_CAS && !decode_source(d, &i, 3, decode_operand(d, first + 2), t))
        return false;
    decode_emit(d, i);
    return true;
}

/* --- warp --- */
bool decode_warp(struct exec_decoder *d, const char *op)
{
    static const struct {
        const char *op;
        ins_fn fn;
        unsigned n; /* sources before the mask */
        bool pred;
    } rows[] = { { "shfl", exec_shuffle, 3, false }, { "vote", exec_vote, 1, true },
        { "match", exec_match, 1, false }, { "redux", exec_redux, 1, false },
        { "elect", exec_elect, 0, true } };
    struct ins i = decode_new(d);
    decode_more(d, &i);
    i.kind = IK_SYNC;
    i.sub = (uint8_t)(op_is(op, "redux") ? d->atomic : d->mode);
    if (op_is(op, "activemask")) {
        i.kind = IK_PLAIN;
        i.fn = exec_active_mask;
        if (!decode_result(d, &i, decode_operand(d, 0), PT_B32))
            return false;
        decode_emit(d, i);
        return true;
    }
    if (op_is(op, "bar") && decode_has(d, "warp")) {
        i.fn = exec_warp_barrier;
        if (!decode_source(d, &i, 4, decode_operand(d, 0), PT_B32))
            return false;
        decode_emit(d, i);
        return true;
    }
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        if (!op_is(op, rows[k].op))
            continue;
        const enum ptx_type t = rows[k].pred ? PT_PRED : d->type[0];
        i.fn = rows[k].fn;
        for (unsigned s = 1; s <= rows[k].n; s++)
            if (!decode_source(d, &i, s, decode_operand(d, s), s == 1 ? t : PT_B32))
                return false;
        const bool has_mask = d->raw->n_operands > rows[k].n + 1;
        if (has_mask && !decode_source(d, &i, 4, decode_operand(d, rows[k].n + 1), PT_B32))
            return false;
        if (!has_mask)
            decode_constant(d, &i, 4, ALL_LANES, PT_B32);
        decode_pair(d, &i, decode_operand(d, 0));
        const enum ptx_type result = op_is(op, "vote") && d->mode != MODE_BALLOT ? PT_PRED
                                     : op_is(op, "vote") || op_is(op, "match") || op_is(op, "elect")
                                         ? PT_B32
                                         : t;
        if (!decode_result(d, &i, decode_operand(d, 0), result))
            return false;
        decode_emit(d, i);
        return true;
    }
    return false;
}

/* --- flow --- */
static bool branch(struct exec_decoder *d)
{
    const struct ptx_operand *o = decode_operand(d, 0);
    struct ins i = decode_new(d);
    i.kind = IK_BRANCH;
    const struct ptx_label *l = o->kind == PO_NAME || o->kind == PO_SYMBOL
                                    ? decode_find_label(d, o->name, o->name_len)
                                    : NULL;
    if (!l)
        return false;
    decode_branch_to(d, decode_emit(d, i), l->at);
    return true;
}

static bool branch_table(struct exec_decoder *d)
{
    const struct ptx_operand *table = decode_operand(d, 1);
    struct ins i = decode_new(d);
    i.kind = IK_BRANCH_TABLE;
    if (table->kind != PO_NAME || !decode_source(d, &i, 1, decode_operand(d, 0), PT_U32))
        return false;
    const struct ptx_label *l = decode_find_label(d, table->name, table->name_len);
    if (!l || l->n_targets == 0)
        return false;
    struct ins_more *more = decode_more(d, &i);
    more->targets = ptx_alloc(d->module, l->n_targets * sizeof *more->targets);
    more->n_targets = l->n_targets;
    for (unsigned k = 0; k < l->n_targets; k++) {
        const struct ptx_label *to = decode_find_label(d, l->targets[k].at, l->targets[k].n);
        if (!to)
            return false;
        more->targets[k] = to->at;
    }
    decode_branch_to(d, decode_emit(d, i), 0);
    return true;
}

static void call_target(struct exec_decoder *d, struct exec_call *call, const struct ptx_operand *o)
{
    static const struct {
        const char *name;
        int how;
    } built_in[] = { { "vprintf", CALL_PRINT }, { "__assertfail", CALL_ASSERT } };
    struct ptx_symbol *s = o->kind == PO_SYMBOL ? o->symbol : NULL;
    if (!s && o->kind == PO_NAME)
        s = ptx_module_find(d->module, o->name, o->name_len);
    call->how = CALL_UNKNOWN;
    if (s && s->space == PS_FUNCTION) {
        call->function = s->function;
        call->how = s->function->defined ? CALL_PTX : CALL_UNKNOWN;
        for (size_t k = 0; k < 2 && !s->function->defined; k++)
            if (strcmp(s->function->name, built_in[k].name) == 0)
                call->how = built_in[k].how;
    }
}

static bool call(struct exec_decoder *d)
{
    const struct ptx_raw *raw = d->raw;
    struct ins i = decode_new(d);
    struct exec_call *c = ptx_alloc(d->module, sizeof *c);
    decode_more(d, &i)->call = c;
    unsigned k = 0;
    if (raw->n_operands > 0 && raw->operand[0].kind == PO_LIST) {
        c->results = raw->operand[0].list;
        c->n_results = raw->operand[0].n;
        k = 1;
    }
    const struct ptx_operand *target = decode_operand(d, k++);
    if (k < raw->n_operands && raw->operand[k].kind == PO_LIST) {
        c->args = raw->operand[k].list;
        c->n_args = raw->operand[k].n;
    }
    if (c->n_args > 64 || c->n_results > 4)
        return false;
    call_target(d, c, target);
    if (target->kind == PO_REG) {
        c->how = CALL_INDIRECT;
        if (!decode_source(d, &i, 1, target, PT_B64))
            return false;
    }
    c->caller = d->function;
    for (unsigned a = 0; a < c->n_args;
         a++) /* registers and constants; symbols are copied from local memory */
        if (c->args[a].kind == PO_REG || c->args[a].kind == PO_IMM) {
            struct ins one = i;
            const enum ptx_type t =
                c->args[a].kind == PO_REG ? d->function->reg_type[c->args[a].reg] : PT_B64;
            if (!decode_source(d, &one, 2, &c->args[a], t))
                return false;
            c->arg_at[a] = one.at[2];
            c->arg_base[a] = one.base[2];
        }
    for (unsigned r = 0; r < c->n_results; r++)
        if (c->results[r].kind == PO_REG)
            c->result_at[r] = (intptr_t)d->reg_unit[c->results[r].reg] * UNIT;
    i.kind = IK_CALL;
    decode_emit(d, i);
    return true;
}

/* bar/barrier: sub is the mode; source 1 the barrier, 2 the thread count (imm 1 when given), 3 the predicate of .red. */
static bool barrier(struct exec_decoder *d)
{
    if (decode_has(d, "cluster"))
        return no_op(d, IK_YIELD); /* a cluster is one block here */
    struct ins i = decode_new(d);
    decode_more(d, &i);
    i.kind = IK_BARRIER;
    const bool red = decode_has(d, "red");
    i.sub = red ? MODE_RED : decode_has(d, "arrive") ? MODE_ARRIVE : MODE_SYNC;
    unsigned k = red ? 1 : 0;
    const unsigned last = d->raw->n_operands - (red ? 1 : 0);
    i.type2 = red ? (uint8_t)(decode_has(d, "popc") ? 0 : decode_has(d, "and") ? 1 : 2) : 0;
    if (k < last) {
        if (!decode_source(d, &i, 1, decode_operand(d, k++), PT_B32))
            return false;
    } else {
        decode_constant(d, &i, 1, 0, PT_B32);
    }
    i.imm = k < last;
    if (k < last && !decode_source(d, &i, 2, decode_operand(d, k), PT_B32))
        return false;
    if (red && (!decode_source(d, &i, 3, decode_operand(d, last), PT_PRED) ||
                   !decode_result(d, &i, decode_operand(d, 0), i.type2 == 0 ? PT_B32 : PT_PRED)))
        return false;
    decode_emit(d, i);
    return true;
}

bool decode_flow(struct exec_decoder *d, const char *op)
{
    static const struct {
        const char *op;
        enum ins_kind kind;
    } simple[] = { { "exit", IK_EXIT }, { "membar", IK_YIELD }, { "fence", IK_YIELD },
        { "nanosleep", IK_YIELD }, { "setmaxnreg", IK_NOP }, { "griddepcontrol", IK_NOP },
        { "pmevent", IK_NOP }, { "cbid", IK_NOP }, { "brkpt", IK_BAD }, { "trap", IK_BAD } };
    if (op_is(op, "bra"))
        return branch(d);
    if (op_is(op, "brx"))
        return branch_table(d);
    if (op_is(op, "call"))
        return call(d);
    if (op_is(op, "bar") || op_is(op, "barrier"))
        return barrier(d);
    if (op_is(op, "ret"))
        return no_op(d, d->function->entry ? IK_EXIT : IK_RETURN);
    for (size_t k = 0; k < sizeof simple / sizeof *simple; k++)
        if (op_is(op, simple[k].op)) {
            struct ins i = decode_new(d);
            i.kind = (uint8_t)simple[k].kind;
            i.sub = i.kind == IK_BAD; /* a trap, not an unknown instruction */
            decode_more(d, &i);
            decode_emit(d, i);
            return true;
        }
    return false;
}

/* --- cp.async and mbarrier --- */
static bool mbarrier(struct exec_decoder *d)
{
    static const struct {
        const char *word;
        enum mbarrier_op op;
    } words[] = { { "init", MB_INIT }, { "inval", MB_INVAL }, { "arrive", MB_ARRIVE },
        { "arrive_drop", MB_ARRIVE_DROP }, { "complete_tx", MB_COMPLETE }, { "test_wait", MB_WAIT },
        { "try_wait", MB_WAIT }, { "expect_tx", MB_EXPECT } };
    int sub = -1;
    for (size_t k = 0; k < sizeof words / sizeof *words; k++)
        if (decode_has(d, words[k].word))
            sub =
                sub == MB_ARRIVE && words[k].op == MB_EXPECT ? MB_ARRIVE_EXPECT : (int)words[k].op;
    if (sub == MB_WAIT && decode_has(d, "parity"))
        sub = MB_WAIT_PARITY;
    if (sub < 0)
        return false;
    struct ins i = decode_new(d);
    decode_more(d, &i);
    i.fn = exec_mbarrier;
    i.sub = (uint8_t)sub;
    unsigned k = decode_operand(d, 0)->kind == PO_ADDRESS ? 0 : 1;
    if (k == 0)
        i.flags |= IF_NO_RESULT;
    const enum ptx_type result = sub >= MB_WAIT ? PT_PRED : PT_B64;
    if (!address(d, &i, 1, decode_operand(d, k)) ||
        (k == 1 && !decode_result(d, &i, decode_operand(d, 0), result)))
        return false;
    const struct ptx_operand *value = decode_operand(d, k + 1);
    if (value->kind == PO_NONE)
        decode_constant(d, &i, 2, 1, PT_B32);
    else if (!decode_source(d, &i, 2, value, sub == MB_WAIT ? PT_B64 : PT_B32))
        return false;
    decode_emit(d, i);
    return true;
}

/* cp.async.mbarrier.arrive: the copies are done, so without .noinc its two effects cancel. */
static bool arrive_after_copies(struct exec_decoder *d)
{
    if (!decode_has(d, "noinc"))
        return no_op(d, IK_NOP);
    struct ins i = decode_new(d);
    decode_more(d, &i);
    i.fn = exec_mbarrier;
    i.sub = MB_ARRIVE;
    i.flags |= IF_NO_RESULT;
    if (!address(d, &i, 1, decode_operand(d, 0)))
        return false;
    decode_constant(d, &i, 2, 1, PT_B32);
    decode_emit(d, i);
    return true;
}

static bool copy_async(struct exec_decoder *d)
{
    struct ins i = decode_new(d);
    decode_more(d, &i);
    i.fn = exec_copy_async;
    struct ins from = i;
    const struct ptx_operand *size = decode_operand(d, 2), *real = decode_operand(d, 3);
    i.space = PS_SHARED;
    from.space = PS_GLOBAL;
    if (size->kind != PO_IMM || (size->imm != 4 && size->imm != 8 && size->imm != 16) ||
        !address(d, &i, 1, decode_operand(d, 0)) || !address(d, &from, 2, decode_operand(d, 1)))
        return false;
    i.bytes = (uint8_t)size->imm;
    i.at[2] = from.at[2];
    i.base[2] = from.base[2];
    i.n_vec = from.flags & IF_WIDE_BASE ? 8 : 4;
    i.more->vec[1][0] = (intptr_t)from.imm;
    if (real->kind == PO_NONE || decode_has(d, "L2::cache_hint"))
        decode_constant(d, &i, 3, i.bytes, PT_B32);
    else if (!decode_source(d, &i, 3, real, PT_B32))
        return false;
    decode_emit(d, i);
    return true;
}

/* A cluster is one block: mapa keeps the address, getctarank gives 0. */
static bool cluster_address(struct exec_decoder *d, bool rank)
{
    const enum ptx_type t = rank ? PT_B32 : decode_bits(d->type[0]);
    struct ins i = decode_new(d);
    i.fn = exec_find_bits("mov", t);
    if (rank)
        decode_constant(d, &i, 1, 0, PT_B32);
    else if (!decode_source(d, &i, 1, decode_operand(d, 1), t))
        return false;
    if (!i.fn || !decode_result(d, &i, decode_operand(d, 0), t))
        return false;
    decode_emit(d, i);
    return true;
}

bool decode_async(struct exec_decoder *d, const char *op)
{
    if (op_is(op, "mbarrier"))
        return mbarrier(d);
    if (op_is(op, "mapa") || op_is(op, "getctarank"))
        return cluster_address(d, op_is(op, "getctarank"));
    if (op_is(op, "createpolicy"))
        return no_op(d, IK_NOP);
    if (!op_is(op, "cp") || !decode_has(d, "async") || decode_has(d, "bulk"))
        return false;
    if (decode_has(d, "commit_group") || decode_has(d, "wait_group") || decode_has(d, "wait_all"))
        return no_op(d, IK_NOP); /* copies complete at once */
    return decode_has(d, "mbarrier") ? arrive_after_copies(d) : copy_async(d);
}
