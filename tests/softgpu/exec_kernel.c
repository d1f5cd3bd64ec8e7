/* What the driver asks about a kernel. */
#include "tests/softgpu/exec_ir.h"

size_t sg_module_n_kernels(const struct sg_module *module)
{
    return module->n_kernels;
}

struct sg_kernel *sg_module_kernel_at(struct sg_module *module, size_t i)
{
    return i < module->n_kernels ? &module->kernels[i] : NULL;
}

struct sg_kernel *sg_module_kernel(struct sg_module *module, const char *name)
{
    for (size_t k = 0; k < module->n_kernels; k++)
        if (strcmp(module->kernels[k].function->name, name) == 0)
            return &module->kernels[k];
    return NULL;
}

const char *sg_kernel_name(const struct sg_kernel *kernel)
{
    return kernel->function->name;
}

size_t sg_kernel_params(
    const struct sg_kernel *kernel, const struct sg_param **params, size_t *total_bytes)
{
    struct ptx_function *f = kernel->function;
    if (!f->layout) {
        f->layout = ptx_alloc(kernel->module, (f->n_params + 1) * sizeof *f->layout);
        for (unsigned k = 0; k < f->n_params; k++)
            f->layout[k] =
                (struct sg_param){ f->params[k]->at, f->params[k]->bytes, f->params[k]->align };
    }
    if (params)
        *params = f->layout;
    if (total_bytes)
        *total_bytes = f->param_bytes;
    return f->n_params;
}

size_t sg_kernel_shared_bytes(const struct sg_kernel *kernel)
{
    return kernel->function->static_shared;
}

size_t sg_kernel_local_bytes(const struct sg_kernel *kernel)
{
    return kernel->function->local_bytes;
}

size_t sg_kernel_const_bytes(const struct sg_kernel *kernel)
{
    return kernel->module->const_bytes;
}

unsigned sg_kernel_registers(const struct sg_kernel *kernel)
{
    const unsigned n = kernel->function->n_units;
    return n < 16 ? 16 : n > 255 ? 255 : n;
}

unsigned sg_kernel_max_threads(const struct sg_kernel *kernel)
{
    return kernel->function->max_threads ? kernel->function->max_threads : 1024;
}
