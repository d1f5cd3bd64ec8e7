/* The life of a cuDNN handle, as far as we need it. */
#include "shim/cudnn/cudnn_shim.h"
#include "shim/pins/pins.h"

DET_EXPORT cudnnStatus_t cudnnCreate(cudnnHandle_t *handle)
{
    if (!det_enter(DET_ID_cudnnCreate))
        return DET_REAL(cudnnCreate)(handle);
    det_pins_vendor(); /* cuDNN reads its variables here */
    const cudnnStatus_t status = DET_REAL(cudnnCreate)(handle);
    det_leave(DET_ID_cudnnCreate);
    return status;
}

DET_EXPORT cudnnStatus_t cudnnDestroy(cudnnHandle_t handle)
{
    if (!det_enter(DET_ID_cudnnDestroy))
        return DET_REAL(cudnnDestroy)(handle);
    det_cudnn_workspace_drop(handle);
    const cudnnStatus_t status = DET_REAL(cudnnDestroy)(handle);
    det_leave(DET_ID_cudnnDestroy);
    return status;
}

/* A row so that we find the real one of the program's own copy of cuDNN. */
DET_EXPORT cudnnStatus_t cudnnGetStream(cudnnHandle_t handle, cudaStream_t *stream)
{
    return DET_REAL(cudnnGetStream)(handle, stream);
}
