/* Calls cuBLAS in one of the ways that do not repeat, or in thousands of random ones. Knows nothing of detshim. */
#include <cublas_v2.h>

#include <cublasXt.h>

#include "lib.h"

#define GOOD(call)                                                                                 \
    do {                                                                                           \
        const int good_status = (int)(call);                                                       \
        if (good_status) {                                                                         \
            printf("%s: status %d\n", #call, good_status);                                         \
            exit(2);                                                                               \
        }                                                                                          \
    } while (0)
enum { GEMM, GEMM_64, BATCHED, BATCHED_64, STRIDED, STRIDED_64, PLAIN, SYMV, N_KINDS };

static cublasHandle_t handle;

/* One product of a given kind; its bits go into the hash. */
static void product(int kind, int m, int n, int k, int f64, int ta, int tb, int compute, int algo)
{
    const int batch = kind >= BATCHED && kind <= STRIDED_64 ? 2 : 1;
    const size_t bytes = f64 ? 8 : 4;
    const cudaDataType t = f64 ? CUDA_R_64F : CUDA_R_32F;
    const cublasComputeType_t c = (cublasComputeType_t)compute;
    const cublasGemmAlgo_t g = (cublasGemmAlgo_t)algo;
    const cublasOperation_t opA = ta ? CUBLAS_OP_T : CUBLAS_OP_N,
                            opB = tb ? CUBLAS_OP_T : CUBLAS_OP_N;
    const int lda = ta ? k : m, ldb = tb ? n : k;
    char *A = lib_numbers((size_t)m * k * batch, f64), *B = lib_numbers((size_t)k * n * batch, f64),
         *C = lib_numbers((size_t)m * n * batch, f64);
    const double d[2] = { 1.5, 0.25 };
    const float f[2] = { 1.5f, 0.25f };
    const void *alpha = f64 ? (void *)&d[0] : (void *)&f[0],
               *beta = f64 ? (void *)&d[1] : (void *)&f[1];
    const size_t sa = (size_t)m * k, sb = (size_t)k * n, sc = (size_t)m * n;
    const void *as[2] = { A, A + sa * bytes }, *bs[2] = { B, B + sb * bytes };
    void *cs[2] = { C, C + sc * bytes };
    void **pa = lib_device(16), **pb = lib_device(16), **pc = lib_device(16);
    lib_upload(pa, as, 16), lib_upload(pb, bs, 16), lib_upload(pc, cs, 16);
    lib_begin();
    switch (kind) {
    case GEMM:
        GOOD(cublasGemmEx(
            handle, opA, opB, m, n, k, alpha, A, t, lda, B, t, ldb, beta, C, t, m, c, g));
        break;
    case GEMM_64:
        GOOD(cublasGemmEx_64(
            handle, opA, opB, m, n, k, alpha, A, t, lda, B, t, ldb, beta, C, t, m, c, g));
        break;
    case BATCHED:
        GOOD(cublasGemmBatchedEx(handle, opA, opB, m, n, k, alpha, (const void *const *)pa, t, lda,
            (const void *const *)pb, t, ldb, beta, pc, t, m, batch, c, g));
        break;
    case BATCHED_64:
        GOOD(cublasGemmBatchedEx_64(handle, opA, opB, m, n, k, alpha, (const void *const *)pa, t,
            lda, (const void *const *)pb, t, ldb, beta, pc, t, m, batch, c, g));
        break;
    case STRIDED:
        GOOD(cublasGemmStridedBatchedEx(handle, opA, opB, m, n, k, alpha, A, t, lda, (long long)sa,
            B, t, ldb, (long long)sb, beta, C, t, m, (long long)sc, batch, c, g));
        break;
    case STRIDED_64:
        GOOD(cublasGemmStridedBatchedEx_64(handle, opA, opB, m, n, k, alpha, A, t, lda,
            (long long)sa, B, t, ldb, (long long)sb, beta, C, t, m, (long long)sc, batch, c, g));
        break;
    case PLAIN:
        if (f64)
            GOOD(cublasDgemm(handle, opA, opB, m, n, k, alpha, (double *)A, lda, (double *)B, ldb,
                beta, (double *)C, m));
        else
            GOOD(cublasSgemm(handle, opA, opB, m, n, k, alpha, (float *)A, lda, (float *)B, ldb,
                beta, (float *)C, m));
        break;
    }
    lib_end();
    lib_take(C, sc * bytes * (size_t)batch);
    lib_free(A), lib_free(B), lib_free(C), lib_free(pa), lib_free(pb), lib_free(pc);
}

static void symv(int which, int n)
{
    const size_t elements = which < 2 ? 1 : 2, bytes = elements * (which % 2 ? 8 : 4);
    void *A = lib_numbers((size_t)n * n * elements, which % 2),
         *x = lib_numbers((size_t)n * elements, which % 2),
         *y = lib_numbers((size_t)n * elements, which % 2);
    const double d[2] = { 1, 0 };
    const float f[2] = { 1, 0 };
    const void *s = which % 2 ? (void *)d : (void *)f;
    const cublasFillMode_t half = n % 2 ? CUBLAS_FILL_MODE_UPPER : CUBLAS_FILL_MODE_LOWER;
    lib_begin();
    switch (which) {
    case 0:
        GOOD(cublasSsymv(handle, half, n, s, A, n, x, 1, s, y, 1));
        break;
    case 1:
        GOOD(cublasDsymv(handle, half, n, s, A, n, x, 1, s, y, 1));
        break;
    case 2:
        GOOD(cublasCsymv(handle, half, n, s, A, n, x, 1, s, y, 1));
        break;
    case 3:
        GOOD(cublasZsymv(handle, half, n, s, A, n, x, 1, s, y, 1));
        break;
    case 4:
        GOOD(cublasChemv(handle, half, n, s, A, n, x, 1, s, y, 1));
        break;
    case 5:
        GOOD(cublasZhemv(handle, half, n, s, A, n, x, 1, s, y, 1));
        break;
    case 6:
        GOOD(cublasSsymv_v2_64(handle, half, n, s, A, n, x, 1, s, y, 1));
        break;
    case 7:
        GOOD(cublasDsymv_v2_64(handle, half, n, s, A, n, x, 1, s, y, 1));
        break;
    case 8:
        GOOD(cublasCsymv_v2_64(handle, half, n, s, A, n, x, 1, s, y, 1));
        break;
    case 9:
        GOOD(cublasZsymv_v2_64(handle, half, n, s, A, n, x, 1, s, y, 1));
        break;
    case 10:
        GOOD(cublasChemv_v2_64(handle, half, n, s, A, n, x, 1, s, y, 1));
        break;
    default:
        GOOD(cublasZhemv_v2_64(handle, half, n, s, A, n, x, 1, s, y, 1));
        break;
    }
    lib_end();
    lib_take(y, (size_t)n * bytes);
    lib_free(A), lib_free(x), lib_free(y);
}

/* Routines without an algorithm to choose. Several streams make the library choose another one for them. */
static void routine(int which, int n)
{
    const int f64 = which % 2;
    float *A = lib_numbers((size_t)n * n, f64), *x = lib_numbers((size_t)n, f64),
          *y = lib_numbers((size_t)n * n, f64);
    double result = 0;
    const float f[2] = { 1.5f, 0.5f };
    const double d[2] = { 1.5, 0.5 };
    double *Ad = (double *)A, *xd = (double *)x, *yd = (double *)y;
    switch (which) {
    case 0:
        GOOD(cublasSdot(handle, n, x, 1, y, 1, (float *)&result));
        break;
    case 1:
        GOOD(cublasDdot(handle, n, xd, 1, yd, 1, &result));
        break;
    case 2:
        GOOD(cublasSasum(handle, n, x, 1, (float *)&result));
        break;
    case 3:
        GOOD(cublasDnrm2(handle, n, xd, 1, &result));
        break;
    case 4:
        GOOD(cublasSgemv(handle, CUBLAS_OP_T, n, n, &f[0], A, n, x, 1, &f[1], y, 1));
        break;
    case 5:
        GOOD(cublasDgemv(handle, CUBLAS_OP_N, n, n, &d[0], Ad, n, xd, 1, &d[1], yd, 1));
        break;
    case 6:
        GOOD(cublasSgemm_v2_64(
            handle, CUBLAS_OP_N, CUBLAS_OP_T, 3, 2, n, &f[0], A, n, A, n, &f[1], y, 3));
        break;
    case 7:
        GOOD(cublasDgemmStridedBatched(handle, CUBLAS_OP_N, CUBLAS_OP_N, 2, 2, n, &d[0], Ad, 2, 0,
            xd, n, 0, &d[1], yd, 2, 4, 1));
        break;
    }
    lib_take(y, (size_t)n * n * (f64 ? 8 : 4));
    lib_add(&result, sizeof result);
    lib_free(A), lib_free(x), lib_free(y);
}

static void sweep(int n)
{
    static const int algos[] = { -1, 0, 5, 99, 115, 999, 999, 999 };
    CUstream streams[3] = { 0 };
    OK(CU(cuStreamCreate)(&streams[1], 0));
    OK(CU(cuStreamCreate)(&streams[2], CU_STREAM_NON_BLOCKING));
    for (int i = 0; i < n; i++) {
        const int f64 = (int)lib_random(2), kind = (int)lib_random(N_KINDS);
        if (lib_random(8) == 0)
            GOOD(cublasSetStream(handle, streams[lib_random(3)]));
        if (lib_random(8) == 0)
            GOOD(cublasSetAtomicsMode(handle, (cublasAtomicsMode_t)lib_random(2)));
        if (lib_random(8) == 0)
            GOOD(cublasSetMathMode(handle, (cublasMath_t)(lib_random(2) * 8 + lib_random(2) * 16)));
        cublasAtomicsMode_t atomics;
        cublasMath_t math;
        GOOD(cublasGetAtomicsMode(handle, &atomics));
        GOOD(cublasGetMathMode(handle, &math));
        lib_add(&atomics, sizeof atomics), lib_add(&math, sizeof math);
        if (lib_random(6) == 0)
            routine((int)lib_random(8), 8 + (int)lib_random(60));
        else if (kind == SYMV)
            symv((int)lib_random(12), 2 + (int)lib_random(30));
        else
            product(kind, 1 + (int)lib_random(12), 1 + (int)lib_random(12), 1 + (int)lib_random(40),
                f64, (int)lib_random(2), (int)lib_random(2), f64 ? (lib_random(2) ? 79 : 70) : 68,
                algos[lib_random(8)]);
    }
}

/* What the library answers to bad arguments, one after the other. */
static void faults(void)
{
    cublasAtomicsMode_t atomics;
    float one = 1;
    printf("result statuses=%d,%d,%d,%d,%d,%d,%d\n", cublasCreate(NULL),
        cublasSetAtomicsMode(NULL, CUBLAS_ATOMICS_ALLOWED), cublasGetAtomicsMode(handle, NULL),
        cublasGetAtomicsMode(NULL, &atomics), cublasGetMathMode(handle, NULL),
        cublasGemmEx(handle, CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, NULL, NULL, CUDA_R_32F, 1, NULL,
            CUDA_R_32F, 1, NULL, NULL, CUDA_R_32F, 1, CUBLAS_COMPUTE_32F, (cublasGemmAlgo_t)999),
        cublasGemmEx(NULL, CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, &one, NULL, CUDA_R_32F, 1, NULL,
            CUDA_R_32F, 1, &one, NULL, CUDA_R_32F, 1, CUBLAS_COMPUTE_32F, (cublasGemmAlgo_t)-1));
}

static void modes(void)
{
    cublasAtomicsMode_t atomics = CUBLAS_ATOMICS_NOT_ALLOWED;
    cublasMath_t math = CUBLAS_DEFAULT_MATH;
    const int a = cublasSetAtomicsMode(handle, CUBLAS_ATOMICS_ALLOWED),
              b = cublasGetAtomicsMode(handle, &atomics),
              c = cublasSetMathMode(handle, (cublasMath_t)24), d = cublasGetMathMode(handle, &math);
    printf("result modes=%d,%d,%d,%d,%d,%d\n", a, b, (int)atomics, c, d, (int)math);
}

static void captured(void)
{
    CUstream stream;
    CUgraph graph;
    CUgraphExec exec;
    const float alpha = 1, beta = 0;
    float *A = lib_numbers(8 * 40, 0), *B = lib_numbers(40 * 8, 0), *C = lib_numbers(64, 0);
    OK(CU(cuStreamCreate)(&stream, 0));
    GOOD(cublasSetStream(handle, stream));
    OK(CU(cuStreamBeginCapture_v2)(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
    GOOD(cublasSetAtomicsMode(handle, CUBLAS_ATOMICS_ALLOWED));
    GOOD(cublasGemmEx(handle, CUBLAS_OP_N, CUBLAS_OP_N, 8, 8, 40, &alpha, A, CUDA_R_32F, 8, B,
        CUDA_R_32F, 40, &beta, C, CUDA_R_32F, 8, CUBLAS_COMPUTE_32F, (cublasGemmAlgo_t)999));
    OK(CU(cuStreamEndCapture)(stream, &graph));
    size_t nodes = 0;
    OK(CU(cuGraphGetNodes)(graph, NULL, &nodes));
    OK(CU(cuGraphInstantiateWithFlags)(&exec, graph, 0));
    OK(CU(cuGraphLaunch)(exec, stream));
    lib_take(C, 256);
    printf("result nodes=%d\n", (int)nodes);
}

int main(int argc, char **argv)
{
    const char *way = argc > 1 ? argv[1] : "";
    const int n = argc > 2 ? atoi(argv[2]) : 0;
    drv_start();
    GOOD(cublasCreate(&handle));
    lib_streams();
    if (lib_stream)
        GOOD(cublasSetStream(handle, lib_stream));
    if (strcmp(way, "autotune") == 0) {
        for (int i = 0; i < 4; i++)
            product(n, 9, 7, 61, 0, 0, 0, CUBLAS_COMPUTE_32F, 999);
    } else if (strcmp(way, "emulation") == 0) {
        for (int i = 0; i < 4; i++)
            product(n, 9, 7, 61, 1, 0, 0, 79, -1);
    } else if (strcmp(way, "math") == 0) {
        GOOD(cublasSetMathMode(handle, (cublasMath_t)8));
        for (int i = 0; i < 4; i++)
            product(PLAIN, 9, 7, 61, 1, 0, 0, 70, -1);
    } else if (strcmp(way, "atomics") == 0) {
        GOOD(cublasSetAtomicsMode(handle, CUBLAS_ATOMICS_ALLOWED));
        symv(n, 40);
    } else if (strcmp(way, "streams") == 0) {
        CUstream other;
        OK(CU(cuStreamCreate)(&other, 0));
        for (int i = 0; i < 8; i++) {
            GOOD(cublasSetStream(handle, i % 2 ? other : NULL));
            product(PLAIN, 9, 7, 61, 0, 0, 0, CUBLAS_COMPUTE_32F, -1);
        }
    } else if (strcmp(way, "routine") == 0) {
        CUstream other;
        OK(CU(cuStreamCreate)(&other, 0));
        for (int i = 0; i < 6; i++) {
            GOOD(cublasSetStream(handle, i % 2 ? other : NULL));
            routine(n, 61);
        }
    } else if (strcmp(way, "single") == 0) {
        product(PLAIN, 9, 7, 61, 0, 0, 0, CUBLAS_COMPUTE_32F, -1);
    } else if (strcmp(way, "sweep") == 0) {
        sweep(n);
    } else if (strcmp(way, "faults") == 0) {
        faults();
    } else if (strcmp(way, "modes") == 0) {
        modes();
    } else if (strcmp(way, "capture") == 0) {
        captured();
    } else if (strcmp(way, "observed") == 0) {
        GOOD(cublasSetSmCountTarget(handle, 20));
        GOOD(cublasSetWorkspace(handle, lib_device(4096), 4096));
        GOOD(cublasSetStream(handle, NULL));
        GOOD(cublasSetEmulationStrategy(handle, (cublasEmulationStrategy_t)1));
        GOOD(
            cublasSetFixedPointEmulationMantissaControl(handle, (cudaEmulationMantissaControl_t)1));
        GOOD(cublasSetFixedPointEmulationMaxMantissaBitCount(handle, 40));
        GOOD(cublasSetFixedPointEmulationMantissaBitOffset(handle, 1));
        GOOD(cublasXtSetBlockDim(NULL, 64));
        GOOD(cublasXtSetCpuRatio(NULL, CUBLASXT_GEMM, CUBLASXT_FLOAT, 0.5f));
        GOOD(cublasXtDeviceSelect(NULL, 1, (int[]){ 0 }));
    }
    lib_result();
    GOOD(cublasDestroy(handle));
    return 0;
}
