/* From raw PTX instructions to code: layout of registers and shared memory, operands, labels, one pass per function. */
#include <stdio.h>
#include <stdlib.h>
#include "tests/softgpu/exec_decode.h"

struct exec_pool {
    struct exec_pool *next;
    uint64_t value;
    unsigned bytes;
    uint32_t lanes[2 * LANES] __attribute__((aligned(64)));
};
enum { POOL_BUCKETS = 509 };

static intptr_t pool_constant(struct exec_decoder *d, uint64_t value, unsigned bytes)
{
    if (!d->code->pool)
        d->code->pool = ptx_alloc(d->module, POOL_BUCKETS * sizeof(struct exec_pool));
    struct exec_pool *head = &d->code->pool[(value ^ value >> 32 ^ bytes) % POOL_BUCKETS];
    for (struct exec_pool *p = head->next; p; p = p->next)
        if (p->value == value && p->bytes == bytes)
            return (intptr_t)p->lanes;
    struct exec_pool *p = ptx_alloc(d->module, sizeof *p);
    p->value = value;
    p->bytes = bytes;
    for (unsigned l = 0; l < LANES; l++) {
        if (bytes == 8)
            memcpy(&p->lanes[2 * l], &value, 8);
        else
            p->lanes[l] = (uint32_t)value;
    }
    p->next = head->next;
    head->next = p;
    return (intptr_t)p->lanes;
}

static unsigned units_of(enum ptx_type type)
{
    const size_t bytes = ptx_type_bytes(type);
    return bytes <= 4 ? 1 : bytes == 8 ? 2 : 4;
}

enum ptx_type decode_bits(enum ptx_type type)
{
    if (type == PT_PRED)
        return PT_PRED;
    const size_t bytes = ptx_type_bytes(type);
    return bytes <= 2 ? PT_B16 : bytes == 4 ? PT_B32 : bytes == 8 ? PT_B64 : PT_B128;
}

struct ins decode_new(const struct exec_decoder *d)
{
    struct ins ins = { .kind = IK_PLAIN, .guard = -1, .lanes_count = 1 };
    ins.flags = d->flags;
    ins.type = (uint8_t)d->type[0];
    ins.type2 = (uint8_t)d->type[1];
    ins.space = (uint8_t)d->space;
    if (d->raw->guard >= 0) {
        ins.guard = (intptr_t)d->reg_unit[d->raw->guard] * UNIT;
        ins.guard_negated = d->raw->guard_negated;
    }
    return ins;
}

static struct ins helper(struct exec_decoder *d, ins_fn fn)
{
    struct ins ins = { .kind = IK_PLAIN, .guard = -1, .fn = fn };
    (void)d;
    return ins;
}

static unsigned append(struct exec_decoder *d, struct ins ins)
{
    struct exec_code *c = d->code;
    if (c->n == c->cap) {
        c->cap = c->cap ? c->cap * 2 : 1024;
        struct ins *grown = realloc(c->ins, c->cap * sizeof *grown);
        if (!grown) {
            fputs("softgpu: out of memory\n", stderr);
            abort();
        }
        c->ins = grown;
    }
    c->ins[c->n] = ins;
    return c->n++;
}

/* The instruction, then what its results still need. */
unsigned decode_emit(struct exec_decoder *d, struct ins ins)
{
    const unsigned at = append(d, ins);
    for (unsigned k = 0; k < d->n_post; k++) {
        d->post[k].guard = ins.guard;
        d->post[k].guard_negated = ins.guard_negated;
        append(d, d->post[k]);
    }
    d->n_post = 0;
    return at;
}

struct ins_more *decode_more(struct exec_decoder *d, struct ins *ins)
{
    if (!ins->more) {
        ins->more = ptx_alloc(d->module, sizeof *ins->more);
        ins->more->pair = -1;
    }
    ins->more->text = d->raw->text;
    ins->more->text_len = d->raw->text_len;
    ins->more->line = d->raw->line;
    return ins->more;
}

static intptr_t new_temp(struct exec_decoder *d, unsigned units)
{
    const intptr_t at = (intptr_t)(d->base_units + d->temp) * UNIT;
    d->temp += units;
    if (d->temp > d->temp_max)
        d->temp_max = d->temp;
    return at;
}

void decode_constant(
    struct exec_decoder *d, struct ins *ins, unsigned k, uint64_t value, enum ptx_type type)
{
    const unsigned bytes = ptx_type_bytes(type) == 8 ? 8 : 4;
    ins->base[k] = 1;
    ins->at[k] = pool_constant(d, bytes == 8 ? value : (uint32_t)value, bytes);
}

uint64_t decode_immediate(const struct ptx_operand *o, enum ptx_type type)
{
    if (o->imm_kind == PI_F64 && ptx_type_bytes(type) == 4) {
        double x;
        memcpy(&x, &o->imm, 8);
        const float f = (float)x;
        uint32_t u;
        memcpy(&u, &f, 4);
        return u;
    }
    if (o->imm_kind == PI_F32 && type == PT_F64) {
        float f;
        const uint32_t u = (uint32_t)o->imm;
        memcpy(&f, &u, 4);
        const double x = f;
        uint64_t v;
        memcpy(&v, &x, 8);
        return v;
    }
    if (type == PT_PRED)
        return o->imm != 0;
    return ptx_type_bytes(type) == 2 ? o->imm & 0xffff : o->imm;
}

static void special_to_temp(struct exec_decoder *d, struct ins *ins, unsigned k, unsigned special,
    uint64_t add, enum ptx_type type)
{
    struct ins get = helper(d, exec_special);
    get.sub = (uint8_t)special;
    get.bytes = ptx_type_bytes(type) == 8 ? 8 : 4;
    get.imm = add;
    get.at[0] = new_temp(d, get.bytes / 4);
    append(d, get);
    ins->base[k] = 0;
    ins->at[k] = get.at[0];
}

static void symbol_source(struct exec_decoder *d, struct ins *ins, unsigned k,
    const struct ptx_operand *o, enum ptx_type type)
{
    const struct ptx_symbol *s = o->symbol;
    if (s->dynamic)
        special_to_temp(d, ins, k, SR_DYNAMIC_SHARED, o->imm, type);
    else if (s->space == PS_LOCAL && !d->function->entry)
        special_to_temp(d, ins, k, SR_FRAME, s->at + o->imm, type);
    else if (s->space == PS_SHARED && s->owner)
        decode_constant(d, ins, k, s->owner->shared_base + s->at + o->imm, type);
    else if (s->space == PS_FUNCTION)
        decode_constant(d, ins, k, FUNCTION_WINDOW + s->function->index * 16ull, type);
    else
        decode_constant(d, ins, k, s->at + o->imm, type);
}

/* A source register of another width than the instruction reads. */
static void convert_source(
    struct exec_decoder *d, struct ins *ins, unsigned k, unsigned reg, enum ptx_type type)
{
    const bool cut = ptx_type_bytes(d->function->reg_type[reg]) == 8;
    const enum ptx_type from = d->function->reg_type[reg];
    const bool is_signed = decode_is_signed(type);
    struct ins fit = helper(d, NULL);
    if (cut)
        fit.fn = exec_find_bits("narrow", PT_B64);
    else if (ptx_type_bytes(from) == 2)
        fit.fn = exec_find_bits("widen", is_signed ? PT_S16 : PT_U16);
    else
        fit.fn = exec_find_bits("widen", is_signed ? PT_S32 : PT_U32);
    fit.at[1] = (intptr_t)d->reg_unit[reg] * UNIT;
    fit.at[0] = new_temp(d, cut ? 1 : 2);
    append(d, fit);
    ins->base[k] = 0;
    ins->at[k] = fit.at[0];
}

bool decode_source(struct exec_decoder *d, struct ins *ins, unsigned k, const struct ptx_operand *o,
    enum ptx_type type)
{
    switch (o->kind) {
    case PO_REG:
        if (units_of(d->function->reg_type[o->reg]) != units_of(type)) {
            if (ptx_type_bytes(d->function->reg_type[o->reg]) == 16 || ptx_type_bytes(type) == 16)
                return false;
            convert_source(d, ins, k, o->reg, type);
            return true;
        }
        ins->base[k] = 0;
        ins->at[k] = (intptr_t)d->reg_unit[o->reg] * UNIT;
        if (o->negated) {
            struct ins not = helper(d, exec_find_bits("not", PT_PRED));
            not .at[1] = ins->at[k];
            not .at[0] = ins->at[k] = new_temp(d, 1);
            append(d, not );
        }
        return true;
    case PO_IMM:
        decode_constant(d, ins, k, decode_immediate(o, type), type);
        return true;
    case PO_SYMBOL:
        symbol_source(d, ins, k, o, type);
        return true;
    case PO_SPECIAL:
        special_to_temp(d, ins, k, o->special, 0, type);
        return true;
    default:
        return false;
    }
}

bool decode_result(
    struct exec_decoder *d, struct ins *ins, const struct ptx_operand *o, enum ptx_type type)
{
    const unsigned need = units_of(type);
    ins->base[0] = 0;
    if (o->kind == PO_SINK) {
        ins->at[0] = new_temp(d, need);
        return true;
    }
    if (o->kind != PO_REG)
        return false;
    const intptr_t home = (intptr_t)d->reg_unit[o->reg] * UNIT;
    const unsigned have = units_of(d->function->reg_type[o->reg]);
    if (have == need) {
        ins->at[0] = home;
        return true;
    }
    if (have == 4 || need == 4 || d->n_post == 8)
        return false;
    struct ins fit =
        helper(d, have < need ? exec_find_bits("narrow", PT_B64)
                              : exec_find_bits("widen", decode_is_signed(type) ? PT_S32 : PT_U32));
    fit.at[0] = home;
    fit.at[1] = ins->at[0] = new_temp(d, need);
    d->post[d->n_post++] = fit;
    return true;
}

/* One register of a vector: side 0 results, side 1 sources. */
bool decode_element(struct exec_decoder *d, struct ins *ins, unsigned side, unsigned k,
    const struct ptx_operand *o, enum ptx_type type)
{
    struct ins one = *ins;
    if (k >= 8 ||
        !(side == 0 ? decode_result(d, &one, o, type) : decode_source(d, &one, 1, o, type)))
        return false;
    struct ins_more *more = decode_more(d, ins);
    more->vec[side][k] = one.at[side];
    more->vec_base[side][k] = one.base[side];
    return true;
}

bool decode_pair(struct exec_decoder *d, struct ins *ins, const struct ptx_operand *o)
{
    if (o->reg_pair >= 0)
        decode_more(d, ins)->pair = (intptr_t)d->reg_unit[o->reg_pair] * UNIT;
    return true;
}

/* --- labels --- */
const struct ptx_label *decode_find_label(
    const struct exec_decoder *d, const char *name, unsigned n)
{
    const struct ptx_function *f = d->function;
    for (unsigned scope = d->raw->scope;; scope = f->scope_parent[scope]) {
        for (unsigned k = 0; k < f->n_labels; k++)
            if (f->label[k].scope == scope && f->label[k].name.n == n &&
                memcmp(f->label[k].name.at, name, n) == 0)
                return &f->label[k];
        if (scope == 0)
            return NULL;
    }
}

void decode_branch_to(struct exec_decoder *d, unsigned at, unsigned raw)
{
    if (d->n_branches == d->cap_branches) {
        d->cap_branches = d->cap_branches ? d->cap_branches * 2 : 64;
        void *grown = realloc(d->branch, d->cap_branches * sizeof *d->branch);
        if (!grown)
            abort();
        d->branch = grown;
    }
    d->branch[d->n_branches].at = at;
    d->branch[d->n_branches++].raw = raw;
}

/* --- one instruction --- */
static void decode_bad(struct exec_decoder *d)
{
    struct ins bad = decode_new(d);
    bad.kind = IK_BAD;
    decode_more(d, &bad);
    d->n_post = 0;
    append(d, bad);
}

static void decode_one(struct exec_decoder *d)
{
    static bool (*const families[])(struct exec_decoder *, const char *) = { decode_arith,
        decode_compare, decode_convert, decode_move, decode_memory, decode_atomic, decode_warp,
        decode_flow, decode_async };
    const unsigned start = d->code->n;
    char op[32];
    decode_op(d, op);
    decode_words(d);
    for (unsigned k = 0; k < sizeof families / sizeof *families; k++) {
        d->temp = 0;
        d->n_post = 0;
        if (families[k](d, op))
            return;
        d->code->n = start; /* drop helpers of the failed attempt */
    }
    decode_bad(d);
}

static void layout_registers(struct exec_decoder *d)
{
    struct ptx_function *f = d->function;
    unsigned at = 0;
    for (unsigned r = 0; r < f->n_regs; r++) {
        d->reg_unit[r] = at;
        at += units_of(f->reg_type[r]);
    }
    f->cc_reg = at;
    d->base_units = at + 1;
}

static void resolve_branches(struct exec_decoder *d)
{
    for (unsigned k = 0; k < d->n_branches; k++) {
        struct ins *i = &d->code->ins[d->branch[k].at];
        if (i->kind == IK_BRANCH_TABLE)
            for (unsigned t = 0; t < i->more->n_targets; t++)
                i->more->targets[t] = d->raw_pc[i->more->targets[t]];
        else
            i->target = d->raw_pc[d->branch[k].raw];
    }
}

static void decode_function(struct exec_decoder *d, struct ptx_function *f)
{
    d->function = f;
    d->reg_unit = f->reg_unit = ptx_alloc(d->module, (f->n_regs + 1) * sizeof *d->reg_unit);
    d->raw_pc = calloc(f->n_raw + 1, sizeof *d->raw_pc);
    if (!d->raw_pc)
        abort();
    d->n_branches = d->temp_max = 0;
    layout_registers(d);
    f->first_pc = d->code->n;
    for (unsigned r = 0; r < f->n_raw; r++) {
        d->raw = &f->raw[r];
        d->raw_pc[r] = d->code->n;
        decode_one(d);
    }
    d->raw_pc[f->n_raw] = d->code->n;
    struct ins end = { .kind = f->entry ? IK_EXIT : IK_RETURN, .guard = -1 };
    append(d, end);
    resolve_branches(d);
    f->n_units = d->base_units + d->temp_max;
    free(d->raw_pc);
}

/* --- shared memory of an entry: what it and its callees name, then its own variables --- */
static size_t module_shared_end(struct ptx_function *f)
{
    size_t end = 0;
    if (f->visited)
        return 0;
    f->visited = true;
    for (unsigned k = 0; k < f->n_uses; k++) {
        const struct ptx_symbol *s = f->uses[k];
        size_t here = 0;
        if (s->space == PS_FUNCTION)
            here = module_shared_end(s->function);
        else if (!s->owner && !s->dynamic)
            here = s->at + s->bytes;
        end = here > end ? here : end;
    }
    return end;
}

static void layout_shared(struct sg_module *m)
{
    for (struct ptx_function *f = m->functions; f; f = f->next) {
        if (!f->entry)
            continue;
        for (struct ptx_function *g = m->functions; g; g = g->next)
            g->visited = false;
        f->shared_base = (module_shared_end(f) + 127) / 128 * 128;
        f->static_shared =
            f->shared_bytes ? f->shared_base + f->shared_bytes : module_shared_end(f);
        if (!f->shared_bytes) {
            for (struct ptx_function *g = m->functions; g; g = g->next)
                g->visited = false;
            f->static_shared = module_shared_end(f);
        }
    }
}

bool exec_decode_module(struct sg_module *m, char *error, size_t error_cap)
{
    struct exec_code *code = calloc(1, sizeof *code);
    if (!code) {
        snprintf(error, error_cap, "out of memory");
        return false;
    }
    m->code = code;
    struct exec_decoder d = { .module = m, .code = code };
    code->n_functions = m->n_functions;
    code->by_index = ptx_alloc(m, (m->n_functions + 1) * sizeof(struct ptx_function *));
    layout_shared(m);
    for (struct ptx_function *f = m->functions; f; f = f->next) {
        code->by_index[f->index] = f;
        m->n_kernels += f->entry && f->defined;
        if (f->defined)
            decode_function(&d, f);
    }
    free(d.branch);
    m->kernels = ptx_alloc(m, (m->n_kernels + 1) * sizeof *m->kernels);
    size_t k = 0;
    for (struct ptx_function *f = m->functions; f; f = f->next)
        if (f->entry && f->defined)
            m->kernels[k++] = (struct sg_kernel){ m, f };
    return true;
}

void exec_free_code(struct sg_module *m)
{
    struct exec_code *code = m->code;
    if (code)
        free(code->ins);
    free(code);
    m->code = NULL;
}
