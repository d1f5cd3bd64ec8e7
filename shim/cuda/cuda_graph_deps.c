/* The fold stands for its kernel in every dependency the program names: what is added by name behind a captured kernel must
 * see rounded sums. Calls that add kernels themselves are in cuda_graph_edit.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shim/cuda/cuda_driver.h"
#include "shim/cuda/cuda_graph.h"
#include "shim/loader/call.h"

const CUgraphNode *det_graph_behind(struct det_behind *behind, const CUgraphNode *nodes, size_t n)
{
    const int saved = errno;
    behind->copy = NULL;
    behind->edges = NULL;
    for (size_t i = 0; nodes != NULL && i < n; i++) {
        CUgraphNode const fold = det_graph_fold_of(nodes[i]);
        if (fold == NULL)
            continue;
        if (behind->copy == NULL && (behind->copy = malloc(n * sizeof(CUgraphNode))) != NULL)
            memcpy(behind->copy, nodes, n * sizeof(CUgraphNode));
        if (behind->copy != NULL)
            behind->copy[i] = fold;
    }
    errno = saved;
    return behind->copy != NULL ? behind->copy : nodes;
}

const CUgraphEdgeData *det_graph_behind_edges(
    struct det_behind *behind, const CUgraphNode *nodes, const CUgraphEdgeData *edges, size_t n)
{
    const int saved = errno;
    if (behind->copy == NULL || edges == NULL)
        return edges;
    behind->edges = malloc(n * sizeof *edges);
    errno = saved;
    if (behind->edges == NULL)
        return edges;
    memcpy(behind->edges, edges, n * sizeof *edges);
    for (size_t i = 0; i < n; i++)
        if (behind->copy[i] != nodes[i])
            memset(&behind->edges[i], 0, sizeof *edges);
    return behind->edges;
}

void det_graph_behind_free(struct det_behind *behind)
{
    const int saved = errno;
    free(behind->copy);
    free(behind->edges);
    errno = saved;
}

static CUresult dependents(CUgraphNode node, CUgraphNode **out, size_t *n)
{
    const struct det_driver *const cu = det_driver();
    CUgraphEdgeData *data = NULL;
    CUresult status = CUDA_ERROR_NOT_SUPPORTED;
    *out = NULL;
    *n = 0;
    for (int pass = 0; pass < 2; pass++) {
        if (cu->cuGraphNodeGetDependentNodes_v2 != NULL)
            status = cu->cuGraphNodeGetDependentNodes_v2(node, *out, data, n);
        else if (cu->cuGraphNodeGetDependentNodes != NULL)
            status = cu->cuGraphNodeGetDependentNodes(node, *out, n);
        if (status != CUDA_SUCCESS || *n == 0 || pass == 1)
            break;
        *out = calloc(*n, sizeof(CUgraphNode));
        data = calloc(*n, sizeof *data);
        if (*out == NULL || data == NULL)
            status = CUDA_ERROR_OUT_OF_MEMORY;
        if (status != CUDA_SUCCESS)
            break;
    }
    free(data);
    return status;
}

CUresult det_graph_destroy_node(CUgraphNode node)
{
    const struct det_driver *const cu = det_driver();
    return cu->cuGraphDestroyNode != NULL ? cu->cuGraphDestroyNode(node) : CUDA_ERROR_NOT_SUPPORTED;
}

static CUresult edges_move(CUgraph graph, CUgraphNode from, CUgraphNode to)
{
    const struct det_driver *const cu = det_driver();
    CUgraphNode *next = NULL;
    size_t n = 0;
    if (cu->cuGraphAddDependencies == NULL || cu->cuGraphRemoveDependencies == NULL)
        return CUDA_ERROR_NOT_SUPPORTED;
    CUresult status = dependents(from, &next, &n);
    for (size_t i = 0; status == CUDA_SUCCESS && i < n; i++) {
        if (next[i] == to)
            continue;
        status = cu->cuGraphAddDependencies(graph, &to, &next[i], 1);
        if (status == CUDA_SUCCESS)
            status = cu->cuGraphRemoveDependencies(graph, &from, &next[i], 1);
    }
    free(next);
    return status;
}

CUresult det_graph_fold_add(CUgraph graph, struct det_gnode *node, CUfunction fold, unsigned grid)
{
    const struct det_driver *const cu = det_driver();
    uint64_t at[2] = { node->head, node->report->device };
    void *list[] = { &at[0], &at[1] };
    const CUDA_KERNEL_NODE_PARAMS params = {
        .func = fold,
        .gridDimX = grid,
        .gridDimY = 1,
        .gridDimZ = 1,
        .blockDimX = DET_ACC_FOLD_BLOCK,
        .blockDimY = 1,
        .blockDimZ = 1,
        .kernelParams = list,
    };
    CUresult status = cu->cuGraphAddKernelNode_v2(&node->fold, graph, &node->kernel, 1, &params);
    if (status != CUDA_SUCCESS) {
        node->fold = NULL;
        return status;
    }
    status = edges_move(graph, node->kernel, node->fold);
    if (status != CUDA_SUCCESS) {
        cu->cuGraphDestroyNode(node->fold);
        node->fold = NULL;
    }
    return status;
}

#define ADD(symbol, params, args)                                                                  \
    DET_EXPORT CUresult symbol params                                                              \
    {                                                                                              \
        if (!det_enter(DET_ID_##symbol))                                                           \
            return DET_REAL(symbol) args;                                                          \
                                                                                                   \
        struct det_behind behind;                                                                  \
        dependencies = det_graph_behind(&behind, dependencies, numDependencies);                   \
        const CUresult status = DET_REAL(symbol) args;                                             \
        det_graph_behind_free(&behind);                                                            \
        det_leave(DET_ID_##symbol);                                                                \
        return status;                                                                             \
    }
#define HEAD                                                                                       \
    CUgraphNode *phGraphNode, CUgraph hGraph, const CUgraphNode *dependencies,                     \
        size_t numDependencies
#define GIVEN phGraphNode, hGraph, dependencies, numDependencies

ADD(cuGraphAddMemcpyNode, (HEAD, const CUDA_MEMCPY3D *copyParams, CUcontext ctx),
    (GIVEN, copyParams, ctx))
ADD(cuGraphAddMemsetNode, (HEAD, const CUDA_MEMSET_NODE_PARAMS *memsetParams, CUcontext ctx),
    (GIVEN, memsetParams, ctx))
ADD(cuGraphAddHostNode, (HEAD, const CUDA_HOST_NODE_PARAMS *nodeParams), (GIVEN, nodeParams))
ADD(cuGraphAddEmptyNode, (HEAD), (GIVEN))
ADD(cuGraphAddEventRecordNode, (HEAD, CUevent event), (GIVEN, event))
ADD(cuGraphAddEventWaitNode, (HEAD, CUevent event), (GIVEN, event))

#define EDGES(symbol, params, data, args)                                                          \
    DET_EXPORT CUresult symbol params                                                              \
    {                                                                                              \
        if (!det_enter(DET_ID_##symbol))                                                           \
            return DET_REAL(symbol) args;                                                          \
                                                                                                   \
        struct det_behind behind;                                                                  \
        const CUgraphNode *const named = from;                                                     \
        from = det_graph_behind(&behind, from, numDependencies);                                   \
        (void)named;                                                                               \
        data;                                                                                      \
        const CUresult status = DET_REAL(symbol) args;                                             \
        det_graph_behind_free(&behind);                                                            \
        edges_changed(hGraph);                                                                     \
        det_leave(DET_ID_##symbol);                                                                \
        return status;                                                                             \
    }
#define PLAIN                                                                                      \
    (CUgraph hGraph, const CUgraphNode *from, const CUgraphNode *to, size_t numDependencies)
#define WITH_DATA                                                                                  \
    (CUgraph hGraph, const CUgraphNode *from, const CUgraphNode *to,                               \
        const CUgraphEdgeData *edgeData, size_t numDependencies)
#define FULL edgeData = det_graph_behind_edges(&behind, named, edgeData, numDependencies)

static void edges_changed(CUgraph graph)
{
    bool conditional;
    det_graph_edges_changed(DET_GRAPHS, det_graph_root(graph, &conditional));
}

EDGES(cuGraphAddDependencies, PLAIN, (void)0, (hGraph, from, to, numDependencies))
EDGES(cuGraphAddDependencies_v2, WITH_DATA, FULL, (hGraph, from, to, edgeData, numDependencies))
EDGES(cuGraphRemoveDependencies, PLAIN, (void)0, (hGraph, from, to, numDependencies))
EDGES(cuGraphRemoveDependencies_v2, WITH_DATA, FULL, (hGraph, from, to, edgeData, numDependencies))

static void gone(CUgraphNode node, void *arg)
{
    (void)arg;
    det_graph_node_gone(node);
}

/* A kernel goes with its fold, a child graph with its kernels; handles may be given to other nodes. */
DET_EXPORT CUresult cuGraphDestroyNode(CUgraphNode hNode)
{
    if (!det_enter(DET_ID_cuGraphDestroyNode))
        return DET_REAL(cuGraphDestroyNode)(hNode);

    const int saved = errno;
    const struct det_driver *const cu = det_driver();
    CUgraphNode const fold = det_graph_fold_of(hNode);
    CUgraphNodeType type;
    CUgraph child = NULL;
    det_inside_begin();
    const bool inner =
        cu->cuGraphNodeGetType != NULL && cu->cuGraphNodeGetType(hNode, &type) == CUDA_SUCCESS &&
        type == CU_GRAPH_NODE_TYPE_GRAPH && cu->cuGraphChildGraphNodeGetGraph != NULL &&
        cu->cuGraphChildGraphNodeGetGraph(hNode, &child) == CUDA_SUCCESS;
    if (inner) /* before its handles die: a child graph node is always destroyed */
        det_graph_walk(child, gone, NULL);
    det_inside_end();
    errno = saved;
    const CUresult status = DET_REAL(cuGraphDestroyNode)(hNode);
    if (status == CUDA_SUCCESS) {
        if (fold != NULL)
            DET_REAL(cuGraphDestroyNode)(fold);
        det_graph_node_gone(hNode);
    }
    errno = saved;
    det_leave(DET_ID_cuGraphDestroyNode);
    return status;
}
