/* Device code of the digits network: 64 inputs, 24 ReLU units, 10 softmax classes. Compiled by nvcc in digits_mlp.cu and at
 * run time by NVRTC in digits_nvrtc.c. Gradients are summed over the batch by atomicAdd from many blocks; the addends do not
 * depend on the grid, their order of arrival does. */
#define N_IN     64
#define N_HIDDEN 24
#define N_OUT    10
/* One network is one array: input weights, hidden biases, output weights, output biases. */
#define AT_B1    (N_IN * N_HIDDEN)
#define AT_W2    (AT_B1 + N_HIDDEN)
#define AT_B2    (AT_W2 + N_HIDDEN * N_OUT)
#define N_PARAMS (AT_B2 + N_OUT)
/* Samples whose products a thread adds up by itself before its one atomicAdd. */
#define CHUNK 8

extern "C" __global__ void hidden_forward(
    const float *params, const float *images, const int *order, int n, float *hidden)
{
    const int stride = gridDim.x * blockDim.x;
    for (int item = blockIdx.x * blockDim.x + threadIdx.x; item < n * N_HIDDEN; item += stride) {
        const int sample = item / N_HIDDEN, unit = item % N_HIDDEN;
        const float *image = images + order[sample] * N_IN;
        float sum = params[AT_B1 + unit];
        for (int i = 0; i < N_IN; i++)
            sum += image[i] * params[i * N_HIDDEN + unit];
        hidden[item] = fmaxf(sum, 0.0f);
    }
}

/* Loss, hits and the gradient of the mean loss by the logits; one thread a sample. */
extern "C" __global__ void softmax_loss(const float *params, const float *hidden, const int *labels,
    const int *order, int n, float *dlogits, float *loss, int *hits)
{
    const int sample = blockIdx.x * blockDim.x + threadIdx.x;
    if (sample >= n)
        return;
    float logits[N_OUT], sum = 0.0f;
    int best = 0;
    for (int c = 0; c < N_OUT; c++) {
        float z = params[AT_B2 + c];
        for (int k = 0; k < N_HIDDEN; k++)
            z += hidden[sample * N_HIDDEN + k] * params[AT_W2 + k * N_OUT + c];
        logits[c] = z;
        if (z > logits[best])
            best = c;
    }
    const float top = logits[best];
    for (int c = 0; c < N_OUT; c++) {
        logits[c] = expf(logits[c] - top);
        sum += logits[c];
    }
    const int label = labels[order[sample]];
    for (int c = 0; c < N_OUT; c++) {
        const float p = logits[c] / sum;
        dlogits[sample * N_OUT + c] = (p - (c == label ? 1.0f : 0.0f)) / (float)n;
        if (c == label)
            atomicAdd(loss, -logf(fmaxf(p, 1e-30f)));
    }
    if (best == label)
        atomicAdd(hits, 1);
}

extern "C" __global__ void hidden_backward(
    const float *params, const float *hidden, const float *dlogits, int n, float *dhidden)
{
    const int item = blockIdx.x * blockDim.x + threadIdx.x;
    if (item >= n * N_HIDDEN)
        return;
    const int sample = item / N_HIDDEN, unit = item % N_HIDDEN;
    float sum = 0.0f;
    for (int c = 0; c < N_OUT; c++)
        sum += dlogits[sample * N_OUT + c] * params[AT_W2 + unit * N_OUT + c];
    dhidden[item] = hidden[item] > 0.0f ? sum : 0.0f;
}

/* grads[i][j] += sum over samples of rows[sample][i] * deltas[sample][j]; order: row of a sample, NULL: itself. */
extern "C" __global__ void weight_gradient(const float *__restrict__ rows,
    const int *__restrict__ order, const float *__restrict__ deltas, int n, int n_rows,
    int n_deltas, float *grads)
{
    const int n_weights = n_rows * n_deltas, n_chunks = (n + CHUNK - 1) / CHUNK;
    const int stride = gridDim.x * blockDim.x;
    for (int item = blockIdx.x * blockDim.x + threadIdx.x; item < n_chunks * n_weights;
         item += stride) {
        const int chunk = item / n_weights, weight = item % n_weights;
        const int i = weight / n_deltas, j = weight % n_deltas;
        const int end = min(n, (chunk + 1) * CHUNK);
        float sum = 0.0f;
        for (int sample = chunk * CHUNK; sample < end; sample++) {
            const int row = order ? order[sample] : sample;
            sum += rows[row * n_rows + i] * deltas[sample * n_deltas + j];
        }
        atomicAdd(&grads[weight], sum);
    }
}

/* grads[j] += sum over samples of deltas[sample][j], one atomicAdd each. */
extern "C" __global__ void bias_gradient(const float *deltas, int n, int n_deltas, float *grads)
{
    const int stride = gridDim.x * blockDim.x;
    for (int item = blockIdx.x * blockDim.x + threadIdx.x; item < n * n_deltas; item += stride)
        atomicAdd(&grads[item % n_deltas], deltas[item]);
}

extern "C" __global__ void adam(float *params, const float *grads, float *first, float *second,
    float rate, float beta1, float beta2)
{
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= N_PARAMS)
        return;
    const float g = grads[i];
    const float m = first[i] = beta1 * first[i] + (1.0f - beta1) * g;
    const float v = second[i] = beta2 * second[i] + (1.0f - beta2) * g * g;
    params[i] -= rate * m / (sqrtf(v) + 1e-8f);
}
