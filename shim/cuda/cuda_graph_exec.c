/* Executable graphs: made, updated, launched, destroyed. A launch of the graph is a launch of each of its kernels. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shim/cuda/cuda_driver.h"
#include "shim/cuda/cuda_graph.h"
#include "shim/cuda/cuda_launch.h"
#include "shim/cuda/cuda_order.h"
#include "shim/cuda/cuda_table.h"
#include "shim/loader/call.h"

static void claimed(CUgraph graph, CUgraphExec exec, struct det_gnode *nodes, size_t n, bool ok)
{
    const int saved = errno;
    if (ok && nodes != NULL) {
        det_graph_nodes_set(DET_GRAPHS, graph, nodes, n, true);
        det_graph_nodes_set(DET_EXECS, exec, nodes, n, true);
    }
    free(nodes);
    errno = saved;
}

#define INSTANTIATE(symbol, params, args)                                                          \
    DET_EXPORT CUresult symbol params                                                              \
    {                                                                                              \
        if (!det_enter(DET_ID_##symbol))                                                           \
            return DET_REAL(symbol) args;                                                          \
                                                                                                   \
        size_t n;                                                                                  \
        struct det_gnode *const nodes = det_graph_claim(hGraph, &n);                               \
        const CUresult status = DET_REAL(symbol) args;                                             \
        const bool ok = status == CUDA_SUCCESS && phGraphExec != NULL;                             \
        claimed(hGraph, ok ? *phGraphExec : NULL, nodes, n, ok);                                   \
        det_leave(DET_ID_##symbol);                                                                \
        return status;                                                                             \
    }
INSTANTIATE(cuGraphInstantiate,
    (CUgraphExec * phGraphExec, CUgraph hGraph, CUgraphNode *phErrorNode, char *logBuffer,
        size_t bufferSize),
    (phGraphExec, hGraph, phErrorNode, logBuffer, bufferSize))
INSTANTIATE(cuGraphInstantiate_v2,
    (CUgraphExec * phGraphExec, CUgraph hGraph, CUgraphNode *phErrorNode, char *logBuffer,
        size_t bufferSize),
    (phGraphExec, hGraph, phErrorNode, logBuffer, bufferSize))
INSTANTIATE(cuGraphInstantiateWithFlags,
    (CUgraphExec * phGraphExec, CUgraph hGraph, unsigned long long flags),
    (phGraphExec, hGraph, flags))
INSTANTIATE(cuGraphInstantiateWithParams,
    (CUgraphExec * phGraphExec, CUgraph hGraph, CUDA_GRAPH_INSTANTIATE_PARAMS *instantiateParams),
    (phGraphExec, hGraph, instantiateParams))
INSTANTIATE(cuGraphInstantiateWithParams_ptsz,
    (CUgraphExec * phGraphExec, CUgraph hGraph, CUDA_GRAPH_INSTANTIATE_PARAMS *instantiateParams),
    (phGraphExec, hGraph, instantiateParams))

/* Nodes of the executable keep the handles of the graph it was made from; kernels come in the same order in both. */
static void keep_handles(CUgraphExec exec, struct det_gnode *nodes, size_t n)
{
    size_t n_old;
    struct det_gnode *const old = det_graph_nodes(DET_EXECS, exec, &n_old, NULL, NULL);
    for (size_t i = 0; old != NULL && n == n_old && i < n; i++) {
        nodes[i].kernel = old[i].kernel;
        nodes[i].fold = old[i].fold;
        nodes[i].off = old[i].off;
    }
    free(old);
}

static void updated(CUgraph graph, CUgraphExec exec, struct det_gnode *nodes, size_t n, bool ok)
{
    const int saved = errno;
    if (ok && nodes != NULL) {
        det_graph_nodes_set(DET_GRAPHS, graph, nodes, n, true);
        keep_handles(exec, nodes, n);
        det_graph_nodes_set(DET_EXECS, exec, nodes, n, true);
    }
    free(nodes);
    errno = saved;
}

#define UPDATE(symbol, params, args)                                                               \
    DET_EXPORT CUresult symbol params                                                              \
    {                                                                                              \
        if (!det_enter(DET_ID_##symbol))                                                           \
            return DET_REAL(symbol) args;                                                          \
                                                                                                   \
        size_t n;                                                                                  \
        struct det_gnode *const nodes = det_graph_claim(hGraph, &n);                               \
        const CUresult status = DET_REAL(symbol) args;                                             \
        updated(hGraph, hGraphExec, nodes, n, status == CUDA_SUCCESS);                             \
        det_leave(DET_ID_##symbol);                                                                \
        return status;                                                                             \
    }
UPDATE(cuGraphExecUpdate,
    (CUgraphExec hGraphExec, CUgraph hGraph, CUgraphNode *hErrorNode_out,
        CUgraphExecUpdateResult *updateResult_out),
    (hGraphExec, hGraph, hErrorNode_out, updateResult_out))
UPDATE(cuGraphExecUpdate_v2,
    (CUgraphExec hGraphExec, CUgraph hGraph, CUgraphExecUpdateResultInfo *resultInfo),
    (hGraphExec, hGraph, resultInfo))

/* Kernel nodes of one child graph node, as the executable knows them. */
struct inside {
    CUgraphNode *node;
    size_t n, cap;
};

static void inside_add(CUgraphNode node, void *arg)
{
    struct inside *const inside = arg;
    if (inside->n == inside->cap) {
        const size_t cap = 2 * inside->cap + 16;
        CUgraphNode *const bigger = realloc(inside->node, cap * sizeof(CUgraphNode));
        if (bigger == NULL)
            return;
        inside->node = bigger;
        inside->cap = cap;
    }
    inside->node[inside->n++] = node;
}

static bool inside_has(const struct inside *inside, CUgraphNode node)
{
    for (size_t i = 0; i < inside->n; i++)
        if (inside->node[i] == node)
            return true;
    return false;
}

/* The kernels of `child` run in the place of those of `node` from now on. */
static void child_replaced(
    CUgraphExec exec, CUgraphNode node, CUgraph child, const struct det_gnode *nodes, size_t n)
{
    const struct det_driver *const cu = det_driver();
    struct inside inside = { 0 };
    CUgraph inner = NULL;
    size_t n_old, n_kept = 0, n_new = 0;
    det_inside_begin();
    if (cu->cuGraphChildGraphNodeGetGraph != NULL &&
        cu->cuGraphChildGraphNodeGetGraph(node, &inner) == CUDA_SUCCESS)
        det_graph_walk(inner, inside_add, &inside);
    det_inside_end();
    struct det_gnode *const old = det_graph_nodes(DET_EXECS, exec, &n_old, NULL, NULL);
    struct det_gnode *const all = calloc(n_old + n + 1, sizeof *all);
    for (size_t i = 0; all != NULL && i < n_old; i++) {
        if (!inside_has(&inside, old[i].kernel)) {
            all[n_kept++] = old[i];
        } else if (n_new < n) { /* same shape: kernels in the same order */
            all[n_kept] = nodes[n_new++];
            all[n_kept].kernel = old[i].kernel;
            all[n_kept++].fold = old[i].fold;
        }
    }
    if (all != NULL)
        det_graph_nodes_set(DET_EXECS, exec, all, n_kept, true);
    if (n != 0)
        det_graph_nodes_set(DET_GRAPHS, child, nodes, n, true);
    free(inside.node);
    free(old);
    free(all);
}

DET_EXPORT CUresult cuGraphExecChildGraphNodeSetParams(
    CUgraphExec hGraphExec, CUgraphNode hNode, CUgraph childGraph)
{
    if (!det_enter(DET_ID_cuGraphExecChildGraphNodeSetParams))
        return DET_REAL(cuGraphExecChildGraphNodeSetParams)(hGraphExec, hNode, childGraph);

    size_t n;
    struct det_gnode *const nodes = det_graph_claim(childGraph, &n);
    const CUresult status =
        DET_REAL(cuGraphExecChildGraphNodeSetParams)(hGraphExec, hNode, childGraph);
    const int saved = errno;
    if (status == CUDA_SUCCESS)
        child_replaced(hGraphExec, hNode, childGraph, nodes, n);
    free(nodes);
    errno = saved;
    det_leave(DET_ID_cuGraphExecChildGraphNodeSetParams);
    return status;
}

/* A kernel that is switched off is not launched, and its fold would find nothing. */
static void switched(struct det_gnode *node, void *arg)
{
    const struct det_gnode *const to = arg;
    if (node->kernel == to->kernel)
        node->off = to->off;
}

DET_EXPORT CUresult cuGraphNodeSetEnabled(
    CUgraphExec hGraphExec, CUgraphNode hNode, unsigned int isEnabled)
{
    if (!det_enter(DET_ID_cuGraphNodeSetEnabled))
        return DET_REAL(cuGraphNodeSetEnabled)(hGraphExec, hNode, isEnabled);

    struct det_gnode node;
    const CUresult status = DET_REAL(cuGraphNodeSetEnabled)(hGraphExec, hNode, isEnabled);
    const int saved = errno;
    if (status == CUDA_SUCCESS && det_graph_exec_node_find(hGraphExec, hNode, &node)) {
        if (node.fold != NULL)
            DET_REAL(cuGraphNodeSetEnabled)(hGraphExec, node.fold, isEnabled);
        node.off = isEnabled == 0;
        det_graph_each(DET_EXECS, hGraphExec, switched, &node);
    }
    errno = saved;
    det_leave(DET_ID_cuGraphNodeSetEnabled);
    return status;
}

/* --- launches --- */

/* What the host may have written to the program's constants: nodes added by name have no copy of it in the graph. */
static void constants(const struct det_gnode *node, CUstream stream)
{
    const struct det_kern *const kern =
        node->by_name && !node->lost ? det_fn_find(node->original) : NULL;
    if (kern == NULL || !atomic_load(&kern->unit->symbols_asked))
        return;
    det_inside_begin();
    for (size_t i = 0; i < node->twin->n_consts; i++)
        det_driver()->cuMemcpyDtoDAsync_v2(node->twin->consts[i].to, node->twin->consts[i].from,
            node->twin->consts[i].n_bytes, stream);
    det_inside_end();
}

struct launching {
    CUstream stream;
    CUresult status;
    size_t i;
    const bool *meets;
    bool twins;
};

static void note_meeting(struct det_gnode *node, void *arg)
{
    struct launching *const l = arg;
    node->meets = l->meets[l->i++];
}

/* A graph's launch is noted like any other, kernel by kernel, before it is queued; what runs on another stream at the same
 * time and adds to the same memory makes the kernel's launches uncovered. */
static void exec_launching(CUgraphExec exec, CUstream stream)
{
    const int saved = errno;
    size_t n;
    struct det_order found;
    struct det_gnode *const nodes = det_graph_nodes(DET_EXECS, exec, &n, NULL, NULL);
    bool *const meets = calloc(n + 1, sizeof *meets);
    const uint64_t group = det_serial(); /* among themselves its branches were compared before */
    for (size_t i = 0; i < n && meets != NULL; i++) {
        if (nodes[i].table == NULL || nodes[i].off)
            continue;
        found.group = group;
        det_order_note(
            nodes[i].table, stream, nodes[i].target, nodes[i].n_targets, nodes[i].anywhere, &found);
        meets[i] = found.unordered;
        if (nodes[i].twin != NULL)
            constants(&nodes[i], stream);
    }
    if (n != 0 && meets != NULL)
        det_graph_each(DET_EXECS, exec, note_meeting, &(struct launching){ .meets = meets });
    free(meets);
    free(nodes);
    errno = saved;
}

static void launched(struct det_gnode *node, void *arg)
{
    static const struct det_order none;
    struct launching *const l = arg;
    if (node->off)
        return;
    if (l->status != CUDA_SUCCESS) {
        if (node->table != NULL)
            det_order_failed(node->table);
        return;
    }
    det_ledger_hit(node->meets ? node->unordered_streams : node->row);
    if (node->report != NULL && (node->meets || node->row != node->report->row))
        atomic_fetch_add(&node->report->elsewhere, 1);
    node->meets = false;
    if (node->report != NULL) {
        atomic_fetch_add(&node->report->launched, 1);
        det_order_queued(node->table, l->stream, &none);
        l->twins = true;
    }
}

/* One launch of an executable is one launch of each of its kernels. */
static void exec_launched(CUgraphExec exec, CUstream stream, CUresult status)
{
    const int saved = errno;
    struct launching l = { .stream = stream, .status = status };
    det_graph_each(DET_EXECS, exec, launched, &l);
    if (l.twins)
        det_reports_expect();
    errno = saved;
}

#define GRAPH_LAUNCH(symbol, per_thread)                                                           \
    DET_EXPORT CUresult symbol(CUgraphExec hGraph, CUstream hStream)                               \
    {                                                                                              \
        if (!det_enter(DET_ID_##symbol))                                                           \
            return DET_REAL(symbol)(hGraph, hStream);                                              \
                                                                                                   \
        const CUstream stream = det_stream_normal(hStream, per_thread);                            \
        exec_launching(hGraph, stream);                                                            \
        const CUresult status = DET_REAL(symbol)(hGraph, hStream);                                 \
        exec_launched(hGraph, stream, status);                                                     \
        det_leave(DET_ID_##symbol);                                                                \
        return status;                                                                             \
    }
GRAPH_LAUNCH(cuGraphLaunch, false)
GRAPH_LAUNCH(cuGraphLaunch_ptsz, true)

DET_EXPORT CUresult cuGraphExecDestroy(CUgraphExec hGraphExec)
{
    if (!det_enter(DET_ID_cuGraphExecDestroy))
        return DET_REAL(cuGraphExecDestroy)(hGraphExec);

    det_graph_drop(DET_EXECS, hGraphExec);
    const CUresult status = DET_REAL(cuGraphExecDestroy)(hGraphExec);
    det_leave(DET_ID_cuGraphExecDestroy);
    return status;
}

DET_EXPORT CUresult cuGraphDestroy(CUgraph hGraph)
{
    if (!det_enter(DET_ID_cuGraphDestroy))
        return DET_REAL(cuGraphDestroy)(hGraph);

    det_graph_drop(DET_GRAPHS, hGraph);
    const CUresult status = DET_REAL(cuGraphDestroy)(hGraph);
    det_leave(DET_ID_cuGraphDestroy);
    return status;
}
