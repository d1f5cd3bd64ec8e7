/* Graphs built or changed by hand: nodes added by name run as they are (counted, never rewritten); nodes we captured as twins
 * stay twins when the program gives them new parameters; clones and children take their records with them. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "shim/cuda/cuda_driver.h"
#include "shim/cuda/cuda_graph.h"
#include "shim/cuda/cuda_launch.h"
#include "shim/loader/call.h"

static const char by_name[] = "explicit graph node";

static void count_node(struct det_ledger_row *row, uint64_t graph, void *node)
{
    det_graph_added((CUgraph)(uintptr_t)graph, &(struct det_gnode){ .kernel = node, .row = row });
}

static void added(CUresult status, CUgraph graph, const CUgraphNode *node, const void *function)
{
    const int saved = errno;
    if (status == CUDA_SUCCESS && function != NULL) {
        det_inside_begin();
        bool vendor = false;
        CUgraphNode const made = node != NULL ? *node : NULL;
        struct det_ledger_row *const row = det_launch_row(function, NULL, by_name, &vendor);
        if (row != NULL &&
            !(vendor && det_vendor_kernel(row, (uint64_t)(uintptr_t)graph, made, count_node)))
            count_node(row, (uint64_t)(uintptr_t)graph, made);
        det_inside_end();
    }
    errno = saved;
}

static const void *function_of(const CUDA_KERNEL_NODE_PARAMS *params)
{
    if (params == NULL)
        return NULL;
    return params->func != NULL ? (const void *)params->func : (const void *)params->kern;
}

DET_EXPORT CUresult cuGraphAddKernelNode(CUgraphNode *phGraphNode, CUgraph hGraph,
    const CUgraphNode *dependencies, size_t numDependencies,
    const CUDA_KERNEL_NODE_PARAMS_v1 *nodeParams)
{
    if (!det_enter(DET_ID_cuGraphAddKernelNode))
        return DET_REAL(cuGraphAddKernelNode)(
            phGraphNode, hGraph, dependencies, numDependencies, nodeParams);

    struct det_behind behind;
    dependencies = det_graph_behind(&behind, dependencies, numDependencies);
    const CUresult status = DET_REAL(cuGraphAddKernelNode)(
        phGraphNode, hGraph, dependencies, numDependencies, nodeParams);
    det_graph_behind_free(&behind);
    added(status, hGraph, phGraphNode, nodeParams != NULL ? nodeParams->func : NULL);
    det_leave(DET_ID_cuGraphAddKernelNode);
    return status;
}

DET_EXPORT CUresult cuGraphAddKernelNode_v2(CUgraphNode *phGraphNode, CUgraph hGraph,
    const CUgraphNode *dependencies, size_t numDependencies,
    const CUDA_KERNEL_NODE_PARAMS *nodeParams)
{
    if (!det_enter(DET_ID_cuGraphAddKernelNode_v2))
        return DET_REAL(cuGraphAddKernelNode_v2)(
            phGraphNode, hGraph, dependencies, numDependencies, nodeParams);

    struct det_behind behind;
    dependencies = det_graph_behind(&behind, dependencies, numDependencies);
    const CUresult status = DET_REAL(cuGraphAddKernelNode_v2)(
        phGraphNode, hGraph, dependencies, numDependencies, nodeParams);
    det_graph_behind_free(&behind);
    added(status, hGraph, phGraphNode, function_of(nodeParams));
    det_leave(DET_ID_cuGraphAddKernelNode_v2);
    return status;
}

static const void *function_in(const CUgraphNodeParams *params)
{
    if (params == NULL || params->type != CU_GRAPH_NODE_TYPE_KERNEL)
        return NULL;
    return params->kernel.func != NULL ? (const void *)params->kernel.func
                                       : (const void *)params->kernel.kern;
}

DET_EXPORT CUresult cuGraphAddNode(CUgraphNode *phGraphNode, CUgraph hGraph,
    const CUgraphNode *dependencies, size_t numDependencies, CUgraphNodeParams *nodeParams)
{
    if (!det_enter(DET_ID_cuGraphAddNode))
        return DET_REAL(cuGraphAddNode)(
            phGraphNode, hGraph, dependencies, numDependencies, nodeParams);

    struct det_behind behind;
    dependencies = det_graph_behind(&behind, dependencies, numDependencies);
    const CUresult status =
        DET_REAL(cuGraphAddNode)(phGraphNode, hGraph, dependencies, numDependencies, nodeParams);
    det_graph_behind_free(&behind);
    added(status, hGraph, phGraphNode, function_in(nodeParams));
    det_leave(DET_ID_cuGraphAddNode);
    return status;
}

DET_EXPORT CUresult cuGraphAddNode_v2(CUgraphNode *phGraphNode, CUgraph hGraph,
    const CUgraphNode *dependencies, const CUgraphEdgeData *dependencyData, size_t numDependencies,
    CUgraphNodeParams *nodeParams)
{
    if (!det_enter(DET_ID_cuGraphAddNode_v2))
        return DET_REAL(cuGraphAddNode_v2)(
            phGraphNode, hGraph, dependencies, dependencyData, numDependencies, nodeParams);

    struct det_behind behind;
    dependencies = det_graph_behind(&behind, dependencies, numDependencies);
    const CUresult status = DET_REAL(cuGraphAddNode_v2)(
        phGraphNode, hGraph, dependencies, dependencyData, numDependencies, nodeParams);
    det_graph_behind_free(&behind);
    added(status, hGraph, phGraphNode, function_in(nodeParams));
    det_leave(DET_ID_cuGraphAddNode_v2);
    return status;
}

/* --- copies --- */

static CUgraphNode in_clone(CUgraphNode original, void *arg)
{
    CUgraphNode copy = NULL;
    const struct det_driver *const cu = det_driver();
    if (cu->cuGraphNodeFindInClone == NULL ||
        cu->cuGraphNodeFindInClone(&copy, original, *(const CUgraph *)arg) != CUDA_SUCCESS)
        return NULL;
    return copy;
}

static void copied(CUgraph from, CUgraph holder, CUgraph copy)
{
    const int saved = errno;
    det_inside_begin();
    det_graph_copied(from, holder, in_clone, &copy);
    det_inside_end();
    errno = saved;
}

DET_EXPORT CUresult cuGraphClone(CUgraph *phGraphClone, CUgraph originalGraph)
{
    if (!det_enter(DET_ID_cuGraphClone))
        return DET_REAL(cuGraphClone)(phGraphClone, originalGraph);

    const CUresult status = DET_REAL(cuGraphClone)(phGraphClone, originalGraph);
    if (status == CUDA_SUCCESS)
        copied(originalGraph, *phGraphClone, *phGraphClone);
    det_leave(DET_ID_cuGraphClone);
    return status;
}

DET_EXPORT CUresult cuGraphAddChildGraphNode(CUgraphNode *phGraphNode, CUgraph hGraph,
    const CUgraphNode *dependencies, size_t numDependencies, CUgraph childGraph)
{
    if (!det_enter(DET_ID_cuGraphAddChildGraphNode))
        return DET_REAL(cuGraphAddChildGraphNode)(
            phGraphNode, hGraph, dependencies, numDependencies, childGraph);

    struct det_behind behind;
    dependencies = det_graph_behind(&behind, dependencies, numDependencies);
    const CUresult status = DET_REAL(cuGraphAddChildGraphNode)(
        phGraphNode, hGraph, dependencies, numDependencies, childGraph);
    det_graph_behind_free(&behind);
    CUgraph inner = NULL;
    if (status == CUDA_SUCCESS && det_driver()->cuGraphChildGraphNodeGetGraph != NULL &&
        det_driver()->cuGraphChildGraphNodeGetGraph(*phGraphNode, &inner) == CUDA_SUCCESS)
        copied(childGraph, hGraph, inner);
    det_leave(DET_ID_cuGraphAddChildGraphNode);
    return status;
}

/* --- new parameters for a captured node --- */

struct edit {
    CUDA_KERNEL_NODE_PARAMS given; /* to the driver */
    struct det_params params;
    bool twin;
};

/* NULL when the twin may run with what is asked; its targets go to `node`. */
static const char *check(const CUDA_KERNEL_NODE_PARAMS *asked, struct det_gnode *node)
{
    struct det_launch launch = {
        .function = node->original,
        .grid = { asked->gridDimX, asked->gridDimY, asked->gridDimZ },
        .block = { asked->blockDimX, asked->blockDimY, asked->blockDimZ },
        .shared_bytes = asked->sharedMemBytes,
        .params = asked->kernelParams,
        .extra = asked->kernelParams != NULL ? NULL : asked->extra,
    };
    det_inside_begin();
    const char *const why = det_launch_check(&launch, node);
    det_inside_end();
    return why;
}

/* The program names its own kernel and parameters: translated when the node still is a twin of that kernel, else the node
 * becomes what the program says and its fold finds nothing to do. */
static const CUDA_KERNEL_NODE_PARAMS *edit(
    struct edit *edit, CUgraphNode node, const CUDA_KERNEL_NODE_PARAMS *asked, bool in_graph)
{
    struct det_gnode entry;
    memset(&edit->params, 0, sizeof edit->params);
    edit->twin = false;
    if (asked == NULL || !det_graph_node_find(node, &entry))
        return asked;
    const void *const function = function_of(asked);
    CUDA_KERNEL_NODE_PARAMS was = { 0 };
    const struct det_driver *const cu = det_driver();
    const char *why = "graph node changed";
    if (det_fn_find(function) != NULL && det_fn_find(function) == det_fn_find(entry.original) &&
        cu->cuGraphKernelNodeGetParams_v2 != NULL &&
        cu->cuGraphKernelNodeGetParams_v2(node, &was) == CUDA_SUCCESS &&
        (why = check(asked, &entry)) == NULL &&
        (why = det_params_make(&edit->params, asked->kernelParams, asked->extra, entry.n_params,
             entry.table_offset)) == NULL) {
        det_graph_node_targets(node, &entry);
        edit->params.table = entry.head;
        if (edit->params.buffer != NULL)
            memcpy(edit->params.buffer + entry.table_offset, &entry.head, sizeof entry.head);
        edit->given = *asked;
        edit->given.func = was.func;
        edit->given.kern = was.kern;
        edit->given.sharedMemBytes += (unsigned)entry.shared_extra;
        edit->given.kernelParams = edit->params.params;
        edit->given.extra = edit->params.extra;
        edit->twin = true;
        return &edit->given;
    }
    struct det_ledger_row *const row = det_launch_row(function, NULL, why, NULL);
    if (row != NULL)
        det_graph_node_lost(node, row, in_graph);
    return asked;
}

DET_EXPORT CUresult cuGraphKernelNodeSetParams_v2(
    CUgraphNode hNode, const CUDA_KERNEL_NODE_PARAMS *nodeParams)
{
    if (!det_enter(DET_ID_cuGraphKernelNodeSetParams_v2))
        return DET_REAL(cuGraphKernelNodeSetParams_v2)(hNode, nodeParams);

    struct edit e;
    const CUresult status =
        DET_REAL(cuGraphKernelNodeSetParams_v2)(hNode, edit(&e, hNode, nodeParams, true));
    det_params_free(&e.params);
    det_leave(DET_ID_cuGraphKernelNodeSetParams_v2);
    return status;
}

DET_EXPORT CUresult cuGraphExecKernelNodeSetParams_v2(
    CUgraphExec hGraphExec, CUgraphNode hNode, const CUDA_KERNEL_NODE_PARAMS *nodeParams)
{
    if (!det_enter(DET_ID_cuGraphExecKernelNodeSetParams_v2))
        return DET_REAL(cuGraphExecKernelNodeSetParams_v2)(hGraphExec, hNode, nodeParams);

    struct edit e;
    const CUresult status = DET_REAL(cuGraphExecKernelNodeSetParams_v2)(
        hGraphExec, hNode, edit(&e, hNode, nodeParams, false));
    det_params_free(&e.params);
    det_leave(DET_ID_cuGraphExecKernelNodeSetParams_v2);
    return status;
}

/* The older forms: the same, without context and kernel handle. */
static void widen(const CUDA_KERNEL_NODE_PARAMS_v1 *from, CUDA_KERNEL_NODE_PARAMS *to)
{
    memset(to, 0, sizeof *to);
    to->func = from->func;
    to->gridDimX = from->gridDimX;
    to->gridDimY = from->gridDimY;
    to->gridDimZ = from->gridDimZ;
    to->blockDimX = from->blockDimX;
    to->blockDimY = from->blockDimY;
    to->blockDimZ = from->blockDimZ;
    to->sharedMemBytes = from->sharedMemBytes;
    to->kernelParams = from->kernelParams;
    to->extra = from->extra;
}

DET_EXPORT CUresult cuGraphKernelNodeSetParams(
    CUgraphNode hNode, const CUDA_KERNEL_NODE_PARAMS_v1 *nodeParams)
{
    struct det_gnode entry;
    if (nodeParams == NULL || !det_enter(DET_ID_cuGraphKernelNodeSetParams))
        return DET_REAL(cuGraphKernelNodeSetParams)(hNode, nodeParams);

    CUresult status;
    if (det_graph_node_find(hNode, &entry) && det_driver()->cuGraphKernelNodeSetParams_v2 != NULL) {
        CUDA_KERNEL_NODE_PARAMS wide;
        struct edit e;
        widen(nodeParams, &wide);
        status = det_driver()->cuGraphKernelNodeSetParams_v2(hNode, edit(&e, hNode, &wide, true));
        det_params_free(&e.params);
    } else {
        status = DET_REAL(cuGraphKernelNodeSetParams)(hNode, nodeParams);
    }
    det_leave(DET_ID_cuGraphKernelNodeSetParams);
    return status;
}

DET_EXPORT CUresult cuGraphExecKernelNodeSetParams(
    CUgraphExec hGraphExec, CUgraphNode hNode, const CUDA_KERNEL_NODE_PARAMS_v1 *nodeParams)
{
    struct det_gnode entry;
    if (nodeParams == NULL || !det_enter(DET_ID_cuGraphExecKernelNodeSetParams))
        return DET_REAL(cuGraphExecKernelNodeSetParams)(hGraphExec, hNode, nodeParams);

    CUresult status;
    if (det_graph_node_find(hNode, &entry) &&
        det_driver()->cuGraphExecKernelNodeSetParams_v2 != NULL) {
        CUDA_KERNEL_NODE_PARAMS wide;
        struct edit e;
        widen(nodeParams, &wide);
        status = det_driver()->cuGraphExecKernelNodeSetParams_v2(
            hGraphExec, hNode, edit(&e, hNode, &wide, false));
        det_params_free(&e.params);
    } else {
        status = DET_REAL(cuGraphExecKernelNodeSetParams)(hGraphExec, hNode, nodeParams);
    }
    det_leave(DET_ID_cuGraphExecKernelNodeSetParams);
    return status;
}

/* The general forms (CUDA 12.2 and later): only kernel nodes concern us, in the same parameters under another name. */
struct general {
    struct edit edit;
    CUgraphNodeParams given;
};

static CUgraphNodeParams *edit_general(
    struct general *g, CUgraphNode node, CUgraphNodeParams *asked, bool in_graph)
{
    CUDA_KERNEL_NODE_PARAMS kernel;
    static_assert(sizeof kernel == sizeof asked->kernel, "the same members in the same order");
    memset(&g->edit.params, 0, sizeof g->edit.params);
    if (asked == NULL || asked->type != CU_GRAPH_NODE_TYPE_KERNEL)
        return asked;
    memcpy(&kernel, &asked->kernel, sizeof kernel);
    const CUDA_KERNEL_NODE_PARAMS *const use = edit(&g->edit, node, &kernel, in_graph);
    if (use == &kernel)
        return asked;
    g->given = *asked;
    memcpy(&g->given.kernel, use, sizeof *use);
    return &g->given;
}

DET_EXPORT CUresult cuGraphNodeSetParams(CUgraphNode hNode, CUgraphNodeParams *nodeParams)
{
    if (!det_enter(DET_ID_cuGraphNodeSetParams))
        return DET_REAL(cuGraphNodeSetParams)(hNode, nodeParams);

    struct general g;
    const CUresult status =
        DET_REAL(cuGraphNodeSetParams)(hNode, edit_general(&g, hNode, nodeParams, true));
    det_params_free(&g.edit.params);
    det_leave(DET_ID_cuGraphNodeSetParams);
    return status;
}

DET_EXPORT CUresult cuGraphExecNodeSetParams(
    CUgraphExec hGraphExec, CUgraphNode hNode, CUgraphNodeParams *nodeParams)
{
    if (!det_enter(DET_ID_cuGraphExecNodeSetParams))
        return DET_REAL(cuGraphExecNodeSetParams)(hGraphExec, hNode, nodeParams);

    struct general g;
    const CUresult status = DET_REAL(cuGraphExecNodeSetParams)(
        hGraphExec, hNode, edit_general(&g, hNode, nodeParams, false));
    det_params_free(&g.edit.params);
    det_leave(DET_ID_cuGraphExecNodeSetParams);
    return status;
}

/* What the program reads back is what it asked for. */
DET_EXPORT CUresult cuGraphKernelNodeGetParams_v2(
    CUgraphNode hNode, CUDA_KERNEL_NODE_PARAMS *nodeParams)
{
    if (!det_enter(DET_ID_cuGraphKernelNodeGetParams_v2))
        return DET_REAL(cuGraphKernelNodeGetParams_v2)(hNode, nodeParams);

    struct det_gnode entry;
    const CUresult status = DET_REAL(cuGraphKernelNodeGetParams_v2)(hNode, nodeParams);
    if (status == CUDA_SUCCESS && det_graph_node_find(hNode, &entry)) {
        nodeParams->func = (CUfunction)(uintptr_t)entry.original;
        nodeParams->kern = NULL;
        nodeParams->sharedMemBytes -= (unsigned)entry.shared_extra;
    }
    det_leave(DET_ID_cuGraphKernelNodeGetParams_v2);
    return status;
}

DET_EXPORT CUresult cuGraphKernelNodeGetParams(
    CUgraphNode hNode, CUDA_KERNEL_NODE_PARAMS_v1 *nodeParams)
{
    if (!det_enter(DET_ID_cuGraphKernelNodeGetParams))
        return DET_REAL(cuGraphKernelNodeGetParams)(hNode, nodeParams);

    struct det_gnode entry;
    const CUresult status = DET_REAL(cuGraphKernelNodeGetParams)(hNode, nodeParams);
    if (status == CUDA_SUCCESS && det_graph_node_find(hNode, &entry)) {
        nodeParams->func = (CUfunction)(uintptr_t)entry.original;
        nodeParams->sharedMemBytes -= (unsigned)entry.shared_extra;
    }
    det_leave(DET_ID_cuGraphKernelNodeGetParams);
    return status;
}
