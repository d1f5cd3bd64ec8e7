/* libcublas.so.13 double: handles and modes. Products are in cublas_gemm.c and cublas_vector.c; the table of what is ordered is in
 * cublas.h. */
#include "tests/doubles/cublas.h"

#include <stdlib.h>
#include <string.h>

#include <cublasXt.h>

enum { MOST_STREAMS = 16 };
static cudaStream_t used[MOST_STREAMS];
static int n_used;

static void use(cudaStream_t stream)
{
    for (int i = 0; i < n_used; i++)
        if (used[i] == stream)
            return;
    if (n_used < MOST_STREAMS)
        used[n_used++] = stream;
}

bool double_cublas_bad(cublasHandle_t handle)
{
    return !handle || handle->magic != DOUBLE_CUBLAS_MAGIC;
}

cublasStatus_t double_cublas_check(const char *call, cublasHandle_t handle)
{
    const int injected = double_fail(call);
    if (injected)
        return (cublasStatus_t)injected;
    return double_cublas_bad(handle) ? CUBLAS_STATUS_NOT_INITIALIZED : CUBLAS_STATUS_SUCCESS;
}

#define CHECK(call, handle)                                                                        \
    do {                                                                                           \
        const cublasStatus_t checked = double_cublas_check(call, handle);                          \
        if (checked)                                                                               \
            return checked;                                                                        \
    } while (0)

struct double_sum_order double_cublas_order(cublasHandle_t handle, int compute, int algo, bool f64)
{
    use(handle->stream);
    struct double_sum_order order = { .split = 4 };
    if (algo == 999) { /* the fastest of four */
        double best = 1e9;
        for (int split = 1; split <= 8; split *= 2) {
            const double time = double_time_ms();
            if (time < best) {
                best = time;
                order.split = split;
            }
        }
    } else if (!handle->workspace_pinned && !handle->workspace_set && n_used > 1) {
        order.split = double_pick(2) ? 4 : 2; /* the large buffer was taken */
    }
    const bool emulates = compute == 79 || (f64 && ((int)handle->math & 15) == 8);
    order.emulated = emulates && double_pick(2);
    return order;
}

DOUBLE_API cublasStatus_t cublasCreate_v2(cublasHandle_t *handle)
{
    const int injected = double_fail(__func__);
    if (injected)
        return (cublasStatus_t)injected;
    if (!handle)
        return CUBLAS_STATUS_INVALID_VALUE;
    const char *config = getenv("CUBLAS_WORKSPACE_CONFIG");
    *handle = calloc(1, sizeof **handle);
    (*handle)->magic = DOUBLE_CUBLAS_MAGIC;
    (*handle)->workspace_pinned =
        config && (strcmp(config, ":4096:8") == 0 || strcmp(config, ":16:8") == 0);
    double_trace(__func__, "\"workspace\":\"%s\"", config ? config : "");
    return CUBLAS_STATUS_SUCCESS;
}

DOUBLE_API cublasStatus_t cublasDestroy_v2(cublasHandle_t handle)
{
    CHECK(__func__, handle);
    handle->magic = 0;
    free(handle);
    return CUBLAS_STATUS_SUCCESS;
}

DOUBLE_API cublasStatus_t cublasGetVersion_v2(cublasHandle_t handle, int *version)
{
    (void)handle;
    *version = CUBLAS_VERSION;
    return CUBLAS_STATUS_SUCCESS;
}

DOUBLE_API cublasStatus_t cublasGetProperty(libraryPropertyType type, int *value)
{
    static const int parts[] = { CUBLAS_VER_MAJOR, CUBLAS_VER_MINOR, CUBLAS_VER_PATCH };
    if ((unsigned)type > 2 || !value)
        return CUBLAS_STATUS_INVALID_VALUE;
    *value = parts[type];
    return CUBLAS_STATUS_SUCCESS;
}

/* cuBLAS guide, cublasSetStream: "unconditionally resets the cuBLAS library workspace back to the default workspace pool". */
DOUBLE_API cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream)
{
    CHECK(__func__, handle);
    handle->stream = stream;
    handle->workspace_set = false;
    return CUBLAS_STATUS_SUCCESS;
}

DOUBLE_API cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t handle, void *at, size_t n_bytes)
{
    CHECK(__func__, handle);
    handle->workspace_set = at != NULL;
    double_trace(__func__, "\"bytes\":%zu", n_bytes);
    return CUBLAS_STATUS_SUCCESS;
}

#define SETTER(name, type, field)                                                                  \
    DOUBLE_API cublasStatus_t name(cublasHandle_t handle, type value)                              \
    {                                                                                              \
        CHECK(#name, handle);                                                                      \
        handle->field = value;                                                                     \
        double_trace(#name, "\"value\":%d", (int)value);                                           \
        return CUBLAS_STATUS_SUCCESS;                                                              \
    }
#define GETTER(name, type, field)                                                                  \
    DOUBLE_API cublasStatus_t name(cublasHandle_t handle, type *value)                             \
    {                                                                                              \
        CHECK(#name, handle);                                                                      \
        if (!value)                                                                                \
            return CUBLAS_STATUS_INVALID_VALUE;                                                    \
        *value = handle->field;                                                                    \
        return CUBLAS_STATUS_SUCCESS;                                                              \
    }
GETTER(cublasGetStream_v2, cudaStream_t, stream)
SETTER(cublasSetAtomicsMode, cublasAtomicsMode_t, atomics)
GETTER(cublasGetAtomicsMode, cublasAtomicsMode_t, atomics)
SETTER(cublasSetMathMode, cublasMath_t, math)
GETTER(cublasGetMathMode, cublasMath_t, math)
SETTER(cublasSetPointerMode_v2, cublasPointerMode_t, pointers)
GETTER(cublasGetPointerMode_v2, cublasPointerMode_t, pointers)
SETTER(cublasSetSmCountTarget, int, sm_target)
SETTER(cublasSetEmulationStrategy, cublasEmulationStrategy_t, strategy)
SETTER(cublasSetFixedPointEmulationMantissaControl, cudaEmulationMantissaControl_t, mantissa[0])
SETTER(cublasSetFixedPointEmulationMaxMantissaBitCount, int, mantissa[1])
SETTER(cublasSetFixedPointEmulationMantissaBitOffset, int, mantissa[2])

DOUBLE_API cublasStatus_t cublasXtSetBlockDim(cublasXtHandle_t handle, int n)
{
    (void)handle;
    return n > 0 ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
}

DOUBLE_API cublasStatus_t cublasXtSetCpuRatio(
    cublasXtHandle_t handle, cublasXtBlasOp_t op, cublasXtOpType_t type, float ratio)
{
    (void)handle, (void)op, (void)type;
    return ratio >= 0 && ratio <= 1 ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
}

DOUBLE_API cublasStatus_t cublasXtDeviceSelect(cublasXtHandle_t handle, int n, int devices[])
{
    (void)handle;
    return n > 0 && devices ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
}
