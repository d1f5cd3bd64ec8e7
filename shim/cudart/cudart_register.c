/* Registration by nvcc's start-up code. Runs before main and before our constructor; notes, never changes. */
#include <errno.h>

#include "shim/cudart/cudart_api.h"
#include "shim/image/registry.h"
#include "shim/loader/call.h"

DET_EXPORT void **__cudaRegisterFatBinary(void *fatCubin)
{
    if (!det_enter(DET_ID___cudaRegisterFatBinary))
        return DET_REAL(__cudaRegisterFatBinary)(fatCubin);

    void **const handle = DET_REAL(__cudaRegisterFatBinary)(fatCubin);
    const int saved = errno;
    if (handle != NULL)
        det_registry_image(handle, fatCubin);
    errno = saved;
    det_leave(DET_ID___cudaRegisterFatBinary);
    return handle;
}

DET_EXPORT void __cudaRegisterFunction(void **fatCubinHandle, const char *hostFun, char *deviceFun,
    const char *deviceName, int thread_limit, uint3 *tid, uint3 *bid, dim3 *bDim, dim3 *gDim,
    int *wSize)
{
    if (!det_enter(DET_ID___cudaRegisterFunction)) {
        DET_REAL(__cudaRegisterFunction)
        (fatCubinHandle, hostFun, deviceFun, deviceName, thread_limit, tid, bid, bDim, gDim, wSize);
        return;
    }

    DET_REAL(__cudaRegisterFunction)
    (fatCubinHandle, hostFun, deviceFun, deviceName, thread_limit, tid, bid, bDim, gDim, wSize);
    const int saved = errno;
    det_registry_name(hostFun, fatCubinHandle, deviceName);
    errno = saved;
    det_leave(DET_ID___cudaRegisterFunction);
}

/* nvcc 12 and later launch by a token instead of the host function's address. */
DET_EXPORT cudaError_t __cudaGetKernel(cudaKernel_t *kernel, const void *hostFun)
{
    if (!det_enter(DET_ID___cudaGetKernel))
        return DET_REAL(__cudaGetKernel)(kernel, hostFun);

    const cudaError_t status = DET_REAL(__cudaGetKernel)(kernel, hostFun);
    const int saved = errno;
    if (status == cudaSuccess && kernel != NULL)
        det_registry_alias(*kernel, hostFun);
    errno = saved;
    det_leave(DET_ID___cudaGetKernel);
    return status;
}
