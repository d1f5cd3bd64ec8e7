// Forms of float addition that a twin replaces: native, compare-and-swap loops, shared memory, structs, variables. Prints one
// hash per form. Knows nothing of detshim; run by test_ptx_forms.sh with several schedule seeds.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <type_traits>

#define AT (blockIdx.x * blockDim.x + threadIdx.x)
static const int n_blocks = 64, n_threads = 128, n = n_blocks * n_threads, n_out = 3 * 64 * 64;

template <class T> __global__ void native(T *o, const T *x)
{
    atomicAdd(o + AT % 7, x[AT]);
}
__global__ void loop_f64(double *o, const double *x)
{
    unsigned long long *p = (unsigned long long *)(o + AT % 7), old = *p, seen;
    do {
        seen = old;
        old = atomicCAS(p, seen, __double_as_longlong(x[AT] + __longlong_as_double(seen)));
    } while (seen != old);
}
__global__ void loop_f32(float *o, const float *x)
{
    int *p = (int *)(o + AT % 7), old = *p, seen;
    do {
        seen = old;
        old = atomicCAS(p, seen, __float_as_int(x[AT] + __int_as_float(seen)));
    } while (seen != old);
}
template <class T> __global__ void shared_sum(T *o, const T *x)
{
    __shared__ T s[32];
    if (threadIdx.x < 32)
        s[threadIdx.x] = 0;
    __syncthreads();
    atomicAdd(&s[threadIdx.x % 5], x[AT]);
    __syncthreads();
    if (threadIdx.x < 32)
        o[blockIdx.x * 32 + threadIdx.x] = s[threadIdx.x];
}
// Most threads have left when the sums are folded.
__global__ void shared_exit(float *o, const float *x)
{
    __shared__ float s[64];
    if (threadIdx.x < 64)
        s[threadIdx.x] = 0;
    __syncthreads();
    atomicAdd(&s[threadIdx.x % 13 * 4], x[AT]);
    if (threadIdx.x >= 4)
        return;
    __syncthreads();
    for (int k = 0; k < 16; k++)
        o[blockIdx.x * 64 + threadIdx.x + 4 * k] = s[threadIdx.x + 4 * k];
}
extern __shared__ float dynamic[];
__global__ void shared_dynamic(float *o, const float *x)
{
    if (threadIdx.x < 32)
        dynamic[threadIdx.x] = 1;
    __syncthreads();
    for (int i = 0; i < 3; i++) {
        atomicAdd(&dynamic[threadIdx.x % 5], x[AT]);
        __syncthreads();
        if (threadIdx.x < 32)
            o[(i * 64 + blockIdx.x) * 32 + threadIdx.x] = dynamic[threadIdx.x];
        __syncthreads();
    }
}
struct box {
    float *to;
    const float *from;
};
__global__ void through_struct(box b)
{
    atomicAdd(b.to + AT % 7, b.from[AT]);
}
__device__ float sums[8];
__constant__ float weights[4] = { 1, 2, 3, 4 };
__global__ void into_variable(const float *x)
{
    atomicAdd(sums + AT % 7, x[AT] * weights[AT % 4]);
}
__global__ void leaves_early(float *o, const float *x)
{
    if (x[AT] > 1)
        return;
    atomicAdd(o + AT % 7, x[AT]);
}

template <class T> static T value(int i)
{
    const double d = (rand() % 2001 - 1000) * pow(2.0, rand() % 14 - 9);
    if constexpr (std::is_same<T, double>::value)
        return d * pow(2.0, rand() % 70 - 35) / 3;
    else if constexpr (std::is_same<T, float>::value)
        return (float)(d * pow(2.0, rand() % 12) / 3);
    else if constexpr (std::is_same<T, __half2>::value)
        return __floats2half2_rn(i % 3 ? d / 512 : 0, d / 700);
    else if constexpr (std::is_same<T, __half>::value)
        return __float2half(d / 512);
    else if constexpr (std::is_same<T, __nv_bfloat162>::value)
        return __floats2bfloat162_rn(i % 3 ? d : 0, d / 3);
    else
        return __float2bfloat16(d);
}

template <class T, class F> static void run(const char *name, F launch)
{
    T *x, *o;
    static unsigned char bytes[n_out * sizeof(double)];
    static T in[n];
    srand(3);
    for (int i = 0; i < n; i++)
        in[i] = value<T>(i);
    cudaMalloc(&x, sizeof in);
    cudaMalloc(&o, n_out * sizeof(T));
    cudaMemset(o, 0, n_out * sizeof(T));
    cudaMemcpy(x, in, sizeof in, cudaMemcpyHostToDevice);
    launch(o, x);
    const cudaError_t error = cudaDeviceSynchronize();
    cudaMemcpy(bytes, o, n_out * sizeof(T), cudaMemcpyDeviceToHost);
    unsigned long long hash = 1469598103934665603ull;
    for (size_t i = 0; i < n_out * sizeof(T); i++)
        hash = (hash ^ bytes[i]) * 1099511628211ull;
    printf("%s %016llx %s\n", name, hash, error == cudaSuccess ? "ok" : cudaGetErrorString(error));
}

#define LAUNCH(kernel, shared)                                                                     \
    [](auto *o, auto *x) { kernel<<<n_blocks, n_threads, shared>>>(o, x); }
int main()
{
    run<float>("native_f32", LAUNCH(native, 0));
    run<double>("native_f64", LAUNCH(native, 0));
    run<__half>("native_f16", LAUNCH(native, 0));
    run<__half2>("native_f16x2", LAUNCH(native, 0));
    run<__nv_bfloat16>("native_bf16", LAUNCH(native, 0));
    run<__nv_bfloat162>("native_bf16x2", LAUNCH(native, 0));
    run<double>("loop_f64", LAUNCH(loop_f64, 0));
    run<float>("loop_f32", LAUNCH(loop_f32, 0));
    run<float>("shared_f32", LAUNCH(shared_sum, 0));
    run<double>("shared_f64", LAUNCH(shared_sum, 0));
    run<float>("shared_exit", LAUNCH(shared_exit, 0));
    run<float>("shared_dynamic", LAUNCH(shared_dynamic, 128));
    run<float>("leaves_early", LAUNCH(leaves_early, 0));
    run<float>("through_struct", [](float *o, float *x) {
        through_struct<<<n_blocks, n_threads>>>(box{ o, x });
    });
    run<float>("into_variable", [](float *o, float *x) {
        const float w[4] = { 2, 3, 5, 7 };
        void *p;
        cudaMemcpyToSymbol(weights, w, sizeof w);
        into_variable<<<n_blocks, n_threads>>>(x);
        cudaGetSymbolAddress(&p, sums);
        cudaMemcpy(o, p, 32, cudaMemcpyDeviceToDevice);
    });
    return 0;
}
