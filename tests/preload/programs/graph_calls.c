/* cuDNN's backend API as a frontend uses it, on the double's memory: heuristics, plans, executions. Knows nothing of detshim.
 * usage: graph_calls first|second|data|tune|index|reduction|deterministic|populate|random [COUNT] */
#include <cuda_runtime.h>
#include <cudnn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef cudnnBackendDescriptor_t D;
#define GOOD(call)                                                                                 \
    do {                                                                                           \
        const int good_status = (int)(call);                                                       \
        if (good_status) {                                                                         \
            printf("%s\nresult status=%d hash=0\n", #call, good_status);                           \
            exit(0);                                                                               \
        }                                                                                          \
    } while (0)

static cudnnHandle_t handle;
static cudaStream_t stream;

#include "capture.h"
static uint64_t state = 88172645463325252u, hash = 1469598103934665603u;

static unsigned draw(unsigned n)
{
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (unsigned)(state >> 33) % n;
}

static float *values(size_t n)
{
    float *host = malloc(n * sizeof *host), *at = NULL;
    for (size_t i = 0; i < n; i++)
        host[i] = ((float)draw(20001) - 10000.0f) * (1.0f / (float)(1u << draw(16)));
    GOOD(cudaMalloc((void **)&at, n * sizeof *at));
    GOOD(cudaMemcpy(at, host, n * sizeof *host, cudaMemcpyHostToDevice));
    free(host);
    return at;
}

static void take(const float *at, size_t n)
{
    float *host = malloc(n * sizeof *host);
    GOOD(cudaStreamSynchronize(stream));
    GOOD(cudaMemcpy(host, at, n * sizeof *host, cudaMemcpyDeviceToHost));
    for (size_t i = 0; i < n * sizeof *host; i++)
        hash = (hash ^ ((unsigned char *)host)[i]) * 1099511628211u;
    free(host);
}

static D make(cudnnBackendDescriptorType_t type)
{
    D made;
    GOOD(cudnnBackendCreateDescriptor(type, &made));
    return made;
}
#define SET(to, name, type, n, from)                                                               \
    GOOD(cudnnBackendSetAttribute(to, CUDNN_ATTR_##name, CUDNN_TYPE_##type, n, from))
static void set_child(D to, cudnnBackendAttributeName_t name, D child)
{
    GOOD(cudnnBackendSetAttribute(to, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &child));
}

static D tensor(int64_t id, int64_t a, int64_t b, int64_t c, int64_t d)
{
    const D made = make(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    const int64_t dims[4] = { a, b, c, d }, strides[4] = { b * c * d, c * d, d, 1 }, align = 16;
    const cudnnDataType_t type = CUDNN_DATA_FLOAT;
    SET(made, TENSOR_UNIQUE_ID, INT64, 1, &id);
    SET(made, TENSOR_DIMENSIONS, INT64, 4, dims);
    SET(made, TENSOR_STRIDES, INT64, 4, strides);
    SET(made, TENSOR_DATA_TYPE, DATA_TYPE, 1, &type);
    SET(made, TENSOR_BYTE_ALIGNMENT, INT64, 1, &align);
    GOOD(cudnnBackendFinalize(made));
    return made;
}

struct problem {
    D graph, pack, reduction;
    float *to;
    size_t n_to;
};

static struct problem finish(D op, float *a, float *b, float *to, size_t n_to)
{
    struct problem p = { make(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR),
        make(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR), NULL, to, n_to };
    const int64_t ids[3] = { 'a', 'b', 'o' };
    void *const pointers[3] = { a, b, to };
    GOOD(cudnnBackendFinalize(op));
    SET(p.graph, OPERATIONGRAPH_HANDLE, HANDLE, 1, &handle);
    SET(p.graph, OPERATIONGRAPH_OPS, BACKEND_DESCRIPTOR, 1, &op);
    GOOD(cudnnBackendFinalize(p.graph));
    SET(p.pack, VARIANT_PACK_UNIQUE_IDS, INT64, 3, ids);
    SET(p.pack, VARIANT_PACK_DATA_POINTERS, VOID_PTR, 3, pointers);
    GOOD(cudnnBackendFinalize(p.pack));
    return p;
}

/* filter: a is x and o is dw; else a is w and o is dx. */
static struct problem gradient(int filter, int n, int c, int size, int k)
{
    const D how = make(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
    const int64_t spatial = 2, ones[2] = { 1, 1 };
    const cudnnDataType_t type = CUDNN_DATA_FLOAT;
    const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
    SET(how, CONVOLUTION_SPATIAL_DIMS, INT64, 1, &spatial);
    SET(how, CONVOLUTION_COMP_TYPE, DATA_TYPE, 1, &type);
    SET(how, CONVOLUTION_CONV_MODE, CONVOLUTION_MODE, 1, &mode);
    SET(how, CONVOLUTION_PRE_PADDINGS, INT64, 2, ones);
    SET(how, CONVOLUTION_POST_PADDINGS, INT64, 2, ones);
    SET(how, CONVOLUTION_DILATIONS, INT64, 2, ones);
    SET(how, CONVOLUTION_FILTER_STRIDES, INT64, 2, ones);
    GOOD(cudnnBackendFinalize(how));
    const D x = tensor(filter ? 'a' : 'o', n, c, size, size), y = tensor('b', n, k, size, size),
            w = tensor(filter ? 'o' : 'a', k, c, 3, 3),
            op = make(filter ? CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR
                             : CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR);
    set_child(op,
        filter ? CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X
               : CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
        x);
    set_child(op,
        filter ? CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY
               : CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
        y);
    set_child(op,
        filter ? CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW
               : CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
        w);
    set_child(op,
        filter ? CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC
               : CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
        how);
    const size_t n_x = (size_t)(n * c * size * size), n_w = (size_t)(k * c * 9),
                 n_y = (size_t)(n * k * size * size);
    return finish(op, values(filter ? n_x : n_w), values(n_y), values(filter ? n_w : n_x),
        filter ? n_w : n_x);
}

static struct problem reduction(int n, int asked)
{
    const D how = make(CUDNN_BACKEND_REDUCTION_DESCRIPTOR),
            op = make(CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR);
    const cudnnReduceTensorOp_t add = CUDNN_REDUCE_TENSOR_ADD;
    const cudnnDataType_t type = CUDNN_DATA_FLOAT;
    const char yes = 1;
    SET(how, REDUCTION_COMP_TYPE, DATA_TYPE, 1, &type);
    SET(how, REDUCTION_OPERATOR, REDUCTION_OPERATOR_TYPE, 1, &add);
    if (asked)
        SET(how, REDUCTION_IS_DETERMINISTIC, BOOLEAN, 1, &yes);
    GOOD(cudnnBackendFinalize(how));
    set_child(op, CUDNN_ATTR_OPERATION_REDUCTION_XDESC, tensor('a', n, 4, 4, 4));
    set_child(op, CUDNN_ATTR_OPERATION_REDUCTION_YDESC, tensor('o', 1, 1, 1, 1));
    set_child(op, CUDNN_ATTR_OPERATION_REDUCTION_DESC, how);
    struct problem p = finish(op, values((size_t)n * 64), NULL, values(1), 1);
    p.reduction = how;
    return p;
}

enum { MOST = 8 };
static int64_t configs_of(const struct problem *p, D out[MOST])
{
    const D heuristics = make(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    const cudnnBackendHeurMode_t mode = CUDNN_HEUR_MODE_A;
    int64_t n = 0;
    set_child(heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, p->graph);
    SET(heuristics, ENGINEHEUR_MODE, HEUR_MODE, 1, &mode);
    GOOD(cudnnBackendFinalize(heuristics));
    for (int i = 0; i < MOST; i++)
        out[i] = make(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    GOOD(cudnnBackendGetAttribute(
        heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, MOST, &n, out));
    return n;
}

static D config_of(const struct problem *p, int64_t engine)
{
    const D of = make(CUDNN_BACKEND_ENGINE_DESCRIPTOR),
            config = make(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    set_child(of, CUDNN_ATTR_ENGINE_OPERATION_GRAPH, p->graph);
    SET(of, ENGINE_GLOBAL_INDEX, INT64, 1, &engine);
    GOOD(cudnnBackendFinalize(of));
    set_child(config, CUDNN_ATTR_ENGINECFG_ENGINE, of);
    GOOD(cudnnBackendFinalize(config));
    return config;
}

static int plan_of(D config, D *plan)
{
    *plan = make(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
    SET(*plan, EXECUTION_PLAN_HANDLE, HANDLE, 1, &handle);
    set_child(*plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config);
    return cudnnBackendFinalize(*plan);
}

static void run(const struct problem *p, D config)
{
    D plan;
    GOOD(plan_of(config, &plan));
    capture_begin();
    GOOD(cudnnBackendExecute(handle, plan, p->pack));
    capture_end();
    take(p->to, p->n_to);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* As frontends autotune: every plan is run, the fastest is kept. */
static void tune(const struct problem *p)
{
    D configs[MOST], best = NULL;
    double least = 1e9;
    const int64_t n = configs_of(p, configs);
    for (int64_t i = 0; i < n; i++) {
        const double start = now();
        run(p, configs[i]);
        if (now() - start < least) {
            least = now() - start;
            best = configs[i];
        }
    }
    run(p, best);
}

/* A frontend that wants engine 20 by its number, and takes 1 where that is refused. */
static void by_index(const struct problem *p)
{
    D plan;
    const int refused = plan_of(config_of(p, 20), &plan);
    printf("engine 20: status %d\n", refused);
    if (refused)
        GOOD(plan_of(config_of(p, 1), &plan));
    GOOD(cudnnBackendExecute(handle, plan, p->pack));
    take(p->to, p->n_to);
}

static void populate(const struct problem *p)
{
    D configs[MOST], plan;
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    configs_of(p, configs);
    GOOD(plan_of(configs[0], &plan));
    GOOD(cudaGraphCreate(&graph, 0));
    GOOD(cudnnBackendPopulateCudaGraph(handle, plan, p->pack, graph));
    GOOD(cudnnBackendUpdateCudaGraph(handle, plan, p->pack, graph));
    GOOD(cudaGraphInstantiate(&exec, graph, 0));
    for (int i = 0; i < 3; i++)
        GOOD(cudaGraphLaunch(exec, stream));
    GOOD(cudaStreamSynchronize(stream));
}

static void reduce(int n, int asked)
{
    const struct problem p = reduction(n, asked);
    D configs[MOST];
    char read = 9;
    int64_t given = 0;
    if (cudnnBackendGetAttribute(p.reduction, CUDNN_ATTR_REDUCTION_IS_DETERMINISTIC,
            CUDNN_TYPE_BOOLEAN, 1, &given, &read))
        read = 0; /* never set, and the library does not tell its default */
    printf("deterministic: asked %d read %d\n", asked, read);
    configs_of(&p, configs);
    run(&p, configs[0]);
}

static void random_graphs(int n)
{
    for (int i = 0; i < n; i++) {
        const unsigned kind = draw(4);
        D configs[MOST];
        if (kind == 3) {
            reduce(1 + (int)draw(8), (int)draw(2));
            continue;
        }
        const struct problem p =
            gradient(1, 1 + (int)draw(3), 1 + (int)draw(3), 3 + (int)draw(4), 1 + (int)draw(3));
        if (kind == 0) {
            by_index(&p);
            continue;
        }
        const int64_t given = configs_of(&p, configs);
        run(&p, configs[draw((unsigned)given > 2 ? 2 : (unsigned)given)]);
    }
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "first";
    if (cudaStreamCreate(&stream) || cudnnCreate(&handle) || cudnnSetStream(handle, stream))
        return 3;
    D configs[MOST];
    if (!strcmp(what, "random")) {
        random_graphs(argc > 2 ? atoi(argv[2]) : 100);
    } else if (!strcmp(what, "reduction") || !strcmp(what, "deterministic")) {
        reduce(6, what[0] == 'd');
    } else {
        const struct problem p = gradient(strcmp(what, "data") != 0, 4, 3, 9, 4);
        if (!strcmp(what, "tune"))
            tune(&p);
        else if (!strcmp(what, "index"))
            by_index(&p);
        else if (!strcmp(what, "populate"))
            populate(&p);
        else {
            printf("%d engines\n", (int)configs_of(&p, configs));
            run(&p, configs[!strcmp(what, "second")]);
        }
    }
    printf("result status=0 hash=%016llx nodes=%d\n", (unsigned long long)hash, n_nodes);
    return 0;
}
