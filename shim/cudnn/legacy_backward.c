/* Convolution backward passes: the algorithms that add by atomics become the ordered one, with a workspace of ours where the program's
 * is too small. Source: cudnn_ops.h ("non-deterministic" beside the enumerators); cuDNN backend guide, Reproducibility. */
#include "shim/cudnn/cudnn_shim.h"

/* The ordered algorithm in place of `asked`, or `asked`. */
static cudnnConvolutionBwdFilterAlgo_t ordered_filter(cudnnConvolutionBwdFilterAlgo_t asked)
{
    return asked == CUDNN_CONVOLUTION_BWD_FILTER_ALGO_0 ||
                   asked == CUDNN_CONVOLUTION_BWD_FILTER_ALGO_3
               ? CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1
               : asked;
}

static cudnnConvolutionBwdDataAlgo_t ordered_data(cudnnConvolutionBwdDataAlgo_t asked)
{
    return asked == CUDNN_CONVOLUTION_BWD_DATA_ALGO_0 ? CUDNN_CONVOLUTION_BWD_DATA_ALGO_1 : asked;
}

static const char unsupported[] = "ordered algorithm is not supported for this shape";
static const char no_memory[] = "no workspace for the ordered algorithm";
static const char not_acting[] = "algorithm adds by atomics; would be replaced";

/* Workspace for `need` bytes: the program's where it suffices, else ours. False when there is none. */
static bool workspace_for(
    cudnnHandle_t handle, size_t need, void **at, size_t *n_bytes, const void *caller)
{
    if (need <= *n_bytes)
        return true;
    void *ours = det_cudnn_workspace(handle, need, caller);
    if (ours) {
        *at = ours;
        *n_bytes = need;
    }
    return ours != NULL;
}

/* Why the substitute cannot run, NULL when it can: then *at and *n_bytes are its workspace. */
static const char *obstacle(cudnnStatus_t supported, cudnnHandle_t handle, size_t need, void **at,
    size_t *n_bytes, const void *caller)
{
    if (!det_rule_acts(DET_RULE_CUDNN_BACKWARD))
        return not_acting;
    if (supported != CUDNN_STATUS_SUCCESS)
        return unsupported;
    return workspace_for(handle, need, at, n_bytes, caller) ? NULL : no_memory;
}

static void count(const char *call, cudnnStatus_t status, bool flagged, const char *why)
{
    if (status != CUDNN_STATUS_SUCCESS)
        return;
    if (!flagged)
        det_cudnn_count_as(call, DET_CLASS_VOUCHED, DET_RULE_CUDNN_DOCUMENTED, "");
    else
        det_cudnn_count_as(call, why ? DET_CLASS_UNCOVERED : DET_CLASS_PINNED,
            DET_RULE_CUDNN_BACKWARD, why ? why : "");
}

DET_EXPORT cudnnStatus_t cudnnConvolutionBackwardFilter(cudnnHandle_t handle, const void *alpha,
    const cudnnTensorDescriptor_t x, const void *x_at, const cudnnTensorDescriptor_t dy,
    const void *dy_at, const cudnnConvolutionDescriptor_t convolution,
    cudnnConvolutionBwdFilterAlgo_t asked, void *workspace, size_t n_bytes, const void *beta,
    const cudnnFilterDescriptor_t dw, void *dw_at)
{
    if (!det_enter(DET_ID_cudnnConvolutionBackwardFilter))
        return DET_REAL(cudnnConvolutionBackwardFilter)(handle, alpha, x, x_at, dy, dy_at,
            convolution, asked, workspace, n_bytes, beta, dw, dw_at);
    cudnnConvolutionBwdFilterAlgo_t given = ordered_filter(asked);
    const bool flagged = given != asked;
    const char *why = NULL;
    size_t need = 0;
    if (flagged) {
        const cudnnStatus_t supported = DET_REAL(cudnnGetConvolutionBackwardFilterWorkspaceSize)(
            handle, x, dy, convolution, dw, given, &need);
        why = obstacle(supported, handle, need, &workspace, &n_bytes, __builtin_return_address(0));
        given = why ? asked : given;
    }
    if (given != asked)
        det_log_override(DET_NAME(cudnnConvolutionBackwardFilter), DET_RULE_CUDNN_BACKWARD, "algo",
            asked, given);
    const cudnnStatus_t status = DET_REAL(cudnnConvolutionBackwardFilter)(
        handle, alpha, x, x_at, dy, dy_at, convolution, given, workspace, n_bytes, beta, dw, dw_at);
    count(DET_NAME(cudnnConvolutionBackwardFilter), status, flagged, why);
    det_leave(DET_ID_cudnnConvolutionBackwardFilter);
    return status;
}

DET_EXPORT cudnnStatus_t cudnnConvolutionBackwardData(cudnnHandle_t handle, const void *alpha,
    const cudnnFilterDescriptor_t w, const void *w_at, const cudnnTensorDescriptor_t dy,
    const void *dy_at, const cudnnConvolutionDescriptor_t convolution,
    cudnnConvolutionBwdDataAlgo_t asked, void *workspace, size_t n_bytes, const void *beta,
    const cudnnTensorDescriptor_t dx, void *dx_at)
{
    if (!det_enter(DET_ID_cudnnConvolutionBackwardData))
        return DET_REAL(cudnnConvolutionBackwardData)(handle, alpha, w, w_at, dy, dy_at,
            convolution, asked, workspace, n_bytes, beta, dx, dx_at);
    cudnnConvolutionBwdDataAlgo_t given = ordered_data(asked);
    const bool flagged = given != asked;
    const char *why = NULL;
    size_t need = 0;
    if (flagged) {
        const cudnnStatus_t supported = DET_REAL(cudnnGetConvolutionBackwardDataWorkspaceSize)(
            handle, w, dy, convolution, dx, given, &need);
        why = obstacle(supported, handle, need, &workspace, &n_bytes, __builtin_return_address(0));
        given = why ? asked : given;
    }
    if (given != asked)
        det_log_override(
            DET_NAME(cudnnConvolutionBackwardData), DET_RULE_CUDNN_BACKWARD, "algo", asked, given);
    const cudnnStatus_t status = DET_REAL(cudnnConvolutionBackwardData)(
        handle, alpha, w, w_at, dy, dy_at, convolution, given, workspace, n_bytes, beta, dx, dx_at);
    count(DET_NAME(cudnnConvolutionBackwardData), status, flagged, why);
    det_leave(DET_ID_cudnnConvolutionBackwardData);
    return status;
}

/* The program allocates what we report: enough for the algorithm it names and for the one that will run. */
static size_t larger(cudnnStatus_t supported, size_t other, size_t own)
{
    return supported == CUDNN_STATUS_SUCCESS && other > own ? other : own;
}

DET_EXPORT cudnnStatus_t cudnnGetConvolutionBackwardFilterWorkspaceSize(cudnnHandle_t handle,
    const cudnnTensorDescriptor_t x, const cudnnTensorDescriptor_t dy,
    const cudnnConvolutionDescriptor_t convolution, const cudnnFilterDescriptor_t dw,
    cudnnConvolutionBwdFilterAlgo_t asked, size_t *n_bytes)
{
    if (!det_enter(DET_ID_cudnnGetConvolutionBackwardFilterWorkspaceSize))
        return DET_REAL(cudnnGetConvolutionBackwardFilterWorkspaceSize)(
            handle, x, dy, convolution, dw, asked, n_bytes);
    const cudnnStatus_t status = DET_REAL(cudnnGetConvolutionBackwardFilterWorkspaceSize)(
        handle, x, dy, convolution, dw, asked, n_bytes);
    const cudnnConvolutionBwdFilterAlgo_t given = ordered_filter(asked);
    if (status == CUDNN_STATUS_SUCCESS && given != asked && n_bytes &&
        det_rule_acts(DET_RULE_CUDNN_BACKWARD)) {
        size_t other = 0;
        const cudnnStatus_t supported = DET_REAL(cudnnGetConvolutionBackwardFilterWorkspaceSize)(
            handle, x, dy, convolution, dw, given, &other);
        *n_bytes = larger(supported, other, *n_bytes);
    }
    det_leave(DET_ID_cudnnGetConvolutionBackwardFilterWorkspaceSize);
    return status;
}

DET_EXPORT cudnnStatus_t cudnnGetConvolutionBackwardDataWorkspaceSize(cudnnHandle_t handle,
    const cudnnFilterDescriptor_t w, const cudnnTensorDescriptor_t dy,
    const cudnnConvolutionDescriptor_t convolution, const cudnnTensorDescriptor_t dx,
    cudnnConvolutionBwdDataAlgo_t asked, size_t *n_bytes)
{
    if (!det_enter(DET_ID_cudnnGetConvolutionBackwardDataWorkspaceSize))
        return DET_REAL(cudnnGetConvolutionBackwardDataWorkspaceSize)(
            handle, w, dy, convolution, dx, asked, n_bytes);
    const cudnnStatus_t status = DET_REAL(cudnnGetConvolutionBackwardDataWorkspaceSize)(
        handle, w, dy, convolution, dx, asked, n_bytes);
    const cudnnConvolutionBwdDataAlgo_t given = ordered_data(asked);
    if (status == CUDNN_STATUS_SUCCESS && given != asked && n_bytes &&
        det_rule_acts(DET_RULE_CUDNN_BACKWARD)) {
        size_t other = 0;
        const cudnnStatus_t supported = DET_REAL(cudnnGetConvolutionBackwardDataWorkspaceSize)(
            handle, w, dy, convolution, dx, given, &other);
        *n_bytes = larger(supported, other, *n_bytes);
    }
    det_leave(DET_ID_cudnnGetConvolutionBackwardDataWorkspaceSize);
    return status;
}
