/* One function, understood: registers, operands, basic blocks, liveness, where addresses come from, hazards.
 * Everything lives in one arena and is built, read and dropped; nothing here changes the module. */
#ifndef DET_PTX_ANALYSIS_H
#define DET_PTX_ANALYSIS_H

#include "shim/ptx/parts.h"

enum hazard {
#define DET_PTX_HAZARD(id, slug, row, action, sentence) HAZARD_##id,
#include "shim/ptx/hazards.def"
#undef DET_PTX_HAZARD
    N_HAZARDS
};
enum action { ACT_REWRITE, ACT_LEAVE, ACT_STAY, ACT_LAUNCH, ACT_OPAQUE };
struct hazard_row {
    const char *slug, *sentence;
    unsigned row;
    enum action action;
};
extern const struct hazard_row det_ptx_hazards[N_HAZARDS];

/* --- operands */
enum ref_kind { REF_REG, REF_SYMBOL, REF_IMM, REF_SPECIAL, REF_SINK };
enum ref_role { ROLE_USE, ROLE_DEF, ROLE_ADDR };
struct ref {
    uint32_t at; /* text */
    uint16_t len;
    uint8_t kind, role;
    uint8_t slot; /* top-level operand it belongs to, 0 first */
    uint8_t lane; /* position inside { , } */
    bool vector;
    int32_t reg;    /* register number for REF_REG */
    int64_t offset; /* ROLE_ADDR: the constant after '+' */
};
struct inst {
    uint32_t stmt; /* index into stmts */
    uint32_t ref, n_refs;
    int32_t guard; /* register, -1 none */
    uint32_t block;
};
struct block {
    uint32_t first, last;  /* instructions [first, last) */
    int32_t next, taken;   /* blocks: fall through, branch; -1 none */
    uint32_t many, n_many; /* brx targets in A->many */
};

/* --- where an address comes from: bits of a set */
#define ROOT_UNKNOWN 1u /* an address this analysis cannot follow */
#define ROOT_LOADED  2u /* read from memory */
#define ROOT_SHARED  4u
#define ROOT_LOCAL   8u
#define ROOT_CONST   16u
#define ROOT_BARRIER 32u /* the grid barrier's workspace, from %envreg */
#define ROOT_CLUSTER 64u /* perhaps another block's shared memory, from mapa; SHARED is set too */
#define ROOT_FIRST   7   /* bit of named root 0 */
#define ROOT_MAX     56
#define ROOTS_NAMED  (~(uint64_t)127)
struct root {
    bool variable;  /* else a parameter */
    uint32_t index; /* variable number, or byte offset in the parameter block */
    bool pointer;   /* seen as an address by itself */
};

/* --- memory operations */
enum access_kind { ACC_LOAD, ACC_STORE, ACC_ADD, ACC_ATOM };
struct access {
    uint32_t inst;
    uint8_t kind, hazard; /* enum hazard of adds and atoms */
    uint8_t space;
    bool after_add, proven, cas_read, dead, strong, cluster;
    bool guarded; /* apart from every target only while their pointers differ */
    uint64_t roots;
    int cas; /* index of the loop it belongs to, -1 none */
    /* adds */
    uint8_t type, n_lanes;
    bool packed, negate, negate_value;
    uint8_t array;  /* index into shared_plan.arrays */
    uint8_t vector; /* elements of a vector form, 1 otherwise */
};

/* --- a compare-and-swap loop */
struct cas_loop {
    uint32_t inst;        /* the cas */
    uint32_t first, last; /* blocks of the loop, in text order */
    uint32_t add;         /* instruction that adds; the twin's code goes before it */
    uint32_t branch;      /* back edge */
    int exit_block;
    int addend;  /* ref of X */
    int address; /* ref whose base register and offset name the element */
    enum hazard hazard;
    enum det_ptx_type type;
    uint8_t n_lanes;
    uint8_t extreme; /* minimum or maximum: bits of its operator, 0 when it cannot be told */
    bool packed, negate;
};

/* A shared or local variable declared inside the function. */
struct inner {
    uint32_t at, len;
    uint64_t roots;
};

/* --- shared memory */
struct shared_array {
    const char *name; /* not terminated */
    uint32_t len, n_elems;
    uint64_t n_bytes; /* 0: dynamic */
    bool used;        /* a float add goes there */
    uint8_t type;
};
struct shared_plan {
    struct shared_array *arrays;
    uint32_t n_arrays;
    uint64_t *reg_arrays; /* per register: arrays it may point into */
    uint64_t targets, static_bytes;
    uint32_t dynamic;          /* array that stands for dynamic shared memory */
    bool *is_add;              /* per instruction */
    uint32_t *folds;           /* barriers to be followed by a fold */
    uint32_t n_folds, offence; /* first access that may see a pending sum */
    bool usable;
};

struct analysis {
    struct arena arena;
    struct det_ptx_module *module;
    struct func *func;
    struct stmts stmts;
    struct inst *insts;
    uint32_t n_insts;
    struct ref *refs;
    uint32_t n_refs, cap_refs;
    uint32_t n_regs;
    const char **reg_names; /* not terminated: reg_lens */
    uint16_t *reg_lens;
    struct block *blocks;
    uint32_t n_blocks;
    uint32_t *many;
    uint32_t n_many;
    bool *needed; /* per register: some effect depends on it */
    uint32_t *def_at,
        *defs; /* instructions that write register r: defs[def_at[r] .. def_at[r + 1]) */
    uint32_t *use_at, *uses;
    uint64_t *reg_roots;
    struct inner *inner;
    uint32_t n_inner;
    struct root roots[ROOT_MAX];
    uint32_t n_roots;
    struct access *accesses;
    uint32_t n_accesses;
    struct cas_loop *loops;
    uint32_t n_loops;
    struct shared_plan shared;
    bool broken; /* duplicate labels and the like: treat as opaque */
};

/* operands.c */
enum det_err det_ptx_operands(struct analysis *a);
/* flow.c */
enum det_err det_ptx_flow(struct analysis *a);
enum det_err det_ptx_uses(struct analysis *a);
/** Marks what can follow the given instructions. */
enum det_err det_ptx_after(struct analysis *a, const uint32_t *insts, uint32_t n, bool *block_in);
/* roots.c */
enum det_err det_ptx_roots(struct analysis *a);
uint64_t det_ptx_address_roots(const struct analysis *a, const struct ref *ref);
/* cas.c */
enum det_err det_ptx_cas_loops(struct analysis *a);
/* shared.c: can the shared-memory adds be folded at barriers? Changes their hazard when so. */
enum det_err det_ptx_shared(struct analysis *a);
/** Arrays of shared memory an instruction's address may point into, all bits when it cannot be told. */
uint64_t det_ptx_shared_arrays(const struct analysis *a, uint32_t inst);
/** bar.sync 0 and its kin for the whole block? */
bool det_ptx_full_barrier(const struct analysis *a, uint32_t inst);
#define DET_PTX_SHARED_SLACK 16u /* more dynamic shared memory, for alignment */
/** Dynamic shared memory the twin needs per byte the original asked for, on top of that byte; 0: none. */
unsigned det_ptx_shared_ratio(const struct shared_plan *plan);
/* access.c */
enum det_err det_ptx_accesses(struct analysis *a);
/** All of the above; free with det_ptx_analysis_free. */
enum det_err det_ptx_analyse(
    struct det_ptx_module *module, struct func *func, struct analysis *out);
void det_ptx_analysis_free(struct analysis *a);

/* small helpers over statements */
static inline const struct stmt *stmt_of(const struct analysis *a, uint32_t inst)
{
    return &a->stmts.at[a->insts[inst].stmt];
}
/** Does the opcode hold this dotted part, e.g. "global"? */
bool det_ptx_has(const struct analysis *a, uint32_t inst, const char *part);
/** First reference of an operand slot, NULL when there is none. */
const struct ref *det_ptx_slot(const struct analysis *a, uint32_t inst, unsigned slot);
enum space det_ptx_space(const struct analysis *a, uint32_t inst);
bool det_ptx_ref_is(const struct analysis *a, const struct ref *ref, const char *text);

#endif
