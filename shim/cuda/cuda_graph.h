/* Graphs: which kernels a graph launches, and which of its nodes are twins with a fold behind them. A launch of the graph
 * counts them; a second executable of the same graph, a clone or a child gets tables of its own, since two graphs may run
 * at the same time. */
#ifndef DET_CUDA_GRAPH_H
#define DET_CUDA_GRAPH_H

#include "shim/cuda/cuda_decide.h"
#include "shim/cuda/cuda_state.h"

enum { DET_GNODE_TARGETS = 4 };
/** One kernel of a graph. Without a twin only `kernel` and `row` are set, and `fold` where it once was one. */
struct det_gnode {
    CUgraphNode kernel, fold; /* NULL when the driver cannot tell */
    struct det_ledger_row *row,
        *exact; /* where it counts; the same while nothing speaks against it */
    /* where it counts when it has no tables of its own, or meets another branch */
    struct det_ledger_row *unbound, *unordered, *unordered_streams;
    bool meets;    /* this launch of the executable meets one of another stream */
    bool lost;     /* the program made it another kernel: only the fold is ours */
    bool by_name;  /* added by name, its constants are copied before a launch */
    bool followed; /* another node of its branch comes behind it */
    bool off;      /* switched off in this executable */
    bool by_kern;  /* the program named a CUkernel */
    const struct det_twin *twin;
    const void *original; /* the program's handle */
    struct det_table *table;
    struct det_report *report;
    const char *name; /* of the kernel; lives as long as the context */
    size_t n_params, table_offset;
    uint64_t branch; /* nodes of one branch run in order and share a table */
    struct det_range target[DET_GNODE_TARGETS]; /* what it adds to; more: anywhere */
    size_t n_targets;
    bool anywhere;
    CUdeviceptr head; /* what the extra parameter holds */
    uint64_t slots;   /* asked for */
    size_t shared_extra;
};

/* --- cuda_graph.c: records --- */

enum det_graph_map_of { DET_GRAPHS, DET_EXECS, DET_CAPTURES };

/** A kernel was captured into `capture`; `node` is copied. */
void det_graph_captured(uint64_t capture, const struct det_gnode *node);
/** The single node the next one on `stream` would depend on, i.e. the last one captured; NULL when unknown. */
CUgraphNode det_graph_last_node(CUstream stream);
void det_graph_capture_end(uint64_t capture, CUgraph graph);
/** Edges of this capture or graph are no longer what capturing gave: branches are checked before the graph is used. */
void det_graph_edges_changed(enum det_graph_map_of map, const void *key);
/** A node was added to `graph` by name, not by capture. */
void det_graph_added(CUgraph graph, const struct det_gnode *node);
/** Copy of a list's nodes (to be freed), so that the driver is called without the lock. bound: its tables are taken; edited:
 *  branches need a check. Both may be NULL. */
struct det_gnode *det_graph_nodes(
    enum det_graph_map_of map, const void *key, size_t *n, bool *bound, bool *edited);
/** `nodes` (copied) are now those of `key`; bound as said. */
void det_graph_nodes_set(enum det_graph_map_of map, const void *key, const struct det_gnode *nodes,
    size_t n, bool bound);
void det_graph_drop(enum det_graph_map_of map, const void *key);
/** `to` holds copies of all nodes of `from`; `map` finds the copy of one. */
typedef CUgraphNode (*det_graph_map)(CUgraphNode original, void *arg);
void det_graph_copied(CUgraph from, CUgraph to, det_graph_map map, void *arg);
/** All nodes of `from` now belong to `to`, under their own handles. */
void det_graph_moved(CUgraph from, CUgraph to);
/** The graph whose list holds the nodes of `graph`: of the body of a conditional node, or of a child that was moved in, the one
 *  around it; else itself. */
CUgraph det_graph_root(CUgraph graph, bool *conditional);
void det_graph_inner(CUgraph inner, CUgraph around, bool conditional);

/** The record of a kernel node in any graph or capture, or in one executable; false when there is none. */
bool det_graph_node_find(CUgraphNode node, struct det_gnode *out);
bool det_graph_exec_node_find(CUgraphExec exec, CUgraphNode node, struct det_gnode *out);
/** Replace that record. */
void det_graph_node_set(CUgraphNode node, const struct det_gnode *to);
void det_graph_exec_node_set(CUgraphExec exec, CUgraphNode node, const struct det_gnode *to);
/** The node whose branch a new node behind `deps` may continue, which is noted; false when there is none. */
bool det_graph_follow(CUgraph graph, const struct det_ctx *ctx, const CUgraphNode *deps, size_t n,
    struct det_gnode *out);
/** The fold behind a kernel node of a graph or capture, NULL when it has none. */
CUgraphNode det_graph_fold_of(CUgraphNode kernel);
/** All folds, sorted, each with its kernel. Freed by the caller. */
struct det_gpair {
    CUgraphNode fold, kernel;
};
struct det_gpair *det_graph_folds(size_t *n);
/** The kernel of a fold, NULL when `node` is none. */
CUgraphNode det_graph_kernel_of(const struct det_gpair *pairs, size_t n, CUgraphNode node);
/** The node was destroyed: executables made before go on. */
void det_graph_node_gone(CUgraphNode node);
void det_graph_context_gone(const struct det_ctx *ctx);
/** Forget everything, in a fork child. */
void det_graph_fork_child(void);
/** Lock of the records, for changes in place by cuda_graph_exec.c. */
void det_graph_each(enum det_graph_map_of map, const void *key,
    void (*each)(struct det_gnode *node, void *arg), void *arg);

/* --- cuda_graph_node.c: what the program asks of a kernel node, and what the driver gets --- */

struct det_launch_node;
/** A kernel node on its way to the driver. */
struct det_gask {
    CUDA_KERNEL_NODE_PARAMS given; /* to the driver when `twin` */
    bool twin, own;                /* own: its table is nobody else's */
    bool vendor;                   /* as in struct det_launch */
    struct det_launch_node *made;  /* NULL before det_gask_make */
    struct det_gnode node;         /* record without handles */
};
/** Decide for `asked`. table: of the branch it continues, or NULL. */
void det_gask_make(
    struct det_gask *ask, const CUDA_KERNEL_NODE_PARAMS *asked, struct det_table *table);
/** The context it will run in; NULL when it is no twin. */
struct det_ctx *det_gask_context(const CUDA_KERNEL_NODE_PARAMS *asked);
/** The program's own kernel after all. */
void det_gask_refuse(struct det_gask *ask, const char *why);
void det_gask_free(struct det_gask *ask);

/* --- cuda_graph_tables.c: tables of their own --- */

/** Before an executable is made or updated from `graph`: nodes (to be freed) whose tables nobody else uses. */
struct det_gnode *det_graph_claim(CUgraph graph, size_t *n);

/* --- cuda_graph_order.c: which node runs before which --- */

struct det_gorder;
/** NULL when the driver cannot tell. */
struct det_gorder *det_gorder_make(CUgraph graph);
/** Do the launches of `a` end before those of `b` begin, or the other way round? */
bool det_gorder_apart(
    struct det_gorder *order, const struct det_gnode *a, const struct det_gnode *b);
void det_gorder_free(struct det_gorder *order);
/** Each kernel node of `graph` and of the child graphs in it. */
void det_graph_walk(CUgraph graph, void (*each)(CUgraphNode node, void *arg), void *arg);

/* --- cuda_graph_deps.c: the fold stands for its kernel --- */

/** `nodes` with the fold in the place of each kernel that has one; `nodes` itself when there is none. */
struct det_behind {
    CUgraphNode *copy;
    CUgraphEdgeData *edges;
};
const CUgraphNode *det_graph_behind(struct det_behind *behind, const CUgraphNode *nodes, size_t n);
/** Edge data for them: no early start behind a fold. After det_graph_behind. */
const CUgraphEdgeData *det_graph_behind_edges(
    struct det_behind *behind, const CUgraphNode *nodes, const CUgraphEdgeData *edges, size_t n);
void det_graph_behind_free(struct det_behind *behind);
/** A fold for the twin in `node`, behind it; what depended on the kernel depends on the fold. */
CUresult det_graph_fold_add(CUgraph graph, struct det_gnode *node, CUfunction fold, unsigned grid);
CUresult det_graph_destroy_node(CUgraphNode node);

#endif
