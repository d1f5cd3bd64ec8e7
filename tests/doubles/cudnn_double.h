/* What the files of the cuDNN double share. float32, NCHW, packed, two spatial dimensions: everything else is CUDNN_STATUS_NOT_SUPPORTED.
 * Which calls are ordered is a row of `vendor_text` below, with its source; whatever is not there adds in random order. */
#ifndef CUDNN_DOUBLE_H
#define CUDNN_DOUBLE_H

#include <cudnn.h>
#include <stdlib.h>
#include <string.h>

#include "tests/doubles/double.h"

struct cudnnContext {
    cudaStream_t stream;
};
struct cudnnTensorStruct {
    int n, c, h, w;
    cudnnDataType_t type;
};
struct cudnnFilterStruct {
    int k, c, h, w;
    cudnnDataType_t type;
};
struct cudnnConvolutionStruct {
    int pad_h, pad_w, stride_h, stride_w, dilation_h, dilation_w;
    cudnnConvolutionMode_t mode;
    cudnnMathType_t math;
};

struct double_convolution {
    struct cudnnTensorStruct x, y;
    struct cudnnFilterStruct w;
    struct cudnnConvolutionStruct c;
};
/** The filter's gradient from x and dy, or the data's from w and dy, queued. Ordered algorithm 2 adds from the other end. */
cudnnStatus_t double_gradient(cudnnHandle_t handle, bool filter,
    const struct double_convolution *shape, const void *from, const void *dy, void *to,
    bool ordered, int algo);
/** True where vendor text says that the sum is formed in one order. */
bool double_ordered(const char *what);

static inline size_t elements(const struct cudnnTensorStruct *t)
{
    return (size_t)t->n * t->c * t->h * t->w;
}

/* Every entry: an injected status, then the NULL checks that the caller adds. */
#define ENTER(name)                                                                                \
    do {                                                                                           \
        const int injected_ = double_fail(#name);                                                  \
        double_trace(#name, "\"injected\":%d", injected_);                                         \
        if (injected_)                                                                             \
            return (cudnnStatus_t)injected_;                                                       \
    } while (0)
#define NEED(condition)                                                                            \
    if (!(condition))                                                                              \
    return CUDNN_STATUS_BAD_PARAM
/* A copy of `job` is queued; `run` sees it when the stream gets there. */
#define QUEUE(handle, run, job)                                                                    \
    do {                                                                                           \
        void *copy_ = malloc(sizeof(job));                                                         \
        if (!copy_)                                                                                \
            return CUDNN_STATUS_ALLOC_FAILED;                                                      \
        memcpy(copy_, &(job), sizeof(job));                                                        \
        return double_queue((handle)->stream, run, copy_) ? CUDNN_STATUS_SUCCESS                   \
                                                          : CUDNN_STATUS_EXECUTION_FAILED;         \
    } while (0)

static inline void blend(float *at, float alpha, float value, float beta)
{
    *at = beta == 0 ? alpha * value : alpha * value + beta * *at;
}

#endif
