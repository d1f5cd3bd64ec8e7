/* Between the files that write PTX for exact adds: one site being written, and the steps global and shared targets have in
 * common. In the texts, ~x is a register of the scope and name# a label of this site. */
#ifndef DET_PTX_EMIT_PARTS_H
#define DET_PTX_EMIT_PARTS_H

#include "replacements/accumulator.h"
#include "shim/ptx/emit.h"

struct det_emit_format {
    enum det_acc_type code;
    unsigned bits; /* of an element */
    unsigned fraction_bits;
    unsigned log2_bytes, element_mask, plane_bytes;
    unsigned block_bytes;
    unsigned
        base_at; /* offset of the window's base in the head; 0: no window, the planes hold everything */
    unsigned window;      /* binades of the window */
    unsigned step, magic; /* x / step == x * magic >> 32 for every x in the window */
};
extern const struct det_emit_format det_emit_formats[];

/* One scalar add being written. */
struct det_emit_site {
    struct det_bytes *out;
    const struct det_ptx_add *add;
    const struct det_emit_format *f;
    unsigned lane;
    bool shared; /* target in shared memory */
};

/** One line: printf, then ~ becomes the register prefix and # the site's label suffix. */
void det_emit_put(const struct det_emit_site *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void det_emit_label(const struct det_emit_site *s, const char *name);
/** Registers of the scope. */
void det_emit_registers(const struct det_emit_site *s);
/** Leave at once where the guard does not hold. */
void det_emit_guard(const struct det_emit_site *s);
/** b = bits of the addend, as an integer. */
void det_emit_bits(const struct det_emit_site *s);
/** Normal numbers become m * 2^s at `finite`; the others leave for `special`. */
void det_emit_split(const struct det_emit_site *s);
/** `special`: subnormals that count go back to `finite`; the others go to `skip`, which comes back to `finite` when `nan`:
 *  a NaN runs as it is and then goes in with m = 0. */
void det_emit_special(const struct det_emit_site *s);

#define put       det_emit_put
#define put_label det_emit_label
#endif
