/* Runtime double: graphs. Handles are the driver's own; only kernel nodes name host stubs instead of functions. */
#include "tests/softgpu/runtime.h"

#include <string.h>

#define EDGES(e) ((CUgraphEdgeData *)(void *)(uintptr_t)(e))

static cudaError_t driver_params(const struct cudaKernelNodeParams *p, CUDA_KERNEL_NODE_PARAMS *q)
{
    CUfunction function = NULL;
    if (!p)
        return cudaErrorInvalidValue;
    RT_TRY(rt_function(p->func, &function));
    *q = (CUDA_KERNEL_NODE_PARAMS){ .func = function,
        .gridDimX = p->gridDim.x,
        .gridDimY = p->gridDim.y,
        .gridDimZ = p->gridDim.z,
        .blockDimX = p->blockDim.x,
        .blockDimY = p->blockDim.y,
        .blockDimZ = p->blockDim.z,
        .sharedMemBytes = p->sharedMemBytes,
        .kernelParams = p->kernelParams,
        .extra = p->extra };
    return cudaSuccess;
}

RT_API(cudaGraphCreate, (cudaGraph_t * graph, unsigned flags), (graph, flags))
{
    RT_TRY(rt_context());
    return RT_DRV(cuGraphCreate_(graph, flags));
}

RT_API(cudaGraphDestroy, (cudaGraph_t graph), (graph))
{
    RT_TRY(rt_context());
    return RT_DRV(cuGraphDestroy_(graph));
}

RT_API(cudaGraphDestroyNode, (cudaGraphNode_t node), (node))
{
    RT_TRY(rt_context());
    return RT_DRV(cuGraphDestroyNode_(node));
}

RT_API(cudaGraphClone, (cudaGraph_t * clone, cudaGraph_t graph), (clone, graph))
{
    RT_TRY(rt_context());
    return RT_DRV(cuGraphClone_(clone, graph));
}

RT_API(cudaGraphNodeFindInClone,
    (cudaGraphNode_t * node, cudaGraphNode_t original, cudaGraph_t clone), (node, original, clone))
{
    RT_TRY(rt_context());
    return RT_DRV(cuGraphNodeFindInClone_(node, original, clone));
}

RT_API(cudaGraphAddKernelNode,
    (cudaGraphNode_t * node, cudaGraph_t graph, const cudaGraphNode_t *deps, size_t n_deps,
        const struct cudaKernelNodeParams *params),
    (node, graph, deps, n_deps, params))
{
    CUDA_KERNEL_NODE_PARAMS q;
    RT_TRY(driver_params(params, &q));
    return RT_DRV(cuGraphAddKernelNode_(node, graph, deps, n_deps, &q));
}

RT_API(cudaGraphKernelNodeGetParams, (cudaGraphNode_t node, struct cudaKernelNodeParams *params),
    (node, params))
{
    CUDA_KERNEL_NODE_PARAMS q;
    if (!params)
        return cudaErrorInvalidValue;
    RT_TRY(rt_context());
    RT_TRY(RT_DRV(cuGraphKernelNodeGetParams_(node, &q)));
    *params = (struct cudaKernelNodeParams){
        .func = (void *)(uintptr_t)(q.kern ? rt_host_of(q.kern) : (const void *)q.func),
        .gridDim = { q.gridDimX, q.gridDimY, q.gridDimZ },
        .blockDim = { q.blockDimX, q.blockDimY, q.blockDimZ },
        .sharedMemBytes = q.sharedMemBytes,
        .kernelParams = q.kernelParams
    };
    return cudaSuccess;
}

RT_API(cudaGraphKernelNodeSetParams,
    (cudaGraphNode_t node, const struct cudaKernelNodeParams *params), (node, params))
{
    CUDA_KERNEL_NODE_PARAMS q;
    RT_TRY(driver_params(params, &q));
    return RT_DRV(cuGraphKernelNodeSetParams_(node, &q));
}

RT_API(cudaGraphExecKernelNodeSetParams,
    (cudaGraphExec_t exec, cudaGraphNode_t node, const struct cudaKernelNodeParams *params),
    (exec, node, params))
{
    CUDA_KERNEL_NODE_PARAMS q;
    RT_TRY(driver_params(params, &q));
    return RT_DRV(cuGraphExecKernelNodeSetParams_(exec, node, &q));
}

static cudaError_t current(CUcontext *context)
{
    RT_TRY(rt_context());
    return RT_DRV(cuCtxGetCurrent_(context));
}

RT_API(cudaGraphAddMemsetNode,
    (cudaGraphNode_t * node, cudaGraph_t graph, const cudaGraphNode_t *deps, size_t n_deps,
        const struct cudaMemsetParams *p),
    (node, graph, deps, n_deps, p))
{
    CUcontext context = NULL;
    if (!p)
        return cudaErrorInvalidValue;
    RT_TRY(current(&context));
    const CUDA_MEMSET_NODE_PARAMS q = { (CUdeviceptr)(uintptr_t)p->dst, p->pitch, p->value,
        p->elementSize, p->width, p->height };
    return RT_DRV(cuGraphAddMemsetNode_(node, graph, deps, n_deps, &q, context));
}

RT_API(cudaGraphAddMemcpyNode1D,
    (cudaGraphNode_t * node, cudaGraph_t graph, const cudaGraphNode_t *deps, size_t n_deps,
        void *to, const void *from, size_t n, enum cudaMemcpyKind kind),
    (node, graph, deps, n_deps, to, from, n, kind))
{
    CUcontext context = NULL;
    RT_TRY(current(&context));
    const bool from_host = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyHostToHost;
    const bool to_host = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyHostToHost;
    const CUDA_MEMCPY3D q = { .srcMemoryType = kind == cudaMemcpyDefault ? CU_MEMORYTYPE_UNIFIED
                                               : from_host               ? CU_MEMORYTYPE_HOST
                                                                         : CU_MEMORYTYPE_DEVICE,
        .srcHost = from,
        .srcDevice = (CUdeviceptr)(uintptr_t)from,
        .dstMemoryType = kind == cudaMemcpyDefault ? CU_MEMORYTYPE_UNIFIED
                         : to_host                 ? CU_MEMORYTYPE_HOST
                                                   : CU_MEMORYTYPE_DEVICE,
        .dstHost = to,
        .dstDevice = (CUdeviceptr)(uintptr_t)to,
        .WidthInBytes = n,
        .Height = 1,
        .Depth = 1 };
    return RT_DRV(cuGraphAddMemcpyNode_(node, graph, deps, n_deps, &q, context));
}

RT_API(cudaGraphAddHostNode,
    (cudaGraphNode_t * node, cudaGraph_t graph, const cudaGraphNode_t *deps, size_t n_deps,
        const struct cudaHostNodeParams *p),
    (node, graph, deps, n_deps, p))
{
    if (!p)
        return cudaErrorInvalidValue;
    RT_TRY(rt_context());
    const CUDA_HOST_NODE_PARAMS q = { .fn = p->fn, .userData = p->userData };
    return RT_DRV(cuGraphAddHostNode_(node, graph, deps, n_deps, &q));
}

RT_API(cudaGraphAddEmptyNode,
    (cudaGraphNode_t * node, cudaGraph_t graph, const cudaGraphNode_t *deps, size_t n_deps),
    (node, graph, deps, n_deps))
{
    RT_TRY(rt_context());
    return RT_DRV(cuGraphAddEmptyNode_(node, graph, deps, n_deps));
}

RT_API(cudaGraphAddChildGraphNode,
    (cudaGraphNode_t * node, cudaGraph_t graph, const cudaGraphNode_t *deps, size_t n_deps,
        cudaGraph_t child),
    (node, graph, deps, n_deps, child))
{
    RT_TRY(rt_context());
    return RT_DRV(cuGraphAddChildGraphNode_(node, graph, deps, n_deps, child));
}

RT_API(cudaGraphAddEventRecordNode,
    (cudaGraphNode_t * node, cudaGraph_t graph, const cudaGraphNode_t *deps, size_t n_deps,
        cudaEvent_t event),
    (node, graph, deps, n_deps, event))
{
    RT_TRY(rt_context());
    return RT_DRV(cuGraphAddEventRecordNode_(node, graph, deps, n_deps, event));
}

RT_API(cudaGraphAddEventWaitNode,
    (cudaGraphNode_t * node, cudaGraph_t graph, const cudaGraphNode_t *deps, size_t n_deps,
        cudaEvent_t event),
    (node, graph, deps, n_deps, event))
{
    RT_TRY(rt_context());
    return RT_DRV(cuGraphAddEventWaitNode_(node, graph, deps, n_deps, event));
}

RT_API(cudaGraphNodeGetType, (cudaGraphNode_t node, enum cudaGraphNodeType *type), (node, type))
{
    RT_TRY(rt_context());
    return RT_DRV(cuGraphNodeGetType_(node, (CUgraphNodeType *)type));
}

RT_API(cudaGraphGetNodes, (cudaGraph_t graph, cudaGraphNode_t *nodes, size_t *n), (graph, nodes, n))
{
    RT_TRY(rt_context());
    return RT_DRV(cuGraphGetNodes_(graph, nodes, n));
}

RT_API(cudaGraphGetRootNodes, (cudaGraph_t graph, cudaGraphNode_t *nodes, size_t *n),
    (graph, nodes, n))
{
    RT_TRY(rt_context());
    return RT_DRV(cuGraphGetRootNodes_(graph, nodes, n));
}

RT_API(cudaGraphGetEdges,
    (cudaGraph_t graph, cudaGraphNode_t *from, cudaGraphNode_t *to, cudaGraphEdgeData *edges,
        size_t *n),
    (graph, from, to, edges, n))
{
    RT_TRY(rt_context());
    return RT_DRV(cuGraphGetEdges_(graph, from, to, EDGES(edges), n));
}

RT_API(cudaGraphNodeGetDependencies,
    (cudaGraphNode_t node, cudaGraphNode_t *deps, cudaGraphEdgeData *edges, size_t *n),
    (node, deps, edges, n))
{
    RT_TRY(rt_context());
    return RT_DRV(cuGraphNodeGetDependencies_(node, deps, EDGES(edges), n));
}

RT_API(cudaGraphNodeGetDependentNodes,
    (cudaGraphNode_t node, cudaGraphNode_t *deps, cudaGraphEdgeData *edges, size_t *n),
    (node, deps, edges, n))
{
    RT_TRY(rt_context());
    return RT_DRV(cuGraphNodeGetDependentNodes_(node, deps, EDGES(edges), n));
}

RT_API(cudaGraphAddDependencies,
    (cudaGraph_t graph, const cudaGraphNode_t *from, const cudaGraphNode_t *to,
        const cudaGraphEdgeData *edges, size_t n),
    (graph, from, to, edges, n))
{
    RT_TRY(rt_context());
    return RT_DRV(cuGraphAddDependencies_(graph, from, to, EDGES(edges), n));
}

RT_API(cudaGraphInstantiate, (cudaGraphExec_t * exec, cudaGraph_t graph, unsigned long long flags),
    (exec, graph, flags))
{
    RT_TRY(rt_context());
    return RT_DRV(cuGraphInstantiateWithFlags_(exec, graph, flags));
}

RT_API(cudaGraphInstantiateWithFlags,
    (cudaGraphExec_t * exec, cudaGraph_t graph, unsigned long long flags), (exec, graph, flags))
{
    RT_TRY(rt_context());
    return RT_DRV(cuGraphInstantiateWithFlags_(exec, graph, flags));
}

RT_API(cudaGraphExecDestroy, (cudaGraphExec_t exec), (exec))
{
    RT_TRY(rt_context());
    return RT_DRV(cuGraphExecDestroy_(exec));
}

RT_API(cudaGraphExecUpdate,
    (cudaGraphExec_t exec, cudaGraph_t graph, cudaGraphExecUpdateResultInfo *info),
    (exec, graph, info))
{
    RT_TRY(rt_context());
    return RT_DRV(cuGraphExecUpdate_(exec, graph, (CUgraphExecUpdateResultInfo *)(void *)info));
}

RT_TWO(cudaGraphUpload, _ptsz, (cudaGraphExec_t exec, cudaStream_t stream), (exec, stream))
{
    return RT_ON(cuGraphUpload_(exec, stream));
}

RT_TWO(cudaGraphLaunch, _ptsz, (cudaGraphExec_t exec, cudaStream_t stream), (exec, stream))
{
    return RT_ON(cuGraphLaunch_(exec, stream));
}
