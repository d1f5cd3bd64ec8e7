/* Software GPU: graphs: nodes, dependencies, clones. A node is a piece of work (driver_queue.c) and what it waits for. */
#include "tests/softgpu/driver.h"

#include <stdlib.h>
#include <string.h>

struct sg_graph *sg_graph_new(void)
{
    struct sg_graph *graph = sg_calloc(1, sizeof *graph);
    graph->tag = SG_GRAPH;
    return graph;
}

static void node_free(struct sg_node *node)
{
    sg_work_free(&node->work);
    free(node->deps);
    node->deps = NULL;
    node->n_deps = 0;
    node->tag = SG_DEAD; /* kept: execs and stale handles name it */
}

void sg_graph_free(struct sg_graph *graph)
{
    if (!graph)
        return;
    for (size_t i = 0; i < graph->n_nodes; i++)
        node_free(graph->nodes[i]);
    free(graph->nodes);
    graph->nodes = NULL;
    graph->n_nodes = 0;
    graph->tag = SG_DEAD;
}

CUgraphNodeType sg_work_type(const struct sg_work *work)
{
    switch (work->kind) {
    case SG_WORK_KERNEL:
        return CU_GRAPH_NODE_TYPE_KERNEL;
    case SG_WORK_COPY:
        return CU_GRAPH_NODE_TYPE_MEMCPY;
    case SG_WORK_FILL:
        return CU_GRAPH_NODE_TYPE_MEMSET;
    case SG_WORK_HOST:
        return CU_GRAPH_NODE_TYPE_HOST;
    case SG_WORK_RECORD:
        return CU_GRAPH_NODE_TYPE_EVENT_RECORD;
    case SG_WORK_WAIT_EVENT:
        return CU_GRAPH_NODE_TYPE_WAIT_EVENT;
    case SG_WORK_GRAPH:
        return CU_GRAPH_NODE_TYPE_GRAPH;
    default:
        return CU_GRAPH_NODE_TYPE_EMPTY;
    }
}

bool sg_node_depend(struct sg_node *node, struct sg_node *on)
{
    if (!SG_HANDLE(on, SG_NODE) || on->graph != node->graph || on == node)
        return false;
    for (size_t i = 0; i < node->n_deps; i++)
        if (node->deps[i] == on)
            return true;
    node->deps = realloc(node->deps, (node->n_deps + 1) * sizeof *node->deps);
    if (!node->deps)
        abort();
    node->deps[node->n_deps++] = on;
    return true;
}

struct sg_node *sg_graph_add(struct sg_graph *graph, CUgraphNodeType type, struct sg_work *work,
    struct sg_node *const *deps, size_t n_deps)
{
    struct sg_node *node = sg_calloc(1, sizeof *node);
    *node = (struct sg_node){ .tag = SG_NODE, .graph = graph, .type = type, .work = *work };
    for (size_t i = 0; i < n_deps; i++)
        if (!sg_node_depend(node, deps[i])) {
            node_free(node);
            return NULL;
        }
    graph->nodes = realloc(graph->nodes, (graph->n_nodes + 1) * sizeof *graph->nodes);
    if (!graph->nodes)
        abort();
    graph->nodes[graph->n_nodes++] = node;
    return node;
}

static size_t index_of(const struct sg_graph *graph, const struct sg_node *node)
{
    size_t i = 0;
    while (i < graph->n_nodes && graph->nodes[i] != node)
        i++;
    return i;
}

struct sg_graph *sg_graph_copy(const struct sg_graph *graph)
{
    struct sg_graph *copy = sg_graph_new();
    copy->cloned_from = (struct sg_graph *)(uintptr_t)graph;
    for (size_t i = 0; i < graph->n_nodes; i++) {
        struct sg_work work = sg_work_copy(&graph->nodes[i]->work);
        sg_graph_add(copy, graph->nodes[i]->type, &work, NULL, 0)->cloned_from = graph->nodes[i];
    }
    for (size_t i = 0; i < graph->n_nodes; i++)
        for (size_t k = 0; k < graph->nodes[i]->n_deps; k++)
            sg_node_depend(copy->nodes[i], copy->nodes[index_of(graph, graph->nodes[i]->deps[k])]);
    return copy;
}

/* --- handles --- */

static CUresult graph_of(CUgraph handle, struct sg_graph **graph)
{
    SG_CHECK(SG_HANDLE(handle, SG_GRAPH), CUDA_ERROR_INVALID_VALUE);
    *graph = (struct sg_graph *)(void *)handle;
    return CUDA_SUCCESS;
}

static CUresult node_of(CUgraphNode handle, struct sg_node **node)
{
    SG_CHECK(SG_HANDLE(handle, SG_NODE), CUDA_ERROR_INVALID_VALUE);
    *node = (struct sg_node *)(void *)handle;
    return CUDA_SUCCESS;
}

static CUresult node_of_type(CUgraphNode handle, CUgraphNodeType type, struct sg_node **node)
{
    SG_TRY(node_of(handle, node));
    SG_CHECK((*node)->type == type, CUDA_ERROR_INVALID_VALUE);
    return CUDA_SUCCESS;
}

static CUresult add(
    CUgraphNode *out, CUgraph handle, const CUgraphNode *deps, size_t n_deps, struct sg_work *work)
{
    struct sg_graph *graph = NULL;
    struct sg_node *node = NULL;
    CUresult result = graph_of(handle, &graph);
    if (result == CUDA_SUCCESS && (!out || (!deps && n_deps)))
        result = CUDA_ERROR_INVALID_VALUE;
    if (result != CUDA_SUCCESS) {
        sg_work_free(work);
        return result;
    }
    node = sg_graph_add(
        graph, sg_work_type(work), work, (struct sg_node *const *)(const void *)deps, n_deps);
    SG_CHECK(node, CUDA_ERROR_INVALID_VALUE);
    *out = (CUgraphNode)(void *)node;
    return CUDA_SUCCESS;
}

SG_API(cuGraphCreate, CUgraph *out, unsigned flags)
{
    SG_ENTER();
    SG_CHECK(out && !flags, CUDA_ERROR_INVALID_VALUE);
    *out = (CUgraph)(void *)sg_graph_new();
    return CUDA_SUCCESS;
}

SG_API(cuGraphDestroy, CUgraph handle)
{
    SG_ENTER();
    struct sg_graph *graph = NULL;
    SG_TRY(graph_of(handle, &graph));
    sg_graph_free(graph);
    return CUDA_SUCCESS;
}

SG_API(cuGraphClone, CUgraph *out, CUgraph handle)
{
    SG_ENTER();
    struct sg_graph *graph = NULL;
    SG_TRY(graph_of(handle, &graph));
    SG_CHECK(out, CUDA_ERROR_INVALID_VALUE);
    *out = (CUgraph)(void *)sg_graph_copy(graph);
    return CUDA_SUCCESS;
}

SG_API(cuGraphNodeFindInClone, CUgraphNode *out, CUgraphNode original, CUgraph handle)
{
    SG_ENTER();
    struct sg_graph *graph = NULL;
    SG_TRY(graph_of(handle, &graph));
    SG_CHECK(out && original, CUDA_ERROR_INVALID_VALUE);
    for (size_t i = 0; i < graph->n_nodes; i++)
        if (graph->nodes[i]->cloned_from == (struct sg_node *)(void *)original) {
            *out = (CUgraphNode)(void *)graph->nodes[i];
            return CUDA_SUCCESS;
        }
    return CUDA_ERROR_INVALID_VALUE;
}

/* --- kernel nodes --- */

CUresult sg_work_from_kernel_params(const CUDA_KERNEL_NODE_PARAMS *p, struct sg_work *work)
{
    struct sg_context *context = NULL;
    SG_CHECK(p && (p->func || p->kern), CUDA_ERROR_INVALID_VALUE);
    SG_TRY(sg_context_check(p->func ? NULL : p->ctx, &context));
    const unsigned grid[3] = { p->gridDimX, p->gridDimY, p->gridDimZ };
    const unsigned block[3] = { p->blockDimX, p->blockDimY, p->blockDimZ };
    return sg_launch_work(p->func ? p->func : (CUfunction)(void *)p->kern, context, grid, block,
        p->sharedMemBytes, p->kernelParams, p->extra, work);
}

static CUDA_KERNEL_NODE_PARAMS widen(const CUDA_KERNEL_NODE_PARAMS_v1 *p)
{
    CUDA_KERNEL_NODE_PARAMS q = { .func = p->func };
    memcpy(&q, p, sizeof *p); /* v2 is v1 and two more fields */
    return q;
}

SG_API(cuGraphAddKernelNode_v2, CUgraphNode *out, CUgraph graph, const CUgraphNode *deps,
    size_t n_deps, const CUDA_KERNEL_NODE_PARAMS *params)
{
    SG_ENTER();
    struct sg_work work;
    SG_TRY(sg_work_from_kernel_params(params, &work));
    return add(out, graph, deps, n_deps, &work);
}

SG_API(cuGraphAddKernelNode, CUgraphNode *out, CUgraph graph, const CUgraphNode *deps,
    size_t n_deps, const CUDA_KERNEL_NODE_PARAMS_v1 *params)
{
    SG_ENTER();
    struct sg_work work;
    SG_CHECK(params, CUDA_ERROR_INVALID_VALUE);
    const CUDA_KERNEL_NODE_PARAMS wide = widen(params);
    SG_TRY(sg_work_from_kernel_params(&wide, &work));
    return add(out, graph, deps, n_deps, &work);
}

static CUresult kernel_params(CUgraphNode handle, CUDA_KERNEL_NODE_PARAMS *p)
{
    struct sg_node *node = NULL;
    const struct sg_param *layout = NULL;
    size_t total = 0;
    SG_CHECK(p, CUDA_ERROR_INVALID_VALUE);
    SG_TRY(node_of_type(handle, CU_GRAPH_NODE_TYPE_KERNEL, &node));
    struct sg_work *work = &node->work;
    const struct sg_launch *l = &work->u.kernel.launch;
    const size_t n = sg_kernel_params(l->kernel, &layout, &total);
    if (!work->u.kernel.pointers) {
        work->u.kernel.pointers = sg_calloc(n + 1, sizeof(void *));
        for (size_t i = 0; i < n; i++)
            work->u.kernel.pointers[i] = (char *)(uintptr_t)l->params + layout[i].offset;
    }
    const bool is_kernel = SG_HANDLE(work->u.kernel.asked, SG_KERNEL);
    *p = (CUDA_KERNEL_NODE_PARAMS){ .func = is_kernel ? NULL : work->u.kernel.asked,
        .gridDimX = l->grid.x,
        .gridDimY = l->grid.y,
        .gridDimZ = l->grid.z,
        .blockDimX = l->block.x,
        .blockDimY = l->block.y,
        .blockDimZ = l->block.z,
        .sharedMemBytes = (unsigned)l->dynamic_shared_bytes,
        .kernelParams = work->u.kernel.pointers,
        .kern = is_kernel ? (CUkernel)(void *)work->u.kernel.asked : NULL,
        .ctx = (CUcontext)(void *)work->u.kernel.function->module->context };
    return CUDA_SUCCESS;
}

SG_API(cuGraphKernelNodeGetParams_v2, CUgraphNode node, CUDA_KERNEL_NODE_PARAMS *params)
{
    SG_ENTER();
    return kernel_params(node, params);
}

SG_API(cuGraphKernelNodeGetParams, CUgraphNode node, CUDA_KERNEL_NODE_PARAMS_v1 *params)
{
    SG_ENTER();
    CUDA_KERNEL_NODE_PARAMS wide;
    SG_CHECK(params, CUDA_ERROR_INVALID_VALUE);
    SG_TRY(kernel_params(node, &wide));
    memcpy(params, &wide, sizeof *params);
    if (!params->func)
        params->func = (CUfunction)(void *)wide.kern;
    return CUDA_SUCCESS;
}

static CUresult set_work(CUgraphNode handle, CUgraphNodeType type, struct sg_work *work)
{
    struct sg_node *node = NULL;
    const CUresult result = node_of_type(handle, type, &node);
    if (result != CUDA_SUCCESS) {
        sg_work_free(work);
        return result;
    }
    if (type == CU_GRAPH_NODE_TYPE_KERNEL)
        work->u.kernel.launch.cooperative = node->work.u.kernel.launch.cooperative;
    sg_work_free(&node->work);
    node->work = *work;
    return CUDA_SUCCESS;
}

SG_API(cuGraphKernelNodeSetParams_v2, CUgraphNode node, const CUDA_KERNEL_NODE_PARAMS *params)
{
    SG_ENTER();
    struct sg_work work;
    SG_TRY(sg_work_from_kernel_params(params, &work));
    return set_work(node, CU_GRAPH_NODE_TYPE_KERNEL, &work);
}

SG_API(cuGraphKernelNodeSetParams, CUgraphNode node, const CUDA_KERNEL_NODE_PARAMS_v1 *params)
{
    SG_ENTER();
    struct sg_work work;
    SG_CHECK(params, CUDA_ERROR_INVALID_VALUE);
    const CUDA_KERNEL_NODE_PARAMS wide = widen(params);
    SG_TRY(sg_work_from_kernel_params(&wide, &work));
    return set_work(node, CU_GRAPH_NODE_TYPE_KERNEL, &work);
}

SG_API(cuGraphKernelNodeGetAttribute, CUgraphNode handle, CUkernelNodeAttrID id,
    CUkernelNodeAttrValue *value)
{
    SG_ENTER();
    struct sg_node *node = NULL;
    SG_TRY(node_of_type(handle, CU_GRAPH_NODE_TYPE_KERNEL, &node));
    SG_CHECK(value, CUDA_ERROR_INVALID_VALUE);
    memset(value, 0, sizeof *value);
    if (id == CU_LAUNCH_ATTRIBUTE_COOPERATIVE)
        value->cooperative = node->work.u.kernel.launch.cooperative;
    return CUDA_SUCCESS;
}

SG_API(cuGraphKernelNodeSetAttribute, CUgraphNode handle, CUkernelNodeAttrID id,
    const CUkernelNodeAttrValue *value)
{
    SG_ENTER();
    struct sg_node *node = NULL;
    SG_TRY(node_of_type(handle, CU_GRAPH_NODE_TYPE_KERNEL, &node));
    SG_CHECK(value, CUDA_ERROR_INVALID_VALUE);
    if (id == CU_LAUNCH_ATTRIBUTE_COOPERATIVE)
        node->work.u.kernel.launch.cooperative = value->cooperative != 0;
    return CUDA_SUCCESS;
}

/* --- other nodes --- */

SG_API(cuGraphAddMemcpyNode, CUgraphNode *out, CUgraph graph, const CUgraphNode *deps,
    size_t n_deps, const CUDA_MEMCPY3D *params, CUcontext context)
{
    SG_ENTER();
    struct sg_work work;
    (void)context;
    SG_TRY(sg_work_from_copy(params, &work));
    return add(out, graph, deps, n_deps, &work);
}

SG_API(cuGraphMemcpyNodeGetParams, CUgraphNode handle, CUDA_MEMCPY3D *params)
{
    SG_ENTER();
    struct sg_node *node = NULL;
    SG_TRY(node_of_type(handle, CU_GRAPH_NODE_TYPE_MEMCPY, &node));
    SG_CHECK(params, CUDA_ERROR_INVALID_VALUE);
    *params = node->work.u.copy.asked;
    return CUDA_SUCCESS;
}

SG_API(cuGraphMemcpyNodeSetParams, CUgraphNode node, const CUDA_MEMCPY3D *params)
{
    SG_ENTER();
    struct sg_work work;
    SG_TRY(sg_work_from_copy(params, &work));
    return set_work(node, CU_GRAPH_NODE_TYPE_MEMCPY, &work);
}

SG_API(cuGraphAddMemsetNode, CUgraphNode *out, CUgraph graph, const CUgraphNode *deps,
    size_t n_deps, const CUDA_MEMSET_NODE_PARAMS *params, CUcontext context)
{
    SG_ENTER();
    struct sg_work work;
    (void)context;
    SG_TRY(sg_work_from_fill(params, &work));
    return add(out, graph, deps, n_deps, &work);
}

SG_API(cuGraphMemsetNodeGetParams, CUgraphNode handle, CUDA_MEMSET_NODE_PARAMS *params)
{
    SG_ENTER();
    struct sg_node *node = NULL;
    SG_TRY(node_of_type(handle, CU_GRAPH_NODE_TYPE_MEMSET, &node));
    SG_CHECK(params, CUDA_ERROR_INVALID_VALUE);
    const struct sg_work *w = &node->work;
    *params = (CUDA_MEMSET_NODE_PARAMS){ (CUdeviceptr)(uintptr_t)w->u.fill.at, w->u.fill.pitch,
        w->u.fill.value, w->u.fill.elem, w->u.fill.width, w->u.fill.height };
    return CUDA_SUCCESS;
}

SG_API(cuGraphMemsetNodeSetParams, CUgraphNode node, const CUDA_MEMSET_NODE_PARAMS *params)
{
    SG_ENTER();
    struct sg_work work;
    SG_TRY(sg_work_from_fill(params, &work));
    return set_work(node, CU_GRAPH_NODE_TYPE_MEMSET, &work);
}

SG_API(cuGraphAddHostNode, CUgraphNode *out, CUgraph graph, const CUgraphNode *deps, size_t n_deps,
    const CUDA_HOST_NODE_PARAMS *params)
{
    SG_ENTER();
    SG_CHECK(params && params->fn, CUDA_ERROR_INVALID_VALUE);
    struct sg_work work = { .kind = SG_WORK_HOST, .u.host = { params->fn, params->userData } };
    return add(out, graph, deps, n_deps, &work);
}

SG_API(cuGraphHostNodeGetParams, CUgraphNode handle, CUDA_HOST_NODE_PARAMS *params)
{
    SG_ENTER();
    struct sg_node *node = NULL;
    SG_TRY(node_of_type(handle, CU_GRAPH_NODE_TYPE_HOST, &node));
    SG_CHECK(params, CUDA_ERROR_INVALID_VALUE);
    *params = (CUDA_HOST_NODE_PARAMS){ node->work.u.host.function, node->work.u.host.data };
    return CUDA_SUCCESS;
}

SG_API(cuGraphHostNodeSetParams, CUgraphNode node, const CUDA_HOST_NODE_PARAMS *params)
{
    SG_ENTER();
    SG_CHECK(params && params->fn, CUDA_ERROR_INVALID_VALUE);
    struct sg_work work = { .kind = SG_WORK_HOST, .u.host = { params->fn, params->userData } };
    return set_work(node, CU_GRAPH_NODE_TYPE_HOST, &work);
}

SG_API(cuGraphAddEmptyNode, CUgraphNode *out, CUgraph graph, const CUgraphNode *deps, size_t n_deps)
{
    SG_ENTER();
    struct sg_work work = { .kind = SG_WORK_EMPTY };
    return add(out, graph, deps, n_deps, &work);
}

SG_API(cuGraphAddChildGraphNode, CUgraphNode *out, CUgraph graph, const CUgraphNode *deps,
    size_t n_deps, CUgraph child)
{
    SG_ENTER();
    struct sg_graph *original = NULL;
    SG_TRY(graph_of(child, &original));
    struct sg_work work = { .kind = SG_WORK_GRAPH, .u.graph = { NULL, sg_graph_copy(original) } };
    work.u.graph.child->child = true;
    return add(out, graph, deps, n_deps, &work);
}

SG_API(cuGraphChildGraphNodeGetGraph, CUgraphNode handle, CUgraph *graph)
{
    SG_ENTER();
    struct sg_node *node = NULL;
    SG_TRY(node_of_type(handle, CU_GRAPH_NODE_TYPE_GRAPH, &node));
    SG_CHECK(graph, CUDA_ERROR_INVALID_VALUE);
    *graph = (CUgraph)(void *)node->work.u.graph.child;
    return CUDA_SUCCESS;
}

static CUresult event_node(CUgraphNode *out, CUgraph graph, const CUgraphNode *deps, size_t n_deps,
    CUevent handle, enum sg_work_kind kind)
{
    struct sg_event *event = NULL;
    SG_TRY(sg_event_of(handle, &event));
    struct sg_work work = { .kind = kind, .u.event = event };
    return add(out, graph, deps, n_deps, &work);
}

SG_API(cuGraphAddEventRecordNode, CUgraphNode *out, CUgraph graph, const CUgraphNode *deps,
    size_t n_deps, CUevent event)
{
    SG_ENTER();
    return event_node(out, graph, deps, n_deps, event, SG_WORK_RECORD);
}

SG_API(cuGraphAddEventWaitNode, CUgraphNode *out, CUgraph graph, const CUgraphNode *deps,
    size_t n_deps, CUevent event)
{
    SG_ENTER();
    return event_node(out, graph, deps, n_deps, event, SG_WORK_WAIT_EVENT);
}

static CUresult node_event(CUgraphNode handle, CUgraphNodeType type, CUevent *event)
{
    struct sg_node *node = NULL;
    SG_TRY(node_of_type(handle, type, &node));
    SG_CHECK(event, CUDA_ERROR_INVALID_VALUE);
    *event = (CUevent)(void *)node->work.u.event;
    return CUDA_SUCCESS;
}

SG_API(cuGraphEventRecordNodeGetEvent, CUgraphNode node, CUevent *event)
{
    SG_ENTER();
    return node_event(node, CU_GRAPH_NODE_TYPE_EVENT_RECORD, event);
}

SG_API(cuGraphEventWaitNodeGetEvent, CUgraphNode node, CUevent *event)
{
    SG_ENTER();
    return node_event(node, CU_GRAPH_NODE_TYPE_WAIT_EVENT, event);
}

/* --- any node by CUgraphNodeParams --- */

static CUresult work_from_params(CUgraphNodeParams *p, struct sg_work *work)
{
    struct sg_event *event = NULL;
    struct sg_graph *graph = NULL;
    CUDA_KERNEL_NODE_PARAMS kernel;
    CUDA_MEMSET_NODE_PARAMS fill;
    SG_CHECK(p, CUDA_ERROR_INVALID_VALUE);
    switch (p->type) {
    case CU_GRAPH_NODE_TYPE_KERNEL: /* v3 and v2 are laid out alike */
        memcpy(&kernel, &p->kernel, sizeof kernel);
        return sg_work_from_kernel_params(&kernel, work);
    case CU_GRAPH_NODE_TYPE_MEMCPY:
        return sg_work_from_copy(&p->memcpy.copyParams, work);
    case CU_GRAPH_NODE_TYPE_MEMSET:
        memcpy(&fill, &p->memset, sizeof fill);
        return sg_work_from_fill(&fill, work);
    case CU_GRAPH_NODE_TYPE_HOST:
        SG_CHECK(p->host.fn, CUDA_ERROR_INVALID_VALUE);
        *work =
            (struct sg_work){ .kind = SG_WORK_HOST, .u.host = { p->host.fn, p->host.userData } };
        return CUDA_SUCCESS;
    case CU_GRAPH_NODE_TYPE_EMPTY:
        *work = (struct sg_work){ .kind = SG_WORK_EMPTY };
        return CUDA_SUCCESS;
    case CU_GRAPH_NODE_TYPE_GRAPH:
        SG_TRY(graph_of(p->graph.graph, &graph));
        *work =
            (struct sg_work){ .kind = SG_WORK_GRAPH, .u.graph = { NULL, sg_graph_copy(graph) } };
        return CUDA_SUCCESS;
    case CU_GRAPH_NODE_TYPE_EVENT_RECORD:
        SG_TRY(sg_event_of(p->eventRecord.event, &event));
        *work = (struct sg_work){ .kind = SG_WORK_RECORD, .u.event = event };
        return CUDA_SUCCESS;
    case CU_GRAPH_NODE_TYPE_WAIT_EVENT:
        SG_TRY(sg_event_of(p->eventWait.event, &event));
        *work = (struct sg_work){ .kind = SG_WORK_WAIT_EVENT, .u.event = event };
        return CUDA_SUCCESS;
    default:
        return CUDA_ERROR_NOT_SUPPORTED;
    }
}

SG_API(cuGraphAddNode, CUgraphNode *out, CUgraph graph, const CUgraphNode *deps, size_t n_deps,
    CUgraphNodeParams *params)
{
    SG_ENTER();
    struct sg_work work;
    SG_TRY(work_from_params(params, &work));
    return add(out, graph, deps, n_deps, &work);
}

SG_API(cuGraphAddNode_v2, CUgraphNode *out, CUgraph graph, const CUgraphNode *deps,
    const CUgraphEdgeData *edges, size_t n_deps, CUgraphNodeParams *params)
{
    SG_ENTER();
    struct sg_work work;
    (void)edges; /* programmatic edges only allow an earlier start */
    SG_TRY(work_from_params(params, &work));
    return add(out, graph, deps, n_deps, &work);
}

SG_API(cuGraphNodeSetParams, CUgraphNode node, CUgraphNodeParams *params)
{
    SG_ENTER();
    struct sg_work work;
    SG_TRY(work_from_params(params, &work));
    return set_work(node, params->type, &work);
}

/* --- shape queries; a NULL array asks for the count --- */

static CUresult give(CUgraphNode *out, size_t *n, struct sg_node *const *from, size_t n_from)
{
    SG_CHECK(n, CUDA_ERROR_INVALID_VALUE);
    for (size_t i = 0; out && i < *n; i++)
        out[i] = i < n_from ? (CUgraphNode)(void *)from[i] : NULL;
    if (!out || *n > n_from)
        *n = n_from;
    return CUDA_SUCCESS;
}

SG_API(cuGraphNodeGetType, CUgraphNode handle, CUgraphNodeType *type)
{
    SG_ENTER();
    struct sg_node *node = NULL;
    SG_TRY(node_of(handle, &node));
    SG_CHECK(type, CUDA_ERROR_INVALID_VALUE);
    *type = node->type;
    return CUDA_SUCCESS;
}

SG_API(cuGraphGetNodes, CUgraph handle, CUgraphNode *nodes, size_t *n)
{
    SG_ENTER();
    struct sg_graph *graph = NULL;
    SG_TRY(graph_of(handle, &graph));
    return give(nodes, n, graph->nodes, graph->n_nodes);
}

SG_API(cuGraphGetRootNodes, CUgraph handle, CUgraphNode *nodes, size_t *n)
{
    SG_ENTER();
    struct sg_graph *graph = NULL;
    SG_TRY(graph_of(handle, &graph));
    struct sg_node **roots = sg_calloc(graph->n_nodes, sizeof *roots);
    size_t n_roots = 0;
    for (size_t i = 0; i < graph->n_nodes; i++)
        if (!graph->nodes[i]->n_deps)
            roots[n_roots++] = graph->nodes[i];
    const CUresult result = give(nodes, n, roots, n_roots);
    free(roots);
    return result;
}

static void plain_edges(CUgraphEdgeData *edges, const size_t *n)
{
    if (edges && n)
        memset(edges, 0, *n * sizeof *edges);
}

static CUresult edges_of(CUgraph handle, CUgraphNode *from, CUgraphNode *to, size_t *n)
{
    struct sg_graph *graph = NULL;
    size_t count = 0;
    SG_TRY(graph_of(handle, &graph));
    SG_CHECK(n && !from == !to, CUDA_ERROR_INVALID_VALUE);
    for (size_t i = 0; i < graph->n_nodes; i++)
        for (size_t k = 0; k < graph->nodes[i]->n_deps; k++, count++)
            if (from && count < *n) {
                from[count] = (CUgraphNode)(void *)graph->nodes[i]->deps[k];
                to[count] = (CUgraphNode)(void *)graph->nodes[i];
            }
    if (!from || *n > count)
        *n = count;
    return CUDA_SUCCESS;
}

SG_API(cuGraphGetEdges, CUgraph graph, CUgraphNode *from, CUgraphNode *to, size_t *n)
{
    SG_ENTER();
    return edges_of(graph, from, to, n);
}

SG_API(cuGraphGetEdges_v2, CUgraph graph, CUgraphNode *from, CUgraphNode *to,
    CUgraphEdgeData *edges, size_t *n)
{
    SG_ENTER();
    SG_TRY(edges_of(graph, from, to, n));
    plain_edges(edges, n);
    return CUDA_SUCCESS;
}

static CUresult dependencies(CUgraphNode handle, CUgraphNode *out, size_t *n)
{
    struct sg_node *node = NULL;
    SG_TRY(node_of(handle, &node));
    return give(out, n, node->deps, node->n_deps);
}

static CUresult dependents(CUgraphNode handle, CUgraphNode *out, size_t *n)
{
    struct sg_node *node = NULL;
    SG_TRY(node_of(handle, &node));
    struct sg_node **found = sg_calloc(node->graph->n_nodes, sizeof *found);
    size_t n_found = 0;
    for (size_t i = 0; i < node->graph->n_nodes; i++)
        for (size_t k = 0; k < node->graph->nodes[i]->n_deps; k++)
            if (node->graph->nodes[i]->deps[k] == node)
                found[n_found++] = node->graph->nodes[i];
    const CUresult result = give(out, n, found, n_found);
    free(found);
    return result;
}

SG_API(cuGraphNodeGetDependencies, CUgraphNode node, CUgraphNode *out, size_t *n)
{
    SG_ENTER();
    return dependencies(node, out, n);
}

SG_API(cuGraphNodeGetDependencies_v2, CUgraphNode node, CUgraphNode *out, CUgraphEdgeData *edges,
    size_t *n)
{
    SG_ENTER();
    SG_TRY(dependencies(node, out, n));
    plain_edges(edges, n);
    return CUDA_SUCCESS;
}

SG_API(cuGraphNodeGetDependentNodes, CUgraphNode node, CUgraphNode *out, size_t *n)
{
    SG_ENTER();
    return dependents(node, out, n);
}

SG_API(cuGraphNodeGetDependentNodes_v2, CUgraphNode node, CUgraphNode *out, CUgraphEdgeData *edges,
    size_t *n)
{
    SG_ENTER();
    SG_TRY(dependents(node, out, n));
    plain_edges(edges, n);
    return CUDA_SUCCESS;
}

static CUresult add_dependencies(const CUgraphNode *from, const CUgraphNode *to, size_t n)
{
    SG_CHECK((from && to) || !n, CUDA_ERROR_INVALID_VALUE);
    for (size_t i = 0; i < n; i++) {
        struct sg_node *node = NULL, *on = NULL;
        SG_TRY(node_of(to[i], &node));
        SG_TRY(node_of(from[i], &on));
        SG_CHECK(sg_node_depend(node, on), CUDA_ERROR_INVALID_VALUE);
    }
    return CUDA_SUCCESS;
}

static void undepend(struct sg_node *node, const struct sg_node *on)
{
    for (size_t i = 0; i < node->n_deps; i++)
        if (node->deps[i] == on) {
            memmove(
                &node->deps[i], &node->deps[i + 1], (node->n_deps - i - 1) * sizeof *node->deps);
            node->n_deps--;
            return;
        }
}

static CUresult remove_dependencies(const CUgraphNode *from, const CUgraphNode *to, size_t n)
{
    SG_CHECK((from && to) || !n, CUDA_ERROR_INVALID_VALUE);
    for (size_t i = 0; i < n; i++) {
        struct sg_node *node = NULL;
        SG_TRY(node_of(to[i], &node));
        undepend(node, (const struct sg_node *)(const void *)from[i]);
    }
    return CUDA_SUCCESS;
}

SG_API(
    cuGraphAddDependencies, CUgraph graph, const CUgraphNode *from, const CUgraphNode *to, size_t n)
{
    SG_ENTER();
    SG_CHECK(SG_HANDLE(graph, SG_GRAPH), CUDA_ERROR_INVALID_VALUE);
    return add_dependencies(from, to, n);
}

SG_API(cuGraphAddDependencies_v2, CUgraph graph, const CUgraphNode *from, const CUgraphNode *to,
    const CUgraphEdgeData *edges, size_t n)
{
    SG_ENTER();
    (void)edges;
    SG_CHECK(SG_HANDLE(graph, SG_GRAPH), CUDA_ERROR_INVALID_VALUE);
    return add_dependencies(from, to, n);
}

SG_API(cuGraphRemoveDependencies, CUgraph graph, const CUgraphNode *from, const CUgraphNode *to,
    size_t n)
{
    SG_ENTER();
    SG_CHECK(SG_HANDLE(graph, SG_GRAPH), CUDA_ERROR_INVALID_VALUE);
    return remove_dependencies(from, to, n);
}

SG_API(cuGraphRemoveDependencies_v2, CUgraph graph, const CUgraphNode *from, const CUgraphNode *to,
    const CUgraphEdgeData *edges, size_t n)
{
    SG_ENTER();
    (void)edges;
    SG_CHECK(SG_HANDLE(graph, SG_GRAPH), CUDA_ERROR_INVALID_VALUE);
    return remove_dependencies(from, to, n);
}

SG_API(cuGraphDestroyNode, CUgraphNode handle)
{
    SG_ENTER();
    struct sg_node *node = NULL;
    SG_TRY(node_of(handle, &node));
    struct sg_graph *graph = node->graph;
    const size_t at = index_of(graph, node);
    for (size_t i = 0; i < graph->n_nodes; i++)
        undepend(graph->nodes[i], node);
    memmove(
        &graph->nodes[at], &graph->nodes[at + 1], (graph->n_nodes - at - 1) * sizeof *graph->nodes);
    graph->n_nodes--;
    node_free(node);
    return CUDA_SUCCESS;
}
