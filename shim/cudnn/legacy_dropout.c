/* Dropout seeds: one taken from a clock or entropy is replaced by DET_SEED's stream, a constant of the program is kept. The getter
 * answers what the program set. */
#include "shim/core/kept.h"
#include "shim/cudnn/cudnn_shim.h"
#include "shim/entropy/entropy.h"

enum field { ASKED, GIVEN, N_FIELDS };
static struct det_kept kept;

static void remember(
    cudnnDropoutDescriptor_t descriptor, unsigned long long asked, unsigned long long given)
{
    det_kept_set(&kept, descriptor, ASKED, (int64_t)asked);
    det_kept_set(&kept, descriptor, GIVEN, (int64_t)given);
}

DET_EXPORT cudnnStatus_t cudnnSetDropoutDescriptor(cudnnDropoutDescriptor_t descriptor,
    cudnnHandle_t handle, float dropout, void *states, size_t n_bytes, unsigned long long asked)
{
    if (!det_enter(DET_ID_cudnnSetDropoutDescriptor))
        return DET_REAL(cudnnSetDropoutDescriptor)(
            descriptor, handle, dropout, states, n_bytes, asked);
    const unsigned long long given = det_clock_seed(DET_NAME(cudnnSetDropoutDescriptor),
        DET_PURPOSE_DROPOUT, asked, 64, __builtin_return_address(0));
    const cudnnStatus_t status =
        DET_REAL(cudnnSetDropoutDescriptor)(descriptor, handle, dropout, states, n_bytes, given);
    if (status == CUDNN_STATUS_SUCCESS) {
        remember(descriptor, asked, given);
        det_cudnn_count_as(DET_NAME(cudnnSetDropoutDescriptor), DET_CLASS_VOUCHED,
            DET_RULE_CUDNN_DOCUMENTED, ""); /* a kernel fills the states */
    }
    det_leave(DET_ID_cudnnSetDropoutDescriptor);
    return status;
}

/* The states were made by an earlier set; cuDNN keeps the seed with them, so the same one must come back. */
DET_EXPORT cudnnStatus_t cudnnRestoreDropoutDescriptor(cudnnDropoutDescriptor_t descriptor,
    cudnnHandle_t handle, float dropout, void *states, size_t n_bytes, unsigned long long asked)
{
    if (!det_enter(DET_ID_cudnnRestoreDropoutDescriptor))
        return DET_REAL(cudnnRestoreDropoutDescriptor)(
            descriptor, handle, dropout, states, n_bytes, asked);
    int64_t known_asked = 0, known_given = 0;
    unsigned long long given = asked;
    if (det_kept_get(&kept, descriptor, ASKED, &known_asked) &&
        (unsigned long long)known_asked == asked &&
        det_kept_get(&kept, descriptor, GIVEN, &known_given))
        given = (unsigned long long)known_given;
    else
        given = det_clock_seed(DET_NAME(cudnnRestoreDropoutDescriptor), DET_PURPOSE_DROPOUT, asked,
            64, __builtin_return_address(0));
    const cudnnStatus_t status = DET_REAL(cudnnRestoreDropoutDescriptor)(
        descriptor, handle, dropout, states, n_bytes, given);
    if (status == CUDNN_STATUS_SUCCESS)
        remember(descriptor, asked, given);
    det_leave(DET_ID_cudnnRestoreDropoutDescriptor);
    return status;
}

DET_EXPORT cudnnStatus_t cudnnGetDropoutDescriptor(cudnnDropoutDescriptor_t descriptor,
    cudnnHandle_t handle, float *dropout, void **states, unsigned long long *seed)
{
    const cudnnStatus_t status =
        DET_REAL(cudnnGetDropoutDescriptor)(descriptor, handle, dropout, states, seed);
    int64_t asked = 0;
    if (status == CUDNN_STATUS_SUCCESS && seed && det_kept_get(&kept, descriptor, ASKED, &asked))
        *seed = (unsigned long long)asked;
    return status;
}

DET_EXPORT cudnnStatus_t cudnnDestroyDropoutDescriptor(cudnnDropoutDescriptor_t descriptor)
{
    det_kept_drop(&kept, descriptor, N_FIELDS);
    return DET_REAL(cudnnDestroyDropoutDescriptor)(descriptor);
}
