/* One kernel that adds floats, started in every way the driver API has; argv[1] picks the way. Prints the sums' bits. */
#include "tests/preload/programs/drv.h"

enum { N = 6000, M = 7, BLOCK = 64 };

static CUmodule module;
static CUdeviceptr x;

static CUfunction load(const char *kernel)
{
    CUfunction function;
    OK(CU(cuModuleLoadData)(&module, drv_ptx));
    OK(CU(cuModuleGetFunction)(&function, module, kernel));
    return function;
}

static void launch(CUfunction f, CUdeviceptr y, uint32_t n, uint32_t m, CUstream stream)
{
    void *params[] = { &x, &y, &n, &m };
    OK(CU(cuLaunchKernel)(f, (n + BLOCK - 1) / BLOCK, 1, 1, BLOCK, 1, 1, 0, stream, params, NULL));
}

static void plain(void)
{
    const CUdeviceptr y = drv_zeros(M);
    launch(load("sum"), y, N, M, NULL);
    drv_print("y", y, M);
}

static void extra(void)
{
    const CUfunction f = load("sum");
    struct {
        CUdeviceptr x, y;
        uint32_t n, m;
    } buffer = { x, drv_zeros(M), N, M };
    size_t n_bytes = sizeof buffer;
    void *list[] = { CU_LAUNCH_PARAM_BUFFER_POINTER, &buffer, CU_LAUNCH_PARAM_BUFFER_SIZE, &n_bytes,
        CU_LAUNCH_PARAM_END };
    OK(CU(cuLaunchKernel)(f, (N + BLOCK - 1) / BLOCK, 1, 1, BLOCK, 1, 1, 0, NULL, NULL, list));
    drv_print("y", buffer.y, M);
}

static void ex(void)
{
    const CUfunction f = load("sum");
    CUdeviceptr y = drv_zeros(M);
    uint32_t n = N, m = M;
    void *params[] = { &x, &y, &n, &m };
    CUlaunchAttribute attr = { .id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION };
    attr.value.programmaticStreamSerializationAllowed = 1;
    CUlaunchConfig config = { .gridDimX = (N + BLOCK - 1) / BLOCK,
        .gridDimY = 1,
        .gridDimZ = 1,
        .blockDimX = BLOCK,
        .blockDimY = 1,
        .blockDimZ = 1,
        .attrs = &attr,
        .numAttrs = 1 };
    OK(CU(cuLaunchKernelEx)(&config, f, params, NULL));
    drv_print("y", y, M);
}

static void ptsz(void)
{
    const CUfunction f = load("sum");
    CUdeviceptr y = drv_zeros(M);
    uint32_t n = N, m = M;
    void *params[] = { &x, &y, &n, &m };
    OK(CU(cuLaunchKernel_ptsz)(
        f, (N + BLOCK - 1) / BLOCK, 1, 1, BLOCK, 1, 1, 0, NULL, params, NULL));
    OK(CU(cuStreamSynchronize_ptsz)(NULL));
    drv_print("y", y, M);
}

static void cooperative(void)
{
    const CUfunction f = load("sum");
    CUdeviceptr y = drv_zeros(M);
    uint32_t n = 2048, m = M;
    void *params[] = { &x, &y, &n, &m };
    OK(CU(cuLaunchCooperativeKernel)(f, n / BLOCK, 1, 1, BLOCK, 1, 1, 0, NULL, params));
    drv_print("y", y, M);
}

static void library(void)
{
    CUlibrary lib;
    CUkernel kernel;
    CUfunction function;
    const CUdeviceptr y = drv_zeros(M), y2 = drv_zeros(M);
    OK(CU(cuLibraryLoadData)(&lib, drv_ptx, NULL, NULL, 0, NULL, NULL, 0));
    OK(CU(cuLibraryGetKernel)(&kernel, lib, "sum"));
    launch((CUfunction)kernel, y, N, M, NULL);
    OK(CU(cuKernelGetFunction)(&function, kernel));
    launch(function, y2, N, M, NULL);
    drv_print("y", y, M);
    drv_print("y2", y2, M);
    OK(CU(cuLibraryUnload)(lib));
}

/* Many launches on streams that come and go; addresses of streams are likely reused. */
static void streams(void)
{
    const CUfunction f = load("sum");
    CUdeviceptr y[6];
    for (int round = 0; round < 3; round++) {
        CUstream s[2];
        for (int i = 0; i < 2; i++) {
            y[2 * round + i] = drv_zeros(M);
            OK(CU(cuStreamCreate)(&s[i], CU_STREAM_NON_BLOCKING));
        }
        OK(CU(cuCtxSynchronize)()); /* the zeros are there */
        for (int i = 0; i < 2; i++) {
            launch(f, y[2 * round + i], N, M, s[i]);
            launch(f, y[2 * round + i], N / 2, M, s[i]);
        }
        for (int i = 0; i < 2; i++) {
            if (round < 2)
                OK(CU(cuStreamSynchronize)(s[i]));
            OK(CU(cuStreamDestroy_v2)(s[i]));
        }
    }
    OK(CU(cuCtxSynchronize)());
    for (int i = 0; i < 6; i++) {
        char name[4] = { 'y', (char)('0' + i), 0, 0 };
        drv_print(name, y[i], M);
    }
}

static void contexts(void)
{
    CUdevice device;
    CUcontext own;
    plain();
    OK(CU(cuDeviceGet)(&device, 0));
    for (int i = 0; i < 2; i++) {
        OK(CU(cuCtxCreate_v2)(&own, 0, device));
        x = drv_addends(N);
        const CUdeviceptr y = drv_zeros(M);
        launch(load("sum"), y, N, M, NULL);
        drv_print(i == 0 ? "second" : "third", y, M);
        OK(CU(cuCtxDestroy_v2)(own));
    }
}

static void reload(void)
{
    const CUdeviceptr y = drv_zeros(M);
    for (int i = 0; i < 4; i++) {
        launch(load("sum"), y, N, M, NULL);
        OK(CU(cuCtxSynchronize)());
        OK(CU(cuModuleUnload)(module));
    }
    drv_print("y", y, M);
}

static void variables(void)
{
    const CUfunction f = load("total");
    CUdeviceptr totals, repeat;
    size_t n_bytes;
    uint32_t n = N, times = 3;
    OK(CU(cuModuleGetGlobal_v2)(&totals, &n_bytes, module, "totals"));
    OK(CU(cuModuleGetGlobal_v2)(&repeat, &n_bytes, module, "repeat"));
    OK(CU(cuMemcpyHtoD_v2)(repeat, &times, sizeof times));
    void *params[] = { &x, &n };
    OK(CU(cuLaunchKernel)(f, (N + BLOCK - 1) / BLOCK, 1, 1, BLOCK, 1, 1, 0, NULL, params, NULL));
    drv_print("totals", totals, 4);
    times = 1; /* and again after the host changed it */
    OK(CU(cuMemcpyHtoD_v2)(repeat, &times, sizeof times));
    OK(CU(cuLaunchKernel)(f, (N + BLOCK - 1) / BLOCK, 1, 1, BLOCK, 1, 1, 0, NULL, params, NULL));
    drv_print("more", totals, 4);
}

static void capture(void)
{
    const CUfunction f = load("sum");
    const CUdeviceptr y = drv_zeros(M);
    CUstream s;
    CUgraph graph;
    CUgraphExec exec;
    OK(CU(cuStreamCreate)(&s, CU_STREAM_NON_BLOCKING));
    OK(CU(cuCtxSynchronize)());
    OK(CU(cuStreamBeginCapture_v2)(s, CU_STREAM_CAPTURE_MODE_GLOBAL));
    launch(f, y, N, M, s);
    launch(f, y, N / 3, M, s);
    OK(CU(cuStreamEndCapture)(s, &graph));
    OK(CU(cuGraphInstantiateWithFlags)(&exec, graph, 0));
    for (int i = 0; i < 4; i++)
        OK(CU(cuGraphLaunch)(exec, s));
    OK(CU(cuStreamSynchronize)(s));
    drv_print("y", y, M);
    OK(CU(cuGraphExecDestroy)(exec));
    OK(CU(cuGraphDestroy)(graph));
}

/* The driver's linker with one PTX input: compiled, nothing to link. */
static void linker(void)
{
    CUlinkState state;
    CUfunction f;
    void *image;
    size_t n_bytes;
    const CUdeviceptr y = drv_zeros(M);
    OK(CU(cuLinkCreate_v2)(0, NULL, NULL, &state));
    OK(CU(cuLinkAddData_v2)(
        state, CU_JIT_INPUT_PTX, (void *)drv_ptx, sizeof drv_ptx, "drv", 0, NULL, NULL));
    OK(CU(cuLinkComplete)(state, &image, &n_bytes));
    OK(CU(cuModuleLoadData)(&module, image));
    OK(CU(cuLinkDestroy)(state));
    OK(CU(cuModuleGetFunction)(&f, module, "sum"));
    launch(f, y, N, M, NULL);
    drv_print("y", y, M);
}

/* Every target gets one addend: nothing to reorder, and rewriting must not change a bit. */
static void single(void)
{
    const CUdeviceptr y = drv_zeros(N);
    launch(load("sum"), y, N, N, NULL);
    drv_print("y", y, N);
}

/* More target blocks than a small table holds. */
static void many(void)
{
    const uint32_t m = 600000;
    const CUfunction f = load("sum");
    x = drv_addends(2 * m);
    const CUdeviceptr y = drv_zeros(m);
    for (int i = 0; i < 2; i++)
        launch(f, y, 2 * m, m, NULL);
    OK(CU(cuCtxSynchronize)());
    uint32_t bad = 0;
    float *const host = malloc(m * sizeof *host);
    OK(CU(cuMemcpyDtoH_v2)(host, y, m * sizeof *host));
    for (uint32_t i = 0; i < m; i++) {
        const double a = drv_addend(i), b = drv_addend(i + m);
        const double off = host[i] - 2 * (a + b), size = (a < 0 ? -a : a) + (b < 0 ? -b : b);
        bad += off > 1e-6 * size || -off > 1e-6 * size; /* a lost addend is far more */
    }
    printf("result bad=%u\n", bad);
}

/* All memory is taken before the first launch, as frameworks do. */
static void greedy(void)
{
    CUdeviceptr at;
    const CUfunction sum = load("sum");
    const CUdeviceptr y = drv_zeros(M);
    size_t n_bytes = (size_t)1 << 34, taken = 0;
    for (; n_bytes >= 4096; n_bytes /= 2)
        while (CU(cuMemAlloc_v2)(&at, n_bytes) == CUDA_SUCCESS)
            taken += n_bytes;
    printf("taken %zu MiB\n", taken >> 20);
    launch(sum, y, N, M, NULL);
    OK(CU(cuCtxSynchronize)());
    drv_print("y", y, M);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } ways[] = { { "plain", plain }, { "extra", extra }, { "ex", ex }, { "ptsz", ptsz },
        { "cooperative", cooperative }, { "library", library }, { "streams", streams },
        { "contexts", contexts }, { "reload", reload }, { "variables", variables },
        { "capture", capture }, { "linker", linker }, { "single", single }, { "many", many },
        { "greedy", greedy } };
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        if (argc > 1 && strcmp(argv[1], ways[i].name) == 0) {
            drv_start();
            x = drv_addends(N);
            ways[i].run();
            return 0;
        }
    fprintf(stderr, "no such way to launch\n");
    return 3;
}
