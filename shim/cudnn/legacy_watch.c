/* Calls that cuDNN documents as repeatable: forwarded untouched and counted as vouched. The guide's list of exceptions
 * ("Reproducibility (Determinism)") is complete by its own words; what stands on it is in the other files of this folder. */
#include "shim/cudnn/cudnn_shim.h"

/* RNN and attention use cuBLAS inside: the promise holds with one workspace size (cuDNN 7.6.5 release notes, Limitations). */
static void vouched(_Atomic(struct det_ledger_row *) *row, const char *call, enum det_rule rule)
{
    const bool on = det_policy()->rule_on[rule];
    det_cudnn_count(row, call, on ? DET_CLASS_VOUCHED : DET_CLASS_UNKNOWN, rule, "");
}

#define WATCH(symbol, rule, params, args)                                                          \
    DET_EXPORT cudnnStatus_t symbol params                                                         \
    {                                                                                              \
        static _Atomic(struct det_ledger_row *) row;                                               \
        if (!det_enter(DET_ID_##symbol))                                                           \
            return DET_REAL(symbol) args;                                                          \
        const cudnnStatus_t status = DET_REAL(symbol) args;                                        \
        if (status == CUDNN_STATUS_SUCCESS)                                                        \
            vouched(&row, DET_NAME(symbol), rule);                                                 \
        det_leave(DET_ID_##symbol);                                                                \
        return status;                                                                             \
    }
#define DOCUMENTED(symbol, params, args)  WATCH(symbol, DET_RULE_CUDNN_DOCUMENTED, params, args)
#define WITH_CUBLAS(symbol, params, args) WATCH(symbol, DET_RULE_CUBLAS_WORKSPACE, params, args)

/* Tensors. */
DOCUMENTED(cudnnTransformTensor,
    (cudnnHandle_t handle, const void *alpha, const cudnnTensorDescriptor_t xDesc, const void *x,
        const void *beta, const cudnnTensorDescriptor_t yDesc, void *y),
    (handle, alpha, xDesc, x, beta, yDesc, y))
DOCUMENTED(cudnnTransformTensorEx,
    (cudnnHandle_t handle, const cudnnTensorTransformDescriptor_t transDesc, const void *alpha,
        const cudnnTensorDescriptor_t srcDesc, const void *srcData, const void *beta,
        const cudnnTensorDescriptor_t destDesc, void *destData),
    (handle, transDesc, alpha, srcDesc, srcData, beta, destDesc, destData))
DOCUMENTED(cudnnAddTensor,
    (cudnnHandle_t handle, const void *alpha, const cudnnTensorDescriptor_t aDesc, const void *A,
        const void *beta, const cudnnTensorDescriptor_t cDesc, void *C),
    (handle, alpha, aDesc, A, beta, cDesc, C))
DOCUMENTED(cudnnOpTensor,
    (cudnnHandle_t handle, const cudnnOpTensorDescriptor_t opTensorDesc, const void *alpha1,
        const cudnnTensorDescriptor_t aDesc, const void *A, const void *alpha2,
        const cudnnTensorDescriptor_t bDesc, const void *B, const void *beta,
        const cudnnTensorDescriptor_t cDesc, void *C),
    (handle, opTensorDesc, alpha1, aDesc, A, alpha2, bDesc, B, beta, cDesc, C))
DOCUMENTED(cudnnReduceTensor,
    (cudnnHandle_t handle, const cudnnReduceTensorDescriptor_t reduceTensorDesc, void *indices,
        size_t indicesSizeInBytes, void *workspace, size_t workspaceSizeInBytes, const void *alpha,
        const cudnnTensorDescriptor_t aDesc, const void *A, const void *beta,
        const cudnnTensorDescriptor_t cDesc, void *C),
    (handle, reduceTensorDesc, indices, indicesSizeInBytes, workspace, workspaceSizeInBytes, alpha,
        aDesc, A, beta, cDesc, C))
DOCUMENTED(cudnnSetTensor,
    (cudnnHandle_t handle, const cudnnTensorDescriptor_t yDesc, void *y, const void *valuePtr),
    (handle, yDesc, y, valuePtr))
DOCUMENTED(cudnnScaleTensor,
    (cudnnHandle_t handle, const cudnnTensorDescriptor_t yDesc, void *y, const void *alpha),
    (handle, yDesc, y, alpha))
DOCUMENTED(cudnnTransformFilter,
    (cudnnHandle_t handle, const cudnnTensorTransformDescriptor_t transDesc, const void *alpha,
        const cudnnFilterDescriptor_t srcDesc, const void *srcData, const void *beta,
        const cudnnFilterDescriptor_t destDesc, void *destData),
    (handle, transDesc, alpha, srcDesc, srcData, beta, destDesc, destData))
DOCUMENTED(cudnnIm2Col,
    (cudnnHandle_t handle, const cudnnTensorDescriptor_t xDesc, const void *x,
        const cudnnFilterDescriptor_t wDesc, const cudnnConvolutionDescriptor_t convDesc,
        void *colBuffer),
    (handle, xDesc, x, wDesc, convDesc, colBuffer))
DOCUMENTED(cudnnReorderFilterAndBias,
    (cudnnHandle_t handle, const cudnnFilterDescriptor_t filterDesc, cudnnReorderType_t reorderType,
        const void *filterData, void *reorderedFilterData, int reorderBias, const void *biasData,
        void *reorderedBiasData),
    (handle, filterDesc, reorderType, filterData, reorderedFilterData, reorderBias, biasData,
        reorderedBiasData))

/* Layers without weights. */
DOCUMENTED(cudnnSoftmaxForward,
    (cudnnHandle_t handle, cudnnSoftmaxAlgorithm_t algo, cudnnSoftmaxMode_t mode, const void *alpha,
        const cudnnTensorDescriptor_t xDesc, const void *x, const void *beta,
        const cudnnTensorDescriptor_t yDesc, void *y),
    (handle, algo, mode, alpha, xDesc, x, beta, yDesc, y))
DOCUMENTED(cudnnSoftmaxBackward,
    (cudnnHandle_t handle, cudnnSoftmaxAlgorithm_t algo, cudnnSoftmaxMode_t mode, const void *alpha,
        const cudnnTensorDescriptor_t yDesc, const void *y, const cudnnTensorDescriptor_t dyDesc,
        const void *dy, const void *beta, const cudnnTensorDescriptor_t dxDesc, void *dx),
    (handle, algo, mode, alpha, yDesc, y, dyDesc, dy, beta, dxDesc, dx))
DOCUMENTED(cudnnPoolingForward,
    (cudnnHandle_t handle, const cudnnPoolingDescriptor_t poolingDesc, const void *alpha,
        const cudnnTensorDescriptor_t xDesc, const void *x, const void *beta,
        const cudnnTensorDescriptor_t yDesc, void *y),
    (handle, poolingDesc, alpha, xDesc, x, beta, yDesc, y))
DOCUMENTED(cudnnActivationForward,
    (cudnnHandle_t handle, cudnnActivationDescriptor_t activationDesc, const void *alpha,
        const cudnnTensorDescriptor_t xDesc, const void *x, const void *beta,
        const cudnnTensorDescriptor_t yDesc, void *y),
    (handle, activationDesc, alpha, xDesc, x, beta, yDesc, y))
DOCUMENTED(cudnnActivationBackward,
    (cudnnHandle_t handle, cudnnActivationDescriptor_t activationDesc, const void *alpha,
        const cudnnTensorDescriptor_t yDesc, const void *y, const cudnnTensorDescriptor_t dyDesc,
        const void *dy, const cudnnTensorDescriptor_t xDesc, const void *x, const void *beta,
        const cudnnTensorDescriptor_t dxDesc, void *dx),
    (handle, activationDesc, alpha, yDesc, y, dyDesc, dy, xDesc, x, beta, dxDesc, dx))
DOCUMENTED(cudnnDropoutForward,
    (cudnnHandle_t handle, const cudnnDropoutDescriptor_t dropoutDesc,
        const cudnnTensorDescriptor_t xdesc, const void *x, const cudnnTensorDescriptor_t ydesc,
        void *y, void *reserveSpace, size_t reserveSpaceSizeInBytes),
    (handle, dropoutDesc, xdesc, x, ydesc, y, reserveSpace, reserveSpaceSizeInBytes))
DOCUMENTED(cudnnDropoutBackward,
    (cudnnHandle_t handle, const cudnnDropoutDescriptor_t dropoutDesc,
        const cudnnTensorDescriptor_t dydesc, const void *dy, const cudnnTensorDescriptor_t dxdesc,
        void *dx, void *reserveSpace, size_t reserveSpaceSizeInBytes),
    (handle, dropoutDesc, dydesc, dy, dxdesc, dx, reserveSpace, reserveSpaceSizeInBytes))
DOCUMENTED(cudnnLRNCrossChannelForward,
    (cudnnHandle_t handle, cudnnLRNDescriptor_t normDesc, cudnnLRNMode_t lrnMode, const void *alpha,
        const cudnnTensorDescriptor_t xDesc, const void *x, const void *beta,
        const cudnnTensorDescriptor_t yDesc, void *y),
    (handle, normDesc, lrnMode, alpha, xDesc, x, beta, yDesc, y))
DOCUMENTED(cudnnLRNCrossChannelBackward,
    (cudnnHandle_t handle, cudnnLRNDescriptor_t normDesc, cudnnLRNMode_t lrnMode, const void *alpha,
        const cudnnTensorDescriptor_t yDesc, const void *y, const cudnnTensorDescriptor_t dyDesc,
        const void *dy, const cudnnTensorDescriptor_t xDesc, const void *x, const void *beta,
        const cudnnTensorDescriptor_t dxDesc, void *dx),
    (handle, normDesc, lrnMode, alpha, yDesc, y, dyDesc, dy, xDesc, x, beta, dxDesc, dx))
DOCUMENTED(cudnnDivisiveNormalizationForward,
    (cudnnHandle_t handle, cudnnLRNDescriptor_t normDesc, cudnnDivNormMode_t mode,
        const void *alpha, const cudnnTensorDescriptor_t xDesc, const void *x, const void *means,
        void *temp, void *temp2, const void *beta, const cudnnTensorDescriptor_t yDesc, void *y),
    (handle, normDesc, mode, alpha, xDesc, x, means, temp, temp2, beta, yDesc, y))
DOCUMENTED(cudnnDivisiveNormalizationBackward,
    (cudnnHandle_t handle, cudnnLRNDescriptor_t normDesc, cudnnDivNormMode_t mode,
        const void *alpha, const cudnnTensorDescriptor_t xDesc, const void *x, const void *means,
        const void *dy, void *temp, void *temp2, const void *beta,
        const cudnnTensorDescriptor_t dXdMeansDesc, void *dx, void *dMeans),
    (handle, normDesc, mode, alpha, xDesc, x, means, dy, temp, temp2, beta, dXdMeansDesc, dx,
        dMeans))

/* Normalization. */
DOCUMENTED(cudnnBatchNormalizationForwardInference,
    (cudnnHandle_t handle, cudnnBatchNormMode_t mode, const void *alpha, const void *beta,
        const cudnnTensorDescriptor_t xDesc, const void *x, const cudnnTensorDescriptor_t yDesc,
        void *y, const cudnnTensorDescriptor_t bnScaleBiasMeanVarDesc, const void *bnScale,
        const void *bnBias, const void *estimatedMean, const void *estimatedVariance,
        double epsilon),
    (handle, mode, alpha, beta, xDesc, x, yDesc, y, bnScaleBiasMeanVarDesc, bnScale, bnBias,
        estimatedMean, estimatedVariance, epsilon))
DOCUMENTED(cudnnBatchNormalizationForwardTraining,
    (cudnnHandle_t handle, cudnnBatchNormMode_t mode, const void *alpha, const void *beta,
        const cudnnTensorDescriptor_t xDesc, const void *x, const cudnnTensorDescriptor_t yDesc,
        void *y, const cudnnTensorDescriptor_t bnScaleBiasMeanVarDesc, const void *bnScale,
        const void *bnBias, double exponentialAverageFactor, void *resultRunningMean,
        void *resultRunningVariance, double epsilon, void *resultSaveMean,
        void *resultSaveInvVariance),
    (handle, mode, alpha, beta, xDesc, x, yDesc, y, bnScaleBiasMeanVarDesc, bnScale, bnBias,
        exponentialAverageFactor, resultRunningMean, resultRunningVariance, epsilon, resultSaveMean,
        resultSaveInvVariance))
DOCUMENTED(cudnnBatchNormalizationForwardTrainingEx,
    (cudnnHandle_t handle, cudnnBatchNormMode_t mode, cudnnBatchNormOps_t bnOps, const void *alpha,
        const void *beta, const cudnnTensorDescriptor_t xDesc, const void *xData,
        const cudnnTensorDescriptor_t zDesc, const void *zData, const cudnnTensorDescriptor_t yDesc,
        void *yData, const cudnnTensorDescriptor_t bnScaleBiasMeanVarDesc, const void *bnScale,
        const void *bnBias, double exponentialAverageFactor, void *resultRunningMean,
        void *resultRunningVariance, double epsilon, void *resultSaveMean,
        void *resultSaveInvVariance, cudnnActivationDescriptor_t activationDesc, void *workspace,
        size_t workSpaceSizeInBytes, void *reserveSpace, size_t reserveSpaceSizeInBytes),
    (handle, mode, bnOps, alpha, beta, xDesc, xData, zDesc, zData, yDesc, yData,
        bnScaleBiasMeanVarDesc, bnScale, bnBias, exponentialAverageFactor, resultRunningMean,
        resultRunningVariance, epsilon, resultSaveMean, resultSaveInvVariance, activationDesc,
        workspace, workSpaceSizeInBytes, reserveSpace, reserveSpaceSizeInBytes))
DOCUMENTED(cudnnBatchNormalizationBackward,
    (cudnnHandle_t handle, cudnnBatchNormMode_t mode, const void *alphaDataDiff,
        const void *betaDataDiff, const void *alphaParamDiff, const void *betaParamDiff,
        const cudnnTensorDescriptor_t xDesc, const void *x, const cudnnTensorDescriptor_t dyDesc,
        const void *dy, const cudnnTensorDescriptor_t dxDesc, void *dx,
        const cudnnTensorDescriptor_t dBnScaleBiasDesc, const void *bnScale, void *dBnScaleResult,
        void *dBnBiasResult, double epsilon, const void *savedMean, const void *savedInvVariance),
    (handle, mode, alphaDataDiff, betaDataDiff, alphaParamDiff, betaParamDiff, xDesc, x, dyDesc, dy,
        dxDesc, dx, dBnScaleBiasDesc, bnScale, dBnScaleResult, dBnBiasResult, epsilon, savedMean,
        savedInvVariance))
DOCUMENTED(cudnnBatchNormalizationBackwardEx,
    (cudnnHandle_t handle, cudnnBatchNormMode_t mode, cudnnBatchNormOps_t bnOps,
        const void *alphaDataDiff, const void *betaDataDiff, const void *alphaParamDiff,
        const void *betaParamDiff, const cudnnTensorDescriptor_t xDesc, const void *xData,
        const cudnnTensorDescriptor_t yDesc, const void *yData,
        const cudnnTensorDescriptor_t dyDesc, const void *dyData,
        const cudnnTensorDescriptor_t dzDesc, void *dzData, const cudnnTensorDescriptor_t dxDesc,
        void *dxData, const cudnnTensorDescriptor_t dBnScaleBiasDesc, const void *bnScaleData,
        const void *bnBiasData, void *dBnScaleData, void *dBnBiasData, double epsilon,
        const void *savedMean, const void *savedInvVariance,
        cudnnActivationDescriptor_t activationDesc, void *workSpace, size_t workSpaceSizeInBytes,
        void *reserveSpace, size_t reserveSpaceSizeInBytes),
    (handle, mode, bnOps, alphaDataDiff, betaDataDiff, alphaParamDiff, betaParamDiff, xDesc, xData,
        yDesc, yData, dyDesc, dyData, dzDesc, dzData, dxDesc, dxData, dBnScaleBiasDesc, bnScaleData,
        bnBiasData, dBnScaleData, dBnBiasData, epsilon, savedMean, savedInvVariance, activationDesc,
        workSpace, workSpaceSizeInBytes, reserveSpace, reserveSpaceSizeInBytes))
DOCUMENTED(cudnnNormalizationForwardInference,
    (cudnnHandle_t handle, cudnnNormMode_t mode, cudnnNormOps_t normOps, cudnnNormAlgo_t algo,
        const void *alpha, const void *beta, const cudnnTensorDescriptor_t xDesc, const void *x,
        const cudnnTensorDescriptor_t normScaleBiasDesc, const void *normScale,
        const void *normBias, const cudnnTensorDescriptor_t normMeanVarDesc,
        const void *estimatedMean, const void *estimatedVariance,
        const cudnnTensorDescriptor_t zDesc, const void *z,
        cudnnActivationDescriptor_t activationDesc, const cudnnTensorDescriptor_t yDesc, void *y,
        double epsilon, int groupCnt),
    (handle, mode, normOps, algo, alpha, beta, xDesc, x, normScaleBiasDesc, normScale, normBias,
        normMeanVarDesc, estimatedMean, estimatedVariance, zDesc, z, activationDesc, yDesc, y,
        epsilon, groupCnt))
DOCUMENTED(cudnnNormalizationForwardTraining,
    (cudnnHandle_t handle, cudnnNormMode_t mode, cudnnNormOps_t normOps, cudnnNormAlgo_t algo,
        const void *alpha, const void *beta, const cudnnTensorDescriptor_t xDesc, const void *xData,
        const cudnnTensorDescriptor_t normScaleBiasDesc, const void *normScale,
        const void *normBias, double exponentialAverageFactor,
        const cudnnTensorDescriptor_t normMeanVarDesc, void *resultRunningMean,
        void *resultRunningVariance, double epsilon, void *resultSaveMean,
        void *resultSaveInvVariance, cudnnActivationDescriptor_t activationDesc,
        const cudnnTensorDescriptor_t zDesc, const void *zData, const cudnnTensorDescriptor_t yDesc,
        void *yData, void *workspace, size_t workSpaceSizeInBytes, void *reserveSpace,
        size_t reserveSpaceSizeInBytes, int groupCnt),
    (handle, mode, normOps, algo, alpha, beta, xDesc, xData, normScaleBiasDesc, normScale, normBias,
        exponentialAverageFactor, normMeanVarDesc, resultRunningMean, resultRunningVariance,
        epsilon, resultSaveMean, resultSaveInvVariance, activationDesc, zDesc, zData, yDesc, yData,
        workspace, workSpaceSizeInBytes, reserveSpace, reserveSpaceSizeInBytes, groupCnt))
DOCUMENTED(cudnnNormalizationBackward,
    (cudnnHandle_t handle, cudnnNormMode_t mode, cudnnNormOps_t normOps, cudnnNormAlgo_t algo,
        const void *alphaDataDiff, const void *betaDataDiff, const void *alphaParamDiff,
        const void *betaParamDiff, const cudnnTensorDescriptor_t xDesc, const void *xData,
        const cudnnTensorDescriptor_t yDesc, const void *yData,
        const cudnnTensorDescriptor_t dyDesc, const void *dyData,
        const cudnnTensorDescriptor_t dzDesc, void *dzData, const cudnnTensorDescriptor_t dxDesc,
        void *dxData, const cudnnTensorDescriptor_t dNormScaleBiasDesc, const void *normScaleData,
        const void *normBiasData, void *dNormScaleData, void *dNormBiasData, double epsilon,
        const cudnnTensorDescriptor_t normMeanVarDesc, const void *savedMean,
        const void *savedInvVariance, cudnnActivationDescriptor_t activationDesc, void *workSpace,
        size_t workSpaceSizeInBytes, void *reserveSpace, size_t reserveSpaceSizeInBytes,
        int groupCnt),
    (handle, mode, normOps, algo, alphaDataDiff, betaDataDiff, alphaParamDiff, betaParamDiff, xDesc,
        xData, yDesc, yData, dyDesc, dyData, dzDesc, dzData, dxDesc, dxData, dNormScaleBiasDesc,
        normScaleData, normBiasData, dNormScaleData, dNormBiasData, epsilon, normMeanVarDesc,
        savedMean, savedInvVariance, activationDesc, workSpace, workSpaceSizeInBytes, reserveSpace,
        reserveSpaceSizeInBytes, groupCnt))

/* Spatial transformer; the sampler's backward is in legacy_sampler.c. */
DOCUMENTED(cudnnSpatialTfGridGeneratorForward,
    (cudnnHandle_t handle, const cudnnSpatialTransformerDescriptor_t stDesc, const void *theta,
        void *grid),
    (handle, stDesc, theta, grid))
DOCUMENTED(cudnnSpatialTfGridGeneratorBackward,
    (cudnnHandle_t handle, const cudnnSpatialTransformerDescriptor_t stDesc, const void *dgrid,
        void *dtheta),
    (handle, stDesc, dgrid, dtheta))
DOCUMENTED(cudnnSpatialTfSamplerForward,
    (cudnnHandle_t handle, cudnnSpatialTransformerDescriptor_t stDesc, const void *alpha,
        const cudnnTensorDescriptor_t xDesc, const void *x, const void *grid, const void *beta,
        cudnnTensorDescriptor_t yDesc, void *y),
    (handle, stDesc, alpha, xDesc, x, grid, beta, yDesc, y))

/* Convolution; the two other backward passes are pinned elsewhere. */
DOCUMENTED(cudnnConvolutionForward,
    (cudnnHandle_t handle, const void *alpha, const cudnnTensorDescriptor_t xDesc, const void *x,
        const cudnnFilterDescriptor_t wDesc, const void *w,
        const cudnnConvolutionDescriptor_t convDesc, cudnnConvolutionFwdAlgo_t algo,
        void *workSpace, size_t workSpaceSizeInBytes, const void *beta,
        const cudnnTensorDescriptor_t yDesc, void *y),
    (handle, alpha, xDesc, x, wDesc, w, convDesc, algo, workSpace, workSpaceSizeInBytes, beta,
        yDesc, y))
DOCUMENTED(cudnnConvolutionBiasActivationForward,
    (cudnnHandle_t handle, const void *alpha1, const cudnnTensorDescriptor_t xDesc, const void *x,
        const cudnnFilterDescriptor_t wDesc, const void *w,
        const cudnnConvolutionDescriptor_t convDesc, cudnnConvolutionFwdAlgo_t algo,
        void *workSpace, size_t workSpaceSizeInBytes, const void *alpha2,
        const cudnnTensorDescriptor_t zDesc, const void *z, const cudnnTensorDescriptor_t biasDesc,
        const void *bias, const cudnnActivationDescriptor_t activationDesc,
        const cudnnTensorDescriptor_t yDesc, void *y),
    (handle, alpha1, xDesc, x, wDesc, w, convDesc, algo, workSpace, workSpaceSizeInBytes, alpha2,
        zDesc, z, biasDesc, bias, activationDesc, yDesc, y))
DOCUMENTED(cudnnConvolutionBackwardBias,
    (cudnnHandle_t handle, const void *alpha, const cudnnTensorDescriptor_t dyDesc, const void *dy,
        const void *beta, const cudnnTensorDescriptor_t dbDesc, void *db),
    (handle, alpha, dyDesc, dy, beta, dbDesc, db))

/* Recurrent networks and multi-head attention. */
WITH_CUBLAS(cudnnRNNForward,
    (cudnnHandle_t handle, cudnnRNNDescriptor_t rnnDesc, cudnnForwardMode_t fwdMode,
        const int32_t devSeqLengths[], cudnnRNNDataDescriptor_t xDesc, const void *x,
        cudnnRNNDataDescriptor_t yDesc, void *y, cudnnTensorDescriptor_t hDesc, const void *hx,
        void *hy, cudnnTensorDescriptor_t cDesc, const void *cx, void *cy, size_t weightSpaceSize,
        const void *weightSpace, size_t workSpaceSize, void *workSpace, size_t reserveSpaceSize,
        void *reserveSpace),
    (handle, rnnDesc, fwdMode, devSeqLengths, xDesc, x, yDesc, y, hDesc, hx, hy, cDesc, cx, cy,
        weightSpaceSize, weightSpace, workSpaceSize, workSpace, reserveSpaceSize, reserveSpace))
WITH_CUBLAS(cudnnRNNBackwardData_v8,
    (cudnnHandle_t handle, cudnnRNNDescriptor_t rnnDesc, const int32_t devSeqLengths[],
        cudnnRNNDataDescriptor_t yDesc, const void *y, const void *dy,
        cudnnRNNDataDescriptor_t xDesc, void *dx, cudnnTensorDescriptor_t hDesc, const void *hx,
        const void *dhy, void *dhx, cudnnTensorDescriptor_t cDesc, const void *cx, const void *dcy,
        void *dcx, size_t weightSpaceSize, const void *weightSpace, size_t workSpaceSize,
        void *workSpace, size_t reserveSpaceSize, void *reserveSpace),
    (handle, rnnDesc, devSeqLengths, yDesc, y, dy, xDesc, dx, hDesc, hx, dhy, dhx, cDesc, cx, dcy,
        dcx, weightSpaceSize, weightSpace, workSpaceSize, workSpace, reserveSpaceSize,
        reserveSpace))
WITH_CUBLAS(cudnnRNNBackwardWeights_v8,
    (cudnnHandle_t handle, cudnnRNNDescriptor_t rnnDesc, cudnnWgradMode_t addGrad,
        const int32_t devSeqLengths[], cudnnRNNDataDescriptor_t xDesc, const void *x,
        cudnnTensorDescriptor_t hDesc, const void *hx, cudnnRNNDataDescriptor_t yDesc,
        const void *y, size_t weightSpaceSize, void *dweightSpace, size_t workSpaceSize,
        void *workSpace, size_t reserveSpaceSize, void *reserveSpace),
    (handle, rnnDesc, addGrad, devSeqLengths, xDesc, x, hDesc, hx, yDesc, y, weightSpaceSize,
        dweightSpace, workSpaceSize, workSpace, reserveSpaceSize, reserveSpace))
WITH_CUBLAS(cudnnMultiHeadAttnForward,
    (cudnnHandle_t handle, const cudnnAttnDescriptor_t attnDesc, int currIdx, const int loWinIdx[],
        const int hiWinIdx[], const int devSeqLengthsQO[], const int devSeqLengthsKV[],
        const cudnnSeqDataDescriptor_t qDesc, const void *queries, const void *residuals,
        const cudnnSeqDataDescriptor_t kDesc, const void *keys,
        const cudnnSeqDataDescriptor_t vDesc, const void *values,
        const cudnnSeqDataDescriptor_t oDesc, void *out, size_t weightSizeInBytes,
        const void *weights, size_t workSpaceSizeInBytes, void *workSpace,
        size_t reserveSpaceSizeInBytes, void *reserveSpace),
    (handle, attnDesc, currIdx, loWinIdx, hiWinIdx, devSeqLengthsQO, devSeqLengthsKV, qDesc,
        queries, residuals, kDesc, keys, vDesc, values, oDesc, out, weightSizeInBytes, weights,
        workSpaceSizeInBytes, workSpace, reserveSpaceSizeInBytes, reserveSpace))
WITH_CUBLAS(cudnnMultiHeadAttnBackwardData,
    (cudnnHandle_t handle, const cudnnAttnDescriptor_t attnDesc, const int loWinIdx[],
        const int hiWinIdx[], const int devSeqLengthsDQDO[], const int devSeqLengthsDKDV[],
        const cudnnSeqDataDescriptor_t doDesc, const void *dout,
        const cudnnSeqDataDescriptor_t dqDesc, void *dqueries, const void *queries,
        const cudnnSeqDataDescriptor_t dkDesc, void *dkeys, const void *keys,
        const cudnnSeqDataDescriptor_t dvDesc, void *dvalues, const void *values,
        size_t weightSizeInBytes, const void *weights, size_t workSpaceSizeInBytes, void *workSpace,
        size_t reserveSpaceSizeInBytes, void *reserveSpace),
    (handle, attnDesc, loWinIdx, hiWinIdx, devSeqLengthsDQDO, devSeqLengthsDKDV, doDesc, dout,
        dqDesc, dqueries, queries, dkDesc, dkeys, keys, dvDesc, dvalues, values, weightSizeInBytes,
        weights, workSpaceSizeInBytes, workSpace, reserveSpaceSizeInBytes, reserveSpace))
WITH_CUBLAS(cudnnMultiHeadAttnBackwardWeights,
    (cudnnHandle_t handle, const cudnnAttnDescriptor_t attnDesc, cudnnWgradMode_t addGrad,
        const cudnnSeqDataDescriptor_t qDesc, const void *queries,
        const cudnnSeqDataDescriptor_t kDesc, const void *keys,
        const cudnnSeqDataDescriptor_t vDesc, const void *values,
        const cudnnSeqDataDescriptor_t doDesc, const void *dout, size_t weightSizeInBytes,
        const void *weights, void *dweights, size_t workSpaceSizeInBytes, void *workSpace,
        size_t reserveSpaceSizeInBytes, void *reserveSpace),
    (handle, attnDesc, addGrad, qDesc, queries, kDesc, keys, vDesc, values, doDesc, dout,
        weightSizeInBytes, weights, dweights, workSpaceSizeInBytes, workSpace,
        reserveSpaceSizeInBytes, reserveSpace))

/* The engine is hidden in the plan and no note can be asked for. */
DET_EXPORT cudnnStatus_t cudnnFusedOpsExecute(
    cudnnHandle_t handle, const cudnnFusedOpsPlan_t plan, cudnnFusedOpsVariantParamPack_t pack)
{
    if (!det_enter(DET_ID_cudnnFusedOpsExecute))
        return DET_REAL(cudnnFusedOpsExecute)(handle, plan, pack);
    const cudnnStatus_t status = DET_REAL(cudnnFusedOpsExecute)(handle, plan, pack);
    if (status == CUDNN_STATUS_SUCCESS)
        DET_COUNT(DET_NAME(cudnnFusedOpsExecute), DET_CLASS_UNKNOWN, DET_N_RULES,
            "engine hidden in the plan");
    det_leave(DET_ID_cudnnFusedOpsExecute);
    return status;
}
