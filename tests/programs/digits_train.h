/* Host side of training, the same for every API. The program that includes this says how to reach the device: gpu_alloc,
 * gpu_zero, gpu_put, gpu_get, and one launch_KERNEL each (declared below). All seeds are fixed: only the order of the
 * gradient sums on the device can make two runs differ. */
#ifndef DIGITS_TRAIN_H
#define DIGITS_TRAIN_H

#include <math.h>
#include <stdint.h>

#include "digits.h"

#ifndef N_PARAMS
#define N_IN     64
#define N_HIDDEN 24
#define N_OUT    10
#define AT_B1    (N_IN * N_HIDDEN)
#define AT_W2    (AT_B1 + N_HIDDEN)
#define AT_B2    (AT_W2 + N_HIDDEN * N_OUT)
#define N_PARAMS (AT_B2 + N_OUT)
#endif

struct options {
    int epochs, steps, batch,
        grid; /* steps: at most so many in an epoch, 0 for all; grid: blocks of the gradient kernels */
    const char *data, *dump_gradient;
};

/* Everything on the device. */
struct network {
    float *params, *grads, *first, *second;
    float *images, *hidden, *dhidden, *dlogits, *loss;
    int *labels, *train_order, *test_order, *hits;
};

static void *gpu_alloc(size_t n_bytes);
static void gpu_zero(void *to, size_t n_bytes);
static void gpu_put(void *to, const void *from, size_t n_bytes);
static void gpu_get(void *to, const void *from, size_t n_bytes);
static void launch_hidden_forward(const struct network *net, const int *order, int n);
static void launch_softmax_loss(const struct network *net, const int *order, int n);
static void launch_hidden_backward(const struct network *net, int n);
static void launch_weight_gradient(const float *rows, const int *order, const float *deltas, int n,
    int n_rows, int n_deltas, float *grads, int grid);
static void launch_bias_gradient(const float *deltas, int n, int n_deltas, float *grads, int grid);
static void launch_adam(const struct network *net, float rate, float beta1, float beta2);

static uint64_t random_state = 20240617;
static uint32_t random_word(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33);
}

static struct options read_options(int argc, char **argv)
{
    struct options out = { 3, 0, 32, 24, NULL, NULL };
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *value = argv[i + 1];
        if (strcmp(argv[i], "--epochs") == 0)
            out.epochs = atoi(value);
        else if (strcmp(argv[i], "--steps") == 0)
            out.steps = atoi(value);
        else if (strcmp(argv[i], "--batch") == 0)
            out.batch = atoi(value);
        else if (strcmp(argv[i], "--grid") == 0)
            out.grid = atoi(value);
        else if (strcmp(argv[i], "--data") == 0)
            out.data = value;
        else if (strcmp(argv[i], "--dump-gradient") == 0)
            out.dump_gradient = value;
        else
            argc = 0; /* falls into the usage below */
    }
    if (argc % 2 == 0 || out.epochs < 1 || out.batch < 1 || out.grid < 1) {
        fprintf(stderr,
            "usage: %s [--epochs N] [--steps N] [--batch N] [--grid N] [--data DIR] "
            "[--dump-gradient FILE]\n",
            argv[0]);
        exit(2);
    }
    return out;
}

/* Glorot's uniform range for weights, zero for biases. */
static void first_weights(float *params)
{
    for (int i = 0; i < N_PARAMS; i++) {
        const int input = i < AT_B1, output = i >= AT_W2 && i < AT_B2;
        const float range = input    ? sqrtf(6.0f / (N_IN + N_HIDDEN))
                            : output ? sqrtf(6.0f / (N_HIDDEN + N_OUT))
                                     : 0.0f;
        params[i] = range * ((float)random_word() * (1.0f / 1073741824.0f) - 1.0f);
    }
}

static void *gpu_copy(const void *from, size_t n_bytes)
{
    void *to = gpu_alloc(n_bytes);
    gpu_put(to, from, n_bytes);
    return to;
}
static float *gpu_zeros(size_t n)
{
    float *to = (float *)gpu_alloc(n * sizeof(float));
    gpu_zero(to, n * sizeof(float));
    return to;
}

static struct network make_network(
    const struct digits *digits, const int *train, const int *test, int n_train, int n_test)
{
    float params[N_PARAMS];
    first_weights(params);
    struct network net;
    const size_t n_most = (size_t)(n_train > n_test ? n_train : n_test);
    net.params = (float *)gpu_copy(params, sizeof params);
    net.grads = gpu_zeros(N_PARAMS);
    net.first = gpu_zeros(N_PARAMS);
    net.second = gpu_zeros(N_PARAMS);
    net.images = (float *)gpu_copy(digits->pixels, sizeof(float) * (size_t)digits->n * N_IN);
    net.labels = (int *)gpu_copy(digits->labels, sizeof(int) * (size_t)digits->n);
    net.train_order = (int *)gpu_copy(train, sizeof(int) * (size_t)n_train);
    net.test_order = (int *)gpu_copy(test, sizeof(int) * (size_t)n_test);
    net.hidden = gpu_zeros(n_most * N_HIDDEN);
    net.dhidden = gpu_zeros(n_most * N_HIDDEN);
    net.dlogits = gpu_zeros(n_most * N_OUT);
    net.loss = gpu_zeros(1);
    net.hits = (int *)gpu_zeros(1);
    return net;
}

/* Gradient of the mean loss of n samples, into net->grads. */
static void gradient(const struct network *net, const int *order, int n, int grid)
{
    gpu_zero(net->grads, N_PARAMS * sizeof(float));
    launch_hidden_forward(net, order, n);
    launch_softmax_loss(net, order, n);
    launch_hidden_backward(net, n);
    launch_weight_gradient(
        net->hidden, NULL, net->dlogits, n, N_HIDDEN, N_OUT, net->grads + AT_W2, grid);
    launch_bias_gradient(net->dlogits, n, N_OUT, net->grads + AT_B2, grid);
    launch_weight_gradient(net->images, order, net->dhidden, n, N_IN, N_HIDDEN, net->grads, grid);
    launch_bias_gradient(net->dhidden, n, N_HIDDEN, net->grads + AT_B1, grid);
}

/* One line per bias: its gradient's bits, then the bits of its addends, for comparison with an exact sum. */
static void dump_layer(
    FILE *file, const char *name, const float *deltas, const float *grads, int n, int n_units)
{
    float *host = (float *)malloc(sizeof(float) * (size_t)n * (size_t)n_units);
    float *sums = (float *)malloc(sizeof(float) * (size_t)n_units);
    gpu_get(host, deltas, sizeof(float) * (size_t)n * (size_t)n_units);
    gpu_get(sums, grads, sizeof(float) * (size_t)n_units);
    for (int unit = 0; unit < n_units; unit++) {
        uint32_t bits;
        memcpy(&bits, &sums[unit], sizeof bits);
        fprintf(file, "%s %d %08x", name, unit, bits);
        for (int sample = 0; sample < n; sample++) {
            memcpy(&bits, &host[sample * n_units + unit], sizeof bits);
            fprintf(file, " %08x", bits);
        }
        fputc('\n', file);
    }
    free(host);
    free(sums);
}

static void dump_gradient(const struct network *net, int n, const char *path)
{
    FILE *file = fopen(path, "w");
    if (!file) {
        perror(path);
        exit(2);
    }
    dump_layer(file, "hidden_bias", net->dhidden, net->grads + AT_B1, n, N_HIDDEN);
    dump_layer(file, "output_bias", net->dlogits, net->grads + AT_B2, n, N_OUT);
    fclose(file);
}

static float take_loss(const struct network *net, int *hits)
{
    float loss;
    gpu_get(&loss, net->loss, sizeof loss);
    gpu_get(hits, net->hits, sizeof *hits);
    gpu_zero(net->loss, sizeof loss);
    gpu_zero(net->hits, sizeof *hits);
    return loss;
}

static void shuffle(int *order, int n)
{
    for (int i = n - 1; i > 0; i--) {
        const int j = (int)(random_word() % (uint32_t)(i + 1)), held = order[i];
        order[i] = order[j];
        order[j] = held;
    }
}

static void train_epoch(
    const struct network *net, const struct options *options, int epoch, int n_train, int *n_steps)
{
    int n_seen = 0, hits;
    for (int step = 0; n_seen < n_train && (options->steps == 0 || step < options->steps); step++) {
        const int n = options->batch < n_train - n_seen ? options->batch : n_train - n_seen;
        gradient(net, net->train_order + n_seen, n, options->grid);
        if (options->dump_gradient && *n_steps == 0)
            dump_gradient(net, n, options->dump_gradient);
        const int t = ++*n_steps;
        const float rate =
            0.01f * sqrtf(1.0f - powf(0.999f, (float)t)) / (1.0f - powf(0.9f, (float)t));
        launch_adam(net, rate, 0.9f, 0.999f);
        n_seen += n;
    }
    const float loss = take_loss(net, &hits) / (float)n_seen;
    printf("epoch %d loss %.6f %a accuracy %.4f\n", epoch, loss, loss, (double)hits / n_seen);
    fflush(stdout);
}

static void test(const struct network *net, int n_test)
{
    int hits;
    launch_hidden_forward(net, net->test_order, n_test);
    launch_softmax_loss(net, net->test_order, n_test);
    take_loss(net, &hits);
    printf("test accuracy %.4f (%d of %d)\n", (double)hits / n_test, hits, n_test);
}

static uint64_t hash_bytes(const void *bytes, size_t n_bytes)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
    for (size_t i = 0; i < n_bytes; i++)
        hash = (hash ^ ((const unsigned char *)bytes)[i]) * 0x100000001b3u;
    return hash;
}

static int train(const struct options *options)
{
    const struct digits digits = digits_load(options->data);
    const int n_test = digits.n / 5, n_train = digits.n - n_test;
    int *order = (int *)malloc(sizeof(int) * (size_t)digits.n);
    for (int i = 0; i < digits.n; i++)
        order[i] = i;
    shuffle(order,
        digits.n); /* the file is sorted by writer; the last fifth of a fixed shuffle is held out */
    const struct network net = make_network(&digits, order, order + n_train, n_train, n_test);
    int n_steps = 0;
    for (int epoch = 1; epoch <= options->epochs; epoch++) {
        shuffle(order, n_train);
        gpu_put(net.train_order, order, sizeof(int) * (size_t)n_train);
        train_epoch(&net, options, epoch, n_train, &n_steps);
    }
    test(&net, n_test);
    float params[N_PARAMS];
    gpu_get(params, net.params, sizeof params);
    printf("result weights=%016llx\n", (unsigned long long)hash_bytes(params, sizeof params));
    return 0;
}

#endif
