/* What the double and the test program use of cuTENSOR 2.8, written from its documented interface: the toolkit has no header of it. */
#ifndef CUTENSOR_API_H
#define CUTENSOR_API_H

#include <cuda_runtime_api.h>
#include <library_types.h>
#include <stddef.h>
#include <stdint.h>

typedef struct cutensorHandle *cutensorHandle_t;
typedef struct cutensorTensorDescriptor *cutensorTensorDescriptor_t;
typedef struct cutensorOperationDescriptor *cutensorOperationDescriptor_t;
typedef struct cutensorPlanPreference *cutensorPlanPreference_t;
typedef struct cutensorPlan *cutensorPlan_t;
enum {
    CUTENSOR_STATUS_SUCCESS = 0,
    CUTENSOR_STATUS_INVALID_VALUE = 7,
    CUTENSOR_STATUS_NOT_SUPPORTED = 15
};
enum { CUTENSOR_PLAN_PREFERENCE_AUTOTUNE_MODE = 0, CUTENSOR_PLAN_PREFERENCE_ALGO = 3 };
enum { CUTENSOR_AUTOTUNE_MODE_NONE = 0, CUTENSOR_AUTOTUNE_MODE_INCREMENTAL = 1 };
enum { CUTENSOR_ALGO_DEFAULT_PATIENT = -6, CUTENSOR_ALGO_GETT = -4, CUTENSOR_ALGO_DEFAULT = -1 };

int cutensorCreate(cutensorHandle_t *handle);
int cutensorDestroy(cutensorHandle_t handle);
int cutensorCreateTensorDescriptor(const cutensorHandle_t handle, cutensorTensorDescriptor_t *made,
    uint32_t n_modes, const int64_t extent[], const int64_t stride[], cudaDataType type,
    uint32_t alignment);
int cutensorCreateContraction(const cutensorHandle_t handle, cutensorOperationDescriptor_t *made,
    const cutensorTensorDescriptor_t a, const int32_t mode_a[], int op_a,
    const cutensorTensorDescriptor_t b, const int32_t mode_b[], int op_b,
    const cutensorTensorDescriptor_t c, const int32_t mode_c[], int op_c,
    const cutensorTensorDescriptor_t d, const int32_t mode_d[], const void *compute);
int cutensorCreatePlanPreference(
    const cutensorHandle_t handle, cutensorPlanPreference_t *made, int algo, int jit);
int cutensorDestroyPlanPreference(cutensorPlanPreference_t preference);
int cutensorPlanPreferenceSetAttribute(const cutensorHandle_t handle,
    cutensorPlanPreference_t preference, int name, const void *from, size_t n_bytes);
int cutensorPlanPreferenceGetAttribute(const cutensorHandle_t handle,
    cutensorPlanPreference_t preference, int name, void *to, size_t n_bytes);
int cutensorCreatePlan(const cutensorHandle_t handle, cutensorPlan_t *made,
    const cutensorOperationDescriptor_t operation, const cutensorPlanPreference_t preference,
    uint64_t workspace_bytes);
int cutensorContract(const cutensorHandle_t handle, const cutensorPlan_t plan, const void *alpha,
    const void *A, const void *B, const void *beta, const void *C, void *D, void *workspace,
    uint64_t workspace_bytes, cudaStream_t stream);

#endif
