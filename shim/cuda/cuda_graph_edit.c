/* New parameters for kernel nodes, in graphs and in executables: what the program asks for is decided anew, as a twin with the
 * node's fold or as its own kernel, and the records change when the driver has agreed. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "shim/cuda/cuda_driver.h"
#include "shim/cuda/cuda_graph.h"
#include "shim/cuda/cuda_launch.h"
#include "shim/loader/call.h"

struct edit {
    CUgraphNode node;
    CUgraphExec exec; /* NULL: the graph's node */
    bool known;
    struct det_gnode was;
    struct det_gask ask;
};

/* What the driver gets in the place of `asked`. */
static const CUDA_KERNEL_NODE_PARAMS *begin(
    struct edit *e, CUgraphExec exec, CUgraphNode node, const CUDA_KERNEL_NODE_PARAMS *asked)
{
    memset(e, 0, sizeof *e);
    e->node = node;
    e->exec = exec;
    if (asked == NULL)
        return asked;
    e->known = exec != NULL ? det_graph_exec_node_find(exec, node, &e->was)
                            : det_graph_node_find(node, &e->was);
    if (!e->known)
        return asked;
    struct det_table *const table = e->was.fold != NULL ? e->was.table : NULL;
    det_gask_make(&e->ask, asked, table);
    /* An executable gets no new nodes, and a node does not tell its graph: without a fold the kernel stays the program's. */
    if (e->ask.twin && e->was.fold == NULL)
        det_gask_refuse(&e->ask, "graph node changed");
    return e->ask.twin ? &e->ask.given : asked;
}

static CUresult fold_set(const struct edit *e)
{
    const struct det_driver *const cu = det_driver();
    uint64_t at[2] = { e->ask.node.head, e->ask.node.report->device };
    void *list[] = { &at[0], &at[1] };
    const CUDA_KERNEL_NODE_PARAMS params = {
        .func = e->ask.made->fold,
        .gridDimX = e->ask.made->fold_grid,
        .gridDimY = 1,
        .gridDimZ = 1,
        .blockDimX = DET_ACC_FOLD_BLOCK,
        .blockDimY = 1,
        .blockDimZ = 1,
        .kernelParams = list,
    };
    return e->exec != NULL ? cu->cuGraphExecKernelNodeSetParams_v2(e->exec, e->was.fold, &params)
                           : cu->cuGraphKernelNodeSetParams_v2(e->was.fold, &params);
}

/* The record of what the node is now. A node that is no twin any more keeps its fold, which finds nothing to do. */
static void record(struct edit *e)
{
    struct det_gnode now = e->ask.node;
    now.kernel = e->was.kernel;
    now.fold = e->was.fold;
    now.branch = e->was.branch;
    now.followed = e->was.followed;
    now.off = e->was.off;
    if (!e->ask.twin && e->was.fold != NULL) {
        const struct det_gnode asked = now;
        now = e->was;
        now.row = now.unbound = now.unordered = now.unordered_streams = now.exact = asked.row;
        now.original = asked.original;
        now.n_targets = 0;
        now.anywhere = false;
        now.lost = true;
    }
    if (now.row == NULL)
        return;
    if (e->exec != NULL)
        det_graph_exec_node_set(e->exec, e->node, &now);
    else
        det_graph_node_set(e->node, &now);
}

/* The driver has agreed to the kernel. False: its fold cannot be set, and the program's own kernel must be the node. */
static bool end(struct edit *e)
{
    const int saved = errno;
    bool ok = true;
    if (e->known) {
        det_inside_begin();
        ok = !e->ask.twin || fold_set(e) == CUDA_SUCCESS;
        det_inside_end();
        if (!ok)
            det_gask_refuse(&e->ask, "graph node changed");
        record(e);
    }
    errno = saved;
    return ok;
}

/* `call` sets what stands in nodeParams. */
#define SET(call)                                                                                  \
    CUresult status = (call);                                                                      \
    if (status == CUDA_SUCCESS && !end(&e)) {                                                      \
        nodeParams = asked;                                                                        \
        status = (call);                                                                           \
    }                                                                                              \
    det_gask_free(&e.ask)

DET_EXPORT CUresult cuGraphKernelNodeSetParams_v2(
    CUgraphNode hNode, const CUDA_KERNEL_NODE_PARAMS *nodeParams)
{
    if (!det_enter(DET_ID_cuGraphKernelNodeSetParams_v2))
        return DET_REAL(cuGraphKernelNodeSetParams_v2)(hNode, nodeParams);

    struct edit e;
    const CUDA_KERNEL_NODE_PARAMS *const asked = nodeParams;
    nodeParams = begin(&e, NULL, hNode, asked);
    SET(DET_REAL(cuGraphKernelNodeSetParams_v2)(hNode, nodeParams));
    det_leave(DET_ID_cuGraphKernelNodeSetParams_v2);
    return status;
}

DET_EXPORT CUresult cuGraphExecKernelNodeSetParams_v2(
    CUgraphExec hGraphExec, CUgraphNode hNode, const CUDA_KERNEL_NODE_PARAMS *nodeParams)
{
    if (!det_enter(DET_ID_cuGraphExecKernelNodeSetParams_v2))
        return DET_REAL(cuGraphExecKernelNodeSetParams_v2)(hGraphExec, hNode, nodeParams);

    struct edit e;
    const CUDA_KERNEL_NODE_PARAMS *const asked = nodeParams;
    nodeParams = begin(&e, hGraphExec, hNode, asked);
    SET(DET_REAL(cuGraphExecKernelNodeSetParams_v2)(hGraphExec, hNode, nodeParams));
    det_leave(DET_ID_cuGraphExecKernelNodeSetParams_v2);
    return status;
}

/* The older forms: the same, without context and kernel handle. */
static CUDA_KERNEL_NODE_PARAMS widen(const CUDA_KERNEL_NODE_PARAMS_v1 *from)
{
    CUDA_KERNEL_NODE_PARAMS to = { 0 };
    memcpy(&to, from, sizeof *from); /* the same members in the same order */
    return to;
}

static const CUDA_KERNEL_NODE_PARAMS_v1 *begin_narrow(struct edit *e, CUgraphExec exec,
    CUgraphNode node, const CUDA_KERNEL_NODE_PARAMS_v1 *asked, CUDA_KERNEL_NODE_PARAMS_v1 *narrow)
{
    const CUDA_KERNEL_NODE_PARAMS wide = widen(asked);
    const CUDA_KERNEL_NODE_PARAMS *const use = begin(e, exec, node, &wide);
    if (use == &wide)
        return asked;
    memcpy(narrow, use, sizeof *narrow);
    return narrow;
}

DET_EXPORT CUresult cuGraphKernelNodeSetParams(
    CUgraphNode hNode, const CUDA_KERNEL_NODE_PARAMS_v1 *nodeParams)
{
    if (nodeParams == NULL || !det_enter(DET_ID_cuGraphKernelNodeSetParams))
        return DET_REAL(cuGraphKernelNodeSetParams)(hNode, nodeParams);

    struct edit e;
    CUDA_KERNEL_NODE_PARAMS_v1 narrow;
    const CUDA_KERNEL_NODE_PARAMS_v1 *const asked = nodeParams;
    nodeParams = begin_narrow(&e, NULL, hNode, asked, &narrow);
    SET(DET_REAL(cuGraphKernelNodeSetParams)(hNode, nodeParams));
    det_leave(DET_ID_cuGraphKernelNodeSetParams);
    return status;
}

DET_EXPORT CUresult cuGraphExecKernelNodeSetParams(
    CUgraphExec hGraphExec, CUgraphNode hNode, const CUDA_KERNEL_NODE_PARAMS_v1 *nodeParams)
{
    if (nodeParams == NULL || !det_enter(DET_ID_cuGraphExecKernelNodeSetParams))
        return DET_REAL(cuGraphExecKernelNodeSetParams)(hGraphExec, hNode, nodeParams);

    struct edit e;
    CUDA_KERNEL_NODE_PARAMS_v1 narrow;
    const CUDA_KERNEL_NODE_PARAMS_v1 *const asked = nodeParams;
    nodeParams = begin_narrow(&e, hGraphExec, hNode, asked, &narrow);
    SET(DET_REAL(cuGraphExecKernelNodeSetParams)(hGraphExec, hNode, nodeParams));
    det_leave(DET_ID_cuGraphExecKernelNodeSetParams);
    return status;
}

/* The general forms (CUDA 12.2 and later): only kernel nodes concern us, in the same parameters under another name. */
static CUgraphNodeParams *begin_general(struct edit *e, CUgraphExec exec, CUgraphNode node,
    CUgraphNodeParams *asked, CUgraphNodeParams *given)
{
    CUDA_KERNEL_NODE_PARAMS kernel;
    static_assert(sizeof kernel == sizeof asked->kernel, "the same members in the same order");
    memset(e, 0, sizeof *e);
    if (asked == NULL || asked->type != CU_GRAPH_NODE_TYPE_KERNEL)
        return asked;
    memcpy(&kernel, &asked->kernel, sizeof kernel);
    const CUDA_KERNEL_NODE_PARAMS *const use = begin(e, exec, node, &kernel);
    if (use == &kernel)
        return asked;
    *given = *asked;
    memcpy(&given->kernel, use, sizeof *use);
    return given;
}

DET_EXPORT CUresult cuGraphNodeSetParams(CUgraphNode hNode, CUgraphNodeParams *nodeParams)
{
    if (!det_enter(DET_ID_cuGraphNodeSetParams))
        return DET_REAL(cuGraphNodeSetParams)(hNode, nodeParams);

    struct edit e;
    CUgraphNodeParams given, *const asked = nodeParams;
    nodeParams = begin_general(&e, NULL, hNode, asked, &given);
    SET(DET_REAL(cuGraphNodeSetParams)(hNode, nodeParams));
    det_leave(DET_ID_cuGraphNodeSetParams);
    return status;
}

DET_EXPORT CUresult cuGraphExecNodeSetParams(
    CUgraphExec hGraphExec, CUgraphNode hNode, CUgraphNodeParams *nodeParams)
{
    if (!det_enter(DET_ID_cuGraphExecNodeSetParams))
        return DET_REAL(cuGraphExecNodeSetParams)(hGraphExec, hNode, nodeParams);

    struct edit e;
    CUgraphNodeParams given, *const asked = nodeParams;
    nodeParams = begin_general(&e, hGraphExec, hNode, asked, &given);
    SET(DET_REAL(cuGraphExecNodeSetParams)(hGraphExec, hNode, nodeParams));
    det_leave(DET_ID_cuGraphExecNodeSetParams);
    return status;
}

/* What the program reads back is what it asked for. */
static bool twin_of(CUgraphNode node, struct det_gnode *entry)
{
    return det_graph_node_find(node, entry) && entry->twin != NULL && !entry->lost;
}

DET_EXPORT CUresult cuGraphKernelNodeGetParams_v2(
    CUgraphNode hNode, CUDA_KERNEL_NODE_PARAMS *nodeParams)
{
    if (!det_enter(DET_ID_cuGraphKernelNodeGetParams_v2))
        return DET_REAL(cuGraphKernelNodeGetParams_v2)(hNode, nodeParams);

    struct det_gnode entry;
    const CUresult status = DET_REAL(cuGraphKernelNodeGetParams_v2)(hNode, nodeParams);
    if (status == CUDA_SUCCESS && twin_of(hNode, &entry)) {
        nodeParams->func = entry.by_kern ? NULL : (CUfunction)(uintptr_t)entry.original;
        nodeParams->kern = entry.by_kern ? (CUkernel)(uintptr_t)entry.original : NULL;
        nodeParams->sharedMemBytes -= (unsigned)entry.shared_extra;
    }
    det_leave(DET_ID_cuGraphKernelNodeGetParams_v2);
    return status;
}

DET_EXPORT CUresult cuGraphKernelNodeGetParams(
    CUgraphNode hNode, CUDA_KERNEL_NODE_PARAMS_v1 *nodeParams)
{
    if (!det_enter(DET_ID_cuGraphKernelNodeGetParams))
        return DET_REAL(cuGraphKernelNodeGetParams)(hNode, nodeParams);

    struct det_gnode entry;
    const CUresult status = DET_REAL(cuGraphKernelNodeGetParams)(hNode, nodeParams);
    if (status == CUDA_SUCCESS && twin_of(hNode, &entry)) {
        nodeParams->func = (CUfunction)(uintptr_t)entry.original;
        nodeParams->sharedMemBytes -= (unsigned)entry.shared_extra;
    }
    det_leave(DET_ID_cuGraphKernelNodeGetParams);
    return status;
}
