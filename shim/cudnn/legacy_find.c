/* Algorithm finders. cudnnFind… runs and times every algorithm, so its order varies from run to run: we answer from …_v7, cuDNN's
 * heuristic for the same question, which runs nothing. Both lose entries that cuDNN itself marks CUDNN_NON_DETERMINISTIC.
 * Bad arguments go to the real function, whose answer is the right one. */
#include <string.h>

#include "shim/cudnn/cudnn_shim.h"

enum { MAX_ENTRIES = 32 }; /* cuDNN has at most 8 algorithms, each with and without tensor cores */

/* One body for three kinds of entry: keep what is ordered and fits, in order; entries that failed stay, as the vendor lists them.
 * `limit_bytes`: workspace the program offered. Returns how many were kept; *n_usable of them can run. */
#define FILTER(kind, entry)                                                                        \
    static int filter_##kind(entry *list, int n, size_t limit_bytes, bool timed, int *n_usable)    \
    {                                                                                              \
        int kept = 0;                                                                              \
        *n_usable = 0;                                                                             \
        for (int i = 0; i < n; i++) {                                                              \
            const bool runs = list[i].status == CUDNN_STATUS_SUCCESS;                              \
            if (list[i].determinism == CUDNN_NON_DETERMINISTIC && runs)                            \
                continue;                                                                          \
            if (runs && list[i].memory > limit_bytes)                                              \
                continue;                                                                          \
            list[kept] = list[i];                                                                  \
            if (timed && runs)                                                                     \
                list[kept].time = (float)(kept + 1);                                               \
            *n_usable += runs;                                                                     \
            kept++;                                                                                \
        }                                                                                          \
        return kept;                                                                               \
    }
FILTER(forward, cudnnConvolutionFwdAlgoPerf_t)
FILTER(data, cudnnConvolutionBwdDataAlgoPerf_t)
FILTER(filter, cudnnConvolutionBwdFilterAlgoPerf_t)

/* list: static type of entries; heuristic: an expression that fills `list` and `n` from the real …_v7. The answer is the program's own
 * call wherever ours would leave it with nothing that can run. */
#define ANSWER(symbol, kind, entry, rule, limit, timed, heuristic, forward)                        \
    if (!det_enter(DET_ID_##symbol))                                                               \
        return forward;                                                                            \
    entry list[MAX_ENTRIES];                                                                       \
    int n = 0, n_usable = 0;                                                                       \
    cudnnStatus_t status = CUDNN_STATUS_NOT_SUPPORTED;                                             \
    if (det_rule_acts(rule) && n_asked > 0 && n_given && entries)                                  \
        status = heuristic;                                                                        \
    const int n_all = n;                                                                           \
    if (status == CUDNN_STATUS_SUCCESS)                                                            \
        n = filter_##kind(list, n, limit, timed, &n_usable);                                       \
    if (status != CUDNN_STATUS_SUCCESS || !n_usable) {                                             \
        status = forward;                                                                          \
        if (timed && status == CUDNN_STATUS_SUCCESS)                                               \
            DET_COUNT(DET_NAME(symbol), DET_CLASS_UNCOVERED, rule, "picks by time");               \
    } else {                                                                                       \
        *n_given = n < n_asked ? n : n_asked;                                                      \
        memcpy(entries, list, (size_t)*n_given * sizeof *list);                                    \
        if (timed)                                                                                 \
            det_log_override_text(DET_NAME(symbol), rule, "choice", "by time", "by heuristic");    \
        else if (n != n_all)                                                                       \
            det_log_override(DET_NAME(symbol), rule, "algorithms", n_all, n);                      \
    }                                                                                              \
    det_leave(DET_ID_##symbol);                                                                    \
    return status

#define FORWARD_V7                                                                                 \
    DET_REAL(cudnnGetConvolutionForwardAlgorithm_v7)                                               \
    (handle, x, w, convolution, y, MAX_ENTRIES, &n, list)
#define DATA_V7                                                                                    \
    DET_REAL(cudnnGetConvolutionBackwardDataAlgorithm_v7)                                          \
    (handle, w, dy, convolution, dx, MAX_ENTRIES, &n, list)
#define FILTER_V7                                                                                  \
    DET_REAL(cudnnGetConvolutionBackwardFilterAlgorithm_v7)                                        \
    (handle, x, dy, convolution, dw, MAX_ENTRIES, &n, list)

DET_EXPORT cudnnStatus_t cudnnFindConvolutionForwardAlgorithm(cudnnHandle_t handle,
    const cudnnTensorDescriptor_t x, const cudnnFilterDescriptor_t w,
    const cudnnConvolutionDescriptor_t convolution, const cudnnTensorDescriptor_t y,
    const int n_asked, int *n_given, cudnnConvolutionFwdAlgoPerf_t *entries)
{
    ANSWER(cudnnFindConvolutionForwardAlgorithm, forward, cudnnConvolutionFwdAlgoPerf_t,
        DET_RULE_CUDNN_FIND, SIZE_MAX, true, FORWARD_V7,
        DET_REAL(cudnnFindConvolutionForwardAlgorithm)(
            handle, x, w, convolution, y, n_asked, n_given, entries));
}

DET_EXPORT cudnnStatus_t cudnnFindConvolutionForwardAlgorithmEx(cudnnHandle_t handle,
    const cudnnTensorDescriptor_t x, const void *x_at, const cudnnFilterDescriptor_t w,
    const void *w_at, const cudnnConvolutionDescriptor_t convolution,
    const cudnnTensorDescriptor_t y, void *y_at, const int n_asked, int *n_given,
    cudnnConvolutionFwdAlgoPerf_t *entries, void *workspace, size_t n_bytes)
{
    ANSWER(cudnnFindConvolutionForwardAlgorithmEx, forward, cudnnConvolutionFwdAlgoPerf_t,
        DET_RULE_CUDNN_FIND, n_bytes, true, FORWARD_V7,
        DET_REAL(cudnnFindConvolutionForwardAlgorithmEx)(handle, x, x_at, w, w_at, convolution, y,
            y_at, n_asked, n_given, entries, workspace, n_bytes));
}

DET_EXPORT cudnnStatus_t cudnnGetConvolutionForwardAlgorithm_v7(cudnnHandle_t handle,
    const cudnnTensorDescriptor_t x, const cudnnFilterDescriptor_t w,
    const cudnnConvolutionDescriptor_t convolution, const cudnnTensorDescriptor_t y,
    const int n_asked, int *n_given, cudnnConvolutionFwdAlgoPerf_t *entries)
{
    ANSWER(cudnnGetConvolutionForwardAlgorithm_v7, forward, cudnnConvolutionFwdAlgoPerf_t,
        DET_RULE_CUDNN_FIND, SIZE_MAX, false, FORWARD_V7,
        DET_REAL(cudnnGetConvolutionForwardAlgorithm_v7)(
            handle, x, w, convolution, y, n_asked, n_given, entries));
}

DET_EXPORT cudnnStatus_t cudnnFindConvolutionBackwardDataAlgorithm(cudnnHandle_t handle,
    const cudnnFilterDescriptor_t w, const cudnnTensorDescriptor_t dy,
    const cudnnConvolutionDescriptor_t convolution, const cudnnTensorDescriptor_t dx,
    const int n_asked, int *n_given, cudnnConvolutionBwdDataAlgoPerf_t *entries)
{
    ANSWER(cudnnFindConvolutionBackwardDataAlgorithm, data, cudnnConvolutionBwdDataAlgoPerf_t,
        DET_RULE_CUDNN_FIND, SIZE_MAX, true, DATA_V7,
        DET_REAL(cudnnFindConvolutionBackwardDataAlgorithm)(
            handle, w, dy, convolution, dx, n_asked, n_given, entries));
}

DET_EXPORT cudnnStatus_t cudnnFindConvolutionBackwardDataAlgorithmEx(cudnnHandle_t handle,
    const cudnnFilterDescriptor_t w, const void *w_at, const cudnnTensorDescriptor_t dy,
    const void *dy_at, const cudnnConvolutionDescriptor_t convolution,
    const cudnnTensorDescriptor_t dx, void *dx_at, const int n_asked, int *n_given,
    cudnnConvolutionBwdDataAlgoPerf_t *entries, void *workspace, size_t n_bytes)
{
    ANSWER(cudnnFindConvolutionBackwardDataAlgorithmEx, data, cudnnConvolutionBwdDataAlgoPerf_t,
        DET_RULE_CUDNN_FIND, n_bytes, true, DATA_V7,
        DET_REAL(cudnnFindConvolutionBackwardDataAlgorithmEx)(handle, w, w_at, dy, dy_at,
            convolution, dx, dx_at, n_asked, n_given, entries, workspace, n_bytes));
}

DET_EXPORT cudnnStatus_t cudnnGetConvolutionBackwardDataAlgorithm_v7(cudnnHandle_t handle,
    const cudnnFilterDescriptor_t w, const cudnnTensorDescriptor_t dy,
    const cudnnConvolutionDescriptor_t convolution, const cudnnTensorDescriptor_t dx,
    const int n_asked, int *n_given, cudnnConvolutionBwdDataAlgoPerf_t *entries)
{
    ANSWER(cudnnGetConvolutionBackwardDataAlgorithm_v7, data, cudnnConvolutionBwdDataAlgoPerf_t,
        DET_RULE_CUDNN_FIND, SIZE_MAX, false, DATA_V7,
        DET_REAL(cudnnGetConvolutionBackwardDataAlgorithm_v7)(
            handle, w, dy, convolution, dx, n_asked, n_given, entries));
}

DET_EXPORT cudnnStatus_t cudnnFindConvolutionBackwardFilterAlgorithm(cudnnHandle_t handle,
    const cudnnTensorDescriptor_t x, const cudnnTensorDescriptor_t dy,
    const cudnnConvolutionDescriptor_t convolution, const cudnnFilterDescriptor_t dw,
    const int n_asked, int *n_given, cudnnConvolutionBwdFilterAlgoPerf_t *entries)
{
    ANSWER(cudnnFindConvolutionBackwardFilterAlgorithm, filter, cudnnConvolutionBwdFilterAlgoPerf_t,
        DET_RULE_CUDNN_FIND, SIZE_MAX, true, FILTER_V7,
        DET_REAL(cudnnFindConvolutionBackwardFilterAlgorithm)(
            handle, x, dy, convolution, dw, n_asked, n_given, entries));
}

DET_EXPORT cudnnStatus_t cudnnFindConvolutionBackwardFilterAlgorithmEx(cudnnHandle_t handle,
    const cudnnTensorDescriptor_t x, const void *x_at, const cudnnTensorDescriptor_t dy,
    const void *dy_at, const cudnnConvolutionDescriptor_t convolution,
    const cudnnFilterDescriptor_t dw, void *dw_at, const int n_asked, int *n_given,
    cudnnConvolutionBwdFilterAlgoPerf_t *entries, void *workspace, size_t n_bytes)
{
    ANSWER(cudnnFindConvolutionBackwardFilterAlgorithmEx, filter,
        cudnnConvolutionBwdFilterAlgoPerf_t, DET_RULE_CUDNN_FIND, n_bytes, true, FILTER_V7,
        DET_REAL(cudnnFindConvolutionBackwardFilterAlgorithmEx)(handle, x, x_at, dy, dy_at,
            convolution, dw, dw_at, n_asked, n_given, entries, workspace, n_bytes));
}

DET_EXPORT cudnnStatus_t cudnnGetConvolutionBackwardFilterAlgorithm_v7(cudnnHandle_t handle,
    const cudnnTensorDescriptor_t x, const cudnnTensorDescriptor_t dy,
    const cudnnConvolutionDescriptor_t convolution, const cudnnFilterDescriptor_t dw,
    const int n_asked, int *n_given, cudnnConvolutionBwdFilterAlgoPerf_t *entries)
{
    ANSWER(cudnnGetConvolutionBackwardFilterAlgorithm_v7, filter,
        cudnnConvolutionBwdFilterAlgoPerf_t, DET_RULE_CUDNN_FIND, SIZE_MAX, false, FILTER_V7,
        DET_REAL(cudnnGetConvolutionBackwardFilterAlgorithm_v7)(
            handle, x, dy, convolution, dw, n_asked, n_given, entries));
}
