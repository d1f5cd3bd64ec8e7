/* Sums of order-dependent bits brought to the host in every way a copy can go; argv[1] picks the way. */
#include "tests/preload/programs/drv.h"

#include <pthread.h>
#include <sys/mman.h>

enum { N = 6000, M = 8, BYTES = M * 4 };

static CUdeviceptr x, y;
static CUfunction sum;
static CUstream stream;
static uint32_t host[4 * M];

static void launch(CUdeviceptr to, CUstream on)
{
    uint32_t n = N, m = M;
    void *params[] = { &x, &to, &n, &m };
    OK(CU(cuLaunchKernel)(sum, (N + 63) / 64, 1, 1, 64, 1, 1, 0, on, params, NULL));
}

static void show(const uint32_t *bits)
{
    printf("result y=");
    for (unsigned i = 0; i < M; i++)
        printf("%s%08x", i == 0 ? "" : ",", bits[i]);
    printf("\n");
}

static void flat(void)
{
    launch(y, NULL);
    OK(CU(cuMemcpyDtoH_v2)(host, y, BYTES));
}

static void unified(void)
{
    launch(y, NULL);
    OK(CU(cuMemcpy)((CUdeviceptr)(uintptr_t)host, y, BYTES));
    OK(CU(cuMemcpy)(y, x, BYTES)); /* does not reach the host */
    launch(y, stream);
    OK(CU(cuMemcpyAsync)((CUdeviceptr)(uintptr_t)host, y, BYTES, stream));
    OK(CU(cuStreamSynchronize)(stream));
}

static void async(void)
{
    launch(y, stream);
    OK(CU(cuMemcpyDtoHAsync_v2)(host, y, BYTES, stream));
    OK(CU(cuStreamSynchronize)(stream));
    launch(y, stream);
    OK(CU(cuMemcpyDtoHAsync_v2)(host, y, BYTES, stream));
    OK(CU(cuCtxSynchronize)());
}

/* The host waits for an event of a second stream, which waits for one of the first. */
static void event(void)
{
    CUstream other;
    CUevent first, second;
    OK(CU(cuStreamCreate)(&other, CU_STREAM_NON_BLOCKING));
    OK(CU(cuEventCreate)(&first, CU_EVENT_DISABLE_TIMING));
    OK(CU(cuEventCreate)(&second, CU_EVENT_DISABLE_TIMING));
    launch(y, stream);
    OK(CU(cuMemcpyDtoHAsync_v2)(host, y, BYTES, stream));
    OK(CU(cuEventRecord)(first, stream));
    OK(CU(cuStreamWaitEvent)(other, first, 0));
    OK(CU(cuEventRecord)(second, other));
    OK(CU(cuEventSynchronize)(second));
}

static void poll(void)
{
    launch(y, stream);
    OK(CU(cuMemcpyDtoHAsync_v2)(host, y, BYTES, stream));
    while (CU(cuStreamQuery)(stream) == CUDA_ERROR_NOT_READY)
        continue;
}

static void blocks(void)
{
    CUDA_MEMCPY2D two = { .srcMemoryType = CU_MEMORYTYPE_DEVICE,
        .srcDevice = y,
        .srcPitch = 16,
        .dstMemoryType = CU_MEMORYTYPE_HOST,
        .dstHost = host,
        .dstPitch = 24,
        .dstXInBytes = 4,
        .WidthInBytes = 16,
        .Height = 2 };
    launch(y, NULL);
    OK(CU(cuMemcpy2D_v2)(&two));
    OK(CU(cuMemcpy2DAsync_v2)(&two, NULL));
    OK(CU(cuStreamSynchronize)(NULL));
    CUDA_MEMCPY3D three = { .srcMemoryType = CU_MEMORYTYPE_DEVICE,
        .srcDevice = y,
        .srcPitch = 8,
        .srcHeight = 2,
        .dstMemoryType = CU_MEMORYTYPE_HOST,
        .dstHost = host,
        .dstPitch = 8,
        .dstHeight = 2,
        .WidthInBytes = 8,
        .Height = 2,
        .Depth = 2 };
    OK(CU(cuMemcpy3DAsync_v2)(&three, NULL));
    OK(CU(cuCtxSynchronize)());
}

static void shared(void)
{
    CUdeviceptr managed, at;
    void *mapped;
    static float registered[M];
    OK(CU(cuMemAllocManaged)(&managed, BYTES, CU_MEM_ATTACH_GLOBAL));
    OK(CU(cuMemHostAlloc)(&mapped, BYTES, CU_MEMHOSTALLOC_DEVICEMAP));
    OK(CU(cuMemHostRegister_v2)(registered, BYTES, CU_MEMHOSTREGISTER_DEVICEMAP));
    memset((void *)(uintptr_t)managed, 0, BYTES);
    memset(mapped, 0, BYTES);
    launch(managed, NULL);
    OK(CU(cuMemHostGetDevicePointer_v2)(&at, mapped, 0));
    launch(at, NULL);
    OK(CU(cuCtxSynchronize)());
    memcpy(host, (void *)(uintptr_t)managed, BYTES);
    launch(managed, NULL);
    OK(CU(cuStreamSynchronize)(NULL));
    OK(CU(cuMemFree_v2)(managed));
    void *pinned; /* not asked to be mapped: not read */
    OK(CU(cuMemHostAlloc)(&pinned, BYTES, 0));
    OK(CU(cuMemFreeHost)(pinned));
    OK(CU(cuMemHostUnregister)(registered));
}

/* Reused, freed, never waited for. */
static void lost(void)
{
    char *const page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(page, 0xff, 4096);
    launch(y, stream);
    OK(CU(cuMemcpyDtoHAsync_v2)(host, y, BYTES, stream));
    OK(CU(cuMemcpyDtoHAsync_v2)(host + 4, y, BYTES, stream));
    OK(CU(cuMemcpyDtoHAsync_v2)(page, y, BYTES, stream));
    for (unsigned i = 0; i < M; i++)
        while (((volatile uint32_t *)page)[i] == UINT32_MAX)
            continue;
    munmap(page, 4096);
    OK(CU(cuStreamSynchronize)(stream));
    OK(CU(cuMemcpyDtoHAsync_v2)(host + 4, y, BYTES, stream));
}

static void capture(void)
{
    CUgraph graph;
    OK(CU(cuStreamBeginCapture_v2)(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
    OK(CU(cuMemcpyDtoHAsync_v2)(host, y, BYTES, stream));
    OK(CU(cuStreamEndCapture)(stream, &graph));
}

/* Threads copy side by side, each its own sums. */
static void *thread(void *ctx)
{
    uint32_t mine[M];
    OK(CU(cuCtxSetCurrent)(ctx));
    const CUdeviceptr at = drv_zeros(M);
    for (int i = 0; i < 5; i++) {
        launch(at, NULL);
        OK(CU(cuMemcpyDtoH_v2)(mine, at, BYTES));
    }
    return NULL;
}

static CUcontext context;
static void threads(void)
{
    pthread_t id[3];
    for (int i = 0; i < 3; i++)
        pthread_create(&id[i], NULL, thread, context);
    for (int i = 0; i < 3; i++)
        pthread_join(id[i], NULL);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } ways[] = { { "flat", flat }, { "unified", unified }, { "async", async }, { "event", event },
        { "poll", poll }, { "blocks", blocks }, { "shared", shared }, { "lost", lost },
        { "capture", capture }, { "threads", threads } };
    CUmodule module;
    context = drv_start();
    x = drv_addends(N);
    y = drv_zeros(M);
    OK(CU(cuModuleLoadData)(&module, drv_ptx));
    OK(CU(cuModuleGetFunction)(&sum, module, "sum"));
    OK(CU(cuStreamCreate)(&stream, CU_STREAM_NON_BLOCKING));
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        if (argc > 1 && strcmp(argv[1], ways[i].name) == 0) {
            ways[i].run();
            show(host);
            return 0;
        }
    return 3;
}
