/* PTX: parse, classify, rewrite, print. Bytes in, bytes out: no CUDA, no environment, no globals.
 * The parser keeps the source text; what is not changed is printed back byte for byte. What it does not know it keeps
 * as opaque and says so: a kernel with opaque statements that could touch memory is never called ordered.
 * Rules: design section 6.2-6.3, notes/exact-accumulation.md section 5. */
#ifndef DET_PTX_PTX_H
#define DET_PTX_PTX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "detshim/classes.h"
#include "detshim/err.h"
#include "shim/core/bytes.h"

struct det_ptx_module;

/** Where parsing stopped: 1-based line and a short text. */
struct det_ptx_where {
    unsigned line;
    char text[120];
};

/** `text` is copied. On failure *out is NULL and *where (may be NULL) says why. */
enum det_err det_ptx_parse(
    const char *text, size_t n_bytes, struct det_ptx_module **out, struct det_ptx_where *where);
void det_ptx_free(struct det_ptx_module *module);
/** The module's text; equal to the input byte for byte. */
enum det_err det_ptx_print(const struct det_ptx_module *module, struct det_bytes *out);

/** From `.version 8.8` and `.target sm_90a`: 88, 90, 'a'. */
unsigned det_ptx_version(const struct det_ptx_module *module);
unsigned det_ptx_target(const struct det_ptx_module *module, char *suffix);

enum det_ptx_type { DET_PTX_F32, DET_PTX_F64, DET_PTX_F16, DET_PTX_BF16, DET_PTX_OTHER };

/** One order-dependent or possibly order-dependent operation of a kernel, its direct callees included. */
struct det_ptx_site {
    unsigned line;      /* of the source text */
    const char *opcode; /* "atom.global.add.f32", or "cas-loop add.f32" for a recognised loop */
    const char *
        hazard; /* slug, one per row of the hazard table: "float-add", "result-used", "read-of-target", … */
    enum det_ptx_type type; /* element type for adds */
    unsigned n_lanes;       /* 1; 2 for f16x2; 2, 4, 8 for vectors */
    bool shared;            /* target in shared memory */
    bool rewritten;         /* a twin replaces it */
    const char *reason;     /* why it is not, "" otherwise */
};

/** The verdict over one kernel. ORDERED: holds nothing order-dependent. EXACT: every hazard of it is removed by its twin.
 *  UNCOVERED: reason says which. UNKNOWN: opaque code. */
struct det_ptx_kernel {
    const char *name;
    enum det_class cls;
    const char *reason; /* one line, "" for ordered and exact */
    const struct det_ptx_site *sites;
    size_t n_sites;
    size_t n_params,
        param_bytes; /* of the original; param_bytes is the end of the last parameter */
    const uint32_t *param_offsets, *param_sizes; /* n_params each, bytes */
    size_t shared_bytes;                         /* static shared memory of the original */
    size_t n_instructions;
    bool cooperative; /* reads the grid-sync environment registers */
};
size_t det_ptx_n_kernels(const struct det_ptx_module *module);
/** Classified at parse time; valid while the module lives. */
const struct det_ptx_kernel *det_ptx_kernel(const struct det_ptx_module *module, size_t i);
const struct det_ptx_kernel *det_ptx_kernel_named(
    const struct det_ptx_module *module, const char *name);

/** How a kernel of the twin differs from its original at launch. */
struct det_ptx_twin_kernel {
    const char *name; /* same name as the original */
    size_t
        table_offset; /* byte offset of the extra trailing 8-byte parameter: address of a struct det_acc_head */
    size_t
        shared_extra; /* more dynamic shared memory than the original asked for, bytes; 0 if none */
    bool
        shared_extra_scales; /* true: shared_extra is per dynamic byte of the launch as well (ratio in shared_ratio) */
    unsigned shared_ratio;
    uint64_t
        target_params; /* bit i: pointer parameter i may be the root of a rewritten add (bit 63: unknown root) */
    uint64_t
        guard_params; /* bit i: pointer parameter i is read or written and must not overlap a target at launch
                               * (bit 63: there are more than bits can say; see guard_offsets) */
    /* The same, and pointers inside struct parameters too: byte offsets of 8-byte addresses in the parameter block. */
    uint32_t *target_offsets, *guard_offsets;
    size_t n_target_offsets, n_guard_offsets;
    bool
        target_variables; /* adds into variables of the module (twin.variables): none of the guards may overlap those */
    bool
        missing; /* the text has no such kernel: left out on request, or a form that cannot be rewritten */
    bool guard_variables; /* reads or writes variables of the module: no target may overlap those */
};
struct det_ptx_twin {
    struct det_bytes
        text; /* PTX of a module that holds only the rewritten kernels and what they need */
    struct det_ptx_twin_kernel *kernels;
    size_t n_kernels;
    /** Module variables that the twin must address in the *original* module: the launcher stores their addresses in
     *  det_acc_head.vars[i]. Provably read-only data (initialised .const that no host can write) stays in the twin. */
    const char **variables;
    size_t n_variables;
    /* .const variables the twin holds a copy of: whenever the host may have written the original's (it asked for the symbol's
     * address), the launcher copies the contents before a launch. Initial values are the original's. */
    const char **const_variables;
    size_t n_const_variables;
};
struct det_ptx_twin_options {
    bool identity; /* rewrite nothing, but keep the extra parameter: the reference twin */
    bool check;    /* adds keep ordinary sums beside the exact ones, for the fold to compare */
    bool guard;    /* accesses that must not meet a target look into the table first */
    bool keep_name_suffix; /* name kernels NAME$detshim (for the ptxas step) */
    /* Leave out the text of kernels (n_kernels of the twin, its order) that the compiler refused; NULL: none. What the twin
     * says about kernels and variables stays the same, so indices and slots made before remain right. */
    const bool *without;
    bool
        beside; /* the kernels only: to stand behind the original's text, whose head, variables and functions they use */
};
/** Twin of all kernels classified EXACT (of all, for identity). DET_E_NOT_FOUND when there is none. */
enum det_err det_ptx_make_twin(const struct det_ptx_module *module,
    const struct det_ptx_twin_options *options, struct det_ptx_twin *out);
void det_ptx_twin_free(struct det_ptx_twin *twin);

#endif
