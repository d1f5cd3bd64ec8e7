/* cuDNN's backend API: descriptors are watched, heuristics filtered, reductions pinned, flagged plans refused, executions counted. */
#include <stdlib.h>
#include <string.h>

#include "shim/cudnn/engine.h"
#include "shim/pins/pins.h"

DET_EXPORT cudnnStatus_t cudnnBackendCreateDescriptor(
    cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t *descriptor)
{
    if (!det_enter(DET_ID_cudnnBackendCreateDescriptor))
        return DET_REAL(cudnnBackendCreateDescriptor)(type, descriptor);
    det_pins_vendor();
    const cudnnStatus_t status = DET_REAL(cudnnBackendCreateDescriptor)(type, descriptor);
    if (status == CUDNN_STATUS_SUCCESS && descriptor)
        det_graph_made(*descriptor, type);
    det_leave(DET_ID_cudnnBackendCreateDescriptor);
    return status;
}

DET_EXPORT cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t descriptor)
{
    if (!det_enter(DET_ID_cudnnBackendDestroyDescriptor))
        return DET_REAL(cudnnBackendDestroyDescriptor)(descriptor);
    det_graph_destroyed(descriptor);
    const cudnnStatus_t status = DET_REAL(cudnnBackendDestroyDescriptor)(descriptor);
    det_leave(DET_ID_cudnnBackendDestroyDescriptor);
    return status;
}

/* IS_DETERMINISTIC exists since cuDNN 9.11; its default is false. Where the library refuses it, the graph is uncovered. */
static void pin_reduction(
    const struct det_backend *cudnn, cudnnBackendDescriptor_t reduction, int64_t asked)
{
    const unsigned char yes = 1;
    if (!det_rule_acts(DET_RULE_CUDNN_REDUCTION)) {
        det_graph_keep(reduction, DET_OF_CLASS, asked ? DET_GRAPH_PINNED : DET_GRAPH_REDUCTION);
        return;
    }
    det_graph_keep(reduction, DET_OF_ASKED, asked);
    if (cudnn->set(reduction, CUDNN_ATTR_REDUCTION_IS_DETERMINISTIC, CUDNN_TYPE_BOOLEAN, 1, &yes) !=
        CUDNN_STATUS_SUCCESS) {
        det_graph_keep(reduction, DET_OF_CLASS, DET_GRAPH_REDUCTION);
        return;
    }
    det_graph_keep(reduction, DET_OF_CLASS, DET_GRAPH_PINNED);
    if (!asked)
        det_log_override(
            DET_NAME(cudnnBackendSetAttribute), DET_RULE_CUDNN_REDUCTION, "IS_DETERMINISTIC", 0, 1);
}

/* Operations of a graph, attention backward rewritten. The matmul of ours is destroyed at once: the graph keeps what it needs,
 * as frontends rely on. */
static cudnnStatus_t set_operations(const struct det_backend *cudnn, cudnnBackendDescriptor_t graph,
    int64_t n, const cudnnBackendDescriptor_t *ops)
{
    const cudnnBackendAttributeName_t name = CUDNN_ATTR_OPERATIONGRAPH_OPS;
    int64_t copy = 0, matmul = 0;
    const enum det_attention kind = det_attention_find(ops, n, &copy, &matmul);
    cudnnBackendDescriptor_t made = NULL, *fewer = NULL;
    if (kind == DET_ATTENTION_ATOMIC && det_rule_acts(DET_RULE_CUDNN_ATTENTION)) {
        made = det_attention_matmul(cudnn, ops[matmul], ops[copy]);
        fewer = made ? malloc((size_t)n * sizeof *fewer) : NULL;
    }
    cudnnStatus_t status = CUDNN_STATUS_NOT_SUPPORTED;
    if (fewer) {
        int64_t kept = 0;
        for (int64_t i = 0; i < n; i++)
            if (i != copy)
                fewer[kept++] = i == matmul ? made : ops[i];
        status = cudnn->set(graph, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, kept, fewer);
        if (status == CUDNN_STATUS_SUCCESS)
            det_log_override(DET_NAME(cudnnBackendSetAttribute), DET_RULE_CUDNN_ATTENTION,
                "operations", n, kept);
    }
    const bool rewritten = status == CUDNN_STATUS_SUCCESS;
    if (!rewritten)
        status = cudnn->set(graph, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, n, ops);
    if (kind != DET_ATTENTION_NONE)
        det_graph_keep(graph, DET_OF_CLASS, rewritten ? DET_GRAPH_REWRITTEN : DET_GRAPH_ATTENTION);
    if (made)
        cudnn->destroy(made);
    free(fewer);
    return status;
}

static cudnnStatus_t set_attribute(const struct det_backend *cudnn, cudnnBackendDescriptor_t to,
    cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t n,
    const void *values)
{
    cudnnStatus_t status;
    if (name == CUDNN_ATTR_OPERATIONGRAPH_OPS && type == CUDNN_TYPE_BACKEND_DESCRIPTOR && values &&
        n > 0)
        status = set_operations(cudnn, to, n, values);
    else
        status = cudnn->set(to, name, type, n, values);
    if (status != CUDNN_STATUS_SUCCESS || !values || n < 1)
        return status;
    det_graph_set(to, name, type, n, values);
    if (name == CUDNN_ATTR_REDUCTION_OPERATOR)
        pin_reduction(cudnn, to, det_graph_kept(to, DET_OF_ASKED, 0));
    else if (name == CUDNN_ATTR_REDUCTION_IS_DETERMINISTIC && type == CUDNN_TYPE_BOOLEAN)
        pin_reduction(cudnn, to, *(const unsigned char *)values != 0);
    return status;
}

DET_EXPORT cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor,
    cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t n,
    const void *values)
{
    if (!det_enter(DET_ID_cudnnBackendSetAttribute))
        return DET_REAL(cudnnBackendSetAttribute)(descriptor, name, type, n, values);
    const struct det_backend cudnn = det_backend_real(__builtin_return_address(0));
    const cudnnStatus_t status = set_attribute(&cudnn, descriptor, name, type, n, values);
    det_leave(DET_ID_cudnnBackendSetAttribute);
    return status;
}

/* Results carry what is known of their graph: the program sees no engine descriptor for them. */
static void mark_results(cudnnBackendDescriptor_t heuristics, bool fixed,
    const cudnnBackendDescriptor_t *results, int64_t n)
{
    const int64_t graph = det_graph_kept(heuristics, DET_OF_GRAPH, 0);
    const void *of = (const void *)(uintptr_t)graph;
    for (int64_t i = 0; i < n; i++) {
        det_graph_keep(results[i], DET_OF_GRAPH, graph);
        det_graph_keep(results[i], DET_OF_CLASS, det_graph_kept(of, DET_OF_CLASS, DET_GRAPH_PLAIN));
        det_graph_keep(results[i], DET_OF_REASON, !fixed);
    }
}

static cudnnStatus_t get_results(const struct det_backend *cudnn, cudnnBackendDescriptor_t from,
    int64_t n_requested, int64_t *n_returned, void *results)
{
    bool fixed = true;
    int64_t n = 0;
    cudnnStatus_t status;
    if (det_rule_acts(DET_RULE_CUDNN_ENGINE))
        status = det_heuristics_answer(cudnn, from, n_requested, &n, results, &fixed);
    else
        status = cudnn->get(from, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
            n_requested, &n, results);
    if (status != CUDNN_STATUS_SUCCESS)
        return status;
    if (n_returned)
        *n_returned = n;
    if (results)
        mark_results(from, fixed, results, n < n_requested ? n : n_requested);
    return status;
}

DET_EXPORT cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t const descriptor,
    cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t n_requested,
    int64_t *n_returned, void *values)
{
    if (!det_enter(DET_ID_cudnnBackendGetAttribute))
        return DET_REAL(cudnnBackendGetAttribute)(
            descriptor, name, type, n_requested, n_returned, values);
    const struct det_backend cudnn = det_backend_real(__builtin_return_address(0));
    cudnnStatus_t status;
    if (name == CUDNN_ATTR_ENGINEHEUR_RESULTS && type == CUDNN_TYPE_BACKEND_DESCRIPTOR)
        status = get_results(&cudnn, descriptor, n_requested, n_returned, values);
    else
        status = cudnn.get(descriptor, name, type, n_requested, n_returned, values);
    if (name == CUDNN_ATTR_REDUCTION_IS_DETERMINISTIC && status == CUDNN_STATUS_SUCCESS && values &&
        type == CUDNN_TYPE_BOOLEAN && n_requested == 1)
        *(unsigned char *)values =
            det_graph_kept(descriptor, DET_OF_ASKED, *(unsigned char *)values) != 0;
    det_leave(DET_ID_cudnnBackendGetAttribute);
    return status;
}

/* For plans that did not come from filtered heuristics: by engine index, by a frontend's override, from JSON. */
static cudnnStatus_t judge_plan(const struct det_backend *cudnn, cudnnBackendDescriptor_t plan)
{
    struct det_engine engine;
    if (!det_engine_of_plan(cudnn, plan, &engine) || !engine.flagged)
        return CUDNN_STATUS_SUCCESS;
    det_graph_keep(plan, DET_OF_CLASS, DET_GRAPH_FLAGGED);
    if (!det_rule_acts(DET_RULE_CUDNN_ENGINE) || !det_heuristics_has_ordered(cudnn, plan))
        return CUDNN_STATUS_SUCCESS;
    det_log_override_text(DET_NAME(cudnnBackendFinalize), DET_RULE_CUDNN_ENGINE, "plan",
        "nondeterministic engine", "not supported");
    return CUDNN_STATUS_NOT_SUPPORTED;
}

DET_EXPORT cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor)
{
    if (!det_enter(DET_ID_cudnnBackendFinalize))
        return DET_REAL(cudnnBackendFinalize)(descriptor);
    const struct det_backend cudnn = det_backend_real(__builtin_return_address(0));
    cudnnStatus_t status = cudnn.finalize(descriptor);
    if (status == CUDNN_STATUS_SUCCESS &&
        det_graph_kept(descriptor, DET_OF_TYPE, -1) == CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR)
        status = judge_plan(&cudnn, descriptor);
    det_leave(DET_ID_cudnnBackendFinalize);
    return status;
}

/* cudnn-frontend's deterministic attention backward on compute capability 10 needs an engine and knobs of its own. */
static bool attention_is_ordered_here(void)
{
    enum { COMPUTE_CAPABILITY_MAJOR = 75, LAST_BY_GRAPH_ALONE = 9 };
    int (*const device)(int *) = (int (*)(int *))(uintptr_t)det_driver_symbol("cuCtxGetDevice");
    int (*const attribute)(int *, int, int) =
        (int (*)(int *, int, int))(uintptr_t)det_driver_symbol("cuDeviceGetAttribute");
    int ordinal = 0, major = 0;
    return device && attribute && device(&ordinal) == 0 &&
           attribute(&major, COMPUTE_CAPABILITY_MAJOR, ordinal) == 0 &&
           major <= LAST_BY_GRAPH_ALONE;
}

/* A program that executes several plans of one graph may be timing them, and picks another one in another run. */
static bool tried_several(cudnnBackendDescriptor_t plan)
{
    const void *graph = (const void *)(uintptr_t)det_graph_kept(plan, DET_OF_GRAPH, 0);
    if (det_graph_kept(graph, DET_OF_TYPE, -1) != CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR)
        return false;
    const int64_t me = (int64_t)(uintptr_t)plan,
                  first = det_graph_kept(graph, DET_OF_FIRST_PLAN, 0);
    if (first == 0 || first == me)
        det_graph_keep(graph, DET_OF_FIRST_PLAN, me);
    else
        det_graph_keep(graph, DET_OF_FIRST_PLAN, -1);
    return first != 0 && first != me;
}

static void count_plan(const char *call, cudnnBackendDescriptor_t plan)
{
    if (tried_several(plan)) {
        det_cudnn_count_as(call, DET_CLASS_UNKNOWN, DET_RULE_CUDNN_ENGINE,
            "several plans of one graph were executed: the program may choose by time");
        return;
    }
    switch (det_graph_kept(plan, DET_OF_CLASS, DET_GRAPH_PLAIN)) {
    case DET_GRAPH_PINNED:
        det_cudnn_count_as(call, DET_CLASS_PINNED, DET_RULE_CUDNN_REDUCTION, "");
        return;
    case DET_GRAPH_REWRITTEN:
        if (attention_is_ordered_here())
            det_cudnn_count_as(call, DET_CLASS_PINNED, DET_RULE_CUDNN_ATTENTION, "");
        else
            det_cudnn_count_as(call, DET_CLASS_UNCOVERED, DET_RULE_CUDNN_ATTENTION,
                "attention backward: this GPU needs an engine of its own for ordered sums");
        return;
    case DET_GRAPH_REDUCTION:
        det_cudnn_count_as(call, DET_CLASS_UNCOVERED, DET_RULE_CUDNN_REDUCTION,
            "fused reduction that cuDNN cannot order");
        return;
    case DET_GRAPH_ATTENTION:
        det_cudnn_count_as(call, DET_CLASS_UNCOVERED, DET_RULE_CUDNN_ATTENTION,
            "attention backward accumulates by atomics");
        return;
    case DET_GRAPH_FLAGGED:
        det_cudnn_count_as(call, DET_CLASS_UNCOVERED, DET_RULE_CUDNN_ENGINE,
            "engine is documented as nondeterministic");
        return;
    default:
        det_cudnn_count_as(call, DET_CLASS_VOUCHED, DET_RULE_CUDNN_DOCUMENTED, "");
    }
}

#define EXECUTE(symbol, params, args)                                                              \
    DET_EXPORT cudnnStatus_t symbol params                                                         \
    {                                                                                              \
        if (!det_enter(DET_ID_##symbol))                                                           \
            return DET_REAL(symbol) args;                                                          \
        const cudnnStatus_t status = DET_REAL(symbol) args;                                        \
        if (status == CUDNN_STATUS_SUCCESS)                                                        \
            count_plan(DET_NAME(symbol), plan);                                                    \
        det_leave(DET_ID_##symbol);                                                                \
        return status;                                                                             \
    }
EXECUTE(cudnnBackendExecute,
    (cudnnHandle_t handle, cudnnBackendDescriptor_t plan, cudnnBackendDescriptor_t pack),
    (handle, plan, pack))
EXECUTE(cudnnBackendPopulateCudaGraph,
    (cudnnHandle_t handle, cudnnBackendDescriptor_t plan, cudnnBackendDescriptor_t pack,
        cudaGraph_t graph),
    (handle, plan, pack, graph))
EXECUTE(cudnnBackendUpdateCudaGraph,
    (cudnnHandle_t handle, cudnnBackendDescriptor_t plan, cudnnBackendDescriptor_t pack,
        cudaGraph_t graph),
    (handle, plan, pack, graph))
