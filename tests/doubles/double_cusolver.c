/* libcusolver.so.12 double: Cholesky, LU without pivots, QR, in double precision.
 *
 * ordered when                                  vendor text
 * potrf, getrf: always                          cuSOLVER guide, "Deterministic Results": by default deterministic
 * Xgesvdr: never                                a randomised method; no text says where its random numbers start
 * geqrf: unless the mode is ALLOW (2)           cuSOLVER guide, cusolverDnSetDeterministicMode: list of affected routines
 */
#include <cusolverDn.h>

#include <math.h>
#include <stdlib.h>

#include "tests/doubles/double.h"

struct cusolverDnContext {
    cusolverDeterministicMode_t mode;
    cusolverMathMode_t math;
    cudaEmulationStrategy_t strategy;
    cudaStream_t stream;
};

#define INJECT(call)                                                                               \
    do {                                                                                           \
        const int injected = double_fail(call);                                                    \
        if (injected)                                                                              \
            return (cusolverStatus_t)injected;                                                     \
    } while (0)

DOUBLE_API cusolverStatus_t cusolverDnCreate(cusolverDnHandle_t *handle)
{
    INJECT(__func__);
    *handle = calloc(1, sizeof **handle);
    (*handle)->mode = CUSOLVER_DETERMINISTIC_RESULTS;
    return CUSOLVER_STATUS_SUCCESS;
}

DOUBLE_API cusolverStatus_t cusolverDnDestroy(cusolverDnHandle_t handle)
{
    free(handle);
    return CUSOLVER_STATUS_SUCCESS;
}

DOUBLE_API cusolverStatus_t cusolverDnSetStream(cusolverDnHandle_t handle, cudaStream_t stream)
{
    handle->stream = stream;
    return CUSOLVER_STATUS_SUCCESS;
}

#define SETTER(name, type, field)                                                                  \
    DOUBLE_API cusolverStatus_t name(cusolverDnHandle_t handle, type value)                        \
    {                                                                                              \
        INJECT(#name);                                                                             \
        if (!handle)                                                                               \
            return CUSOLVER_STATUS_NOT_INITIALIZED;                                                \
        handle->field = value;                                                                     \
        double_trace(#name, "\"value\":%d", (int)value);                                           \
        return CUSOLVER_STATUS_SUCCESS;                                                            \
    }
SETTER(cusolverDnSetDeterministicMode, cusolverDeterministicMode_t, mode)
SETTER(cusolverDnSetMathMode, cusolverMathMode_t, math)
SETTER(cusolverDnSetEmulationStrategy, cudaEmulationStrategy_t, strategy)

DOUBLE_API cusolverStatus_t cusolverDnGetDeterministicMode(
    cusolverDnHandle_t handle, cusolverDeterministicMode_t *mode)
{
    if (!handle || !mode)
        return CUSOLVER_STATUS_INVALID_VALUE;
    *mode = handle->mode;
    return CUSOLVER_STATUS_SUCCESS;
}

DOUBLE_API cusolverStatus_t cusolverDnSetAdvOptions(
    cusolverDnParams_t params, cusolverDnFunction_t function, cusolverAlgMode_t algo)
{
    (void)params, (void)function, (void)algo;
    return CUSOLVER_STATUS_SUCCESS;
}

enum kind { CHOLESKY, LU, QR };
struct work {
    enum kind kind;
    bool ordered;
    int m, n, lda;
    double *A, *tau;
    int *info;
};

static void cholesky(const struct work *w)
{
    double *A = w->A;
    for (int j = 0; j < w->n; j++)
        for (int i = j; i < w->n; i++) {
            double sum = A[i + j * w->lda];
            for (int k = 0; k < j; k++)
                sum -= A[i + k * w->lda] * A[j + k * w->lda];
            A[i + j * w->lda] = i == j ? sqrt(sum) : sum / A[j + j * w->lda];
        }
}

static void lu(const struct work *w)
{
    double *A = w->A;
    for (int k = 0; k < w->n; k++)
        for (int i = k + 1; i < w->m; i++) {
            A[i + k * w->lda] /= A[k + k * w->lda];
            for (int j = k + 1; j < w->n; j++)
                A[i + j * w->lda] -= A[i + k * w->lda] * A[k + j * w->lda];
        }
}

static double product(const double *x, const double *y, int n, bool ordered)
{
    double *terms = malloc((size_t)(n > 0 ? n : 1) * sizeof *terms);
    for (int i = 0; i < n; i++)
        terms[i] = x[i] * y[i];
    const double total = double_sum_f64(terms, (size_t)(n > 0 ? n : 0), ordered);
    free(terms);
    return total;
}

static void qr(const struct work *w)
{
    for (int k = 0; k < w->n && k < w->m; k++) {
        double *x = &w->A[k + k * w->lda];
        const int n = w->m - k;
        const double rest = product(x + 1, x + 1, n - 1, w->ordered);
        const double norm = sqrt(x[0] * x[0] + rest), beta = x[0] > 0 ? -norm : norm;
        w->tau[k] = norm == 0 ? 0 : (beta - x[0]) / beta;
        for (int i = 1; i < n && norm != 0; i++)
            x[i] /= x[0] - beta;
        x[0] = beta;
        for (int j = k + 1; j < w->n; j++) {
            double *y = &w->A[k + j * w->lda];
            const double s = w->tau[k] * (y[0] + product(x + 1, y + 1, n - 1, w->ordered));
            y[0] -= s;
            for (int i = 1; i < n; i++)
                y[i] -= s * x[i];
        }
    }
}

static void run(void *arg)
{
    const struct work *w = arg;
    (w->kind == CHOLESKY ? cholesky : w->kind == LU ? lu : qr)(w);
    if (w->info)
        *w->info = 0;
}

static cusolverStatus_t queue(const char *call, cusolverDnHandle_t handle, struct work w)
{
    INJECT(call);
    if (!handle)
        return CUSOLVER_STATUS_NOT_INITIALIZED;
    if (!w.A || w.m < 0 || w.n < 0 || w.lda < w.m)
        return CUSOLVER_STATUS_INVALID_VALUE;
    struct work *copy = malloc(sizeof *copy);
    *copy = w;
    copy->ordered = w.kind != QR || handle->mode == CUSOLVER_DETERMINISTIC_RESULTS;
    double_trace(call, "\"ordered\":%d", copy->ordered);
    return double_queue(handle->stream, run, copy) ? CUSOLVER_STATUS_SUCCESS
                                                   : CUSOLVER_STATUS_EXECUTION_FAILED;
}

DOUBLE_API cusolverStatus_t cusolverDnDpotrf(cusolverDnHandle_t handle, cublasFillMode_t half,
    int n, double *A, int lda, double *workspace, int elements, int *info)
{
    (void)workspace, (void)elements;
    if (half != CUBLAS_FILL_MODE_LOWER)
        return CUSOLVER_STATUS_NOT_SUPPORTED;
    return queue(__func__, handle, (struct work){ CHOLESKY, true, n, n, lda, A, NULL, info });
}

DOUBLE_API cusolverStatus_t cusolverDnDgetrf(cusolverDnHandle_t handle, int m, int n, double *A,
    int lda, double *workspace, int *pivots, int *info)
{
    (void)workspace;
    if (pivots)
        return CUSOLVER_STATUS_NOT_SUPPORTED;
    return queue(__func__, handle, (struct work){ LU, true, m, n, lda, A, NULL, info });
}

DOUBLE_API cusolverStatus_t cusolverDnDgeqrf(cusolverDnHandle_t handle, int m, int n, double *A,
    int lda, double *tau, double *workspace, int elements, int *info)
{
    (void)workspace, (void)elements;
    return queue(__func__, handle, (struct work){ QR, false, m, n, lda, A, tau, info });
}

/* The k largest singular values of a double matrix by the method's own name: random directions, some power steps, norms. */
struct sketch {
    int64_t m, n, k, steps;
    const double *A;
    double *S;
};

static void sketch_run(void *arg)
{
    const struct sketch *const j = arg;
    double *const x = malloc((size_t)(j->n + j->m) * sizeof *x), *const y = x + j->n;
    for (int64_t s = 0; s < j->k; s++) {
        double norm = 0;
        for (int64_t c = 0; c < j->n; c++)
            x[c] = 1 + double_pick(1000) * 1e-3;
        for (int64_t step = 0; step <= j->steps; step++) {
            for (int64_t r = 0; r < j->m; r++) {
                y[r] = 0;
                for (int64_t c = 0; c < j->n; c++)
                    y[r] += j->A[r + c * j->m] * x[c];
            }
            norm = 0;
            for (int64_t c = 0; c < j->n; c++) {
                x[c] = 0;
                for (int64_t r = 0; r < j->m; r++)
                    x[c] += j->A[r + c * j->m] * y[r];
                norm += x[c] * x[c];
            }
            for (int64_t c = 0; c < j->n; c++)
                x[c] /= sqrt(norm);
        }
        j->S[s] = sqrt(sqrt(norm));
    }
    free(x);
}

DOUBLE_API cusolverStatus_t cusolverDnXgesvdr(cusolverDnHandle_t handle, cusolverDnParams_t params,
    signed char jobu, signed char jobv, int64_t m, int64_t n, int64_t k, int64_t p, int64_t niters,
    cudaDataType type_a, void *A, int64_t lda, cudaDataType type_s, void *S, cudaDataType type_u,
    void *U, int64_t ldu, cudaDataType type_v, void *V, int64_t ldv, cudaDataType compute,
    void *device, size_t device_bytes, void *host, size_t host_bytes, int *info)
{
    (void)params, (void)p, (void)type_u, (void)U, (void)ldu, (void)type_v, (void)V, (void)ldv;
    (void)compute, (void)device, (void)device_bytes, (void)host, (void)host_bytes, (void)info;
    INJECT(__func__);
    if (!handle || !A || !S || lda != m || k < 1 || k > n)
        return CUSOLVER_STATUS_INVALID_VALUE;
    if (jobu != 'N' || jobv != 'N' || type_a != CUDA_R_64F || type_s != CUDA_R_64F)
        return CUSOLVER_STATUS_NOT_SUPPORTED;
    struct sketch *const job = malloc(sizeof *job);
    *job = (struct sketch){ m, n, k, niters, A, S };
    return double_queue(handle->stream, sketch_run, job) ? CUSOLVER_STATUS_SUCCESS
                                                         : CUSOLVER_STATUS_INTERNAL_ERROR;
}
