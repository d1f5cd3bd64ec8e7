// Ordinary kernels whose results the test checks against the host: compiled to PTX by make, never linked.
#include <cooperative_groups.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cassert>
#include <cstdio>
namespace cg = cooperative_groups;

extern "C" __global__ void saxpy(int n, float a, const float *x, float *y)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n)
        y[i] = a * x[i] + y[i];
}

extern "C" __global__ void block_sum(int n, const float *x, float *out)
{
    __shared__ float part[32];
    float v = 0;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
        v += x[i];
    for (int o = 16; o; o >>= 1)
        v += __shfl_down_sync(~0u, v, o);
    if (threadIdx.x % 32 == 0)
        part[threadIdx.x / 32] = v;
    __syncthreads();
    if (threadIdx.x >= 32)
        return;
    v = threadIdx.x < blockDim.x / 32 ? part[threadIdx.x] : 0;
    for (int o = 16; o; o >>= 1)
        v += __shfl_xor_sync(~0u, v, o);
    if (threadIdx.x == 0)
        atomicAdd(out, v);
}

extern "C" __global__ void gemm(int n, const float *a, const float *b, float *c)
{
    __shared__ float s[16][16], t[16][16];
    int r = blockIdx.y * 16 + threadIdx.y, q = blockIdx.x * 16 + threadIdx.x;
    float sum = 0;
    for (int k = 0; k < n; k += 16) {
        s[threadIdx.y][threadIdx.x] = a[r * n + k + threadIdx.x];
        t[threadIdx.y][threadIdx.x] = b[(k + threadIdx.y) * n + q];
        __syncthreads();
        for (int j = 0; j < 16; j++)
            sum += s[threadIdx.y][j] * t[j][threadIdx.x];
        __syncthreads();
    }
    c[r * n + q] = sum;
}

extern "C" __global__ void softmax_row(int n, const float *x, float *y)
{
    extern __shared__ float shared[];
    float most = -INFINITY, sum = 0;
    const float *row = x + blockIdx.x * n;
    for (int i = threadIdx.x; i < n; i += blockDim.x)
        most = fmaxf(most, row[i]);
    shared[threadIdx.x] = most;
    __syncthreads();
    for (int s = blockDim.x / 2; s; s /= 2) {
        if (threadIdx.x < s)
            shared[threadIdx.x] = fmaxf(shared[threadIdx.x], shared[threadIdx.x + s]);
        __syncthreads();
    }
    most = shared[0];
    __syncthreads();
    for (int i = threadIdx.x; i < n; i += blockDim.x)
        sum += expf(row[i] - most);
    shared[threadIdx.x] = sum;
    __syncthreads();
    for (int s = blockDim.x / 2; s; s /= 2) {
        if (threadIdx.x < s)
            shared[threadIdx.x] += shared[threadIdx.x + s];
        __syncthreads();
    }
    for (int i = threadIdx.x; i < n; i += blockDim.x)
        y[blockIdx.x * n + i] = expf(row[i] - most) / shared[0];
}

__device__ unsigned ticket;
extern "C" __global__ void last_block(int n, const int *x, int *part, int *out)
{
    __shared__ bool last;
    if (threadIdx.x == 0) {
        part[blockIdx.x] = 0;
        for (int i = blockIdx.x; i < n; i += gridDim.x)
            part[blockIdx.x] += x[i];
        __threadfence();
        last = atomicInc(&ticket, gridDim.x - 1) == gridDim.x - 1;
    }
    __syncthreads();
    if (last && threadIdx.x == 0)
        for (int b = 0; b < gridDim.x; b++)
            *out += part[b];
}

__device__ double add_by_cas(double *at, double v)
{
    unsigned long long *bits = (unsigned long long *)at, old = *bits, seen;
    do {
        seen = old;
        old = atomicCAS(bits, seen, __double_as_longlong(v + __longlong_as_double(seen)));
    } while (seen != old);
    return __longlong_as_double(old);
}

// u32: add min max and or xor exch-count inc dec; u64: add max; f64 by CAS; f16x2 and bf16x2 adds of small whole numbers
extern "C" __global__ void atomics(
    unsigned *u, unsigned long long *w, double *d, float *f, __half2 *h, __nv_bfloat162 *b)
{
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    atomicAdd(&u[0], i);
    atomicMin(&u[1], i + 7);
    atomicMax(&u[2], i);
    atomicAnd(&u[3], ~(1u << (i & 7)));
    atomicOr(&u[4], 1u << (i & 31));
    atomicXor(&u[5], i);
    atomicAdd(&u[6], atomicExch(&u[7], i + 1) == 0);
    atomicInc(&u[8], 9);
    atomicDec(&u[9], 4);
    atomicMin((int *)&u[10], -(int)i);
    atomicAdd(&w[0], (unsigned long long)i << 32);
    atomicMax(&w[1], (unsigned long long)i * i);
    add_by_cas(&d[0], i);
    atomicAdd(&f[0], 1.0f);
#if __CUDA_ARCH__ >= 80
    atomicAdd(&d[1], 0.5);
    atomicAdd(h, __half2half2((__half)1.0f));
    atomicAdd(b, __floats2bfloat162_rn(1.0f, 2.0f));
#endif
    __shared__ unsigned s;
    if (threadIdx.x == 0)
        s = 0;
    __syncthreads();
    atomicAdd(&s, 2u);
    __syncthreads();
    if (threadIdx.x == 0)
        atomicAdd(&u[11], s);
}

extern "C" __global__ void float_sum(int n, const float *x, float *out)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n)
        atomicAdd(out, x[i]);
}

extern "C" __global__ void divergent(int *out)
{
    int n = 0;
    for (unsigned v = threadIdx.x * 7 + 1; v != 1; n++)
        v = v & 1 ? 3 * v + 1 : v / 2;
    switch (threadIdx.x & 7) {
    case 0:
        n += 100;
        break;
    case 1:
        n *= 3;
        break;
    case 2:
        n -= 5;
        break;
    case 3:
        n ^= 77;
        break;
    case 4:
        n <<= 2;
        break;
    case 5:
        n = -n;
        break;
    case 6:
        return;
    default:
        n |= 1;
    }
    __syncwarp(__activemask());
    out[threadIdx.x] = n;
}

extern "C" __global__ void grid_sync(int *count, int *seen)
{
    for (int round = 1; round <= 3; round++) {
        atomicAdd(count, 1);
        cg::this_grid().sync();
        if (threadIdx.x == 0)
            seen[blockIdx.x] += *(volatile int *)count == round * (int)(gridDim.x * blockDim.x);
        cg::this_grid().sync();
    }
}

__device__ __noinline__ int fibonacci(int n)
{
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}
struct big {
    int v[9];
};
__device__ __noinline__ big reversed(big b)
{
    big r;
    for (int k = 0; k < 9; k++)
        r.v[k] = b.v[8 - k];
    return r;
}
__device__ __noinline__ int twice(int x)
{
    return 2 * x;
}
__device__ __noinline__ int thrice(int x)
{
    return 3 * x;
}
__device__ int (*table[2])(int) = { twice, thrice };
__constant__ int offsets[4] = { 10, 20, 30, 40 };
__device__ const int *offset_pointer = &offsets[2];
extern "C" __global__ void calls(int *out)
{
    big b;
    for (int k = 0; k < 9; k++)
        b.v[k] = k * threadIdx.x;
    b = reversed(b);
    out[threadIdx.x] = fibonacci(threadIdx.x % 11) + b.v[1] + table[threadIdx.x & 1](threadIdx.x) +
                       *offset_pointer + offsets[threadIdx.x & 3];
}

extern "C" __global__ void spin_lock(int *lock, int *count)
{
    while (atomicCAS(lock, 0, 1) != 0)
        ;
    __threadfence();
    *count += 1;
    __threadfence();
    atomicExch(lock, 0);
}

extern "C" __global__ void warp_ops(unsigned *out)
{
    unsigned i = threadIdx.x, *o = out + 8 * i;
    o[0] = __ballot_sync(~0u, i % 3 == 0);
    o[1] = __any_sync(~0u, i == 5);
    o[2] = __all_sync(~0u, i < 32);
    o[3] = __match_any_sync(~0u, i / 5);
    if (i & 1)
        o[4] = __shfl_sync(0xaaaaaaaau, i * i, 7);
    else
        o[4] = __shfl_up_sync(0x55555555u, i, 2, 16);
#if __CUDA_ARCH__ >= 800
    o[5] = __reduce_add_sync(~0u, i) + __reduce_max_sync(~0u, i * 3) + __reduce_xor_sync(~0u, i);
#endif
    o[6] = __popc(__activemask());
    o[7] = cg::coalesced_threads().size();
}

extern "C" __global__ void named_barriers(int *out)
{
    __shared__ int v[64];
    if (threadIdx.x < 64) {
        v[threadIdx.x] = threadIdx.x;
        asm volatile("bar.sync 3, 64;");
        out[threadIdx.x] = v[63 - threadIdx.x];
    } else {
        asm volatile("bar.sync 4, 64;");
        out[threadIdx.x] = __syncthreads_count(0) * 0 + 5;
        return;
    }
    out[threadIdx.x] += __syncthreads_count(threadIdx.x & 1) * 100;
}

extern "C" __global__ void store_far(int *p)
{
    p[1 << 28] = 1;
}
extern "C" __global__ void half_block_waits(void)
{
    if (threadIdx.x < 32)
        asm volatile("bar.sync 1, 64;");
    else
        asm volatile("bar.sync 2, 64;");
}
extern "C" __global__ void asserts(int x)
{
    assert(x == 0);
}
extern "C" __global__ void traps(void)
{
    asm volatile("trap;");
}
extern "C" __global__ void prints(int *n)
{
    *n = printf("%d %s %.2f %llx|\n", threadIdx.x, "text", 1.25, 1ull << 40);
}

// f16 and bf16: results as bits, three inputs each
extern "C" __global__ void halves(int n, const unsigned short *x, unsigned short *out)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n)
        return;
    __half a = __ushort_as_half(x[3 * i]), b = __ushort_as_half(x[3 * i + 1]),
           c = __ushort_as_half(x[3 * i + 2]);
    out[8 * i] = __half_as_ushort(__hadd(a, b));
    out[8 * i + 1] = __half_as_ushort(__hmul(a, b));
    out[8 * i + 2] = __half_as_ushort(__hfma(a, b, c));
    out[8 * i + 3] = __half_as_ushort(__float2half_rn(__half2float(a) / 3.0f));
#if __CUDA_ARCH__ >= 900
    __nv_bfloat16 p = __ushort_as_bfloat16(x[3 * i]), q = __ushort_as_bfloat16(x[3 * i + 1]);
    __nv_bfloat16 r = __ushort_as_bfloat16(x[3 * i + 2]);
    out[8 * i + 4] = __bfloat16_as_ushort(__hadd(p, q));
    out[8 * i + 5] = __bfloat16_as_ushort(__hmul(p, q));
    out[8 * i + 6] = __bfloat16_as_ushort(__hfma(p, q, r));
#endif
}

// directed rounding: 4 modes x (add, mul, fma, div, sqrt), f32 then f64
extern "C" __global__ void rounding(
    int n, const float *x, float *out, const double *y, double *out64)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n)
        return;
    float a = x[3 * i], b = x[3 * i + 1], c = x[3 * i + 2], *o = out + 20 * i;
    double d = y[3 * i], e = y[3 * i + 1], f = y[3 * i + 2], *p = out64 + 20 * i;
#define MODE(k, m)                                                                                 \
    o[5 * k] = __fadd_##m(a, b), o[5 * k + 1] = __fmul_##m(a, b),                                  \
          o[5 * k + 2] = __fmaf_##m(a, b, c), o[5 * k + 3] = __fdiv_##m(a, b),                     \
          o[5 * k + 4] = __fsqrt_##m(fabsf(a)), p[5 * k] = __dadd_##m(d, e),                       \
          p[5 * k + 1] = __dmul_##m(d, e), p[5 * k + 2] = __fma_##m(d, e, f),                      \
          p[5 * k + 3] = __ddiv_##m(d, e), p[5 * k + 4] = __dsqrt_##m(fabs(d))
    MODE(0, rn);
    MODE(1, rz);
    MODE(2, rd);
    MODE(3, ru);
}
