// A vector add and a float sum by atomics. Prints `result vadd=ok` and the bits of the sum, which depend on the order of blocks.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <cuda_runtime.h>

#define CHECK(call)                                                                                \
    do {                                                                                           \
        cudaError_t error = (call);                                                                \
        if (error != cudaSuccess) {                                                                \
            printf("result error=%d\n", (int)error);                                               \
            return 1;                                                                              \
        }                                                                                          \
    } while (0)

__device__ float bias[2] = { 0.0f, 0.5f };
__constant__ float scale;

__global__ void vadd(const float *a, const float *b, float *c, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n)
        c[i] = (a[i] + b[i]) * scale + bias[i & 1];
}

__global__ void sum(const float *a, float *out, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n)
        atomicAdd(out, a[i]);
}

int main()
{
    const int n = 1 << 12;
    float *a, *b, *c, *s, two = 2.0f, total = 0.0f;
    float *host = (float *)malloc(n * sizeof(float)), *back = (float *)malloc(n * sizeof(float));
    for (int i = 0; i < n; i++)
        host[i] = 1.0f / (float)(i + 1) * (i % 3 ? 1.0f : 1e4f);
    CHECK(cudaMalloc(&a, n * sizeof(float)));
    CHECK(cudaMalloc(&b, n * sizeof(float)));
    CHECK(cudaMalloc(&c, n * sizeof(float)));
    CHECK(cudaMalloc(&s, sizeof(float)));
    CHECK(cudaMemcpy(a, host, n * sizeof(float), cudaMemcpyHostToDevice));
    CHECK(cudaMemcpy(b, a, n * sizeof(float), cudaMemcpyDeviceToDevice));
    CHECK(cudaMemset(s, 0, sizeof(float)));
    CHECK(cudaMemcpyToSymbol(scale, &two, sizeof two));
    vadd<<<n / 128, 128>>>(a, b, c, n);
    CHECK(cudaGetLastError());
    sum<<<n / 128, 128>>>(a, s, n);
    CHECK(cudaGetLastError());
    CHECK(cudaDeviceSynchronize());
    CHECK(cudaMemcpy(back, c, n * sizeof(float), cudaMemcpyDeviceToHost));
    CHECK(cudaMemcpy(&total, s, sizeof(float), cudaMemcpyDeviceToHost));
    int bad = 0;
    for (int i = 0; i < n; i++)
        bad += back[i] != (host[i] + host[i]) * 2.0f + (i & 1 ? 0.5f : 0.0f);
    unsigned bits;
    memcpy(&bits, &total, sizeof bits);
    printf("result vadd=%s\n", bad ? "bad" : "ok");
    printf("result sum=%08x\n", bits);
    return bad != 0;
}
