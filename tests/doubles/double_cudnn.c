/* The cuDNN double: handles, descriptors, and what vendor text says about order. See cudnn_double.h and README.md. */
#include "tests/doubles/cudnn_double.h"

/* Source for all rows: cuDNN backend guide, "Reproducibility (Determinism)": routines other than the listed exceptions are ordered; the
 * exceptions are the algorithms that are missing here. cudnn_ops.h names the two backward-filter algorithms "non-deterministic". */
static const char *const vendor_text[] = {
    "backward-filter algo 1",
    "backward-data algo 1",
    "backward-bias",
    "pooling mode 3",
    "ctc algo 0",
    "softmax",
    "forward",
};

bool double_ordered(const char *what)
{
    for (size_t i = 0; i < sizeof vendor_text / sizeof *vendor_text; i++)
        if (strcmp(vendor_text[i], what) == 0)
            return true;
    return false;
}

DOUBLE_API size_t cudnnGetVersion(void)
{
    return CUDNN_VERSION;
}

DOUBLE_API const char *cudnnGetErrorString(cudnnStatus_t status)
{
    return status == CUDNN_STATUS_SUCCESS ? "CUDNN_STATUS_SUCCESS" : "CUDNN_STATUS of the double";
}

DOUBLE_API cudnnStatus_t cudnnCreate(cudnnHandle_t *handle)
{
    ENTER(cudnnCreate);
    NEED(handle);
    *handle = calloc(1, sizeof **handle);
    return *handle ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_ALLOC_FAILED;
}

DOUBLE_API cudnnStatus_t cudnnDestroy(cudnnHandle_t handle)
{
    free(handle);
    return CUDNN_STATUS_SUCCESS;
}

DOUBLE_API cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream)
{
    ENTER(cudnnSetStream);
    NEED(handle);
    handle->stream = stream;
    return CUDNN_STATUS_SUCCESS;
}

DOUBLE_API cudnnStatus_t cudnnGetStream(cudnnHandle_t handle, cudaStream_t *stream)
{
    ENTER(cudnnGetStream);
    NEED(handle && stream);
    *stream = handle->stream;
    return CUDNN_STATUS_SUCCESS;
}

#define CREATE(name, type)                                                                         \
    DOUBLE_API cudnnStatus_t cudnnCreate##name##Descriptor(type *descriptor)                       \
    {                                                                                              \
        NEED(descriptor);                                                                          \
        *descriptor = calloc(1, 256);                                                              \
        return *descriptor ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_ALLOC_FAILED;                     \
    }                                                                                              \
    DOUBLE_API cudnnStatus_t cudnnDestroy##name##Descriptor(type descriptor)                       \
    {                                                                                              \
        free(descriptor);                                                                          \
        return CUDNN_STATUS_SUCCESS;                                                               \
    }
CREATE(Tensor, cudnnTensorDescriptor_t)
CREATE(Filter, cudnnFilterDescriptor_t)
CREATE(Convolution, cudnnConvolutionDescriptor_t)
CREATE(Pooling, cudnnPoolingDescriptor_t)
CREATE(Activation, cudnnActivationDescriptor_t)
CREATE(Dropout, cudnnDropoutDescriptor_t)
CREATE(CTCLoss, cudnnCTCLossDescriptor_t)
CREATE(SpatialTransformer, cudnnSpatialTransformerDescriptor_t)

DOUBLE_API cudnnStatus_t cudnnSetTensor4dDescriptor(cudnnTensorDescriptor_t t,
    cudnnTensorFormat_t format, cudnnDataType_t type, int n, int c, int h, int w)
{
    ENTER(cudnnSetTensor4dDescriptor);
    NEED(t && n > 0 && c > 0 && h > 0 && w > 0);
    if (format != CUDNN_TENSOR_NCHW || type != CUDNN_DATA_FLOAT)
        return CUDNN_STATUS_NOT_SUPPORTED;
    *t = (struct cudnnTensorStruct){ n, c, h, w, type };
    return CUDNN_STATUS_SUCCESS;
}

/* The double's tensors are packed. */
DOUBLE_API cudnnStatus_t cudnnGetTensor4dDescriptor(const cudnnTensorDescriptor_t t,
    cudnnDataType_t *type, int *n, int *c, int *h, int *w, int *n_stride, int *c_stride,
    int *h_stride, int *w_stride)
{
    NEED(t && type && n && c && h && w && n_stride && c_stride && h_stride && w_stride);
    *type = t->type, *n = t->n, *c = t->c, *h = t->h, *w = t->w;
    *w_stride = 1, *h_stride = t->w, *c_stride = t->h * t->w, *n_stride = t->c * t->h * t->w;
    return CUDNN_STATUS_SUCCESS;
}

DOUBLE_API cudnnStatus_t cudnnSetFilter4dDescriptor(cudnnFilterDescriptor_t f, cudnnDataType_t type,
    cudnnTensorFormat_t format, int k, int c, int h, int w)
{
    ENTER(cudnnSetFilter4dDescriptor);
    NEED(f && k > 0 && c > 0 && h > 0 && w > 0);
    if (format != CUDNN_TENSOR_NCHW || type != CUDNN_DATA_FLOAT)
        return CUDNN_STATUS_NOT_SUPPORTED;
    *f = (struct cudnnFilterStruct){ k, c, h, w, type };
    return CUDNN_STATUS_SUCCESS;
}

/* Dropout: the states hold the seed and a position; a xorshift of both decides. */
struct cudnnDropoutStruct {
    float rate;
    unsigned long long *states, seed;
};

DOUBLE_API cudnnStatus_t cudnnDropoutGetStatesSize(cudnnHandle_t handle, size_t *n_bytes)
{
    NEED(handle && n_bytes);
    *n_bytes = 2 * sizeof(unsigned long long);
    return CUDNN_STATUS_SUCCESS;
}

DOUBLE_API cudnnStatus_t cudnnDropoutGetReserveSpaceSize(cudnnTensorDescriptor_t x, size_t *n_bytes)
{
    NEED(x && n_bytes);
    *n_bytes = elements(x);
    return CUDNN_STATUS_SUCCESS;
}

DOUBLE_API cudnnStatus_t cudnnSetDropoutDescriptor(cudnnDropoutDescriptor_t d, cudnnHandle_t handle,
    float rate, void *states, size_t n_bytes, unsigned long long seed)
{
    ENTER(cudnnSetDropoutDescriptor);
    NEED(d && handle && (!states || n_bytes >= 2 * sizeof(unsigned long long)));
    *d = (struct cudnnDropoutStruct){ rate, states, seed };
    if (states) {
        double_prepares(handle->stream);
        d->states[0] = seed, d->states[1] = 0;
    }
    return CUDNN_STATUS_SUCCESS;
}

DOUBLE_API cudnnStatus_t cudnnRestoreDropoutDescriptor(cudnnDropoutDescriptor_t d,
    cudnnHandle_t handle, float rate, void *states, size_t n_bytes, unsigned long long seed)
{
    ENTER(cudnnRestoreDropoutDescriptor);
    NEED(d && handle && states && n_bytes >= 2 * sizeof(unsigned long long));
    *d = (struct cudnnDropoutStruct){ rate, states, seed };
    return CUDNN_STATUS_SUCCESS;
}

DOUBLE_API cudnnStatus_t cudnnGetDropoutDescriptor(cudnnDropoutDescriptor_t d, cudnnHandle_t handle,
    float *rate, void **states, unsigned long long *seed)
{
    ENTER(cudnnGetDropoutDescriptor);
    NEED(d && handle && rate && states && seed);
    *rate = d->rate, *states = d->states, *seed = d->seed;
    return CUDNN_STATUS_SUCCESS;
}

struct dropout_job {
    struct cudnnDropoutStruct d;
    size_t n;
    const float *x;
    float *y;
    unsigned char *mask;
};

static void dropout(void *arg)
{
    struct dropout_job *job = arg;
    const float keep = 1 - job->d.rate;
    for (size_t i = 0; i < job->n; i++) {
        unsigned long long v = job->d.states[0] + 0x9e3779b97f4a7c15u * ++job->d.states[1];
        v = (v ^ (v >> 30)) * 0xbf58476d1ce4e5b9u;
        job->mask[i] = (float)(v >> 40) / 16777216.0f < keep;
        job->y[i] = job->mask[i] ? job->x[i] / keep : 0;
    }
}

DOUBLE_API cudnnStatus_t cudnnDropoutForward(cudnnHandle_t handle, const cudnnDropoutDescriptor_t d,
    const cudnnTensorDescriptor_t x, const void *x_at, const cudnnTensorDescriptor_t y, void *y_at,
    void *reserve, size_t n_bytes)
{
    ENTER(cudnnDropoutForward);
    NEED(handle && d && x && y && x_at && y_at && reserve && n_bytes >= elements(x));
    const struct dropout_job job = { *d, elements(x), x_at, y_at, reserve };
    QUEUE(handle, dropout, job);
}
