// Compiled with --default-stream per-thread: each host thread has a default stream of its own.
#include <cstdio>
#include <cuda_runtime.h>
#include <pthread.h>

__global__ void add(int *at, int value)
{
    atomicAdd(at, value);
}

static unsigned long long ids[2];
static int sums[2];

static void *body(void *argument)
{
    long which = (long)argument;
    int *d;
    if (cudaMalloc(&d, sizeof(int)) != cudaSuccess)
        return nullptr;
    cudaMemset(d, 0, sizeof(int));
    add<<<2, 32>>>(d, (int)which + 1);
    cudaMemcpy(&sums[which], d, sizeof(int), cudaMemcpyDeviceToHost);
    cudaStreamGetId(0, &ids[which]);
    return nullptr;
}

int main()
{
    for (long i = 0; i < 2; i++) { // one after the other: the run repeats under a seed
        pthread_t thread;
        pthread_create(&thread, nullptr, body, (void *)i);
        pthread_join(thread, nullptr);
    }
    unsigned long long legacy = 0;
    cudaStreamGetId(cudaStreamLegacy, &legacy);
    printf(
        "result ids=%s\n", ids[0] != ids[1] && ids[0] != legacy && ids[1] != legacy ? "ok" : "bad");
    printf("result sums=%s\n", sums[0] == 64 && sums[1] == 128 ? "ok" : "bad");
    return 0;
}
