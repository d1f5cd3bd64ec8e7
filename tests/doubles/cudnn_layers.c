/* Pooling, activation, softmax, bias and the spatial sampler of the cuDNN double. */
#include <math.h>

#include "tests/doubles/cudnn_double.h"

struct cudnnPoolingStruct {
    cudnnPoolingMode_t mode;
    cudnnNanPropagation_t nan;
    int h, w, pad_h, pad_w, stride_h, stride_w;
};
struct cudnnActivationStruct {
    cudnnActivationMode_t mode;
    double coefficient;
};
struct pool_job {
    struct cudnnPoolingStruct p;
    struct cudnnTensorStruct x, y;
    const float *x_at, *y_at, *dy_at;
    float *to, alpha, beta;
    bool ordered;
};

DOUBLE_API cudnnStatus_t cudnnSetPooling2dDescriptor(cudnnPoolingDescriptor_t p,
    cudnnPoolingMode_t mode, cudnnNanPropagation_t nan, int h, int w, int pad_h, int pad_w,
    int stride_h, int stride_w)
{
    ENTER(cudnnSetPooling2dDescriptor);
    NEED(p && h > 0 && w > 0 && pad_h >= 0 && pad_w >= 0 && stride_h > 0 && stride_w > 0);
    if (mode != CUDNN_POOLING_MAX && mode != CUDNN_POOLING_MAX_DETERMINISTIC)
        return CUDNN_STATUS_NOT_SUPPORTED;
    *p = (struct cudnnPoolingStruct){ mode, nan, h, w, pad_h, pad_w, stride_h, stride_w };
    return CUDNN_STATUS_SUCCESS;
}

DOUBLE_API cudnnStatus_t cudnnSetPoolingNdDescriptor(cudnnPoolingDescriptor_t p,
    const cudnnPoolingMode_t mode, const cudnnNanPropagation_t nan, int n_dims, const int window[],
    const int padding[], const int stride[])
{
    ENTER(cudnnSetPoolingNdDescriptor);
    NEED(p && n_dims == 2 && window && padding && stride);
    if (mode != CUDNN_POOLING_MAX && mode != CUDNN_POOLING_MAX_DETERMINISTIC)
        return CUDNN_STATUS_NOT_SUPPORTED;
    *p = (struct cudnnPoolingStruct){ mode, nan, window[0], window[1], padding[0], padding[1],
        stride[0], stride[1] };
    return CUDNN_STATUS_SUCCESS;
}

DOUBLE_API cudnnStatus_t cudnnGetPooling2dDescriptor(const cudnnPoolingDescriptor_t p,
    cudnnPoolingMode_t *mode, cudnnNanPropagation_t *nan, int *h, int *w, int *pad_h, int *pad_w,
    int *stride_h, int *stride_w)
{
    ENTER(cudnnGetPooling2dDescriptor);
    NEED(p && mode && nan && h && w && pad_h && pad_w && stride_h && stride_w);
    *mode = p->mode, *nan = p->nan, *h = p->h, *w = p->w;
    *pad_h = p->pad_h, *pad_w = p->pad_w, *stride_h = p->stride_h, *stride_w = p->stride_w;
    return CUDNN_STATUS_SUCCESS;
}

DOUBLE_API cudnnStatus_t cudnnGetPoolingNdDescriptor(const cudnnPoolingDescriptor_t p, int n_asked,
    cudnnPoolingMode_t *mode, cudnnNanPropagation_t *nan, int *n_dims, int window[], int padding[],
    int stride[])
{
    ENTER(cudnnGetPoolingNdDescriptor);
    NEED(p && n_asked >= 2 && mode && nan && n_dims && window && padding && stride);
    *mode = p->mode, *nan = p->nan, *n_dims = 2;
    window[0] = p->h, window[1] = p->w, padding[0] = p->pad_h, padding[1] = p->pad_w;
    stride[0] = p->stride_h, stride[1] = p->stride_w;
    return CUDNN_STATUS_SUCCESS;
}

/* Index in the plane of the first largest input under an output; -1 when the window holds none. */
static long argmax(const struct pool_job *j, const float *plane, int h, int w)
{
    long best = -1;
    for (int r = 0; r < j->p.h; r++)
        for (int s = 0; s < j->p.w; s++) {
            const int y = h * j->p.stride_h - j->p.pad_h + r,
                      x = w * j->p.stride_w - j->p.pad_w + s;
            if (y < 0 || x < 0 || y >= j->x.h || x >= j->x.w)
                continue;
            const long at = (long)y * j->x.w + x;
            if (best < 0 || plane[at] > plane[best])
                best = at;
        }
    return best;
}

static void pool_forward(void *arg)
{
    const struct pool_job *j = arg;
    for (int p = 0; p < j->x.n * j->x.c; p++)
        for (int h = 0; h < j->y.h; h++)
            for (int w = 0; w < j->y.w; w++) {
                const float *plane = j->x_at + (size_t)p * j->x.h * j->x.w;
                const long at = argmax(j, plane, h, w);
                blend(&j->to[((size_t)p * j->y.h + h) * j->y.w + w], j->alpha,
                    at < 0 ? 0 : plane[at], j->beta);
            }
}

static void pool_backward(void *arg)
{
    const struct pool_job *j = arg;
    const size_t n_in = (size_t)j->x.h * j->x.w, n_out = (size_t)j->y.h * j->y.w;
    float *terms = malloc(sizeof(float) * (n_out + 1));
    long *from = malloc(sizeof(long) * (n_out + 1));
    for (int p = 0; p < j->x.n * j->x.c; p++) {
        for (size_t o = 0; o < n_out; o++)
            from[o] = argmax(j, j->x_at + (size_t)p * n_in, (int)o / j->y.w, (int)o % j->y.w);
        for (size_t i = 0; i < n_in; i++) {
            size_t n = 0;
            for (size_t o = 0; o < n_out; o++)
                if (from[o] == (long)i)
                    terms[n++] = j->dy_at[(size_t)p * n_out + o];
            blend(&j->to[(size_t)p * n_in + i], j->alpha, double_sum_f32(terms, n, j->ordered),
                j->beta);
        }
    }
    free(from);
    free(terms);
}

DOUBLE_API cudnnStatus_t cudnnPoolingForward(cudnnHandle_t handle, const cudnnPoolingDescriptor_t p,
    const void *alpha, const cudnnTensorDescriptor_t x, const void *x_at, const void *beta,
    const cudnnTensorDescriptor_t y, void *y_at)
{
    ENTER(cudnnPoolingForward);
    NEED(handle && p && alpha && beta && x && y && x_at && y_at && x->c == y->c && x->n == y->n);
    const struct pool_job job = { .p = *p,
        .x = *x,
        .y = *y,
        .x_at = x_at,
        .to = y_at,
        .alpha = *(const float *)alpha,
        .beta = *(const float *)beta };
    QUEUE(handle, pool_forward, job);
}

DOUBLE_API cudnnStatus_t cudnnPoolingBackward(cudnnHandle_t handle,
    const cudnnPoolingDescriptor_t p, const void *alpha, const cudnnTensorDescriptor_t y,
    const void *y_at, const cudnnTensorDescriptor_t dy, const void *dy_at,
    const cudnnTensorDescriptor_t x, const void *x_at, const void *beta,
    const cudnnTensorDescriptor_t dx, void *dx_at)
{
    ENTER(cudnnPoolingBackward);
    NEED(handle && p && alpha && beta && y && dy && x && dx && y_at && dy_at && x_at && dx_at);
    const struct pool_job job = { *p, *x, *dy, x_at, y_at, dy_at, dx_at, *(const float *)alpha,
        *(const float *)beta,
        p->mode == CUDNN_POOLING_MAX_DETERMINISTIC && double_ordered("pooling mode 3") };
    QUEUE(handle, pool_backward, job);
}

struct plain_job {
    struct cudnnTensorStruct t, other;
    const float *a, *b, *x;
    float *to, alpha, beta;
};

DOUBLE_API cudnnStatus_t cudnnSetActivationDescriptor(cudnnActivationDescriptor_t a,
    cudnnActivationMode_t mode, cudnnNanPropagation_t nan, double coefficient)
{
    (void)nan;
    ENTER(cudnnSetActivationDescriptor);
    NEED(a);
    if (mode != CUDNN_ACTIVATION_RELU)
        return CUDNN_STATUS_NOT_SUPPORTED;
    *a = (struct cudnnActivationStruct){ mode, coefficient };
    return CUDNN_STATUS_SUCCESS;
}

static void relu_forward(void *arg)
{
    const struct plain_job *j = arg;
    for (size_t i = 0; i < elements(&j->t); i++)
        blend(&j->to[i], j->alpha, j->a[i] > 0 ? j->a[i] : 0, j->beta);
}

static void relu_backward(void *arg)
{
    const struct plain_job *j = arg;
    for (size_t i = 0; i < elements(&j->t); i++)
        blend(&j->to[i], j->alpha, j->x[i] > 0 ? j->b[i] : 0, j->beta);
}

DOUBLE_API cudnnStatus_t cudnnActivationForward(cudnnHandle_t handle, cudnnActivationDescriptor_t a,
    const void *alpha, const cudnnTensorDescriptor_t x, const void *x_at, const void *beta,
    const cudnnTensorDescriptor_t y, void *y_at)
{
    ENTER(cudnnActivationForward);
    NEED(handle && a && alpha && beta && x && y && x_at && y_at && elements(x) == elements(y));
    const struct plain_job job = {
        .t = *x, .a = x_at, .to = y_at, .alpha = *(const float *)alpha, .beta = *(const float *)beta
    };
    QUEUE(handle, relu_forward, job);
}

DOUBLE_API cudnnStatus_t cudnnActivationBackward(cudnnHandle_t handle,
    cudnnActivationDescriptor_t a, const void *alpha, const cudnnTensorDescriptor_t y,
    const void *y_at, const cudnnTensorDescriptor_t dy, const void *dy_at,
    const cudnnTensorDescriptor_t x, const void *x_at, const void *beta,
    const cudnnTensorDescriptor_t dx, void *dx_at)
{
    (void)y_at;
    ENTER(cudnnActivationBackward);
    NEED(handle && a && alpha && beta && y && dy && x && dx && dy_at && x_at && dx_at);
    const struct plain_job job = { .t = *x,
        .b = dy_at,
        .x = x_at,
        .to = dx_at,
        .alpha = *(const float *)alpha,
        .beta = *(const float *)beta };
    QUEUE(handle, relu_backward, job);
}

static void add_bias(void *arg)
{
    const struct plain_job *j = arg;
    const size_t plane = (size_t)j->t.h * j->t.w;
    for (size_t i = 0; i < elements(&j->t); i++)
        blend(&j->to[i], j->alpha, j->a[i / plane % (size_t)j->t.c], j->beta);
}

/* The double adds one value per channel. */
DOUBLE_API cudnnStatus_t cudnnAddTensor(cudnnHandle_t handle, const void *alpha,
    const cudnnTensorDescriptor_t a, const void *a_at, const void *beta,
    const cudnnTensorDescriptor_t c, void *c_at)
{
    ENTER(cudnnAddTensor);
    NEED(handle && alpha && beta && a && c && a_at && c_at);
    if (a->n != 1 || a->h != 1 || a->w != 1 || a->c != c->c)
        return CUDNN_STATUS_NOT_SUPPORTED;
    const struct plain_job job = {
        .t = *c, .a = a_at, .to = c_at, .alpha = *(const float *)alpha, .beta = *(const float *)beta
    };
    QUEUE(handle, add_bias, job);
}

static void softmax_forward(void *arg)
{
    const struct plain_job *j = arg;
    for (int n = 0; n < j->t.n; n++) {
        const float *x = j->a + (size_t)n * j->t.c;
        float largest = x[0], sum = 0;
        for (int c = 1; c < j->t.c; c++)
            largest = fmaxf(largest, x[c]);
        for (int c = 0; c < j->t.c; c++)
            sum += expf(x[c] - largest);
        for (int c = 0; c < j->t.c; c++)
            blend(&j->to[(size_t)n * j->t.c + c], j->alpha, expf(x[c] - largest) / sum, j->beta);
    }
}

DOUBLE_API cudnnStatus_t cudnnSoftmaxForward(cudnnHandle_t handle, cudnnSoftmaxAlgorithm_t algo,
    cudnnSoftmaxMode_t mode, const void *alpha, const cudnnTensorDescriptor_t x, const void *x_at,
    const void *beta, const cudnnTensorDescriptor_t y, void *y_at)
{
    ENTER(cudnnSoftmaxForward);
    NEED(handle && alpha && beta && x && y && x_at && y_at);
    if (algo != CUDNN_SOFTMAX_ACCURATE || x->h != 1 || x->w != 1)
        return CUDNN_STATUS_NOT_SUPPORTED;
    (void)mode;
    const struct plain_job job = {
        .t = *x, .a = x_at, .to = y_at, .alpha = *(const float *)alpha, .beta = *(const float *)beta
    };
    QUEUE(handle, softmax_forward, job);
}
