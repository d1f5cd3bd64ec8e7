/* libcuda.so.1 for the fault tests: one stream, capturing or not (FAULTS_CAPTURING), and counters of what a capture forbids. Functions
 * that the shim asks for and that are not here look absent, as in a driver that is too old. */
#include <stdlib.h>
#include <string.h>

#define API __attribute__((visibility("default")))
static unsigned n_forbidden;
static char names[2000];

API unsigned driver_forbidden(const char **which);
API unsigned driver_forbidden(const char **which)
{
    *which = names;
    return n_forbidden;
}

static int forbidden(const char *name)
{
    n_forbidden++;
    if (strlen(names) + strlen(name) + 2 < sizeof names)
        strcat(strcat(names, name), " ");
    return 0;
}
#define FORBIDDEN(name)                                                                            \
    API int name(void);                                                                            \
    API int name(void)                                                                             \
    {                                                                                              \
        return forbidden(#name);                                                                   \
    }
FORBIDDEN(cuMemAlloc_v2)
FORBIDDEN(cuMemFree_v2)
FORBIDDEN(cuMemAllocAsync)
FORBIDDEN(cuMemFreeAsync)
FORBIDDEN(cuMemHostAlloc)
FORBIDDEN(cuMemcpyHtoD_v2)
FORBIDDEN(cuMemcpyDtoH_v2)
FORBIDDEN(cuMemcpyDtoDAsync_v2)
FORBIDDEN(cuMemsetD8_v2)
FORBIDDEN(cuMemsetD8Async)
FORBIDDEN(cuStreamSynchronize)
FORBIDDEN(cuStreamWaitEvent)
FORBIDDEN(cuCtxSynchronize)
FORBIDDEN(cuEventRecord)
FORBIDDEN(cuEventSynchronize)
FORBIDDEN(cuModuleLoadData)
FORBIDDEN(cuLaunchKernel)
FORBIDDEN(cuLaunchHostFunc)

API int cuInit(unsigned flags);
API int cuInit(unsigned flags)
{
    return (int)flags * 0;
}
API int cuStreamIsCapturing(void *stream, int *status);
API int cuStreamIsCapturing(void *stream, int *status)
{
    (void)stream;
    *status = getenv("FAULTS_CAPTURING") != NULL;
    return 0;
}
API int cuThreadExchangeStreamCaptureMode(int *mode);
API int cuThreadExchangeStreamCaptureMode(int *mode)
{
    *mode = 0;
    return 0;
}
API int cuCtxGetCurrent(void **context);
API int cuCtxGetCurrent(void **context)
{
    static int one;
    *context = &one;
    return 0;
}
