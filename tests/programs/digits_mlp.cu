/* A small neural network learns handwritten digits: an ordinary CUDA program through the runtime API. */
#include "digits_kernels.h"

#include "digits_train.h"

#define CHECK(call)                                                                                \
    do {                                                                                           \
        const cudaError_t status = (call);                                                         \
        if (status != cudaSuccess) {                                                               \
            fprintf(stderr, "%s: %s\n", #call, cudaGetErrorString(status));                        \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)
#define BLOCK     128
#define BLOCKS(n) (((n) + BLOCK - 1) / BLOCK)

static void *gpu_alloc(size_t n_bytes)
{
    void *at;
    CHECK(cudaMalloc(&at, n_bytes));
    return at;
}
static void gpu_zero(void *to, size_t n_bytes)
{
    CHECK(cudaMemset(to, 0, n_bytes));
}
static void gpu_put(void *to, const void *from, size_t n_bytes)
{
    CHECK(cudaMemcpy(to, from, n_bytes, cudaMemcpyHostToDevice));
}
static void gpu_get(void *to, const void *from, size_t n_bytes)
{
    CHECK(cudaMemcpy(to, from, n_bytes, cudaMemcpyDeviceToHost));
}

static void launch_hidden_forward(const struct network *net, const int *order, int n)
{
    hidden_forward<<<BLOCKS(n * N_HIDDEN), BLOCK>>>(
        net->params, net->images, order, n, net->hidden);
    CHECK(cudaGetLastError());
}
static void launch_softmax_loss(const struct network *net, const int *order, int n)
{
    softmax_loss<<<(n + 7) / 8, 8>>>(
        net->params, net->hidden, net->labels, order, n, net->dlogits, net->loss, net->hits);
    CHECK(cudaGetLastError());
}
static void launch_hidden_backward(const struct network *net, int n)
{
    hidden_backward<<<BLOCKS(n * N_HIDDEN), BLOCK>>>(
        net->params, net->hidden, net->dlogits, n, net->dhidden);
    CHECK(cudaGetLastError());
}
static void launch_weight_gradient(const float *rows, const int *order, const float *deltas, int n,
    int n_rows, int n_deltas, float *grads, int grid)
{
    weight_gradient<<<grid, BLOCK>>>(rows, order, deltas, n, n_rows, n_deltas, grads);
    CHECK(cudaGetLastError());
}
static void launch_bias_gradient(const float *deltas, int n, int n_deltas, float *grads, int grid)
{
    bias_gradient<<<grid, 32>>>(deltas, n, n_deltas, grads);
    CHECK(cudaGetLastError());
}
static void launch_adam(const struct network *net, float rate, float beta1, float beta2)
{
    adam<<<BLOCKS(N_PARAMS), BLOCK>>>(
        net->params, net->grads, net->first, net->second, rate, beta1, beta2);
    CHECK(cudaGetLastError());
}

int main(int argc, char **argv)
{
    const struct options options = read_options(argc, argv);
    return train(&options);
}
