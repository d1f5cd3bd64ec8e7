// Capture: a graph launch gives what direct launches give; forks join; forbidden calls fail with the documented codes.
#include <cstdio>
#include <cstring>
#include <cuda_runtime.h>

__global__ void scale(float *x, float by, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n)
        x[i] *= by;
}
__global__ void plus(float *x, const float *y, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n)
        x[i] += y[i];
}

static const int n = 512;
static float *x, *y, host[n], direct[n], graphed[n];

static void result(const char *name, bool good)
{
    printf("result %s=%s\n", name, good ? "ok" : "bad");
}
static void work(cudaStream_t a, cudaStream_t b, cudaEvent_t fork, cudaEvent_t join)
{
    cudaMemsetAsync(y, 0, n * sizeof(float), a);
    cudaEventRecord(fork, a);
    cudaStreamWaitEvent(b, fork, 0);
    scale<<<4, 128, 0, a>>>(x, 3.0f, n);
    plus<<<4, 128, 0, b>>>(y, y, n);
    cudaEventRecord(join, b);
    cudaStreamWaitEvent(a, join, 0);
    plus<<<4, 128, 0, a>>>(x, y, n);
}

int main()
{
    cudaStream_t a, b;
    cudaEvent_t fork, join;
    cudaGraph_t graph, none;
    cudaGraphExec_t exec;
    for (int i = 0; i < n; i++)
        host[i] = (float)i;
    if (cudaMalloc(&x, sizeof host) || cudaMalloc(&y, sizeof host))
        return 1;
    cudaStreamCreate(&a);
    cudaStreamCreate(&b);
    cudaEventCreate(&fork);
    cudaEventCreate(&join);
    cudaMemcpy(x, host, sizeof host, cudaMemcpyHostToDevice);
    work(a, b, fork, join);
    work(a, b, fork, join);
    cudaDeviceSynchronize();
    cudaMemcpy(direct, x, sizeof host, cudaMemcpyDeviceToHost);

    cudaMemcpy(x, host, sizeof host, cudaMemcpyHostToDevice);
    cudaStreamBeginCapture(a, cudaStreamCaptureModeGlobal);
    work(a, b, fork, join);
    cudaError_t ended = cudaStreamEndCapture(a, &graph);
    size_t n_nodes = 0, n_edges = 0;
    cudaGraphGetNodes(graph, nullptr, &n_nodes);
    cudaGraphGetEdges(graph, nullptr, nullptr, nullptr, &n_edges);
    result("capture", ended == cudaSuccess && n_nodes == 4 && n_edges == 4);
    cudaGraphInstantiate(&exec, graph, 0);
    cudaGraphLaunch(exec, a);
    cudaGraphLaunch(exec, b);
    cudaDeviceSynchronize();
    cudaMemcpy(graphed, x, sizeof host, cudaMemcpyDeviceToHost);
    result("equal", !memcmp(direct, graphed, sizeof direct) && direct[5] == 45.0f);

    cudaStreamBeginCapture(a, cudaStreamCaptureModeGlobal);
    void *p = nullptr;
    cudaError_t refused = cudaMalloc(&p, 16);
    result("unsafe", refused == cudaErrorStreamCaptureUnsupported &&
                         cudaStreamEndCapture(a, &none) == cudaErrorStreamCaptureInvalidated);
    cudaStreamBeginCapture(a, cudaStreamCaptureModeRelaxed);
    result("relaxed",
        cudaMalloc(&p, 16) == cudaSuccess && cudaStreamEndCapture(a, &none) == cudaSuccess);
    cudaStreamBeginCapture(a, cudaStreamCaptureModeGlobal);
    scale<<<1, 32>>>(x, 1.0f, n);
    refused = cudaGetLastError();
    result("implicit", refused == cudaErrorStreamCaptureImplicit &&
                           cudaStreamEndCapture(a, &none) == cudaErrorStreamCaptureInvalidated);
    cudaStreamBeginCapture(a, cudaStreamCaptureModeGlobal);
    cudaEventRecord(fork, a);
    cudaStreamWaitEvent(b, fork, 0);
    scale<<<1, 32, 0, b>>>(x, 1.0f, n);
    result("unjoined", cudaStreamEndCapture(a, &none) == cudaErrorStreamCaptureUnjoined);
    cudaStreamBeginCapture(a, cudaStreamCaptureModeGlobal);
    cudaEventRecord(fork, a);
    result("captured_event", cudaEventQuery(fork) == cudaErrorCapturedEvent);
    cudaStreamEndCapture(a, &none);

    // a node's parameters can be changed in the exec
    cudaGraphNode_t nodes[4];
    struct cudaKernelNodeParams params;
    float one = 1.0f;
    cudaGraphGetNodes(graph, nodes, &n_nodes);
    bool changed = false;
    for (size_t i = 0; i < n_nodes; i++) {
        enum cudaGraphNodeType type;
        cudaGraphNodeGetType(nodes[i], &type);
        if (type != cudaGraphNodeTypeKernel ||
            cudaGraphKernelNodeGetParams(nodes[i], &params) != cudaSuccess ||
            params.func != (void *)scale)
            continue;
        params.kernelParams[1] = &one;
        changed = cudaGraphExecKernelNodeSetParams(exec, nodes[i], &params) == cudaSuccess;
    }
    cudaGraphLaunch(exec, a);
    cudaStreamSynchronize(a);
    cudaMemcpy(host, x, sizeof host, cudaMemcpyDeviceToHost);
    result("set_params", changed && !memcmp(host, graphed, sizeof host));
    cudaGraphExecDestroy(exec);
    cudaGraphDestroy(graph);
    return 0;
}
