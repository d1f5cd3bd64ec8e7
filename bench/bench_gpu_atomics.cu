/* Float atomics on a card: kernels whose time is mostly their atomics, in the patterns that differ for the accumulator. Ordinary
 * CUDA that knows nothing of detshim: bench/gpu.sh runs it plain and preloaded. One JSON object per line; times are medians of
 * CUDA events around the launch, so that preloaded ones contain the fold. Written without a card: not yet run on one. */
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace
{

constexpr unsigned THREADS = 256;
constexpr int REPEATS = 21;

#define CHECK(call)                                                                                \
    do {                                                                                           \
        const cudaError_t status_ = (call);                                                        \
        if (status_ != cudaSuccess) {                                                              \
            fprintf(stderr, "bench_gpu_atomics: %s: %s\n", #call, cudaGetErrorString(status_));    \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

__device__ uint32_t mix(uint32_t x)
{
    x = (x ^ (x >> 16)) * 0x7feb352du;
    x = (x ^ (x >> 15)) * 0x846ca68bu;
    return x ^ (x >> 16);
}

__device__ float value_of(uint32_t i)
{
    return static_cast<float>(mix(i) >> 8) * 0x1p-23f - 1.0f;
}

/* Where add i goes: everything follows from `pattern` and the number of targets. */
enum pattern { HOT, RANDOM, COALESCED, FEW };

__device__ uint32_t place(pattern p, uint32_t i, uint32_t n_targets)
{
    switch (p) {
    case HOT:
        return 0;
    case RANDOM:
        return mix(i ^ 0x9e3779b9u) & (n_targets - 1);
    case COALESCED:
        return i & (n_targets - 1);
    default:
        return mix(i) % 100;
    }
}

template <pattern P, typename T>
__global__ void scatter(T *out, uint32_t n_targets, uint32_t n_adds)
{
    const uint32_t step = gridDim.x * blockDim.x;
    for (uint32_t i = blockIdx.x * blockDim.x + threadIdx.x; i < n_adds; i += step)
        atomicAdd(&out[place(P, i, n_targets)], static_cast<T>(value_of(i)));
}

__global__ void scatter_half2(__half2 *out, uint32_t n_targets, uint32_t n_adds)
{
    const uint32_t step = gridDim.x * blockDim.x;
    for (uint32_t i = blockIdx.x * blockDim.x + threadIdx.x; i < n_adds; i += step)
        atomicAdd(&out[place(RANDOM, i, n_targets)], __floats2half2_rn(value_of(i), 1.0f));
}

/* The compare-and-swap loop that some compilers emit where others have an instruction. */
template <pattern P> __global__ void scatter_cas(float *out, uint32_t n_targets, uint32_t n_adds)
{
    const uint32_t step = gridDim.x * blockDim.x;
    for (uint32_t i = blockIdx.x * blockDim.x + threadIdx.x; i < n_adds; i += step) {
        unsigned *const at = reinterpret_cast<unsigned *>(&out[place(P, i, n_targets)]);
        unsigned old = *at, assumed;
        do {
            assumed = old;
            old = atomicCAS(at, assumed, __float_as_uint(__uint_as_float(assumed) + value_of(i)));
        } while (assumed != old);
    }
}

/* A sum in shared memory per block, one atomic per block and target behind it. */
__global__ void histogram(float *out, uint32_t n_targets, uint32_t n_adds)
{
    __shared__ float sums[1024];
    const uint32_t step = gridDim.x * blockDim.x;
    (void)n_targets;
    for (uint32_t i = threadIdx.x; i < 1024; i += blockDim.x)
        sums[i] = 0;
    __syncthreads();
    for (uint32_t i = blockIdx.x * blockDim.x + threadIdx.x; i < n_adds; i += step)
        atomicAdd(&sums[mix(i) & 1023], value_of(i));
    __syncthreads();
    for (uint32_t i = threadIdx.x; i < 1024; i += blockDim.x)
        atomicAdd(&out[i], sums[i]);
}

template <typename T>
void measure(const char *name, const char *type, void (*kernel)(T *, uint32_t, uint32_t),
    uint32_t n_targets, uint32_t n_adds)
{
    float times[REPEATS];
    T *out = nullptr;
    cudaEvent_t begin, end;
    const uint32_t blocks = std::min(4096u, (n_adds + THREADS - 1) / THREADS);
    CHECK(cudaMalloc(&out, n_targets * sizeof(T)));
    CHECK(cudaMemset(out, 0, n_targets * sizeof(T)));
    CHECK(cudaEventCreate(&begin));
    CHECK(cudaEventCreate(&end));
    for (int i = -3; i < REPEATS; i++) { /* three to warm up: twins are built in the first */
        CHECK(cudaEventRecord(begin));
        kernel<<<blocks, THREADS>>>(out, n_targets, n_adds);
        CHECK(cudaGetLastError());
        CHECK(cudaEventRecord(end));
        CHECK(cudaEventSynchronize(end));
        float ms = 0;
        CHECK(cudaEventElapsedTime(&ms, begin, end));
        if (i >= 0)
            times[i] = ms;
    }
    std::sort(times, times + REPEATS);
    printf("{\"bench\":\"gpu_atomics\",\"pattern\":\"%s\",\"type\":\"%s\",\"targets\":%u,"
           "\"adds\":%u,\"us\":%.2f,\"adds_per_s\":%.4g}\n",
        name, type, n_targets, n_adds, times[REPEATS / 2] * 1e3,
        n_adds / (times[REPEATS / 2] * 1e-3));
    fflush(stdout);
    CHECK(cudaEventDestroy(begin));
    CHECK(cudaEventDestroy(end));
    CHECK(cudaFree(out));
}

} // namespace

int main(int argc, char **argv)
{
    /* The argument makes everything smaller, for a software GPU: adds and targets by 2^that. */
    const int less = argc > 1 ? atoi(argv[1]) : 0;
    const uint32_t adds = (1u << 24) >> less, cache = (1u << 18) >> less,
                   memory = (1u << 26) >> less;
    int n_devices = 0;
    if (cudaGetDeviceCount(&n_devices) != cudaSuccess || n_devices == 0) {
        printf("{\"bench\":\"gpu_atomics\",\"skipped\":\"no CUDA device\"}\n");
        return 0;
    }
    measure<float>("hot address", "f32", scatter<HOT, float>, 32, adds >> 4);
    measure<float>("100 addresses", "f32", scatter<FEW, float>, 128, adds);
    measure<float>("random in cache", "f32", scatter<RANDOM, float>, cache, adds);
    measure<float>("random in memory", "f32", scatter<RANDOM, float>, memory, adds);
    measure<float>("coalesced", "f32", scatter<COALESCED, float>, cache, adds);
    measure<float>("shared histogram", "f32", histogram, 1024, adds);
    measure<float>("hot address, swap loop", "f32", scatter_cas<HOT>, 32, adds >> 8);
    measure<float>("random, swap loop", "f32", scatter_cas<RANDOM>, cache, adds);
    measure<double>("random in cache", "f64", scatter<RANDOM, double>, cache, adds);
    measure<double>("hot address", "f64", scatter<HOT, double>, 32, adds >> 4);
    measure<__half2>("random in cache", "f16x2", scatter_half2, cache, adds);
    measure<float>("nothing but a launch", "f32", scatter<RANDOM, float>, 256, 256);
    return 0;
}
