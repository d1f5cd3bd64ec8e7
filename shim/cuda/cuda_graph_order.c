/* Which node of a graph runs before which: the graph's edges, and those of child graphs in it, as one. A child graph is entered
 * before all its nodes and left after them. Only kernels that could disturb each other are ever asked for. */
#include <stdlib.h>
#include <string.h>

#include "shim/cuda/cuda_driver.h"
#include "shim/cuda/cuda_graph.h"

struct vertex {
    CUgraphNode node;
    unsigned enter, leave;
    UT_hash_handle hh;
};
struct edge {
    unsigned from, to;
};
/* What runs after one vertex; kept, since each fold is asked for against many kernels. */
struct reach {
    unsigned from;
    unsigned char *seen;
    UT_hash_handle hh;
};
struct det_gorder {
    struct vertex *vertices;
    unsigned n_ids;
    struct edge *edge; /* sorted by `from` once complete */
    size_t n_edges, cap;
    size_t *first; /* of each vertex's edges, n_ids + 1 */
    struct reach *reached;
};

static bool edge_add(struct det_gorder *order, unsigned from, unsigned to)
{
    if (order->n_edges == order->cap) {
        const size_t cap = 2 * order->cap + 64;
        struct edge *const bigger = realloc(order->edge, cap * sizeof *bigger);
        if (bigger == NULL)
            return false;
        order->edge = bigger;
        order->cap = cap;
    }
    order->edge[order->n_edges++] = (struct edge){ from, to };
    return true;
}

static struct vertex *vertex_find(const struct det_gorder *order, CUgraphNode node)
{
    struct vertex *vertex = NULL;
    HASH_FIND_PTR(order->vertices, &node, vertex);
    return vertex;
}

static CUgraphNode *nodes_in(CUgraph graph, size_t *n)
{
    const struct det_driver *const cu = det_driver();
    *n = 0;
    if (cu->cuGraphGetNodes == NULL || cu->cuGraphGetNodes(graph, NULL, n) != CUDA_SUCCESS)
        return NULL;
    CUgraphNode *const nodes = calloc(*n + 1, sizeof(CUgraphNode));
    if (nodes != NULL && *n != 0 && cu->cuGraphGetNodes(graph, nodes, n) != CUDA_SUCCESS) {
        free(nodes);
        return NULL;
    }
    return nodes;
}

static CUresult edges_ask(
    CUgraph graph, CUgraphNode *from, CUgraphNode *to, CUgraphEdgeData *data, size_t *n)
{
    const struct det_driver *const cu = det_driver();
    if (cu->cuGraphGetEdges_v2 != NULL)
        return cu->cuGraphGetEdges_v2(graph, from, to, data, n);
    return cu->cuGraphGetEdges != NULL ? cu->cuGraphGetEdges(graph, from, to, n)
                                       : CUDA_ERROR_NOT_SUPPORTED;
}

static bool edges_add(struct det_gorder *order, CUgraph graph)
{
    size_t n = 0;
    if (edges_ask(graph, NULL, NULL, NULL, &n) != CUDA_SUCCESS)
        return false;
    CUgraphNode *const ends = calloc(2 * n + 1, sizeof(CUgraphNode));
    CUgraphEdgeData *const data = calloc(n + 1, sizeof *data);
    bool ok = ends != NULL && data != NULL &&
              (n == 0 || edges_ask(graph, ends, ends + n, data, &n) == CUDA_SUCCESS);
    const size_t half = n;
    for (size_t i = 0; ok && i < n; i++) {
        const struct vertex *const from = vertex_find(order, ends[i]);
        const struct vertex *const to = vertex_find(order, ends[half + i]);
        /* an early start orders nothing */
        if (from != NULL && to != NULL && data[i].type == CU_GRAPH_DEPENDENCY_TYPE_DEFAULT)
            ok = edge_add(order, from->leave, to->enter);
    }
    free(ends);
    free(data);
    return ok;
}

static CUgraph child_of(CUgraphNode node)
{
    const struct det_driver *const cu = det_driver();
    CUgraphNodeType type;
    CUgraph child = NULL;
    if (cu->cuGraphNodeGetType == NULL || cu->cuGraphChildGraphNodeGetGraph == NULL ||
        cu->cuGraphNodeGetType(node, &type) != CUDA_SUCCESS || type != CU_GRAPH_NODE_TYPE_GRAPH ||
        cu->cuGraphChildGraphNodeGetGraph(node, &child) != CUDA_SUCCESS)
        return NULL;
    return child;
}

/* around: the vertex of the child graph node that holds `graph`, NULL at the top. */
static bool graph_add(struct det_gorder *order, CUgraph graph, const struct vertex *around)
{
    size_t n = 0;
    CUgraphNode *const nodes = nodes_in(graph, &n);
    bool ok = nodes != NULL;
    for (size_t i = 0; ok && i < n; i++) {
        struct vertex *const vertex = calloc(1, sizeof *vertex);
        CUgraph const child = child_of(nodes[i]);
        if (vertex == NULL) {
            ok = false;
            break;
        }
        vertex->node = nodes[i];
        vertex->enter = order->n_ids++;
        vertex->leave = child != NULL ? order->n_ids++ : vertex->enter;
        HASH_ADD_PTR(order->vertices, node, vertex);
        if (around != NULL)
            ok = edge_add(order, around->enter, vertex->enter) &&
                 edge_add(order, vertex->leave, around->leave);
        if (child != NULL)
            ok = ok && edge_add(order, vertex->enter, vertex->leave) &&
                 graph_add(order, child, vertex);
    }
    free(nodes);
    return ok && edges_add(order, graph);
}

static int by_from(const void *a, const void *b)
{
    const unsigned left = ((const struct edge *)a)->from, right = ((const struct edge *)b)->from;
    return (left > right) - (left < right);
}

static bool finish(struct det_gorder *order)
{
    order->first = calloc(order->n_ids + 2, sizeof *order->first);
    if (order->first == NULL)
        return false;
    if (order->n_edges != 0)
        qsort(order->edge, order->n_edges, sizeof *order->edge, by_from);
    size_t at = 0;
    for (unsigned id = 0; id <= order->n_ids; id++) {
        while (at < order->n_edges && order->edge[at].from < id)
            at++;
        order->first[id] = at;
    }
    return true;
}

struct det_gorder *det_gorder_make(CUgraph graph)
{
    struct det_gorder *const order = calloc(1, sizeof *order);
    if (order != NULL && graph_add(order, graph, NULL) && finish(order))
        return order;
    det_gorder_free(order);
    return NULL;
}

void det_gorder_free(struct det_gorder *order)
{
    struct vertex *vertex, *next;
    struct reach *reach, *after;
    if (order == NULL)
        return;
    HASH_ITER(hh, order->vertices, vertex, next)
    {
        HASH_DEL(order->vertices, vertex);
        free(vertex);
    }
    HASH_ITER(hh, order->reached, reach, after)
    {
        HASH_DEL(order->reached, reach);
        free(reach->seen);
        free(reach);
    }
    free(order->edge);
    free(order->first);
    free(order);
}

static const struct reach *reach_of(struct det_gorder *order, unsigned from)
{
    struct reach *reach = NULL;
    HASH_FIND(hh, order->reached, &from, sizeof from, reach);
    if (reach != NULL)
        return reach;
    unsigned *const stack = malloc((order->n_ids + 1) * sizeof *stack);
    reach = calloc(1, sizeof *reach);
    if (reach != NULL)
        reach->seen = calloc(order->n_ids + 1, 1);
    if (stack == NULL || reach == NULL || reach->seen == NULL) {
        free(stack);
        if (reach != NULL)
            free(reach->seen);
        free(reach);
        return NULL;
    }
    unsigned n = 0;
    stack[n++] = from;
    while (n != 0) {
        const unsigned id = stack[--n];
        for (size_t e = order->first[id]; e < order->first[id + 1]; e++) {
            const unsigned to = order->edge[e].to;
            if (!reach->seen[to]) {
                reach->seen[to] = 1;
                stack[n++] = to;
            }
        }
    }
    free(stack);
    reach->from = from;
    HASH_ADD(hh, order->reached, from, sizeof reach->from, reach);
    return reach;
}

static bool before(struct det_gorder *order, CUgraphNode a, CUgraphNode b)
{
    const struct vertex *const from = vertex_find(order, a), *const to = vertex_find(order, b);
    if (from == NULL || to == NULL)
        return false;
    const struct reach *const reach = reach_of(order, from->leave);
    return reach != NULL && reach->seen[to->enter];
}

bool det_gorder_apart(
    struct det_gorder *order, const struct det_gnode *a, const struct det_gnode *b)
{
    return order != NULL &&
           (before(order, a->fold, b->kernel) || before(order, b->fold, a->kernel));
}

void det_graph_walk(CUgraph graph, void (*each)(CUgraphNode node, void *arg), void *arg)
{
    const struct det_driver *const cu = det_driver();
    size_t n = 0;
    CUgraphNode *const nodes = nodes_in(graph, &n);
    for (size_t i = 0; nodes != NULL && i < n; i++) {
        CUgraphNodeType type;
        CUgraph const child = child_of(nodes[i]);
        if (child != NULL)
            det_graph_walk(child, each, arg);
        else if (cu->cuGraphNodeGetType != NULL &&
                 cu->cuGraphNodeGetType(nodes[i], &type) == CUDA_SUCCESS &&
                 type == CU_GRAPH_NODE_TYPE_KERNEL)
            each(nodes[i], arg);
    }
    free(nodes);
}
