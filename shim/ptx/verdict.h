/* What is found out about one function while kernels are classified. */
#ifndef DET_PTX_VERDICT_H
#define DET_PTX_VERDICT_H

#include "shim/ptx/analysis.h"

struct verdict {
    struct det_ptx_site *sites; /* heap; `line` holds a text position until the end */
    size_t n_sites, cap_sites;
    const char *stays, *opaque; /* first reason of each kind, NULL when none */
    uint32_t stays_at, opaque_at;
    bool rewrites, cooperative, reads, writes, adds;
    bool exits, variables; /* of called functions: `exit`, names a variable that a host may write */
};

/* Float adds a twin would replace, and which other roots must stay clear of their targets. */
struct targets {
    uint32_t *insts;
    uint32_t n;
    uint32_t *first; /* per block: its first add, UINT32_MAX none */
    bool *block_in;
    uint64_t roots, guards; /* bits of analysis->roots */
};

/** Note a hazard at an instruction; `as` may be NULL. */
enum det_err det_ptx_site(struct verdict *v, const struct analysis *a, uint32_t inst,
    enum hazard hazard, const struct access *as);
/** Can this instruction follow one of the float adds? */
bool det_ptx_after_add(const struct analysis *a, const struct targets *t, uint32_t inst);
enum det_err det_ptx_judge(struct verdict *v, struct analysis *a, struct targets *t);
/** Index of the function a call names, -1 when it cannot be told. */
int det_ptx_callee(const struct analysis *a, uint32_t inst, bool *indirect);
/** ticket.c: is this integer atomic the counter by which the last block finds out that it is the last? */
bool det_ptx_is_ticket(struct analysis *a, uint32_t inst);
/** rewrite.c: does the emitter know this form? */
bool det_ptx_can_emit(const struct det_ptx_module *module, const struct access *access);

#endif
