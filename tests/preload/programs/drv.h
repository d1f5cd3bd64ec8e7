/* Helpers of the driver-API test programs: libcuda by dlopen and dlsym, as frameworks do; a kernel that adds floats from many
 * blocks; addends that anybody can recompute. These programs know nothing of detshim. */
#ifndef TEST_PRELOAD_DRV_H
#define TEST_PRELOAD_DRV_H

#define __CUDA_API_VERSION_INTERNAL 1
#include <cuda.h>

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *drv_lib;

static inline void *drv_find(const char *name)
{
    if (drv_lib == NULL)
        drv_lib = dlopen("libcuda.so.1", RTLD_NOW);
    void *const found = drv_lib != NULL ? dlsym(drv_lib, name) : NULL;
    if (found == NULL) {
        fprintf(stderr, "no '%s' in libcuda.so.1\n", name);
        exit(3);
    }
    return found;
}
/* Call a driver function by its exported name. */
#define CU(symbol) ((__typeof__(&symbol))drv_find(#symbol))
#define OK(call)                                                                                   \
    do {                                                                                           \
        const CUresult ok_status = (call);                                                         \
        if (ok_status != CUDA_SUCCESS) {                                                           \
            printf("%s: error %d\n", #call, (int)ok_status);                                       \
            exit(2);                                                                               \
        }                                                                                          \
    } while (0)

static inline CUcontext drv_start(void)
{
    CUdevice device;
    CUcontext ctx;
    OK(CU(cuInit)(0));
    OK(CU(cuDeviceGet)(&device, 0));
    OK(CU(cuDevicePrimaryCtxRetain)(&ctx, device));
    OK(CU(cuCtxSetCurrent)(ctx));
    return ctx;
}

/* y[i % m] += x[i] for i < n, by float atomics. `total` adds x[i] `repeat` times
 * to totals[i % 4]; both are module variables that the host reads and writes. */
static const char drv_ptx[] = ".version 7.0\n"
                              ".target sm_70\n"
                              ".address_size 64\n"
                              ".visible .global .align 4 .f32 totals[4];\n"
                              ".visible .const .align 4 .u32 repeat;\n"
                              ".visible .entry sum(\n"
                              "    .param .u64 sum_x,\n"
                              "    .param .u64 sum_y,\n"
                              "    .param .u32 sum_n,\n"
                              "    .param .u32 sum_m\n"
                              ")\n"
                              "{\n"
                              "    .reg .pred %p<2>;\n"
                              "    .reg .f32 %f<2>;\n"
                              "    .reg .b32 %r<8>;\n"
                              "    .reg .b64 %rd<9>;\n"
                              "    ld.param.u64 %rd1, [sum_x];\n"
                              "    ld.param.u64 %rd2, [sum_y];\n"
                              "    ld.param.u32 %r1, [sum_n];\n"
                              "    ld.param.u32 %r2, [sum_m];\n"
                              "    mov.u32 %r3, %ctaid.x;\n"
                              "    mov.u32 %r4, %ntid.x;\n"
                              "    mov.u32 %r5, %tid.x;\n"
                              "    mad.lo.s32 %r6, %r3, %r4, %r5;\n"
                              "    setp.ge.u32 %p1, %r6, %r1;\n"
                              "    @%p1 bra DONE;\n"
                              "    cvta.to.global.u64 %rd3, %rd1;\n"
                              "    mul.wide.u32 %rd4, %r6, 4;\n"
                              "    add.s64 %rd5, %rd3, %rd4;\n"
                              "    ld.global.nc.f32 %f1, [%rd5];\n"
                              "    rem.u32 %r7, %r6, %r2;\n"
                              "    cvta.to.global.u64 %rd6, %rd2;\n"
                              "    mul.wide.u32 %rd7, %r7, 4;\n"
                              "    add.s64 %rd8, %rd6, %rd7;\n"
                              "    red.global.add.f32 [%rd8], %f1;\n"
                              "DONE:\n"
                              "    ret;\n"
                              "}\n"
                              ".visible .entry total(\n"
                              "    .param .u64 total_x,\n"
                              "    .param .u32 total_n\n"
                              ")\n"
                              "{\n"
                              "    .reg .pred %p<4>;\n"
                              "    .reg .f32 %f<2>;\n"
                              "    .reg .b32 %r<10>;\n"
                              "    .reg .b64 %rd<9>;\n"
                              "    ld.param.u64 %rd1, [total_x];\n"
                              "    ld.param.u32 %r1, [total_n];\n"
                              "    mov.u32 %r3, %ctaid.x;\n"
                              "    mov.u32 %r4, %ntid.x;\n"
                              "    mov.u32 %r5, %tid.x;\n"
                              "    mad.lo.s32 %r6, %r3, %r4, %r5;\n"
                              "    setp.ge.u32 %p1, %r6, %r1;\n"
                              "    @%p1 bra END;\n"
                              "    cvta.to.global.u64 %rd3, %rd1;\n"
                              "    mul.wide.u32 %rd4, %r6, 4;\n"
                              "    add.s64 %rd5, %rd3, %rd4;\n"
                              "    ld.global.nc.f32 %f1, [%rd5];\n"
                              "    and.b32 %r7, %r6, 3;\n"
                              "    mov.u64 %rd6, totals;\n"
                              "    mul.wide.u32 %rd7, %r7, 4;\n"
                              "    add.s64 %rd8, %rd6, %rd7;\n"
                              "    ld.const.u32 %r8, [repeat];\n"
                              "    mov.u32 %r9, 0;\n"
                              "NEXT:\n"
                              "    setp.ge.u32 %p2, %r9, %r8;\n"
                              "    @%p2 bra END;\n"
                              "    red.global.add.f32 [%rd8], %f1;\n"
                              "    add.u32 %r9, %r9, 1;\n"
                              "    bra NEXT;\n"
                              "END:\n"
                              "    ret;\n"
                              "}\n";

/* Addend i: signs and magnitudes over some thirty binades, so that every order rounds differently. */
static inline float drv_addend(uint32_t i)
{
    uint64_t z = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z ^= z >> 31;
    const float mantissa = (float)(z & 0xffffff) / 16777216.0f + 1.0f;
    const int exponent = (int)(z >> 24 & 31) - 20;
    const float sign = z >> 32 & 1 ? -1.0f : 1.0f;
    return sign * mantissa *
           (exponent < 0 ? 1.0f / (float)(1u << -exponent) : (float)(1u << exponent));
}

static inline CUdeviceptr drv_addends(uint32_t n)
{
    float *const x = malloc(n * sizeof *x);
    CUdeviceptr at;
    for (uint32_t i = 0; i < n; i++)
        x[i] = drv_addend(i);
    OK(CU(cuMemAlloc_v2)(&at, n * sizeof *x));
    OK(CU(cuMemcpyHtoD_v2)(at, x, n * sizeof *x));
    free(x);
    return at;
}

static inline CUdeviceptr drv_zeros(uint32_t m)
{
    CUdeviceptr at;
    OK(CU(cuMemAlloc_v2)(&at, m * sizeof(float)));
    OK(CU(cuMemsetD8_v2)(at, 0, m * sizeof(float)));
    return at;
}

/* `result NAME=hex,hex,…`: the bits of m floats on the device. */
static inline void drv_print(const char *name, CUdeviceptr at, uint32_t m)
{
    uint32_t *const bits = malloc(m * sizeof *bits);
    OK(CU(cuMemcpyDtoH_v2)(bits, at, m * sizeof *bits));
    printf("result %s=", name);
    for (uint32_t i = 0; i < m; i++)
        printf("%s%08x", i == 0 ? "" : ",", bits[i]);
    printf("\n");
    free(bits);
}

#endif
