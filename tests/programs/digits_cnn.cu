// A small convolutional network learns handwritten digits through cuDNN and cuBLAS, as ordinary programs do: algorithms by cudnnFind…,
// the workspace it reports, a dense layer whose gradient's algorithm cuBLAS times, kernels of its own for loss and update. All seeds are fixed. usage: digits_cnn [--epochs N] [--steps N] [--data DIR]
#include <cublas_v2.h>
#include <cudnn.h>
#include <math.h>
#include <stdint.h>

#include "digits.h"

#define CHECK(call)                                                                                \
    do {                                                                                           \
        const int status = (int)(call);                                                            \
        if (status != 0) {                                                                         \
            fprintf(stderr, "%s: %d\n", #call, status);                                            \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)
enum { BATCH = 32, BLOCK = 128 };
static const float one = 1, zero = 0;
static cudnnHandle_t cudnn;
static cublasHandle_t cublas;

static float *device(size_t n)
{
    float *at;
    CHECK(cudaMalloc(&at, n * sizeof *at));
    CHECK(cudaMemset(at, 0, n * sizeof *at));
    return at;
}

static cudnnTensorDescriptor_t tensor(int n, int c, int h, int w)
{
    cudnnTensorDescriptor_t t;
    CHECK(cudnnCreateTensorDescriptor(&t));
    CHECK(cudnnSetTensor4dDescriptor(t, CUDNN_TENSOR_NCHW, CUDNN_DATA_FLOAT, n, c, h, w));
    return t;
}

static uint64_t random_state = 20240617;
static float random_uniform(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (float)(random_state >> 40) / 8388608.0f - 1.0f;
}

__global__ void gather(
    const float *images, const int *labels, const int *order, int n, float *x, int *y)
{
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n * DIGITS_PIXELS)
        x[i] = images[order[i / DIGITS_PIXELS] * DIGITS_PIXELS + i % DIGITS_PIXELS];
    if (i < n)
        y[i] = labels[order[i]];
}

__global__ void loss_gradient(const float *p, const int *labels, int n, float *dlogits, int *hits)
{
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n)
        return;
    int best = 0;
    for (int c = 0; c < DIGITS_CLASSES; c++) {
        const float q = p[i * DIGITS_CLASSES + c];
        best = q > p[i * DIGITS_CLASSES + best] ? c : best;
        dlogits[i * DIGITS_CLASSES + c] = (q - (c == labels[i] ? 1.0f : 0.0f)) / n;
    }
    hits[i] = best == labels[i];
}

__global__ void update(float *w, const float *dw, float *speed, int n, float rate)
{
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n)
        return;
    speed[i] = __fadd_rn(__fmul_rn(0.9f, speed[i]), dw[i]);
    w[i] = __fadd_rn(w[i], __fmul_rn(-rate, speed[i]));
}

struct layer { // a convolution with bias
    int c, k, window, pad, in, out;
    cudnnTensorDescriptor_t x, y, bias;
    cudnnFilterDescriptor_t w;
    cudnnConvolutionDescriptor_t how;
    float *w_at, *dw, *w_speed, *b_at, *db, *b_speed, *y_at, *dy, *dx;
    cudnnConvolutionBwdFilterAlgo_t filter_algo;
    cudnnConvolutionBwdDataAlgo_t data_algo;
    void *workspace;
    size_t n_bytes;
};

static int n_weights(const struct layer *l)
{
    return l->k * l->c * l->window * l->window;
}

static void find_algorithms(struct layer *l)
{
    cudnnConvolutionBwdFilterAlgoPerf_t filters[8];
    cudnnConvolutionBwdDataAlgoPerf_t datas[8];
    int n = 0;
    CHECK(cudnnFindConvolutionBackwardFilterAlgorithm(
        cudnn, l->x, l->y, l->how, l->w, 8, &n, filters));
    l->filter_algo = filters[0].algo;
    l->n_bytes = filters[0].memory;
    CHECK(cudnnFindConvolutionBackwardDataAlgorithm(cudnn, l->w, l->y, l->how, l->x, 8, &n, datas));
    l->data_algo = datas[0].algo;
    l->n_bytes = datas[0].memory > l->n_bytes ? datas[0].memory : l->n_bytes;
    l->workspace = device(l->n_bytes / 4 + 64);
}

static float *weights_at(int n, int n_inputs)
{
    float *host = (float *)malloc(sizeof(float) * n), *at = device(n);
    for (int i = 0; i < n; i++)
        host[i] = random_uniform() * sqrtf(6.0f / n_inputs);
    CHECK(cudaMemcpy(at, host, sizeof(float) * n, cudaMemcpyHostToDevice));
    free(host);
    return at;
}

static struct layer layer(int c, int in, int k, int window, int pad)
{
    struct layer l = {};
    l.c = c, l.k = k, l.window = window, l.pad = pad, l.in = in, l.out = in + 2 * pad - window + 1;
    l.x = tensor(BATCH, c, in, in), l.y = tensor(BATCH, k, l.out, l.out),
    l.bias = tensor(1, k, 1, 1);
    CHECK(cudnnCreateFilterDescriptor(&l.w));
    CHECK(
        cudnnSetFilter4dDescriptor(l.w, CUDNN_DATA_FLOAT, CUDNN_TENSOR_NCHW, k, c, window, window));
    CHECK(cudnnCreateConvolutionDescriptor(&l.how));
    CHECK(cudnnSetConvolution2dDescriptor(
        l.how, pad, pad, 1, 1, 1, 1, CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT));
    const int n = n_weights(&l), n_y = BATCH * k * l.out * l.out;
    l.w_at = weights_at(n, c * window * window), l.dw = device(n), l.w_speed = device(n);
    l.b_at = device(k), l.db = device(k), l.b_speed = device(k);
    l.y_at = device(n_y), l.dy = device(n_y), l.dx = device(BATCH * c * in * in);
    find_algorithms(&l);
    return l;
}

static void forward(const struct layer *l, const float *x)
{
    CHECK(cudnnConvolutionForward(cudnn, &one, l->x, x, l->w, l->w_at, l->how,
        CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM, NULL, 0, &zero, l->y, l->y_at));
    CHECK(cudnnAddTensor(cudnn, &one, l->bias, l->b_at, &one, l->y, l->y_at));
}

static void backward(const struct layer *l, const float *x, bool wants_dx)
{
    CHECK(cudnnConvolutionBackwardFilter(cudnn, &one, l->x, x, l->y, l->dy, l->how, l->filter_algo,
        l->workspace, l->n_bytes, &zero, l->w, l->dw));
    CHECK(cudnnConvolutionBackwardBias(cudnn, &one, l->y, l->dy, &zero, l->bias, l->db));
    if (wants_dx)
        CHECK(cudnnConvolutionBackwardData(cudnn, &one, l->w, l->w_at, l->y, l->dy, l->how,
            l->data_algo, l->workspace, l->n_bytes, &zero, l->x, l->dx));
}

static void step(float *w, const float *dw, float *speed, int n, float rate)
{
    update<<<(n + BLOCK - 1) / BLOCK, BLOCK>>>(w, dw, speed, n, rate);
}

struct dense { // all outputs see all inputs; one column a sample
    int in, out;
    cudnnTensorDescriptor_t y, bias;
    float *w_at, *dw, *w_speed, *b_at, *db, *b_speed, *y_at, *dy, *dx;
};

static struct dense dense(int in, int out)
{
    struct dense d = {};
    d.in = in, d.out = out, d.y = tensor(BATCH, out, 1, 1), d.bias = tensor(1, out, 1, 1);
    d.w_at = weights_at(in * out, in), d.dw = device(in * out), d.w_speed = device(in * out);
    d.b_at = device(out), d.db = device(out), d.b_speed = device(out);
    d.y_at = device(BATCH * out), d.dy = device(BATCH * out), d.dx = device(BATCH * in);
    return d;
}

static void forward(const struct dense *d, const float *x)
{
    CHECK(cublasSgemm(cublas, CUBLAS_OP_T, CUBLAS_OP_N, d->out, BATCH, d->in, &one, d->w_at, d->in,
        x, d->in, &zero, d->y_at, d->out));
    CHECK(cudnnAddTensor(cudnn, &one, d->bias, d->b_at, &one, d->y, d->y_at));
}

static void backward(const struct dense *d, const float *x)
{
    CHECK(cublasGemmEx(cublas, CUBLAS_OP_N, CUBLAS_OP_T, d->in, d->out, BATCH, &one, x, CUDA_R_32F,
        d->in, d->dy, CUDA_R_32F, d->out, &zero, d->dw, CUDA_R_32F, d->in, CUBLAS_COMPUTE_32F,
        CUBLAS_GEMM_AUTOTUNE));
    CHECK(cudnnConvolutionBackwardBias(cudnn, &one, d->y, d->dy, &zero, d->bias, d->db));
    CHECK(cublasSgemm(cublas, CUBLAS_OP_N, CUBLAS_OP_N, d->in, BATCH, d->out, &one, d->w_at, d->in,
        d->dy, d->out, &zero, d->dx, d->in));
}

struct network {
    struct layer first, second; // neighbours: walked by pointer
    struct dense last;
    cudnnActivationDescriptor_t relu;
    cudnnPoolingDescriptor_t pool;
    cudnnTensorDescriptor_t pooled;
    float *x, *first_relu, *d_first_relu, *pooled_at, *second_relu, *p;
    int *y, *hits;
};

static void forward_all(const struct network *n)
{
    forward(&n->first, n->x);
    CHECK(cudnnActivationForward(
        cudnn, n->relu, &one, n->first.y, n->first.y_at, &zero, n->first.y, n->first_relu));
    CHECK(cudnnPoolingForward(
        cudnn, n->pool, &one, n->first.y, n->first_relu, &zero, n->pooled, n->pooled_at));
    forward(&n->second, n->pooled_at);
    CHECK(cudnnActivationForward(
        cudnn, n->relu, &one, n->second.y, n->second.y_at, &zero, n->second.y, n->second_relu));
    forward(&n->last, n->second_relu);
    CHECK(cudnnSoftmaxForward(cudnn, CUDNN_SOFTMAX_ACCURATE, CUDNN_SOFTMAX_MODE_CHANNEL, &one,
        n->last.y, n->last.y_at, &zero, n->last.y, n->p));
    loss_gradient<<<1, BLOCK>>>(n->p, n->y, BATCH, n->last.dy, n->hits);
}

static void backward_all(const struct network *n, float rate)
{
    backward(&n->last, n->second_relu);
    CHECK(cudnnActivationBackward(cudnn, n->relu, &one, n->second.y, n->second_relu, n->second.y,
        n->last.dx, n->second.y, n->second.y_at, &zero, n->second.y, n->second.dy));
    backward(&n->second, n->pooled_at, true);
    CHECK(cudnnPoolingBackward(cudnn, n->pool, &one, n->pooled, n->pooled_at, n->pooled,
        n->second.dx, n->first.y, n->first_relu, &zero, n->first.y, n->d_first_relu));
    CHECK(cudnnActivationBackward(cudnn, n->relu, &one, n->first.y, n->first_relu, n->first.y,
        n->d_first_relu, n->first.y, n->first.y_at, &zero, n->first.y, n->first.dy));
    backward(&n->first, n->x, false);
    for (const struct layer *l = &n->first; l <= &n->second; l++) {
        step(l->w_at, l->dw, l->w_speed, n_weights(l), rate);
        step(l->b_at, l->db, l->b_speed, l->k, rate);
    }
    const struct dense *const d = &n->last;
    step(d->w_at, d->dw, d->w_speed, d->in * d->out, rate);
    step(d->b_at, d->db, d->b_speed, d->out, rate);
}

static int hits_of(const struct network *n)
{
    int host[BATCH], sum = 0;
    CHECK(cudaMemcpy(host, n->hits, sizeof host, cudaMemcpyDeviceToHost));
    for (int i = 0; i < BATCH; i++)
        sum += host[i];
    return sum;
}

static struct network make_network(void)
{
    struct network n = {};
    CHECK(cudnnCreate(&cudnn));
    CHECK(cublasCreate(&cublas));
    n.first = layer(1, 8, 8, 3, 1), n.second = layer(8, 4, 16, 3, 1),
    n.last = dense(16 * 4 * 4, DIGITS_CLASSES);
    CHECK(cudnnCreateActivationDescriptor(&n.relu));
    CHECK(cudnnSetActivationDescriptor(n.relu, CUDNN_ACTIVATION_RELU, CUDNN_NOT_PROPAGATE_NAN, 0));
    CHECK(cudnnCreatePoolingDescriptor(&n.pool));
    CHECK(cudnnSetPooling2dDescriptor(
        n.pool, CUDNN_POOLING_MAX, CUDNN_NOT_PROPAGATE_NAN, 3, 3, 1, 1, 2, 2));
    n.pooled = tensor(BATCH, 8, 4, 4);
    n.x = device(BATCH * 64), n.first_relu = device(BATCH * 512),
    n.d_first_relu = device(BATCH * 512);
    n.pooled_at = device(BATCH * 128), n.second_relu = device(BATCH * 256),
    n.p = device(BATCH * DIGITS_CLASSES);
    n.y = (int *)device(BATCH), n.hits = (int *)device(BATCH);
    return n;
}

static void hash_of(const float *at, int n, uint64_t *hash)
{
    static float host[4096];
    CHECK(cudaMemcpy(host, at, sizeof(float) * n, cudaMemcpyDeviceToHost));
    for (int i = 0; i < n * 4; i++)
        *hash = (*hash ^ ((unsigned char *)host)[i]) * 1099511628211u;
}

static void weights_hash(const struct network *n)
{
    uint64_t hash = 1469598103934665603u;
    hash_of(n->first.w_at, n_weights(&n->first), &hash);
    hash_of(n->second.w_at, n_weights(&n->second), &hash);
    hash_of(n->last.w_at, n->last.in * n->last.out, &hash);
    printf("result weights=%016llx\n", (unsigned long long)hash);
}

int main(int argc, char **argv)
{
    int epochs = 4, steps = 0;
    const char *data = NULL;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--epochs") == 0)
            epochs = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--steps") == 0)
            steps = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--data") == 0)
            data = argv[i + 1];
    }
    const struct digits digits = digits_load(data);
    const int n_test = digits.n / 5 / BATCH * BATCH, n_train = (digits.n - n_test) / BATCH * BATCH;
    int *order = (int *)malloc(sizeof(int) * digits.n), *order_at = (int *)device(digits.n),
        *labels = (int *)device(digits.n);
    float *images = device((size_t)digits.n * DIGITS_PIXELS);
    for (int i = 0; i < digits.n; i++)
        order[i] = (int)((long long)i * 1009 %
                         digits.n); /* mixed, the same in each run; 1009 and n share no factor */
    CHECK(cudaMemcpy(
        images, digits.pixels, sizeof(float) * digits.n * DIGITS_PIXELS, cudaMemcpyHostToDevice));
    CHECK(cudaMemcpy(labels, digits.labels, sizeof(int) * digits.n, cudaMemcpyHostToDevice));
    CHECK(cudaMemcpy(order_at, order, sizeof(int) * digits.n, cudaMemcpyHostToDevice));
    const struct network n = make_network();
    for (int epoch = 0; epoch < epochs; epoch++) {
        int hits = 0, seen = 0;
        for (int at = 0; at < n_train && !(steps && seen >= steps * BATCH);
             at += BATCH, seen += BATCH) {
            gather<<<BATCH * DIGITS_PIXELS / BLOCK, BLOCK>>>(
                images, labels, order_at + at, BATCH, n.x, n.y);
            forward_all(&n);
            backward_all(&n, epoch < 2 ? 0.05f : 0.02f);
            hits += hits_of(&n);
        }
        printf("epoch %d train accuracy %.4f\n", epoch + 1, (double)hits / seen);
    }
    int hits = 0;
    for (int at = n_train; at < n_train + n_test; at += BATCH) {
        gather<<<BATCH * DIGITS_PIXELS / BLOCK, BLOCK>>>(
            images, labels, order_at + at, BATCH, n.x, n.y);
        forward_all(&n);
        hits += hits_of(&n);
    }
    printf("test accuracy %.4f\n", (double)hits / n_test);
    CHECK(cublasDestroy(cublas));
    CHECK(cudnnDestroy(cudnn));
    weights_hash(&n);
    return 0;
}
