/* Facts about engine configurations and operation graphs of cuDNN's backend API, and what follows from them. */
#ifndef DET_CUDNN_ENGINE_H
#define DET_CUDNN_ENGINE_H

#include "shim/cudnn/cudnn_shim.h"

/** The real entry points for one program call. */
struct det_backend {
    __typeof__(&cudnnBackendCreateDescriptor) create;
    __typeof__(&cudnnBackendDestroyDescriptor) destroy;
    __typeof__(&cudnnBackendSetAttribute) set;
    __typeof__(&cudnnBackendGetAttribute) get;
    __typeof__(&cudnnBackendFinalize) finalize;
};
struct det_backend det_backend_real(const void *caller);

enum { DET_MAX_KNOBS = 44 };
struct det_engine {
    int64_t index;
    bool flagged; /* carries CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC */
};
/** Read the engine of a configuration (engine_of_plan: of a finalized plan's). False when cuDNN does not tell. */
bool det_engine_read(
    const struct det_backend *cudnn, cudnnBackendDescriptor_t config, struct det_engine *out);
bool det_engine_of_plan(
    const struct det_backend *cudnn, cudnnBackendDescriptor_t plan, struct det_engine *out);

/** `n` fresh descriptors; false, and none left behind, when one cannot be made. */
bool det_backend_make(const struct det_backend *cudnn, cudnnBackendDescriptorType_t type,
    cudnnBackendDescriptor_t *to, int64_t n);
void det_backend_unmake(const struct det_backend *cudnn, cudnnBackendDescriptor_t *from, int64_t n);

/** Answer a query for heuristics results with the unflagged ones, order kept. `*fixed` false: this graph has flagged engines
 *  only (or cuDNN would not tell) and the answer is the vendor's own. Arguments as cudnnBackendGetAttribute's. */
cudnnStatus_t det_heuristics_answer(const struct det_backend *cudnn,
    cudnnBackendDescriptor_t heuristics, int64_t n_requested, int64_t *n_returned, void *results,
    bool *fixed);
/** Does any heuristics mode know an unflagged engine for the graph of this plan? */
bool det_heuristics_has_ordered(const struct det_backend *cudnn, cudnnBackendDescriptor_t plan);

/* What a descriptor was given, kept because cuDNN's getters do not tell before it is finalized, and because frontends destroy
 * children as soon as the parent is finalized. */
enum det_kept_field {
    DET_OF_TYPE, /* cudnnBackendDescriptorType_t */
    DET_OF_GRAPH,
    DET_OF_MODE,
    DET_OF_DEVICE, /* heuristics, engine, plan */
    DET_OF_VIRTUAL,
    DET_OF_DATA_TYPE, /* tensor */
    DET_OF_PW_MODE,
    DET_OF_COMP_TYPE, /* pointwise, matmul, and operations that took one */
    DET_OF_A,
    DET_OF_B,
    DET_OF_C,
    DET_OF_M,
    DET_OF_N,
    DET_OF_K, /* matmul operation */
    DET_OF_PADDING,
    DET_OF_X,
    DET_OF_Y,      /* pointwise operation */
    DET_OF_CLASS,  /* enum det_graph_class: reduction, operations, graph, plan */
    DET_OF_REASON, /* configuration, plan: 1 when the filter found nothing better */
    DET_OF_FIRST_PLAN, /* of an operation graph: the first plan executed for it, -1 once a second one was */
    DET_OF_ASKED, /* reduction: what the program set */
    DET_N_FIELDS
};
/** What is known about a graph beyond its engines' notes. Larger is worse. */
enum det_graph_class {
    DET_GRAPH_PLAIN,
    DET_GRAPH_PINNED,    /* a reduction was made deterministic */
    DET_GRAPH_REWRITTEN, /* attention backward writes dQ directly */
    DET_GRAPH_REDUCTION, /* a reduction could not be pinned: cuDNN before 9.11 */
    DET_GRAPH_ATTENTION, /* attention backward accumulates by atomics */
    DET_GRAPH_FLAGGED,   /* plan: its engine carries the note */
};
void det_graph_made(cudnnBackendDescriptor_t descriptor, cudnnBackendDescriptorType_t type);
void det_graph_destroyed(cudnnBackendDescriptor_t descriptor);
void det_graph_set(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
    cudnnBackendAttributeType_t type, int64_t n, const void *values);
int64_t det_graph_kept(const void *descriptor, enum det_kept_field field, int64_t otherwise);
void det_graph_keep(const void *descriptor, enum det_kept_field field, int64_t value);

/** Attention backward in a list of operations. */
enum det_attention {
    DET_ATTENTION_NONE,
    DET_ATTENTION_ATOMIC,  /* dQ is accumulated in a float buffer and copied out */
    DET_ATTENTION_UNIFIED, /* one operation; it has no determinism attribute */
};
enum det_attention det_attention_find(
    const cudnnBackendDescriptor_t *ops, int64_t n, int64_t *copy, int64_t *matmul);
/** The matmul remade to write what the copy writes. NULL when it cannot be made. */
cudnnBackendDescriptor_t det_attention_matmul(const struct det_backend *cudnn,
    cudnnBackendDescriptor_t matmul, cudnnBackendDescriptor_t copy);

#endif
