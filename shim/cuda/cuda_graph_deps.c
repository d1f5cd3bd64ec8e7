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

void det_graph_behind_free(struct det_behind *behind)
{
    free(behind->copy);
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

#define EDGES(symbol, params, args)                                                                \
    DET_EXPORT CUresult symbol params                                                              \
    {                                                                                              \
        if (!det_enter(DET_ID_##symbol))                                                           \
            return DET_REAL(symbol) args;                                                          \
                                                                                                   \
        struct det_behind behind;                                                                  \
        from = det_graph_behind(&behind, from, numDependencies);                                   \
        const CUresult status = DET_REAL(symbol) args;                                             \
        det_graph_behind_free(&behind);                                                            \
        det_leave(DET_ID_##symbol);                                                                \
        return status;                                                                             \
    }
#define PLAIN                                                                                      \
    (CUgraph hGraph, const CUgraphNode *from, const CUgraphNode *to, size_t numDependencies)
#define WITH_DATA                                                                                  \
    (CUgraph hGraph, const CUgraphNode *from, const CUgraphNode *to,                               \
        const CUgraphEdgeData *edgeData, size_t numDependencies)
EDGES(cuGraphAddDependencies, PLAIN, (hGraph, from, to, numDependencies))
EDGES(cuGraphAddDependencies_v2, WITH_DATA, (hGraph, from, to, edgeData, numDependencies))
EDGES(cuGraphRemoveDependencies, PLAIN, (hGraph, from, to, numDependencies))
EDGES(cuGraphRemoveDependencies_v2, WITH_DATA, (hGraph, from, to, edgeData, numDependencies))

/* A kernel goes with its fold, and its handle may be given to another node. */
DET_EXPORT CUresult cuGraphDestroyNode(CUgraphNode hNode)
{
    if (!det_enter(DET_ID_cuGraphDestroyNode))
        return DET_REAL(cuGraphDestroyNode)(hNode);

    const int saved = errno;
    CUgraphNode const fold = det_graph_fold_of(hNode);
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
