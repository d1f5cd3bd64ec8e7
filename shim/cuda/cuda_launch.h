/* One kernel launch on its way to the driver: the program's own, or its twin and the fold behind it. */
#ifndef DET_CUDA_LAUNCH_H
#define DET_CUDA_LAUNCH_H

#include "shim/cuda/cuda_decide.h"
#include "shim/cuda/cuda_graph.h"
#include "shim/cuda/cuda_state.h"

enum { DET_MAX_LAUNCH_ATTR = 32 };

/** What the program asked for, the same for every entry point. */
struct det_launch {
    const void *function; /* CUfunction, or CUkernel in its place */
    unsigned grid[3], block[3], shared_bytes;
    CUstream stream; /* det_stream_normal */
    void **params, **extra;
    const CUlaunchConfig *config; /* of the Ex form, else NULL */
    bool cooperative;
    CUcontext context; /* of a graph's node; NULL: the stream's */
    /* filled by det_launch_try */
    struct det_ledger_row *row; /* where the original is counted if it is launched after all */
    uint64_t capture;           /* captured now: counted when the graph is launched */
    bool vendor;                /* code of a vendor library, or of a module we did not see */
};

/** Look the kernel up and launch its twin if it has one and may. True: done, *status is the answer for the program. False:
 *  the caller launches the original and then calls det_launch_count. */
bool det_launch_try(struct det_launch *launch, CUresult *status);
void det_launch_count(const struct det_launch *launch, CUresult status);
/** Row of a kernel that is started in a way we never rewrite; NULL when it cannot be known. *vendor, where asked for: as above. */
struct det_ledger_row *det_launch_row(
    const void *function, CUstream stream, const char *why, bool *vendor);

/* cuda_params.c: pure copies of what a launch points to. */

/** Parameters of the twin: the program's, and the table pointer behind them. Storage belongs to this struct. */
struct det_params {
    void **params, **extra; /* one of them NULL, as the program did */
    void *store[64];
    void **big;
    char *buffer;
    size_t buffer_bytes;
    void *extra_store[5];
    uint64_t table;
};
/** NULL, or why this launch cannot carry one more parameter. */
const char *det_params_make(
    struct det_params *out, void **params, void **extra, size_t n_params, size_t table_offset);
void det_params_free(struct det_params *params);
/** The buffer of an `extra` list; false when there is none. */
bool det_params_extra(void **extra, const char **buffer, size_t *n_bytes);

/** The 8 bytes at `offset` of the parameter block; 0 when the launch does not hold them. offsets, sizes: the kernel's own. */
uint64_t det_params_read(void *const *params, void **extra, const uint32_t *offsets,
    const uint32_t *sizes, size_t n_params, size_t offset);

/** Attributes of an extended launch for the twin. NULL, or why the original must run. */
const char *det_attrs_make(const CUlaunchConfig *config, CUlaunchAttribute out[DET_MAX_LAUNCH_ATTR],
    unsigned *n_out, bool *cooperative);

/* --- kernels as nodes of graphs --- */

/** A twin and its fold as nodes. */
struct det_launch_node {
    struct det_table *table; /* in: of the branch it continues; NULL: one of its own */
    bool only_context;       /* in: find the context, nothing else */
    struct det_ctx *ctx;     /* out, also when there is no twin; NULL unknown */
    struct det_gnode node;   /* all but its handles and its branch */
    CUfunction function, fold;
    unsigned fold_grid, shared_bytes;
    struct det_params params; /* caller frees it */
};
/** The twin of launch->function with what `launch` says. NULL and *out; or why the program's own kernel must be the node,
 *  counted in launch->row. Nothing is queued. */
const char *det_launch_node(struct det_launch *launch, struct det_launch_node *out);

#endif
