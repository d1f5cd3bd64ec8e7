/* Libraries that tune themselves: cuSPARSELt's search, cuTENSOR's incremental mode and patient algorithm. Knows nothing of detshim.
 * usage: use_tuners search|matmul|incremental|patient|created|default|getters|sweep */
#include "lib.h"
#include "tests/doubles/cusparselt_api.h"
#include "tests/doubles/cutensor_api.h"

#define GOOD(call)                                                                                 \
    do {                                                                                           \
        const int good_status = (int)(call);                                                       \
        if (good_status) {                                                                         \
            printf("result status=%d\n", good_status);                                             \
            exit(0);                                                                               \
        }                                                                                          \
    } while (0)
static const float one = 1.5f, half = 0.5f;

static void sparse(int m, int n, int k, int search)
{
    cusparseLtOpaque handle, a, b, d, product, selection, plan;
    GOOD(cusparseLtInit(&handle));
    GOOD(cusparseLtStructuredDescriptorInit(
        &handle, &a, m, k, k, 16, CUDA_R_32F, CUSPARSE_ORDER_ROW, 0));
    GOOD(cusparseLtDenseDescriptorInit(&handle, &b, k, n, n, 16, CUDA_R_32F, CUSPARSE_ORDER_ROW));
    GOOD(cusparseLtDenseDescriptorInit(&handle, &d, m, n, n, 16, CUDA_R_32F, CUSPARSE_ORDER_ROW));
    GOOD(cusparseLtMatmulDescriptorInit(&handle, &product, CUSPARSE_OPERATION_NON_TRANSPOSE,
        CUSPARSE_OPERATION_NON_TRANSPOSE, &a, &b, &d, &d, 0));
    GOOD(cusparseLtMatmulAlgSelectionInit(&handle, &selection, &product, 0));
    GOOD(cusparseLtMatmulPlanInit(&handle, &plan, &product, &selection));
    float *A = lib_numbers((size_t)m * k, 0), *B = lib_numbers((size_t)k * n, 0),
          *C = lib_numbers((size_t)m * n, 0), *D = lib_numbers((size_t)m * n, 0);
    cudaStream_t streams[1] = { lib_stream };
    if (search) { /* it gives the product as well, and waits for it */
        lib_begin();
        GOOD(cusparseLtMatmulSearch(
            &handle, &plan, &one, A, B, &half, C, D, NULL, streams, search > 1 ? 0 : 1));
        lib_end();
        lib_take(D, (size_t)m * n * 4);
    }
    lib_begin();
    GOOD(cusparseLtMatmul(&handle, &plan, &one, A, B, &half, C, D, NULL, streams, 1));
    lib_end();
    lib_take(D, (size_t)m * n * 4);
    lib_free(A), lib_free(B), lib_free(C), lib_free(D);
    GOOD(cusparseLtDestroy(&handle));
}

static void tensor(int m, int n, int k, int mode, int created, int algo)
{
    const int64_t a[] = { m, k }, b[] = { k, n }, d[] = { m, n };
    const int32_t in_a[] = { 'm', 'k' }, in_b[] = { 'k', 'n' }, in_d[] = { 'm', 'n' };
    cutensorHandle_t handle;
    cutensorTensorDescriptor_t of_a, of_b, of_d;
    cutensorOperationDescriptor_t operation;
    cutensorPlanPreference_t preference;
    cutensorPlan_t plan;
    GOOD(cutensorCreate(&handle));
    GOOD(cutensorCreateTensorDescriptor(handle, &of_a, 2, a, NULL, CUDA_R_32F, 128));
    GOOD(cutensorCreateTensorDescriptor(handle, &of_b, 2, b, NULL, CUDA_R_32F, 128));
    GOOD(cutensorCreateTensorDescriptor(handle, &of_d, 2, d, NULL, CUDA_R_32F, 128));
    GOOD(cutensorCreateContraction(
        handle, &operation, of_a, in_a, 1, of_b, in_b, 1, of_d, in_d, 1, of_d, in_d, NULL));
    GOOD(cutensorCreatePlanPreference(handle, &preference, created, 0));
    if (algo)
        GOOD(cutensorPlanPreferenceSetAttribute(
            handle, preference, CUTENSOR_PLAN_PREFERENCE_ALGO, &algo, sizeof algo));
    GOOD(cutensorPlanPreferenceSetAttribute(
        handle, preference, CUTENSOR_PLAN_PREFERENCE_AUTOTUNE_MODE, &mode, sizeof mode));
    float *A = lib_numbers((size_t)m * k, 0), *B = lib_numbers((size_t)k * n, 0),
          *C = lib_numbers((size_t)m * n, 0), *D = lib_numbers((size_t)m * n, 0);
    for (int i = 0; i < 2; i++) {
        GOOD(cutensorCreatePlan(handle, &plan, operation, preference, 0));
        lib_begin();
        GOOD(cutensorContract(handle, plan, &one, A, B, &half, C, D, NULL, 0, lib_stream));
        lib_end();
        lib_take(D, (size_t)m * n * 4);
    }
    int read[2] = { 0, 0 };
    GOOD(cutensorPlanPreferenceGetAttribute(
        handle, preference, CUTENSOR_PLAN_PREFERENCE_AUTOTUNE_MODE, &read[0], sizeof(int)));
    GOOD(cutensorPlanPreferenceGetAttribute(
        handle, preference, CUTENSOR_PLAN_PREFERENCE_ALGO, &read[1], sizeof(int)));
    lib_add(read, sizeof read);
    printf("result mode=%d algo=%d\n", read[0], read[1]);
    lib_free(A), lib_free(B), lib_free(C), lib_free(D);
    GOOD(cutensorDestroyPlanPreference(preference));
    GOOD(cutensorDestroy(handle));
}

static void sweep(int n)
{
    static const int algos[] = { 0, CUTENSOR_ALGO_DEFAULT_PATIENT, CUTENSOR_ALGO_GETT,
        CUTENSOR_ALGO_DEFAULT };
    for (int i = 0; i < n; i++) {
        const int m = 1 + (int)lib_random(8), cols = 1 + (int)lib_random(8),
                  k = 1 + (int)lib_random(60);
        if (lib_random(2))
            sparse(m, cols, k, (int)lib_random(3));
        else
            tensor(m, cols, k, (int)lib_random(2), algos[1 + lib_random(3)], algos[lib_random(4)]);
    }
}

int main(int argc, char **argv)
{
    const char *way = argc > 1 ? argv[1] : "search";
    drv_start();
    lib_streams();
    if (strcmp(way, "search") == 0 || strcmp(way, "matmul") == 0)
        sparse(9, 7, 120, way[0] == 's');
    else if (strcmp(way, "incremental") == 0)
        tensor(9, 7, 120, CUTENSOR_AUTOTUNE_MODE_INCREMENTAL, CUTENSOR_ALGO_DEFAULT, 0);
    else if (strcmp(way, "patient") == 0)
        tensor(9, 7, 120, 0, CUTENSOR_ALGO_DEFAULT, CUTENSOR_ALGO_DEFAULT_PATIENT);
    else if (strcmp(way, "created") == 0)
        tensor(9, 7, 120, 0, CUTENSOR_ALGO_DEFAULT_PATIENT, 0);
    else if (strcmp(way, "default") == 0)
        tensor(9, 7, 120, 0, CUTENSOR_ALGO_DEFAULT, CUTENSOR_ALGO_GETT);
    else
        sweep(argc > 2 ? atoi(argv[2]) : 500);
    lib_result();
    return 0;
}
