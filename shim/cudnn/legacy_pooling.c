/* Max pooling backward adds by atomics where windows overlap, unless the descriptor holds the deterministic mode (cuDNN 6.0 and newer).
 * Source: cuDNN backend guide, Reproducibility (Determinism). The getters answer what the program set. */
#include "shim/core/kept.h"
#include "shim/cudnn/cudnn_shim.h"

enum field { ASKED, GIVEN, N_FIELDS };
static struct det_kept kept;

/* `set`: the real call with `mode` replaced. A library that refuses the ordered mode gets the program's own. */
#define SET(symbol, descriptor, asked, set)                                                        \
    if (!det_enter(DET_ID_##symbol)) {                                                             \
        const cudnnPoolingMode_t mode = asked;                                                     \
        return set;                                                                                \
    }                                                                                              \
    cudnnStatus_t status = CUDNN_STATUS_NOT_SUPPORTED;                                             \
    cudnnPoolingMode_t mode = asked;                                                               \
    if (asked == CUDNN_POOLING_MAX && det_rule_acts(DET_RULE_CUDNN_POOLING)) {                     \
        mode = CUDNN_POOLING_MAX_DETERMINISTIC;                                                    \
        status = set;                                                                              \
    }                                                                                              \
    if (status != CUDNN_STATUS_SUCCESS) {                                                          \
        mode = asked;                                                                              \
        status = set;                                                                              \
    }                                                                                              \
    set_done(DET_NAME(symbol), status, descriptor, asked, mode);                                   \
    det_leave(DET_ID_##symbol);                                                                    \
    return status

static void set_done(const char *call, cudnnStatus_t status, cudnnPoolingDescriptor_t descriptor,
    cudnnPoolingMode_t asked, cudnnPoolingMode_t given)
{
    if (status != CUDNN_STATUS_SUCCESS)
        return;
    det_kept_set(&kept, descriptor, ASKED, asked);
    det_kept_set(&kept, descriptor, GIVEN, given);
    if (given != asked)
        det_log_override(call, DET_RULE_CUDNN_POOLING, "mode", asked, given);
}

DET_EXPORT cudnnStatus_t cudnnSetPooling2dDescriptor(cudnnPoolingDescriptor_t descriptor,
    cudnnPoolingMode_t asked, cudnnNanPropagation_t nan, int height, int width, int pad_height,
    int pad_width, int stride_height, int stride_width)
{
    SET(cudnnSetPooling2dDescriptor, descriptor, asked,
        DET_REAL(cudnnSetPooling2dDescriptor)(descriptor, mode, nan, height, width, pad_height,
            pad_width, stride_height, stride_width));
}

DET_EXPORT cudnnStatus_t cudnnSetPoolingNdDescriptor(cudnnPoolingDescriptor_t descriptor,
    const cudnnPoolingMode_t asked, const cudnnNanPropagation_t nan, int n_dims, const int window[],
    const int padding[], const int stride[])
{
    SET(cudnnSetPoolingNdDescriptor, descriptor, asked,
        DET_REAL(cudnnSetPoolingNdDescriptor)(
            descriptor, mode, nan, n_dims, window, padding, stride));
}

static void echo(
    cudnnStatus_t status, const cudnnPoolingDescriptor_t descriptor, cudnnPoolingMode_t *mode)
{
    int64_t asked = 0;
    if (status == CUDNN_STATUS_SUCCESS && mode && det_kept_get(&kept, descriptor, ASKED, &asked))
        *mode = (cudnnPoolingMode_t)asked;
}

DET_EXPORT cudnnStatus_t cudnnGetPooling2dDescriptor(const cudnnPoolingDescriptor_t descriptor,
    cudnnPoolingMode_t *mode, cudnnNanPropagation_t *nan, int *height, int *width, int *pad_height,
    int *pad_width, int *stride_height, int *stride_width)
{
    const cudnnStatus_t status = DET_REAL(cudnnGetPooling2dDescriptor)(
        descriptor, mode, nan, height, width, pad_height, pad_width, stride_height, stride_width);
    echo(status, descriptor, mode);
    return status;
}

DET_EXPORT cudnnStatus_t cudnnGetPoolingNdDescriptor(const cudnnPoolingDescriptor_t descriptor,
    int n_asked, cudnnPoolingMode_t *mode, cudnnNanPropagation_t *nan, int *n_dims, int window[],
    int padding[], int stride[])
{
    const cudnnStatus_t status = DET_REAL(cudnnGetPoolingNdDescriptor)(
        descriptor, n_asked, mode, nan, n_dims, window, padding, stride);
    echo(status, descriptor, mode);
    return status;
}

DET_EXPORT cudnnStatus_t cudnnDestroyPoolingDescriptor(cudnnPoolingDescriptor_t descriptor)
{
    det_kept_drop(&kept, descriptor, N_FIELDS);
    return DET_REAL(cudnnDestroyPoolingDescriptor)(descriptor);
}

DET_EXPORT cudnnStatus_t cudnnPoolingBackward(cudnnHandle_t handle,
    const cudnnPoolingDescriptor_t pooling, const void *alpha, const cudnnTensorDescriptor_t y,
    const void *y_at, const cudnnTensorDescriptor_t dy, const void *dy_at,
    const cudnnTensorDescriptor_t x, const void *x_at, const void *beta,
    const cudnnTensorDescriptor_t dx, void *dx_at)
{
    if (!det_enter(DET_ID_cudnnPoolingBackward))
        return DET_REAL(cudnnPoolingBackward)(
            handle, pooling, alpha, y, y_at, dy, dy_at, x, x_at, beta, dx, dx_at);
    const cudnnStatus_t status = DET_REAL(cudnnPoolingBackward)(
        handle, pooling, alpha, y, y_at, dy, dy_at, x, x_at, beta, dx, dx_at);
    int64_t asked = 0, given = -1;
    det_kept_get(&kept, pooling, ASKED, &asked);
    det_kept_get(&kept, pooling, GIVEN, &given);
    if (status == CUDNN_STATUS_SUCCESS) {
        if (given == CUDNN_POOLING_MAX)
            DET_COUNT(DET_NAME(cudnnPoolingBackward), DET_CLASS_UNCOVERED, DET_RULE_CUDNN_POOLING,
                "max pooling adds by atomics");
        else if (given == -1)
            DET_COUNT(DET_NAME(cudnnPoolingBackward), DET_CLASS_UNKNOWN, DET_N_RULES,
                "descriptor was set out of our sight");
        else if (given != asked)
            DET_COUNT(DET_NAME(cudnnPoolingBackward), DET_CLASS_PINNED, DET_RULE_CUDNN_POOLING, "");
        else
            DET_COUNT(
                DET_NAME(cudnnPoolingBackward), DET_CLASS_VOUCHED, DET_RULE_CUDNN_DOCUMENTED, "");
    }
    det_leave(DET_ID_cudnnPoolingBackward);
    return status;
}
