/* Every wrapped call of the real cuDNN and cuSPARSE with nothing but zeros for arguments, each in a child of its own: prints the status, or
 * the signal where the library does not check. Plain and preloaded must print the same. Knows nothing of detshim. */
#include <dlfcn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const names[] = {
    "cudnnDestroy",
    "cudnnGetStream",
    "cudnnBackendCreateDescriptor",
    "cudnnBackendDestroyDescriptor",
    "cudnnBackendSetAttribute",
    "cudnnBackendGetAttribute",
    "cudnnBackendFinalize",
    "cudnnBackendExecute",
    "cudnnBackendPopulateCudaGraph",
    "cudnnBackendUpdateCudaGraph",
    "cudnnFindConvolutionForwardAlgorithm",
    "cudnnFindConvolutionForwardAlgorithmEx",
    "cudnnFindConvolutionBackwardDataAlgorithm",
    "cudnnFindConvolutionBackwardDataAlgorithmEx",
    "cudnnFindConvolutionBackwardFilterAlgorithm",
    "cudnnFindConvolutionBackwardFilterAlgorithmEx",
    "cudnnGetConvolutionForwardAlgorithm_v7",
    "cudnnGetConvolutionBackwardDataAlgorithm_v7",
    "cudnnGetConvolutionBackwardFilterAlgorithm_v7",
    "cudnnConvolutionBackwardData",
    "cudnnConvolutionBackwardFilter",
    "cudnnGetConvolutionBackwardDataWorkspaceSize",
    "cudnnGetConvolutionBackwardFilterWorkspaceSize",
    "cudnnSetPooling2dDescriptor",
    "cudnnSetPoolingNdDescriptor",
    "cudnnGetPooling2dDescriptor",
    "cudnnGetPoolingNdDescriptor",
    "cudnnDestroyPoolingDescriptor",
    "cudnnPoolingBackward",
    "cudnnCTCLoss",
    "cudnnCTCLoss_v8",
    "cudnnGetCTCLossWorkspaceSize",
    "cudnnGetCTCLossWorkspaceSize_v8",
    "cudnnSetDropoutDescriptor",
    "cudnnRestoreDropoutDescriptor",
    "cudnnGetDropoutDescriptor",
    "cudnnDestroyDropoutDescriptor",
    "cudnnSpatialTfSamplerBackward",
    "cudnnSetSpatialTransformerNdDescriptor",
    "cudnnDestroySpatialTransformerDescriptor",
    "cudnnTransformTensor",
    "cudnnTransformTensorEx",
    "cudnnAddTensor",
    "cudnnOpTensor",
    "cudnnReduceTensor",
    "cudnnSetTensor",
    "cudnnScaleTensor",
    "cudnnTransformFilter",
    "cudnnIm2Col",
    "cudnnReorderFilterAndBias",
    "cudnnSoftmaxForward",
    "cudnnSoftmaxBackward",
    "cudnnPoolingForward",
    "cudnnActivationForward",
    "cudnnActivationBackward",
    "cudnnDropoutForward",
    "cudnnDropoutBackward",
    "cudnnLRNCrossChannelForward",
    "cudnnLRNCrossChannelBackward",
    "cudnnDivisiveNormalizationForward",
    "cudnnDivisiveNormalizationBackward",
    "cudnnBatchNormalizationForwardInference",
    "cudnnBatchNormalizationForwardTraining",
    "cudnnBatchNormalizationForwardTrainingEx",
    "cudnnBatchNormalizationBackward",
    "cudnnBatchNormalizationBackwardEx",
    "cudnnNormalizationForwardInference",
    "cudnnNormalizationForwardTraining",
    "cudnnNormalizationBackward",
    "cudnnSpatialTfGridGeneratorForward",
    "cudnnSpatialTfGridGeneratorBackward",
    "cudnnSpatialTfSamplerForward",
    "cudnnConvolutionForward",
    "cudnnConvolutionBiasActivationForward",
    "cudnnConvolutionBackwardBias",
    "cudnnRNNForward",
    "cudnnRNNBackwardData_v8",
    "cudnnRNNBackwardWeights_v8",
    "cudnnMultiHeadAttnForward",
    "cudnnMultiHeadAttnBackwardData",
    "cudnnMultiHeadAttnBackwardWeights",
    "cudnnFusedOpsExecute",
    "cusparseGetVersion",
    "cusparseSpMatGetFormat",
    "cusparseSpMV",
    "cusparseSpMV_bufferSize",
    "cusparseSpMV_preprocess",
    "cusparseSpMM",
    "cusparseSpMM_bufferSize",
    "cusparseSpMM_preprocess",
    "cusparseSpGEMM_workEstimation",
    "cusparseSpGEMM_estimateMemory",
    "cusparseSpGEMM_compute",
    "cusparseSpGEMM_copy",
    "cusparseSpGEMMreuse_workEstimation",
    "cusparseSpGEMMreuse_nnz",
    "cusparseSpGEMMreuse_copy",
    "cusparseSpGEMMreuse_compute",
};

static int call(const char *name)
{
    void *at = dlsym(RTLD_DEFAULT, name);
    if (!at)
        return 250;
    int (*const any)(long, long, long, long, long, long, long, long, long, long, long, long, long,
        long, long, long) = (int (*)(long, long, long, long, long, long, long, long, long, long,
        long, long, long, long, long, long))at;
    return any(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
}

int main(void)
{
    if (!dlopen("libcudnn.so.9", RTLD_NOW | RTLD_GLOBAL) ||
        !dlopen("libcusparse.so.12", RTLD_NOW | RTLD_GLOBAL)) {
        fprintf(stderr, "%s\n", dlerror());
        return 3;
    }
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        int pipes[2], status = 0, answer = -1;
        if (pipe(pipes) != 0)
            return 4;
        const pid_t child = fork();
        if (child == 0) {
            answer = call(names[i]);
            _exit(write(pipes[1], &answer, sizeof answer) != sizeof answer);
        }
        close(pipes[1]);
        if (read(pipes[0], &answer, sizeof answer) != (ssize_t)sizeof answer)
            answer = -1;
        close(pipes[0]);
        waitpid(child, &status, 0);
        printf("%s status %d signal %d\n", names[i], answer,
            WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    }
    printf("result calls=%u\n", (unsigned)(sizeof names / sizeof *names));
    return 0;
}
