/* Graphs and streams that meet: the float-adding kernel of drv.h in captured graphs that are copied, instantiated twice, updated
 * and edited, in a node added by name, and on two streams that add to one array. argv[1] picks the case. */
#include "tests/preload/programs/drv.h"

enum { N = 6000, M = 7, BLOCK = 64 };

static CUfunction sum;
static CUdeviceptr x;

static void launch(CUdeviceptr y, uint32_t n, CUstream stream)
{
    uint32_t m = M;
    void *params[] = { &x, &y, &n, &m };
    OK(CU(cuLaunchKernel)(
        sum, (n + BLOCK - 1) / BLOCK, 1, 1, BLOCK, 1, 1, 0, stream, params, NULL));
}

static CUstream stream(void)
{
    CUstream s;
    OK(CU(cuStreamCreate)(&s, CU_STREAM_NON_BLOCKING));
    return s;
}

static CUdeviceptr zeros(void)
{
    const CUdeviceptr y = drv_zeros(M);
    OK(CU(cuCtxSynchronize)());
    return y;
}

static CUgraph captured(CUdeviceptr y, uint32_t n)
{
    CUgraph graph;
    const CUstream s = stream();
    OK(CU(cuStreamBeginCapture_v2)(s, CU_STREAM_CAPTURE_MODE_GLOBAL));
    launch(y, n, s);
    OK(CU(cuStreamEndCapture)(s, &graph));
    OK(CU(cuStreamDestroy_v2)(s));
    return graph;
}

static CUgraphExec instance(CUgraph graph)
{
    CUgraphExec exec;
    OK(CU(cuGraphInstantiateWithFlags)(&exec, graph, 0));
    return exec;
}

static void both(CUgraphExec a, CUgraphExec b)
{
    const CUstream sa = stream(), sb = stream();
    for (int i = 0; i < 3; i++) {
        OK(CU(cuGraphLaunch)(a, sa));
        OK(CU(cuGraphLaunch)(b, sb));
    }
    OK(CU(cuCtxSynchronize)());
}

/* Two executables of one graph at the same time. */
static void two(void)
{
    const CUdeviceptr y = zeros();
    const CUgraph graph = captured(y, N);
    both(instance(graph), instance(graph));
    drv_print("y", y, M);
}

static void clone(void)
{
    const CUdeviceptr y = zeros();
    CUgraph copy;
    const CUgraph graph = captured(y, N);
    OK(CU(cuGraphClone)(&copy, graph));
    both(instance(copy), instance(graph));
    drv_print("y", y, M);
}

/* One graph twice as a child, in parallel branches. */
static void child(void)
{
    const CUdeviceptr y = zeros();
    CUgraph parent;
    CUgraphNode node[2];
    const CUgraph graph = captured(y, N);
    const CUstream s = stream();
    OK(CU(cuGraphCreate)(&parent, 0));
    for (int i = 0; i < 2; i++)
        OK(CU(cuGraphAddChildGraphNode)(&node[i], parent, NULL, 0, graph));
    OK(CU(cuGraphLaunch)(instance(parent), s));
    OK(CU(cuStreamSynchronize)(s));
    drv_print("y", y, M);
}

/* An executable that takes over the parameters of a graph captured later. */
static void update(void)
{
    const CUdeviceptr y = zeros(), y2 = zeros();
    CUgraphExecUpdateResultInfo info;
    const CUgraphExec exec = instance(captured(y, N));
    const CUstream s = stream();
    OK(CU(cuGraphLaunch)(exec, s));
    OK(CU(cuGraphExecUpdate_v2)(exec, captured(y2, N), &info));
    OK(CU(cuGraphLaunch)(exec, s));
    OK(CU(cuStreamSynchronize)(s));
    drv_print("y", y, M);
    drv_print("y2", y2, M);
}

/* New parameters for the captured kernel node, as the program knows it. */
static void edit(void)
{
    const CUdeviceptr y = zeros();
    CUdeviceptr y2 = zeros();
    CUgraphNode nodes[8];
    size_t n = 8;
    const CUgraph graph = captured(y, N);
    const CUgraphExec exec = instance(graph);
    const CUstream s = stream();
    int edited = 0;
    OK(CU(cuGraphLaunch)(exec, s));
    OK(CU(cuGraphGetNodes)(graph, nodes, &n));
    for (size_t i = 0; i < n; i++) {
        CUDA_KERNEL_NODE_PARAMS params;
        uint32_t count = N, m = M;
        void *list[] = { &x, &y2, &count, &m };
        if (CU(cuGraphKernelNodeGetParams_v2)(nodes[i], &params) != CUDA_SUCCESS ||
            params.func != sum)
            continue;
        params.kernelParams = list;
        params.extra = NULL;
        /* the general form, where the driver has it, does the same */
        CUgraphNodeParams general = { .type = CU_GRAPH_NODE_TYPE_KERNEL };
        memcpy(&general.kernel, &params, sizeof general.kernel);
        if (dlsym(drv_lib, "cuGraphExecNodeSetParams") && dlsym(drv_lib, "cuGraphNodeSetParams"))
            OK(CU(cuGraphExecNodeSetParams)(exec, nodes[i], &general));
        else
            OK(CU(cuGraphExecKernelNodeSetParams_v2)(exec, nodes[i], &params));
        edited++;
    }
    OK(CU(cuGraphLaunch)(exec, s));
    OK(CU(cuStreamSynchronize)(s));
    printf("edited %d\n", edited);
    drv_print("y", y, M);
    drv_print("y2", y2, M);
}

static void by_name(void)
{
    CUdeviceptr y = zeros();
    uint32_t n = N, m = M;
    void *list[] = { &x, &y, &n, &m };
    CUgraph graph;
    CUgraphNode node;
    const CUDA_KERNEL_NODE_PARAMS params = { .func = sum,
        .gridDimX = (N + BLOCK - 1) / BLOCK,
        .gridDimY = 1,
        .gridDimZ = 1,
        .blockDimX = BLOCK,
        .blockDimY = 1,
        .blockDimZ = 1,
        .kernelParams = list };
    const CUstream s = stream();
    OK(CU(cuGraphCreate)(&graph, 0));
    OK(CU(cuGraphAddKernelNode_v2)(&node, graph, NULL, 0, &params));
    OK(CU(cuGraphLaunch)(instance(graph), s));
    OK(CU(cuStreamSynchronize)(s));
    drv_print("y", y, M);
}

/* Two streams add to one array, unordered by the program. */
static void meet(void)
{
    const CUdeviceptr y = zeros();
    const CUstream a = stream(), b = stream();
    for (int i = 0; i < 2; i++) {
        launch(y, N, a);
        launch(y, N / 3, b);
    }
    OK(CU(cuCtxSynchronize)());
    drv_print("y", y, M);
}

/* The program itself lets the second stream go first: a wait of ours would never end. */
static void wait_value(void)
{
    const CUdeviceptr y = zeros(), flag = zeros();
    const CUstream a = stream(), b = stream();
    const uint32_t one = 1;
    OK(CU(cuStreamWaitValue32_v2)(a, flag, one, CU_STREAM_WAIT_VALUE_EQ));
    launch(y, N, a);
    launch(y, N / 3, b);
    OK(CU(cuStreamSynchronize)(b));
    OK(CU(cuMemcpyHtoDAsync_v2)(flag, &one, sizeof one, b));
    OK(CU(cuCtxSynchronize)());
    drv_print("y", y, M);
}

/* A copy added by name behind the captured kernel, then one more behind an empty node: both see the sums. */
static void behind(void)
{
    const CUdeviceptr y = zeros(), z[2] = { zeros(), zeros() };
    CUcontext ctx;
    CUgraphNode nodes[8], empty, copy;
    size_t n = 8;
    const CUgraph graph = captured(y, N);
    const CUstream s = stream();
    OK(CU(cuCtxGetCurrent)(&ctx));
    OK(CU(cuGraphGetNodes)(graph, nodes, &n));
    for (size_t i = 0; i < n; i++) {
        CUDA_KERNEL_NODE_PARAMS params;
        if (CU(cuGraphKernelNodeGetParams_v2)(nodes[i], &params) != CUDA_SUCCESS ||
            params.func != sum)
            continue;
        OK(CU(cuGraphAddEmptyNode)(&empty, graph, NULL, 0));
        OK(CU(cuGraphAddDependencies)(graph, &nodes[i], &empty, 1)); /* cuGraphAddDependencies_v2 */
        for (int j = 0; j < 2; j++) {
            const CUDA_MEMCPY3D what = { .srcMemoryType = CU_MEMORYTYPE_DEVICE,
                .srcDevice = y,
                .dstMemoryType = CU_MEMORYTYPE_DEVICE,
                .dstDevice = z[j],
                .WidthInBytes = M * sizeof(float),
                .Height = 1,
                .Depth = 1 };
            OK(CU(cuGraphAddMemcpyNode)(&copy, graph, j == 0 ? &nodes[i] : &empty, 1, &what, ctx));
        }
        break;
    }
    OK(CU(cuGraphLaunch)(instance(graph), s));
    OK(CU(cuStreamSynchronize)(s));
    if (dlsym(drv_lib, "cuGraphRemoveDependencies") != NULL) /* cuGraphRemoveDependencies_v2 */
        OK(CU(cuGraphRemoveDependencies)(graph, &empty, &copy, 1));
    OK(CU(cuGraphDestroyNode)(copy));
    drv_print("y", y, M);
    drv_print("z", z[0], M);
    drv_print("z2", z[1], M);
}

/* The program orders its streams by events; a host function keeps us from adding waits of our own. */
static void nothing(void *arg)
{
    (void)arg;
}

static void events(void)
{
    const CUdeviceptr y = zeros();
    const CUstream a = stream(), b = stream(), c = stream();
    CUevent event, other;
    OK(CU(cuEventCreate)(&event, CU_EVENT_DISABLE_TIMING));
    OK(CU(cuEventCreate)(&other, CU_EVENT_DISABLE_TIMING));
    OK(CU(cuLaunchHostFunc)(a, nothing, NULL));
    for (int i = 0; i < 3; i++) {
        launch(y, N, a);
        OK(CU(cuEventRecord)(event, a));
        OK(CU(cuStreamWaitEvent)(c, event, 0)); /* c only passes it on */
        OK(CU(cuEventRecordWithFlags)(other, c, 0));
        OK(CU(cuStreamWaitEvent)(b, other, 0));
        launch(y, N / 3, b);
        OK(CU(cuEventRecord)(event, b));
        OK(CU(cuStreamWaitEvent)(a, event, 0));
    }
    OK(CU(cuCtxSynchronize)());
    OK(CU(cuEventDestroy_v2)(event));
    drv_print("y", y, M);
}

/* The same without the wait on the way back. */
static void half_events(void)
{
    const CUdeviceptr y = zeros();
    const CUstream a = stream(), b = stream();
    CUevent event;
    OK(CU(cuEventCreate)(&event, CU_EVENT_DISABLE_TIMING));
    OK(CU(cuLaunchHostFunc)(a, nothing, NULL));
    for (int i = 0; i < 2; i++) {
        launch(y, N, a);
        OK(CU(cuEventRecord)(event, a));
        OK(CU(cuStreamWaitEvent)(b, event, 0));
        launch(y, N / 3, b);
    }
    OK(CU(cuCtxSynchronize)());
    drv_print("y", y, M);
}

/* A graph on one stream and a launch on another, both adding to y; then the same one after the other. */
static void replay(void)
{
    const CUdeviceptr y = zeros();
    const CUstream a = stream(), b = stream();
    const CUgraphExec exec = instance(captured(y, N));
    OK(CU(cuGraphLaunch)(exec, a));
    launch(y, N / 3, b);
    OK(CU(cuCtxSynchronize)());
    OK(CU(cuGraphLaunch)(exec, a));
    OK(CU(cuStreamSynchronize)(a));
    launch(y, N / 3, b);
    OK(CU(cuGraphLaunch)(exec, b));
    OK(CU(cuCtxSynchronize)());
    drv_print("y", y, M);
}

/* The same kernel under another name, which the user has us leave alone, adds to the same array from another stream at the same
 * time. Addends are small integers, so that the sum is exact in any order: a lost update shows. */
static void skipped(void)
{
    enum { ROUNDS = 6 };
    static float ones[N];
    CUmodule module;
    CUfunction add;
    char *const ptx = strdup(drv_ptx), *const name = strstr(ptx, "entry sum(");
    memcpy(name, "entry add(", 10);
    OK(CU(cuModuleLoadData)(&module, ptx));
    OK(CU(cuModuleGetFunction)(&add, module, "add"));
    for (int i = 0; i < N; i++)
        ones[i] = (float)(i % 5 + 1);
    OK(CU(cuMemcpyHtoD_v2)(x, ones, sizeof ones));
    const CUdeviceptr y = zeros();
    const CUstream a = stream(), b = stream();
    const CUfunction mine = sum;
    for (int i = 0; i < ROUNDS; i++) {
        launch(y, N, a);
        sum = add;
        launch(y, N, b);
        sum = mine;
    }
    OK(CU(cuCtxSynchronize)());
    float got[M], want[M] = { 0 };
    for (int i = 0; i < N; i++)
        want[i % M] += 2 * ROUNDS * ones[i];
    OK(CU(cuMemcpyDtoH_v2)(got, y, sizeof got));
    printf("lost %d\n", memcmp(got, want, sizeof got) != 0);
    drv_print("y", y, M);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } cases[] = { { "two", two }, { "clone", clone }, { "child", child }, { "update", update },
        { "edit", edit }, { "by_name", by_name }, { "meet", meet }, { "wait_value", wait_value },
        { "events", events }, { "half_events", half_events }, { "replay", replay },
        { "behind", behind }, { "skipped", skipped } };
    CUmodule module;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (argc > 1 && strcmp(argv[1], cases[i].name) == 0) {
            drv_start();
            x = drv_addends(N);
            OK(CU(cuModuleLoadData)(&module, drv_ptx));
            OK(CU(cuModuleGetFunction)(&sum, module, "sum"));
            cases[i].run();
            return 0;
        }
    fprintf(stderr, "no such case\n");
    return 3;
}
