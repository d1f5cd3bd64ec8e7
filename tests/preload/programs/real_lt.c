/* Matmul descriptors of the real cuBLASLt, which need neither handle nor device. Knows nothing of detshim. */
#include <cublasLt.h>

#include <stdio.h>

int main(void)
{
    cublasComputeType_t type = (cublasComputeType_t)79;
    cublasLtMatmulDesc_t desc;
    cublasLtMatmulDescOpaque_t own;
    size_t n = 0;
    int answers[4], bad = 0;
    bad |= cublasLtMatmulDescCreate(&desc, type, CUDA_R_64F);
    bad |= cublasLtMatmulDescGetAttribute(
        desc, CUBLASLT_MATMUL_DESC_COMPUTE_TYPE, &type, sizeof type, &n);
    answers[0] = (int)type;
    bad |= cublasLtMatmulDescInit(&own, (cublasComputeType_t)79, CUDA_R_64F);
    bad |= cublasLtMatmulDescGetAttribute(
        &own, CUBLASLT_MATMUL_DESC_COMPUTE_TYPE, &type, sizeof type, &n);
    answers[1] = (int)type;
    type = CUBLAS_COMPUTE_32F;
    bad |=
        cublasLtMatmulDescSetAttribute(desc, CUBLASLT_MATMUL_DESC_COMPUTE_TYPE, &type, sizeof type);
    bad |= cublasLtMatmulDescGetAttribute(
        desc, CUBLASLT_MATMUL_DESC_COMPUTE_TYPE, &type, sizeof type, &n);
    answers[2] = (int)type;
    type = (cublasComputeType_t)79;
    bad |=
        cublasLtMatmulDescSetAttribute(desc, CUBLASLT_MATMUL_DESC_COMPUTE_TYPE, &type, sizeof type);
    type = CUBLAS_COMPUTE_32F;
    bad |= cublasLtMatmulDescGetAttribute(
        desc, CUBLASLT_MATMUL_DESC_COMPUTE_TYPE, &type, sizeof type, &n);
    answers[3] = (int)type;
    bad |= cublasLtMatmulDescDestroy(desc);
    printf("result types=%d,%d,%d,%d\n", answers[0], answers[1], answers[2], answers[3]);
    return bad;
}
