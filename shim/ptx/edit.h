/* Text edits against the module's copy of the source: what is not edited is printed byte for byte. */
#ifndef DET_PTX_EDIT_H
#define DET_PTX_EDIT_H

#include "shim/ptx/analysis.h"

struct edit {
    uint32_t at, end; /* replaced range; empty to insert */
    uint32_t order;   /* among edits at one place */
    char *text;       /* heap */
};
struct edits {
    struct edit *at;
    size_t n, cap;
    bool failed;
};
/** Takes a copy of `text`. */
void det_edits_add(struct edits *edits, uint32_t at, uint32_t end, const char *text);
/** Sort; drop what lies inside a larger replacement. */
void det_edits_settle(struct edits *edits);
/** Append [from, to) of the source with the edits inside it (settled, or in order of position). */
void det_edits_apply(const struct edits *edits, const char *source, uint32_t from, uint32_t to,
    struct det_bytes *out);
void det_edits_free(struct edits *edits);

/** Edits that make a rewritten kernel of an analysed entry (rewrite.c). */
struct rewrite {
    struct analysis *a;
    const struct det_ptx_twin_options *options;
    struct edits edits;
    const uint32_t *
        variable_slot; /* per module variable: index into det_acc_head.vars + 1, 0 when it is copied */
    uint32_t serial;
    unsigned shadow_types; /* out: types that need a fold function, one bit each */
};
enum det_err det_ptx_rewrite(struct rewrite *rw);
/** Text of an address operand in the twin, and of an instruction's predicate ("@%p1" or ""). */
void det_ptx_address_text(const struct rewrite *rw, const struct ref *ref, char *out, size_t cap);
void det_ptx_guard_text(const struct analysis *a, uint32_t inst, char *out, size_t cap);
/** rewrite_probe.c: a look into the table before an access that only its pointer keeps apart from the targets. */
enum det_err det_ptx_rewrite_probe(struct rewrite *rw, const struct access *access);

#endif
