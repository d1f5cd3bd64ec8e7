// Streams, events, host functions and the legacy stream: prints `result NAME=ok` for each rule that held.
#include <cstdio>
#include <cuda_runtime.h>

__global__ void add(int *at, int value, int spin)
{
    for (int i = 0; i < spin; i++)
        __threadfence();
    atomicAdd(at, value);
}
__global__ void copy(const int *from, int *to)
{
    *to = *from;
}

static void result(const char *name, bool good)
{
    printf("result %s=%s\n", name, good ? "ok" : "bad");
}
static void CUDART_CB append(void *data)
{
    int *log = (int *)data;
    log[0]++;
    log[log[0]] = log[0];
}

int main()
{
    int *d, h[4] = { 0 }, log[16] = { 0 };
    cudaStream_t a, b, free_running;
    cudaEvent_t event, later;
    if (cudaMalloc(&d, 4 * sizeof(int)) != cudaSuccess)
        return 1;
    cudaMemset(d, 0, 4 * sizeof(int));
    cudaStreamCreate(&a);
    cudaStreamCreate(&b);
    cudaStreamCreateWithFlags(&free_running, cudaStreamNonBlocking);
    cudaEventCreate(&event);
    cudaEventCreate(&later);

    // b waits for a by an event
    add<<<1, 32, 0, a>>>(d, 1, 200);
    cudaEventRecord(event, a);
    cudaStreamWaitEvent(b, event, 0);
    copy<<<1, 1, 0, b>>>(d, d + 1);
    result("not_ready", cudaStreamQuery(b) == cudaErrorNotReady);
    cudaStreamSynchronize(b);
    cudaMemcpy(h, d, sizeof h, cudaMemcpyDeviceToHost);
    result("wait_event", h[1] == 32);

    // the legacy stream waits for blocking streams and they for it
    add<<<1, 32, 0, a>>>(d, 1, 200);
    copy<<<1, 1>>>(d, d + 2);
    add<<<1, 32, 0, b>>>(d, 1, 0);
    cudaDeviceSynchronize();
    cudaMemcpy(h, d, sizeof h, cudaMemcpyDeviceToHost);
    result("legacy", h[2] == 64 && h[0] == 96);

    // host functions run in stream order
    for (int i = 0; i < 5; i++)
        cudaLaunchHostFunc(a, append, log);
    cudaStreamSynchronize(a);
    result("host_function", log[0] == 5 && log[5] == 5);

    // elapsed time is positive and asks for both events
    cudaEventRecord(event, free_running);
    add<<<4, 64, 0, free_running>>>(d, 1, 10);
    cudaEventRecord(later, free_running);
    float ms = -1;
    cudaError_t early = cudaEventElapsedTime(&ms, event, later);
    cudaEventSynchronize(later);
    cudaError_t done = cudaEventElapsedTime(&ms, event, later);
    result("elapsed", early == cudaErrorNotReady && done == cudaSuccess && ms > 0);
    cudaGetLastError();

    // pinned memory is written when the stream comes to it, pageable source may be reused at once
    int *pinned, pageable = 7;
    cudaMallocHost(&pinned, sizeof(int));
    *pinned = 0;
    cudaMemcpyAsync(d + 3, &pageable, sizeof(int), cudaMemcpyHostToDevice, a);
    pageable = 8;
    cudaMemcpyAsync(pinned, d + 3, sizeof(int), cudaMemcpyDeviceToHost, a);
    bool late = *pinned == 0;
    cudaStreamSynchronize(a);
    result("async_copy", late && *pinned == 7);

    void *pooled;
    bool good = cudaMallocAsync(&pooled, 1024, a) == cudaSuccess;
    good = good && cudaMemsetAsync(pooled, 1, 1024, a) == cudaSuccess &&
           cudaFreeAsync(pooled, a) == cudaSuccess;
    result("pool", good && cudaStreamSynchronize(a) == cudaSuccess);
    cudaStreamDestroy(a);
    cudaStreamDestroy(b);
    return 0;
}
