// Forms of float addition that a twin replaces, and their harmless neighbours. One kernel per row of the table in
// test_classify.c; written for this test.
#include <cstdint>
#include <cstdio>
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#define AT (blockIdx.x * blockDim.x + threadIdx.x)

extern "C" {
__device__ float sums[16];
__constant__ float weights[16];
__device__ unsigned arrived;

__global__ void add_f32(float *o, const float *x, const int *where, int n)
{
    if (AT < n)
        atomicAdd(o + where[AT], x[AT]);
}
__global__ void add_f64(double *o, const double *x)
{
    atomicAdd(o + AT % 7, x[AT]);
}
__global__ void add_f16(__half *o, const __half *x)
{
    atomicAdd(o + AT % 7, x[AT]);
}
__global__ void add_f16x2(__half2 *o, const __half2 *x)
{
    atomicAdd(o + AT % 7, x[AT]);
}
__global__ void add_bf16(__nv_bfloat16 *o, const __nv_bfloat16 *x)
{
    atomicAdd(o + AT % 7, x[AT]);
}
__global__ void add_bf16x2(__nv_bfloat162 *o, const __nv_bfloat162 *x)
{
    atomicAdd(o + AT % 7, x[AT]);
}
__global__ void add_f32x4(float4 *o, const float4 *x)
{
#if __CUDA_ARCH__ >= 900
    atomicAdd(o + AT % 7, x[AT]);
#else
    atomicAdd(&o->x, x->x);
#endif
}
__global__ void add_block_scope(float *o, const float *x)
{
    atomicAdd_block(o + AT % 7, x[AT]);
}
__global__ void add_system_scope(double *o, const double *x)
{
    atomicAdd_system(o + AT % 7, x[AT]);
}
__global__ void add_constant(float *o)
{
    atomicAdd(o + AT % 7, 0.1f);
}
__global__ void add_predicated(float *o, const float *x)
{
    float v = x[AT];
    asm volatile("{.reg .pred p; setp.gt.f32 p, %1, 0f00000000; @p red.global.add.f32 [%0], %1; "
                 "@!p red.global.add.f32 [%0+4], %1;}" ::"l"(o),
        "f"(v));
}
__global__ void add_acq_rel(float *o, const float *x)
{
    float r;
    asm volatile("atom.global.acq_rel.gpu.add.f32 %0, [%1], %2;" : "=f"(r) : "l"(o), "f"(x[AT]));
}
__global__ void add_into_variable(const float *x)
{
    atomicAdd(&sums[AT % 16], x[AT] * weights[AT % 7]);
}
__global__ void add_at_variable_offset(const float *x)
{
    asm volatile("red.global.add.f32 [sums+8], %0;" ::"f"(x[AT] + sums[0] * 0));
}
struct box {
    float *to;
    const float *from;
    int n;
};
__global__ void add_through_struct(box b)
{
    atomicAdd(b.to + AT % 3, b.from[AT]);
}
__global__ void add_grid_stride(float *o, const float *x, int n)
{
    for (int i = AT; i < n; i += gridDim.x * blockDim.x)
        atomicAdd(o + i % 5, x[i]);
}
__global__ void add_early_exit(float *o, const float *x, int n)
{
    if (x[AT] < 0)
        return;
    atomicAdd(o, x[AT]);
    if (n > 5)
        asm volatile("exit;");
    atomicAdd(o + 1, x[AT]);
}
__global__ void add_sine(float *o, const float *x)
{
    atomicAdd(o, sinf(x[AT]));
}
__global__ void add_power(double *o, const double *x)
{
    atomicAdd(o, pow(x[AT], x[AT + 1]));
}
__global__ void add_and_print(float *o)
{
    printf("%d\n", AT);
    atomicAdd(o, 1.f);
}
__global__ void add_no_parameters()
{
    atomicAdd(&sums[AT % 16], 1.f);
}
__global__ void read_before_add(float *o)
{
    float v = o[AT % 7];
    atomicAdd(o + AT % 3, v);
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
__global__ void loop_f32_minus(float *o, const float *x)
{
    int *p = (int *)(o + AT % 7), old = *p, seen;
    do {
        seen = old;
        old = atomicCAS(p, seen, __float_as_int(__int_as_float(seen) - x[AT]));
    } while (seen != old);
}
// Dynamic shared memory under two names in one module: a twin of one kernel knows only its own.
extern __shared__ float one_name[];
extern __shared__ float other_name[];
__global__ void dynamic_plain(float *o, const float *x)
{
    one_name[threadIdx.x % 8] = x[threadIdx.x % 8];
    __syncthreads();
    o[AT] = one_name[threadIdx.x % 8];
}
__global__ void shared_dynamic(float *o, const float *x)
{
    if (threadIdx.x < 7)
        other_name[threadIdx.x] = 0;
    __syncthreads();
    atomicAdd(&other_name[AT % 7], x[AT]);
    __syncthreads();
    if (threadIdx.x < 7)
        o[blockIdx.x * 7 + threadIdx.x] = other_name[threadIdx.x];
}
/* --- harmless */
__global__ void plain(float *o, const float *x)
{
    o[AT] = 2 * x[AT];
}
__global__ void histogram(int *o, const int *x)
{
    atomicAdd(o + x[AT], 1);
}
__global__ void flags(unsigned *o)
{
    atomicOr(o + AT / 32, 1u << AT % 32);
}
// Integers wrap: additions by compare-and-swap commute like those of one instruction.
__global__ void loop_integer(int *o, const int *x)
{
    int *p = o + AT % 7, old = *p, seen;
    do {
        seen = old;
        old = atomicCAS(p, seen, seen + x[AT]);
    } while (seen != old);
}
__global__ void maximum(float *o, const float *x)
{
    int *p = (int *)o, old = *p, seen;
    do {
        seen = old;
        old = atomicCAS(p, seen, __float_as_int(fmaxf(x[AT], __int_as_float(seen))));
    } while (seen != old);
}
__global__ void last_block(float *part, float *o, const float *x)
{
    __shared__ bool last;
    if (threadIdx.x == 0) {
        part[blockIdx.x] = x[AT];
        __threadfence();
        last = atomicInc(&arrived, gridDim.x) == gridDim.x - 1;
    }
    __syncthreads();
    if (last && threadIdx.x == 0) {
        float sum = 0;
        for (int i = 0; i < gridDim.x; i++)
            sum += part[i];
        *o = sum;
    }
}
__global__ void dead_clock(float *o)
{
    long long t = clock64();
    o[AT] = 1;
}
}
