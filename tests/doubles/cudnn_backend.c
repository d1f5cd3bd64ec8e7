/* The backend API of the cuDNN double: descriptors hold what they are given; three kinds of graph run, each of one operation.
 *
 * graph                  engines, in heuristic order     ordered                      vendor text
 * backward filter         20, 1, 2 (FALLBACK: 20, 1)      1 and 2, each in its way     cudnn_graph.h, CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC:
 * backward data           25                              never                          20 and 25 carry it, as 9.19's engines of these numbers
 * reduction (sum of all)  7                               IS_DETERMINISTIC             the same, CUDNN_ATTR_REDUCTION_IS_DETERMINISTIC
 * Heuristics announce one more than they give, and fill a descriptor once only: both seen with 9.19. Descriptors are never freed. */
#include "tests/doubles/cudnn_double.h"

struct attribute {
    cudnnBackendAttributeName_t name;
    int64_t n;
    size_t n_bytes;
    void *data;
    struct attribute *next;
};
struct node {
    cudnnBackendDescriptorType_t type;
    bool finalized;
    struct attribute *first;
};

static size_t size_of(cudnnBackendAttributeType_t type)
{
    switch (type) {
    case CUDNN_TYPE_BOOLEAN:
    case CUDNN_TYPE_CHAR:
        return 1;
    case CUDNN_TYPE_HANDLE:
    case CUDNN_TYPE_INT64:
    case CUDNN_TYPE_DOUBLE:
    case CUDNN_TYPE_VOID_PTR:
    case CUDNN_TYPE_BACKEND_DESCRIPTOR:
        return 8;
    default:
        return 4;
    }
}

static const struct attribute *find(const struct node *node, cudnnBackendAttributeName_t name)
{
    const struct attribute *a = node ? node->first : NULL;
    while (a && a->name != name)
        a = a->next;
    return a;
}

static void store(struct node *node, cudnnBackendAttributeName_t name,
    cudnnBackendAttributeType_t type, int64_t n, const void *from)
{
    struct attribute *a = (struct attribute *)(uintptr_t)find(node, name);
    if (!a) {
        a = calloc(1, sizeof *a);
        a->next = node->first;
        node->first = a;
    }
    a->name = name;
    a->n = n;
    a->n_bytes = size_of(type) * (size_t)n;
    a->data = malloc(a->n_bytes + 1);
    memcpy(a->data, from, a->n_bytes);
}

static struct node *child(const struct node *node, cudnnBackendAttributeName_t name)
{
    const struct attribute *a = find(node, name);
    return a && a->n ? *(struct node **)a->data : NULL;
}

static int64_t number(const struct node *node, cudnnBackendAttributeName_t name, int64_t otherwise)
{
    const struct attribute *a = find(node, name);
    return a && a->n_bytes >= 8 ? *(const int64_t *)a->data : otherwise;
}

static struct node *operation_of(const struct node *graph)
{
    return child(graph, CUDNN_ATTR_OPERATIONGRAPH_OPS);
}

/* How many engines a graph has in this mode. */
static int engines_of(const struct node *graph, int mode, int64_t out[4])
{
    const struct node *op = operation_of(graph);
    if (!op)
        return 0;
    if (op->type == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR) {
        out[0] = 20, out[1] = 1, out[2] = 2;
        return mode == CUDNN_HEUR_MODE_FALLBACK ? 2 : 3;
    }
    out[0] = op->type == CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR ? 7 : 25;
    return 1;
}

static bool flagged(int64_t engine)
{
    return engine == 20 || engine == 25;
}

DOUBLE_API cudnnStatus_t cudnnBackendCreateDescriptor(
    cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t *to)
{
    ENTER(cudnnBackendCreateDescriptor);
    NEED(to);
    struct node *const made = calloc(1, sizeof *made);
    made->type = type;
    *to = made;
    return CUDNN_STATUS_SUCCESS;
}

DOUBLE_API cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t node)
{
    NEED(node);
    return CUDNN_STATUS_SUCCESS;
}

DOUBLE_API cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t to,
    cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t n,
    const void *values)
{
    struct node *const node = to;
    ENTER(cudnnBackendSetAttribute);
    NEED(node && !node->finalized && n > 0 && values);
    store(node, name, type, n, values);
    return CUDNN_STATUS_SUCCESS;
}

static int64_t engine_of(const struct node *config)
{
    return number(child(config, CUDNN_ATTR_ENGINECFG_ENGINE), CUDNN_ATTR_ENGINE_GLOBAL_INDEX, -1);
}

DOUBLE_API cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor)
{
    struct node *const node = descriptor;
    ENTER(cudnnBackendFinalize);
    NEED(node && !node->finalized);
    if (node->type == CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR) {
        const int64_t engine = engine_of(child(node, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG));
        if (engine != 1 && engine != 2 && engine != 7 && !flagged(engine))
            return CUDNN_STATUS_NOT_SUPPORTED;
    }
    node->finalized = true;
    return CUDNN_STATUS_SUCCESS;
}

static void fill_config(struct node *config, const struct node *graph, int64_t engine)
{
    struct node *const made = calloc(1, sizeof *made);
    if (config->first)
        return; /* filled once */
    made->type = CUDNN_BACKEND_ENGINE_DESCRIPTOR;
    made->finalized = config->finalized = true;
    store(made, CUDNN_ATTR_ENGINE_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &graph);
    store(made, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &engine);
    store(config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &made);
}

static cudnnStatus_t results(
    const struct node *heuristics, int64_t n_asked, int64_t *n_given, struct node **to)
{
    const struct node *const graph = child(heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
    const struct attribute *const mode = find(heuristics, CUDNN_ATTR_ENGINEHEUR_MODE);
    int64_t engines[4];
    NEED(heuristics->finalized && graph && mode);
    const int n = engines_of(graph, *(const int *)mode->data, engines);
    if (n_given)
        *n_given = n_asked == 0 ? n + 1 : n_asked < n ? n_asked : n;
    for (int i = 0; i < n && i < n_asked && to; i++)
        fill_config(to[i], graph, engines[i]);
    return CUDNN_STATUS_SUCCESS;
}

/* A descriptor-valued attribute is written into the descriptor that the caller brings. */
static void copy_into(struct node *to, const struct node *from)
{
    to->first = from->first;
    to->finalized = true;
}

DOUBLE_API cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t const descriptor,
    cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t n_asked,
    int64_t *n_given, void *values)
{
    const struct node *const node = descriptor;
    static const int note = CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC;
    static const int64_t none;
    ENTER(cudnnBackendGetAttribute);
    NEED(node && n_asked >= 0);
    if (name == CUDNN_ATTR_ENGINEHEUR_RESULTS)
        return results(node, n_asked, n_given, values);
    const struct attribute *const a = find(node, name);
    const void *from = a ? a->data : NULL;
    int64_t n = a ? a->n : 0;
    if (name == CUDNN_ATTR_ENGINE_NUMERICAL_NOTE) {
        from = &note;
        n = flagged(number(node, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, -1));
    } else if (name == CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE) {
        from = &none;
        n = 1;
    } else if (!a) {
        return CUDNN_STATUS_NOT_SUPPORTED;
    }
    if (n_given)
        *n_given = n;
    if (!values || n_asked < 1)
        return CUDNN_STATUS_SUCCESS;
    if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR)
        copy_into(*(struct node **)values, *(struct node *const *)from);
    else
        memcpy(values, from, size_of(type) * (size_t)(n < n_asked ? n : n_asked));
    return CUDNN_STATUS_SUCCESS;
}

static void *pointer_of(const struct node *pack, const struct node *tensor)
{
    const struct attribute *const ids = find(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS),
                                  *const at = find(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS);
    const int64_t id = number(tensor, CUDNN_ATTR_TENSOR_UNIQUE_ID, -1);
    for (int64_t i = 0; ids && at && i < ids->n && i < at->n; i++)
        if (((const int64_t *)ids->data)[i] == id)
            return ((void **)at->data)[i];
    return NULL;
}

/* Four dimensions of a tensor or filter. */
static bool shape_of(const struct node *tensor, int out[4])
{
    const struct attribute *const a = find(tensor, CUDNN_ATTR_TENSOR_DIMENSIONS);
    for (int i = 0; a && a->n == 4 && i < 4; i++)
        out[i] = (int)((const int64_t *)a->data)[i];
    return a && a->n == 4;
}

static cudnnStatus_t gradient(cudnnHandle_t handle, const struct node *op, const struct node *pack,
    int64_t engine, bool filter)
{
    const struct node *const x = child(op, filter ? CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X
                                                  : CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX),
                             *const y =
                                 child(op, filter ? CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY
                                                  : CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY),
                             *const w =
                                 child(op, filter ? CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW
                                                  : CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W),
                             *const c = child(
                                 op, filter ? CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC
                                            : CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC);
    const struct attribute *const pads = find(c, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS);
    int xs[4], ys[4], ws[4];
    NEED(shape_of(x, xs) && shape_of(y, ys) && shape_of(w, ws) && pads && pads->n == 2);
    const int64_t *const pad = pads->data;
    const struct double_convolution shape = {
        { xs[0], xs[1], xs[2], xs[3], CUDNN_DATA_FLOAT },
        { ys[0], ys[1], ys[2], ys[3], CUDNN_DATA_FLOAT },
        { ws[0], ws[1], ws[2], ws[3], CUDNN_DATA_FLOAT },
        { (int)pad[0], (int)pad[1], 1, 1, 1, 1, CUDNN_CROSS_CORRELATION, 0 },
    };
    return double_gradient(handle, filter, &shape, pointer_of(pack, filter ? x : w),
        pointer_of(pack, y), pointer_of(pack, filter ? w : x), !flagged(engine), (int)engine);
}

struct sum_job {
    const float *from;
    float *to;
    size_t n;
    bool ordered;
};

static void sum(void *arg)
{
    const struct sum_job *const j = arg;
    *j->to = double_sum_f32(j->from, j->n, j->ordered);
}

static cudnnStatus_t reduce(cudnnHandle_t handle, const struct node *op, const struct node *pack)
{
    const struct node *const x = child(op, CUDNN_ATTR_OPERATION_REDUCTION_XDESC);
    const struct attribute *const asked =
        find(child(op, CUDNN_ATTR_OPERATION_REDUCTION_DESC), CUDNN_ATTR_REDUCTION_IS_DETERMINISTIC);
    int shape[4];
    NEED(shape_of(x, shape));
    const struct sum_job job = { pointer_of(pack, x),
        pointer_of(pack, child(op, CUDNN_ATTR_OPERATION_REDUCTION_YDESC)),
        (size_t)shape[0] * (size_t)shape[1] * (size_t)shape[2] * (size_t)shape[3],
        asked && *(const char *)asked->data };
    NEED(job.from && job.to);
    QUEUE(handle, sum, job);
}

static const struct node *plan_config(const struct node *plan)
{
    return plan && plan->finalized ? child(plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG) : NULL;
}

DOUBLE_API cudnnStatus_t cudnnBackendExecute(
    cudnnHandle_t handle, cudnnBackendDescriptor_t plan, cudnnBackendDescriptor_t pack)
{
    ENTER(cudnnBackendExecute);
    const struct node *const config = plan_config(plan);
    NEED(handle && config && pack);
    const struct node *const graph =
        child(child(config, CUDNN_ATTR_ENGINECFG_ENGINE), CUDNN_ATTR_ENGINE_OPERATION_GRAPH);
    const struct node *const op = operation_of(graph);
    NEED(op);
    if (op->type == CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR)
        return reduce(handle, op, pack);
    return gradient(handle, op, pack, engine_of(config),
        op->type == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR);
}

/* An empty kernel stands for the plan's. */
DOUBLE_API cudnnStatus_t cudnnBackendPopulateCudaGraph(cudnnHandle_t handle,
    cudnnBackendDescriptor_t plan, cudnnBackendDescriptor_t pack, cudaGraph_t graph)
{
    ENTER(cudnnBackendPopulateCudaGraph);
    NEED(handle && plan_config(plan) && pack && graph);
    return double_graph_kernel(graph) ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_EXECUTION_FAILED;
}
DOUBLE_API cudnnStatus_t cudnnBackendUpdateCudaGraph(cudnnHandle_t handle,
    cudnnBackendDescriptor_t plan, cudnnBackendDescriptor_t pack, cudaGraph_t graph)
{
    ENTER(cudnnBackendUpdateCudaGraph);
    NEED(handle && plan_config(plan) && pack && graph);
    return CUDNN_STATUS_SUCCESS;
}
