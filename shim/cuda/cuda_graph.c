/* Records of graphs, executables and captures under way: lists of kernels, found by handle. No driver call stands here but the
 * question for a stream's last node. */
#include "shim/cuda/cuda_graph.h"

#include <stdlib.h>
#include <string.h>

#include "shim/cuda/cuda_driver.h"
#include "shim/cuda/cuda_table.h"

/* A graph, an executable, or a capture under way: a list of kernels. */
struct list {
    const void *key;
    struct det_gnode *node;
    size_t n, cap;
    bool bound;  /* its tables belong to an executable: the next one needs others */
    bool edited; /* its edges are not those that capturing gave */
    UT_hash_handle hh;
};

/* A graph inside another, whose kernels are listed there. */
struct inner {
    CUgraph graph, around;
    bool conditional;
    UT_hash_handle hh;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct list *maps[DET_CAPTURES + 1];
static struct inner *inners;

void det_graph_fork_child(void)
{
    static const pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;
    memcpy(&lock, &fresh, sizeof lock);
    memset(maps, 0, sizeof maps);
    inners = NULL;
}

/* Lock held for all of these. */
static struct list *list_find(enum det_graph_map_of map, const void *key)
{
    struct list *list = NULL;
    HASH_FIND_PTR(maps[map], &key, list);
    return list;
}

static struct list *list_get(enum det_graph_map_of map, const void *key)
{
    struct list *list = list_find(map, key);
    if (list == NULL && (list = calloc(1, sizeof *list)) != NULL) {
        list->key = key;
        HASH_ADD_PTR(maps[map], key, list);
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

static bool table_named(const struct det_table *table)
{
    for (int map = 0; map <= DET_CAPTURES; map++)
        for (const struct list *list = maps[map]; list != NULL; list = list->hh.next)
            for (size_t i = 0; i < list->n; i++)
                if (list->node[i].table == table)
                    return true;
    return false;
}

/* Tables that no graph, executable or capture names any more may serve others once their folds have run. */
static void tables_release(const struct det_gnode *nodes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (nodes[i].table != NULL && !table_named(nodes[i].table))
            det_table_rest(nodes[i].table);
}

static void list_drop(enum det_graph_map_of map, const void *key)
{
    struct list *const list = list_find(map, key);
    if (list == NULL)
        return;
    HASH_DEL(maps[map], list);
    tables_release(list->node, list->n);
    free(list->node);
    free(list);
}

static struct det_gnode *node_in(struct list *list, CUgraphNode node)
{
    for (size_t i = 0; list != NULL && node != NULL && i < list->n; i++)
        if (list->node[i].kernel == node)
            return &list->node[i];
    return NULL;
}

static struct det_gnode *node_of(enum det_graph_map_of map, CUgraphNode node)
{
    struct det_gnode *found = NULL;
    for (struct list *list = maps[map]; list != NULL && found == NULL; list = list->hh.next)
        found = node_in(list, node);
    return found;
}

/* In a graph, or in one that is being captured. */
static struct det_gnode *node_made(CUgraphNode node)
{
    struct det_gnode *const found = node_of(DET_GRAPHS, node);
    return found != NULL ? found : node_of(DET_CAPTURES, node);
}

/* --- captures --- */

void det_graph_captured(uint64_t capture, const struct det_gnode *node)
{
    pthread_mutex_lock(&lock);
    struct list *const list = list_get(DET_CAPTURES, (const void *)(uintptr_t)capture);
    if (list != NULL) {
        for (size_t i = list->n; i-- > 0 && node->table != NULL;)
            if (list->node[i].table == node->table) {
                list->node[i].followed = true;
                break;
            }
        list_add(list, node, 1);
    }
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
    const struct list *const from = list_find(DET_CAPTURES, key);
    struct list *const to = from != NULL && graph != NULL ? list_get(DET_GRAPHS, graph) : NULL;
    if (to != NULL) {
        to->edited |= from->edited || to->n != 0;
        list_add(to, from->node, from->n);
    }
    list_drop(DET_CAPTURES, key);
    pthread_mutex_unlock(&lock);
}

void det_graph_edges_changed(enum det_graph_map_of map, const void *key)
{
    pthread_mutex_lock(&lock);
    struct list *const list = map == DET_CAPTURES ? list_get(map, key) : list_find(map, key);
    if (list != NULL)
        list->edited = true;
    pthread_mutex_unlock(&lock);
}

void det_graph_context_gone(const struct det_ctx *ctx)
{
    pthread_mutex_lock(&lock);
    for (int map = 0; map <= DET_CAPTURES; map++)
        for (struct list *list = maps[map]; list != NULL; list = list->hh.next)
            for (size_t i = 0; i < list->n; i++)
                if (list->node[i].table != NULL && list->node[i].table->ctx == ctx) {
                    list->node[i].table = NULL;
                    list->node[i].report = NULL;
                    list->node[i].twin = NULL;
                }
    pthread_mutex_unlock(&lock);
}

/* --- whole lists --- */

struct det_gnode *det_graph_nodes(
    enum det_graph_map_of map, const void *key, size_t *n, bool *bound, bool *edited)
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
    if (edited != NULL)
        *edited = list != NULL && list->edited;
    pthread_mutex_unlock(&lock);
    return copy;
}

void det_graph_nodes_set(
    enum det_graph_map_of map, const void *key, const struct det_gnode *nodes, size_t n, bool bound)
{
    pthread_mutex_lock(&lock);
    struct list *const list = list_get(map, key);
    if (list != NULL) {
        struct det_gnode *const old = list->node;
        const size_t n_old = list->n;
        list->node = NULL;
        list->n = list->cap = 0;
        list->bound = bound;
        list_add(list, nodes, n);
        tables_release(old, n_old);
        free(old);
    }
    pthread_mutex_unlock(&lock);
}

void det_graph_drop(enum det_graph_map_of map, const void *key)
{
    struct inner *inner, *next;
    pthread_mutex_lock(&lock);
    list_drop(map, key);
    if (map == DET_GRAPHS) {
        HASH_ITER(hh, inners, inner, next)
        {
            if (inner->graph != key && inner->around != key)
                continue;
            HASH_DEL(inners, inner);
            free(inner);
        }
    }
    pthread_mutex_unlock(&lock);
}

void det_graph_each(enum det_graph_map_of map, const void *key,
    void (*each)(struct det_gnode *node, void *arg), void *arg)
{
    pthread_mutex_lock(&lock);
    struct list *const list = list_find(map, key);
    for (size_t i = 0; list != NULL && i < list->n; i++)
        each(&list->node[i], arg);
    pthread_mutex_unlock(&lock);
}

void det_graph_copied(CUgraph from, CUgraph to, det_graph_map map, void *arg)
{
    size_t n;
    struct det_gnode *const nodes = det_graph_nodes(DET_GRAPHS, from, &n, NULL, NULL);
    const uint64_t copy = det_mix(det_serial());
    for (size_t i = 0; i < n; i++) {
        nodes[i].kernel = nodes[i].kernel != NULL ? map(nodes[i].kernel, arg) : NULL;
        nodes[i].fold = nodes[i].fold != NULL ? map(nodes[i].fold, arg) : NULL;
        nodes[i].branch = det_mix(nodes[i].branch ^ copy);
    }
    if (n != 0) {
        pthread_mutex_lock(&lock);
        struct list *const list = list_get(DET_GRAPHS, to);
        if (list != NULL) {
            list_add(list, nodes, n);
            list->bound = true; /* the tables are those of `from` */
        }
        pthread_mutex_unlock(&lock);
    }
    free(nodes);
}

void det_graph_moved(CUgraph from, CUgraph to)
{
    pthread_mutex_lock(&lock);
    struct list *const source = list_find(DET_GRAPHS, from);
    struct list *const list = source != NULL ? list_get(DET_GRAPHS, to) : NULL;
    if (list != NULL) {
        list_add(list, source->node, source->n);
        list->bound |= source->bound;
        list->edited = true;
        list_drop(DET_GRAPHS, from);
    }
    pthread_mutex_unlock(&lock);
}

CUgraph det_graph_root(CUgraph graph, bool *conditional)
{
    struct inner *inner = NULL;
    *conditional = false;
    pthread_mutex_lock(&lock);
    for (;;) {
        HASH_FIND_PTR(inners, &graph, inner);
        if (inner == NULL)
            break;
        *conditional |= inner->conditional;
        graph = inner->around;
    }
    pthread_mutex_unlock(&lock);
    return graph;
}

void det_graph_inner(CUgraph graph, CUgraph around, bool conditional)
{
    struct inner *inner = NULL;
    if (graph == NULL || graph == around)
        return;
    pthread_mutex_lock(&lock);
    HASH_FIND_PTR(inners, &graph, inner);
    if (inner == NULL && (inner = calloc(1, sizeof *inner)) != NULL) {
        inner->graph = graph;
        HASH_ADD_PTR(inners, graph, inner);
    }
    if (inner != NULL) {
        inner->around = around;
        inner->conditional = conditional;
    }
    pthread_mutex_unlock(&lock);
}

/* --- single nodes --- */

void det_graph_added(CUgraph graph, const struct det_gnode *node)
{
    pthread_mutex_lock(&lock);
    struct list *const list = list_get(DET_GRAPHS, graph);
    if (list != NULL) {
        list_add(list, node, 1);
        list->edited = true;
    }
    pthread_mutex_unlock(&lock);
}

bool det_graph_node_find(CUgraphNode node, struct det_gnode *out)
{
    pthread_mutex_lock(&lock);
    const struct det_gnode *const found = node_made(node);
    if (found != NULL)
        *out = *found;
    pthread_mutex_unlock(&lock);
    return found != NULL;
}

bool det_graph_exec_node_find(CUgraphExec exec, CUgraphNode node, struct det_gnode *out)
{
    pthread_mutex_lock(&lock);
    const struct det_gnode *const found = node_in(list_find(DET_EXECS, exec), node);
    if (found != NULL)
        *out = *found;
    pthread_mutex_unlock(&lock);
    return found != NULL;
}

/* Lock held. */
static void node_replace(struct det_gnode *at, const struct det_gnode *to)
{
    const struct det_gnode old = *at;
    *at = *to;
    tables_release(&old, 1);
}

void det_graph_node_set(CUgraphNode node, const struct det_gnode *to)
{
    pthread_mutex_lock(&lock);
    struct det_gnode *const at = node_made(node);
    if (at != NULL)
        node_replace(at, to);
    pthread_mutex_unlock(&lock);
}

void det_graph_exec_node_set(CUgraphExec exec, CUgraphNode node, const struct det_gnode *to)
{
    pthread_mutex_lock(&lock);
    struct det_gnode *const at = node_in(list_find(DET_EXECS, exec), node);
    if (at != NULL)
        node_replace(at, to);
    pthread_mutex_unlock(&lock);
}

bool det_graph_follow(CUgraph graph, const struct det_ctx *ctx, const CUgraphNode *deps, size_t n,
    struct det_gnode *out)
{
    bool found = false;
    pthread_mutex_lock(&lock);
    struct list *const list = list_find(DET_GRAPHS, graph);
    /* in a graph that shares its tables with another the branch will get one of its own anyway */
    for (size_t i = list != NULL && !list->bound ? list->n : 0; i-- > 0 && !found;) {
        struct det_gnode *const node = &list->node[i];
        if (node->twin == NULL || node->table == NULL || node->followed || node->lost ||
            node->table->ctx != ctx || node->fold == NULL)
            continue;
        for (size_t d = 0; d < n && !found; d++)
            found = deps[d] == node->fold;
        if (found) {
            node->followed = true;
            *out = *node;
        }
    }
    pthread_mutex_unlock(&lock);
    return found;
}

CUgraphNode det_graph_fold_of(CUgraphNode kernel)
{
    pthread_mutex_lock(&lock);
    const struct det_gnode *const found = node_made(kernel);
    CUgraphNode const fold = found != NULL ? found->fold : NULL;
    pthread_mutex_unlock(&lock);
    return fold;
}

static int by_fold(const void *a, const void *b)
{
    const uintptr_t left = (uintptr_t)((const struct det_gpair *)a)->fold;
    const uintptr_t right = (uintptr_t)((const struct det_gpair *)b)->fold;
    return (left > right) - (left < right);
}

struct det_gpair *det_graph_folds(size_t *n)
{
    struct det_gpair *pairs = NULL;
    size_t most = 0;
    *n = 0;
    pthread_mutex_lock(&lock);
    for (int map = 0; map <= DET_CAPTURES; map++)
        for (const struct list *list = maps[map]; list != NULL; list = list->hh.next)
            most += map == DET_EXECS ? 0 : list->n;
    if (most != 0 && (pairs = malloc(most * sizeof *pairs)) != NULL)
        for (int map = 0; map <= DET_CAPTURES; map++)
            for (const struct list *list = maps[map]; list != NULL; list = list->hh.next)
                for (size_t i = 0; map != DET_EXECS && i < list->n; i++)
                    if (list->node[i].fold != NULL && list->node[i].kernel != NULL)
                        pairs[(*n)++] =
                            (struct det_gpair){ list->node[i].fold, list->node[i].kernel };
    pthread_mutex_unlock(&lock);
    if (*n != 0)
        qsort(pairs, *n, sizeof *pairs, by_fold);
    return pairs;
}

CUgraphNode det_graph_kernel_of(const struct det_gpair *pairs, size_t n, CUgraphNode node)
{
    const struct det_gpair key = { node, NULL };
    const struct det_gpair *const found =
        n != 0 ? bsearch(&key, pairs, n, sizeof *pairs, by_fold) : NULL;
    return found != NULL ? found->kernel : NULL;
}

void det_graph_node_gone(CUgraphNode node)
{
    pthread_mutex_lock(&lock);
    for (struct list *list = maps[DET_GRAPHS]; list != NULL; list = list->hh.next) {
        struct det_gnode *const at = node_in(list, node);
        if (at == NULL)
            continue;
        const struct det_gnode gone = *at;
        *at = list->node[--list->n];
        tables_release(&gone, 1);
    }
    for (struct list *list = maps[DET_EXECS]; list != NULL; list = list->hh.next) {
        struct det_gnode *const at = node_in(list, node);
        if (at != NULL)
            at->kernel = NULL;
    }
    pthread_mutex_unlock(&lock);
}
