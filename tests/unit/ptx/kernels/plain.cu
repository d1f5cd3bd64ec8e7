// Kernels without any atomic, as most of a real module is: what the scan alone must decide. Written for this test.
#define AT (blockIdx.x * blockDim.x + threadIdx.x)

template <int N> __device__ float chain(const float *x, int n)
{
    float sum = 0;
    for (int i = 0; i < n; i++)
#pragma unroll
        for (int k = 0; k < N; k++)
            sum = sum * x[i * N + k] + __expf(x[i] * k) - rsqrtf(sum * sum + k);
    return sum;
}
extern "C" {
__global__ void plain_8(float *o, const float *x, int n)
{
    o[AT] = chain<8>(x + AT, n);
}
__global__ void plain_32(float *o, const float *x, int n)
{
    o[AT] = chain<32>(x + AT, n);
}
__global__ void plain_64(float *o, const float *x, int n)
{
    o[AT] = chain<64>(x + AT, n) + sinf(x[AT]);
}
__global__ void plain_tile(float *o, const float *a, const float *b, int n)
{
    __shared__ float s[16][17], t[16][17];
    float sum = 0;
    for (int k = 0; k < n; k += 16) {
        s[threadIdx.y][threadIdx.x] = a[(blockIdx.y * 16 + threadIdx.y) * n + k + threadIdx.x];
        t[threadIdx.y][threadIdx.x] = b[(k + threadIdx.y) * n + blockIdx.x * 16 + threadIdx.x];
        __syncthreads();
#pragma unroll
        for (int i = 0; i < 16; i++)
            sum += s[threadIdx.y][i] * t[i][threadIdx.x];
        __syncthreads();
    }
    o[(blockIdx.y * 16 + threadIdx.y) * n + blockIdx.x * 16 + threadIdx.x] = sum;
}
}
