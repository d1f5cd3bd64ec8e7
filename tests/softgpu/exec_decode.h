/* Inside the decoder: one raw instruction becomes one counted instruction, with uncounted helpers before (special registers,
 * negated predicates, width changes of sources) and after it (width changes of results). */
#ifndef SOFTGPU_EXEC_DECODE_H
#define SOFTGPU_EXEC_DECODE_H

#include "tests/softgpu/exec_ops.h"

struct exec_decoder {
    struct sg_module *module;
    struct exec_code *code;
    struct ptx_function *function;
    const struct ptx_raw *raw;
    unsigned *reg_unit;      /* register -> first 128-byte unit */
    unsigned base_units;     /* units of registers and CC.CF */
    unsigned temp, temp_max; /* units above base_units used by this instruction, at most */
    struct ins post[8];
    unsigned n_post;
    unsigned *raw_pc;
    /* modifiers of the current instruction */
    uint32_t flags;
    enum ptx_type type[4];
    unsigned n_types, n_vec;
    enum ptx_space space;
    bool has_space, to;
    int cmp, boolean, atomic, mode; /* -1 when absent */
    struct {
        unsigned at, raw;
    } * branch;
    unsigned n_branches, cap_branches;
};

void decode_words(struct exec_decoder *d);
const char *decode_op(const struct exec_decoder *d, char copy[32]);
bool decode_has(const struct exec_decoder *d, const char *word);
struct ins decode_new(const struct exec_decoder *d);
unsigned decode_emit(struct exec_decoder *d, struct ins ins);
struct ins_more *decode_more(struct exec_decoder *d, struct ins *ins);
/** Lower operand into source k / the result; false when it cannot be. */
bool decode_source(struct exec_decoder *d, struct ins *ins, unsigned k, const struct ptx_operand *o,
    enum ptx_type type);
bool decode_result(
    struct exec_decoder *d, struct ins *ins, const struct ptx_operand *o, enum ptx_type type);
bool decode_element(struct exec_decoder *d, struct ins *ins, unsigned side, unsigned k,
    const struct ptx_operand *o, enum ptx_type type);
void decode_constant(
    struct exec_decoder *d, struct ins *ins, unsigned k, uint64_t value, enum ptx_type type);
bool decode_pair(struct exec_decoder *d, struct ins *ins, const struct ptx_operand *o);
uint64_t decode_immediate(const struct ptx_operand *o, enum ptx_type type);
void decode_branch_to(struct exec_decoder *d, unsigned at, unsigned raw);
int decode_label(const struct exec_decoder *d, const char *name, unsigned n);
const struct ptx_label *decode_find_label(
    const struct exec_decoder *d, const char *name, unsigned n);

static inline const struct ptx_operand *decode_operand(const struct exec_decoder *d, unsigned k)
{
    static const struct ptx_operand none = { .reg_pair = -1 };
    return k < d->raw->n_operands ? &d->raw->operand[k] : &none;
}
static inline bool decode_is_float(enum ptx_type t)
{
    return t == PT_F32 || t == PT_F64 || t == PT_F32X2;
}
static inline bool decode_is_half(enum ptx_type t)
{
    return t == PT_F16 || t == PT_BF16 || t == PT_F16X2 || t == PT_BF16X2;
}
static inline bool decode_is_signed(enum ptx_type t)
{
    return t >= PT_S8 && t <= PT_S64;
}
enum ptx_type decode_bits(enum ptx_type type); /* .b of the same width */

/* Families; each emits and answers true, or false when the instruction is not supported. */
bool decode_arith(struct exec_decoder *d, const char *op);
bool decode_compare(struct exec_decoder *d, const char *op);
bool decode_convert(struct exec_decoder *d, const char *op);
bool decode_move(struct exec_decoder *d, const char *op);
bool decode_memory(struct exec_decoder *d, const char *op);
bool decode_atomic(struct exec_decoder *d, const char *op);
bool decode_warp(struct exec_decoder *d, const char *op);
bool decode_flow(struct exec_decoder *d, const char *op);
bool decode_async(struct exec_decoder *d, const char *op);

#endif
