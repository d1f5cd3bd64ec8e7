/* Two host threads at once: on one stream, on their own default streams, and loading and unloading modules meanwhile; then a
 * fork whose child calls nothing of CUDA. Every launch adds the same sums, so their order does not matter. */
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/preload/programs/drv.h"

enum { N = 3000, M = 7, BLOCK = 64, TIMES = 12 };

static CUcontext ctx;
static CUfunction sum;
static CUstream stream;
static CUdeviceptr x, shared_y, own_y[2];

static void launch(CUfunction f, CUdeviceptr y, CUstream s)
{
    uint32_t n = N, m = M;
    void *params[] = { &x, &y, &n, &m };
    OK(CU(cuLaunchKernel)(f, (n + BLOCK - 1) / BLOCK, 1, 1, BLOCK, 1, 1, 0, s, params, NULL));
}

static void *thread(void *arg)
{
    const size_t me = (size_t)arg;
    OK(CU(cuCtxSetCurrent)(ctx));
    for (int i = 0; i < TIMES; i++) {
        CUmodule module;
        CUfunction other;
        launch(sum, shared_y, stream);
        launch(sum, own_y[me], CU_STREAM_PER_THREAD);
        OK(CU(cuModuleLoadData)(&module, drv_ptx));
        OK(CU(cuModuleGetFunction)(&other, module, "sum"));
        launch(other, own_y[me], CU_STREAM_PER_THREAD);
        OK(CU(cuStreamSynchronize)(CU_STREAM_PER_THREAD));
        OK(CU(cuModuleUnload)(module));
    }
    return NULL;
}

int main(void)
{
    CUmodule module;
    pthread_t threads[2];
    ctx = drv_start();
    x = drv_addends(N);
    shared_y = drv_zeros(M);
    own_y[0] = drv_zeros(M);
    own_y[1] = drv_zeros(M);
    OK(CU(cuModuleLoadData)(&module, drv_ptx));
    OK(CU(cuModuleGetFunction)(&sum, module, "sum"));
    OK(CU(cuStreamCreate)(&stream, CU_STREAM_NON_BLOCKING));
    OK(CU(cuCtxSynchronize)());
    for (size_t i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, thread, (void *)i);
    for (size_t i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    OK(CU(cuCtxSynchronize)());
    const pid_t child = fork();
    if (child == 0)
        exit(0);
    int status = -1;
    waitpid(child, &status, 0);
    launch(sum, shared_y, stream); /* the parent goes on */
    OK(CU(cuStreamSynchronize)(stream));
    printf("child %d\n", status);
    drv_print("shared", shared_y, M);
    drv_print("first", own_y[0], M);
    drv_print("second", own_y[1], M);
    return 0;
}
