// Module variables through the runtime: sums in a __device__ array, a count in __constant__ memory that the host sets, a third
// kernel that only reads. Built with a default stream per thread, so that the _ptsz and _ptds entry points are used.
#include <cstdio>
#include <cstring>

__device__ float sums[4];
__constant__ int repeat;

__global__ void add(const float *x, int n)
{
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n)
        for (int j = 0; j < repeat; j++)
            atomicAdd(&sums[i & 3], x[i]);
}

__global__ void copy(float *out)
{
    out[threadIdx.x] = sums[threadIdx.x];
}

int main()
{
    const int n = 5000;
    static float host[n];
    float *x, *out;
    for (int i = 0; i < n; i++)
        host[i] = 1.0f / (3 + i % 977) - (i % 5 == 0 ? 0.25f : 0.0f);
    cudaMalloc(&x, sizeof host);
    cudaMalloc(&out, 4 * sizeof *out);
    cudaMemcpy(x, host, sizeof host, cudaMemcpyHostToDevice);
    for (int times = 1; times < 4; times++) {
        cudaMemcpyToSymbol(repeat, &times, sizeof times);
        add<<<(n + 63) / 64, 64>>>(x, n);
    }
    copy<<<1, 4>>>(out);
    unsigned bits[4], symbol[4];
    cudaMemcpy(bits, out, sizeof bits, cudaMemcpyDeviceToHost);
    cudaMemcpyFromSymbol(symbol, sums, sizeof symbol);
    printf("same %d\n", memcmp(bits, symbol, sizeof bits) == 0);
    printf("result sums=%08x,%08x,%08x,%08x\n", bits[0], bits[1], bits[2], bits[3]);
    return cudaGetLastError() != cudaSuccess;
}
