/* Attention backward in the backend API. cudnn-frontend's deterministic switch changes only the graph: without it, the last matmul
 * writes a float buffer in memory that engines fill by atomics, and a copy turns it into dQ; with it, the matmul writes dQ.
 * Source: cudnn-frontend, node/scaled_dot_product_flash_attention.h. No engine note tells the two apart.
 * Seen at plan level on the real library without a device; execution of a rewritten graph is not yet run on a GPU. */
#include "shim/cudnn/engine.h"

/* Attention backward has five matmuls: scores, dV, dP, dQ, dK. A graph with fewer is not it, and its buffer may be wanted. */
enum { MATMULS_OF_ATTENTION = 5 };

static bool is(cudnnBackendDescriptor_t op, cudnnBackendDescriptorType_t type)
{
    return det_graph_kept(op, DET_OF_TYPE, -1) == (int64_t)type;
}

/* The matmul that writes `buffer`, or -1. */
static int64_t writer(const cudnnBackendDescriptor_t *ops, int64_t n, int64_t buffer)
{
    for (int64_t i = 0; i < n; i++)
        if (is(ops[i], CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR) &&
            det_graph_kept(ops[i], DET_OF_C, 0) == buffer)
            return i;
    return -1;
}

/* A copy of a float tensor that lives in memory. */
static bool copies_memory(cudnnBackendDescriptor_t op)
{
    return is(op, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR) &&
           det_graph_kept(op, DET_OF_PW_MODE, -1) == CUDNN_POINTWISE_IDENTITY &&
           !det_graph_kept(op, DET_OF_VIRTUAL, 0) &&
           det_graph_kept(op, DET_OF_DATA_TYPE, -1) == CUDNN_DATA_FLOAT;
}

enum det_attention det_attention_find(
    const cudnnBackendDescriptor_t *ops, int64_t n, int64_t *copy, int64_t *matmul)
{
    enum { UNIFIED_SDPA_BACKWARD = 43 }; /* named since cuDNN 9.17 */
    int64_t n_matmuls = 0;
    for (int64_t i = 0; i < n; i++) {
        n_matmuls += is(ops[i], CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR);
        if (is(ops[i], (cudnnBackendDescriptorType_t)UNIFIED_SDPA_BACKWARD))
            return DET_ATTENTION_UNIFIED;
    }
    if (n_matmuls < MATMULS_OF_ATTENTION)
        return DET_ATTENTION_NONE;
    for (int64_t i = 0; i < n; i++) {
        if (!copies_memory(ops[i]))
            continue;
        *copy = i;
        *matmul = writer(ops, n, det_graph_kept(ops[i], DET_OF_X, 0));
        if (*matmul >= 0)
            return DET_ATTENTION_ATOMIC;
    }
    return DET_ATTENTION_NONE;
}

static bool set_child(const struct det_backend *cudnn, cudnnBackendDescriptor_t to,
    cudnnBackendAttributeName_t name, int64_t child)
{
    const cudnnBackendDescriptor_t value = (cudnnBackendDescriptor_t)(uintptr_t)child;
    return !child ||
           cudnn->set(to, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &value) == CUDNN_STATUS_SUCCESS;
}

static bool fill(const struct det_backend *cudnn, cudnnBackendDescriptor_t made,
    cudnnBackendDescriptor_t how, cudnnBackendDescriptor_t matmul, cudnnBackendDescriptor_t copy)
{
    const cudnnDataType_t type =
        (cudnnDataType_t)det_graph_kept(matmul, DET_OF_COMP_TYPE, CUDNN_DATA_FLOAT);
    return cudnn->set(how, CUDNN_ATTR_MATMUL_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type) ==
               CUDNN_STATUS_SUCCESS &&
           cudnn->finalize(how) == CUDNN_STATUS_SUCCESS &&
           set_child(cudnn, made, CUDNN_ATTR_OPERATION_MATMUL_DESC, (int64_t)(uintptr_t)how) &&
           set_child(cudnn, made, CUDNN_ATTR_OPERATION_MATMUL_ADESC,
               det_graph_kept(matmul, DET_OF_A, 0)) &&
           set_child(cudnn, made, CUDNN_ATTR_OPERATION_MATMUL_BDESC,
               det_graph_kept(matmul, DET_OF_B, 0)) &&
           set_child(
               cudnn, made, CUDNN_ATTR_OPERATION_MATMUL_CDESC, det_graph_kept(copy, DET_OF_Y, 0)) &&
           set_child(cudnn, made, CUDNN_ATTR_OPERATION_MATMUL_GEMM_M_OVERRIDE_DESC,
               det_graph_kept(matmul, DET_OF_M, 0)) &&
           set_child(cudnn, made, CUDNN_ATTR_OPERATION_MATMUL_GEMM_N_OVERRIDE_DESC,
               det_graph_kept(matmul, DET_OF_N, 0)) &&
           set_child(cudnn, made, CUDNN_ATTR_OPERATION_MATMUL_GEMM_K_OVERRIDE_DESC,
               det_graph_kept(matmul, DET_OF_K, 0)) &&
           cudnn->finalize(made) == CUDNN_STATUS_SUCCESS;
}

cudnnBackendDescriptor_t det_attention_matmul(
    const struct det_backend *cudnn, cudnnBackendDescriptor_t matmul, cudnnBackendDescriptor_t copy)
{
    cudnnBackendDescriptor_t made = NULL, how = NULL;
    if (!det_backend_make(cudnn, CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR, &made, 1))
        return NULL;
    if (!det_backend_make(cudnn, CUDNN_BACKEND_MATMUL_DESCRIPTOR, &how, 1)) {
        cudnn->destroy(made);
        return NULL;
    }
    const bool good = fill(cudnn, made, how, matmul, copy);
    cudnn->destroy(how);
    if (!good)
        cudnn->destroy(made);
    return good ? made : NULL;
}
