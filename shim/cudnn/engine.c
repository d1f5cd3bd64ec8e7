/* Reading engines out of configurations and plans. See engine.h; the method is the one of cuDNN's own attribute documents:
 * a getter fills descriptors that the caller made. */
#include "shim/cudnn/engine.h"

struct det_backend det_backend_real(const void *caller)
{
    return (struct det_backend){
        .create = DET_REAL_FOR(cudnnBackendCreateDescriptor, caller),
        .destroy = DET_REAL_FOR(cudnnBackendDestroyDescriptor, caller),
        .set = DET_REAL_FOR(cudnnBackendSetAttribute, caller),
        .get = DET_REAL_FOR(cudnnBackendGetAttribute, caller),
        .finalize = DET_REAL_FOR(cudnnBackendFinalize, caller),
    };
}

bool det_backend_make(const struct det_backend *cudnn, cudnnBackendDescriptorType_t type,
    cudnnBackendDescriptor_t *to, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (cudnn->create(type, &to[i]) != CUDNN_STATUS_SUCCESS) {
            det_backend_unmake(cudnn, to, i);
            return false;
        }
    return true;
}

void det_backend_unmake(const struct det_backend *cudnn, cudnnBackendDescriptor_t *from, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        cudnn->destroy(from[i]);
}

/* One descriptor-valued attribute of `from`, read into a fresh descriptor of this type. */
static bool child(const struct det_backend *cudnn, cudnnBackendDescriptor_t from,
    cudnnBackendAttributeName_t name, cudnnBackendDescriptorType_t type,
    cudnnBackendDescriptor_t *out)
{
    int64_t n = 0;
    if (!det_backend_make(cudnn, type, out, 1))
        return false;
    if (cudnn->get(from, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &n, out) == CUDNN_STATUS_SUCCESS &&
        n == 1)
        return true;
    cudnn->destroy(*out);
    return false;
}

bool det_engine_read(
    const struct det_backend *cudnn, cudnnBackendDescriptor_t config, struct det_engine *out)
{
    cudnnBackendDescriptor_t engine;
    if (!child(
            cudnn, config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine))
        return false;
    cudnnBackendNumericalNote_t notes[32];
    int64_t n_notes = 0, n = 0;
    *out = (struct det_engine){ -1, false };
    cudnn->get(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &n, &out->index);
    const cudnnStatus_t status = cudnn->get(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
        CUDNN_TYPE_NUMERICAL_NOTE, CUDNN_NUMERICAL_NOTE_TYPE_COUNT, &n_notes, notes);
    for (int64_t i = 0; i < n_notes && i < CUDNN_NUMERICAL_NOTE_TYPE_COUNT; i++)
        out->flagged |= notes[i] == CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC;
    cudnn->destroy(engine);
    return status == CUDNN_STATUS_SUCCESS;
}

bool det_engine_of_plan(
    const struct det_backend *cudnn, cudnnBackendDescriptor_t plan, struct det_engine *out)
{
    cudnnBackendDescriptor_t config;
    if (!child(cudnn, plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG,
            CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, &config))
        return false;
    const bool read = det_engine_read(cudnn, config, out);
    cudnn->destroy(config);
    return read;
}
