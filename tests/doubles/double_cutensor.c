/* libcutensor.so.2 double: one contraction, D[m,n] = alpha * sum over k of A[m,k] B[k,n] + beta * C[m,n], float32, row-major.
 *
 * ordered when                          vendor text
 * autotune mode NONE, and an algorithm   cutensor/types.h: in mode INCREMENTAL every plan of an operation is made of another kernel, and
 *   other than DEFAULT_PATIENT            bit-wise identical results cannot be guaranteed; DEFAULT_PATIENT takes time to select a kernel
 */
#include <stdlib.h>
#include <string.h>

#include "tests/doubles/cutensor_api.h"
#include "tests/doubles/double.h"

struct cutensorHandle {
    int unused;
};
struct cutensorTensorDescriptor {
    int64_t rows, cols;
};
struct cutensorOperationDescriptor {
    int64_t m, n, k;
};
struct cutensorPlanPreference {
    int32_t values[8];
};
struct cutensorPlan {
    struct cutensorOperationDescriptor of;
    int split; /* this plan's kernel */
};
#define ENTER(name, ...)                                                                           \
    do {                                                                                           \
        const int injected = double_fail(#name);                                                   \
        if (injected)                                                                              \
            return injected;                                                                       \
        if (!(__VA_ARGS__))                                                                        \
            return CUTENSOR_STATUS_INVALID_VALUE;                                                  \
    } while (0)

DOUBLE_API int cutensorCreate(cutensorHandle_t *handle)
{
    ENTER(cutensorCreate, handle);
    *handle = calloc(1, sizeof **handle);
    return CUTENSOR_STATUS_SUCCESS;
}
DOUBLE_API int cutensorDestroy(cutensorHandle_t handle)
{
    free(handle);
    return CUTENSOR_STATUS_SUCCESS;
}
DOUBLE_API int cutensorCreateTensorDescriptor(const cutensorHandle_t handle,
    cutensorTensorDescriptor_t *made, uint32_t n_modes, const int64_t extent[],
    const int64_t stride[], cudaDataType type, uint32_t alignment)
{
    (void)alignment;
    ENTER(cutensorCreateTensorDescriptor, handle && made && extent);
    if (n_modes != 2 || stride || type != CUDA_R_32F)
        return CUTENSOR_STATUS_NOT_SUPPORTED;
    *made = malloc(sizeof **made);
    **made = (struct cutensorTensorDescriptor){ extent[0], extent[1] };
    return CUTENSOR_STATUS_SUCCESS;
}
DOUBLE_API int cutensorCreateContraction(const cutensorHandle_t handle,
    cutensorOperationDescriptor_t *made, const cutensorTensorDescriptor_t a, const int32_t mode_a[],
    int op_a, const cutensorTensorDescriptor_t b, const int32_t mode_b[], int op_b,
    const cutensorTensorDescriptor_t c, const int32_t mode_c[], int op_c,
    const cutensorTensorDescriptor_t d, const int32_t mode_d[], const void *compute)
{
    (void)op_a, (void)op_b, (void)op_c, (void)compute;
    ENTER(cutensorCreateContraction,
        handle && made && a && b && c && d && mode_a && mode_b && mode_c && mode_d);
    if (mode_a[1] != mode_b[0] || mode_a[0] != mode_d[0] || mode_b[1] != mode_d[1] ||
        a->cols != b->rows)
        return CUTENSOR_STATUS_NOT_SUPPORTED;
    *made = malloc(sizeof **made);
    **made = (struct cutensorOperationDescriptor){ a->rows, b->cols, a->cols };
    return CUTENSOR_STATUS_SUCCESS;
}
DOUBLE_API int cutensorCreatePlanPreference(
    const cutensorHandle_t handle, cutensorPlanPreference_t *made, int algo, int jit)
{
    (void)jit;
    ENTER(cutensorCreatePlanPreference, handle && made);
    *made = calloc(1, sizeof **made);
    (*made)->values[CUTENSOR_PLAN_PREFERENCE_ALGO] = algo;
    return CUTENSOR_STATUS_SUCCESS;
}
DOUBLE_API int cutensorDestroyPlanPreference(cutensorPlanPreference_t preference)
{
    free(preference);
    return CUTENSOR_STATUS_SUCCESS;
}
DOUBLE_API int cutensorPlanPreferenceSetAttribute(const cutensorHandle_t handle,
    cutensorPlanPreference_t preference, int name, const void *from, size_t n_bytes)
{
    ENTER(cutensorPlanPreferenceSetAttribute,
        handle && preference && from && name >= 0 && name < 8 && n_bytes == sizeof(int32_t));
    memcpy(&preference->values[name], from, sizeof(int32_t));
    double_trace("cutensorPlanPreferenceSetAttribute", "\"name\":%d,\"value\":%d", name,
        (int)preference->values[name]);
    return CUTENSOR_STATUS_SUCCESS;
}
DOUBLE_API int cutensorPlanPreferenceGetAttribute(const cutensorHandle_t handle,
    cutensorPlanPreference_t preference, int name, void *to, size_t n_bytes)
{
    ENTER(cutensorPlanPreferenceGetAttribute,
        handle && preference && to && name >= 0 && name < 8 && n_bytes == sizeof(int32_t));
    memcpy(to, &preference->values[name], sizeof(int32_t));
    return CUTENSOR_STATUS_SUCCESS;
}
DOUBLE_API int cutensorCreatePlan(const cutensorHandle_t handle, cutensorPlan_t *made,
    const cutensorOperationDescriptor_t operation, const cutensorPlanPreference_t preference,
    uint64_t workspace_bytes)
{
    (void)workspace_bytes;
    ENTER(cutensorCreatePlan, handle && made && operation);
    const bool timed = preference && (preference->values[CUTENSOR_PLAN_PREFERENCE_AUTOTUNE_MODE] ==
                                             CUTENSOR_AUTOTUNE_MODE_INCREMENTAL ||
                                         preference->values[CUTENSOR_PLAN_PREFERENCE_ALGO] ==
                                             CUTENSOR_ALGO_DEFAULT_PATIENT);
    *made = malloc(sizeof **made);
    **made = (struct cutensorPlan){ *operation, timed ? 1 << double_pick(4) : 2 };
    return CUTENSOR_STATUS_SUCCESS;
}

struct job {
    struct cutensorPlan plan;
    float alpha, beta;
    const float *A, *B, *C;
    float *D;
};

static void contract(void *arg)
{
    const struct job *const j = arg;
    const int64_t inner = j->plan.of.k, cols = j->plan.of.n, split = j->plan.split;
    for (int64_t i = 0; i < j->plan.of.m; i++)
        for (int64_t k = 0; k < cols; k++) {
            float total = 0;
            for (int64_t s = 0; s < split; s++) {
                float part = 0;
                for (int64_t l = inner * s / split; l < inner * (s + 1) / split; l++)
                    part += j->A[i * inner + l] * j->B[l * cols + k];
                total += part;
            }
            const int64_t at = i * cols + k;
            j->D[at] = j->alpha * total + (j->beta == 0 ? 0 : j->beta * j->C[at]);
        }
}

DOUBLE_API int cutensorContract(const cutensorHandle_t handle, const cutensorPlan_t plan,
    const void *alpha, const void *A, const void *B, const void *beta, const void *C, void *D,
    void *workspace, uint64_t workspace_bytes, cudaStream_t stream)
{
    (void)workspace, (void)workspace_bytes;
    ENTER(cutensorContract, handle && plan && alpha && A && B && beta && C && D);
    struct job *const job = malloc(sizeof *job);
    *job = (struct job){ *plan, *(const float *)alpha, *(const float *)beta, A, B, C, D };
    return double_queue(stream, contract, job) ? CUTENSOR_STATUS_SUCCESS : 14;
}
