/* cuSOLVER: QR with results that may differ, Cholesky, LU. Knows nothing of detshim. usage: use_cusolver allow|default|getter|sweep|randomised */
#include <cusolverDn.h>

#include "lib.h"

#define GOOD(call)                                                                                 \
    do {                                                                                           \
        const int good_status = (int)(call);                                                       \
        if (good_status) {                                                                         \
            printf("%s: status %d\n", #call, good_status);                                         \
            exit(2);                                                                               \
        }                                                                                          \
    } while (0)
static cusolverDnHandle_t handle;

static void qr(int m, int n)
{
    double *A = lib_numbers((size_t)m * n, 1), *tau = lib_numbers((size_t)n, 1);
    int *info = lib_device(4);
    lib_begin();
    GOOD(cusolverDnDgeqrf(handle, m, n, A, m, tau, NULL, 0, info));
    lib_end();
    lib_take(A, (size_t)m * n * 8);
    lib_free(A), lib_free(tau), lib_free(info);
}

static void square(int n, int cholesky)
{
    double *host = calloc((size_t)n * n, 8), *A = lib_device((size_t)n * n * 8);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            host[i + j * n] = i == j ? n + 1 : 1.0 / (1 + abs(i - j));
    lib_upload(A, host, (size_t)n * n * 8);
    if (cholesky)
        GOOD(cusolverDnDpotrf(handle, CUBLAS_FILL_MODE_LOWER, n, A, n, NULL, 0, NULL));
    else
        GOOD(cusolverDnDgetrf(handle, n, n, A, n, NULL, NULL, NULL));
    lib_take(A, (size_t)n * n * 8);
    lib_free(A);
    free(host);
}

static void randomised(int m, int n, int k)
{
    double *A = lib_numbers((size_t)m * n, 1), *S = lib_numbers((size_t)k, 1);
    const cudaDataType t = CUDA_R_64F;
    GOOD(cusolverDnXgesvdr(handle, NULL, 'N', 'N', m, n, k, 2, 1, t, A, m, t, S, t, NULL, m, t,
        NULL, n, t, NULL, 0, NULL, 0, lib_device(4)));
    lib_take(S, (size_t)k * 8);
}

int main(int argc, char **argv)
{
    const char *way = argc > 1 ? argv[1] : "";
    cusolverDeterministicMode_t mode = CUSOLVER_DETERMINISTIC_RESULTS;
    drv_start();
    GOOD(cusolverDnCreate(&handle));
    lib_streams();
    if (lib_stream)
        GOOD(cusolverDnSetStream(handle, lib_stream));
    if (strcmp(way, "allow") == 0) {
        GOOD(cusolverDnSetDeterministicMode(handle, CUSOLVER_ALLOW_NON_DETERMINISTIC_RESULTS));
        GOOD(cusolverDnGetDeterministicMode(handle, &mode));
        printf("result mode=%d\n", (int)mode);
    }
    if (strcmp(way, "faults") == 0) {
        printf("result statuses=%d,%d,%d\n",
            cusolverDnSetDeterministicMode(NULL, CUSOLVER_ALLOW_NON_DETERMINISTIC_RESULTS),
            cusolverDnGetDeterministicMode(handle, NULL),
            cusolverDnGetDeterministicMode(NULL, &mode));
        return 0;
    }
    if (strcmp(way, "observed") == 0) {
        GOOD(cusolverDnSetMathMode(handle, CUSOLVER_DEFAULT_MATH));
        GOOD(cusolverDnSetEmulationStrategy(handle, (cudaEmulationStrategy_t)1));
        GOOD(cusolverDnSetAdvOptions(NULL, CUSOLVERDN_GETRF, CUSOLVER_ALG_1));
    }
    if (strcmp(way, "sweep") == 0)
        for (int i = 0; i < 1000; i++) {
            if (lib_random(4) == 0)
                GOOD(cusolverDnSetDeterministicMode(
                    handle, (cusolverDeterministicMode_t)(1 + lib_random(2))));
            GOOD(cusolverDnGetDeterministicMode(handle, &mode));
            lib_add(&mode, sizeof mode);
            const int n = 1 + (int)lib_random(10);
            qr(n + (int)lib_random(10), n);
        }
    if (strcmp(way, "randomised") == 0)
        randomised(30, 10, 3);
    qr(40, 12);
    square(9, 1);
    square(9, 0);
    lib_result();
    GOOD(cusolverDnDestroy(handle));
    return 0;
}
