/* One cuDNN call after another, as a program makes them, on the double's memory. Prints what it got back and a hash of the results.
 * Knows nothing of detshim. usage: dnn_calls CASE [SEED]; the seed draws shapes for the cases whose names begin with "random". */
#include <cuda_runtime.h>
#include <cudnn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint64_t state = 88172645463325252u;
static unsigned draw(unsigned n)
{
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (unsigned)(state >> 33) % n;
}

static uint64_t hash = 1469598103934665603u;
static void add_hash(const void *at, size_t n)
{
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ ((const unsigned char *)at)[i]) * 1099511628211u;
}

static void *gpu(size_t n_bytes)
{
    void *at = NULL;
    if (cudaMalloc(&at, n_bytes ? n_bytes : 1) != cudaSuccess)
        exit(4);
    return at;
}

/* n values of many magnitudes, so that order shows */
static float *values(size_t n)
{
    float *host = malloc(n * sizeof *host), *at = gpu(n * sizeof *host);
    for (size_t i = 0; i < n; i++)
        host[i] = ((float)draw(20001) - 10000.0f) * (1.0f / (float)(1u << draw(16)));
    cudaMemcpy(at, host, n * sizeof *host, cudaMemcpyHostToDevice);
    free(host);
    return at;
}

static void hash_floats(const float *at, size_t n)
{
    float *host = malloc(n * sizeof *host);
    cudaMemcpy(host, at, n * sizeof *host, cudaMemcpyDeviceToHost);
    add_hash(host, n * sizeof *host);
    free(host);
}

static cudnnHandle_t handle;
static cudaStream_t stream;

#include "capture.h"
static const float one = 1, zero = 0;

static cudnnTensorDescriptor_t tensor(int n, int c, int h, int w)
{
    cudnnTensorDescriptor_t t;
    cudnnCreateTensorDescriptor(&t);
    if (cudnnSetTensor4dDescriptor(t, CUDNN_TENSOR_NCHW, CUDNN_DATA_FLOAT, n, c, h, w))
        exit(5);
    return t;
}

struct problem {
    cudnnTensorDescriptor_t x, y;
    cudnnFilterDescriptor_t w;
    cudnnConvolutionDescriptor_t c;
    size_t n_x, n_y, n_w;
};

static struct problem problem(int n, int c, int size, int k, int window, int stride, int dilation)
{
    struct problem p;
    int on, ok, oh, ow;
    p.x = tensor(n, c, size, size);
    cudnnCreateFilterDescriptor(&p.w);
    cudnnSetFilter4dDescriptor(p.w, CUDNN_DATA_FLOAT, CUDNN_TENSOR_NCHW, k, c, window, window);
    cudnnCreateConvolutionDescriptor(&p.c);
    cudnnSetConvolution2dDescriptor(p.c, window / 2 * dilation, window / 2 * dilation, stride,
        stride, dilation, dilation, CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT);
    if (cudnnGetConvolution2dForwardOutputDim(p.c, p.x, p.w, &on, &ok, &oh, &ow))
        exit(6);
    p.y = tensor(on, ok, oh, ow);
    p.n_x = (size_t)n * c * size * size, p.n_y = (size_t)on * ok * oh * ow;
    p.n_w = (size_t)k * c * window * window;
    return p;
}

/* filter: weights' gradient, else data's. report: workspace the program gives, -1: what the getter says */
static int backward(
    const struct problem *p, int filter, int algo, long report, float alpha, float beta)
{
    size_t n_bytes = 0;
    const int got = filter ? cudnnGetConvolutionBackwardFilterWorkspaceSize(
                                 handle, p->x, p->y, p->c, p->w, algo, &n_bytes)
                           : cudnnGetConvolutionBackwardDataWorkspaceSize(
                                 handle, p->w, p->y, p->c, p->x, algo, &n_bytes);
    if (got)
        return got;
    if (report >= 0)
        n_bytes = (size_t)report;
    void *workspace = n_bytes ? gpu(n_bytes) : NULL;
    const size_t n = filter ? p->n_w : p->n_x;
    float *a = values(filter ? p->n_x : p->n_w), *dy = values(p->n_y), *to = values(n);
    capture_begin();
    const int status = filter ? cudnnConvolutionBackwardFilter(handle, &alpha, p->x, a, p->y, dy,
                                    p->c, algo, workspace, n_bytes, &beta, p->w, to)
                              : cudnnConvolutionBackwardData(handle, &alpha, p->w, a, p->y, dy,
                                    p->c, algo, workspace, n_bytes, &beta, p->x, to);
    capture_end();
    cudaStreamSynchronize(stream);
    hash_floats(to, n);
    cudaFree(workspace), cudaFree(a), cudaFree(dy), cudaFree(to);
    return status;
}

static int pool(int mode, int nd, int size, int window, int stride)
{
    cudnnPoolingDescriptor_t p;
    cudnnPoolingMode_t read = 99;
    cudnnNanPropagation_t nan;
    int v[8], dims[2] = { window, window }, pads[2] = { window / 2, window / 2 },
              strides[2] = { stride, stride };
    cudnnCreatePoolingDescriptor(&p);
    int status = nd ? cudnnSetPoolingNdDescriptor(p, mode, 0, 2, dims, pads, strides)
                    : cudnnSetPooling2dDescriptor(
                          p, mode, 0, window, window, pads[0], pads[1], stride, stride);
    if (status)
        return status;
    if (nd)
        cudnnGetPoolingNdDescriptor(p, 2, &read, &nan, v, v + 1, v + 3, v + 5);
    else
        cudnnGetPooling2dDescriptor(p, &read, &nan, v, v + 1, v + 2, v + 3, v + 4, v + 5);
    printf("pooling mode set %d read %d\n", mode, read);
    const int out = (size + 2 * (window / 2) - window) / stride + 1;
    cudnnTensorDescriptor_t x = tensor(2, 3, size, size), y = tensor(2, 3, out, out);
    const size_t n_x = 6ul * size * size, n_y = 6ul * out * out;
    float *x_at = values(n_x), *y_at = values(n_y), *dy = values(n_y), *dx = values(n_x);
    cudnnPoolingForward(handle, p, &one, x, x_at, &zero, y, y_at);
    capture_begin();
    status = cudnnPoolingBackward(handle, p, &one, y, y_at, y, dy, x, x_at, &zero, x, dx);
    capture_end();
    cudaStreamSynchronize(stream);
    hash_floats(dx, n_x);
    cudnnDestroyPoolingDescriptor(p);
    return status;
}

static int ctc(int algo, long report, int v8)
{
    enum { T = 40, N = 4, A = 6 };
    cudnnCTCLossDescriptor_t d;
    cudnnCreateCTCLossDescriptor(&d);
    cudnnSetCTCLossDescriptor(d, CUDNN_DATA_FLOAT);
    cudnnTensorDescriptor_t t = tensor(T, N, A, 1);
    float host[T * N * A];
    for (int i = 0; i < T * N * A; i++)
        host[i] = (float)(1 + draw(1000)) / 3000.0f;
    float *probs = values(T * N * A), *costs = values(N), *gradients = values(T * N * A);
    cudaMemcpy(probs, host, sizeof host, cudaMemcpyHostToDevice);
    const int labels[N] = { 1, 2, 3, 4 }, lengths[N] = { 1, 1, 1, 1 }, inputs[N] = { T, T, T, T };
    size_t n_bytes = 0;
    int status =
        v8 ? cudnnGetCTCLossWorkspaceSize_v8(handle, algo, d, t, t, &n_bytes)
           : cudnnGetCTCLossWorkspaceSize(handle, t, t, labels, lengths, inputs, algo, d, &n_bytes);
    if (status)
        return status;
    if (report >= 0)
        n_bytes = (size_t)report;
    void *workspace = gpu(n_bytes);
    capture_begin();
    status = v8 ? cudnnCTCLoss_v8(handle, algo, d, t, probs, labels, lengths, inputs, costs, t,
                      gradients, n_bytes, workspace)
                : cudnnCTCLoss(handle, t, probs, labels, lengths, inputs, costs, t, gradients, algo,
                      d, workspace, n_bytes);
    capture_end();
    cudaStreamSynchronize(stream);
    hash_floats(costs, N);
    return status;
}

static int dropout(unsigned long long seed)
{
    cudnnDropoutDescriptor_t d;
    size_t n_bytes = 0, n_reserve = 0;
    cudnnCreateDropoutDescriptor(&d);
    cudnnDropoutGetStatesSize(handle, &n_bytes);
    void *states = gpu(n_bytes), *read = NULL;
    int status = cudnnSetDropoutDescriptor(d, handle, 0.5f, states, n_bytes, seed);
    unsigned long long answered = 0;
    float rate = 0;
    cudnnGetDropoutDescriptor(d, handle, &rate, &read, &answered);
    printf("dropout seed echoed %d\n", answered == seed);
    status |= cudnnRestoreDropoutDescriptor(d, handle, 0.5f, states, n_bytes, seed);
    cudnnTensorDescriptor_t x = tensor(1, 8, 8, 8);
    cudnnDropoutGetReserveSpaceSize(x, &n_reserve);
    float *x_at = values(512), *y_at = values(512);
    status |= cudnnDropoutForward(handle, d, x, x_at, x, y_at, gpu(n_reserve), n_reserve);
    cudaStreamSynchronize(stream);
    hash_floats(y_at, 512);
    cudnnDestroyDropoutDescriptor(d);
    return status;
}

enum kind { DATA, FILTER, FORWARD };
enum how { V7, TIMED, EX };

static int forward(const struct problem *p, int algo)
{
    size_t n_bytes = 0;
    float *x = values(p->n_x), *w = values(p->n_w), *y = values(p->n_y);
    if (cudnnGetConvolutionForwardWorkspaceSize(handle, p->x, p->w, p->c, p->y, algo, &n_bytes))
        return 98;
    const int status = cudnnConvolutionForward(
        handle, &one, p->x, x, p->w, w, p->c, algo, gpu(n_bytes), n_bytes, &zero, p->y, y);
    cudaStreamSynchronize(stream);
    hash_floats(y, p->n_y);
    return status;
}

static int find_forward(const struct problem *p, enum how how, int *n)
{
    cudnnConvolutionFwdAlgoPerf_t list[8];
    const int status =
        how == EX
            ? cudnnFindConvolutionForwardAlgorithmEx(handle, p->x, values(p->n_x), p->w,
                  values(p->n_w), p->c, p->y, values(p->n_y), 8, n, list, gpu(1 << 20), 1 << 20)
        : how == TIMED
            ? cudnnFindConvolutionForwardAlgorithm(handle, p->x, p->w, p->c, p->y, 8, n, list)
            : cudnnGetConvolutionForwardAlgorithm_v7(handle, p->x, p->w, p->c, p->y, 8, n, list);
    printf("forward: %d entries, first %d\n", *n, *n ? (int)list[0].algo : -1);
    return status ? status : forward(p, list[0].algo);
}

static int find_filter(const struct problem *p, enum how how, int *n)
{
    cudnnConvolutionBwdFilterAlgoPerf_t list[8];
    const int status = how == EX      ? cudnnFindConvolutionBackwardFilterAlgorithmEx(handle, p->x,
                                            values(p->n_x), p->y, values(p->n_y), p->c, p->w,
                                            values(p->n_w), 8, n, list, gpu(1 << 20), 1 << 20)
                       : how == TIMED ? cudnnFindConvolutionBackwardFilterAlgorithm(
                                            handle, p->x, p->y, p->c, p->w, 8, n, list)
                                      : cudnnGetConvolutionBackwardFilterAlgorithm_v7(
                                            handle, p->x, p->y, p->c, p->w, 8, n, list);
    printf("filter: %d entries, first %d\n", *n, *n ? (int)list[0].algo : -1);
    return status ? status : backward(p, 1, list[0].algo, -1, 1, 0);
}

static int find_data(const struct problem *p, enum how how, int *n)
{
    cudnnConvolutionBwdDataAlgoPerf_t list[8];
    const int status =
        how == EX
            ? cudnnFindConvolutionBackwardDataAlgorithmEx(handle, p->w, values(p->n_w), p->y,
                  values(p->n_y), p->c, p->x, values(p->n_x), 8, n, list, gpu(1 << 20), 1 << 20)
        : how == TIMED
            ? cudnnFindConvolutionBackwardDataAlgorithm(handle, p->w, p->y, p->c, p->x, 8, n, list)
            : cudnnGetConvolutionBackwardDataAlgorithm_v7(
                  handle, p->w, p->y, p->c, p->x, 8, n, list);
    printf("data: %d entries, first %d\n", *n, *n ? (int)list[0].algo : -1);
    return status ? status : backward(p, 0, list[0].algo, -1, 1, 0);
}

static int find(const struct problem *p, enum kind kind, enum how how)
{
    int n = 0;
    return kind == FORWARD  ? find_forward(p, how, &n)
           : kind == FILTER ? find_filter(p, how, &n)
                            : find_data(p, how, &n);
}

static int sampler(void)
{
    cudnnSpatialTransformerDescriptor_t d;
    const int dims[4] = { 1, 2, 6, 6 };
    cudnnCreateSpatialTransformerDescriptor(&d);
    cudnnSetSpatialTransformerNdDescriptor(d, CUDNN_SAMPLER_BILINEAR, CUDNN_DATA_FLOAT, 4, dims);
    cudnnTensorDescriptor_t x = tensor(1, 2, 4, 4), y = tensor(1, 2, 6, 6);
    float grid[72], *grid_at = values(72), *dx = values(32);
    for (int i = 0; i < 72; i++)
        grid[i] = (float)draw(2001) / 1000.0f - 1;
    cudaMemcpy(grid_at, grid, sizeof grid, cudaMemcpyHostToDevice);
    const int status = cudnnSpatialTfSamplerBackward(handle, d, &one, x, values(32), &zero, x, dx,
        &one, y, values(72), grid_at, &zero, values(72));
    cudaStreamSynchronize(stream);
    hash_floats(dx, 32);
    cudnnDestroySpatialTransformerDescriptor(d);
    return status;
}

/* Backward filter into a graph: nothing may be allocated. The graph is launched afterwards. */
static int captured(long report)
{
    const struct problem p = problem(4, 8, 12, 8, 3, 1, 1);
    float *x = values(p.n_x), *dy = values(p.n_y), *dw = values(p.n_w);
    void *workspace = gpu(1 << 20);
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal);
    const int status = cudnnConvolutionBackwardFilter(
        handle, &one, p.x, x, p.y, dy, p.c, 0, workspace, (size_t)report, &zero, p.w, dw);
    const int ended = cudaStreamEndCapture(stream, &graph);
    printf("capture ended %d\n", ended);
    if (ended || cudaGraphInstantiate(&exec, graph, 0) || cudaGraphLaunch(exec, stream))
        return 99;
    cudaStreamSynchronize(stream);
    hash_floats(dw, p.n_w);
    return status;
}

static int random_calls(int n)
{
    int failed = 0;
    for (int i = 0; i < n; i++) {
        const int window = 1 + 2 * (int)draw(2), size = 4 + (int)draw(5), stride = 1 + (int)draw(2),
                  kind = (int)draw(6);
        if (kind == 2) {
            failed +=
                pool((int)draw(2) * 3, (int)draw(2), size, 2 + (int)draw(2), 1 + (int)draw(2)) != 0;
            continue;
        }
        if (kind == 3) {
            const int algo = (int)draw(2); /* the ordered one needs what the getter says */
            failed += ctc(algo, algo && draw(2) ? 64 : -1, (int)draw(2)) != 0;
            continue;
        }
        static const int algos[] = { 0, 1, 3 };
        const struct problem p =
            problem(1 + (int)draw(3), 1 + (int)draw(3), size, 1 + (int)draw(3), window, stride, 1);
        if (kind == 5) {
            failed += dropout(1 + draw(1000)) != 0;
            continue;
        }
        if (kind == 4) {
            failed += find(&p, (enum kind)draw(3), (enum how)draw(3)) != 0;
            continue;
        }
        failed += backward(&p, kind, kind ? algos[draw(3)] : (int)draw(2), -1, (float)draw(3),
                      (float)draw(2)) != 0;
    }
    printf("failed %d of %d\n", failed, n);
    return failed;
}

static int run(const char *what, int number)
{
    const struct problem p = problem(4, 8, 12, 8, 3, 1, 1), dilated = problem(4, 8, 12, 8, 3, 1, 2);
    if (!strcmp(what, "filter"))
        return backward(&p, 1, number, -1, 1, 1);
    if (!strcmp(what, "data"))
        return backward(&p, 0, number, -1, 1, 1);
    if (!strcmp(what, "filter_small"))
        return backward(&p, 1, number, 64, 1, 0);
    if (!strcmp(what, "data_small"))
        return backward(&p, 0, number, 64, 1, 0);
    if (!strcmp(what, "filter_dilated"))
        return backward(&dilated, 1, number, -1, 1, 0);
    if (!strcmp(what, "data_dilated"))
        return backward(&dilated, 0, number, -1, 1, 0);
    if (!strcmp(what, "pool2d") || !strcmp(what, "poolnd"))
        return pool(number, what[4] == 'n', 24, 5, 1);
    if (!strncmp(what, "ctc", 3))
        return ctc(number, strstr(what, "small") ? 64 : -1, strstr(what, "v8") != NULL);
    if (!strcmp(what, "dropout"))
        return dropout(number ? (unsigned long long)number : (unsigned long long)time(NULL));
    if (!strncmp(what, "find_", 5) || !strncmp(what, "findex_", 7) || !strncmp(what, "v7_", 3))
        return find(&p,
            strstr(what, "filter")    ? FILTER
            : strstr(what, "forward") ? FORWARD
                                      : DATA,
            what[0] == 'v'   ? V7
            : what[4] == 'e' ? EX
                             : TIMED);
    if (!strcmp(what, "sampler"))
        return sampler();
    if (!strcmp(what, "captured"))
        return captured(number);
    return random_calls(number);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "filter";
    if (cudaStreamCreate(&stream) || cudnnCreate(&handle) || cudnnSetStream(handle, stream))
        return 3;
    const int status = run(what, argc > 2 ? atoi(argv[2]) : 0);
    cudnnDestroy(handle);
    printf("result status=%d hash=%016llx nodes=%d\n", status, (unsigned long long)hash, n_nodes);
    return 0;
}
