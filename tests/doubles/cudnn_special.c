/* CTC loss and the spatial sampler's backward of the cuDNN double. */
#include <math.h>

#include "tests/doubles/cudnn_double.h"

struct cudnnCTCLossStruct {
    cudnnDataType_t type;
};

DOUBLE_API cudnnStatus_t cudnnSetCTCLossDescriptor(cudnnCTCLossDescriptor_t d, cudnnDataType_t type)
{
    NEED(d && type == CUDNN_DATA_FLOAT);
    d->type = type;
    return CUDNN_STATUS_SUCCESS;
}

static size_t ctc_bytes(cudnnCTCLossAlgo_t algo, const struct cudnnTensorStruct *probs)
{
    return algo == CUDNN_CTC_LOSS_ALGO_DETERMINISTIC ? elements(probs) * sizeof(float) : 64;
}

DOUBLE_API cudnnStatus_t cudnnGetCTCLossWorkspaceSize(cudnnHandle_t handle,
    const cudnnTensorDescriptor_t probs, const cudnnTensorDescriptor_t gradients, const int *labels,
    const int *label_lengths, const int *input_lengths, cudnnCTCLossAlgo_t algo,
    cudnnCTCLossDescriptor_t d, size_t *n_bytes)
{
    (void)gradients;
    ENTER(cudnnGetCTCLossWorkspaceSize);
    NEED(handle && probs && labels && label_lengths && input_lengths && d && n_bytes);
    *n_bytes = ctc_bytes(algo, probs);
    return CUDNN_STATUS_SUCCESS;
}

struct ctc_job {
    struct cudnnTensorStruct t; /* T, N, A */
    const float *probs;
    float *costs, *gradients;
    bool ordered;
    int label
        [256]; /* the first label of each sample: paths of one label, which is what the tests need */
};

/* Minimal: each sample's label is one symbol or blank (0) per frame. Cost: minus the sum of log probabilities of "symbol or blank". */
static void ctc(void *arg)
{
    const struct ctc_job *j = arg;
    const int n_frames = j->t.n, n_samples = j->t.c, n_symbols = j->t.h;
    float *terms = malloc(sizeof(float) * (size_t)n_frames);
    for (int s = 0; s < n_samples; s++) {
        for (int t = 0; t < n_frames; t++) {
            const float *p = j->probs + ((size_t)t * n_samples + s) * n_symbols;
            terms[t] = -logf(p[0] + p[j->label[s]] + 1e-30f);
        }
        j->costs[s] = double_sum_f32(terms, (size_t)n_frames, j->ordered);
        for (int t = 0; t < n_frames && j->gradients; t++)
            for (int a = 0; a < n_symbols; a++)
                j->gradients[((size_t)t * n_samples + s) * n_symbols + a] =
                    a == j->label[s] ? -j->costs[s] : 0;
    }
    free(terms);
}

DOUBLE_API cudnnStatus_t cudnnCTCLoss(cudnnHandle_t handle, const cudnnTensorDescriptor_t probs,
    const void *probs_at, const int labels[], const int label_lengths[], const int input_lengths[],
    void *costs, const cudnnTensorDescriptor_t gradients, void *gradients_at,
    cudnnCTCLossAlgo_t algo, cudnnCTCLossDescriptor_t d, void *workspace, size_t n_bytes)
{
    (void)gradients, (void)input_lengths;
    ENTER(cudnnCTCLoss);
    NEED(handle && probs && probs_at && labels && label_lengths && costs && d && workspace);
    NEED(n_bytes >= ctc_bytes(algo, probs) && probs->c <= 256);
    struct ctc_job job = { .t = *probs,
        .probs = probs_at,
        .costs = costs,
        .gradients = gradients_at,
        .ordered = algo == CUDNN_CTC_LOSS_ALGO_DETERMINISTIC && double_ordered("ctc algo 0") };
    for (int s = 0, at = 0; s < probs->c; at += label_lengths[s++])
        job.label[s] = labels[at];
    QUEUE(handle, ctc, job);
}

DOUBLE_API cudnnStatus_t cudnnGetCTCLossWorkspaceSize_v8(cudnnHandle_t handle,
    cudnnCTCLossAlgo_t algo, cudnnCTCLossDescriptor_t d, const cudnnTensorDescriptor_t probs,
    const cudnnTensorDescriptor_t gradients, size_t *n_bytes)
{
    (void)gradients;
    ENTER(cudnnGetCTCLossWorkspaceSize_v8);
    NEED(handle && probs && d && n_bytes);
    *n_bytes = ctc_bytes(algo, probs);
    return CUDNN_STATUS_SUCCESS;
}

/* Labels and lengths are on the device here, which is the host's memory. */
DOUBLE_API cudnnStatus_t cudnnCTCLoss_v8(cudnnHandle_t handle, cudnnCTCLossAlgo_t algo,
    cudnnCTCLossDescriptor_t d, const cudnnTensorDescriptor_t probs, const void *probs_at,
    const int labels[], const int label_lengths[], const int input_lengths[], void *costs,
    const cudnnTensorDescriptor_t gradients, void *gradients_at, size_t n_bytes, void *workspace)
{
    (void)gradients, (void)input_lengths;
    ENTER(cudnnCTCLoss_v8);
    NEED(handle && probs && probs_at && labels && label_lengths && costs && d && workspace);
    NEED(n_bytes >= ctc_bytes(algo, probs) && probs->c <= 256);
    struct ctc_job job = { .t = *probs,
        .probs = probs_at,
        .costs = costs,
        .gradients = gradients_at,
        .ordered = algo == CUDNN_CTC_LOSS_ALGO_DETERMINISTIC && double_ordered("ctc algo 0") };
    for (int s = 0, at = 0; s < probs->c; at += label_lengths[s++])
        job.label[s] = labels[at];
    QUEUE(handle, ctc, job);
}

struct cudnnSpatialTransformerStruct {
    int dims[4];
};
struct sampler_job {
    struct cudnnTensorStruct x, y;
    const float *x_at, *dy, *grid;
    float *dx, *dgrid, alpha, beta, alpha_grid, beta_grid;
};

DOUBLE_API cudnnStatus_t cudnnSetSpatialTransformerNdDescriptor(
    cudnnSpatialTransformerDescriptor_t d, cudnnSamplerType_t sampler, cudnnDataType_t type,
    const int n_dims, const int dims[])
{
    ENTER(cudnnSetSpatialTransformerNdDescriptor);
    NEED(d && sampler == CUDNN_SAMPLER_BILINEAR && type == CUDNN_DATA_FLOAT && n_dims == 4 && dims);
    memcpy(d->dims, dims, sizeof d->dims);
    return CUDNN_STATUS_SUCCESS;
}

/* One pixel's gradient is the sum over all outputs that sampled it. The grid's own gradient is left at beta times itself. */
static void sampler(void *arg)
{
    const struct sampler_job *j = arg;
    const int n_out = j->y.h * j->y.w;
    float *terms = malloc(sizeof(float) * ((size_t)n_out + 1));
    for (int n = 0; n < j->x.n; n++)
        for (int c = 0; c < j->x.c; c++)
            for (int p = 0; p < j->x.h * j->x.w; p++) {
                size_t k = 0;
                for (int o = 0; o < n_out; o++) {
                    const float *at = j->grid + 2 * ((size_t)n * n_out + o);
                    const float x = (at[0] + 1) * (float)(j->x.w - 1) / 2,
                                y = (at[1] + 1) * (float)(j->x.h - 1) / 2;
                    const float wx = 1 - fabsf(x - (float)(p % j->x.w)),
                                wy = 1 - fabsf(y - (float)(p / j->x.w));
                    if (wx > 0 && wy > 0)
                        terms[k++] = j->dy[((size_t)n * j->x.c + c) * n_out + o] * wx * wy;
                }
                blend(&j->dx[((size_t)n * j->x.c + c) * j->x.h * j->x.w + p], j->alpha,
                    double_sum_f32(terms, k, false), j->beta);
            }
    free(terms);
}

DOUBLE_API cudnnStatus_t cudnnSpatialTfSamplerBackward(cudnnHandle_t handle,
    cudnnSpatialTransformerDescriptor_t d, const void *alpha, const cudnnTensorDescriptor_t x,
    const void *x_at, const void *beta, const cudnnTensorDescriptor_t dx, void *dx_at,
    const void *alpha_grid, const cudnnTensorDescriptor_t dy, const void *dy_at, const void *grid,
    const void *beta_grid, void *dgrid)
{
    ENTER(cudnnSpatialTfSamplerBackward);
    NEED(handle && d && alpha && beta && alpha_grid && beta_grid && x && dx && dy && x_at && dx_at);
    NEED(dy_at && grid && dgrid);
    const struct sampler_job job = { *x, *dy, x_at, dy_at, grid, dx_at, dgrid,
        *(const float *)alpha, *(const float *)beta, *(const float *)alpha_grid,
        *(const float *)beta_grid };
    QUEUE(handle, sampler, job);
}
