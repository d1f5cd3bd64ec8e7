/* Loads and unloads of device code. The driver goes first: what it refuses is not our business beyond one line, what it
 * accepts is copied and read before the call returns, because the program may free it. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "shim/core/io.h"
#include "shim/cuda/cuda_driver.h"
#include "shim/cuda/cuda_owner.h"
#include "shim/cuda/cuda_state.h"
#include "shim/cuda/cuda_table.h"
#include "shim/loader/call.h"
#include "shim/policy/policy.h"

/* The largest image known is under 2 GiB; a length past this is a broken header. */
static const size_t max_image_bytes = (size_t)4 << 30;

/* Options with a plain value that change the code made; buffers, outputs and symbol lists are not repeated. */
static bool jit_kept(CUjit_option option)
{
    switch (option) {
    case CU_JIT_MAX_REGISTERS:
    case CU_JIT_THREADS_PER_BLOCK:
    case CU_JIT_OPTIMIZATION_LEVEL:
    case CU_JIT_TARGET_FROM_CUCONTEXT:
    case CU_JIT_TARGET:
    case CU_JIT_FALLBACK_STRATEGY:
    case CU_JIT_GENERATE_DEBUG_INFO:
    case CU_JIT_GENERATE_LINE_INFO:
    case CU_JIT_CACHE_MODE:
    case CU_JIT_FTZ:
    case CU_JIT_PREC_DIV:
    case CU_JIT_PREC_SQRT:
    case CU_JIT_FMA:
    case CU_JIT_POSITION_INDEPENDENT_CODE:
    case CU_JIT_MIN_CTA_PER_SM:
    case CU_JIT_MAX_THREADS_PER_BLOCK:
    case CU_JIT_OVERRIDE_DIRECTIVE_VALUES:
        return true;
    default:
        return false;
    }
}

static void jit_copy(
    struct det_jit *jit, unsigned n, const CUjit_option *options, void *const *values)
{
    if (options == NULL || values == NULL)
        return;
    for (unsigned i = 0; i < n && jit->n < DET_MAX_JIT; i++)
        if (jit_kept(options[i])) {
            jit->option[jit->n] = options[i];
            jit->value[jit->n++] = values[i];
        }
}

struct load {
    const void *image; /* NULL: read `file` */
    const char *file;
    const void *caller;
    bool library;
    unsigned n_options;
    const CUjit_option *options;
    void *const *values;
};

static void image_bytes(const struct load *load, struct det_bytes *bytes)
{
    const enum det_err err = load->image != NULL
                                 ? det_image_copy(load->image, max_image_bytes, bytes)
                                 : det_io_read_file(load->file, max_image_bytes, bytes);
    if (err != DET_OK)
        det_bytes_free(bytes);
}

static void remember(void *handle, const struct load *load)
{
    struct det_bytes bytes = { 0 };
    struct det_unit *const unit = calloc(1, sizeof *unit);
    CUcontext ctx = NULL;
    if (unit == NULL)
        return;
    unit->serial = det_serial();
    unit->handle = handle;
    unit->library = load->library;
    if (!load->library && det_driver()->cuCtxGetCurrent != NULL)
        det_driver()->cuCtxGetCurrent(&ctx);
    unit->ctx = ctx;
    unit->vendor = det_owner_is_vendor(load->caller) ||
                   (load->image != NULL && det_owner_is_vendor(load->image));
    pthread_mutex_init(&unit->lock, NULL);
    jit_copy(&unit->jit, load->n_options, load->options, load->values);
    image_bytes(load, &bytes);
    det_code_read(unit, bytes.data, bytes.n_bytes);
    det_bytes_free(&bytes);
    det_unit_add(unit);
    struct det_ctx *const here = det_policy()->scratch_mib != 0 ? det_ctx_current() : NULL;
    if (here != NULL)
        det_table_keep(here);
}

/* What we see wrong with an image: its form, a piece that does not unpack, PTX that does not parse. False: nothing. */
static bool fault(const struct det_bytes *bytes, struct det_line *line)
{
    struct det_image image = { 0 };
    enum det_err err =
        bytes->data != NULL ? det_image_read(bytes->data, bytes->n_bytes, &image) : DET_E_FORMAT;
    bool found = err != DET_OK;
    if (found)
        det_line_text(line, det_err_text(err));
    for (size_t i = 0; i < image.n_entries && !found; i++) {
        const struct det_image_entry *const entry = &image.entries[i];
        struct det_bytes text = { 0 };
        struct det_ptx_module *module = NULL;
        struct det_ptx_where where = { 0 };
        err = det_image_unpack(entry, &text);
        if (err == DET_OK && entry->kind == DET_IMAGE_PTX)
            err = det_ptx_parse(text.data, text.n_bytes, &module, &where);
        det_ptx_free(module);
        det_bytes_free(&text);
        found = err != DET_OK;
        if (found && where.text[0] != '\0')
            det_line_printf(line, "broken PTX, line %u: %s", where.line, where.text);
        else if (found)
            det_line_text(line, det_err_text(err));
    }
    det_image_free(&image);
    return found;
}

/* The driver refused: one line, with what is wrong with the image where we can tell. */
static void refused(CUresult status, const struct load *load)
{
    struct det_bytes bytes = { 0 };
    char text[256];
    struct det_line line = { .at = text, .n = 0, .cap = sizeof text, .cut = false };
    if (status != CUDA_ERROR_INVALID_IMAGE && status != CUDA_ERROR_INVALID_PTX &&
        status != CUDA_ERROR_INVALID_SOURCE && status != CUDA_ERROR_NO_BINARY_FOR_GPU &&
        status != CUDA_ERROR_UNSUPPORTED_PTX_VERSION)
        return;
    text[0] = '\0';
    image_bytes(load, &bytes);
    if (fault(&bytes, &line))
        det_log_note("driver refused a device code image (error %d): %s", (int)status, text);
    else
        det_log_note("driver refused a device code image (error %d)", (int)status);
    det_bytes_free(&bytes);
}

static void loaded(CUresult status, void *handle, const struct load *load)
{
    const int saved = errno;
    det_inside_begin();
    if (status == CUDA_SUCCESS)
        remember(handle, load);
    else
        refused(status, load);
    det_inside_end();
    errno = saved;
}

DET_EXPORT CUresult cuModuleLoad(CUmodule *module, const char *fname)
{
    if (!det_enter(DET_ID_cuModuleLoad))
        return DET_REAL(cuModuleLoad)(module, fname);

    const CUresult status = DET_REAL(cuModuleLoad)(module, fname);
    loaded(status, status == CUDA_SUCCESS ? *module : NULL,
        &(struct load){ .file = fname, .caller = __builtin_return_address(0) });
    det_leave(DET_ID_cuModuleLoad);
    return status;
}

DET_EXPORT CUresult cuModuleLoadData(CUmodule *module, const void *image)
{
    if (!det_enter(DET_ID_cuModuleLoadData))
        return DET_REAL(cuModuleLoadData)(module, image);

    const CUresult status = DET_REAL(cuModuleLoadData)(module, image);
    loaded(status, status == CUDA_SUCCESS ? *module : NULL,
        &(struct load){ .image = image, .caller = __builtin_return_address(0) });
    det_leave(DET_ID_cuModuleLoadData);
    return status;
}

DET_EXPORT CUresult cuModuleLoadDataEx(CUmodule *module, const void *image, unsigned int numOptions,
    CUjit_option *options, void **optionValues)
{
    if (!det_enter(DET_ID_cuModuleLoadDataEx))
        return DET_REAL(cuModuleLoadDataEx)(module, image, numOptions, options, optionValues);

    struct load load = { .image = image, .caller = __builtin_return_address(0) };
    struct det_jit jit = { 0 };
    jit_copy(&jit, numOptions, options, optionValues); /* before the call: some are outputs, too */
    load.n_options = jit.n;
    load.options = jit.option;
    load.values = jit.value;
    const CUresult status =
        DET_REAL(cuModuleLoadDataEx)(module, image, numOptions, options, optionValues);
    loaded(status, status == CUDA_SUCCESS ? *module : NULL, &load);
    det_leave(DET_ID_cuModuleLoadDataEx);
    return status;
}

DET_EXPORT CUresult cuModuleLoadFatBinary(CUmodule *module, const void *fatCubin)
{
    if (!det_enter(DET_ID_cuModuleLoadFatBinary))
        return DET_REAL(cuModuleLoadFatBinary)(module, fatCubin);

    const CUresult status = DET_REAL(cuModuleLoadFatBinary)(module, fatCubin);
    loaded(status, status == CUDA_SUCCESS ? *module : NULL,
        &(struct load){ .image = fatCubin, .caller = __builtin_return_address(0) });
    det_leave(DET_ID_cuModuleLoadFatBinary);
    return status;
}

DET_EXPORT CUresult cuLibraryLoadData(CUlibrary *library, const void *code,
    CUjit_option *jitOptions, void **jitOptionsValues, unsigned int numJitOptions,
    CUlibraryOption *libraryOptions, void **libraryOptionValues, unsigned int numLibraryOptions)
{
    if (!det_enter(DET_ID_cuLibraryLoadData))
        return DET_REAL(cuLibraryLoadData)(library, code, jitOptions, jitOptionsValues,
            numJitOptions, libraryOptions, libraryOptionValues, numLibraryOptions);

    struct load load = { .image = code, .caller = __builtin_return_address(0), .library = true };
    struct det_jit jit = { 0 };
    jit_copy(&jit, numJitOptions, jitOptions, jitOptionsValues);
    load.n_options = jit.n;
    load.options = jit.option;
    load.values = jit.value;
    const CUresult status = DET_REAL(cuLibraryLoadData)(library, code, jitOptions, jitOptionsValues,
        numJitOptions, libraryOptions, libraryOptionValues, numLibraryOptions);
    loaded(status, status == CUDA_SUCCESS ? *library : NULL, &load);
    det_leave(DET_ID_cuLibraryLoadData);
    return status;
}

DET_EXPORT CUresult cuLibraryLoadFromFile(CUlibrary *library, const char *fileName,
    CUjit_option *jitOptions, void **jitOptionsValues, unsigned int numJitOptions,
    CUlibraryOption *libraryOptions, void **libraryOptionValues, unsigned int numLibraryOptions)
{
    if (!det_enter(DET_ID_cuLibraryLoadFromFile))
        return DET_REAL(cuLibraryLoadFromFile)(library, fileName, jitOptions, jitOptionsValues,
            numJitOptions, libraryOptions, libraryOptionValues, numLibraryOptions);

    struct load load = { .file = fileName, .caller = __builtin_return_address(0), .library = true };
    struct det_jit jit = { 0 };
    jit_copy(&jit, numJitOptions, jitOptions, jitOptionsValues);
    load.n_options = jit.n;
    load.options = jit.option;
    load.values = jit.value;
    const CUresult status = DET_REAL(cuLibraryLoadFromFile)(library, fileName, jitOptions,
        jitOptionsValues, numJitOptions, libraryOptions, libraryOptionValues, numLibraryOptions);
    loaded(status, status == CUDA_SUCCESS ? *library : NULL, &load);
    det_leave(DET_ID_cuLibraryLoadFromFile);
    return status;
}

/* Launches of a module that is going have been queued; their reports stay in the tables. Twins go before the original:
 * they hold addresses of its variables. */
static void unloading(const void *handle)
{
    const int saved = errno;
    det_inside_begin();
    struct det_unit *const unit = det_unit_find(handle);
    if (unit != NULL) {
        det_twin_unload(unit);
        det_unit_drop(handle);
    }
    det_inside_end();
    errno = saved;
}

DET_EXPORT CUresult cuModuleUnload(CUmodule hmod)
{
    if (!det_enter(DET_ID_cuModuleUnload))
        return DET_REAL(cuModuleUnload)(hmod);

    unloading(hmod);
    const CUresult status = DET_REAL(cuModuleUnload)(hmod);
    det_leave(DET_ID_cuModuleUnload);
    return status;
}

DET_EXPORT CUresult cuLibraryUnload(CUlibrary library)
{
    if (!det_enter(DET_ID_cuLibraryUnload))
        return DET_REAL(cuLibraryUnload)(library);

    unloading(library);
    const CUresult status = DET_REAL(cuLibraryUnload)(library);
    det_leave(DET_ID_cuLibraryUnload);
    return status;
}

/* A host that knows a variable's address may write it: constants of the twin are refreshed from then on. */
static void symbol_asked(CUresult status, const void *handle)
{
    struct det_unit *const unit = status == CUDA_SUCCESS ? det_unit_find(handle) : NULL;
    if (unit != NULL)
        atomic_store(&unit->symbols_asked, true);
}

DET_EXPORT CUresult cuModuleGetGlobal_v2(
    CUdeviceptr *dptr, size_t *bytes, CUmodule hmod, const char *name)
{
    if (!det_enter(DET_ID_cuModuleGetGlobal_v2))
        return DET_REAL(cuModuleGetGlobal_v2)(dptr, bytes, hmod, name);

    const CUresult status = DET_REAL(cuModuleGetGlobal_v2)(dptr, bytes, hmod, name);
    symbol_asked(status, hmod);
    det_leave(DET_ID_cuModuleGetGlobal_v2);
    return status;
}

DET_EXPORT CUresult cuLibraryGetGlobal(
    CUdeviceptr *dptr, size_t *bytes, CUlibrary library, const char *name)
{
    if (!det_enter(DET_ID_cuLibraryGetGlobal))
        return DET_REAL(cuLibraryGetGlobal)(dptr, bytes, library, name);

    const CUresult status = DET_REAL(cuLibraryGetGlobal)(dptr, bytes, library, name);
    symbol_asked(status, library);
    det_leave(DET_ID_cuLibraryGetGlobal);
    return status;
}
