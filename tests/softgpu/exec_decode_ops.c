/* Decoding of arithmetic, comparison, conversion and moves. */
#include <stdio.h>
#include "tests/softgpu/exec_decode.h"

static bool op_is(const char *op, const char *name)
{
    return strcmp(op, name) == 0;
}

/* --- arithmetic --- */
static bool carry_chain(struct exec_decoder *d, const char *op)
{
    const bool carry_in = op_is(op, "addc") || op_is(op, "subc") || op_is(op, "madc");
    const bool mad = op_is(op, "mad") || op_is(op, "madc");
    const enum ptx_type t = d->type[0];
    if (decode_is_float(t) || decode_is_half(t) || !(carry_in || d->flags & IF_CC))
        return false;
    if (!mad && !op_is(op, "add") && !op_is(op, "addc") && !op_is(op, "sub") && !op_is(op, "subc"))
        return false;
    struct ins i = decode_new(d);
    i.fn = exec_find_int(mad ? "carry.mad" : "carry", t);
    i.flags |= carry_in ? IF_CARRY_IN : 0;
    i.sub = op[0] == 's';
    i.at[4] = (intptr_t)d->function->cc_reg * UNIT;
    for (unsigned k = 1; k <= (mad ? 3u : 2u); k++)
        if (!decode_source(d, &i, k, decode_operand(d, k), t))
            return false;
    if (!i.fn || !decode_result(d, &i, decode_operand(d, 0), t))
        return false;
    decode_emit(d, i);
    return true;
}

/* add.f32.bf16 and kin (sm_100): the narrow sources are widened first. */
static bool widen_half(struct exec_decoder *d, struct ins *i, unsigned k,
    const struct ptx_operand *o, enum ptx_type half)
{
    struct ins cvt = { .kind = IK_PLAIN,
        .guard = -1,
        .fn = exec_find_cvt(PT_F32, half, 0, 1),
        .type = PT_F32,
        .type2 = (uint8_t)half };
    const unsigned at = d->temp++;
    if (d->temp > d->temp_max)
        d->temp_max = d->temp;
    if (!decode_source(d, &cvt, 1, o, half))
        return false;
    cvt.at[0] = i->at[k] = (intptr_t)(d->base_units + at) * UNIT;
    i->base[k] = 0;
    decode_emit(d, cvt);
    return true;
}

static bool float_arith(struct exec_decoder *d, const char *op)
{
    const enum ptx_type t = d->type[0];
    char key[48];
    snprintf(key, sizeof key, "%s", op);
    if (op_is(op, "testp"))
        snprintf(key, sizeof key, "testp.%.*s", (int)d->raw->word[1].n, d->raw->word[1].at);
    struct ins i = decode_new(d);
    if (decode_is_half(t)) {
        if (!exec_set_half(&i, key, t))
            return false;
    } else if (!exec_set_float(&i, key, t, d->flags)) {
        return false;
    }
    const bool minmax = op_is(op, "min") || op_is(op, "max");
    if (minmax && d->raw->n_operands == 4 && t == PT_F32)
        i.n_vec = 3;
    const bool mixed = d->n_types == 2 && t == PT_F32 && decode_is_half(d->type[1]);
    for (unsigned k = 1; k <= i.n_vec; k++) {
        const struct ptx_operand *o = decode_operand(d, k);
        const bool narrow = mixed && (op_is(op, "fma") ? k <= 2 : k == 1);
        if (!(narrow ? widen_half(d, &i, k, o, d->type[1]) : decode_source(d, &i, k, o, t)))
            return false;
    }
    const unsigned n = d->raw->n_operands;
    if (n != i.n_vec + 1u ||
        !decode_result(d, &i, decode_operand(d, 0), op_is(op, "testp") ? PT_PRED : t))
        return false;
    decode_emit(d, i);
    return true;
}

/* Source and result types that differ from the instruction's. */
struct shape {
    const char *op;
    unsigned n;
    enum ptx_type result, source[4]; /* PT_NONE: the instruction's type */
    bool bits;                       /* looked up by width only */
};
static const struct shape shapes[] = { { "add", 2, 0, { 0 }, false }, { "sub", 2, 0, { 0 }, false },
    { "mul", 2, 0, { 0 }, false }, { "mad", 3, 0, { 0 }, false }, { "mul24", 2, 0, { 0 }, false },
    { "mad24", 3, 0, { 0 }, false }, { "div", 2, 0, { 0 }, false }, { "rem", 2, 0, { 0 }, false },
    { "min", 2, 0, { 0 }, false }, { "max", 2, 0, { 0 }, false }, { "neg", 1, 0, { 0 }, false },
    { "abs", 1, 0, { 0 }, false }, { "sad", 3, 0, { 0 }, false }, { "and", 2, 0, { 0 }, true },
    { "or", 2, 0, { 0 }, true }, { "xor", 2, 0, { 0 }, true }, { "not", 1, 0, { 0 }, true },
    { "cnot", 1, 0, { 0 }, true }, { "shl", 2, 0, { 0, PT_U32 }, true },
    { "shr", 2, 0, { 0, PT_U32 }, false }, { "shf", 3, 0, { 0, 0, PT_U32 }, true },
    { "bfe", 3, 0, { 0, PT_U32, PT_U32 }, false }, { "bfi", 4, 0, { 0, 0, PT_U32, PT_U32 }, true },
    { "popc", 1, PT_U32, { 0 }, true }, { "clz", 1, PT_U32, { 0 }, true },
    { "bfind", 1, PT_U32, { 0 }, false }, { "brev", 1, 0, { 0 }, true },
    { "prmt", 3, 0, { 0 }, true }, { "selp", 3, 0, { 0, 0, PT_PRED }, true },
    { "fns", 3, 0, { 0, PT_U32, PT_S32 }, true }, { "bmsk", 2, 0, { 0 }, true },
    { "szext", 2, 0, { 0, PT_U32 }, false }, { "lop3", 3, 0, { 0 }, true },
    { "dp4a", 3, PT_S32, { PT_U32, PT_U32, PT_S32 }, false },
    { "dp2a", 3, PT_S32, { PT_U32, PT_U32, PT_S32 }, false } };

static const struct shape *shape_of(const char *op)
{
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++)
        if (op_is(op, shapes[k].op))
            return &shapes[k];
    return NULL;
}

static void integer_key(const struct exec_decoder *d, const char *op, enum ptx_type t, char key[48])
{
    const bool multiplies =
        op_is(op, "mul") || op_is(op, "mad") || op_is(op, "mul24") || op_is(op, "mad24");
    const char *half = !multiplies          ? ""
                       : d->flags & IF_WIDE ? ".wide"
                       : d->flags & IF_HI   ? ".hi"
                                            : ".lo";
    const bool minmax = op_is(op, "min") || op_is(op, "max");
    const char *tail = d->flags & IF_SAT && t == PT_S32 ? ".sat"
                       : d->flags & IF_RELU && minmax   ? ".relu"
                                                        : "";
    snprintf(key, 48, "%s%s%s", op, half, tail);
}

static void extra(struct exec_decoder *d, struct ins *i, const char *op)
{
    static const char *const modes[] = { "", "f4e", "b4e", "rc8", "ecl", "ecr", "rc16" };
    if (op_is(op, "lop3"))
        i->imm = decode_operand(d, 4)->imm;
    if (op_is(op, "dp4a") || op_is(op, "dp2a"))
        i->imm = (unsigned)decode_is_signed(d->type[0]) |
                 (unsigned)decode_is_signed(d->type[1]) << 1 | (d->flags & IF_HI ? 4u : 0u);
    if (op_is(op, "prmt"))
        for (unsigned m = 1; m < 7; m++)
            if (decode_has(d, modes[m]))
                i->sub = (uint8_t)m;
}

static bool simd_arith(struct exec_decoder *d, const char *op)
{
    struct ins i = decode_new(d);
    if (!exec_set_simd(&i, op) || d->raw->n_operands < 3)
        return false;
    i.imm |= (uint64_t)decode_is_signed(d->type[0]) << 8 |
             (uint64_t)decode_is_signed(d->type[1]) << 9 |
             (uint64_t)decode_is_signed(d->type[2]) << 10 | (uint64_t)(d->atomic == ATOM_ADD) << 11;
    for (unsigned k = 1; k <= 2; k++)
        if (!decode_source(d, &i, k, decode_operand(d, k), PT_B32))
            return false;
    if (d->raw->n_operands < 4)
        decode_constant(d, &i, 3, 0, PT_B32);
    else if (!decode_source(d, &i, 3, decode_operand(d, 3), PT_B32))
        return false;
    if (!decode_result(d, &i, decode_operand(d, 0), PT_B32))
        return false;
    decode_emit(d, i);
    return true;
}

bool decode_arith(struct exec_decoder *d, const char *op)
{
    const enum ptx_type t = d->type[0];
    if (carry_chain(d, op) || simd_arith(d, op))
        return true;
    const bool moves = op_is(op, "selp") || op_is(op, "slct");
    if ((decode_is_float(t) || decode_is_half(t)) && !moves)
        return float_arith(d, op);
    const struct shape *s = shape_of(op);
    if (!s || t == PT_NONE || ptx_type_bytes(t) > 8)
        return false;
    char key[48];
    integer_key(d, op, t, key);
    struct ins i = decode_new(d);
    i.fn = exec_find_bits(key, s->bits ? decode_bits(t) : t);
    if (!i.fn)
        i.fn = exec_find_int(key, t);
    extra(d, &i, op);
    const bool wide = d->flags & IF_WIDE && (op_is(op, "mul") || op_is(op, "mad"));
    const enum ptx_type twice = !wide                 ? t
                                : t == PT_U16         ? PT_U32
                                : t == PT_S16         ? PT_S32
                                : decode_is_signed(t) ? PT_S64
                                                      : PT_U64;
    for (unsigned k = 1; k <= s->n; k++) {
        enum ptx_type st = s->source[k - 1] ? s->source[k - 1] : t;
        if (k == 3 && wide)
            st = twice;
        if (!decode_source(d, &i, k, decode_operand(d, k), st))
            return false;
    }
    const struct ptx_operand *result = decode_operand(d, 0);
    if (!i.fn || !decode_result(d, &i, result, s->result ? s->result : twice))
        return false;
    decode_emit(d, i);
    return true;
}

/* --- setp, set, slct --- */
static bool half_pair_compare(struct exec_decoder *d, bool set)
{
    const enum ptx_type t = set ? d->type[1] : d->type[0];
    struct ins i = decode_new(d);
    if (!exec_set_half(&i, "cmp", t))
        return false;
    i.type = (uint8_t)t;
    const unsigned form = !set ? 0 : d->type[0] == PT_F16X2 ? 1 : d->type[0] == PT_BF16X2 ? 2 : 3;
    i.imm = (unsigned)d->cmp | form << 8 | (d->boolean > 0 ? (unsigned)d->boolean << 12 : 0);
    if (!decode_source(d, &i, 1, decode_operand(d, 1), t) ||
        !decode_source(d, &i, 2, decode_operand(d, 2), t))
        return false;
    if (d->boolean > 0 && !decode_source(d, &i, 3, decode_operand(d, 3), PT_PRED))
        return false;
    decode_pair(d, &i, decode_operand(d, 0));
    if (!decode_result(d, &i, decode_operand(d, 0), set ? d->type[0] : PT_PRED))
        return false;
    decode_emit(d, i);
    return true;
}

static uint64_t true_value(enum ptx_type to)
{
    return to == PT_F32 ? 0x3f800000 : to == PT_F16 ? 0x3c00 : to == PT_BF16 ? 0x3f80 : 0xffffffff;
}

static bool slct(struct exec_decoder *d)
{
    const enum ptx_type t = d->type[0], by = d->type[1];
    struct ins i = decode_new(d);
    i.fn = exec_find_bits(by == PT_F32 ? "slct.f32" : "slct.s32", decode_bits(t));
    if (!i.fn || (by != PT_F32 && by != PT_S32))
        return false;
    if (!decode_source(d, &i, 1, decode_operand(d, 1), t) ||
        !decode_source(d, &i, 2, decode_operand(d, 2), t) ||
        !decode_source(d, &i, 3, decode_operand(d, 3), by) ||
        !decode_result(d, &i, decode_operand(d, 0), t))
        return false;
    decode_emit(d, i);
    return true;
}

bool decode_compare(struct exec_decoder *d, const char *op)
{
    if (op_is(op, "slct"))
        return slct(d);
    const bool set = op_is(op, "set");
    if (!set && !op_is(op, "setp"))
        return false;
    const enum ptx_type t = set ? d->type[1] : d->type[0];
    if (t == PT_F16X2 || t == PT_BF16X2)
        return half_pair_compare(d, set);
    struct ins i = decode_new(d);
    i.fn = decode_is_float(t) || decode_is_half(t) ? exec_find_float_cmp(d->cmp, t, d->flags)
                                                   : exec_find_int_cmp(d->cmp, t);
    i.type = (uint8_t)t;
    i.type2 = (uint8_t)d->cmp;
    i.imm = set ? true_value(d->type[0]) : 0;
    if (!i.fn || !decode_source(d, &i, 1, decode_operand(d, 1), t) ||
        !decode_source(d, &i, 2, decode_operand(d, 2), t))
        return false;
    const struct ptx_operand *result = decode_operand(d, 0);
    if (d->boolean > 0) {
        i.sub = (uint8_t)d->boolean;
        if (!decode_source(d, &i, 3, decode_operand(d, 3), PT_PRED))
            return false;
    } else if (result->reg_pair >= 0) {
        i.sub = 4;
        decode_constant(d, &i, 3, 1, PT_B32);
    }
    decode_pair(d, &i, result);
    if (!decode_result(d, &i, result, set ? d->type[0] : PT_PRED))
        return false;
    decode_emit(d, i);
    return true;
}

/* --- cvt --- */
bool decode_convert(struct exec_decoder *d, const char *op)
{
    if (!op_is(op, "cvt") || d->raw->n_operands < 2)
        return false;
    const unsigned n = d->raw->n_operands - 1;
    struct ins i = decode_new(d);
    i.fn = exec_find_cvt(d->type[0], d->type[1], d->flags, n);
    if (!i.fn)
        return false;
    for (unsigned k = 1; k <= n; k++)
        if (!decode_source(d, &i, k, decode_operand(d, k), d->type[1]))
            return false;
    if (!decode_result(d, &i, decode_operand(d, 0), d->type[0]))
        return false;
    decode_emit(d, i);
    return true;
}

/* --- mov, cvta, isspacep --- */
static enum ptx_type part_type(size_t bytes)
{
    return bytes == 1 ? PT_B8 : bytes == 2 ? PT_B16 : bytes == 4 ? PT_B32 : PT_B64;
}

/* b128 registers are two 64-bit ones: a copy moves both. */
static bool move_128(struct exec_decoder *d)
{
    const struct ptx_operand *to = decode_operand(d, 0), *from = decode_operand(d, 1);
    struct ins i = decode_new(d);
    i.fn = exec_find_bits("mov", PT_B64);
    for (unsigned half = 0; half < 2; half++) {
        const intptr_t up = (intptr_t)half * 2 * UNIT;
        struct ins move = i;
        if (to->kind == PO_LIST) {
            if (to->n != 2 || from->kind != PO_REG ||
                !decode_result(d, &move, &to->list[half], PT_B64) ||
                !decode_source(d, &move, 1, from, PT_B128))
                return false;
            move.at[1] += up;
        } else if (from->kind == PO_LIST) {
            if (from->n != 2 || !decode_result(d, &move, to, PT_B128) ||
                !decode_source(d, &move, 1, &from->list[half], PT_B64))
                return false;
            move.at[0] += up;
        } else {
            if (!decode_result(d, &move, to, PT_B128) || !decode_source(d, &move, 1, from, PT_B128))
                return false;
            move.at[0] += up;
            move.at[1] += up;
        }
        move.lanes_count = half == 0;
        decode_emit(d, move);
    }
    return true;
}

bool decode_move(struct exec_decoder *d, const char *op)
{
    const struct ptx_operand *to = decode_operand(d, 0), *from = decode_operand(d, 1);
    const enum ptx_type t = d->type[0];
    struct ins i = decode_new(d);
    i.bytes = (uint8_t)ptx_type_bytes(t);
    if (op_is(op, "mov")) {
        if (t == PT_B128)
            return move_128(d);
        i.fn = exec_find_bits("mov", decode_bits(t));
        if (to->kind == PO_LIST || from->kind == PO_LIST) {
            const struct ptx_operand *list = to->kind == PO_LIST ? to : from;
            const bool unpack = to->kind == PO_LIST;
            const enum ptx_type part = list->n ? part_type(i.bytes / list->n) : PT_NONE;
            i.fn = unpack ? exec_unpack : exec_pack;
            i.n_vec = (uint8_t)list->n;
            if (list->n == 0 || list->n > 8)
                return false;
            for (unsigned k = 0; k < list->n; k++)
                if (!decode_element(d, &i, unpack ? 0 : 1, k, &list->list[k], part))
                    return false;
            if (!(unpack ? decode_source(d, &i, 1, from, t) : decode_result(d, &i, to, t)))
                return false;
            decode_emit(d, i);
            return true;
        }
    } else if (op_is(op, "cvta") || op_is(op, "isspacep")) {
        const bool test = op_is(op, "isspacep");
        i.fn = test ? exec_is_space : d->to ? exec_from_generic : exec_to_generic;
        const enum ptx_type address = test ? PT_B64 : t;
        i.bytes = (uint8_t)ptx_type_bytes(address);
        if (!decode_source(d, &i, 1, from, address) ||
            !decode_result(d, &i, to, test ? PT_PRED : t))
            return false;
        decode_emit(d, i);
        return true;
    } else {
        return false;
    }
    if (!i.fn || !decode_source(d, &i, 1, from, t) || !decode_result(d, &i, to, t))
        return false;
    decode_emit(d, i);
    return true;
}
