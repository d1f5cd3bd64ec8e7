/* Spatial transformer, backward of the sampler: cuDNN adds image gradients by atomics and has no other form. There is no ordered
 * kernel of ours yet: the call goes to cuDNN unchanged and the ledger says uncovered. */
#include "shim/core/kept.h"
#include "shim/cudnn/cudnn_shim.h"

enum field { SAMPLER, DATA_TYPE, N_DIMS, N_FIELDS };
static struct det_kept kept;

DET_EXPORT cudnnStatus_t cudnnSetSpatialTransformerNdDescriptor(
    cudnnSpatialTransformerDescriptor_t descriptor, cudnnSamplerType_t sampler,
    cudnnDataType_t type, const int n_dims, const int dims[])
{
    const cudnnStatus_t status =
        DET_REAL(cudnnSetSpatialTransformerNdDescriptor)(descriptor, sampler, type, n_dims, dims);
    if (status == CUDNN_STATUS_SUCCESS) {
        det_kept_set(&kept, descriptor, SAMPLER, sampler);
        det_kept_set(&kept, descriptor, DATA_TYPE, type);
        det_kept_set(&kept, descriptor, N_DIMS, n_dims);
    }
    return status;
}

DET_EXPORT cudnnStatus_t cudnnDestroySpatialTransformerDescriptor(
    cudnnSpatialTransformerDescriptor_t descriptor)
{
    det_kept_drop(&kept, descriptor, N_FIELDS);
    return DET_REAL(cudnnDestroySpatialTransformerDescriptor)(descriptor);
}

DET_EXPORT cudnnStatus_t cudnnSpatialTfSamplerBackward(cudnnHandle_t handle,
    cudnnSpatialTransformerDescriptor_t transformer, const void *alpha,
    const cudnnTensorDescriptor_t x, const void *x_at, const void *beta,
    const cudnnTensorDescriptor_t dx, void *dx_at, const void *alpha_grid,
    const cudnnTensorDescriptor_t dy, const void *dy_at, const void *grid, const void *beta_grid,
    void *dgrid)
{
    if (!det_enter(DET_ID_cudnnSpatialTfSamplerBackward))
        return DET_REAL(cudnnSpatialTfSamplerBackward)(handle, transformer, alpha, x, x_at, beta,
            dx, dx_at, alpha_grid, dy, dy_at, grid, beta_grid, dgrid);
    const cudnnStatus_t status = DET_REAL(cudnnSpatialTfSamplerBackward)(handle, transformer, alpha,
        x, x_at, beta, dx, dx_at, alpha_grid, dy, dy_at, grid, beta_grid, dgrid);
    if (status == CUDNN_STATUS_SUCCESS)
        DET_COUNT(DET_NAME(cudnnSpatialTfSamplerBackward), DET_CLASS_UNCOVERED,
            DET_RULE_CUDNN_SAMPLER, "image gradient adds by atomics");
    det_leave(DET_ID_cudnnSpatialTfSamplerBackward);
    return status;
}
