/* Software GPU: modules and cuLink. A module belongs to a context; its functions get their handles when asked for. */
#include "tests/softgpu/driver.h"

#include <stdlib.h>
#include <string.h>

static char *read_file(const char *path, size_t *n_bytes)
{
    FILE *file = fopen(path, "rbe");
    if (!file)
        return NULL;
    fseek(file, 0, SEEK_END);
    const long n = ftell(file);
    rewind(file);
    char *bytes = sg_calloc(1, (size_t)(n > 0 ? n : 0) + 16);
    const size_t got = fread(bytes, 1, (size_t)(n > 0 ? n : 0), file);
    fclose(file);
    if (n_bytes)
        *n_bytes = got;
    return bytes;
}

/* --- modules --- */

CUresult sg_module_make(struct sg_context *context, const char *ptx, size_t n_bytes,
    struct sg_jit *jit, struct sg_module_object **out)
{
    char error[512] = "";
    struct sg_module *code = sg_module_load(ptx, n_bytes, error, sizeof error);
    if (!code) {
        sg_jit_error(jit, error);
        return CUDA_ERROR_INVALID_PTX;
    }
    struct sg_module_object *module = sg_calloc(1, sizeof *module);
    module->tag = SG_MODULE;
    module->code = code;
    module->context = context;
    module->functions = sg_calloc(sg_module_n_kernels(code), sizeof *module->functions);
    *out = module;
    return CUDA_SUCCESS;
}

/* The caller has waited for the context: no grid of this code is under way. */
void sg_module_drop(struct sg_module_object *module)
{
    const size_t n = sg_module_n_kernels(module->code);
    for (size_t i = 0; i < n; i++)
        if (module->functions[i])
            module->functions[i]->tag = SG_DEAD; /* kept for stale handles */
    sg_module_free(module->code);
    free(module->functions);
    module->tag = SG_DEAD;
}

struct sg_function *sg_module_function(struct sg_module_object *module, size_t index)
{
    if (!module->functions[index]) {
        struct sg_function *function = sg_calloc(1, sizeof *function);
        function->tag = SG_FUNCTION;
        function->code = sg_module_kernel_at(module->code, index);
        function->module = module;
        function->carveout = -1;
        if (module->library)
            function->kernel = module->library->kernels[index];
        module->functions[index] = function;
    }
    return module->functions[index];
}

static CUresult load(CUmodule *out, const void *image, struct sg_jit *jit)
{
    struct sg_context *context = NULL;
    struct sg_module_object *module = NULL;
    char *ptx = NULL;
    size_t n_bytes = 0;
    SG_TRY(sg_current(&context));
    SG_CHECK(out && image, CUDA_ERROR_INVALID_VALUE);
    SG_TRY(sg_image_ptx(image, &ptx, &n_bytes));
    const CUresult result = sg_module_make(context, ptx, n_bytes, jit, &module);
    free(ptx);
    if (result == CUDA_SUCCESS)
        *out = (CUmodule)(void *)module;
    return result;
}

SG_API(cuModuleLoadData, CUmodule *module, const void *image)
{
    SG_ENTER();
    return load(module, image, NULL);
}

SG_API(cuModuleLoadDataEx, CUmodule *module, const void *image, unsigned n, CUjit_option *options,
    void **values)
{
    SG_ENTER();
    struct sg_jit jit = sg_jit_options(n, options, values);
    return load(module, image, &jit);
}

SG_API(cuModuleLoadFatBinary, CUmodule *module, const void *image)
{
    SG_ENTER();
    return load(module, image, NULL);
}

SG_API(cuModuleLoad, CUmodule *module, const char *path)
{
    SG_ENTER();
    SG_CHECK(module && path, CUDA_ERROR_INVALID_VALUE);
    char *image = read_file(path, NULL);
    SG_CHECK(image, CUDA_ERROR_FILE_NOT_FOUND);
    const CUresult result = load(module, image, NULL);
    free(image);
    return result;
}

static CUresult module_of(CUmodule handle, struct sg_module_object **module)
{
    SG_CHECK(SG_HANDLE(handle, SG_MODULE), CUDA_ERROR_INVALID_HANDLE);
    *module = (struct sg_module_object *)(void *)handle;
    return (*module)->context->sticky;
}

SG_API(cuModuleUnload, CUmodule handle)
{
    SG_ENTER();
    struct sg_module_object *module = NULL;
    SG_TRY(module_of(handle, &module));
    SG_CHECK(!module->library, CUDA_ERROR_NOT_PERMITTED);
    SG_TRY(sg_capture_unsafe());
    SG_TRY(sg_wait_context(module->context));
    sg_module_drop(module);
    return CUDA_SUCCESS;
}

SG_API(cuModuleGetFunction, CUfunction *out, CUmodule handle, const char *name)
{
    SG_ENTER();
    struct sg_module_object *module = NULL;
    SG_TRY(module_of(handle, &module));
    SG_CHECK(out && name, CUDA_ERROR_INVALID_VALUE);
    for (size_t i = 0; i < sg_module_n_kernels(module->code); i++)
        if (!strcmp(sg_kernel_name(sg_module_kernel_at(module->code, i)), name)) {
            *out = (CUfunction)(void *)sg_module_function(module, i);
            return CUDA_SUCCESS;
        }
    return CUDA_ERROR_NOT_FOUND;
}

SG_API(cuModuleGetFunctionCount, unsigned *n, CUmodule handle)
{
    SG_ENTER();
    struct sg_module_object *module = NULL;
    SG_TRY(module_of(handle, &module));
    SG_CHECK(n, CUDA_ERROR_INVALID_VALUE);
    *n = (unsigned)sg_module_n_kernels(module->code);
    return CUDA_SUCCESS;
}

SG_API(cuModuleEnumerateFunctions, CUfunction *functions, unsigned n, CUmodule handle)
{
    SG_ENTER();
    struct sg_module_object *module = NULL;
    SG_TRY(module_of(handle, &module));
    SG_CHECK(functions || !n, CUDA_ERROR_INVALID_VALUE);
    for (size_t i = 0; i < n && i < sg_module_n_kernels(module->code); i++)
        functions[i] = (CUfunction)(void *)sg_module_function(module, i);
    return CUDA_SUCCESS;
}

SG_API(cuModuleGetGlobal_v2, CUdeviceptr *at, size_t *n_bytes, CUmodule handle, const char *name)
{
    SG_ENTER();
    struct sg_module_object *module = NULL;
    void *storage = NULL;
    size_t n = 0;
    SG_TRY(module_of(handle, &module));
    SG_CHECK(name, CUDA_ERROR_INVALID_VALUE);
    SG_CHECK(sg_module_global(module->code, name, &storage, &n), CUDA_ERROR_NOT_FOUND);
    if (at)
        *at = (CUdeviceptr)(uintptr_t)storage;
    if (n_bytes)
        *n_bytes = n;
    return CUDA_SUCCESS;
}

SG_API(cuModuleGetLoadingMode, CUmoduleLoadingMode *mode)
{
    SG_ENTER();
    SG_CHECK(mode, CUDA_ERROR_INVALID_VALUE);
    *mode = CU_MODULE_LAZY_LOADING;
    return CUDA_SUCCESS;
}

/* --- linking: PTX only; the inputs become one text under the first one's header --- */

struct link {
    enum sg_tag tag;
    char *text;
    size_t n_bytes;
    struct sg_jit jit;
};

static CUresult link_of(CUlinkState handle, struct link **link)
{
    SG_CHECK(SG_HANDLE(handle, SG_LINK), CUDA_ERROR_INVALID_HANDLE);
    *link = (struct link *)(void *)handle;
    return CUDA_SUCCESS;
}

/* After .version, .target and .address_size of a second text. */
static const char *skip_header(const char *ptx)
{
    const char *at = strstr(ptx, ".address_size");
    at = at ? strchr(at, '\n') : NULL;
    return at ? at : ptx;
}

static CUresult link_add(struct link *link, CUjitInputType type, const void *data, size_t n_bytes)
{
    char *ptx = NULL;
    size_t n = 0;
    SG_CHECK(data && n_bytes, CUDA_ERROR_INVALID_VALUE);
    SG_CHECK(
        type == CU_JIT_INPUT_PTX || type == CU_JIT_INPUT_FATBINARY, CUDA_ERROR_NO_BINARY_FOR_GPU);
    char *copy = sg_calloc(1, n_bytes + 16);
    memcpy(copy, data, n_bytes);
    const CUresult result = sg_image_ptx(copy, &ptx, &n);
    free(copy);
    SG_TRY(result);
    const char *body = link->n_bytes ? skip_header(ptx) : ptx;
    link->text = realloc(link->text, link->n_bytes + strlen(body) + 2);
    if (!link->text)
        abort();
    link->n_bytes += (size_t)sprintf(link->text + link->n_bytes, "%s\n", body);
    free(ptx);
    return CUDA_SUCCESS;
}

SG_API(cuLinkCreate_v2, unsigned n, CUjit_option *options, void **values, CUlinkState *out)
{
    SG_ENTER();
    struct sg_context *context = NULL;
    SG_TRY(sg_current(&context));
    SG_CHECK(out, CUDA_ERROR_INVALID_VALUE);
    struct link *link = sg_calloc(1, sizeof *link);
    link->tag = SG_LINK;
    link->jit = sg_jit_options(n, options, values);
    *out = (CUlinkState)(void *)link;
    return CUDA_SUCCESS;
}

SG_API(cuLinkAddData_v2, CUlinkState handle, CUjitInputType type, void *data, size_t n_bytes,
    const char *name, unsigned n, CUjit_option *options, void **values)
{
    SG_ENTER();
    struct link *link = NULL;
    SG_TRY(link_of(handle, &link));
    (void)name, (void)n, (void)options, (void)values;
    return link_add(link, type, data, n_bytes);
}

SG_API(cuLinkAddFile_v2, CUlinkState handle, CUjitInputType type, const char *path, unsigned n,
    CUjit_option *options, void **values)
{
    SG_ENTER();
    struct link *link = NULL;
    size_t n_bytes = 0;
    SG_TRY(link_of(handle, &link));
    SG_CHECK(path, CUDA_ERROR_INVALID_VALUE);
    (void)n, (void)options, (void)values;
    char *bytes = read_file(path, &n_bytes);
    SG_CHECK(bytes, CUDA_ERROR_FILE_NOT_FOUND);
    const CUresult result = link_add(link, type, bytes, n_bytes);
    free(bytes);
    return result;
}

/* A real driver gives a cubin here. Ours gives the PTX, which cuModuleLoadData takes back; README.md says so. */
SG_API(cuLinkComplete, CUlinkState handle, void **image, size_t *n_bytes)
{
    SG_ENTER();
    struct link *link = NULL;
    char error[512] = "";
    SG_TRY(link_of(handle, &link));
    SG_CHECK(image && link->n_bytes, CUDA_ERROR_INVALID_VALUE);
    struct sg_module *code = sg_module_load(link->text, link->n_bytes, error, sizeof error);
    if (!code) {
        sg_jit_error(&link->jit, error);
        return CUDA_ERROR_INVALID_PTX;
    }
    sg_module_free(code);
    *image = link->text;
    if (n_bytes)
        *n_bytes = link->n_bytes + 1;
    return CUDA_SUCCESS;
}

SG_API(cuLinkDestroy, CUlinkState handle)
{
    SG_ENTER();
    struct link *link = NULL;
    SG_TRY(link_of(handle, &link));
    free(link->text);
    link->text = NULL;
    link->n_bytes = 0;
    link->tag = SG_DEAD;
    return CUDA_SUCCESS;
}
