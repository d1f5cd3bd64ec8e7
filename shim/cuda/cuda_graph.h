/* Graphs: which kernels a graph launches, and which of its nodes are twins with a fold behind them. A launch of the graph
 * counts them; a second executable of the same graph, a clone or a child gets tables of its own, since two graphs may run
 * at the same time. */
#ifndef DET_CUDA_GRAPH_H
#define DET_CUDA_GRAPH_H

#include "shim/cuda/cuda_decide.h"
#include "shim/cuda/cuda_state.h"

enum { DET_GNODE_TARGETS = 4 };
/** One kernel of a graph. Without a twin only `row` is set. */
struct det_gnode {
    CUgraphNode kernel, fold; /* NULL when the driver cannot tell */
    struct det_ledger_row *row;
    /* where it counts when it has no tables of its own, or meets another branch */
    struct det_ledger_row *unbound, *unordered, *unordered_streams;
    bool meets; /* this launch of the executable meets one of another stream */
    bool lost;  /* the program made it another kernel: only the fold is ours */
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

/** A kernel was captured into `capture`; `node` is copied. */
void det_graph_captured(uint64_t capture, const struct det_gnode *node);
/** The single node the next one on `stream` would depend on, i.e. the last one captured; NULL when unknown. */
CUgraphNode det_graph_last_node(CUstream stream);
void det_graph_capture_end(uint64_t capture, CUgraph graph);
/** A node was added to `graph` by name, not by capture. */
void det_graph_added(CUgraph graph, const struct det_gnode *node);
/** `to` holds copies of all nodes of `from`; `map` finds the copy of one. */
typedef CUgraphNode (*det_graph_map)(CUgraphNode original, void *arg);
void det_graph_copied(CUgraph from, CUgraph to, det_graph_map map, void *arg);
/** Find the record of a node that holds a twin; false when there is none. */
bool det_graph_node_find(CUgraphNode node, struct det_gnode *out);
/** The node (of every graph and executable) now launches something we cannot vouch for; in_graph: its graph as well, so
 *  that it is no twin from now on. */
void det_graph_node_lost(CUgraphNode node, struct det_ledger_row *row, bool in_graph);
/** New parameters: the node now adds to the targets of `from`, beside the former ones in executables. */
void det_graph_node_targets(CUgraphNode node, const struct det_gnode *from);
/** The fold behind a kernel node of a graph, NULL when it has none. */
CUgraphNode det_graph_fold_of(CUgraphNode kernel);
/** The node was destroyed: executables made before go on. */
void det_graph_node_gone(CUgraphNode node);
/** `nodes` with the fold in the place of each kernel that has one; `nodes` itself when there is none. */
struct det_behind {
    CUgraphNode *copy;
};
const CUgraphNode *det_graph_behind(struct det_behind *behind, const CUgraphNode *nodes, size_t n);
void det_graph_behind_free(struct det_behind *behind);
void det_graph_context_gone(const struct det_ctx *ctx);
/** Forget everything, in a fork child. */
void det_graph_fork_child(void);

#endif
