/* Nodes added by name, clones and children. A kernel that adds floats becomes its twin with the fold behind it; the handle that
 * the program gets is the kernel's, and the fold stands for it in every dependency. */
#include <errno.h>
#include <string.h>

#include "shim/cuda/cuda_driver.h"
#include "shim/cuda/cuda_graph.h"
#include "shim/cuda/cuda_launch.h"
#include "shim/loader/call.h"

/* A node on its way into a graph. */
struct adding {
    CUgraph graph, root;
    bool
        conditional; /* `graph` is the body of a conditional node, run as often as the device likes */
    bool kernel;
    struct det_behind behind;
    const CUgraphNode *deps; /* with folds in them */
    struct det_gask ask;
};

static void begin(struct adding *adding, CUgraph graph, const CUgraphNode *dependencies, size_t n)
{
    memset(adding, 0, sizeof *adding);
    adding->graph = graph;
    adding->root = det_graph_root(graph, &adding->conditional);
    adding->deps = det_graph_behind(&adding->behind, dependencies, n);
}

/* What the driver gets in the place of `asked`. */
static const CUDA_KERNEL_NODE_PARAMS *kernel(
    struct adding *adding, const CUDA_KERNEL_NODE_PARAMS *asked, size_t n_deps)
{
    struct det_gnode before;
    struct det_ctx *const ctx = asked != NULL ? det_gask_context(asked) : NULL;
    adding->kernel = asked != NULL;
    if (asked == NULL)
        return asked;
    const bool follow = ctx != NULL && !adding->conditional &&
                        det_graph_follow(adding->root, ctx, adding->deps, n_deps, &before);
    det_gask_make(&adding->ask, asked, follow ? before.table : NULL);
    adding->ask.node.branch = follow ? before.branch : det_mix(det_serial());
    if (adding->ask.twin && adding->conditional)
        det_gask_refuse(&adding->ask, "conditional graph node");
    return adding->ask.twin ? &adding->ask.given : asked;
}

static void count_node(struct det_ledger_row *row, uint64_t graph, void *node)
{
    det_graph_added(
        (CUgraph)(uintptr_t)graph, &(struct det_gnode){ .kernel = node, .row = row, .exact = row });
}

/* The node is there. False: it got no fold and is gone again. */
static bool finish(struct adding *adding, CUgraphNode *out)
{
    struct det_gnode *const node = &adding->ask.node;
    bool ok = true;
    if (!adding->kernel || node->row == NULL)
        return true;
    node->kernel = *out;
    if (adding->ask.twin) {
        const struct det_launch_node *const made = adding->ask.made;
        det_inside_begin();
        ok = det_graph_fold_add(adding->graph, node, made->fold, made->fold_grid) == CUDA_SUCCESS;
        if (!ok)
            det_graph_destroy_node(*out);
        det_inside_end();
    }
    if (ok && !(adding->ask.vendor && det_vendor_kernel(node->row,
                                          (uint64_t)(uintptr_t)adding->root, *out, count_node)))
        det_graph_added(adding->root, node);
    return ok;
}

static void end(struct adding *adding)
{
    det_gask_free(&adding->ask);
    det_graph_behind_free(&adding->behind);
}

/* `call` adds the node with what stands in nodeParams. */
#define ADD_KERNEL(call)                                                                           \
    CUresult status = (call);                                                                      \
    if (status == CUDA_SUCCESS && !finish(&adding, phGraphNode)) {                                 \
        det_gask_refuse(&adding.ask, "explicit graph node");                                       \
        nodeParams = asked;                                                                        \
        status = (call);                                                                           \
        if (status == CUDA_SUCCESS)                                                                \
            finish(&adding, phGraphNode);                                                          \
    }                                                                                              \
    end(&adding)

DET_EXPORT CUresult cuGraphAddKernelNode_v2(CUgraphNode *phGraphNode, CUgraph hGraph,
    const CUgraphNode *dependencies, size_t numDependencies,
    const CUDA_KERNEL_NODE_PARAMS *nodeParams)
{
    if (!det_enter(DET_ID_cuGraphAddKernelNode_v2))
        return DET_REAL(cuGraphAddKernelNode_v2)(
            phGraphNode, hGraph, dependencies, numDependencies, nodeParams);

    struct adding adding;
    const CUDA_KERNEL_NODE_PARAMS *const asked = nodeParams;
    begin(&adding, hGraph, dependencies, numDependencies);
    nodeParams = kernel(&adding, asked, numDependencies);
    ADD_KERNEL(DET_REAL(cuGraphAddKernelNode_v2)(
        phGraphNode, hGraph, adding.deps, numDependencies, nodeParams));
    det_leave(DET_ID_cuGraphAddKernelNode_v2);
    return status;
}

/* The older form: the same, without context and kernel handle. */
static void widen(const CUDA_KERNEL_NODE_PARAMS_v1 *from, CUDA_KERNEL_NODE_PARAMS *to)
{
    memset(to, 0, sizeof *to);
    memcpy(to, from, sizeof *from); /* the same members in the same order */
}

DET_EXPORT CUresult cuGraphAddKernelNode(CUgraphNode *phGraphNode, CUgraph hGraph,
    const CUgraphNode *dependencies, size_t numDependencies,
    const CUDA_KERNEL_NODE_PARAMS_v1 *nodeParams)
{
    if (nodeParams == NULL || !det_enter(DET_ID_cuGraphAddKernelNode))
        return DET_REAL(cuGraphAddKernelNode)(
            phGraphNode, hGraph, dependencies, numDependencies, nodeParams);

    struct adding adding;
    CUDA_KERNEL_NODE_PARAMS wide;
    const CUDA_KERNEL_NODE_PARAMS_v1 *const asked = nodeParams;
    begin(&adding, hGraph, dependencies, numDependencies);
    widen(asked, &wide);
    const CUDA_KERNEL_NODE_PARAMS *const use = kernel(&adding, &wide, numDependencies);
    CUDA_KERNEL_NODE_PARAMS_v1 narrow;
    memcpy(&narrow, use, sizeof narrow);
    nodeParams = use == &wide ? asked : &narrow;
    ADD_KERNEL(DET_REAL(cuGraphAddKernelNode)(
        phGraphNode, hGraph, adding.deps, numDependencies, nodeParams));
    det_leave(DET_ID_cuGraphAddKernelNode);
    return status;
}

/* --- any node (CUDA 12.2 and later) --- */

static void copied(CUgraph from, CUgraph holder, CUgraph copy);

/* What the driver gets in the place of `asked`; a kernel's parameters are the same there under another name. */
static CUgraphNodeParams *general(
    struct adding *adding, CUgraphNodeParams *asked, CUgraphNodeParams *given, size_t n_deps)
{
    CUDA_KERNEL_NODE_PARAMS wide;
    if (asked == NULL || asked->type != CU_GRAPH_NODE_TYPE_KERNEL)
        return asked;
    memcpy(&wide, &asked->kernel, sizeof wide);
    const CUDA_KERNEL_NODE_PARAMS *const use = kernel(adding, &wide, n_deps);
    if (use == &wide)
        return asked;
    *given = *asked;
    memcpy(&given->kernel, use, sizeof *use);
    return given;
}

/* Graphs inside the new node. */
static void general_inner(CUgraph holder, CUgraphNode node, const CUgraphNodeParams *params)
{
    CUgraph inner = NULL;
    bool conditional;
    holder = det_graph_root(holder, &conditional);
    if (params->type == CU_GRAPH_NODE_TYPE_CONDITIONAL) {
        for (unsigned i = 0;
             params->conditional.phGraph_out != NULL && i < params->conditional.size; i++)
            det_graph_inner(params->conditional.phGraph_out[i], holder, true);
        return;
    }
    if (params->type != CU_GRAPH_NODE_TYPE_GRAPH ||
        det_driver()->cuGraphChildGraphNodeGetGraph == NULL ||
        det_driver()->cuGraphChildGraphNodeGetGraph(node, &inner) != CUDA_SUCCESS)
        return;
    if (inner == params->graph.graph)
        det_graph_moved(inner, holder);
    else
        copied(params->graph.graph, holder, inner);
    det_graph_inner(inner, holder, conditional);
}

DET_EXPORT CUresult cuGraphAddNode(CUgraphNode *phGraphNode, CUgraph hGraph,
    const CUgraphNode *dependencies, size_t numDependencies, CUgraphNodeParams *nodeParams)
{
    if (!det_enter(DET_ID_cuGraphAddNode))
        return DET_REAL(cuGraphAddNode)(
            phGraphNode, hGraph, dependencies, numDependencies, nodeParams);

    struct adding adding;
    CUgraphNodeParams given, *const asked = nodeParams;
    begin(&adding, hGraph, dependencies, numDependencies);
    nodeParams = general(&adding, asked, &given, numDependencies);
    ADD_KERNEL(
        DET_REAL(cuGraphAddNode)(phGraphNode, hGraph, adding.deps, numDependencies, nodeParams));
    if (status == CUDA_SUCCESS)
        general_inner(hGraph, *phGraphNode, asked);
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

    struct adding adding;
    CUgraphNodeParams given, *const asked = nodeParams;
    begin(&adding, hGraph, dependencies, numDependencies);
    nodeParams = general(&adding, asked, &given, numDependencies);
    dependencyData =
        det_graph_behind_edges(&adding.behind, dependencies, dependencyData, numDependencies);
    ADD_KERNEL(DET_REAL(cuGraphAddNode_v2)(
        phGraphNode, hGraph, adding.deps, dependencyData, numDependencies, nodeParams));
    if (status == CUDA_SUCCESS)
        general_inner(hGraph, *phGraphNode, asked);
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
        det_driver()->cuGraphChildGraphNodeGetGraph(*phGraphNode, &inner) == CUDA_SUCCESS) {
        bool conditional;
        CUgraph const holder = det_graph_root(hGraph, &conditional);
        copied(childGraph, holder, inner);
        det_graph_inner(inner, holder, conditional);
    }
    det_leave(DET_ID_cuGraphAddChildGraphNode);
    return status;
}
