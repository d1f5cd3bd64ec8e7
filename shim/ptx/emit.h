/* PTX text for one exact add: what the rewriter puts where a float atomic stood. Depends on the accumulator's layout only. */
#ifndef DET_PTX_EMIT_H
#define DET_PTX_EMIT_H

#include "shim/ptx/ptx.h"

struct det_ptx_add {
    enum det_ptx_type type;
    unsigned
        n_lanes; /* scalar adds issued, at consecutive addresses: vector elements, twice that when packed */
    bool packed; /* every two lanes share one 32-bit operand (f16x2, bf16x2), lower half first */
    const char *
        address; /* text inside the brackets: "%rd4", "%rd4+8", or a symbol, "counts+4"; 64-bit addressing */
    bool generic; /* address is generic: emitted code converts it; it is proven global */
    const char *const *
        addend; /* operand texts, one per lane (per two lanes when packed): registers or immediates */
    bool negate; /* sub */
    bool check;  /* keep an ordinary sum beside it: struct det_acc_check (global targets only) */
    const char *table; /* 64-bit register holding the address of struct det_acc_head */
    const char *count; /* 64-bit register that counts adds of this thread; NULL: not counted */
    const char *
        original; /* the statements as they stood, each with ';', without guard; written once. Run for zero, Inf,
                                  NaN and a failed insert. NULL, or several lanes: a red of our own for that lane */
    const char *guard;        /* "@%p1" / "@!%p1" or NULL */
    unsigned serial;          /* unique number for labels inside this function */
    unsigned version, target; /* of the module, e.g. 88, 90; nothing newer is emitted */
};
/** Append the replacement: one braced scope with registers and labels of its own (all named det_…), entered at its top, left at
 *  its end. A window hit of an f32 executes 40 instructions (a further lane of a vector 31), one of them an atomic; nobody waits.
 *  DET_E_UNSUPPORTED below PTX 6.0 or sm_60, or when n_lanes is 0, odd for packed, or over 16. */
enum det_err det_ptx_emit_add(struct det_bytes *out, const struct det_ptx_add *add);
/** One access of at most 16 aligned bytes that must not meet a pending sum. */
struct det_ptx_probe {
    const char *address; /* as in struct det_ptx_add */
    bool generic;        /* an address that is not global finds nothing */
    const char *table, *guard;
    unsigned types; /* bit per enum det_ptx_type that the kernel adds */
    unsigned serial;
};
/** Append a look into the table, before the access: a block of it that holds a pending sum is counted in `pending`. */
enum det_err det_ptx_emit_probe(struct det_bytes *out, const struct det_ptx_probe *probe);
/** What a thread runs once before it leaves a kernel whose adds carried `count`: hands its count to the table. */
enum det_err det_ptx_emit_count(struct det_bytes *out, const char *table, const char *count);

/** Exact sums of an array in shared memory: every element gets a shadow of 64-bit words (one two's-complement integer, wide
 *  enough for any sum of 2^42 adds; f16 2^23 more) and a touched bit. Added to between barriers, folded into the array after one.
 *  Operands are 32-bit: registers, immediates, or (addresses) names of shared variables. */
struct det_ptx_shadow {
    enum det_ptx_type type;
    const char *array;   /* shared address of the first element */
    const char *n_elems; /* elements of the array */
    const char *shadow;  /* shared address of det_ptx_shadow_bytes bytes, 8-byte aligned */
};
/** f32, bf16: 40 bytes an element, f16: 16, f64: 272; and one bit. */
size_t det_ptx_shadow_bytes(enum det_ptx_type type, size_t n_elems);
/** Once per module and type, before the first function that folds: the function the fold calls. Its name starts with det_. */
enum det_err det_ptx_emit_shadow_function(struct det_bytes *out, enum det_ptx_type type);
/** At the kernel's entry, by all threads of the block: zero the shadow, then a barrier. */
enum det_err det_ptx_emit_shadow_clear(
    struct det_bytes *out, const struct det_ptx_shadow *shadow, unsigned serial);
/** Like det_ptx_emit_add, for a target in shared memory, one lane, not packed. `add->address` is a shared address (`bits` 32
 *  or 64 wide) or, with add->generic, a generic one; one outside the array runs the original and counts as overflow. */
enum det_err det_ptx_emit_add_shared(struct det_bytes *out, const struct det_ptx_add *add,
    unsigned bits, const struct det_ptx_shadow *shadow);
/** Right after a barrier that all threads of the block reach, before any thread reads the array: round every touched element
 *  once, clear its shadow, then a barrier. */
enum det_err det_ptx_emit_shadow_fold(
    struct det_bytes *out, const struct det_ptx_shadow *shadow, unsigned serial);

#endif
