/* Runtime double: streams, events, capture. */
#include "tests/softgpu/runtime.h"

#include <stdlib.h>

RT_API(cudaStreamCreate, (cudaStream_t * stream), (stream))
{
    RT_TRY(rt_context());
    return RT_DRV(cuStreamCreate_(stream, 0));
}

RT_API(cudaStreamCreateWithFlags, (cudaStream_t * stream, unsigned flags), (stream, flags))
{
    RT_TRY(rt_context());
    return RT_DRV(cuStreamCreate_(stream, flags));
}

RT_API(cudaStreamCreateWithPriority, (cudaStream_t * stream, unsigned flags, int priority),
    (stream, flags, priority))
{
    RT_TRY(rt_context());
    return RT_DRV(cuStreamCreateWithPriority_(stream, flags, priority));
}

RT_API(cudaStreamDestroy, (cudaStream_t stream), (stream))
{
    RT_TRY(rt_context());
    return RT_DRV(cuStreamDestroy_(stream));
}

RT_TWO(cudaStreamGetPriority, _ptsz, (cudaStream_t stream, int *priority), (stream, priority))
{
    return RT_ON(cuStreamGetPriority_(stream, priority));
}

RT_TWO(cudaStreamGetFlags, _ptsz, (cudaStream_t stream, unsigned *flags), (stream, flags))
{
    return RT_ON(cuStreamGetFlags_(stream, flags));
}

RT_TWO(cudaStreamGetId, _ptsz, (cudaStream_t stream, unsigned long long *id), (stream, id))
{
    return RT_ON(cuStreamGetId_(stream, id));
}

RT_TWO(cudaStreamSynchronize, _ptsz, (cudaStream_t stream), (stream))
{
    return RT_ON(cuStreamSynchronize_(stream));
}

RT_TWO(cudaStreamQuery, _ptsz, (cudaStream_t stream), (stream))
{
    return RT_ON(cuStreamQuery_(stream));
}

RT_TWO(cudaStreamWaitEvent, _ptsz, (cudaStream_t stream, cudaEvent_t event, unsigned flags),
    (stream, event, flags))
{
    return RT_ON(cuStreamWaitEvent_(stream, event, flags));
}

RT_TWO(cudaStreamAddCallback, _ptsz,
    (cudaStream_t stream, cudaStreamCallback_t function, void *data, unsigned flags),
    (stream, function, data, flags))
{
    /* cudaError_t and CUresult agree in size and in CUDA_SUCCESS, the one value given. */
    union {
        cudaStreamCallback_t runtime;
        CUstreamCallback driver;
    } callback = { .runtime = function };
    return RT_ON(cuStreamAddCallback_(stream, callback.driver, data, flags));
}

RT_API(cudaDeviceGetStreamPriorityRange, (int *least, int *greatest), (least, greatest))
{
    RT_TRY(rt_context());
    return RT_DRV(cuCtxGetStreamPriorityRange_(least, greatest));
}

/* --- events --- */

RT_API(cudaEventCreate, (cudaEvent_t * event), (event))
{
    RT_TRY(rt_context());
    return RT_DRV(cuEventCreate_(event, 0));
}

RT_API(cudaEventCreateWithFlags, (cudaEvent_t * event, unsigned flags), (event, flags))
{
    RT_TRY(rt_context());
    return RT_DRV(cuEventCreate_(event, flags));
}

RT_API(cudaEventDestroy, (cudaEvent_t event), (event))
{
    RT_TRY(rt_context());
    return RT_DRV(cuEventDestroy_(event));
}

RT_TWO(cudaEventRecord, _ptsz, (cudaEvent_t event, cudaStream_t stream), (event, stream))
{
    return RT_ON(cuEventRecord_(event, stream));
}

RT_TWO(cudaEventRecordWithFlags, _ptsz, (cudaEvent_t event, cudaStream_t stream, unsigned flags),
    (event, stream, flags))
{
    return RT_ON(cuEventRecordWithFlags_(event, stream, flags));
}

RT_API(cudaEventQuery, (cudaEvent_t event), (event))
{
    RT_TRY(rt_context());
    return RT_DRV(cuEventQuery_(event));
}

RT_API(cudaEventSynchronize, (cudaEvent_t event), (event))
{
    RT_TRY(rt_context());
    return RT_DRV(cuEventSynchronize_(event));
}

RT_API(cudaEventElapsedTime, (float *ms, cudaEvent_t from, cudaEvent_t to), (ms, from, to))
{
    RT_TRY(rt_context());
    return RT_DRV(cuEventElapsedTime_(ms, from, to));
}

/* --- capture --- */

RT_TWO(cudaStreamBeginCapture, _ptsz, (cudaStream_t stream, enum cudaStreamCaptureMode mode),
    (stream, mode))
{
    return RT_ON(cuStreamBeginCapture_(stream, (CUstreamCaptureMode)mode));
}

RT_TWO(cudaStreamEndCapture, _ptsz, (cudaStream_t stream, cudaGraph_t *graph), (stream, graph))
{
    return RT_ON(cuStreamEndCapture_(stream, graph));
}

RT_TWO(cudaStreamIsCapturing, _ptsz, (cudaStream_t stream, enum cudaStreamCaptureStatus *status),
    (stream, status))
{
    return RT_ON(cuStreamIsCapturing_(stream, (CUstreamCaptureStatus *)status));
}

RT_TWO(cudaStreamGetCaptureInfo, _ptsz,
    (cudaStream_t stream, enum cudaStreamCaptureStatus *status, unsigned long long *id,
        cudaGraph_t *graph, const cudaGraphNode_t **deps, const cudaGraphEdgeData **edges,
        size_t *n_deps),
    (stream, status, id, graph, deps, edges, n_deps))
{
    cuuint64_t found = 0;
    RT_TRY(RT_ON(cuStreamGetCaptureInfo_(stream, (CUstreamCaptureStatus *)status, &found, graph,
        deps, (const CUgraphEdgeData **)(void *)edges, n_deps)));
    if (id)
        *id = found;
    return cudaSuccess;
}

RT_TWO(cudaStreamBeginCaptureToGraph, _ptsz,
    (cudaStream_t stream, cudaGraph_t graph, const cudaGraphNode_t *deps,
        const cudaGraphEdgeData *edges, size_t n_deps, enum cudaStreamCaptureMode mode),
    (stream, graph, deps, edges, n_deps, mode))
{
    return RT_ON(cuStreamBeginCaptureToGraph_(stream, graph, deps,
        (const CUgraphEdgeData *)(const void *)edges, n_deps, (CUstreamCaptureMode)mode));
}

RT_API(cudaThreadExchangeStreamCaptureMode, (enum cudaStreamCaptureMode * mode), (mode))
{
    RT_TRY(rt_context());
    return RT_DRV(cuThreadExchangeStreamCaptureMode_((CUstreamCaptureMode *)mode));
}
