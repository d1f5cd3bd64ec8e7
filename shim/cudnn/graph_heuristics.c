/* Heuristics results without engines that carry the nondeterministic note. cuDNN writes result i into the program's descriptor i, and
 * descriptors cannot be copied; so the program's descriptors are put where the good results will land and spare ones elsewhere. */
#include <stdlib.h>

#include "shim/cudnn/engine.h"

struct list {
    cudnnBackendDescriptor_t *spare; /* n_announced of ours, filled with the whole answer */
    bool *good;
    int64_t n_announced, n, n_good;
};

static void drop(const struct det_backend *cudnn, struct list *list)
{
    if (list->spare)
        det_backend_unmake(cudnn, list->spare, list->n_announced);
    free(list->spare);
    free(list->good);
}

/* The count cuDNN announces is an upper bound; what it returns is the count. */
static bool ask(
    const struct det_backend *cudnn, cudnnBackendDescriptor_t heuristics, struct list *list)
{
    enum { LIMIT = 1 << 16 };
    *list = (struct list){ NULL, NULL, 0, 0, 0 };
    if (cudnn->get(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0,
            &list->n_announced, NULL) != CUDNN_STATUS_SUCCESS ||
        list->n_announced < 0 || list->n_announced > LIMIT)
        return false;
    const size_t n = (size_t)list->n_announced;
    list->spare = calloc(n + 1, sizeof *list->spare);
    list->good = calloc(n + 1, sizeof *list->good);
    if (!list->spare || !list->good ||
        !det_backend_make(
            cudnn, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, list->spare, list->n_announced)) {
        free(list->spare);
        list->spare = NULL;
        drop(cudnn, list);
        return false;
    }
    if (n && cudnn->get(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                 list->n_announced, &list->n, list->spare) != CUDNN_STATUS_SUCCESS) {
        drop(cudnn, list);
        return false;
    }
    for (int64_t i = 0; i < list->n && i < list->n_announced; i++) {
        struct det_engine engine;
        list->good[i] = !det_engine_read(cudnn, list->spare[i], &engine) || !engine.flagged;
        list->n_good += list->good[i];
    }
    return true;
}

/* The second, real query: the program's descriptors in the places of good results. A descriptor that was filled once is not filled
 * again (seen with 9.19: the rest of the list stays empty), so all other places get fresh ones. */
static cudnnStatus_t hand_out(const struct det_backend *cudnn, cudnnBackendDescriptor_t heuristics,
    const struct list *list, int64_t n_requested, int64_t *n_returned,
    cudnnBackendDescriptor_t *results)
{
    const int64_t n_fresh = list->n_announced;
    cudnnBackendDescriptor_t *mixed = calloc((size_t)n_fresh + 1, sizeof *mixed),
                             *fresh = calloc((size_t)n_fresh + 1, sizeof *fresh);
    cudnnStatus_t status = CUDNN_STATUS_ALLOC_FAILED;
    if (mixed && fresh &&
        det_backend_make(cudnn, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, fresh, n_fresh)) {
        int64_t given = 0, n = 0;
        for (int64_t i = 0; i < n_fresh; i++)
            mixed[i] = list->good[i] && given < n_requested ? results[given++] : fresh[i];
        status = cudnn->get(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS,
            CUDNN_TYPE_BACKEND_DESCRIPTOR, n_fresh, &n, mixed);
        if (status == CUDNN_STATUS_SUCCESS && n_returned)
            *n_returned = given;
        det_backend_unmake(cudnn, fresh, n_fresh);
    }
    free(mixed);
    free(fresh);
    return status;
}

/* Programs may destroy what they gave; an address used again for another kind is not asked. */
static bool alive(const void *descriptor, cudnnBackendDescriptorType_t type)
{
    return descriptor && det_graph_kept(descriptor, DET_OF_TYPE, -1) == (int64_t)type;
}

/* The same graph asked in another mode: fallback engines come last but exist for nearly every graph. */
static bool remake(const struct det_backend *cudnn, cudnnBackendDescriptor_t graph,
    cudnnBackendDescriptor_t device, cudnnBackendHeurMode_t mode, cudnnBackendDescriptor_t *out)
{
    if (!alive(graph, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR) ||
        (device && !alive(device, CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR)) ||
        !det_backend_make(cudnn, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, out, 1))
        return false;
    if (cudnn->set(*out, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
            &graph) == CUDNN_STATUS_SUCCESS &&
        cudnn->set(*out, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode) ==
            CUDNN_STATUS_SUCCESS &&
        (!device || cudnn->set(*out, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP,
                        CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &device) == CUDNN_STATUS_SUCCESS) &&
        cudnn->finalize(*out) == CUDNN_STATUS_SUCCESS)
        return true;
    cudnn->destroy(*out);
    return false;
}

static const cudnnBackendHeurMode_t modes[] = { CUDNN_HEUR_MODE_FALLBACK, CUDNN_HEUR_MODE_A,
    CUDNN_HEUR_MODE_B };
enum { N_MODES = sizeof modes / sizeof *modes };

static cudnnBackendDescriptor_t kept_descriptor(const void *of, enum det_kept_field field)
{
    return (cudnnBackendDescriptor_t)(uintptr_t)det_graph_kept(of, field, 0);
}

/* Good results of any mode; `results` may be NULL. */
static bool elsewhere(const struct det_backend *cudnn, const void *of, int64_t n_requested,
    int64_t *n_returned, void *results, cudnnStatus_t *status)
{
    for (int i = 0; i < N_MODES; i++) {
        cudnnBackendDescriptor_t other;
        struct list list;
        if (!remake(cudnn, kept_descriptor(of, DET_OF_GRAPH), kept_descriptor(of, DET_OF_DEVICE),
                modes[i], &other))
            continue;
        const bool asked = ask(cudnn, other, &list), good = asked && list.n_good > 0;
        if (good && results && n_requested > 0)
            *status = hand_out(cudnn, other, &list, n_requested, n_returned, results);
        else if (good && n_returned)
            *n_returned = list.n_good;
        if (asked)
            drop(cudnn, &list);
        cudnn->destroy(other);
        if (good)
            return true;
    }
    return false;
}

bool det_heuristics_has_ordered(const struct det_backend *cudnn, cudnnBackendDescriptor_t plan)
{
    if (det_graph_kept(plan, DET_OF_REASON, 0))
        return false; /* handed out by the filter because there was nothing better */
    /* no graph: loaded from JSON, made by another process that was not under the shim */
    cudnnStatus_t status = CUDNN_STATUS_SUCCESS;
    return !kept_descriptor(plan, DET_OF_GRAPH) || elsewhere(cudnn, plan, 0, NULL, NULL, &status);
}

static void log_cut(const struct list *list)
{
    if (list->n_good != list->n)
        det_log_override(DET_NAME(cudnnBackendGetAttribute), DET_RULE_CUDNN_ENGINE,
            "engine configurations", list->n, list->n_good);
}

cudnnStatus_t det_heuristics_answer(const struct det_backend *cudnn,
    cudnnBackendDescriptor_t heuristics, int64_t n_requested, int64_t *n_returned, void *results,
    bool *fixed)
{
    const cudnnBackendAttributeName_t name = CUDNN_ATTR_ENGINEHEUR_RESULTS;
    struct list list;
    cudnnStatus_t status = CUDNN_STATUS_SUCCESS;
    *fixed = true;
    if (n_requested < 0 || !ask(cudnn, heuristics, &list))
        return cudnn->get(
            heuristics, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, n_requested, n_returned, results);
    if (list.n_good == list.n) {
        status = cudnn->get(
            heuristics, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, n_requested, n_returned, results);
    } else if (list.n_good > 0 && (n_requested == 0 || !results)) {
        log_cut(&list);
        if (n_returned)
            *n_returned = list.n_good;
    } else if (list.n_good > 0) {
        log_cut(&list);
        status = hand_out(cudnn, heuristics, &list, n_requested, n_returned, results);
    } else if (!elsewhere(cudnn, heuristics, n_requested, n_returned, results, &status)) {
        *fixed = false;
        status = cudnn->get(
            heuristics, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, n_requested, n_returned, results);
    }
    drop(cudnn, &list);
    return status;
}
