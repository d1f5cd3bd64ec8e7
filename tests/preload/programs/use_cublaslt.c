/* cuBLASLt: a tuner that times candidates, emulation, descriptors. Knows nothing of detshim. usage: use_cublaslt WAY [N] */
#include <cublasLt.h>

#include <time.h>

#include "lib.h"

#define GOOD(call)                                                                                 \
    do {                                                                                           \
        const int good_status = (int)(call);                                                       \
        if (good_status) {                                                                         \
            printf("%s: status %d\n", #call, good_status);                                         \
            exit(2);                                                                               \
        }                                                                                          \
    } while (0)
enum { WORKSPACE = 1 << 20, MOST = 8 };
static cublasLtHandle_t handle;
static void *workspace;

struct problem {
    int m, n, k, f64;
    cublasLtMatmulDesc_t desc;
    cublasLtMatrixLayout_t a, b, c;
    void *A, *B, *C;
};

static struct problem problem_make(int m, int n, int k, int f64, int compute)
{
    struct problem p = { .m = m, .n = n, .k = k, .f64 = f64 };
    const cudaDataType t = f64 ? CUDA_R_64F : CUDA_R_32F;
    GOOD(cublasLtMatmulDescCreate(&p.desc, (cublasComputeType_t)compute, t));
    GOOD(cublasLtMatrixLayoutCreate(&p.a, t, (uint64_t)m, (uint64_t)k, m));
    GOOD(cublasLtMatrixLayoutCreate(&p.b, t, (uint64_t)k, (uint64_t)n, k));
    GOOD(cublasLtMatrixLayoutCreate(&p.c, t, (uint64_t)m, (uint64_t)n, m));
    p.A = lib_numbers((size_t)m * k, f64), p.B = lib_numbers((size_t)k * n, f64),
    p.C = lib_numbers((size_t)m * n, f64);
    return p;
}

static void problem_free(struct problem *p)
{
    GOOD(cublasLtMatmulDescDestroy(p->desc));
    cublasLtMatrixLayoutDestroy(p->a), cublasLtMatrixLayoutDestroy(p->b),
        cublasLtMatrixLayoutDestroy(p->c);
    lib_free(p->A), lib_free(p->B), lib_free(p->C);
}

static int multiply(const struct problem *p, const cublasLtMatmulAlgo_t *algo)
{
    const double d[2] = { 1, 0 };
    const float f[2] = { 1, 0 };
    const char *s = p->f64 ? (const char *)d : (const char *)f;
    lib_begin();
    const int status = cublasLtMatmul(handle, p->desc, s, p->A, p->a, p->B, p->b,
        s + (p->f64 ? 8 : 4), p->C, p->c, p->C, p->c, algo, workspace, WORKSPACE, lib_stream);
    lib_end();
    return status;
}

static void take(const struct problem *p)
{
    lib_take(p->C, (size_t)p->m * p->n * (p->f64 ? 8 : 4));
}

static int candidates(const struct problem *p, int n_asked, cublasLtMatmulHeuristicResult_t found[])
{
    cublasLtMatmulPreference_t preference;
    const uint64_t limit = WORKSPACE;
    int n = 0;
    GOOD(cublasLtMatmulPreferenceCreate(&preference));
    GOOD(cublasLtMatmulPreferenceSetAttribute(
        preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &limit, sizeof limit));
    GOOD(cublasLtMatmulAlgoGetHeuristic(
        handle, p->desc, p->a, p->b, p->c, p->c, preference, n_asked, found, &n));
    cublasLtMatmulPreferenceDestroy(preference);
    return n;
}

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_nsec;
}

/* Time every usable candidate and keep the fastest, as NVIDIA's sample LtSgemmSimpleAutoTuning does. Times are noise here, as on
 * a busy machine. */
static int tune(const struct problem *p, int n_asked)
{
    cublasLtMatmulHeuristicResult_t found[MOST];
    const int n = candidates(p, n_asked, found);
    uint64_t best = UINT64_MAX;
    int at = -1;
    for (int i = 0; i < n; i++) {
        if (found[i].state != CUBLAS_STATUS_SUCCESS)
            continue;
        GOOD(multiply(p, &found[i].algo));
        OK(CU(cuCtxSynchronize)());
        const uint64_t time = now() * 0x9e3779b97f4a7c15u >> 40;
        if (time < best)
            best = time, at = i;
    }
    if (at < 0)
        exit(4);
    GOOD(multiply(p, &found[at].algo));
    take(p);
    return n;
}

static void getters(void)
{
    cublasComputeType_t type = (cublasComputeType_t)79;
    cublasLtMatmulDesc_t desc;
    cublasLtMatmulDescOpaque_t own;
    size_t n = 0;
    int answers[4];
    GOOD(cublasLtMatmulDescCreate(&desc, type, CUDA_R_64F));
    GOOD(cublasLtMatmulDescGetAttribute(
        desc, CUBLASLT_MATMUL_DESC_COMPUTE_TYPE, &type, sizeof type, &n));
    answers[0] = (int)type;
    GOOD(cublasLtMatmulDescInit(&own, (cublasComputeType_t)79, CUDA_R_64F));
    GOOD(cublasLtMatmulDescGetAttribute(
        &own, CUBLASLT_MATMUL_DESC_COMPUTE_TYPE, &type, sizeof type, &n));
    answers[1] = (int)type;
    type = CUBLAS_COMPUTE_32F;
    GOOD(cublasLtMatmulDescSetAttribute(
        desc, CUBLASLT_MATMUL_DESC_COMPUTE_TYPE, &type, sizeof type));
    GOOD(cublasLtMatmulDescGetAttribute(
        desc, CUBLASLT_MATMUL_DESC_COMPUTE_TYPE, &type, sizeof type, &n));
    answers[2] = (int)type;
    type = (cublasComputeType_t)79;
    GOOD(cublasLtMatmulDescSetAttribute(
        desc, CUBLASLT_MATMUL_DESC_COMPUTE_TYPE, &type, sizeof type));
    type = CUBLAS_COMPUTE_32F;
    GOOD(cublasLtMatmulDescGetAttribute(
        desc, CUBLASLT_MATMUL_DESC_COMPUTE_TYPE, &type, sizeof type, &n));
    answers[3] = (int)type;
    GOOD(cublasLtMatmulDescDestroy(desc));
    printf("result types=%d,%d,%d,%d\n", answers[0], answers[1], answers[2], answers[3]);
}

/* Emulation parameters, before and after the compute type that uses them; then another type. */
static void parameters(int before)
{
    const cublasLtMatmulDescAttributes_t name = (cublasLtMatmulDescAttributes_t)38;
    const cublasComputeType_t fixed = (cublasComputeType_t)79, other = (cublasComputeType_t)78;
    void *const set = (void *)0x1234;
    void *got[2] = { NULL, NULL };
    cublasLtMatmulDesc_t desc;
    size_t n = 0;
    GOOD(cublasLtMatmulDescCreate(&desc, before ? CUBLAS_COMPUTE_64F : fixed, CUDA_R_64F));
    GOOD(cublasLtMatmulDescSetAttribute(desc, name, &set, sizeof set));
    GOOD(cublasLtMatmulDescSetAttribute(
        desc, CUBLASLT_MATMUL_DESC_COMPUTE_TYPE, &fixed, sizeof fixed));
    GOOD(cublasLtMatmulDescGetAttribute(desc, name, &got[0], sizeof got[0], &n));
    GOOD(cublasLtMatmulDescSetAttribute(
        desc, CUBLASLT_MATMUL_DESC_COMPUTE_TYPE, &other, sizeof other));
    GOOD(cublasLtMatmulDescGetAttribute(desc, name, &got[1], sizeof got[1], &n));
    printf("result parameters=%p,%p\n", got[0], got[1]);
    GOOD(cublasLtMatmulDescDestroy(desc));
}

static void emulate(int how)
{
    struct problem p = problem_make(9, 8, 61, 1, how == 0 ? 79 : 70);
    const cublasComputeType_t type = (cublasComputeType_t)79;
    if (how)
        GOOD(cublasLtMatmulDescSetAttribute(
            p.desc, CUBLASLT_MATMUL_DESC_COMPUTE_TYPE, &type, sizeof type));
    for (int i = 0; i < 6; i++) {
        GOOD(multiply(&p, NULL));
        take(&p);
    }
    problem_free(&p);
}

static void faults(void)
{
    cublasLtMatmulHeuristicResult_t found[2];
    int n = 7;
    struct problem p = problem_make(4, 4, 4, 0, CUBLAS_COMPUTE_32F);
    printf("result statuses=%d,%d,%d,%d,%d,%d,%d\n",
        cublasLtMatmulDescCreate(NULL, CUBLAS_COMPUTE_32F, CUDA_R_32F),
        cublasLtMatmulAlgoGetHeuristic(handle, p.desc, p.a, p.b, p.c, p.c, NULL, 0, found, &n),
        cublasLtMatmulAlgoGetHeuristic(handle, p.desc, p.a, p.b, p.c, p.c, NULL, 2, NULL, &n),
        cublasLtMatmulAlgoGetHeuristic(handle, NULL, p.a, p.b, p.c, p.c, NULL, 2, found, &n),
        cublasLtMatmulDescSetAttribute(p.desc, CUBLASLT_MATMUL_DESC_COMPUTE_TYPE, NULL, 4),
        cublasLtMatmulDescSetAttribute(NULL, CUBLASLT_MATMUL_DESC_COMPUTE_TYPE, &n, 4),
        cublasLtMatmul(handle, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
            NULL, NULL, 0, NULL));
    n = 0;
    const int status = cublasLtMatmulAlgoGetHeuristic(
        handle, p.desc, p.a, p.b, p.c, p.c, NULL, 2, found, &n); /* no preference */
    printf("result without=%d,%d\n", status, n);
}

/* What a program may do besides: change the compute type, ask for it, bring a descriptor of its own, look algorithms up. */
static void besides(struct problem *p, int f64)
{
    const cublasComputeType_t fixed = (cublasComputeType_t)79;
    const cudaDataType_t t = CUDA_R_64F;
    cublasComputeType_t read = fixed;
    cublasLtMatmulDescOpaque_t own;
    cublasLtMatmulAlgo_t algo;
    cublasLtMatmulDesc_t const kept = p->desc;
    size_t n = 0;
    int ids[4], n_ids = 0;
    if (f64 && lib_random(2))
        GOOD(cublasLtMatmulDescSetAttribute(
            p->desc, CUBLASLT_MATMUL_DESC_COMPUTE_TYPE, &fixed, sizeof fixed));
    GOOD(cublasLtMatmulDescGetAttribute(
        p->desc, CUBLASLT_MATMUL_DESC_COMPUTE_TYPE, &read, sizeof read, &n));
    lib_add(&read, sizeof read);
    if (!f64)
        return;
    GOOD(cublasLtMatmulDescInit(&own, fixed, t));
    GOOD(cublasLtMatmulAlgoGetIds(handle, fixed, t, t, t, t, t, 4, ids, &n_ids));
    GOOD(cublasLtMatmulAlgoInit(handle, fixed, t, t, t, t, t, ids[0], &algo));
    lib_add(ids, sizeof *ids * (size_t)n_ids);
    p->desc = &own;
    GOOD(multiply(p, NULL));
    take(p);
    p->desc = kept;
}

int main(int argc, char **argv)
{
    const char *way = argc > 1 ? argv[1] : "";
    const int n = argc > 2 ? atoi(argv[2]) : 0;
    drv_start();
    lib_streams();
    GOOD(cublasLtCreate(&handle));
    workspace = lib_device(WORKSPACE);
    if (strcmp(way, "tune") == 0) {
        for (int i = 0; i < (n ? n : 4); i++) {
            struct problem p = problem_make(8 + i, 6 + i, 60 + i, i % 2, i % 2 ? 70 : 68);
            const int got = tune(&p, 5);
            if (i == 0)
                printf("result candidates=%d\n", got);
            problem_free(&p);
        }
    } else if (strcmp(way, "sweep") == 0) {
        for (int i = 0; i < n; i++) {
            const int f64 = (int)lib_random(2);
            struct problem p = problem_make(1 + (int)lib_random(12), 1 + (int)lib_random(12),
                1 + (int)lib_random(40), f64, f64 ? (lib_random(2) ? 79 : 70) : 68);
            if (lib_random(3) == 0)
                besides(&p, f64);
            if (lib_random(3)) {
                tune(&p, 1 + (int)lib_random(5) + p.n % 2);
            } else {
                GOOD(multiply(&p, NULL));
                take(&p);
            }
            problem_free(&p);
        }
    } else if (strcmp(way, "emulate") == 0) {
        emulate(n);
    } else if (strcmp(way, "parameters") == 0) {
        parameters(n);
    } else if (strcmp(way, "getters") == 0) {
        getters();
    } else if (strcmp(way, "faults") == 0) {
        faults();
    } else if (strcmp(way, "own") == 0) {
        struct problem p = problem_make(8, 8, 60, 1, 70);
        cublasLtMatmulAlgo_t algo;
        int ids[4], n_ids = 0, split = 2;
        GOOD(cublasLtMatmulAlgoGetIds(handle, (cublasComputeType_t)79, CUDA_R_64F, CUDA_R_64F,
            CUDA_R_64F, CUDA_R_64F, CUDA_R_64F, 4, ids, &n_ids));
        GOOD(cublasLtMatmulAlgoInit(handle, (cublasComputeType_t)79, CUDA_R_64F, CUDA_R_64F,
            CUDA_R_64F, CUDA_R_64F, CUDA_R_64F, ids[0], &algo));
        GOOD(cublasLtMatmulAlgoConfigSetAttribute(
            &algo, CUBLASLT_ALGO_CONFIG_SPLITK_NUM, &split, sizeof split));
        GOOD(multiply(&p, &algo));
        take(&p);
    }
    lib_result();
    return 0;
}
