/* Stream capture: only a count of captures under way, so that an ordinary launch pays one load, and the id of the one a
 * stream takes part in. */
#include <errno.h>

#include "shim/cuda/cuda_driver.h"
#include "shim/cuda/cuda_graph.h"
#include "shim/cuda/cuda_table.h"
#include "shim/loader/call.h"

static _Atomic int n_captures;

bool det_capture_any(void)
{
    return atomic_load_explicit(&n_captures, memory_order_relaxed) > 0;
}

uint64_t det_capture_id(CUstream stream)
{
    const struct det_driver *const cu = det_driver();
    CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;
    cuuint64_t id = 0;
    if (cu->cuStreamGetCaptureInfo_v2 != NULL) {
        if (cu->cuStreamGetCaptureInfo_v2(stream, &status, &id, NULL, NULL, NULL) != CUDA_SUCCESS)
            return 0;
    } else if (cu->cuStreamIsCapturing == NULL ||
               cu->cuStreamIsCapturing(stream, &status) != CUDA_SUCCESS)
        return 0;
    if (status != CU_STREAM_CAPTURE_STATUS_ACTIVE)
        return 0;
    return id != 0 ? id : UINT64_MAX;
}

static void began(CUresult status)
{
    if (status == CUDA_SUCCESS)
        atomic_fetch_add(&n_captures, 1);
}

#define BEGIN(symbol, params, args)                                                                \
    DET_EXPORT CUresult symbol params                                                              \
    {                                                                                              \
        if (!det_enter(DET_ID_##symbol))                                                           \
            return DET_REAL(symbol) args;                                                          \
                                                                                                   \
        const CUresult status = DET_REAL(symbol) args;                                             \
        began(status);                                                                             \
        det_leave(DET_ID_##symbol);                                                                \
        return status;                                                                             \
    }
BEGIN(cuStreamBeginCapture, (CUstream hStream), (hStream))
BEGIN(cuStreamBeginCapture_ptsz, (CUstream hStream), (hStream))
BEGIN(cuStreamBeginCapture_v2, (CUstream hStream, CUstreamCaptureMode mode), (hStream, mode))
BEGIN(cuStreamBeginCapture_v2_ptsz, (CUstream hStream, CUstreamCaptureMode mode), (hStream, mode))
/* Into a graph that may hold twins of ours: what depends on a kernel depends on its fold. */
#define BEGIN_TO_GRAPH(symbol)                                                                     \
    DET_EXPORT CUresult symbol(CUstream hStream, CUgraph hGraph, const CUgraphNode *dependencies,  \
        const CUgraphEdgeData *dependencyData, size_t numDependencies, CUstreamCaptureMode mode)   \
    {                                                                                              \
        if (!det_enter(DET_ID_##symbol))                                                           \
            return DET_REAL(symbol)(                                                               \
                hStream, hGraph, dependencies, dependencyData, numDependencies, mode);             \
                                                                                                   \
        struct det_behind swap;                                                                    \
        const CUgraphNode *const deps = det_graph_behind(&swap, dependencies, numDependencies);    \
        dependencyData =                                                                           \
            det_graph_behind_edges(&swap, dependencies, dependencyData, numDependencies);          \
        const CUresult status =                                                                    \
            DET_REAL(symbol)(hStream, hGraph, deps, dependencyData, numDependencies, mode);        \
        det_graph_behind_free(&swap);                                                              \
        began(status);                                                                             \
        det_leave(DET_ID_##symbol);                                                                \
        return status;                                                                             \
    }
BEGIN_TO_GRAPH(cuStreamBeginCaptureToGraph)
BEGIN_TO_GRAPH(cuStreamBeginCaptureToGraph_ptsz)

static uint64_t ending(CUstream stream, bool per_thread)
{
    det_inside_begin();
    const uint64_t id = det_capture_id(det_stream_normal(stream, per_thread));
    det_inside_end();
    return id;
}

static void ended(uint64_t id, CUgraph graph)
{
    const int saved = errno;
    atomic_fetch_sub(&n_captures, 1);
    if (id != 0) {
        bool conditional;
        det_graph_capture_end(id, graph != NULL ? det_graph_root(graph, &conditional) : NULL);
    }
    errno = saved;
}

/* A capture ends whatever the status: an invalidated one is over, too. Only "not capturing" ends nothing. */
#define END(symbol, per_thread)                                                                    \
    DET_EXPORT CUresult symbol(CUstream hStream, CUgraph *phGraph)                                 \
    {                                                                                              \
        if (!det_enter(DET_ID_##symbol))                                                           \
            return DET_REAL(symbol)(hStream, phGraph);                                             \
                                                                                                   \
        const uint64_t id = det_capture_any() ? ending(hStream, per_thread) : 0;                   \
        const CUresult status = DET_REAL(symbol)(hStream, phGraph);                                \
        if (status != CUDA_ERROR_ILLEGAL_STATE && status != CUDA_ERROR_INVALID_VALUE &&            \
            status != CUDA_ERROR_STREAM_CAPTURE_UNMATCHED &&                                       \
            status != CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD)                                      \
            ended(id, status == CUDA_SUCCESS && phGraph != NULL ? *phGraph : NULL);                \
        det_leave(DET_ID_##symbol);                                                                \
        return status;                                                                             \
    }
END(cuStreamEndCapture, false)
END(cuStreamEndCapture_ptsz, true)
