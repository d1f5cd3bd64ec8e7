// A fat binary whose PTX is of another architecture than its machine code: one kernel takes another branch there, one does not.
#include <cstdio>

__global__ void branches(const float *x, float *y, int n)
{
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
#if __CUDA_ARCH__ >= 900
    if (i < n)
        atomicAdd(y, x[i]);
#else
    if (i == 0)
        for (int j = 0; j < n; j++)
            *y += x[j];
#endif
}

__global__ void alike(const float *x, float *y, int n)
{
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n)
        atomicAdd(y, x[i]);
}

int main()
{
    const int n = 4000;
    float host[n], *x, *y;
    for (int i = 0; i < n; i++)
        host[i] = 1.0f / (3 + i % 977);
    cudaMalloc(&x, n * sizeof *x);
    cudaMalloc(&y, 2 * sizeof *y);
    cudaMemset(y, 0, 2 * sizeof *y);
    cudaMemcpy(x, host, n * sizeof *x, cudaMemcpyHostToDevice);
    branches<<<(n + 63) / 64, 64>>>(x, y, n);
    alike<<<(n + 63) / 64, 64>>>(x, y + 1, n);
    unsigned bits[2];
    cudaMemcpy(bits, y, sizeof bits, cudaMemcpyDeviceToHost);
    printf("result y=%08x,%08x\n", bits[0], bits[1]);
    return cudaGetLastError() != cudaSuccess;
}
