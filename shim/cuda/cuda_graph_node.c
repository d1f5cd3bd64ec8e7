/* One kernel node by name: the program's kernel, or its twin when all that a launch needs is there. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shim/cuda/cuda_driver.h"
#include "shim/cuda/cuda_graph.h"
#include "shim/cuda/cuda_launch.h"
#include "shim/cuda/cuda_table.h"
#include "shim/loader/call.h"

static const void *function_of(const CUDA_KERNEL_NODE_PARAMS *params)
{
    return params->func != NULL ? (const void *)params->func : (const void *)params->kern;
}

static struct det_launch launch_of(const CUDA_KERNEL_NODE_PARAMS *asked)
{
    return (struct det_launch){
        .function = function_of(asked),
        .grid = { asked->gridDimX, asked->gridDimY, asked->gridDimZ },
        .block = { asked->blockDimX, asked->blockDimY, asked->blockDimZ },
        .shared_bytes = asked->sharedMemBytes,
        .params = asked->kernelParams,
        .extra = asked->kernelParams != NULL ? NULL : asked->extra,
        .context = asked->ctx,
    };
}

struct det_ctx *det_gask_context(const CUDA_KERNEL_NODE_PARAMS *asked)
{
    const int saved = errno;
    struct det_launch launch = launch_of(asked);
    struct det_launch_node node = { .only_context = true };
    det_inside_begin();
    if (launch.function != NULL)
        det_launch_node(&launch, &node);
    det_inside_end();
    errno = saved;
    return node.ctx;
}

void det_gask_make(
    struct det_gask *ask, const CUDA_KERNEL_NODE_PARAMS *asked, struct det_table *table)
{
    const int saved = errno;
    const struct det_driver *const cu = det_driver();
    struct det_launch launch = launch_of(asked);
    memset(ask, 0, sizeof *ask);
    ask->made = calloc(1, sizeof *ask->made);
    det_inside_begin();
    if (launch.function != NULL && ask->made != NULL) {
        ask->made->table = table;
        ask->made->only_context =
            cu->cuGraphAddKernelNode_v2 == NULL || cu->cuGraphKernelNodeSetParams_v2 == NULL;
        ask->twin = det_launch_node(&launch, ask->made) == NULL;
        ask->node = ask->made->node;
    }
    if (!ask->twin) {
        memset(&ask->node, 0, sizeof ask->node);
        if (launch.function != NULL && ask->made != NULL && ask->made->only_context)
            launch.row = det_launch_row(launch.function, NULL, "explicit graph node", NULL);
        ask->node.row = ask->node.exact = launch.row;
        ask->node.original = launch.function;
    }
    det_inside_end();
    ask->vendor = launch.vendor;
    ask->own = ask->twin && table == NULL;
    ask->node.by_kern = asked->func == NULL;
    if (ask->twin) {
        ask->given = *asked;
        ask->given.func = ask->made->function;
        ask->given.kern = NULL;
        ask->given.sharedMemBytes = ask->made->shared_bytes;
        ask->given.kernelParams = ask->made->params.params;
        ask->given.extra = ask->made->params.extra;
    }
    errno = saved;
}

void det_gask_refuse(struct det_gask *ask, const char *why)
{
    const int saved = errno;
    struct det_gnode *const node = &ask->node;
    det_inside_begin();
    if (ask->twin && ask->own)
        det_table_rest(node->table);
    ask->twin = false;
    *node = (struct det_gnode){
        .row = det_launch_row(node->original, NULL, why, NULL),
        .original = node->original,
        .branch = node->branch,
        .by_kern = node->by_kern,
    };
    node->exact = node->row;
    det_inside_end();
    errno = saved;
}

void det_gask_free(struct det_gask *ask)
{
    const int saved = errno;
    if (ask->made != NULL)
        det_params_free(&ask->made->params);
    free(ask->made);
    ask->made = NULL;
    errno = saved;
}
