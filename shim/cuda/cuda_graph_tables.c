/* Accumulator tables of graphs: two executables may run at the same time, and so may two branches, so each gets its own before
 * the driver is asked for the executable. Own calls only, on the nodes of the program's graph. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shim/cuda/cuda_driver.h"
#include "shim/cuda/cuda_graph.h"
#include "shim/cuda/cuda_launch.h"
#include "shim/cuda/cuda_table.h"
#include "shim/loader/call.h"

static CUresult kernel_params(const struct det_gnode *node, CUdeviceptr head)
{
    const struct det_driver *const cu = det_driver();
    CUDA_KERNEL_NODE_PARAMS was = { 0 };
    struct det_params params;
    CUresult status = cu->cuGraphKernelNodeGetParams_v2(node->kernel, &was);
    if (status != CUDA_SUCCESS)
        return status;
    if (det_params_make(&params, was.kernelParams, was.kernelParams != NULL ? NULL : was.extra,
            node->n_params, node->table_offset) != NULL)
        return CUDA_ERROR_NOT_SUPPORTED;
    params.table = head;
    if (params.buffer != NULL)
        memcpy(params.buffer + node->table_offset, &head, sizeof head);
    was.kernelParams = params.params;
    was.extra = params.extra;
    status = cu->cuGraphKernelNodeSetParams_v2(node->kernel, &was);
    det_params_free(&params);
    return status;
}

static CUresult fold_params(const struct det_gnode *node, CUdeviceptr head)
{
    const struct det_driver *const cu = det_driver();
    CUDA_KERNEL_NODE_PARAMS was = { 0 };
    CUresult status = cu->cuGraphKernelNodeGetParams_v2(node->fold, &was);
    if (status != CUDA_SUCCESS)
        return status;
    uint64_t at[2] = { head, node->report->device };
    void *fold[] = { &at[0], &at[1] };
    was.kernelParams = fold;
    was.extra = NULL;
    return cu->cuGraphKernelNodeSetParams_v2(node->fold, &was);
}

static CUresult node_params(const struct det_gnode *node, CUdeviceptr head)
{
    const CUresult status = node->lost ? CUDA_SUCCESS : kernel_params(node, head);
    return status == CUDA_SUCCESS ? fold_params(node, head) : status;
}

/* Key of a table that no twin ever adds to. */
static const uint64_t nobodys = UINT64_MAX - 1;

/* The fold of a node that is no twin any more must not run beside twins of another executable that use its old table. */
static bool fold_apart(struct det_gnode *node)
{
    struct det_table *const table = det_table_get(node->table->ctx, NULL, nobodys);
    CUdeviceptr head = 0;
    bool ok = false;
    if (table == NULL || node->fold == NULL)
        return false;
    pthread_mutex_lock(&table->lock);
    if (det_table_reserve(table, 1, NULL) == CUDA_SUCCESS &&
        det_table_head(table, node->twin, NULL, &head) == CUDA_SUCCESS) {
        struct det_report *const report = det_table_report(table, node->unbound, node->name);
        if (report != NULL) {
            node->report = report;
            node->name = report->name;
            ok = fold_params(node, head) == CUDA_SUCCESS;
        }
    }
    pthread_mutex_unlock(&table->lock);
    if (ok)
        node->table = table;
    return ok;
}

/* Two executables with one table could lose updates when they run at once, so a node that gets none of its own becomes the
 * program's kernel again. */
static bool node_revert(struct det_gnode *node)
{
    const struct det_driver *const cu = det_driver();
    CUDA_KERNEL_NODE_PARAMS was = { 0 };
    if (node->kernel == NULL || cu->cuGraphKernelNodeGetParams_v2 == NULL || !fold_apart(node))
        return false;
    if (node->lost)
        return true;
    if (cu->cuGraphKernelNodeGetParams_v2(node->kernel, &was) != CUDA_SUCCESS ||
        was.kernelParams == NULL)
        return false;
    was.func = (CUfunction)(uintptr_t)node->original;
    was.kern = NULL;
    was.sharedMemBytes -= (unsigned)node->shared_extra;
    node->lost = cu->cuGraphKernelNodeSetParams_v2(node->kernel, &was) == CUDA_SUCCESS;
    return node->lost;
}

/* New table for one node; nodes that shared one (a branch in order) share the new one. */
static bool node_rebind(struct det_gnode *node, uint64_t capture)
{
    struct det_table *const table =
        det_table_get(node->table->ctx, node->table->stream, det_mix(capture ^ node->branch) | 1);
    CUdeviceptr head = 0;
    bool ok = false;
    if (table == NULL || node->kernel == NULL || node->fold == NULL ||
        det_driver()->cuGraphKernelNodeGetParams_v2 == NULL)
        return false;
    pthread_mutex_lock(&table->lock);
    if (det_table_reserve(table, node->slots, NULL) == CUDA_SUCCESS &&
        det_table_head(table, node->twin, NULL, &head) == CUDA_SUCCESS) {
        struct det_report *const report = det_table_report(table, node->row, node->name);
        if (report != NULL) {
            node->report = report;
            node->name = report->name;
            node->head = head;
            ok = node_params(node, head) == CUDA_SUCCESS;
        }
    }
    pthread_mutex_unlock(&table->lock);
    if (ok)
        node->table = table;
    return ok;
}

/* Fresh tables for all twins among `nodes`, or for those in `apart`; where that fails the launches cannot be vouched for. */
static void rebind(struct det_gnode *nodes, size_t n, const bool *apart)
{
    const uint64_t capture = det_mix(det_serial());
    const CUstreamCaptureMode mode = det_capture_relax();
    for (size_t i = 0; i < n; i++)
        if (nodes[i].twin != NULL && (apart == NULL || apart[i]) &&
            !node_rebind(&nodes[i], capture)) {
            nodes[i].row = nodes[i].unbound;
            node_revert(&nodes[i]);
        }
    det_capture_restore(mode);
}

static bool meet(const struct det_gnode *a, const struct det_gnode *b)
{
    return a->anywhere || b->anywhere ||
           det_decide_meet(a->target, a->n_targets, b->target, b->n_targets);
}

static bool alive(const struct det_gnode *node)
{
    return node->twin != NULL && node->table != NULL && !node->lost;
}

/* Is there anything for which the graph's edges must be asked? */
static bool in_doubt(const struct det_gnode *nodes, size_t n, bool edited)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i && alive(&nodes[i]); j++)
            if (alive(&nodes[j]) &&
                (nodes[i].branch == nodes[j].branch ? edited : meet(&nodes[i], &nodes[j])))
                return true;
    return false;
}

/* Nodes of one branch share a table, so they must run one after the other: a node that does not begins a branch of its own.
 * Nodes of two branches that add to the same memory round in an order that only the graph's edges can fix. */
static void judge(
    CUgraph graph, struct det_gnode *nodes, size_t n, bool edited, bool *apart, bool *any_apart)
{
    for (size_t i = 0; i < n; i++)
        if (alive(&nodes[i]))
            nodes[i].row = nodes[i].exact;
    if (!in_doubt(nodes, n, edited))
        return;
    struct det_gorder *const order = det_gorder_make(graph);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i && alive(&nodes[i]); j++) {
            const bool same = nodes[i].branch == nodes[j].branch;
            if (!alive(&nodes[j]) || !(same ? edited : meet(&nodes[i], &nodes[j])) ||
                det_gorder_apart(order, &nodes[i], &nodes[j]))
                continue;
            if (same) {
                nodes[i].branch = det_mix(det_serial());
                apart[i] = *any_apart = true;
            }
            if (meet(&nodes[i], &nodes[j]))
                nodes[i].row = nodes[i].unordered;
        }
    det_gorder_free(order);
}

struct det_gnode *det_graph_claim(CUgraph graph, size_t *n)
{
    bool bound = false, edited = false, any_apart = false;
    const int saved = errno;
    det_inside_begin();
    struct det_gnode *const nodes = det_graph_nodes(DET_GRAPHS, graph, n, &bound, &edited);
    bool *const apart = nodes != NULL ? calloc(*n + 1, sizeof *apart) : NULL;
    if (apart != NULL)
        judge(graph, nodes, *n, edited, apart, &any_apart);
    if (apart != NULL && (bound || any_apart)) {
        rebind(nodes, *n, bound ? NULL : apart);
        det_graph_nodes_set(DET_GRAPHS, graph, nodes, *n, bound);
    }
    free(apart);
    det_inside_end();
    errno = saved;
    return nodes;
}
