/* Software GPU: libraries and kernels. A library is code without a context; each context that uses it gets a module. */
#include "tests/softgpu/driver.h"

#include <stdlib.h>
#include <string.h>

static CUresult library_of(CUlibrary handle, struct sg_library **library)
{
    SG_CHECK(SG_HANDLE(handle, SG_LIBRARY), CUDA_ERROR_INVALID_HANDLE);
    *library = (struct sg_library *)(void *)handle;
    return CUDA_SUCCESS;
}

static CUresult kernel_of(CUkernel handle, struct sg_kernel_object **kernel)
{
    SG_CHECK(SG_HANDLE(handle, SG_KERNEL), CUDA_ERROR_INVALID_HANDLE);
    *kernel = (struct sg_kernel_object *)(void *)handle;
    return CUDA_SUCCESS;
}

CUresult sg_library_module(
    struct sg_library *library, struct sg_context *context, struct sg_module_object **out)
{
    for (struct sg_module_object *m = library->modules; m; m = m->next)
        if (m->context == context && context->tag == SG_CONTEXT) {
            *out = m;
            return CUDA_SUCCESS;
        }
    SG_TRY(sg_module_make(context, library->ptx, library->n_ptx, NULL, out));
    (*out)->library = library;
    (*out)->next = library->modules;
    library->modules = *out;
    return CUDA_SUCCESS;
}

/* The kernels' names are wanted before any context uses the code: parse once and throw that away. */
static CUresult list_kernels(struct sg_library *library, struct sg_jit *jit)
{
    char error[512] = "";
    struct sg_module *code = sg_module_load(library->ptx, library->n_ptx, error, sizeof error);
    if (!code) {
        sg_jit_error(jit, error);
        return CUDA_ERROR_INVALID_PTX;
    }
    library->n_kernels = sg_module_n_kernels(code);
    library->kernels = sg_calloc(library->n_kernels, sizeof *library->kernels);
    for (size_t i = 0; i < library->n_kernels; i++) {
        struct sg_kernel_object *kernel = sg_calloc(1, sizeof *kernel);
        const char *name = sg_kernel_name(sg_module_kernel_at(code, i));
        *kernel = (struct sg_kernel_object){ .tag = SG_KERNEL,
            .library = library,
            .index = i,
            .name = sg_copy(name, strlen(name) + 1),
            .carveout = -1 };
        library->kernels[i] = kernel;
    }
    sg_module_free(code);
    return CUDA_SUCCESS;
}

static CUresult load(CUlibrary *out, const void *image, struct sg_jit *jit)
{
    SG_CHECK(out && image, CUDA_ERROR_INVALID_VALUE);
    struct sg_library *library = sg_calloc(1, sizeof *library);
    CUresult result = sg_image_ptx(image, &library->ptx, &library->n_ptx);
    if (result == CUDA_SUCCESS)
        result = list_kernels(library, jit);
    if (result != CUDA_SUCCESS) {
        free(library);
        return result;
    }
    library->tag = SG_LIBRARY;
    *out = (CUlibrary)(void *)library;
    return CUDA_SUCCESS;
}

SG_API(cuLibraryLoadData, CUlibrary *library, const void *image, CUjit_option *options,
    void **values, unsigned n, CUlibraryOption *library_options, void **library_values,
    unsigned n_library)
{
    SG_ENTER();
    (void)library_options, (void)library_values, (void)n_library;
    struct sg_jit jit = sg_jit_options(n, options, values);
    return load(library, image, &jit);
}

SG_API(cuLibraryLoadFromFile, CUlibrary *library, const char *path, CUjit_option *options,
    void **values, unsigned n, CUlibraryOption *library_options, void **library_values,
    unsigned n_library)
{
    SG_ENTER();
    (void)library_options, (void)library_values, (void)n_library;
    struct sg_jit jit = sg_jit_options(n, options, values);
    SG_CHECK(path, CUDA_ERROR_INVALID_VALUE);
    FILE *file = fopen(path, "rbe");
    SG_CHECK(file, CUDA_ERROR_FILE_NOT_FOUND);
    char *bytes = NULL;
    size_t n_bytes = 0;
    FILE *copy = open_memstream(&bytes, &n_bytes);
    for (int c; (c = fgetc(file)) != EOF;)
        fputc(c, copy);
    fwrite("\0\0\0\0\0\0\0\0", 1, 8, copy);
    fclose(copy);
    fclose(file);
    const CUresult result = load(library, bytes, &jit);
    free(bytes);
    return result;
}

SG_API(cuLibraryUnload, CUlibrary handle)
{
    SG_ENTER();
    struct sg_library *library = NULL;
    SG_TRY(library_of(handle, &library));
    SG_TRY(sg_capture_unsafe());
    for (struct sg_module_object *m = library->modules, *next; m; m = next) {
        next = m->next;
        if (m->context->tag == SG_CONTEXT && !m->context->sticky)
            sg_wait_context(m->context);
        sg_module_drop(m);
    }
    for (size_t i = 0; i < library->n_kernels; i++)
        library->kernels[i]->tag = SG_DEAD;
    free(library->ptx);
    library->ptx = NULL;
    library->tag = SG_DEAD;
    return CUDA_SUCCESS;
}

SG_API(cuLibraryGetKernel, CUkernel *out, CUlibrary handle, const char *name)
{
    SG_ENTER();
    struct sg_library *library = NULL;
    SG_TRY(library_of(handle, &library));
    SG_CHECK(out && name, CUDA_ERROR_INVALID_VALUE);
    for (size_t i = 0; i < library->n_kernels; i++)
        if (!strcmp(library->kernels[i]->name, name)) {
            *out = (CUkernel)(void *)library->kernels[i];
            return CUDA_SUCCESS;
        }
    return CUDA_ERROR_NOT_FOUND;
}

SG_API(cuLibraryGetKernelCount, unsigned *n, CUlibrary handle)
{
    SG_ENTER();
    struct sg_library *library = NULL;
    SG_TRY(library_of(handle, &library));
    SG_CHECK(n, CUDA_ERROR_INVALID_VALUE);
    *n = (unsigned)library->n_kernels;
    return CUDA_SUCCESS;
}

SG_API(cuLibraryEnumerateKernels, CUkernel *kernels, unsigned n, CUlibrary handle)
{
    SG_ENTER();
    struct sg_library *library = NULL;
    SG_TRY(library_of(handle, &library));
    SG_CHECK(kernels || !n, CUDA_ERROR_INVALID_VALUE);
    for (size_t i = 0; i < n && i < library->n_kernels; i++)
        kernels[i] = (CUkernel)(void *)library->kernels[i];
    return CUDA_SUCCESS;
}

static CUresult module_here(CUlibrary handle, struct sg_module_object **module)
{
    struct sg_context *context = NULL;
    struct sg_library *library = NULL;
    SG_TRY(sg_current(&context));
    SG_TRY(library_of(handle, &library));
    return sg_library_module(library, context, module);
}

SG_API(cuLibraryGetModule, CUmodule *out, CUlibrary handle)
{
    SG_ENTER();
    struct sg_module_object *module = NULL;
    SG_CHECK(out, CUDA_ERROR_INVALID_VALUE);
    SG_TRY(module_here(handle, &module));
    *out = (CUmodule)(void *)module;
    return CUDA_SUCCESS;
}

static CUresult global(CUdeviceptr *at, size_t *n_bytes, CUlibrary handle, const char *name)
{
    struct sg_module_object *module = NULL;
    void *storage = NULL;
    size_t n = 0;
    SG_CHECK(name, CUDA_ERROR_INVALID_VALUE);
    SG_TRY(module_here(handle, &module));
    SG_CHECK(sg_module_global(module->code, name, &storage, &n), CUDA_ERROR_NOT_FOUND);
    if (at)
        *at = (CUdeviceptr)(uintptr_t)storage;
    if (n_bytes)
        *n_bytes = n;
    return CUDA_SUCCESS;
}

SG_API(cuLibraryGetGlobal, CUdeviceptr *at, size_t *n_bytes, CUlibrary handle, const char *name)
{
    SG_ENTER();
    return global(at, n_bytes, handle, name);
}

SG_API(cuLibraryGetManaged, CUdeviceptr *at, size_t *n_bytes, CUlibrary handle, const char *name)
{
    SG_ENTER();
    return global(at, n_bytes, handle, name); /* module storage is host memory: managed already */
}

SG_API(cuKernelGetFunction, CUfunction *out, CUkernel handle)
{
    SG_ENTER();
    struct sg_context *context = NULL;
    struct sg_function *function = NULL;
    SG_CHECK(out && SG_HANDLE(handle, SG_KERNEL), CUDA_ERROR_INVALID_HANDLE);
    SG_TRY(sg_current(&context));
    SG_TRY(sg_function_of((CUfunction)(void *)handle, context, &function));
    *out = (CUfunction)(void *)function;
    return CUDA_SUCCESS;
}

SG_API(cuKernelGetLibrary, CUlibrary *out, CUkernel handle)
{
    SG_ENTER();
    struct sg_kernel_object *kernel = NULL;
    SG_TRY(kernel_of(handle, &kernel));
    SG_CHECK(out, CUDA_ERROR_INVALID_VALUE);
    *out = (CUlibrary)(void *)kernel->library;
    return CUDA_SUCCESS;
}

SG_API(cuKernelGetName, const char **name, CUkernel handle)
{
    SG_ENTER();
    struct sg_kernel_object *kernel = NULL;
    SG_TRY(kernel_of(handle, &kernel));
    SG_CHECK(name, CUDA_ERROR_INVALID_VALUE);
    *name = kernel->name;
    return CUDA_SUCCESS;
}
