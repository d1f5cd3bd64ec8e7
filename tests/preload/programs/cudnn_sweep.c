/* Asks the real cuDNN 9, without a device, for heuristics over a sweep of convolutions and fused reductions on several device
 * descriptions, and prints every configuration it is handed: one line per query, "q KEY announced N : ENGINE.KNOBS[!] …", where ! marks
 * the nondeterministic note. Knows nothing of detshim. usage: cudnn_sweep [convolution|reduction|plans] */
#include <cudnn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef cudnnBackendDescriptor_t descriptor;
enum { MAX_RESULTS = 256, N_KNOBS = 44 };

static void check(cudnnStatus_t status, const char *what)
{
    if (status == CUDNN_STATUS_SUCCESS)
        return;
    char text[1024] = "";
    cudnnGetLastErrorString(text, sizeof text);
    fprintf(stderr, "%s: %d %s\n", what, status, text);
    exit(3);
}

static descriptor make(cudnnBackendDescriptorType_t type)
{
    descriptor made;
    check(cudnnBackendCreateDescriptor(type, &made), "create");
    return made;
}

static void set(descriptor to, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
    int64_t n, const void *values)
{
    char what[64];
    snprintf(what, sizeof what, "set %d", name);
    check(cudnnBackendSetAttribute(to, name, type, n, values), what);
}

static void set_child(descriptor to, cudnnBackendAttributeName_t name, descriptor child)
{
    set(to, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &child);
}

static void finalize(descriptor one, const char *what)
{
    check(cudnnBackendFinalize(one), what);
}

/* Values of known GPUs, read off no device. */
static const struct {
    const char *name;
    int version, sms, shared;
} devices[] = { { "A100", 800, 108, 166912 }, { "L40", 890, 142, 101376 },
    { "H200", 900, 132, 232448 }, { "B200", 1000, 148, 232448 } };
enum { N_DEVICES = sizeof devices / sizeof *devices };

static descriptor device(int i)
{
    char json[2000];
    const int n = snprintf(json, sizeof json,
        "{\"maxGridSize\":[2147483647,65535,65535],\"maxBlockSize\":[1024,1024,64],"
        "\"regsPerBlock\":65536,\"multiProcessorCount\":%d,\"warpSize\":32,"
        "\"maxSharedMemoryPerBlock\":49152,\"maxSharedMemoryPerBlockOptin\":%d,"
        "\"reservedSharedMemoryPerBlock\":1024,\"maxRegistersPerSM\":65536,\"maxCtasPerSM\":32,"
        "\"maxThreadsPerBlock\":1024,\"maxThreadsPerSM\":2048,\"pciDeviceId\":0,\"isTccDriver\":0,"
        "\"supportCoopLaunch\":1,\"totalGlobalMem\":80000000000,\"smClockRateKHz\":1410000,"
        "\"memClockRateKHz\":1593000,\"l2CacheSize\":41943040,\"cudaDeviceId\":0,"
        "\"deviceVer\":%d,\"driverVer\":13000,\"deviceName\":\"%s\"}",
        devices[i].sms, devices[i].shared, devices[i].version, devices[i].name);
    const descriptor made = make(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
    set(made, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, n, json);
    finalize(made, "device");
    return made;
}

static descriptor tensor(int64_t id, cudnnDataType_t type, int n_dims, const int64_t *dims,
    const int64_t *strides, bool is_virtual)
{
    const descriptor made = make(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    const int64_t alignment = 16;
    set(made, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &id);
    set(made, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
    set(made, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, n_dims, dims);
    set(made, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, n_dims, strides);
    set(made, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &alignment);
    if (is_virtual)
        set(made, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &is_virtual);
    finalize(made, "tensor");
    return made;
}

static descriptor image(
    int64_t id, cudnnDataType_t type, int64_t n, int64_t c, int64_t h, int64_t w, bool last)
{
    const int64_t dims[] = { n, c, h, w };
    const int64_t strides[] = { c * h * w, last ? 1 : h * w, last ? c * w : w, last ? c : 1 };
    return tensor(id, type, 4, dims, strides, false);
}

static descriptor graph_of(int n, const descriptor *ops)
{
    const descriptor graph = make(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    set(graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, n, ops);
    finalize(graph, "graph");
    return graph;
}

enum pass { FORWARD, DATA, FILTER };
static const char *const pass_names[] = { "fwd", "dgrad", "wgrad" };
struct shape {
    int64_t n, c, size, k, window, stride;
};

static descriptor convolution(const struct shape *s)
{
    const descriptor made = make(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
    const cudnnDataType_t type = CUDNN_DATA_FLOAT;
    const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
    const int64_t n = 2, pad[] = { s->window / 2, s->window / 2 }, one[] = { 1, 1 },
                  stride[] = { s->stride, s->stride };
    set(made, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
    set(made, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
    set(made, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &n);
    set(made, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2, pad);
    set(made, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2, pad);
    set(made, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2, one);
    set(made, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2, stride);
    finalize(made, "convolution");
    return made;
}

static const struct {
    cudnnBackendDescriptorType_t type;
    cudnnBackendAttributeName_t alpha, beta, how, x, w, y;
} passes[] = {
    { CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
        CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
        CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA,
        CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
        CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
        CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y },
    { CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY },
    { CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY },
};

static descriptor convolution_graph(
    enum pass pass, cudnnDataType_t type, bool last, const struct shape *s)
{
    const int64_t out = (s->size + 2 * (s->window / 2) - s->window) / s->stride + 1;
    const descriptor op = make(passes[pass].type);
    const float one = 1, zero = 0;
    set(op, passes[pass].alpha, CUDNN_TYPE_FLOAT, 1, &one);
    set(op, passes[pass].beta, CUDNN_TYPE_FLOAT, 1, &zero);
    set_child(op, passes[pass].how, convolution(s));
    set_child(op, passes[pass].x, image(1, type, s->n, s->c, s->size, s->size, last));
    set_child(op, passes[pass].w, image(2, type, s->k, s->c, s->window, s->window, last));
    set_child(op, passes[pass].y, image(3, type, s->n, s->k, out, out, last));
    finalize(op, "operation");
    return graph_of(1, &op);
}

/* C = A B, then the sum of C over its columns: a bias gradient fused into a matmul. asked: 0 leave the attribute alone, 1 true, 2 false */
static descriptor reduction_graph(cudnnDataType_t type, int64_t m, int64_t n, int64_t k, int asked)
{
    const int64_t a_dims[] = { 1, m, k }, a_strides[] = { m * k, k, 1 }, b_dims[] = { 1, k, n },
                  b_strides[] = { k * n, n, 1 }, c_dims[] = { 1, m, n },
                  c_strides[] = { m * n, n, 1 }, d_dims[] = { 1, 1, n }, d_strides[] = { n, n, 1 };
    const cudnnDataType_t f32 = CUDNN_DATA_FLOAT;
    const descriptor c = tensor(3, f32, 3, c_dims, c_strides, true),
                     how = make(CUDNN_BACKEND_MATMUL_DESCRIPTOR);
    set(how, CUDNN_ATTR_MATMUL_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &f32);
    finalize(how, "matmul");
    const descriptor matmul = make(CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR);
    set_child(
        matmul, CUDNN_ATTR_OPERATION_MATMUL_ADESC, tensor(1, type, 3, a_dims, a_strides, false));
    set_child(
        matmul, CUDNN_ATTR_OPERATION_MATMUL_BDESC, tensor(2, type, 3, b_dims, b_strides, false));
    set_child(matmul, CUDNN_ATTR_OPERATION_MATMUL_CDESC, c);
    set_child(matmul, CUDNN_ATTR_OPERATION_MATMUL_DESC, how);
    finalize(matmul, "matmul operation");
    const descriptor sum = make(CUDNN_BACKEND_REDUCTION_DESCRIPTOR);
    const cudnnReduceTensorOp_t add = CUDNN_REDUCE_TENSOR_ADD;
    const bool wanted = asked == 1;
    set(sum, CUDNN_ATTR_REDUCTION_OPERATOR, CUDNN_TYPE_REDUCTION_OPERATOR_TYPE, 1, &add);
    set(sum, CUDNN_ATTR_REDUCTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &f32);
    if (asked)
        set(sum, CUDNN_ATTR_REDUCTION_IS_DETERMINISTIC, CUDNN_TYPE_BOOLEAN, 1, &wanted);
    finalize(sum, "reduction");
    bool answered = false;
    int64_t count = 0;
    check(cudnnBackendGetAttribute(
              sum, CUDNN_ATTR_REDUCTION_IS_DETERMINISTIC, CUDNN_TYPE_BOOLEAN, 1, &count, &answered),
        "get IS_DETERMINISTIC");
    if (answered != wanted)
        printf("getter lies: asked %d answered %d\n", wanted, answered);
    const descriptor reduce = make(CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR);
    set_child(reduce, CUDNN_ATTR_OPERATION_REDUCTION_XDESC, c);
    set_child(
        reduce, CUDNN_ATTR_OPERATION_REDUCTION_YDESC, tensor(4, f32, 3, d_dims, d_strides, false));
    set_child(reduce, CUDNN_ATTR_OPERATION_REDUCTION_DESC, sum);
    finalize(reduce, "reduction operation");
    const descriptor ops[] = { matmul, reduce };
    return graph_of(2, ops);
}

static bool flagged_engine(descriptor config, long *index)
{
    descriptor engine = make(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
    cudnnBackendNumericalNote_t notes[32];
    int64_t n = 0, n_notes = 0, global = -1;
    check(cudnnBackendGetAttribute(
              config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &n, &engine),
        "engine");
    cudnnBackendGetAttribute(
        engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &n, &global);
    cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
        CUDNN_NUMERICAL_NOTE_TYPE_COUNT, &n_notes, notes);
    bool flagged = false;
    for (int64_t i = 0; i < n_notes; i++)
        flagged |= notes[i] == CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC;
    cudnnBackendDestroyDescriptor(engine);
    *index = (long)global;
    return flagged;
}

static unsigned knobs_hash(descriptor config)
{
    descriptor knobs[N_KNOBS];
    int64_t n_knobs = 0, n = 0;
    unsigned hash = 2166136261u;
    for (int i = 0; i < N_KNOBS; i++)
        knobs[i] = make(CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR);
    cudnnBackendGetAttribute(config, CUDNN_ATTR_ENGINECFG_KNOB_CHOICES,
        CUDNN_TYPE_BACKEND_DESCRIPTOR, N_KNOBS, &n_knobs, knobs);
    for (int64_t i = 0; i < n_knobs; i++) {
        cudnnBackendKnobType_t type = 0;
        int64_t value = 0;
        cudnnBackendGetAttribute(
            knobs[i], CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE, 1, &n, &type);
        cudnnBackendGetAttribute(
            knobs[i], CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, CUDNN_TYPE_INT64, 1, &n, &value);
        hash = ((hash ^ (unsigned)type) * 16777619u ^ (unsigned)value) * 16777619u;
    }
    for (int i = 0; i < N_KNOBS; i++)
        cudnnBackendDestroyDescriptor(knobs[i]);
    return hash;
}

/* One query; `limit` results are asked for, 0: as many as announced. Plans of the first `n_plans` results are finalized. */
static void query(const char *key, descriptor graph, descriptor at, cudnnBackendHeurMode_t mode,
    int64_t limit, int n_plans)
{
    const descriptor heuristics = make(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    set_child(heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
    set(heuristics, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
    set_child(heuristics, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, at);
    int64_t announced = 0, n = 0;
    if (cudnnBackendFinalize(heuristics) != CUDNN_STATUS_SUCCESS) {
        printf("q %s/%d/%ld none\n", key, mode, (long)limit);
        return;
    }
    check(cudnnBackendGetAttribute(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS,
              CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, &announced, NULL),
        "count");
    descriptor results[MAX_RESULTS];
    const int64_t wanted = limit && limit < announced ? limit
                           : announced < MAX_RESULTS  ? announced
                                                      : MAX_RESULTS;
    for (int64_t i = 0; i < wanted; i++)
        results[i] = make(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    if (wanted)
        check(cudnnBackendGetAttribute(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS,
                  CUDNN_TYPE_BACKEND_DESCRIPTOR, wanted, &n, results),
            "results");
    printf("q %s/%d/%ld %ld :", key, mode, (long)limit, (long)announced);
    for (int64_t i = 0; i < n && i < wanted; i++) {
        long index = 0;
        const bool flagged = flagged_engine(results[i], &index);
        printf(" %ld.%08x%s", index, knobs_hash(results[i]), flagged ? "!" : "");
    }
    for (int64_t i = 0; i < n && i < n_plans; i++) {
        const descriptor plan = make(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
        set_child(plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, results[i]);
        set_child(plan, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, at);
        printf(" plan=%d", cudnnBackendFinalize(plan));
        cudnnBackendDestroyDescriptor(plan);
    }
    printf("\n");
    for (int64_t i = 0; i < wanted; i++)
        cudnnBackendDestroyDescriptor(results[i]);
    cudnnBackendDestroyDescriptor(heuristics);
}

static const struct {
    const char *name;
    cudnnDataType_t type;
    bool last;
} kinds[] = { { "f32-nchw", CUDNN_DATA_FLOAT, false }, { "f32-nhwc", CUDNN_DATA_FLOAT, true },
    { "f16-nhwc", CUDNN_DATA_HALF, true }, { "bf16-nhwc", CUDNN_DATA_BFLOAT16, true } };
enum { N_KINDS = sizeof kinds / sizeof *kinds };

static const struct shape shapes[] = { { 32, 64, 56, 64, 3, 1 }, { 16, 256, 14, 512, 1, 1 },
    { 8, 64, 28, 128, 3, 2 }, { 64, 3, 32, 16, 5, 1 } };
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

static void sweep_convolutions(void)
{
    for (int d = 0; d < N_DEVICES; d++) {
        const descriptor at = device(d);
        for (int pass = 0; pass < 3; pass++)
            for (int kind = 0; kind < N_KINDS; kind++)
                for (int s = 0; s < N_SHAPES; s++) {
                    char key[80];
                    snprintf(key, sizeof key, "%s/%s/%s/%d", devices[d].name, pass_names[pass],
                        kinds[kind].name, s);
                    const descriptor graph =
                        convolution_graph(pass, kinds[kind].type, kinds[kind].last, &shapes[s]);
                    query(key, graph, at, CUDNN_HEUR_MODE_A, 0, 1);
                    query(key, graph, at, CUDNN_HEUR_MODE_FALLBACK, 0, 1);
                    query(key, graph, at, CUDNN_HEUR_MODE_A, 3, 0);
                }
    }
}

static void sweep_reductions(void)
{
    static const int64_t sizes[][3] = { { 256, 256, 256 }, { 1024, 512, 128 }, { 64, 4096, 64 } };
    for (int d = 0; d < N_DEVICES; d++) {
        const descriptor at = device(d);
        for (int i = 0; i < 3; i++)
            for (int half = 0; half < 2; half++)
                for (int asked = 0; asked < 3; asked++) {
                    char key[80];
                    const cudnnDataType_t type = half ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_HALF;
                    snprintf(key, sizeof key, "%s/sum/%s/%d/%d", devices[d].name,
                        half ? "bf16" : "f16", i, asked);
                    query(key, reduction_graph(type, sizes[i][0], sizes[i][1], sizes[i][2], asked),
                        at, CUDNN_HEUR_MODE_A, 0, 0);
                }
    }
}

/* Engines by global index, without heuristics: a plan of each that can be made, its status printed. */
static void plans_by_index(void)
{
    const descriptor at = device(2),
                     graph = convolution_graph(FILTER, CUDNN_DATA_FLOAT, false, &shapes[0]);
    int64_t n_engines = 0, n = 0;
    check(cudnnBackendGetAttribute(graph, CUDNN_ATTR_OPERATIONGRAPH_ENGINE_GLOBAL_COUNT,
              CUDNN_TYPE_INT64, 1, &n, &n_engines),
        "engines");
    for (int64_t i = 0; i < n_engines; i++) {
        const descriptor engine = make(CUDNN_BACKEND_ENGINE_DESCRIPTOR),
                         config = make(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
        set_child(engine, CUDNN_ATTR_ENGINE_OPERATION_GRAPH, graph);
        set(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &i);
        set_child(engine, CUDNN_ATTR_ENGINE_DEVICEPROP, at);
        if (cudnnBackendFinalize(engine) != CUDNN_STATUS_SUCCESS)
            continue;
        set_child(config, CUDNN_ATTR_ENGINECFG_ENGINE, engine);
        if (cudnnBackendFinalize(config) != CUDNN_STATUS_SUCCESS)
            continue;
        long index = 0;
        const bool flagged = flagged_engine(config, &index);
        const descriptor plan = make(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
        set_child(plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config);
        set_child(plan, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, at);
        printf("p engine %ld%s status %d\n", index, flagged ? "!" : "", cudnnBackendFinalize(plan));
    }
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "convolution";
    if (strcmp(what, "plans") == 0)
        plans_by_index();
    else if (strcmp(what, "reduction") == 0)
        sweep_reductions();
    else
        sweep_convolutions();
    printf("result done=1\n");
    return 0;
}
