/* libcublasLt.so.13 double: matmul over float and double, with several algorithms that add the same products in different orders.
 *
 * ordered when                             vendor text
 * one algorithm is used again and again    cuBLAS guide, "Results Reproducibility", and split-K: partial results "are added
 *                                           deterministically"; cublasLt.h, reduction schemes
 * compute type is not 79                   same section: fixed-point emulation falls back when memory is short
 *
 * Not here: other types, epilogues but bias and ReLU, batches, device scalars, transforms.
 */
#include <cublasLt.h>

#include <stdlib.h>
#include <string.h>

#include "tests/doubles/double.h"

struct cublasLtContext {
    int magic;
};
enum { MAGIC = 0x17b1a5, N_DESC = 32, EMULATION = 38, EMULATION_SLOT = 31, N_ALGOS = 5 };
/* words of an algorithm */
enum { ID, TILE, SPLITK, SCHEME, STAGES, MARK = 7 };
static const int algos[N_ALGOS][5] = { { 66, 20, 4, 2, 4 }, { 66, 18, 2, 1, 4 },
    { 71, 20, 1, 0, 3 }, { 71, 15, 8, 4, 2 }, { 24, 18, 1, 0, 1 } };

#define INJECT(call)                                                                               \
    do {                                                                                           \
        const int injected = double_fail(call);                                                    \
        if (injected)                                                                              \
            return (cublasStatus_t)injected;                                                       \
    } while (0)

DOUBLE_API size_t cublasLtGetVersion(void)
{
    const char *text = getenv("DOUBLES_LT_VERSION"); /* an upgraded library */
    return text ? (size_t)atol(text) : 130100;
}

DOUBLE_API cublasStatus_t cublasLtCreate(cublasLtHandle_t *handle)
{
    INJECT(__func__);
    *handle = calloc(1, sizeof **handle);
    (*handle)->magic = MAGIC;
    return CUBLAS_STATUS_SUCCESS;
}

DOUBLE_API cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle)
{
    free(handle);
    return CUBLAS_STATUS_SUCCESS;
}

/* --- descriptors: one word per attribute */
static int slot(int attribute)
{
    return attribute == EMULATION ? EMULATION_SLOT : attribute < EMULATION_SLOT ? attribute : -1;
}

static cublasStatus_t put(uint64_t *words, int at, const void *from, size_t n_bytes)
{
    if (at < 0 || !from || n_bytes > 8)
        return CUBLAS_STATUS_INVALID_VALUE;
    words[at] = 0;
    memcpy(&words[at], from, n_bytes);
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t get(
    const uint64_t *words, int at, void *to, size_t n_bytes, size_t *n_written)
{
    if (at < 0 || !to || n_bytes > 8)
        return CUBLAS_STATUS_INVALID_VALUE;
    memcpy(to, &words[at], n_bytes);
    if (n_written)
        *n_written = n_bytes;
    return CUBLAS_STATUS_SUCCESS;
}

DOUBLE_API cublasStatus_t cublasLtMatmulDescInit_internal(
    cublasLtMatmulDesc_t desc, size_t n_bytes, cublasComputeType_t compute, cudaDataType_t scale)
{
    INJECT(__func__);
    if (!desc || n_bytes < sizeof *desc)
        return CUBLAS_STATUS_INVALID_VALUE;
    memset(desc, 0, sizeof *desc);
    desc->data[CUBLASLT_MATMUL_DESC_COMPUTE_TYPE] = (uint64_t)compute;
    desc->data[CUBLASLT_MATMUL_DESC_SCALE_TYPE] = (uint64_t)scale;
    desc->data[CUBLASLT_MATMUL_DESC_EPILOGUE] = CUBLASLT_EPILOGUE_DEFAULT;
    return CUBLAS_STATUS_SUCCESS;
}

DOUBLE_API cublasStatus_t cublasLtMatmulDescCreate(
    cublasLtMatmulDesc_t *desc, cublasComputeType_t compute, cudaDataType_t scale)
{
    INJECT(__func__);
    if (!desc)
        return CUBLAS_STATUS_INVALID_VALUE;
    *desc = malloc(sizeof **desc);
    double_trace(__func__, "\"compute\":%d", (int)compute);
    return cublasLtMatmulDescInit_internal(*desc, sizeof **desc, compute, scale);
}

DOUBLE_API cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t desc)
{
    free(desc);
    return CUBLAS_STATUS_SUCCESS;
}

DOUBLE_API cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t desc,
    cublasLtMatmulDescAttributes_t name, const void *from, size_t n_bytes)
{
    INJECT(__func__);
    uint64_t word = 0;
    if (from && n_bytes <= 8)
        memcpy(&word, from, n_bytes);
    double_trace(__func__, "\"name\":%d,\"word\":%llu", (int)name, (unsigned long long)word);
    return desc ? put(desc->data, slot(name), from, n_bytes) : CUBLAS_STATUS_INVALID_VALUE;
}

DOUBLE_API cublasStatus_t cublasLtMatmulDescGetAttribute(cublasLtMatmulDesc_t desc,
    cublasLtMatmulDescAttributes_t name, void *to, size_t n_bytes, size_t *n_written)
{
    return desc ? get(desc->data, slot(name), to, n_bytes, n_written) : CUBLAS_STATUS_INVALID_VALUE;
}

DOUBLE_API cublasStatus_t cublasLtMatrixLayoutCreate(
    cublasLtMatrixLayout_t *layout, cudaDataType type, uint64_t rows, uint64_t cols, int64_t ld)
{
    *layout = calloc(1, sizeof **layout);
    (*layout)->data[CUBLASLT_MATRIX_LAYOUT_TYPE] = (uint64_t)type;
    (*layout)->data[CUBLASLT_MATRIX_LAYOUT_ROWS] = rows;
    (*layout)->data[CUBLASLT_MATRIX_LAYOUT_COLS] = cols;
    (*layout)->data[CUBLASLT_MATRIX_LAYOUT_LD] = (uint64_t)ld;
    (*layout)->data[CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT] = 1;
    return CUBLAS_STATUS_SUCCESS;
}

DOUBLE_API cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout)
{
    free(layout);
    return CUBLAS_STATUS_SUCCESS;
}

DOUBLE_API cublasStatus_t cublasLtMatrixLayoutGetAttribute(cublasLtMatrixLayout_t layout,
    cublasLtMatrixLayoutAttribute_t name, void *to, size_t n_bytes, size_t *n_written)
{
    return (int)name < 8 ? get(layout->data, name, to, n_bytes, n_written)
                         : CUBLAS_STATUS_INVALID_VALUE;
}

static int preference_slot(int name)
{
    return name == CUBLASLT_MATMUL_PREF_IMPL_MASK ? 7 : name < 7 ? name : -1;
}

DOUBLE_API cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *preference)
{
    *preference = calloc(1, sizeof **preference);
    (*preference)->data[CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK] =
        CUBLASLT_REDUCTION_SCHEME_MASK;
    return CUBLAS_STATUS_SUCCESS;
}

DOUBLE_API cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference)
{
    free(preference);
    return CUBLAS_STATUS_SUCCESS;
}

DOUBLE_API cublasStatus_t cublasLtMatmulPreferenceSetAttribute(
    cublasLtMatmulPreference_t preference, cublasLtMatmulPreferenceAttributes_t name,
    const void *from, size_t n_bytes)
{
    INJECT(__func__);
    return put(preference->data, preference_slot(name), from, n_bytes);
}

DOUBLE_API cublasStatus_t cublasLtMatmulPreferenceGetAttribute(
    cublasLtMatmulPreference_t preference, cublasLtMatmulPreferenceAttributes_t name, void *to,
    size_t n_bytes, size_t *n_written)
{
    return get(preference->data, preference_slot(name), to, n_bytes, n_written);
}

/* --- algorithms */
static int word_of(int name)
{
    static const int words[] = { [CUBLASLT_ALGO_CONFIG_ID] = ID,
        [CUBLASLT_ALGO_CONFIG_TILE_ID] = TILE,
        [CUBLASLT_ALGO_CONFIG_SPLITK_NUM] = SPLITK,
        [CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME] = SCHEME,
        [CUBLASLT_ALGO_CONFIG_CTA_SWIZZLING] = 5,
        [CUBLASLT_ALGO_CONFIG_CUSTOM_OPTION] = 6,
        [CUBLASLT_ALGO_CONFIG_STAGES_ID] = STAGES };
    return name < (int)(sizeof words / sizeof *words) ? words[name] : -1;
}

DOUBLE_API cublasStatus_t cublasLtMatmulAlgoConfigGetAttribute(const cublasLtMatmulAlgo_t *algo,
    cublasLtMatmulAlgoConfigAttributes_t name, void *to, size_t n_bytes, size_t *n_written)
{
    return get(algo->data, word_of(name), to, n_bytes, n_written);
}

DOUBLE_API cublasStatus_t cublasLtMatmulAlgoConfigSetAttribute(cublasLtMatmulAlgo_t *algo,
    cublasLtMatmulAlgoConfigAttributes_t name, const void *from, size_t n_bytes)
{
    return put(algo->data, word_of(name), from, n_bytes);
}

static cublasLtMatmulAlgo_t algo_number(int i)
{
    cublasLtMatmulAlgo_t algo = { { 0 } };
    for (int word = 0; word < 5; word++)
        algo.data[word] = (uint64_t)algos[i][word];
    algo.data[MARK] = MAGIC;
    return algo;
}

DOUBLE_API cublasStatus_t cublasLtMatmulAlgoGetIds(cublasLtHandle_t handle,
    cublasComputeType_t compute, cudaDataType_t scale, cudaDataType_t a, cudaDataType_t b,
    cudaDataType_t c, cudaDataType_t d, int n_asked, int ids[], int *n_ids)
{
    static const int all[] = { 66, 71, 24 };
    (void)handle, (void)scale, (void)a, (void)b, (void)c, (void)d;
    double_trace(__func__, "\"compute\":%d", (int)compute);
    *n_ids = n_asked < 3 ? n_asked : 3;
    memcpy(ids, all, (size_t)*n_ids * sizeof *ids);
    return CUBLAS_STATUS_SUCCESS;
}

DOUBLE_API cublasStatus_t cublasLtMatmulAlgoInit(cublasLtHandle_t handle,
    cublasComputeType_t compute, cudaDataType_t scale, cudaDataType_t a, cudaDataType_t b,
    cudaDataType_t c, cudaDataType_t d, int id, cublasLtMatmulAlgo_t *algo)
{
    (void)handle, (void)scale, (void)a, (void)b, (void)c, (void)d;
    INJECT(__func__);
    double_trace(__func__, "\"compute\":%d", (int)compute);
    *algo = algo_number(0);
    algo->data[ID] = (uint64_t)id;
    algo->data[SPLITK] = 1;
    algo->data[SCHEME] = 0;
    return CUBLAS_STATUS_SUCCESS;
}

static size_t workspace_of(const cublasLtMatmulAlgo_t *algo, cublasLtMatrixLayout_t d)
{
    const uint64_t scheme = algo->data[SCHEME];
    return scheme & 6 ? (size_t)(algo->data[SPLITK] * d->data[CUBLASLT_MATRIX_LAYOUT_ROWS] *
                                 d->data[CUBLASLT_MATRIX_LAYOUT_COLS] * 8)
                      : 0;
}

/* A library from which an algorithm was taken away. */
static bool offered(uint64_t id)
{
    const char *gone = getenv("DOUBLES_LT_GONE");
    return !gone || (uint64_t)atoi(gone) != id;
}

DOUBLE_API cublasStatus_t cublasLtMatmulAlgoCheck(cublasLtHandle_t handle,
    cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
    cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d, const cublasLtMatmulAlgo_t *algo,
    cublasLtMatmulHeuristicResult_t *result)
{
    (void)handle, (void)desc, (void)a, (void)b, (void)c;
    if (algo->data[MARK] != MAGIC || !offered(algo->data[ID]))
        return CUBLAS_STATUS_NOT_SUPPORTED;
    *result = (cublasLtMatmulHeuristicResult_t){ .algo = *algo,
        .workspaceSize = workspace_of(algo, d),
        .state = CUBLAS_STATUS_SUCCESS,
        .wavesCount = 1 };
    return CUBLAS_STATUS_SUCCESS;
}

/* Best first: by a rotation that depends on the shape. For an odd number of columns the best one turns out not to be usable. */
DOUBLE_API cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle,
    cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
    cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d, cublasLtMatmulPreference_t preference,
    int n_asked, cublasLtMatmulHeuristicResult_t results[], int *n_found)
{
    INJECT(__func__);
    (void)c;
    if (!handle || !desc || !a || !b || !d || !results || !n_found || n_asked < 1)
        return CUBLAS_STATUS_INVALID_VALUE;
    const uint64_t mask =
        preference ? preference->data[CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK] : 7;
    const uint64_t limit =
        preference ? preference->data[CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES] : 0;
    const uint64_t cols = d->data[CUBLASLT_MATRIX_LAYOUT_COLS];
    int n = 0;
    for (int i = 0; i < N_ALGOS && n < n_asked; i++) {
        const cublasLtMatmulAlgo_t algo =
            algo_number((int)((i + d->data[CUBLASLT_MATRIX_LAYOUT_ROWS]) % N_ALGOS));
        if ((algo.data[SCHEME] & ~mask) || workspace_of(&algo, d) > limit ||
            !offered(algo.data[ID]))
            continue;
        results[n] = (cublasLtMatmulHeuristicResult_t){ .algo = algo,
            .workspaceSize = workspace_of(&algo, d),
            .state = n == 0 && cols % 2 && n_asked > 1 ? CUBLAS_STATUS_NOT_SUPPORTED
                                                       : CUBLAS_STATUS_SUCCESS };
        n++;
    }
    *n_found = n;
    double_trace(__func__, "\"asked\":%d,\"found\":%d,\"mask\":%d", n_asked, n, (int)mask);
    return n ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
}

/* --- the product */
struct matmul {
    int64_t m, n, k, lda, ldb, ldc, ldd;
    int split;
    bool ta, tb, f64, emulated, relu;
    double alpha, beta;
    const void *A, *B, *C, *bias;
    void *D;
};

#define PRODUCT(name, type)                                                                        \
    static void name(const struct matmul *g)                                                       \
    {                                                                                              \
        const type *A = g->A, *B = g->B, *C = g->C, *bias = g->bias;                               \
        type *D = g->D;                                                                            \
        for (int64_t j = 0; j < g->n; j++)                                                         \
            for (int64_t i = 0; i < g->m; i++) {                                                   \
                type total = 0;                                                                    \
                for (int s = 0; s < g->split; s++) {                                               \
                    type part = 0;                                                                 \
                    for (int64_t l = g->k * s / g->split; l < g->k * (s + 1) / g->split; l++) {    \
                        const type a = g->ta ? A[l + i * g->lda] : A[i + l * g->lda];              \
                        const type b = g->tb ? B[j + l * g->ldb] : B[l + j * g->ldb];              \
                        part += g->emulated ? (type)(float)(a * b) : a * b;                        \
                    }                                                                              \
                    total += part;                                                                 \
                }                                                                                  \
                total *= (type)g->alpha;                                                           \
                if (g->beta != 0)                                                                  \
                    total += (type)g->beta * C[i + j * g->ldc];                                    \
                if (bias)                                                                          \
                    total += bias[i];                                                              \
                D[i + j * g->ldd] = g->relu && total < 0 ? 0 : total;                              \
            }                                                                                      \
    }
PRODUCT(product_f32, float)
PRODUCT(product_f64, double)

static void run(void *arg)
{
    const struct matmul *g = arg;
    if (g->f64)
        product_f64(g);
    else
        product_f32(g);
}

DOUBLE_API cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc,
    const void *alpha, const void *A, cublasLtMatrixLayout_t a, const void *B,
    cublasLtMatrixLayout_t b, const void *beta, const void *C, cublasLtMatrixLayout_t c, void *D,
    cublasLtMatrixLayout_t d, const cublasLtMatmulAlgo_t *algo, void *workspace,
    size_t workspace_bytes, cudaStream_t stream)
{
    INJECT(__func__);
    (void)workspace;
    if (!handle || !desc || !alpha || !beta || !a || !b || !c || !d)
        return CUBLAS_STATUS_INVALID_VALUE;
    const int type = (int)a->data[CUBLASLT_MATRIX_LAYOUT_TYPE];
    if (type != CUDA_R_32F && type != CUDA_R_64F)
        return CUBLAS_STATUS_NOT_SUPPORTED;
    cublasLtMatmulAlgo_t chosen = algo_number(2);
    if (algo)
        chosen = *algo;
    if (chosen.data[MARK] != MAGIC || workspace_of(&chosen, d) > workspace_bytes)
        return CUBLAS_STATUS_NOT_SUPPORTED;
    struct matmul *g = calloc(1, sizeof *g);
    const uint64_t *w = desc->data;
    g->ta = w[CUBLASLT_MATMUL_DESC_TRANSA] != CUBLAS_OP_N;
    g->tb = w[CUBLASLT_MATMUL_DESC_TRANSB] != CUBLAS_OP_N;
    g->f64 = type == CUDA_R_64F;
    g->m = (int64_t)d->data[CUBLASLT_MATRIX_LAYOUT_ROWS];
    g->n = (int64_t)d->data[CUBLASLT_MATRIX_LAYOUT_COLS];
    g->k = (int64_t)a->data[g->ta ? CUBLASLT_MATRIX_LAYOUT_ROWS : CUBLASLT_MATRIX_LAYOUT_COLS];
    g->lda = (int64_t)a->data[CUBLASLT_MATRIX_LAYOUT_LD];
    g->ldb = (int64_t)b->data[CUBLASLT_MATRIX_LAYOUT_LD];
    g->ldc = (int64_t)c->data[CUBLASLT_MATRIX_LAYOUT_LD];
    g->ldd = (int64_t)d->data[CUBLASLT_MATRIX_LAYOUT_LD];
    g->split = (int)chosen.data[SPLITK];
    g->emulated = w[CUBLASLT_MATMUL_DESC_COMPUTE_TYPE] == 79 && double_pick(2);
    g->relu = w[CUBLASLT_MATMUL_DESC_EPILOGUE] & CUBLASLT_EPILOGUE_RELU;
    g->bias = w[CUBLASLT_MATMUL_DESC_EPILOGUE] & CUBLASLT_EPILOGUE_BIAS
                  ? (const void *)w[CUBLASLT_MATMUL_DESC_BIAS_POINTER]
                  : NULL;
    g->alpha = g->f64 ? *(const double *)alpha : *(const float *)alpha;
    g->beta = g->f64 ? *(const double *)beta : *(const float *)beta;
    g->A = A, g->B = B, g->C = C, g->D = D;
    double_trace(__func__, "\"compute\":%d,\"splitk\":%d,\"id\":%d",
        (int)w[CUBLASLT_MATMUL_DESC_COMPUTE_TYPE], g->split, (int)chosen.data[ID]);
    return double_queue(stream, run, g) ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}
