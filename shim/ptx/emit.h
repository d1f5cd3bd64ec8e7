/* PTX text for one exact add: what the rewriter puts where a float atomic stood. Depends on the accumulator's layout only. */
#ifndef DET_PTX_EMIT_H
#define DET_PTX_EMIT_H

#include "shim/ptx/ptx.h"

struct det_ptx_add {
    enum det_ptx_type type;
    unsigned n_lanes;         /* scalar adds issued: vector elements, or 2 for packed f16x2 / bf16x2 */
    bool packed;              /* lanes share one 32-bit operand (f16x2, bf16x2) */
    const char *address;      /* register or symbol+offset text inside the brackets, e.g. "%rd4+8" */
    bool generic;             /* address is generic: emitted code may convert it; it is proven global */
    const char *const *addend; /* operand texts, one per lane (one in all when packed): registers or immediates */
    bool negate;              /* sub */
    const char *table;        /* 64-bit register holding the address of struct det_acc_head */
    const char *count;        /* 64-bit register that counts adds of this thread; NULL: not counted */
    const char *original;     /* the instruction as it stood, with ';', without guard: run for zero, Inf, NaN, failed insert */
    const char *guard;        /* "@%p1" / "@!%p1" or NULL */
    unsigned serial;          /* unique number for labels inside this function */
    unsigned version, target; /* emit nothing newer */
};
/** Append the replacement: one braced scope, own registers and labels, no fall-through surprises. */
enum det_err det_ptx_emit_add(struct det_bytes *out, const struct det_ptx_add *add);

#endif
