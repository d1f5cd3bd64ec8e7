// A graph built by hand through the runtime: two float-adding kernels one after the other, one of them with new parameters in the
// executable; what the program asks about its graph, and the sums' bits.
#include <cstdint>
#include <cstdio>
#include <cstring>

constexpr int N = 6000, M = 7, BLOCK = 64;

__global__ void add(const float *x, float *y, int n)
{
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n)
        atomicAdd(&y[i % M], x[i]);
}

#define OK(call)                                                                                   \
    if (const cudaError_t status = (call)) {                                                       \
        printf("%s: %d\n", #call, (int)status);                                                    \
        return 2;                                                                                  \
    }

int main()
{
    static float host[N];
    float *x, *y;
    uint64_t z = 1;
    for (int i = 0; i < N; i++) {
        z = z * 6364136223846793005u + 1442695040888963407u;
        host[i] = (float)(int32_t)(z >> 32) / (float)(1u << (z >> 27 & 31));
    }
    OK(cudaMalloc(&x, sizeof host));
    OK(cudaMalloc(&y, M * sizeof *y));
    OK(cudaMemcpy(x, host, sizeof host, cudaMemcpyHostToDevice));
    OK(cudaMemset(y, 0, M * sizeof *y));
    cudaGraph_t graph;
    cudaGraphNode_t first, second, nodes[8];
    cudaGraphExec_t exec;
    cudaStream_t stream;
    int n = N;
    size_t n_nodes = 8;
    void *list[] = { &x, &y, &n };
    cudaKernelNodeParams params = {};
    params.func = (void *)add;
    params.gridDim = dim3((N + BLOCK - 1) / BLOCK);
    params.blockDim = dim3(BLOCK);
    params.kernelParams = list;
    OK(cudaStreamCreate(&stream));
    OK(cudaGraphCreate(&graph, 0));
    OK(cudaGraphAddKernelNode(&first, graph, nullptr, 0, &params));
    OK(cudaGraphAddKernelNode(&second, graph, &first, 1, &params));
    OK(cudaGraphGetNodes(graph, nodes, &n_nodes));
    printf("nodes %d\n", (int)n_nodes);
    OK(cudaGraphInstantiate(&exec, graph, 0));
    OK(cudaGraphLaunch(exec, stream));
    n = N / 3;
    OK(cudaGraphExecKernelNodeSetParams(exec, second, &params));
    OK(cudaGraphLaunch(exec, stream));
    OK(cudaStreamSynchronize(stream));
    uint32_t bits[M];
    OK(cudaMemcpy(bits, y, sizeof bits, cudaMemcpyDeviceToHost));
    printf("result y=");
    for (int i = 0; i < M; i++)
        printf("%s%08x", i ? "," : "", bits[i]);
    printf("\n");
    return 0;
}
