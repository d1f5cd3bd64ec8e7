/* A kernel no exact sum can help: every thread keeps what atomicAdd returned, which is the order itself. */
#include <cstdio>

__global__ void running_sum(float *sum, const float *x, float *seen, int n)
{
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n)
        seen[i] = atomicAdd(sum, x[i]);
}

int main()
{
    const int n = 1024;
    float host[n], last = 0, *x, *sum, *seen;
    for (int i = 0; i < n; i++)
        host[i] = 1.0f / (float)(i + 1);
    cudaMalloc(&x, sizeof host);
    cudaMalloc(&seen, sizeof host);
    cudaMalloc(&sum, sizeof last);
    cudaMemcpy(x, host, sizeof host, cudaMemcpyHostToDevice);
    cudaMemset(sum, 0, sizeof last);
    running_sum<<<n / 64, 64>>>(sum, x, seen, n);
    cudaMemcpy(&last, seen, sizeof last, cudaMemcpyDeviceToHost);
    if (cudaGetLastError() != cudaSuccess)
        return 1;
    std::printf("result first=%a\n", last);
    return 0;
}
