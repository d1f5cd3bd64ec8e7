/* CTC loss: the algorithm that adds by atomics becomes the ordered one. Source: cuDNN backend guide, Reproducibility (Determinism). */
#include "shim/cudnn/cudnn_shim.h"

static bool flagged(cudnnCTCLossAlgo_t algo)
{
    return algo == CUDNN_CTC_LOSS_ALGO_NON_DETERMINISTIC;
}

/* Status and need are the ordered algorithm's. NULL when it can run in (*at, *n_bytes). */
static const char *obstacle(cudnnStatus_t supported, cudnnHandle_t handle, size_t need, void **at,
    size_t *n_bytes, const void *caller)
{
    if (!det_rule_acts(DET_RULE_CUDNN_CTC))
        return "algorithm adds by atomics; would be replaced";
    if (supported != CUDNN_STATUS_SUCCESS)
        return "ordered algorithm is not supported for these labels";
    if (need <= *n_bytes)
        return NULL;
    void *ours = det_cudnn_workspace(handle, need, caller);
    if (!ours)
        return "no workspace for the ordered algorithm";
    *at = ours;
    *n_bytes = need;
    return NULL;
}

static void finish(const char *call, cudnnStatus_t status, bool was_flagged, const char *why)
{
    if (status != CUDNN_STATUS_SUCCESS)
        return;
    if (!was_flagged)
        det_cudnn_count_as(call, DET_CLASS_VOUCHED, DET_RULE_CUDNN_DOCUMENTED, "");
    else
        det_cudnn_count_as(
            call, why ? DET_CLASS_UNCOVERED : DET_CLASS_PINNED, DET_RULE_CUDNN_CTC, why ? why : "");
}

static void log_override(const char *call)
{
    det_log_override(call, DET_RULE_CUDNN_CTC, "algo", CUDNN_CTC_LOSS_ALGO_NON_DETERMINISTIC,
        CUDNN_CTC_LOSS_ALGO_DETERMINISTIC);
}

DET_EXPORT cudnnStatus_t cudnnCTCLoss(cudnnHandle_t handle, const cudnnTensorDescriptor_t probs,
    const void *probs_at, const int labels[], const int label_lengths[], const int input_lengths[],
    void *costs, const cudnnTensorDescriptor_t gradients, void *gradients_at,
    cudnnCTCLossAlgo_t asked, cudnnCTCLossDescriptor_t loss, void *workspace, size_t n_bytes)
{
    if (!det_enter(DET_ID_cudnnCTCLoss))
        return DET_REAL(cudnnCTCLoss)(handle, probs, probs_at, labels, label_lengths, input_lengths,
            costs, gradients, gradients_at, asked, loss, workspace, n_bytes);
    const cudnnCTCLossAlgo_t ordered = CUDNN_CTC_LOSS_ALGO_DETERMINISTIC;
    const char *why = NULL;
    size_t need = 0;
    if (flagged(asked)) {
        const cudnnStatus_t supported = DET_REAL(cudnnGetCTCLossWorkspaceSize)(
            handle, probs, gradients, labels, label_lengths, input_lengths, ordered, loss, &need);
        why = obstacle(supported, handle, need, &workspace, &n_bytes, __builtin_return_address(0));
        if (!why)
            log_override(DET_NAME(cudnnCTCLoss));
    }
    const cudnnStatus_t status = DET_REAL(cudnnCTCLoss)(handle, probs, probs_at, labels,
        label_lengths, input_lengths, costs, gradients, gradients_at,
        flagged(asked) && !why ? ordered : asked, loss, workspace, n_bytes);
    finish(DET_NAME(cudnnCTCLoss), status, flagged(asked), why);
    det_leave(DET_ID_cudnnCTCLoss);
    return status;
}

DET_EXPORT cudnnStatus_t cudnnCTCLoss_v8(cudnnHandle_t handle, cudnnCTCLossAlgo_t asked,
    cudnnCTCLossDescriptor_t loss, const cudnnTensorDescriptor_t probs, const void *probs_at,
    const int labels[], const int label_lengths[], const int input_lengths[], void *costs,
    const cudnnTensorDescriptor_t gradients, void *gradients_at, size_t n_bytes, void *workspace)
{
    if (!det_enter(DET_ID_cudnnCTCLoss_v8))
        return DET_REAL(cudnnCTCLoss_v8)(handle, asked, loss, probs, probs_at, labels,
            label_lengths, input_lengths, costs, gradients, gradients_at, n_bytes, workspace);
    const cudnnCTCLossAlgo_t ordered = CUDNN_CTC_LOSS_ALGO_DETERMINISTIC;
    const char *why = NULL;
    size_t need = 0;
    if (flagged(asked)) {
        const cudnnStatus_t supported = DET_REAL(cudnnGetCTCLossWorkspaceSize_v8)(
            handle, ordered, loss, probs, gradients, &need);
        why = obstacle(supported, handle, need, &workspace, &n_bytes, __builtin_return_address(0));
        if (!why)
            log_override(DET_NAME(cudnnCTCLoss_v8));
    }
    const cudnnStatus_t status = DET_REAL(cudnnCTCLoss_v8)(handle,
        flagged(asked) && !why ? ordered : asked, loss, probs, probs_at, labels, label_lengths,
        input_lengths, costs, gradients, gradients_at, n_bytes, workspace);
    finish(DET_NAME(cudnnCTCLoss_v8), status, flagged(asked), why);
    det_leave(DET_ID_cudnnCTCLoss_v8);
    return status;
}

DET_EXPORT cudnnStatus_t cudnnGetCTCLossWorkspaceSize(cudnnHandle_t handle,
    const cudnnTensorDescriptor_t probs, const cudnnTensorDescriptor_t gradients, const int *labels,
    const int *label_lengths, const int *input_lengths, cudnnCTCLossAlgo_t asked,
    cudnnCTCLossDescriptor_t loss, size_t *n_bytes)
{
    if (!det_enter(DET_ID_cudnnGetCTCLossWorkspaceSize))
        return DET_REAL(cudnnGetCTCLossWorkspaceSize)(
            handle, probs, gradients, labels, label_lengths, input_lengths, asked, loss, n_bytes);
    const cudnnStatus_t status = DET_REAL(cudnnGetCTCLossWorkspaceSize)(
        handle, probs, gradients, labels, label_lengths, input_lengths, asked, loss, n_bytes);
    size_t other = 0;
    if (status == CUDNN_STATUS_SUCCESS && flagged(asked) && n_bytes &&
        det_rule_acts(DET_RULE_CUDNN_CTC) &&
        DET_REAL(cudnnGetCTCLossWorkspaceSize)(handle, probs, gradients, labels, label_lengths,
            input_lengths, CUDNN_CTC_LOSS_ALGO_DETERMINISTIC, loss,
            &other) == CUDNN_STATUS_SUCCESS &&
        other > *n_bytes)
        *n_bytes = other;
    det_leave(DET_ID_cudnnGetCTCLossWorkspaceSize);
    return status;
}

DET_EXPORT cudnnStatus_t cudnnGetCTCLossWorkspaceSize_v8(cudnnHandle_t handle,
    cudnnCTCLossAlgo_t asked, cudnnCTCLossDescriptor_t loss, const cudnnTensorDescriptor_t probs,
    const cudnnTensorDescriptor_t gradients, size_t *n_bytes)
{
    if (!det_enter(DET_ID_cudnnGetCTCLossWorkspaceSize_v8))
        return DET_REAL(cudnnGetCTCLossWorkspaceSize_v8)(
            handle, asked, loss, probs, gradients, n_bytes);
    const cudnnStatus_t status =
        DET_REAL(cudnnGetCTCLossWorkspaceSize_v8)(handle, asked, loss, probs, gradients, n_bytes);
    size_t other = 0;
    if (status == CUDNN_STATUS_SUCCESS && flagged(asked) && n_bytes &&
        det_rule_acts(DET_RULE_CUDNN_CTC) &&
        DET_REAL(cudnnGetCTCLossWorkspaceSize_v8)(handle, CUDNN_CTC_LOSS_ALGO_DETERMINISTIC, loss,
            probs, gradients, &other) == CUDNN_STATUS_SUCCESS &&
        other > *n_bytes)
        *n_bytes = other;
    det_leave(DET_ID_cudnnGetCTCLossWorkspaceSize_v8);
    return status;
}
