/* One allocation, two pointers into it: `far` adds x[i] to y[at + i % m], and one block later reads z[i % m]. Whether z is another
 * tensor of the arena or y + 256 KiB, where the adds went, only the addresses tell. argv[1]: "tensors" or "same". */
#include "tests/preload/programs/drv.h"

enum { N = 2048, M = 7, AT = 64 << 10, BLOCK = 256, TIMES = 3 };

static const char far_ptx[] = ".version 7.0\n"
                              ".target sm_70\n"
                              ".address_size 64\n"
                              ".visible .entry far(\n"
                              "    .param .u64 far_x,\n"
                              "    .param .u64 far_y,\n"
                              "    .param .u64 far_z,\n"
                              "    .param .u64 far_out,\n"
                              "    .param .u32 far_at\n"
                              ")\n"
                              "{\n"
                              "    .reg .pred %p<4>;\n"
                              "    .reg .f32 %f<4>;\n"
                              "    .reg .b32 %r<8>;\n"
                              "    .reg .b64 %rd<16>;\n"
                              "    ld.param.u64 %rd1, [far_x];\n"
                              "    ld.param.u64 %rd2, [far_y];\n"
                              "    ld.param.u64 %rd3, [far_z];\n"
                              "    ld.param.u64 %rd4, [far_out];\n"
                              "    ld.param.u32 %r1, [far_at];\n"
                              "    mov.u32 %r2, %tid.x;\n"
                              "    mov.u32 %r3, %r2;\n"
                              "NEXT:\n"
                              "    mul.wide.u32 %rd5, %r3, 4;\n"
                              "    add.s64 %rd6, %rd1, %rd5;\n"
                              "    ld.global.nc.f32 %f1, [%rd6];\n"
                              "    rem.u32 %r4, %r3, 7;\n"
                              "    add.u32 %r5, %r4, %r1;\n"
                              "    mul.wide.u32 %rd7, %r5, 4;\n"
                              "    add.s64 %rd8, %rd2, %rd7;\n"
                              "    red.global.add.f32 [%rd8], %f1;\n"
                              "    add.u32 %r3, %r3, 256;\n"
                              "    setp.lt.u32 %p1, %r3, 2048;\n"
                              "    @%p1 bra NEXT;\n"
                              "    bar.sync 0;\n"
                              "    setp.gt.u32 %p2, %r2, 6;\n"
                              "    mul.wide.u32 %rd9, %r2, 4;\n"
                              "    add.s64 %rd10, %rd3, %rd9;\n"
                              "    @!%p2 ld.global.f32 %f2, [%rd10+0];\n"
                              "    add.s64 %rd11, %rd4, %rd9;\n"
                              "    @!%p2 st.global.f32 [%rd11], %f2;\n"
                              "    ret;\n"
                              "}\n";

int main(int argc, char **argv)
{
    const int same = argc > 1 && strcmp(argv[1], "same") == 0;
    CUmodule module;
    CUfunction far;
    CUstream stream;
    drv_start();
    OK(CU(cuModuleLoadData)(&module, far_ptx));
    OK(CU(cuModuleGetFunction)(&far, module, "far"));
    OK(CU(cuStreamCreate)(&stream, CU_STREAM_NON_BLOCKING));
    CUdeviceptr x = drv_addends(N), y = drv_zeros(4 * AT), out = drv_zeros(M);
    CUdeviceptr z = y + (same ? 1 : 2) * AT * sizeof(float);
    uint32_t at = AT;
    void *params[] = { &x, &y, &z, &out, &at };
    int stale = 0;
    OK(CU(cuCtxSynchronize)());
    for (int i = 0; i < TIMES; i++) {
        float seen[M], is[M];
        OK(CU(cuLaunchKernel)(far, 1, 1, 1, BLOCK, 1, 1, 0, stream, params, NULL));
        OK(CU(cuStreamSynchronize)(stream));
        OK(CU(cuMemcpyDtoH_v2)(seen, out, sizeof seen));
        OK(CU(cuMemcpyDtoH_v2)(is, z, sizeof is));
        stale += memcmp(seen, is, sizeof is) != 0;
    }
    printf("stale %d\n", stale);
    drv_print("y", y + AT * sizeof(float), M);
    return 0;
}
