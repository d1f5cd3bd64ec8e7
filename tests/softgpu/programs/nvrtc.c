/* A driver API program with the real NVRTC. It finds the driver by dlopen and dlsym, as CuPy and Triton do. */
#include <cuda.h>
#include <cudaTypedefs.h>
#include <dlfcn.h>
#include <nvrtc.h>
#include <stdio.h>
#include <stdlib.h>

static const char source[] =
    "extern \"C\" __global__ void axpy(float a, const float *x, float *y, int n)\n"
    "{ int i = blockIdx.x * blockDim.x + threadIdx.x; if (i < n) y[i] += a * x[i]; }\n";
#define FIND(name, version)                                                                        \
    PFN_##name##_v##version p_##name = (PFN_##name##_v##version)find(#name, version)
static void *library;
static PFN_cuGetProcAddress_v12000 get_proc_address;

static void *find(const char *name, int version)
{
    void *found = NULL;
    get_proc_address(name, &found, version, 0, NULL);
    return found;
}

static char *compile(void)
{
    nvrtcProgram program;
    size_t n = 0;
    const char *options[] = { "--gpu-architecture=compute_90" };
    if (nvrtcCreateProgram(&program, source, "axpy.cu", 0, NULL, NULL) ||
        nvrtcCompileProgram(program, 1, options) || nvrtcGetPTXSize(program, &n))
        return NULL;
    char *ptx = malloc(n);
    return nvrtcGetPTX(program, ptx) ? NULL : ptx;
}

int main(void)
{
    library = dlopen("libcuda.so.1", RTLD_NOW);
    if (!library)
        return 2;
    get_proc_address = (PFN_cuGetProcAddress_v12000)dlsym(library, "cuGetProcAddress_v2");
    FIND(cuInit, 2000);
    FIND(cuDevicePrimaryCtxRetain, 7000);
    FIND(cuCtxSetCurrent, 4000);
    FIND(cuModuleLoadDataEx, 2010);
    FIND(cuModuleGetFunction, 2000);
    FIND(cuMemAlloc, 3020);
    FIND(cuMemcpyHtoD, 3020);
    FIND(cuMemcpyDtoH, 3020);
    FIND(cuLaunchKernel, 4000);
    CUcontext context;
    CUmodule module;
    CUfunction function;
    CUdeviceptr x, y;
    int n = 256, bad = 0;
    float a = 2.0f, h[256], g[256];
    for (int i = 0; i < n; i++)
        h[i] = (float)i;
    char *ptx = compile();
    if (!ptx || p_cuInit(0) || p_cuDevicePrimaryCtxRetain(&context, 0) ||
        p_cuCtxSetCurrent(context) || p_cuModuleLoadDataEx(&module, ptx, 0, NULL, NULL) ||
        p_cuModuleGetFunction(&function, module, "axpy") || p_cuMemAlloc(&x, sizeof h) ||
        p_cuMemAlloc(&y, sizeof h) || p_cuMemcpyHtoD(x, h, sizeof h) ||
        p_cuMemcpyHtoD(y, h, sizeof h))
        return 1;
    void *params[] = { &a, &x, &y, &n };
    if (p_cuLaunchKernel(function, 2, 1, 1, 128, 1, 1, 0, NULL, params, NULL) ||
        p_cuMemcpyDtoH(g, y, sizeof g))
        return 1;
    for (int i = 0; i < n; i++)
        bad += g[i] != 3.0f * h[i];
    printf("result axpy=%s\n", bad ? "bad" : "ok");
    return bad != 0;
}
