/* Records of graphs and of their executables; see the header. Own calls (new tables) happen before the program's call, so
 * that what it instantiates is complete. */
#include "shim/cuda/cuda_graph.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shim/cuda/cuda_driver.h"
#include "shim/cuda/cuda_launch.h"
#include "shim/cuda/cuda_order.h"
#include "shim/cuda/cuda_table.h"
#include "shim/loader/call.h"

/* A graph, an executable, or a capture under way: a list of kernels. */
struct list {
    const void *key;
    struct det_gnode *node;
    size_t n, cap;
    bool bound; /* its tables belong to an executable: the next one needs others */
    UT_hash_handle hh;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct list *graphs, *execs, *captures;

void det_graph_fork_child(void)
{
    static const pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;
    memcpy(&lock, &fresh, sizeof lock);
    graphs = execs = captures = NULL;
}

/* Lock held for all of these. */
static struct list *list_find(struct list *map, const void *key)
{
    struct list *list = NULL;
    HASH_FIND_PTR(map, &key, list);
    return list;
}

static struct list *list_get(struct list **map, const void *key)
{
    struct list *list = list_find(*map, key);
    if (list == NULL && (list = calloc(1, sizeof *list)) != NULL) {
        list->key = key;
        HASH_ADD_PTR(*map, key, list);
    }
    return list;
}

static void list_add(struct list *list, const struct det_gnode *nodes, size_t n)
{
    if (list->n + n > list->cap) {
        const size_t cap = 2 * list->cap + n;
        struct det_gnode *const bigger = realloc(list->node, cap * sizeof *bigger);
        if (bigger == NULL)
            return;
        list->node = bigger;
        list->cap = cap;
    }
    if (n != 0)
        memcpy(list->node + list->n, nodes, n * sizeof *nodes);
    list->n += n;
}

static bool table_in(struct list *map, const struct det_table *table)
{
    for (const struct list *list = map; list != NULL; list = list->hh.next)
        for (size_t i = 0; i < list->n; i++)
            if (list->node[i].table == table)
                return true;
    return false;
}

/* Tables that no graph, executable or capture names any more may serve others once their folds have run. */
static void tables_release(const struct det_gnode *nodes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct det_table *const table = nodes[i].table;
        if (table != NULL && !table_in(graphs, table) && !table_in(execs, table) &&
            !table_in(captures, table))
            det_table_rest(table);
    }
}

static void list_drop(struct list **map, const void *key)
{
    struct list *const list = list_find(*map, key);
    if (list == NULL)
        return;
    HASH_DEL(*map, list);
    tables_release(list->node, list->n);
    free(list->node);
    free(list);
}

void det_graph_captured(uint64_t capture, const struct det_gnode *node)
{
    pthread_mutex_lock(&lock);
    struct list *const list = list_get(&captures, (const void *)(uintptr_t)capture);
    if (list != NULL)
        list_add(list, node, 1);
    pthread_mutex_unlock(&lock);
}

CUgraphNode det_graph_last_node(CUstream stream)
{
    const struct det_driver *const cu = det_driver();
    CUstreamCaptureStatus status;
    cuuint64_t id;
    const CUgraphNode *nodes = NULL;
    size_t n = 0;
    if (cu->cuStreamGetCaptureInfo_v2 == NULL ||
        cu->cuStreamGetCaptureInfo_v2(stream, &status, &id, NULL, &nodes, &n) != CUDA_SUCCESS)
        return NULL;
    return n == 1 && nodes != NULL ? nodes[0] : NULL;
}

void det_graph_capture_end(uint64_t capture, CUgraph graph)
{
    const void *const key = (const void *)(uintptr_t)capture;
    pthread_mutex_lock(&lock);
    const struct list *const from = list_find(captures, key);
    struct list *const to = from != NULL && graph != NULL ? list_get(&graphs, graph) : NULL;
    if (to != NULL)
        list_add(to, from->node, from->n);
    list_drop(&captures, key);
    pthread_mutex_unlock(&lock);
}

static void context_gone_from(struct list *map, const struct det_ctx *ctx)
{
    for (struct list *list = map; list != NULL; list = list->hh.next)
        for (size_t i = 0; i < list->n; i++)
            if (list->node[i].table != NULL && list->node[i].table->ctx == ctx) {
                list->node[i].table = NULL;
                list->node[i].report = NULL;
                list->node[i].twin = NULL;
            }
}

void det_graph_context_gone(const struct det_ctx *ctx)
{
    pthread_mutex_lock(&lock);
    context_gone_from(graphs, ctx);
    context_gone_from(execs, ctx);
    context_gone_from(captures, ctx);
    pthread_mutex_unlock(&lock);
}

/* Copy of a list's nodes, so that the driver is called without the lock. */
static struct det_gnode *nodes_of(struct list *map, const void *key, size_t *n, bool *bound)
{
    struct det_gnode *copy = NULL;
    *n = 0;
    pthread_mutex_lock(&lock);
    const struct list *const list = list_find(map, key);
    if (list != NULL && list->n != 0 && (copy = malloc(list->n * sizeof *copy)) != NULL) {
        memcpy(copy, list->node, list->n * sizeof *copy);
        *n = list->n;
    }
    if (bound != NULL)
        *bound = list != NULL && list->bound;
    pthread_mutex_unlock(&lock);
    return copy;
}

void det_graph_copied(CUgraph from, CUgraph to, det_graph_map map, void *arg)
{
    size_t n;
    struct det_gnode *const nodes = nodes_of(graphs, from, &n, NULL);
    const uint64_t copy = det_mix(det_serial());
    for (size_t i = 0; i < n; i++) {
        nodes[i].kernel = nodes[i].kernel != NULL ? map(nodes[i].kernel, arg) : NULL;
        nodes[i].fold = nodes[i].fold != NULL ? map(nodes[i].fold, arg) : NULL;
        nodes[i].branch = det_mix(nodes[i].branch ^ copy);
    }
    if (n != 0) {
        pthread_mutex_lock(&lock);
        struct list *const list = list_get(&graphs, to);
        if (list != NULL) {
            list_add(list, nodes, n);
            list->bound = true; /* the tables are those of `from` */
        }
        pthread_mutex_unlock(&lock);
    }
    free(nodes);
}

void det_graph_added(CUgraph graph, const struct det_gnode *node)
{
    pthread_mutex_lock(&lock);
    struct list *const list = list_get(&graphs, graph);
    if (list != NULL)
        list_add(list, node, 1);
    pthread_mutex_unlock(&lock);
}

bool det_graph_node_find(CUgraphNode node, struct det_gnode *out)
{
    bool found = false;
    pthread_mutex_lock(&lock);
    for (const struct list *list = graphs; list != NULL && !found; list = list->hh.next)
        for (size_t i = 0; i < list->n && !found; i++)
            if (list->node[i].kernel == node && node != NULL && list->node[i].twin != NULL &&
                !list->node[i].lost) {
                *out = list->node[i];
                found = true;
            }
    pthread_mutex_unlock(&lock);
    return found;
}

static void node_lost_from(
    struct list *map, CUgraphNode node, struct det_ledger_row *row, bool lost)
{
    for (struct list *list = map; list != NULL; list = list->hh.next)
        for (size_t i = 0; i < list->n; i++)
            if (list->node[i].kernel == node) {
                list->node[i].row = list->node[i].unbound = list->node[i].unordered = row;
                list->node[i].lost |= lost;
            }
}

void det_graph_node_lost(CUgraphNode node, struct det_ledger_row *row, bool in_graph)
{
    pthread_mutex_lock(&lock);
    node_lost_from(graphs, node, row, in_graph);
    node_lost_from(execs, node, row, in_graph);
    pthread_mutex_unlock(&lock);
}

static void targets_into(struct list *map, CUgraphNode node, const struct det_gnode *from, bool add)
{
    for (struct list *list = map; list != NULL; list = list->hh.next)
        for (size_t i = 0; i < list->n; i++) {
            struct det_gnode *const to = &list->node[i];
            if (to->kernel != node)
                continue;
            if (!add)
                to->n_targets = 0;
            to->anywhere = (add && to->anywhere) || from->anywhere;
            for (size_t j = 0; j < from->n_targets; j++)
                if (to->n_targets < DET_GNODE_TARGETS)
                    to->target[to->n_targets++] = from->target[j];
                else
                    to->anywhere = true;
        }
}

void det_graph_node_targets(CUgraphNode node, const struct det_gnode *from)
{
    pthread_mutex_lock(&lock);
    targets_into(graphs, node, from, false);
    targets_into(execs, node, from, true);
    pthread_mutex_unlock(&lock);
}

CUgraphNode det_graph_fold_of(CUgraphNode kernel)
{
    CUgraphNode fold = NULL;
    pthread_mutex_lock(&lock);
    for (const struct list *list = graphs; list != NULL && kernel != NULL; list = list->hh.next)
        for (size_t i = 0; i < list->n && fold == NULL; i++)
            if (list->node[i].kernel == kernel)
                fold = list->node[i].fold;
    pthread_mutex_unlock(&lock);
    return fold;
}

void det_graph_node_gone(CUgraphNode node)
{
    pthread_mutex_lock(&lock);
    for (struct list *list = graphs; list != NULL; list = list->hh.next)
        for (size_t i = 0; i < list->n; i++)
            if (list->node[i].kernel == node) {
                const struct det_gnode gone = list->node[i];
                list->node[i--] = list->node[--list->n];
                tables_release(&gone, 1);
            }
    for (struct list *list = execs; list != NULL; list = list->hh.next)
        for (size_t i = 0; i < list->n; i++)
            if (list->node[i].kernel == node)
                list->node[i].kernel = NULL;
    pthread_mutex_unlock(&lock);
}

/* --- tables of their own --- */

static void list_replace(struct list **map, const void *key, struct det_gnode *nodes, size_t n)
{
    pthread_mutex_lock(&lock);
    struct list *const list = list_get(map, key);
    if (list != NULL) {
        struct det_gnode *const old = list->node;
        const size_t n_old = list->n;
        list->node = NULL;
        list->n = list->cap = 0;
        list_add(list, nodes, n);
        tables_release(old, n_old);
        free(old);
    }
    pthread_mutex_unlock(&lock);
}

static CUresult kernel_params(const struct det_gnode *node, CUdeviceptr head)
{
    const struct det_driver *const cu = det_driver();
    CUDA_KERNEL_NODE_PARAMS was = { 0 };
    struct det_params params;
    CUresult status = cu->cuGraphKernelNodeGetParams_v2(node->kernel, &was);
    if (status != CUDA_SUCCESS)
        return status;
    if (det_params_make(&params, was.kernelParams, was.kernelParams != NULL ? NULL : was.extra,
            node->n_params, node->table_offset) != NULL)
        return CUDA_ERROR_NOT_SUPPORTED;
    params.table = head;
    if (params.buffer != NULL)
        memcpy(params.buffer + node->table_offset, &head, sizeof head);
    was.kernelParams = params.params;
    was.extra = params.extra;
    status = cu->cuGraphKernelNodeSetParams_v2(node->kernel, &was);
    det_params_free(&params);
    return status;
}

static CUresult fold_params(const struct det_gnode *node, CUdeviceptr head)
{
    const struct det_driver *const cu = det_driver();
    CUDA_KERNEL_NODE_PARAMS was = { 0 };
    CUresult status = cu->cuGraphKernelNodeGetParams_v2(node->fold, &was);
    if (status != CUDA_SUCCESS)
        return status;
    uint64_t at[2] = { head, node->report->device };
    void *fold[] = { &at[0], &at[1] };
    was.kernelParams = fold;
    was.extra = NULL;
    return cu->cuGraphKernelNodeSetParams_v2(node->fold, &was);
}

static CUresult node_params(const struct det_gnode *node, CUdeviceptr head)
{
    const CUresult status = node->lost ? CUDA_SUCCESS : kernel_params(node, head);
    return status == CUDA_SUCCESS ? fold_params(node, head) : status;
}

/* Key of a table that no twin ever adds to. */
static const uint64_t nobodys = UINT64_MAX - 1;

/* The fold of a node that is no twin any more must not run beside twins of another executable that use its old table. */
static bool fold_apart(struct det_gnode *node)
{
    struct det_table *const table = det_table_get(node->table->ctx, NULL, nobodys);
    CUdeviceptr head = 0;
    bool ok = false;
    if (table == NULL || node->fold == NULL)
        return false;
    pthread_mutex_lock(&table->lock);
    if (det_table_reserve(table, 1, NULL) == CUDA_SUCCESS &&
        det_table_head(table, node->twin, NULL, &head) == CUDA_SUCCESS) {
        struct det_report *const report = det_table_report(table, node->unbound, node->name);
        if (report != NULL) {
            node->report = report;
            node->name = report->name;
            ok = fold_params(node, head) == CUDA_SUCCESS;
        }
    }
    pthread_mutex_unlock(&table->lock);
    if (ok)
        node->table = table;
    return ok;
}

/* Two executables with one table could lose updates when they run at once, so a node that gets none of its own becomes the
 * program's kernel again. */
static bool node_revert(struct det_gnode *node)
{
    const struct det_driver *const cu = det_driver();
    CUDA_KERNEL_NODE_PARAMS was = { 0 };
    if (node->kernel == NULL || cu->cuGraphKernelNodeGetParams_v2 == NULL || !fold_apart(node))
        return false;
    if (node->lost)
        return true;
    if (cu->cuGraphKernelNodeGetParams_v2(node->kernel, &was) != CUDA_SUCCESS ||
        was.kernelParams == NULL)
        return false;
    was.func = (CUfunction)(uintptr_t)node->original;
    was.kern = NULL;
    was.sharedMemBytes -= (unsigned)node->shared_extra;
    node->lost = cu->cuGraphKernelNodeSetParams_v2(node->kernel, &was) == CUDA_SUCCESS;
    return node->lost;
}

/* New table for one node; nodes that shared one (a branch in order) share the new one. */
static bool node_rebind(struct det_gnode *node, uint64_t capture)
{
    struct det_table *const table =
        det_table_get(node->table->ctx, node->table->stream, det_mix(capture ^ node->branch) | 1);
    CUdeviceptr head = 0;
    bool ok = false;
    if (table == NULL || node->kernel == NULL || node->fold == NULL ||
        det_driver()->cuGraphKernelNodeGetParams_v2 == NULL)
        return false;
    pthread_mutex_lock(&table->lock);
    if (det_table_reserve(table, node->slots, NULL) == CUDA_SUCCESS &&
        det_table_head(table, node->twin, NULL, &head) == CUDA_SUCCESS) {
        struct det_report *const report = det_table_report(table, node->row, node->name);
        if (report != NULL) {
            node->report = report;
            node->name = report->name;
            node->head = head;
            ok = node_params(node, head) == CUDA_SUCCESS;
        }
    }
    pthread_mutex_unlock(&table->lock);
    if (ok)
        node->table = table;
    return ok;
}

/* Fresh tables for all twins among `nodes`; where that fails the launches cannot be vouched for. */
static void rebind(struct det_gnode *nodes, size_t n)
{
    const uint64_t capture = det_mix(det_serial());
    const CUstreamCaptureMode mode = det_capture_relax();
    for (size_t i = 0; i < n; i++)
        if (nodes[i].twin != NULL && !node_rebind(&nodes[i], capture)) {
            nodes[i].row = nodes[i].unbound;
            node_revert(&nodes[i]);
        }
    det_capture_restore(mode);
}

static bool meet(const struct det_gnode *a, const struct det_gnode *b)
{
    return a->anywhere || b->anywhere ||
           det_decide_meet(a->target, a->n_targets, b->target, b->n_targets);
}

/* Two branches that add to the same memory: the graph's edges may order them, but we do not follow edges. */
static void find_unordered(struct det_gnode *nodes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i && nodes[i].twin != NULL; j++)
            if (nodes[j].twin != NULL && nodes[i].branch != nodes[j].branch &&
                meet(&nodes[i], &nodes[j]))
                nodes[i].row = nodes[i].unordered;
}

/* Before an executable is made or updated from `graph`. Returns its nodes (to be freed), with tables nobody else uses. */
static struct det_gnode *claim(CUgraph graph, size_t *n)
{
    bool bound = false;
    const int saved = errno;
    det_inside_begin();
    struct det_gnode *const nodes = nodes_of(graphs, graph, n, &bound);
    if (nodes != NULL)
        find_unordered(nodes, *n);
    if (nodes != NULL && bound) {
        rebind(nodes, *n);
        list_replace(&graphs, graph, nodes, *n);
    }
    det_inside_end();
    errno = saved;
    return nodes;
}

static void claimed(CUgraph graph, CUgraphExec exec, struct det_gnode *nodes, size_t n, bool ok)
{
    if (ok && nodes != NULL) {
        pthread_mutex_lock(&lock);
        struct list *const list = list_find(graphs, graph);
        if (list != NULL)
            list->bound = true;
        pthread_mutex_unlock(&lock);
        list_replace(&execs, exec, nodes, n);
    }
    free(nodes);
}

#define INSTANTIATE(symbol, params, args)                                                          \
    DET_EXPORT CUresult symbol params                                                              \
    {                                                                                              \
        if (!det_enter(DET_ID_##symbol))                                                           \
            return DET_REAL(symbol) args;                                                          \
                                                                                                   \
        size_t n;                                                                                  \
        struct det_gnode *const nodes = claim(hGraph, &n);                                         \
        const CUresult status = DET_REAL(symbol) args;                                             \
        const bool ok = status == CUDA_SUCCESS && phGraphExec != NULL;                             \
        claimed(hGraph, ok ? *phGraphExec : NULL, nodes, n, ok);                                   \
        det_leave(DET_ID_##symbol);                                                                \
        return status;                                                                             \
    }
INSTANTIATE(cuGraphInstantiate,
    (CUgraphExec * phGraphExec, CUgraph hGraph, CUgraphNode *phErrorNode, char *logBuffer,
        size_t bufferSize),
    (phGraphExec, hGraph, phErrorNode, logBuffer, bufferSize))
INSTANTIATE(cuGraphInstantiate_v2,
    (CUgraphExec * phGraphExec, CUgraph hGraph, CUgraphNode *phErrorNode, char *logBuffer,
        size_t bufferSize),
    (phGraphExec, hGraph, phErrorNode, logBuffer, bufferSize))
INSTANTIATE(cuGraphInstantiateWithFlags,
    (CUgraphExec * phGraphExec, CUgraph hGraph, unsigned long long flags),
    (phGraphExec, hGraph, flags))
INSTANTIATE(cuGraphInstantiateWithParams,
    (CUgraphExec * phGraphExec, CUgraph hGraph, CUDA_GRAPH_INSTANTIATE_PARAMS *instantiateParams),
    (phGraphExec, hGraph, instantiateParams))
INSTANTIATE(cuGraphInstantiateWithParams_ptsz,
    (CUgraphExec * phGraphExec, CUgraph hGraph, CUDA_GRAPH_INSTANTIATE_PARAMS *instantiateParams),
    (phGraphExec, hGraph, instantiateParams))

#define UPDATE(symbol, params, args)                                                               \
    DET_EXPORT CUresult symbol params                                                              \
    {                                                                                              \
        if (!det_enter(DET_ID_##symbol))                                                           \
            return DET_REAL(symbol) args;                                                          \
                                                                                                   \
        size_t n;                                                                                  \
        struct det_gnode *const nodes = claim(hGraph, &n);                                         \
        const CUresult status = DET_REAL(symbol) args;                                             \
        claimed(hGraph, hGraphExec, nodes, n, status == CUDA_SUCCESS);                             \
        det_leave(DET_ID_##symbol);                                                                \
        return status;                                                                             \
    }
UPDATE(cuGraphExecUpdate,
    (CUgraphExec hGraphExec, CUgraph hGraph, CUgraphNode *hErrorNode_out,
        CUgraphExecUpdateResult *updateResult_out),
    (hGraphExec, hGraph, hErrorNode_out, updateResult_out))
UPDATE(cuGraphExecUpdate_v2,
    (CUgraphExec hGraphExec, CUgraph hGraph, CUgraphExecUpdateResultInfo *resultInfo),
    (hGraphExec, hGraph, resultInfo))

static void exec_unordered(CUgraphExec exec, size_t i)
{
    pthread_mutex_lock(&lock);
    const struct list *const list = list_find(execs, exec);
    if (list != NULL && i < list->n)
        list->node[i].meets = true;
    pthread_mutex_unlock(&lock);
}

/* A graph's launch is noted like any other, kernel by kernel, before it is queued; what runs on another stream at the same
 * time and adds to the same memory makes the kernel's launches uncovered. */
static void exec_launching(CUgraphExec exec, CUstream stream)
{
    const int saved = errno;
    size_t n;
    struct det_order found;
    struct det_gnode *const nodes = nodes_of(execs, exec, &n, NULL);
    const uint64_t group = det_serial(); /* among themselves its branches were compared before */
    for (size_t i = 0; i < n; i++) {
        if (nodes[i].table == NULL)
            continue;
        found.group = group;
        det_order_note(
            nodes[i].table, stream, nodes[i].target, nodes[i].n_targets, nodes[i].anywhere, &found);
        if (found.unordered)
            exec_unordered(exec, i);
    }
    free(nodes);
    errno = saved;
}

/* One launch of an executable is one launch of each of its kernels. */
static void exec_launched(CUgraphExec exec, CUstream stream, CUresult status)
{
    static const struct det_order none;
    const int saved = errno;
    bool twins = false;
    pthread_mutex_lock(&lock);
    const struct list *const list = list_find(execs, exec);
    for (size_t i = 0; list != NULL && i < list->n; i++) {
        struct det_gnode *const node = &list->node[i];
        if (status != CUDA_SUCCESS) {
            if (node->table != NULL)
                det_order_failed(node->table);
            continue;
        }
        det_ledger_hit(node->meets ? node->unordered_streams : node->row);
        if (node->report != NULL && (node->meets || node->row != node->report->row))
            atomic_fetch_add(&node->report->elsewhere, 1);
        node->meets = false;
        if (node->report != NULL) {
            atomic_fetch_add(&node->report->launched, 1);
            det_order_queued(node->table, stream, &none);
            twins = true;
        }
    }
    pthread_mutex_unlock(&lock);
    if (twins)
        det_reports_expect();
    errno = saved;
}

#define GRAPH_LAUNCH(symbol, per_thread)                                                           \
    DET_EXPORT CUresult symbol(CUgraphExec hGraph, CUstream hStream)                               \
    {                                                                                              \
        if (!det_enter(DET_ID_##symbol))                                                           \
            return DET_REAL(symbol)(hGraph, hStream);                                              \
                                                                                                   \
        const CUstream stream = det_stream_normal(hStream, per_thread);                            \
        exec_launching(hGraph, stream);                                                            \
        const CUresult status = DET_REAL(symbol)(hGraph, hStream);                                 \
        exec_launched(hGraph, stream, status);                                                     \
        det_leave(DET_ID_##symbol);                                                                \
        return status;                                                                             \
    }
GRAPH_LAUNCH(cuGraphLaunch, false)
GRAPH_LAUNCH(cuGraphLaunch_ptsz, true)

DET_EXPORT CUresult cuGraphExecDestroy(CUgraphExec hGraphExec)
{
    if (!det_enter(DET_ID_cuGraphExecDestroy))
        return DET_REAL(cuGraphExecDestroy)(hGraphExec);

    pthread_mutex_lock(&lock);
    list_drop(&execs, hGraphExec);
    pthread_mutex_unlock(&lock);
    const CUresult status = DET_REAL(cuGraphExecDestroy)(hGraphExec);
    det_leave(DET_ID_cuGraphExecDestroy);
    return status;
}

DET_EXPORT CUresult cuGraphDestroy(CUgraph hGraph)
{
    if (!det_enter(DET_ID_cuGraphDestroy))
        return DET_REAL(cuGraphDestroy)(hGraph);

    pthread_mutex_lock(&lock);
    list_drop(&graphs, hGraph);
    pthread_mutex_unlock(&lock);
    const CUresult status = DET_REAL(cuGraphDestroy)(hGraph);
    det_leave(DET_ID_cuGraphDestroy);
    return status;
}
