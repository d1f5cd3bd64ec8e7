/* Verdicts per kernel: what is order-dependent in it, and whether a twin removes it. */
#include "shim/ptx/parts.h"

enum det_err det_ptx_classify(struct det_ptx_module *module)
{
    size_t n = 0;
    for (size_t i = 0; i < module->n_funcs; i++)
        n += module->funcs[i].entry && module->funcs[i].body;
    module->kernels = det_arena_take(&module->arena, n * sizeof *module->kernels);
    if (!module->kernels)
        return DET_E_NOMEM;
    for (size_t i = 0; i < module->n_funcs; i++) {
        struct func *func = &module->funcs[i];
        if (!func->entry || !func->body)
            continue;
        func->kernel = (uint32_t)module->n_kernels;
        struct det_ptx_kernel *kernel = &module->kernels[module->n_kernels++];
        *kernel = (struct det_ptx_kernel){ .name = func->name,
            .cls = DET_CLASS_ORDERED,
            .reason = "",
            .n_params = func->n_params,
            .param_bytes = func->param_bytes,
            .shared_bytes = func->shared_bytes,
            .n_instructions = func->n_instructions };
        if (func->flags & FUNC_OPAQUE)
            kernel->cls = DET_CLASS_UNKNOWN, kernel->reason = "opaque instruction";
        else if (func->flags & FUNC_ATTENTION)
            kernel->cls = DET_CLASS_UNCOVERED, kernel->reason = "not analysed";
    }
    return DET_OK;
}
