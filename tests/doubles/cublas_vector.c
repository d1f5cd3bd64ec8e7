/* symv, hemv and the level 1 reductions of the cuBLAS double. */
#include <complex.h>
#include <math.h>
#include <stdlib.h>

#include "tests/doubles/cublas.h"

/* 0 … n-1, mixed when terms arrive as atomics do. */
static int64_t *arrival(int64_t n, bool ordered)
{
    int64_t *at = malloc((size_t)(n > 0 ? n : 1) * sizeof *at);
    for (int64_t i = 0; i < n; i++)
        at[i] = i;
    for (int64_t i = n; i > 1 && !ordered; i--) {
        const int64_t j = double_pick((uint32_t)i), kept = at[i - 1];
        at[i - 1] = at[j];
        at[j] = kept;
    }
    return at;
}

struct symv {
    bool upper, ordered;
    int64_t n, lda;
    const void *A, *x;
    void *y;
    double complex alpha, beta;
};

/* conjugate: hemv reads the other half conjugated */
#define SYMV(name, type, cutype, integer, other_half)                                              \
    static void run_##name(void *arg)                                                              \
    {                                                                                              \
        const struct symv *s = arg;                                                                \
        const type *A = s->A, *x = s->x;                                                           \
        type *y = s->y;                                                                            \
        for (int64_t i = 0; i < s->n; i++) {                                                       \
            int64_t *at = arrival(s->n, s->ordered);                                               \
            type total = 0;                                                                        \
            for (int64_t l = 0; l < s->n; l++) {                                                   \
                const int64_t j = at[l];                                                           \
                const bool stored = s->upper ? i <= j : i >= j;                                    \
                total += (stored ? A[i + j * s->lda] : other_half(A[j + i * s->lda])) * x[j];      \
            }                                                                                      \
            free(at);                                                                              \
            y[i] = (type)s->alpha * total + (s->beta == 0 ? 0 : (type)s->beta * y[i]);             \
        }                                                                                          \
    }                                                                                              \
    DOUBLE_API cublasStatus_t name(cublasHandle_t handle, cublasFillMode_t half, integer n,        \
        const cutype *alpha, const cutype *A, integer lda, const cutype *x, integer incx,          \
        const cutype *beta, cutype *y, integer incy)                                               \
    {                                                                                              \
        const cublasStatus_t checked = double_cublas_check(#name, handle);                         \
        if (checked)                                                                               \
            return checked;                                                                        \
        if (!alpha || !beta || n < 0 || lda < n)                                                   \
            return CUBLAS_STATUS_INVALID_VALUE;                                                    \
        if (incx != 1 || incy != 1)                                                                \
            return CUBLAS_STATUS_NOT_SUPPORTED;                                                    \
        struct symv *s = malloc(sizeof *s);                                                        \
        *s = (struct symv){ half == CUBLAS_FILL_MODE_UPPER,                                        \
            handle->atomics == CUBLAS_ATOMICS_NOT_ALLOWED, n, lda, A, x, y, *(const type *)alpha,  \
            *(const type *)beta };                                                                 \
        double_trace(#name, "\"n\":%ld,\"ordered\":%d", (long)n, s->ordered);                      \
        return double_queue(handle->stream, run_##name, s) ? CUBLAS_STATUS_SUCCESS                 \
                                                           : CUBLAS_STATUS_EXECUTION_FAILED;       \
    }
#define SAME(value) (value)
SYMV(cublasSsymv_v2, float, float, int, SAME)
SYMV(cublasSsymv_v2_64, float, float, int64_t, SAME)
SYMV(cublasDsymv_v2, double, double, int, SAME)
SYMV(cublasDsymv_v2_64, double, double, int64_t, SAME)
SYMV(cublasCsymv_v2, float complex, cuComplex, int, SAME)
SYMV(cublasCsymv_v2_64, float complex, cuComplex, int64_t, SAME)
SYMV(cublasZsymv_v2, double complex, cuDoubleComplex, int, SAME)
SYMV(cublasZsymv_v2_64, double complex, cuDoubleComplex, int64_t, SAME)
SYMV(cublasChemv_v2, float complex, cuComplex, int, conjf)
SYMV(cublasChemv_v2_64, float complex, cuComplex, int64_t, conjf)
SYMV(cublasZhemv_v2, double complex, cuDoubleComplex, int, conj)
SYMV(cublasZhemv_v2_64, double complex, cuDoubleComplex, int64_t, conj)

/* Results go to host memory: the call waits. */
#define REDUCE(name, type, second, term, finish)                                                   \
    struct args_##name {                                                                           \
        struct double_sum_order order;                                                             \
        int n;                                                                                     \
        const type *x, *y;                                                                         \
        type *to;                                                                                  \
    };                                                                                             \
    static void run_##name(void *arg)                                                              \
    {                                                                                              \
        const struct args_##name *r = arg;                                                         \
        const type *x = r->x, *y = r->y;                                                           \
        type total = 0;                                                                            \
        (void)y;                                                                                   \
        for (int s = 0; s < r->order.split; s++) {                                                 \
            type part = 0;                                                                         \
            for (int64_t i = (int64_t)r->n * s / r->order.split;                                   \
                 i < (int64_t)r->n * (s + 1) / r->order.split; i++)                                \
                part += term;                                                                      \
            total += part;                                                                         \
        }                                                                                          \
        *r->to = finish(total);                                                                    \
    }                                                                                              \
    DOUBLE_API cublasStatus_t name(                                                                \
        cublasHandle_t handle, int n, const type *x, int incx second, type *result)                \
    {                                                                                              \
        const cublasStatus_t checked = double_cublas_check(#name, handle);                         \
        if (checked)                                                                               \
            return checked;                                                                        \
        if (incx != 1)                                                                             \
            return CUBLAS_STATUS_NOT_SUPPORTED;                                                    \
        struct args_##name *r = malloc(sizeof *r);                                                 \
        *r = (struct args_##name){ double_cublas_order(handle, 0, -1, false), n, x, SECOND,        \
            result };                                                                              \
        return double_queue(handle->stream, run_##name, r) ? CUBLAS_STATUS_SUCCESS                 \
                                                           : CUBLAS_STATUS_EXECUTION_FAILED;       \
    }
#define COMMA  ,
#define UNUSED __attribute__((unused))
#define SECOND y
REDUCE(cublasSdot_v2, float, COMMA const float *y COMMA int incy UNUSED, x[i] * y[i], SAME)
REDUCE(cublasDdot_v2, double, COMMA const double *y COMMA int incy UNUSED, x[i] * y[i], SAME)
#undef SECOND
#define SECOND NULL
REDUCE(cublasSasum_v2, float, , fabsf(x[i]), SAME)
REDUCE(cublasDasum_v2, double, , fabs(x[i]), SAME)
REDUCE(cublasSnrm2_v2, float, , x[i] * x[i], sqrtf)
REDUCE(cublasDnrm2_v2, double, , x[i] * x[i], sqrt)
