/* Graphs built by hand: the float-adding kernels of drv.h as nodes added by name, in all forms of the driver API, with queries,
 * edits, switches, copies and captures into the graph. argv[1] picks the case. */
#include "tests/preload/programs/drv.h"

enum { N = 6000, M = 7, BLOCK = 64 };

static CUfunction sum, total;
static CUdeviceptr x;

/* Parameters of one `sum`; the driver copies them when the node is made. */
struct call {
    CUdeviceptr y;
    uint32_t n, m;
    void *list[4];
    CUDA_KERNEL_NODE_PARAMS params;
};

static CUDA_KERNEL_NODE_PARAMS *call(struct call *c, CUdeviceptr y, uint32_t n)
{
    c->y = y;
    c->n = n;
    c->m = M;
    c->list[0] = &x;
    c->list[1] = &c->y;
    c->list[2] = &c->n;
    c->list[3] = &c->m;
    c->params = (CUDA_KERNEL_NODE_PARAMS){ .func = sum,
        .gridDimX = (n + BLOCK - 1) / BLOCK,
        .gridDimY = 1,
        .gridDimZ = 1,
        .blockDimX = BLOCK,
        .blockDimY = 1,
        .blockDimZ = 1,
        .kernelParams = c->list };
    return &c->params;
}

static CUDA_KERNEL_NODE_PARAMS *call_total(struct call *c)
{
    call(c, 0, N);
    c->list[1] = &c->n;
    c->params.func = total;
    return &c->params;
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

static CUgraph empty_graph(void)
{
    CUgraph graph;
    OK(CU(cuGraphCreate)(&graph, 0));
    return graph;
}

static CUgraphNode add(CUgraph graph, CUgraphNode after, CUdeviceptr y, uint32_t n)
{
    struct call c;
    CUgraphNode node;
    OK(CU(cuGraphAddKernelNode_v2)(&node, graph, &after, after != NULL, call(&c, y, n)));
    return node;
}

static CUgraphNode add_copy(CUgraph graph, CUgraphNode after, CUdeviceptr from, CUdeviceptr to)
{
    CUcontext ctx;
    CUgraphNode node;
    const CUDA_MEMCPY3D what = { .srcMemoryType = CU_MEMORYTYPE_DEVICE,
        .srcDevice = from,
        .dstMemoryType = CU_MEMORYTYPE_DEVICE,
        .dstDevice = to,
        .WidthInBytes = M * sizeof(float),
        .Height = 1,
        .Depth = 1 };
    OK(CU(cuCtxGetCurrent)(&ctx));
    OK(CU(cuGraphAddMemcpyNode)(&node, graph, &after, 1, &what, ctx));
    return node;
}

static CUgraphExec instance(CUgraph graph)
{
    CUgraphExec exec;
    OK(CU(cuGraphInstantiateWithFlags)(&exec, graph, 0));
    return exec;
}

static void run(CUgraphExec exec, int times)
{
    const CUstream s = stream();
    for (int i = 0; i < times; i++)
        OK(CU(cuGraphLaunch)(exec, s));
    OK(CU(cuStreamSynchronize)(s));
    OK(CU(cuStreamDestroy_v2)(s));
}

/* One after the other, each form of the call once; a copy behind the last sees all. */
static void chain(void)
{
    const CUdeviceptr y = zeros(), z = zeros();
    struct call c;
    CUDA_KERNEL_NODE_PARAMS_v1 old;
    CUgraphNode node, next;
    const CUgraph graph = empty_graph();
    node = add(graph, NULL, y, N);
    memcpy(&old, call(&c, y, N / 2), sizeof old);
    OK(CU(cuGraphAddKernelNode)(&next, graph, &node, 1, &old));
    node = next;
    CUgraphNodeParams general = { .type = CU_GRAPH_NODE_TYPE_KERNEL };
    call(&c, y, N / 3);
    c.params.func = NULL; /* by CUkernel: the double takes a CUfunction there, too */
    memcpy(&general.kernel, &c.params, sizeof c.params);
    general.kernel.func = sum;
    OK(((CUresult(*)(CUgraphNode *, CUgraph, const CUgraphNode *, size_t,
        CUgraphNodeParams *))drv_find("cuGraphAddNode"))(&next, graph, &node, 1, &general));
    node = next;
    general.kernel.kernelParams = call(&c, y, N / 5)->kernelParams;
    general.kernel.gridDimX = c.params.gridDimX;
    OK(((CUresult(*)(CUgraphNode *, CUgraph, const CUgraphNode *, const CUgraphEdgeData *, size_t,
        CUgraphNodeParams *))drv_find("cuGraphAddNode_v2"))(
        &next, graph, &node, NULL, 1, &general));
    add_copy(graph, next, y, z);
    run(instance(graph), 2);
    drv_print("y", y, M);
    drv_print("z", z, M);
}

/* Two roots that add to one array; then a pair on its own arrays whose order is taken away again. */
static void parallel(void)
{
    const CUdeviceptr y = zeros();
    const CUgraph graph = empty_graph();
    add(graph, NULL, y, N);
    add(graph, NULL, y, N / 3);
    run(instance(graph), 1);
    drv_print("y", y, M);
}

static void broken_chain(void)
{
    const CUdeviceptr y = zeros(), z = zeros();
    const CUgraph graph = empty_graph();
    const CUgraphNode a = add(graph, NULL, y, N), b = add(graph, a, z, N / 3);
    OK(((CUresult(*)(CUgraph, const CUgraphNode *, const CUgraphNode *, size_t))drv_find(
        "cuGraphRemoveDependencies"))(graph, &a, &b, 1));
    run(instance(graph), 3);
    drv_print("y", y, M);
    drv_print("z", z, M);
}

/* Forked and joined again: only edges tell that the third comes after both. */
static void diamond(void)
{
    const CUdeviceptr y = zeros(), z = zeros();
    const CUgraph graph = empty_graph();
    struct call c;
    const CUgraphNode a = add(graph, NULL, y, N);
    const CUgraphNode both[] = { add(graph, a, y, N / 2), add(graph, a, z, N / 3) };
    CUgraphNode end;
    OK(CU(cuGraphAddKernelNode_v2)(&end, graph, both, 2, call(&c, z, N / 5)));
    run(instance(graph), 2);
    drv_print("y", y, M);
    drv_print("z", z, M);
}

static int index_in(const CUgraphNode *nodes, size_t n, CUgraphNode node)
{
    for (size_t i = 0; i < n; i++)
        if (nodes[i] == node)
            return (int)i;
    return -1;
}

/* What the program sees of its graph, by numbers that are the same whoever else is there. */
static void queries(void)
{
    const CUdeviceptr y = zeros(), z = zeros();
    const CUgraph graph = empty_graph();
    CUgraphNode nodes[8], from[8], to[8], mine[3];
    size_t n = 8, n_edges = 8, n_deps = 8, count = 0;
    mine[0] = add(graph, NULL, y, N);
    mine[1] = add(graph, mine[0], y, N / 3);
    mine[2] = add_copy(graph, mine[1], y, z);
    OK(CU(cuGraphGetNodes)(graph, NULL, &count));
    OK(CU(cuGraphGetNodes)(graph, nodes, &n));
    printf("nodes %d %d:", (int)count, (int)n);
    for (size_t i = 0; i < n; i++)
        printf(" %d", index_in(mine, 3, nodes[i]));
    OK(((CUresult(*)(CUgraph, CUgraphNode *, CUgraphNode *, size_t *))drv_find("cuGraphGetEdges"))(
        graph, from, to, &n_edges));
    printf("\nedges %d:", (int)n_edges);
    for (size_t i = 0; i < n_edges; i++)
        printf(" %d-%d", index_in(mine, 3, from[i]), index_in(mine, 3, to[i]));
    typedef CUresult (*neighbours)(CUgraphNode, CUgraphNode *, size_t *);
    for (int i = 0; i < 3; i++) {
        n_deps = 8;
        OK(((neighbours)drv_find("cuGraphNodeGetDependencies"))(mine[i], nodes, &n_deps));
        printf("\nbefore %d: %d %d", i, (int)n_deps, n_deps ? index_in(mine, 3, nodes[0]) : -1);
        n_deps = 8;
        OK(((neighbours)drv_find("cuGraphNodeGetDependentNodes"))(mine[i], nodes, &n_deps));
        printf("\nbehind %d: %d %d", i, (int)n_deps, n_deps ? index_in(mine, 3, nodes[0]) : -1);
    }
    CUDA_KERNEL_NODE_PARAMS params;
    OK(CU(cuGraphKernelNodeGetParams_v2)(mine[1], &params));
    printf("\nparams %d %u %u %u %d\n", params.func == sum, params.gridDimX, params.blockDimX,
        params.sharedMemBytes, *(CUdeviceptr *)params.kernelParams[1] == y);
    run(instance(graph), 1);
    drv_print("y", y, M);
}

/* New parameters in one of two executables, after the second was made; then in the graph; then a switch. */
static void edits(void)
{
    const CUdeviceptr y[4] = { zeros(), zeros(), zeros(), zeros() };
    const CUgraph graph = empty_graph();
    struct call c;
    CUDA_KERNEL_NODE_PARAMS_v1 old;
    const CUgraphNode node = add(graph, NULL, y[0], N);
    const CUgraphExec first = instance(graph), second = instance(graph);
    OK(CU(cuGraphExecKernelNodeSetParams_v2)(first, node, call(&c, y[1], N)));
    const CUstream a = stream(), b = stream();
    for (int i = 0; i < 2; i++) {
        OK(CU(cuGraphLaunch)(first, a));
        OK(CU(cuGraphLaunch)(second, b));
    }
    OK(CU(cuCtxSynchronize)());
    OK(CU(cuGraphKernelNodeSetParams_v2)(node, call(&c, y[2], N / 2)));
    const CUgraphExec third = instance(graph);
    run(third, 1);
    OK(CU(cuGraphNodeSetEnabled)(third, node, 0));
    run(third, 1);
    OK(CU(cuGraphNodeSetEnabled)(third, node, 1));
    memcpy(&old, call(&c, y[3], N / 3), sizeof old);
    OK(CU(cuGraphExecKernelNodeSetParams)(third, node, &old));
    run(third, 1);
    for (int i = 0; i < 4; i++) {
        const char name[] = { 'y', (char)('0' + i), 0 };
        drv_print(name, y[i], M);
    }
}

/* Another kernel in the node, then the first one again. */
static void other_kernel(void)
{
    const CUdeviceptr y = zeros();
    const CUgraph graph = empty_graph();
    struct call c;
    const CUgraphNode node = add(graph, NULL, y, N);
    OK(CU(cuGraphKernelNodeSetParams_v2)(node, call_total(&c)));
    run(instance(graph), 1);
    OK(CU(cuGraphKernelNodeSetParams_v2)(node, call(&c, y, N / 3)));
    run(instance(graph), 1);
    drv_print("y", y, M);
}

static void update(void)
{
    const CUdeviceptr y = zeros(), z = zeros();
    const CUgraph graph = empty_graph(), later = empty_graph();
    CUgraphExecUpdateResultInfo info;
    struct call c;
    const CUgraphNode node = add(graph, NULL, y, N);
    add(later, NULL, z, N);
    const CUgraphExec exec = instance(graph);
    run(exec, 1);
    OK(CU(cuGraphExecUpdate_v2)(exec, later, &info));
    run(exec, 1);
    OK(CU(cuGraphExecKernelNodeSetParams_v2)(exec, node, call(&c, z, N / 2)));
    run(exec, 1);
    drv_print("y", y, M);
    drv_print("z", z, M);
}

/* A clone, and the graph as a child by either call; children run one after the other. */
static void copies(void)
{
    const CUdeviceptr y = zeros(), z = zeros();
    const CUgraph graph = empty_graph(), parent = empty_graph(), other = empty_graph();
    CUgraph clone;
    CUgraphNode child[2];
    add(graph, add(graph, NULL, y, N), z, N / 3);
    OK(CU(cuGraphClone)(&clone, graph));
    run(instance(clone), 1);
    OK(CU(cuGraphAddChildGraphNode)(&child[0], parent, NULL, 0, graph));
    CUgraphNodeParams general = { .type = CU_GRAPH_NODE_TYPE_GRAPH, .graph = { .graph = graph } };
    OK(((CUresult(*)(CUgraphNode *, CUgraph, const CUgraphNode *, size_t, CUgraphNodeParams *))
            drv_find("cuGraphAddNode"))(&child[1], parent, &child[0], 1, &general));
    const CUgraphExec exec = instance(parent);
    run(exec, 2);
    add(other, add(other, NULL, z, N), y, N / 2);
    OK(CU(cuGraphExecChildGraphNodeSetParams)(exec, child[1], other));
    run(exec, 1);
    OK(CU(cuGraphDestroyNode)(child[0]));
    run(instance(parent), 1);
    drv_print("y", y, M);
    drv_print("z", z, M);
}

/* A capture into the graph behind a node added by name; inside it the program names what comes next itself. */
static void into_graph(void)
{
    const CUdeviceptr y = zeros(), z = zeros(), w = zeros();
    const CUgraph graph = empty_graph();
    const CUgraphNode node = add(graph, NULL, y, N);
    const CUstream s = stream();
    CUstreamCaptureStatus status;
    cuuint64_t id;
    CUgraph now;
    const CUgraphNode *deps;
    size_t n_deps;
    uint32_t n = N / 3, m = M;
    CUdeviceptr at = y;
    void *params[] = { &x, &at, &n, &m };
    OK(CU(cuStreamBeginCaptureToGraph)(
        s, graph, &node, NULL, 1, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
    OK(CU(cuLaunchKernel)(sum, (n + BLOCK - 1) / BLOCK, 1, 1, BLOCK, 1, 1, 0, s, params, NULL));
    OK(CU(cuStreamGetCaptureInfo_v2)(s, &status, &id, &now, &deps, &n_deps));
    CUgraphNode last = n_deps == 1 ? deps[0] : NULL;
    CUgraphNodeType type;
    CUDA_KERNEL_NODE_PARAMS kernel = { 0 };
    OK(CU(cuGraphNodeGetType)(last, &type));
    OK(CU(cuGraphKernelNodeGetParams_v2)(last, &kernel));
    printf("tip %d %d %d\n", (int)n_deps, type == CU_GRAPH_NODE_TYPE_KERNEL, kernel.func == sum);
    last = add_copy(now, last, y, z);
    OK(((CUresult(*)(CUstream, CUgraphNode *, size_t, unsigned))drv_find(
        "cuStreamUpdateCaptureDependencies"))(s, &last, 1, CU_STREAM_SET_CAPTURE_DEPENDENCIES));
    at = w;
    OK(CU(cuLaunchKernel)(sum, (n + BLOCK - 1) / BLOCK, 1, 1, BLOCK, 1, 1, 0, s, params, NULL));
    OK(CU(cuStreamEndCapture)(s, &now));
    run(instance(graph), 2);
    drv_print("y", y, M);
    drv_print("z", z, M);
    drv_print("w", w, M);
}

/* `total` multiplies by a constant of its module, which the host writes between launches. */
static void constant(void)
{
    CUmodule module;
    CUdeviceptr repeat, totals;
    size_t n_bytes;
    struct call c;
    CUgraphNode node;
    const CUgraph graph = empty_graph();
    OK(CU(cuGraphAddKernelNode_v2)(&node, graph, NULL, 0, call_total(&c)));
    const CUgraphExec exec = instance(graph);
    OK(CU(cuFuncGetModule)(&module, total));
    OK(CU(cuModuleGetGlobal_v2)(&repeat, &n_bytes, module, "repeat"));
    OK(CU(cuModuleGetGlobal_v2)(&totals, &n_bytes, module, "totals"));
    for (uint32_t i = 1; i < 4; i++) {
        OK(CU(cuMemcpyHtoD_v2)(repeat, &i, sizeof i));
        run(exec, 1);
    }
    drv_print("y", totals, 4);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } cases[] = { { "chain", chain }, { "parallel", parallel }, { "broken_chain", broken_chain },
        { "diamond", diamond }, { "queries", queries }, { "edits", edits },
        { "other_kernel", other_kernel }, { "update", update }, { "copies", copies },
        { "into_graph", into_graph }, { "constant", constant } };
    CUmodule module;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (argc > 1 && strcmp(argv[1], cases[i].name) == 0) {
            drv_start();
            x = drv_addends(N);
            OK(CU(cuModuleLoadData)(&module, drv_ptx));
            OK(CU(cuModuleGetFunction)(&sum, module, "sum"));
            OK(CU(cuModuleGetFunction)(&total, module, "total"));
            cases[i].run();
            return 0;
        }
    fprintf(stderr, "no such case\n");
    return 3;
}
