/* What a program sees of a graph: its own nodes and edges. Folds are hidden; an edge from a fold is one from its kernel. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shim/cuda/cuda_driver.h"
#include "shim/cuda/cuda_graph.h"
#include "shim/cuda/cuda_table.h"
#include "shim/loader/call.h"

/* What the driver lists, without what is ours. */
struct listing {
    struct det_gpair *pairs;
    size_t n_pairs;
    CUgraphNode *a, *b; /* b: second ends of edges */
    CUgraphEdgeData *data;
    size_t n;
};

static bool listing_begin(struct listing *l)
{
    memset(l, 0, sizeof *l);
    l->pairs = det_graph_folds(&l->n_pairs);
    return l->n_pairs != 0;
}

static bool listing_room(struct listing *l)
{
    l->a = calloc(l->n + 1, sizeof(CUgraphNode));
    l->b = calloc(l->n + 1, sizeof(CUgraphNode));
    l->data = calloc(l->n + 1, sizeof *l->data);
    return l->a != NULL && l->b != NULL && l->data != NULL;
}

static void listing_free(struct listing *l)
{
    free(l->pairs);
    free(l->a);
    free(l->b);
    free(l->data);
}

/* Nodes in l->a: folds go, or become their kernels. */
static void nodes_clean(struct listing *l, bool as_kernel)
{
    size_t kept = 0;
    for (size_t i = 0; i < l->n; i++) {
        CUgraphNode const kernel = det_graph_kernel_of(l->pairs, l->n_pairs, l->a[i]);
        if (kernel != NULL && !as_kernel)
            continue;
        l->data[kept] = l->data[i];
        l->a[kept++] = kernel != NULL ? kernel : l->a[i];
    }
    l->n = kept;
}

static void edges_clean(struct listing *l)
{
    size_t kept = 0;
    for (size_t i = 0; i < l->n; i++) {
        if (det_graph_kernel_of(l->pairs, l->n_pairs, l->b[i]) != NULL)
            continue; /* from a kernel to its fold */
        CUgraphNode const kernel = det_graph_kernel_of(l->pairs, l->n_pairs, l->a[i]);
        l->data[kept] = l->data[i];
        l->a[kept] = kernel != NULL ? kernel : l->a[i];
        l->b[kept++] = l->b[i];
    }
    l->n = kept;
}

/* As the driver gives: all there is room for, the rest of the room NULL; without room the number. */
static void give(
    const struct listing *l, CUgraphNode *a, CUgraphNode *b, CUgraphEdgeData *data, size_t *n)
{
    const size_t room = a != NULL ? *n : 0, given = l->n < room ? l->n : room;
    for (size_t i = 0; i < room; i++) {
        a[i] = i < given ? l->a[i] : NULL;
        if (b != NULL)
            b[i] = i < given ? l->b[i] : NULL;
        if (data != NULL && i < given)
            data[i] = l->data[i];
    }
    *n = a != NULL ? given : l->n;
}

/* `ask` lists into l.a, l.b, l.data and l.n, or counts while l.a is NULL. */
#define QUERY(symbol, params, args, ask, clean, out_a, out_b, out_data, out_n)                     \
    DET_EXPORT CUresult symbol params                                                              \
    {                                                                                              \
        if (!det_enter(DET_ID_##symbol))                                                           \
            return DET_REAL(symbol) args;                                                          \
                                                                                                   \
        const int saved = errno;                                                                   \
        struct listing l = { 0 };                                                                  \
        CUresult status;                                                                           \
        if ((out_n) == NULL || !listing_begin(&l)) {                                               \
            status = DET_REAL(symbol) args;                                                        \
        } else {                                                                                   \
            status = DET_REAL(symbol) ask;                                                         \
            if (status == CUDA_SUCCESS && l.n != 0) {                                              \
                status = listing_room(&l) ? DET_REAL(symbol) ask : CUDA_ERROR_OUT_OF_MEMORY;       \
            }                                                                                      \
            if (status == CUDA_SUCCESS) {                                                          \
                clean;                                                                             \
                give(&l, out_a, out_b, out_data, out_n);                                           \
            }                                                                                      \
        }                                                                                          \
        listing_free(&l);                                                                          \
        errno = saved;                                                                             \
        det_leave(DET_ID_##symbol);                                                                \
        return status;                                                                             \
    }
QUERY(cuGraphGetNodes, (CUgraph hGraph, CUgraphNode *nodes, size_t *numNodes),
    (hGraph, nodes, numNodes), (hGraph, l.a, &l.n), nodes_clean(&l, false), nodes, NULL, NULL,
    numNodes)
QUERY(cuGraphGetEdges, (CUgraph hGraph, CUgraphNode *from, CUgraphNode *to, size_t *numEdges),
    (hGraph, from, to, numEdges), (hGraph, l.a, l.b, &l.n), edges_clean(&l), from, to, NULL,
    numEdges)
QUERY(cuGraphGetEdges_v2,
    (CUgraph hGraph, CUgraphNode *from, CUgraphNode *to, CUgraphEdgeData *edgeData,
        size_t *numEdges),
    (hGraph, from, to, edgeData, numEdges), (hGraph, l.a, l.b, l.data, &l.n), edges_clean(&l), from,
    to, edgeData, numEdges)
QUERY(cuGraphNodeGetDependencies,
    (CUgraphNode hNode, CUgraphNode *dependencies, size_t *numDependencies),
    (hNode, dependencies, numDependencies), (hNode, l.a, &l.n), nodes_clean(&l, true), dependencies,
    NULL, NULL, numDependencies)
QUERY(cuGraphNodeGetDependencies_v2,
    (CUgraphNode hNode, CUgraphNode *dependencies, CUgraphEdgeData *edgeData,
        size_t *numDependencies),
    (hNode, dependencies, edgeData, numDependencies), (hNode, l.a, l.data, &l.n),
    nodes_clean(&l, true), dependencies, NULL, edgeData, numDependencies)

/* What comes behind a kernel comes behind its fold. */
static CUgraphNode behind(CUgraphNode node)
{
    CUgraphNode const fold = det_graph_fold_of(node);
    return fold != NULL ? fold : node;
}
QUERY(cuGraphNodeGetDependentNodes,
    (CUgraphNode hNode, CUgraphNode *dependentNodes, size_t *numDependentNodes),
    (hNode, dependentNodes, numDependentNodes), (behind(hNode), l.a, &l.n), nodes_clean(&l, true),
    dependentNodes, NULL, NULL, numDependentNodes)
QUERY(cuGraphNodeGetDependentNodes_v2,
    (CUgraphNode hNode, CUgraphNode *dependentNodes, CUgraphEdgeData *edgeData,
        size_t *numDependentNodes),
    (hNode, dependentNodes, edgeData, numDependentNodes), (behind(hNode), l.a, l.data, &l.n),
    nodes_clean(&l, true), dependentNodes, NULL, edgeData, numDependentNodes)

/* --- captures under way --- */

/* The driver's own array is not ours to write; this one lives until the thread asks again. */
static const CUgraphNode *own_kernels(const CUgraphNode *nodes, size_t n)
{
    static __thread CUgraphNode *copy;
    size_t n_pairs = 0;
    const int saved = errno;
    struct det_gpair *const pairs = det_graph_folds(&n_pairs);
    CUgraphNode *const bigger = n_pairs != 0 ? realloc(copy, n * sizeof(CUgraphNode)) : NULL;
    if (bigger != NULL) {
        copy = bigger;
        for (size_t i = 0; i < n; i++) {
            CUgraphNode const kernel = det_graph_kernel_of(pairs, n_pairs, nodes[i]);
            copy[i] = kernel != NULL ? kernel : nodes[i];
        }
        nodes = copy;
    }
    free(pairs);
    errno = saved;
    return nodes;
}

#define CAPTURE_INFO(symbol, params, args)                                                         \
    DET_EXPORT CUresult symbol params                                                              \
    {                                                                                              \
        if (!det_capture_any() || !det_enter(DET_ID_##symbol))                                     \
            return DET_REAL(symbol) args;                                                          \
                                                                                                   \
        const CUresult status = DET_REAL(symbol) args;                                             \
        if (status == CUDA_SUCCESS && *captureStatus_out == CU_STREAM_CAPTURE_STATUS_ACTIVE &&     \
            dependencies_out != NULL && numDependencies_out != NULL && *numDependencies_out != 0)  \
            *dependencies_out = own_kernels(*dependencies_out, *numDependencies_out);              \
        det_leave(DET_ID_##symbol);                                                                \
        return status;                                                                             \
    }
#define INFO                                                                                       \
    (CUstream hStream, CUstreamCaptureStatus * captureStatus_out, cuuint64_t * id_out,             \
        CUgraph * graph_out, const CUgraphNode **dependencies_out, size_t *numDependencies_out)
#define INFO_ARGS                                                                                  \
    (hStream, captureStatus_out, id_out, graph_out, dependencies_out, numDependencies_out)
#define INFO_3                                                                                     \
    (CUstream hStream, CUstreamCaptureStatus * captureStatus_out, cuuint64_t * id_out,             \
        CUgraph * graph_out, const CUgraphNode **dependencies_out,                                 \
        const CUgraphEdgeData **edgeData_out, size_t *numDependencies_out)
#define INFO_3_ARGS                                                                                \
    (hStream, captureStatus_out, id_out, graph_out, dependencies_out, edgeData_out,                \
        numDependencies_out)
CAPTURE_INFO(cuStreamGetCaptureInfo_v2, INFO, INFO_ARGS)
CAPTURE_INFO(cuStreamGetCaptureInfo_v2_ptsz, INFO, INFO_ARGS)
CAPTURE_INFO(cuStreamGetCaptureInfo_v3, INFO_3, INFO_3_ARGS)
CAPTURE_INFO(cuStreamGetCaptureInfo_v3_ptsz, INFO_3, INFO_3_ARGS)

static void capture_edges_changed(CUstream stream)
{
    const int saved = errno;
    det_inside_begin();
    const uint64_t id = det_capture_id(stream);
    det_inside_end();
    if (id != 0)
        det_graph_edges_changed(DET_CAPTURES, (const void *)(uintptr_t)id);
    errno = saved;
}

/* What the next captured work depends on: behind a kernel that is behind its fold. Work of one stream need not run in order
 * any more. */
#define UPDATE(symbol, per_thread, params, data, args)                                             \
    DET_EXPORT CUresult symbol params                                                              \
    {                                                                                              \
        if (!det_enter(DET_ID_##symbol))                                                           \
            return DET_REAL(symbol) args;                                                          \
                                                                                                   \
        struct det_behind swap;                                                                    \
        const CUgraphNode *const named = dependencies;                                             \
        dependencies =                                                                             \
            (CUgraphNode *)(uintptr_t)det_graph_behind(&swap, dependencies, numDependencies);      \
        (void)named;                                                                               \
        data;                                                                                      \
        const CUresult status = DET_REAL(symbol) args;                                             \
        det_graph_behind_free(&swap);                                                              \
        if (status == CUDA_SUCCESS)                                                                \
            capture_edges_changed(det_stream_normal(hStream, per_thread));                         \
        det_leave(DET_ID_##symbol);                                                                \
        return status;                                                                             \
    }
#define DEPS                                                                                       \
    (CUstream hStream, CUgraphNode * dependencies, size_t numDependencies, unsigned int flags)
#define DEPS_ARGS (hStream, dependencies, numDependencies, flags)
#define DEPS_2                                                                                     \
    (CUstream hStream, CUgraphNode * dependencies, const CUgraphEdgeData *dependencyData,          \
        size_t numDependencies, unsigned int flags)
#define DEPS_2_ARGS (hStream, dependencies, dependencyData, numDependencies, flags)
#define FULL        dependencyData = det_graph_behind_edges(&swap, named, dependencyData, numDependencies)
UPDATE(cuStreamUpdateCaptureDependencies, false, DEPS, (void)0, DEPS_ARGS)
UPDATE(cuStreamUpdateCaptureDependencies_ptsz, true, DEPS, (void)0, DEPS_ARGS)
UPDATE(cuStreamUpdateCaptureDependencies_v2, false, DEPS_2, FULL, DEPS_2_ARGS)
UPDATE(cuStreamUpdateCaptureDependencies_v2_ptsz, true, DEPS_2, FULL, DEPS_2_ARGS)
