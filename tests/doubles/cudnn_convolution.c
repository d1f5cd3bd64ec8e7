/* Convolution of the cuDNN double: forward and both backward passes as sums of products per output element. */
#include "tests/doubles/cudnn_double.h"

struct job {
    struct cudnnTensorStruct x, y;
    struct cudnnFilterStruct w;
    struct cudnnConvolutionStruct c;
    const float *x_at, *w_at, *y_at;
    float *to;
    float alpha, beta;
    bool ordered;
    int algo; /* forward: algorithms add in orders of their own, each in one */
};

DOUBLE_API cudnnStatus_t cudnnSetConvolution2dDescriptor(cudnnConvolutionDescriptor_t c, int pad_h,
    int pad_w, int stride_h, int stride_w, int dilation_h, int dilation_w,
    cudnnConvolutionMode_t mode, cudnnDataType_t type)
{
    ENTER(cudnnSetConvolution2dDescriptor);
    NEED(c && pad_h >= 0 && pad_w >= 0 && stride_h > 0 && stride_w > 0 && dilation_h > 0 &&
         dilation_w > 0);
    if (type != CUDNN_DATA_FLOAT || mode != CUDNN_CROSS_CORRELATION)
        return CUDNN_STATUS_NOT_SUPPORTED;
    *c = (struct cudnnConvolutionStruct){ pad_h, pad_w, stride_h, stride_w, dilation_h, dilation_w,
        mode, 0 };
    return CUDNN_STATUS_SUCCESS;
}

DOUBLE_API cudnnStatus_t cudnnSetConvolutionMathType(
    cudnnConvolutionDescriptor_t c, cudnnMathType_t math)
{
    NEED(c);
    c->math = math;
    return CUDNN_STATUS_SUCCESS;
}

static int out_size(int in, int pad, int window, int stride, int dilation)
{
    return (in + 2 * pad - (dilation * (window - 1) + 1)) / stride + 1;
}

DOUBLE_API cudnnStatus_t cudnnGetConvolution2dForwardOutputDim(const cudnnConvolutionDescriptor_t c,
    const cudnnTensorDescriptor_t x, const cudnnFilterDescriptor_t w, int *n, int *k, int *h,
    int *width)
{
    NEED(c && x && w && n && k && h && width && x->c == w->c);
    *n = x->n, *k = w->k;
    *h = out_size(x->h, c->pad_h, w->h, c->stride_h, c->dilation_h);
    *width = out_size(x->w, c->pad_w, w->w, c->stride_w, c->dilation_w);
    return CUDNN_STATUS_SUCCESS;
}

static bool fits(const struct cudnnTensorStruct *x, const struct cudnnFilterStruct *w,
    const struct cudnnConvolutionStruct *c, const struct cudnnTensorStruct *y)
{
    return x && w && c && y && x->c == w->c && y->c == w->k && y->n == x->n &&
           y->h == out_size(x->h, c->pad_h, w->h, c->stride_h, c->dilation_h) &&
           y->w == out_size(x->w, c->pad_w, w->w, c->stride_w, c->dilation_w);
}

/* Input coordinate under (output, tap), -1 outside: a table for one direction, by output and tap. */
struct map {
    int n_out, n_taps;
    int *at;
};

static struct map map_of(int n_out, int n_taps, int pad, int stride, int dilation, int size)
{
    struct map m = { n_out, n_taps, malloc(sizeof(int) * (size_t)(n_out * n_taps + 1)) };
    for (int out = 0; out < n_out; out++)
        for (int tap = 0; tap < n_taps; tap++) {
            const int at = out * stride - pad + tap * dilation;
            m.at[out * n_taps + tap] = at < 0 || at >= size ? -1 : at;
        }
    return m;
}

/* The reverse: the output whose tap lies over an input coordinate, -1 where there is none. */
static struct map reverse_of(int n_in, int n_taps, int pad, int stride, int dilation, int n_out)
{
    struct map m = { n_in, n_taps, malloc(sizeof(int) * (size_t)(n_in * n_taps + 1)) };
    for (int in = 0; in < n_in; in++)
        for (int tap = 0; tap < n_taps; tap++) {
            const int at = in + pad - tap * dilation;
            m.at[in * n_taps + tap] =
                at < 0 || at % stride || at / stride >= n_out ? -1 : at / stride;
        }
    return m;
}

static size_t X(const struct job *j, int n, int c, int h, int w)
{
    return (((size_t)n * j->x.c + c) * j->x.h + h) * j->x.w + w;
}
static size_t Y(const struct job *j, int n, int k, int h, int w)
{
    return (((size_t)n * j->y.c + k) * j->y.h + h) * j->y.w + w;
}
static size_t W(const struct job *j, int k, int c, int r, int s)
{
    return (((size_t)k * j->w.c + c) * j->w.h + r) * j->w.w + s;
}

static struct map rows_of(const struct job *j)
{
    return map_of(j->y.h, j->w.h, j->c.pad_h, j->c.stride_h, j->c.dilation_h, j->x.h);
}
static struct map columns_of(const struct job *j)
{
    return map_of(j->y.w, j->w.w, j->c.pad_w, j->c.stride_w, j->c.dilation_w, j->x.w);
}

static float forward_one(const struct job *j, const struct map *rows, const struct map *columns,
    int n, int k, int h, int w)
{
    float sum = 0;
    for (int i = 0; i < j->x.c; i++)
        for (int r = 0; r < j->w.h; r++) {
            const int c = j->algo == 1 ? j->x.c - 1 - i : i;
            const int y = rows->at[h * rows->n_taps + r];
            if (y < 0)
                continue;
            const float *const from = &j->x_at[X(j, n, c, y, 0)], *by = &j->w_at[W(j, k, c, r, 0)];
            for (int s = 0; s < j->w.w; s++) {
                const int x = columns->at[w * columns->n_taps + s];
                if (x >= 0)
                    sum += from[x] * by[s];
            }
        }
    return sum;
}

static void forward(void *arg)
{
    const struct job *j = arg;
    const struct map rows = rows_of(j), columns = columns_of(j);
    for (int n = 0; n < j->y.n; n++)
        for (int k = 0; k < j->y.c; k++)
            for (int h = 0; h < j->y.h; h++)
                for (int w = 0; w < j->y.w; w++)
                    blend(&j->to[Y(j, n, k, h, w)], j->alpha,
                        forward_one(j, &rows, &columns, n, k, h, w), j->beta);
    free(rows.at);
    free(columns.at);
}

/* dW[k,c,r,s] = sum over n,h,w of dY * X. */
static size_t filter_terms(const struct job *j, const struct map *rows, const struct map *columns,
    int k, int c, int r, int s, float *terms)
{
    size_t n_terms = 0;
    for (int n = 0; n < j->y.n; n++)
        for (int h = 0; h < j->y.h; h++) {
            const int y = rows->at[h * rows->n_taps + r];
            if (y < 0)
                continue;
            const float *const from = &j->x_at[X(j, n, c, y, 0)], *by = &j->y_at[Y(j, n, k, h, 0)];
            for (int w = 0; w < j->y.w; w++) {
                const int x = columns->at[w * columns->n_taps + s];
                if (x >= 0)
                    terms[n_terms++] = from[x] * by[w];
            }
        }
    return n_terms;
}

static void reverse(float *terms, size_t n)
{
    for (size_t i = 0; i < n / 2; i++) {
        const float kept = terms[i];
        terms[i] = terms[n - 1 - i];
        terms[n - 1 - i] = kept;
    }
}

static void backward_filter(void *arg)
{
    const struct job *j = arg;
    const struct map rows = rows_of(j), columns = columns_of(j);
    float *terms = malloc(sizeof(float) * ((size_t)j->y.n * j->y.h * j->y.w + 1));
    for (int k = 0; k < j->w.k; k++)
        for (int c = 0; c < j->w.c; c++)
            for (int r = 0; r < j->w.h; r++)
                for (int s = 0; s < j->w.w; s++) {
                    const size_t n = filter_terms(j, &rows, &columns, k, c, r, s, terms);
                    if (j->algo == 2)
                        reverse(terms, n);
                    blend(&j->to[W(j, k, c, r, s)], j->alpha, double_sum_f32(terms, n, j->ordered),
                        j->beta);
                }
    free(terms);
    free(rows.at);
    free(columns.at);
}

/* dX[n,c,y,x] = sum over k and the taps that reach it. */
static size_t data_terms(const struct job *j, const struct map *rows, const struct map *columns,
    int n, int c, int y, int x, float *terms)
{
    size_t n_terms = 0;
    for (int k = 0; k < j->w.k; k++)
        for (int r = 0; r < j->w.h; r++) {
            const int h = rows->at[y * rows->n_taps + r];
            if (h < 0)
                continue;
            const float *const from = &j->y_at[Y(j, n, k, h, 0)], *by = &j->w_at[W(j, k, c, r, 0)];
            for (int s = 0; s < j->w.w; s++) {
                const int w = columns->at[x * columns->n_taps + s];
                if (w >= 0)
                    terms[n_terms++] = from[w] * by[s];
            }
        }
    return n_terms;
}

static void backward_data(void *arg)
{
    const struct job *j = arg;
    const struct map rows = reverse_of(
                         j->x.h, j->w.h, j->c.pad_h, j->c.stride_h, j->c.dilation_h, j->y.h),
                     columns = reverse_of(
                         j->x.w, j->w.w, j->c.pad_w, j->c.stride_w, j->c.dilation_w, j->y.w);
    float *terms = malloc(sizeof(float) * ((size_t)j->w.k * j->w.h * j->w.w + 1));
    for (int n = 0; n < j->x.n; n++)
        for (int c = 0; c < j->x.c; c++)
            for (int y = 0; y < j->x.h; y++)
                for (int x = 0; x < j->x.w; x++) {
                    const size_t n_terms = data_terms(j, &rows, &columns, n, c, y, x, terms);
                    blend(&j->to[X(j, n, c, y, x)], j->alpha,
                        double_sum_f32(terms, n_terms, j->ordered), j->beta);
                }
    free(terms);
    free(rows.at);
    free(columns.at);
}

cudnnStatus_t double_gradient(cudnnHandle_t handle, bool filter,
    const struct double_convolution *shape, const void *from, const void *dy, void *to,
    bool ordered, int algo)
{
    NEED(from && dy && to && fits(&shape->x, &shape->w, &shape->c, &shape->y));
    const struct job job = { shape->x, shape->y, shape->w, shape->c, from, from, dy, to, 1, 0,
        ordered, algo };
    if (filter)
        QUEUE(handle, backward_filter, job);
    QUEUE(handle, backward_data, job);
}

/* Ordered algorithms want workspace, so that a substitute has to find some. */
static size_t need_bytes(int algo, const struct cudnnTensorStruct *x)
{
    return algo == 1 ? elements(x) * sizeof(float) + 256 : algo == 3 ? 64 : 0;
}

DOUBLE_API cudnnStatus_t cudnnGetConvolutionForwardWorkspaceSize(cudnnHandle_t handle,
    const cudnnTensorDescriptor_t x, const cudnnFilterDescriptor_t w,
    const cudnnConvolutionDescriptor_t c, const cudnnTensorDescriptor_t y,
    cudnnConvolutionFwdAlgo_t algo, size_t *n_bytes)
{
    ENTER(cudnnGetConvolutionForwardWorkspaceSize);
    NEED(handle && fits(x, w, c, y) && n_bytes);
    if ((unsigned)algo > 2)
        return CUDNN_STATUS_NOT_SUPPORTED;
    *n_bytes = 0;
    return CUDNN_STATUS_SUCCESS;
}

/* The double has algorithms 0, 1 and 3 for filters; DOUBLES_FAIL on the size getter makes one unsupported. */
DOUBLE_API cudnnStatus_t cudnnGetConvolutionBackwardFilterWorkspaceSize(cudnnHandle_t handle,
    const cudnnTensorDescriptor_t x, const cudnnTensorDescriptor_t dy,
    const cudnnConvolutionDescriptor_t c, const cudnnFilterDescriptor_t dw,
    cudnnConvolutionBwdFilterAlgo_t algo, size_t *n_bytes)
{
    ENTER(cudnnGetConvolutionBackwardFilterWorkspaceSize);
    NEED(handle && fits(x, dw, c, dy) && n_bytes);
    if (algo != 0 && algo != 1 && algo != 3)
        return CUDNN_STATUS_NOT_SUPPORTED;
    if (algo == 1 && c->dilation_h > 1)
        return CUDNN_STATUS_NOT_SUPPORTED; /* a shape that has unordered algorithms only */
    *n_bytes = need_bytes(algo, x);
    return CUDNN_STATUS_SUCCESS;
}

DOUBLE_API cudnnStatus_t cudnnGetConvolutionBackwardDataWorkspaceSize(cudnnHandle_t handle,
    const cudnnFilterDescriptor_t w, const cudnnTensorDescriptor_t dy,
    const cudnnConvolutionDescriptor_t c, const cudnnTensorDescriptor_t dx,
    cudnnConvolutionBwdDataAlgo_t algo, size_t *n_bytes)
{
    ENTER(cudnnGetConvolutionBackwardDataWorkspaceSize);
    NEED(handle && fits(dx, w, c, dy) && n_bytes);
    if ((unsigned)algo > 1 || (algo == 1 && c->dilation_h > 1))
        return CUDNN_STATUS_NOT_SUPPORTED;
    *n_bytes = need_bytes(algo, dx);
    return CUDNN_STATUS_SUCCESS;
}

DOUBLE_API cudnnStatus_t cudnnConvolutionForward(cudnnHandle_t handle, const void *alpha,
    const cudnnTensorDescriptor_t x, const void *x_at, const cudnnFilterDescriptor_t w,
    const void *w_at, const cudnnConvolutionDescriptor_t c, cudnnConvolutionFwdAlgo_t algo,
    void *workspace, size_t n_bytes, const void *beta, const cudnnTensorDescriptor_t y, void *y_at)
{
    (void)workspace, (void)n_bytes;
    ENTER(cudnnConvolutionForward);
    NEED(handle && alpha && beta && fits(x, w, c, y) && x_at && w_at && y_at);
    if ((unsigned)algo > 2)
        return CUDNN_STATUS_NOT_SUPPORTED;
    const struct job job = { *x, *y, *w, *c, x_at, w_at, NULL, y_at, *(const float *)alpha,
        *(const float *)beta, true, algo };
    QUEUE(handle, forward, job);
}

DOUBLE_API cudnnStatus_t cudnnConvolutionBackwardFilter(cudnnHandle_t handle, const void *alpha,
    const cudnnTensorDescriptor_t x, const void *x_at, const cudnnTensorDescriptor_t dy,
    const void *dy_at, const cudnnConvolutionDescriptor_t c, cudnnConvolutionBwdFilterAlgo_t algo,
    void *workspace, size_t n_bytes, const void *beta, const cudnnFilterDescriptor_t dw,
    void *dw_at)
{
    const int injected = double_fail("cudnnConvolutionBackwardFilter");
    double_trace("cudnnConvolutionBackwardFilter", "\"algo\":%d,\"bytes\":%zu", algo, n_bytes);
    if (injected)
        return (cudnnStatus_t)injected;
    NEED(handle && alpha && beta && fits(x, dw, c, dy) && x_at && dy_at && dw_at);
    if ((algo != 0 && algo != 1 && algo != 3) || (algo == 1 && c->dilation_h > 1))
        return CUDNN_STATUS_NOT_SUPPORTED;
    NEED(need_bytes(algo, x) <= n_bytes && (workspace || !need_bytes(algo, x)));
    const struct job job = { *x, *dy, *dw, *c, x_at, NULL, dy_at, dw_at, *(const float *)alpha,
        *(const float *)beta, algo == 1 && double_ordered("backward-filter algo 1"), algo };
    QUEUE(handle, backward_filter, job);
}

DOUBLE_API cudnnStatus_t cudnnConvolutionBackwardData(cudnnHandle_t handle, const void *alpha,
    const cudnnFilterDescriptor_t w, const void *w_at, const cudnnTensorDescriptor_t dy,
    const void *dy_at, const cudnnConvolutionDescriptor_t c, cudnnConvolutionBwdDataAlgo_t algo,
    void *workspace, size_t n_bytes, const void *beta, const cudnnTensorDescriptor_t dx,
    void *dx_at)
{
    const int injected = double_fail("cudnnConvolutionBackwardData");
    double_trace("cudnnConvolutionBackwardData", "\"algo\":%d,\"bytes\":%zu", algo, n_bytes);
    if (injected)
        return (cudnnStatus_t)injected;
    NEED(handle && alpha && beta && fits(dx, w, c, dy) && w_at && dy_at && dx_at);
    if ((unsigned)algo > 1 || (algo == 1 && c->dilation_h > 1))
        return CUDNN_STATUS_NOT_SUPPORTED;
    NEED(need_bytes(algo, dx) <= n_bytes && (workspace || !need_bytes(algo, dx)));
    const struct job job = { *dx, *dy, *w, *c, NULL, w_at, dy_at, dx_at, *(const float *)alpha,
        *(const float *)beta, algo == 1 && double_ordered("backward-data algo 1"), algo };
    QUEUE(handle, backward_data, job);
}

static void backward_bias(void *arg)
{
    const struct job *j = arg;
    for (int k = 0; k < j->y.c; k++) {
        float sum = 0;
        for (int n = 0; n < j->y.n; n++)
            for (int i = 0; i < j->y.h * j->y.w; i++)
                sum += j->y_at[Y(j, n, k, 0, 0) + (size_t)i];
        blend(&j->to[k], j->alpha, sum, j->beta);
    }
}

DOUBLE_API cudnnStatus_t cudnnConvolutionBackwardBias(cudnnHandle_t handle, const void *alpha,
    const cudnnTensorDescriptor_t dy, const void *dy_at, const void *beta,
    const cudnnTensorDescriptor_t db, void *db_at)
{
    ENTER(cudnnConvolutionBackwardBias);
    NEED(handle && alpha && beta && dy && dy_at && db && db_at && db->c == dy->c);
    struct job job = { .y = *dy,
        .y_at = dy_at,
        .to = db_at,
        .alpha = *(const float *)alpha,
        .beta = *(const float *)beta };
    QUEUE(handle, backward_bias, job);
}

/* Finders "time" at random; …_v7 has a fixed order with an unordered algorithm first, as real heuristics often do. */
#define FINDERS(kind, perf, first, first_det, second, second_det, x_t, x, w_t, w, y_t, y, sizes)   \
    static void list_##kind(perf *to, int n, int *n_given, bool timed, size_t second_bytes)        \
    {                                                                                              \
        perf all[] = { { .algo = first, .time = 1, .determinism = first_det },                     \
            { .algo = second, .time = 2, .determinism = second_det, .memory = second_bytes } };    \
        for (int i = 0; i < 2 && timed; i++)                                                       \
            all[i].time = (float)double_time_ms();                                                 \
        if (timed && all[1].time < all[0].time) {                                                  \
            const perf kept = all[0];                                                              \
            all[0] = all[1];                                                                       \
            all[1] = kept;                                                                         \
        }                                                                                          \
        *n_given = n < 2 ? n : 2;                                                                  \
        memcpy(to, all, sizeof(perf) * (size_t)*n_given);                                          \
    }                                                                                              \
    DOUBLE_API cudnnStatus_t cudnnGetConvolution##kind##Algorithm_v7(cudnnHandle_t handle,         \
        const x_t x, const w_t w, const cudnnConvolutionDescriptor_t c, const y_t y, const int n,  \
        int *n_given, perf *to)                                                                    \
    {                                                                                              \
        ENTER(cudnnGetConvolution##kind##Algorithm_v7);                                            \
        NEED(handle &&x &&w &&c &&y &&n > 0 && n_given && to);                                     \
        list_##kind(to, n, n_given, false, sizes);                                                 \
        return CUDNN_STATUS_SUCCESS;                                                               \
    }                                                                                              \
    DOUBLE_API cudnnStatus_t cudnnFindConvolution##kind##Algorithm(cudnnHandle_t handle,           \
        const x_t x, const w_t w, const cudnnConvolutionDescriptor_t c, const y_t y, const int n,  \
        int *n_given, perf *to)                                                                    \
    {                                                                                              \
        ENTER(cudnnFindConvolution##kind##Algorithm);                                              \
        NEED(handle &&x &&w &&c &&y &&n > 0 && n_given && to);                                     \
        list_##kind(to, n, n_given, true, sizes);                                                  \
        return CUDNN_STATUS_SUCCESS;                                                               \
    }                                                                                              \
    DOUBLE_API cudnnStatus_t cudnnFindConvolution##kind##AlgorithmEx(cudnnHandle_t handle,         \
        const x_t x, const void *x_at, const w_t w, const void *w_at,                              \
        const cudnnConvolutionDescriptor_t c, const y_t y, void *y_at, const int n, int *n_given,  \
        perf *to, void *workspace, size_t n_bytes)                                                 \
    {                                                                                              \
        (void)workspace, (void)n_bytes;                                                            \
        ENTER(cudnnFindConvolution##kind##AlgorithmEx);                                            \
        NEED(handle &&x &&x_at &&w &&w_at &&c &&y &&y_at &&n > 0 && n_given && to);                \
        list_##kind(to, n, n_given, true, sizes);                                                  \
        return CUDNN_STATUS_SUCCESS;                                                               \
    }
FINDERS(Forward, cudnnConvolutionFwdAlgoPerf_t, 0, CUDNN_DETERMINISTIC, 1, CUDNN_DETERMINISTIC,
    cudnnTensorDescriptor_t, x, cudnnFilterDescriptor_t, w, cudnnTensorDescriptor_t, y, 0)
FINDERS(BackwardData, cudnnConvolutionBwdDataAlgoPerf_t, 0, CUDNN_NON_DETERMINISTIC, 1,
    CUDNN_DETERMINISTIC, cudnnFilterDescriptor_t, w, cudnnTensorDescriptor_t, dy,
    cudnnTensorDescriptor_t, dx, need_bytes(1, dx))
FINDERS(BackwardFilter, cudnnConvolutionBwdFilterAlgoPerf_t, 0, CUDNN_NON_DETERMINISTIC, 1,
    CUDNN_DETERMINISTIC, cudnnTensorDescriptor_t, x, cudnnTensorDescriptor_t, dy,
    cudnnFilterDescriptor_t, dw, need_bytes(1, x))
