// One kernel per way to depend on arrival order that no twin removes. One row each in test_classify.c; written for this test.
#include <cooperative_groups.h>
#include <cuda_fp16.h>

namespace cg = cooperative_groups;
#define AT (blockIdx.x * blockDim.x + threadIdx.x)

extern "C" {
__device__ unsigned arrived;
__device__ int mutex;
__device__ float sums[16];

__global__ void used_result(float *o, float *r)
{
    r[AT] = atomicAdd(o, 1.f);
}
__global__ void read_after(float *o, float *r)
{
    atomicAdd(o, 1.f);
    __syncthreads();
    r[AT] = o[AT % 3];
}
__global__ void read_by_loaded_pointer(float *o, float **r, float *s)
{
    atomicAdd(o, 1.f);
    __syncthreads();
    s[AT] = *r[AT];
}
__global__ void store_to_target(float *o)
{
    if (AT == 0)
        *o = 0;
    atomicAdd(o, 1.f);
}
__global__ void store_by_loaded_pointer(float *o, float **r)
{
    *r[AT] = 1;
    atomicAdd(o, 1.f);
}
__global__ void last_block_adds(float *part, float *o, const float *x)
{
    __shared__ bool last;
    if (threadIdx.x == 0) {
        atomicAdd(part, x[AT]);
        __threadfence();
        last = atomicInc(&arrived, gridDim.x) == gridDim.x - 1;
    }
    __syncthreads();
    if (last)
        *o = *part;
}
__global__ void grid_sync(float *o, float *r)
{
    atomicAdd(o, r[AT]);
    cg::this_grid().sync();
    r[AT] = o[0];
}
__global__ void locked(float *o, const float *x)
{
    if (threadIdx.x == 0) {
        while (atomicCAS(&mutex, 0, 1))
            ;
        __threadfence();
        *o += x[blockIdx.x];
        __threadfence();
        atomicExch(&mutex, 0);
    }
}
__global__ void loop_multiply(float *o, const float *x)
{
    int *p = (int *)o, old = *p, seen;
    do {
        seen = old;
        old = atomicCAS(p, seen, __float_as_int(x[AT] * __int_as_float(seen)));
    } while (seen != old);
}
// Integers, but no sum that commutes: the addend follows from the old value; two operators take turns; the old value is kept.
__global__ void loop_integer_shift(int *o, const int *x)
{
    int *p = o + AT % 7, old = *p, seen;
    do {
        seen = old;
        old = atomicCAS(p, seen, (seen >> 1) + x[AT]);
    } while (seen != old);
}
__global__ void loop_integer_and_xor(int *o, const int *x)
{
    int *p = o + AT % 7, old = *p, seen;
    do {
        seen = old;
        old = atomicCAS(p, seen, seen + x[AT]);
    } while (seen != old);
    atomicXor(o + (AT + 1) % 7, x[AT]);
}
__global__ void loop_integer_result_used(int *o, const int *x, int *r)
{
    int *p = o + AT % 7, old = *p, seen;
    do {
        seen = old;
        old = atomicCAS(p, seen, seen + x[AT]);
    } while (seen != old);
    r[AT] = old;
}
__global__ void loop_result_used(float *o, const float *x, float *r)
{
    int *p = (int *)o, old = *p, seen;
    do {
        seen = old;
        old = atomicCAS(p, seen, __float_as_int(x[AT] + __int_as_float(seen)));
    } while (seen != old);
    r[AT] = __int_as_float(old);
}
__global__ void loop_toward_zero(float *o, const float *x)
{
    int *p = (int *)o, old = *p, seen;
    do {
        seen = old;
        old = atomicCAS(p, seen, __float_as_int(__fadd_rz(x[AT], __int_as_float(seen))));
    } while (seen != old);
}
__global__ void exchange(float *o, float *r)
{
    r[AT] = atomicExch(o, 1.f);
}
__global__ void shared_add(float *o, const float *x)
{
    __shared__ float s[32];
    s[threadIdx.x % 32] = 0;
    __syncthreads();
    atomicAdd(&s[threadIdx.x % 32], x[AT]);
    __syncthreads();
    o[AT] = s[threadIdx.x % 32];
}
__global__ void shared_read_without_barrier(float *o, const float *x)
{
    __shared__ float s[32];
    s[threadIdx.x % 32] = 0;
    __syncthreads();
    atomicAdd(&s[threadIdx.x % 32], x[AT]);
    __syncwarp();
    o[AT] = s[threadIdx.x % 32];
}
__global__ void shared_add_loop(float *o, const float *x, int n)
{
    __shared__ float s[32];
    __shared__ double t[4];
    if (AT >= 2000)
        return;
    for (int i = 0; i < n; i++) {
        s[threadIdx.x % 32] = 0;
        if (threadIdx.x < 4)
            t[threadIdx.x] = 0;
        __syncthreads();
        atomicAdd(&s[threadIdx.x % 7], x[AT + i]);
        atomicAdd(&t[threadIdx.x % 3], (double)x[AT - i]);
        __syncthreads();
        o[AT + i * 1000] = s[threadIdx.x % 32] + (float)t[i % 4];
        __syncthreads();
    }
}
// Which operator comes last decides.
__global__ void shared_add_and_max(int *o, const int *x)
{
    __shared__ int s[4];
    if (threadIdx.x < 4)
        s[threadIdx.x] = 0;
    __syncthreads();
    if (x[AT] & 1)
        atomicAdd(&s[threadIdx.x & 3], x[AT]);
    else
        atomicMax(&s[threadIdx.x & 3], x[AT]);
    __syncthreads();
    o[AT] = s[threadIdx.x & 3];
}
__device__ unsigned arrived_own;
// The block that happens to be last leaves its own number.
__global__ void last_block_own(float *part, float *o, const float *x)
{
    __shared__ bool last;
    if (threadIdx.x == 0) {
        part[blockIdx.x] = x[AT];
        __threadfence();
        last = atomicInc(&arrived_own, gridDim.x) == gridDim.x - 1;
    }
    __syncthreads();
    if (last && threadIdx.x == 0)
        *o = part[0] + blockIdx.x;
}
#if !defined __CUDA_ARCH__ || __CUDA_ARCH__ >= 900
__global__ void cluster_add(float *o)
{
    __shared__ float s[4];
    float *other = cg::this_cluster().map_shared_rank(s, 1);
    atomicAdd(other, 1.f);
    o[AT] = s[0];
}
__global__ void bulk_reduce(float *o)
{
    __shared__ alignas(16) float s[4];
    asm volatile(
        "cp.reduce.async.bulk.global.shared::cta.bulk_group.add.f32 [%0], [%1], 16;" ::"l"(o),
        "r"((unsigned)__cvta_generic_to_shared(s))
        : "memory");
}
__global__ void early_start(float *o)
{
    asm volatile("griddepcontrol.launch_dependents;");
    atomicAdd(o, 1.f);
}
#endif
__global__ void publish(float *o, const float *x, int *flag)
{
    atomicAdd(o, x[AT]);
    __threadfence();
    if (threadIdx.x == 0)
        *(volatile int *)flag = 1;
}
__global__ void spin(volatile int *flag, float *o)
{
    while (*flag == 0)
        ;
    o[AT] = 1;
}
__global__ void mixed_types(float *o, const float *x)
{
    atomicAdd(o, x[AT]);
    atomicAdd((double *)o + 1, (double)x[AT]);
}
__global__ void mixed_integer(float *o, const float *x)
{
    atomicAdd(o, x[AT]);
    atomicMax((int *)o + 1, 3);
}
__global__ void slots(int *count, int *o)
{
    o[atomicAdd(count, 1)] = AT;
}
__global__ void reads_clock(long long *o)
{
    o[AT] = clock64();
}
__global__ void reads_sm(unsigned *o)
{
    unsigned id;
    asm volatile("mov.u32 %0, %%smid;" : "=r"(id));
    o[AT] = id;
}
__global__ void active_lanes(int *o)
{
    o[AT] = __activemask();
}
__global__ void racing_read(int *o, int *r)
{
    atomicMax(o, (int)AT);
    r[AT] = *o;
}
__global__ void mixed_operators(int *o)
{
    atomicAdd(o, 3);
    atomicMax(o, (int)AT);
}
__global__ void acquire_flag(int *flag, int *o)
{
    int v;
    asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(v) : "l"(flag));
    o[AT] = v;
}
__global__ void indirect(float *o, float (**f)(float))
{
    o[AT] = f[0](o[AT]);
}
__global__ void shared_through_generic(float *o, int which)
{
    __shared__ float s[4];
    s[threadIdx.x % 4] = 0;
    __syncthreads();
    atomicAdd(which ? o : s, 1.f);
    __syncthreads();
    o[AT + 9] = s[threadIdx.x % 4];
}
}
