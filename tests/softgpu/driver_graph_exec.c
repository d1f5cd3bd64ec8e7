/* Software GPU: executable graphs. Instantiation turns a graph into a plan; each launch runs a copy of the plan, whose ready
 * nodes go on in random order. Launches of one exec follow each other. */
#include "tests/softgpu/driver.h"

#include <stdlib.h>
#include <string.h>

struct exec {
    enum sg_tag tag;
    struct sg_plan *plan;
    unsigned long long flags;
    struct sg_stream *last_stream; /* of the last launch */
    uint64_t last_sequence;
};

/* --- plans --- */

struct sg_plan *sg_plan_of_graph(const struct sg_graph *graph)
{
    struct sg_plan *plan = sg_calloc(1, sizeof *plan);
    plan->n_nodes = graph->n_nodes;
    plan->nodes = sg_calloc(plan->n_nodes, sizeof *plan->nodes);
    for (size_t i = 0; i < plan->n_nodes; i++) {
        struct sg_plan_node *to = &plan->nodes[i];
        struct sg_node *from = graph->nodes[i];
        to->origin = from;
        to->run.work = sg_work_copy(&from->work);
        if (from->work.kind == SG_WORK_GRAPH)
            to->run.work.u.graph.plan = sg_plan_of_graph(from->work.u.graph.child);
        to->deps = sg_calloc(from->n_deps, sizeof *to->deps);
        for (size_t k = 0; k < from->n_deps; k++)
            for (size_t j = 0; j < graph->n_nodes; j++)
                if (graph->nodes[j] == from->deps[k])
                    to->deps[to->n_deps++] = j;
    }
    return plan;
}

struct sg_plan *sg_plan_copy(const struct sg_plan *plan)
{
    struct sg_plan *copy = sg_calloc(1, sizeof *copy);
    copy->n_nodes = plan->n_nodes;
    copy->nodes = sg_calloc(plan->n_nodes, sizeof *copy->nodes);
    for (size_t i = 0; i < plan->n_nodes; i++) {
        copy->nodes[i] = (struct sg_plan_node){ .origin = plan->nodes[i].origin,
            .run.work = sg_work_copy(&plan->nodes[i].run.work),
            .deps = sg_copy(plan->nodes[i].deps, plan->nodes[i].n_deps * sizeof(size_t)),
            .n_deps = plan->nodes[i].n_deps,
            .disabled = plan->nodes[i].disabled };
    }
    return copy;
}

void sg_plan_free(struct sg_plan *plan)
{
    if (!plan)
        return;
    for (size_t i = 0; i < plan->n_nodes; i++) {
        sg_work_free(&plan->nodes[i].run.work);
        if (plan->nodes[i].run.grid)
            sg_grid_free(plan->nodes[i].run.grid);
        free(plan->nodes[i].deps);
    }
    free(plan->nodes);
    free(plan);
}

static bool node_ready(const struct sg_plan *plan, const struct sg_plan_node *node)
{
    if (node->done)
        return false;
    for (size_t k = 0; k < node->n_deps; k++)
        if (!plan->nodes[node->deps[k]].done)
            return false;
    return node->disabled || sg_run_ready(&node->run);
}

bool sg_plan_ready(const struct sg_plan *plan)
{
    if (plan->n_done == plan->n_nodes)
        return true;
    for (size_t i = 0; i < plan->n_nodes; i++)
        if (node_ready(plan, &plan->nodes[i]))
            return true;
    return false;
}

bool sg_plan_step(struct sg_plan *plan, struct sg_context *context)
{
    uint32_t n = 0;
    for (size_t i = 0; i < plan->n_nodes; i++)
        n += node_ready(plan, &plan->nodes[i]);
    if (!n)
        return plan->n_done == plan->n_nodes;
    uint32_t pick =
        n > 1 && !sg_options.schedule.in_order ? sg_schedule_pick(&sg_options.schedule, n) : 0;
    size_t i = 0;
    for (; i < plan->n_nodes; i++)
        if (node_ready(plan, &plan->nodes[i]) && !pick--)
            break;
    struct sg_plan_node *node = &plan->nodes[i];
    if (node->disabled || sg_run_step(&node->run, context)) {
        node->done = true;
        plan->n_done++;
    }
    return plan->n_done == plan->n_nodes;
}

static struct sg_plan_node *find_node(struct sg_plan *plan, const void *origin)
{
    for (size_t i = 0; i < plan->n_nodes; i++) {
        struct sg_plan_node *node = &plan->nodes[i];
        if (node->origin == (const struct sg_node *)origin)
            return node;
        if (node->run.work.kind == SG_WORK_GRAPH) {
            struct sg_plan_node *inner = find_node(node->run.work.u.graph.plan, origin);
            if (inner)
                return inner;
        }
    }
    return NULL;
}

/* --- instantiate, launch, destroy --- */

static CUresult exec_of(CUgraphExec handle, struct exec **exec)
{
    SG_CHECK(SG_HANDLE(handle, SG_EXEC), CUDA_ERROR_INVALID_VALUE);
    *exec = (struct exec *)(void *)handle;
    return CUDA_SUCCESS;
}

/* A graph with a cycle never gets every node placed. */
static bool acyclic(const struct sg_graph *graph)
{
    bool *placed = sg_calloc(graph->n_nodes, sizeof *placed);
    size_t n_placed = 0;
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < graph->n_nodes; i++) {
            bool ready = !placed[i];
            for (size_t k = 0; ready && k < graph->nodes[i]->n_deps; k++)
                for (size_t j = 0; j < graph->n_nodes; j++)
                    ready = ready && (graph->nodes[j] != graph->nodes[i]->deps[k] || placed[j]);
            if (ready) {
                placed[i] = more = true;
                n_placed++;
            }
        }
    }
    free(placed);
    return n_placed == graph->n_nodes;
}

static CUresult instantiate(CUgraphExec *out, CUgraph handle, unsigned long long flags)
{
    struct sg_context *context = NULL;
    SG_TRY(sg_current(&context));
    SG_CHECK(out && SG_HANDLE(handle, SG_GRAPH), CUDA_ERROR_INVALID_VALUE);
    SG_CHECK(!(flags & CUDA_GRAPH_INSTANTIATE_FLAG_DEVICE_LAUNCH), CUDA_ERROR_NOT_SUPPORTED);
    const struct sg_graph *graph = (const struct sg_graph *)(void *)handle;
    SG_CHECK(acyclic(graph), CUDA_ERROR_INVALID_VALUE);
    struct exec *exec = sg_calloc(1, sizeof *exec);
    *exec = (struct exec){ .tag = SG_EXEC, .plan = sg_plan_of_graph(graph), .flags = flags };
    *out = (CUgraphExec)(void *)exec;
    return CUDA_SUCCESS;
}

static CUresult instantiate_logged(
    CUgraphExec *out, CUgraph graph, CUgraphNode *bad, char *log, size_t n_log)
{
    if (bad)
        *bad = NULL;
    if (log && n_log)
        log[0] = 0;
    return instantiate(out, graph, 0);
}

SG_API(
    cuGraphInstantiate, CUgraphExec *exec, CUgraph graph, CUgraphNode *bad, char *log, size_t n_log)
{
    SG_ENTER();
    return instantiate_logged(exec, graph, bad, log, n_log);
}

SG_API(cuGraphInstantiate_v2, CUgraphExec *exec, CUgraph graph, CUgraphNode *bad, char *log,
    size_t n_log)
{
    SG_ENTER();
    return instantiate_logged(exec, graph, bad, log, n_log);
}

SG_API(cuGraphInstantiateWithFlags, CUgraphExec *exec, CUgraph graph, unsigned long long flags)
{
    SG_ENTER();
    return instantiate(exec, graph, flags);
}

SG_API(cuGraphInstantiateWithParams, CUgraphExec *exec, CUgraph graph,
    CUDA_GRAPH_INSTANTIATE_PARAMS *params)
{
    SG_ENTER();
    SG_CHECK(params, CUDA_ERROR_INVALID_VALUE);
    params->hErrNode_out = NULL;
    const CUresult result = instantiate(exec, graph, params->flags);
    params->result_out = result ? CUDA_GRAPH_INSTANTIATE_ERROR : CUDA_GRAPH_INSTANTIATE_SUCCESS;
    return result;
}

SG_API(cuGraphExecGetFlags, CUgraphExec handle, cuuint64_t *flags)
{
    SG_ENTER();
    struct exec *exec = NULL;
    SG_TRY(exec_of(handle, &exec));
    SG_CHECK(flags, CUDA_ERROR_INVALID_VALUE);
    *flags = exec->flags;
    return CUDA_SUCCESS;
}

SG_API(cuGraphExecDestroy, CUgraphExec handle)
{
    SG_ENTER();
    struct exec *exec = NULL;
    SG_TRY(exec_of(handle, &exec));
    sg_plan_free(exec->plan);
    exec->plan = NULL;
    exec->tag = SG_DEAD;
    return CUDA_SUCCESS;
}

static void trace_plan(const struct sg_plan *plan, const struct sg_stream *stream)
{
    for (size_t i = 0; i < plan->n_nodes; i++) {
        const struct sg_work *work = &plan->nodes[i].run.work;
        if (work->kind == SG_WORK_KERNEL && !plan->nodes[i].disabled)
            sg_launch_trace(work, stream, "graph");
        else if (work->kind == SG_WORK_GRAPH)
            trace_plan(work->u.graph.plan, stream);
    }
}

SG_API(cuGraphUpload, CUgraphExec handle, CUstream stream_handle)
{
    SG_ENTER();
    struct exec *exec = NULL;
    struct sg_stream *stream = NULL;
    SG_TRY(exec_of(handle, &exec));
    return sg_stream_of(stream_handle, &stream);
}

SG_API(cuGraphLaunch, CUgraphExec handle, CUstream stream_handle)
{
    SG_ENTER();
    struct exec *exec = NULL;
    struct sg_stream *stream = NULL;
    SG_TRY(exec_of(handle, &exec));
    SG_TRY(sg_stream_of(stream_handle, &stream));
    if (stream->capture)
        return sg_capture_refuse(stream, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
    if (exec->last_stream)
        sg_stream_wait(stream, exec->last_stream, exec->last_sequence);
    struct sg_work work = { .kind = SG_WORK_GRAPH, .u.graph = { sg_plan_copy(exec->plan), NULL } };
    trace_plan(exec->plan, stream);
    SG_TRY(sg_submit(stream, &work));
    exec->last_stream = stream;
    exec->last_sequence = stream->submitted;
    return CUDA_SUCCESS;
}

/* --- changes after instantiation --- */

static CUresult set_work(CUgraphExec handle, CUgraphNode node, struct sg_work *work)
{
    struct exec *exec = NULL;
    struct sg_plan_node *at = NULL;
    CUresult result = exec_of(handle, &exec);
    if (result == CUDA_SUCCESS) {
        at = find_node(exec->plan, node);
        result = at && at->run.work.kind == work->kind ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    }
    if (result != CUDA_SUCCESS) {
        sg_work_free(work);
        return result;
    }
    if (work->kind == SG_WORK_KERNEL)
        work->u.kernel.launch.cooperative = at->run.work.u.kernel.launch.cooperative;
    sg_work_free(&at->run.work);
    at->run.work = *work;
    return CUDA_SUCCESS;
}

SG_API(cuGraphExecKernelNodeSetParams_v2, CUgraphExec exec, CUgraphNode node,
    const CUDA_KERNEL_NODE_PARAMS *params)
{
    SG_ENTER();
    struct sg_work work;
    SG_TRY(sg_work_from_kernel_params(params, &work));
    return set_work(exec, node, &work);
}

SG_API(cuGraphExecKernelNodeSetParams, CUgraphExec exec, CUgraphNode node,
    const CUDA_KERNEL_NODE_PARAMS_v1 *params)
{
    SG_ENTER();
    struct sg_work work;
    SG_CHECK(params, CUDA_ERROR_INVALID_VALUE);
    CUDA_KERNEL_NODE_PARAMS wide = { .func = params->func };
    memcpy(&wide, params, sizeof *params);
    SG_TRY(sg_work_from_kernel_params(&wide, &work));
    return set_work(exec, node, &work);
}

SG_API(cuGraphExecMemcpyNodeSetParams, CUgraphExec exec, CUgraphNode node,
    const CUDA_MEMCPY3D *params, CUcontext context)
{
    SG_ENTER();
    struct sg_work work;
    (void)context;
    SG_TRY(sg_work_from_copy(params, &work));
    return set_work(exec, node, &work);
}

SG_API(cuGraphExecMemsetNodeSetParams, CUgraphExec exec, CUgraphNode node,
    const CUDA_MEMSET_NODE_PARAMS *params, CUcontext context)
{
    SG_ENTER();
    struct sg_work work;
    (void)context;
    SG_TRY(sg_work_from_fill(params, &work));
    return set_work(exec, node, &work);
}

SG_API(cuGraphExecHostNodeSetParams, CUgraphExec exec, CUgraphNode node,
    const CUDA_HOST_NODE_PARAMS *params)
{
    SG_ENTER();
    SG_CHECK(params && params->fn, CUDA_ERROR_INVALID_VALUE);
    struct sg_work work = { .kind = SG_WORK_HOST, .u.host = { params->fn, params->userData } };
    return set_work(exec, node, &work);
}

SG_API(cuGraphExecChildGraphNodeSetParams, CUgraphExec exec, CUgraphNode node, CUgraph child)
{
    SG_ENTER();
    SG_CHECK(SG_HANDLE(child, SG_GRAPH), CUDA_ERROR_INVALID_VALUE);
    struct sg_graph *graph = sg_graph_copy((const struct sg_graph *)(void *)child);
    struct sg_work work = { .kind = SG_WORK_GRAPH,
        .u.graph = { sg_plan_of_graph((const struct sg_graph *)(void *)child), graph } };
    return set_work(exec, node, &work);
}

SG_API(cuGraphNodeSetEnabled, CUgraphExec handle, CUgraphNode node, unsigned enabled)
{
    SG_ENTER();
    struct exec *exec = NULL;
    SG_TRY(exec_of(handle, &exec));
    struct sg_plan_node *at = find_node(exec->plan, node);
    SG_CHECK(at, CUDA_ERROR_INVALID_VALUE);
    at->disabled = !enabled;
    return CUDA_SUCCESS;
}

SG_API(cuGraphNodeGetEnabled, CUgraphExec handle, CUgraphNode node, unsigned *enabled)
{
    SG_ENTER();
    struct exec *exec = NULL;
    SG_TRY(exec_of(handle, &exec));
    const struct sg_plan_node *at = find_node(exec->plan, node);
    SG_CHECK(at && enabled, CUDA_ERROR_INVALID_VALUE);
    *enabled = !at->disabled;
    return CUDA_SUCCESS;
}

static CUgraphExecUpdateResult compare(
    const struct sg_plan *a, const struct sg_plan *b, struct sg_node **bad)
{
    if (a->n_nodes != b->n_nodes)
        return CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED;
    for (size_t i = 0; i < a->n_nodes; i++) {
        const struct sg_plan_node *x = &a->nodes[i], *y = &b->nodes[i];
        *bad = y->origin;
        if (x->run.work.kind != y->run.work.kind)
            return CU_GRAPH_EXEC_UPDATE_ERROR_NODE_TYPE_CHANGED;
        if (x->n_deps != y->n_deps || memcmp(x->deps, y->deps, x->n_deps * sizeof *x->deps))
            return CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED;
        if (x->run.work.kind == SG_WORK_GRAPH) {
            const CUgraphExecUpdateResult inner =
                compare(x->run.work.u.graph.plan, y->run.work.u.graph.plan, bad);
            if (inner != CU_GRAPH_EXEC_UPDATE_SUCCESS)
                return inner;
        }
    }
    *bad = NULL;
    return CU_GRAPH_EXEC_UPDATE_SUCCESS;
}

/* Handles of the graph it was made from go on naming the exec's nodes. */
static void keep_origins(struct sg_plan *to, const struct sg_plan *from)
{
    for (size_t i = 0; i < to->n_nodes; i++) {
        to->nodes[i].origin = from->nodes[i].origin;
        to->nodes[i].disabled = from->nodes[i].disabled;
        if (to->nodes[i].run.work.kind == SG_WORK_GRAPH)
            keep_origins(to->nodes[i].run.work.u.graph.plan, from->nodes[i].run.work.u.graph.plan);
    }
}

static CUresult update(
    CUgraphExec handle, CUgraph graph, struct sg_node **bad, CUgraphExecUpdateResult *result)
{
    struct exec *exec = NULL;
    SG_TRY(exec_of(handle, &exec));
    SG_CHECK(SG_HANDLE(graph, SG_GRAPH), CUDA_ERROR_INVALID_VALUE);
    struct sg_plan *plan = sg_plan_of_graph((const struct sg_graph *)(void *)graph);
    *result = compare(exec->plan, plan, bad);
    if (*result != CU_GRAPH_EXEC_UPDATE_SUCCESS) {
        sg_plan_free(plan);
        return CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE;
    }
    keep_origins(plan, exec->plan);
    sg_plan_free(exec->plan);
    exec->plan = plan;
    return CUDA_SUCCESS;
}

SG_API(cuGraphExecUpdate_v2, CUgraphExec exec, CUgraph graph, CUgraphExecUpdateResultInfo *info)
{
    SG_ENTER();
    struct sg_node *bad = NULL;
    SG_CHECK(info, CUDA_ERROR_INVALID_VALUE);
    memset(info, 0, sizeof *info);
    const CUresult result = update(exec, graph, &bad, &info->result);
    info->errorNode = (CUgraphNode)(void *)bad;
    return result;
}

SG_API(cuGraphExecUpdate, CUgraphExec exec, CUgraph graph, CUgraphNode *bad_out,
    CUgraphExecUpdateResult *result_out)
{
    SG_ENTER();
    struct sg_node *bad = NULL;
    CUgraphExecUpdateResult reason = CU_GRAPH_EXEC_UPDATE_ERROR;
    const CUresult result = update(exec, graph, &bad, &reason);
    if (bad_out)
        *bad_out = (CUgraphNode)(void *)bad;
    if (result_out)
        *result_out = reason;
    return result;
}
