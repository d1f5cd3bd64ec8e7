/* Looks into the table before accesses that only their pointers keep apart from the targets: another tensor of an arena, or
 * p + 256k into the target itself. */
#include "shim/ptx/edit.h"
#include "shim/ptx/emit.h"

#include <stdio.h>

/* Element types that the kernel adds to global memory, a bit each. */
static unsigned added_types(const struct analysis *a)
{
    unsigned types = 0;
    for (uint32_t i = 0; i < a->n_accesses; i++)
        if (a->accesses[i].kind == ACC_ADD &&
            (a->accesses[i].hazard == HAZARD_FLOAT_ADD || a->accesses[i].hazard == HAZARD_CAS_ADD))
            types |= 1u << a->accesses[i].type;
    return types;
}

/* A look into the table before an access that only its pointer keeps apart from the targets. */
enum det_err det_ptx_rewrite_probe(struct rewrite *rw, const struct access *access)
{
    struct analysis *a = rw->a;
    const struct ref *address = NULL;
    for (uint32_t r = 0; r < a->insts[access->inst].n_refs && !address; r++)
        if (a->refs[a->insts[access->inst].ref + r].role == ROLE_ADDR)
            address = &a->refs[a->insts[access->inst].ref + r];
    if (!address)
        return DET_E_UNSUPPORTED;
    char where[200], guard[80];
    struct det_bytes out = { 0 };
    det_ptx_address_text(rw, address, where, sizeof where);
    det_ptx_guard_text(a, access->inst, guard, sizeof guard);
    const struct det_ptx_probe probe = { .address = where,
        .generic = access->space == SPACE_GENERIC,
        .table = "%detshim_table",
        .guard = *guard ? guard : NULL,
        .types = added_types(a),
        .serial = rw->serial++ };
    const enum det_err err = det_ptx_emit_probe(&out, &probe);
    const uint32_t at = stmt_of(a, access->inst)->at;
    if (err == DET_OK)
        det_edits_add(&rw->edits, at, at, out.data);
    det_bytes_free(&out);
    return err;
}
