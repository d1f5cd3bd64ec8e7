/* Twins: the second module of an image, holding only rewritten kernels, compiled by the real driver in the context of the
 * launch. Built at most once per context; what the driver refuses is remembered with its reason. */
#include <stdlib.h>
#include <string.h>

#include "detshim/detshim.h"
#include "shim/core/io.h"
#include "shim/cuda/cuda_cache.h"
#include "shim/cuda/cuda_driver.h"
#include "shim/cuda/cuda_state.h"
#include "shim/cuda/cuda_table.h"
#include "shim/policy/policy.h"

static void why(struct det_twin *twin, const char *what, CUresult error)
{
    struct det_line line = { .at = twin->reason, .n = 0, .cap = sizeof twin->reason, .cut = false };
    twin->error = error;
    det_line_printf(&line, "%s (error %d)", what, (int)error);
}

static void refused(struct det_twin *twin, const struct det_code *code, CUresult error)
{
    struct det_line line = { .at = twin->reason, .n = 0, .cap = sizeof twin->reason, .cut = false };
    twin->error = error;
    if (error == CUDA_ERROR_UNSUPPORTED_PTX_VERSION || error == CUDA_ERROR_INVALID_PTX) {
        const unsigned version = det_ptx_version(code->module);
        det_line_printf(&line, "driver cannot compile PTX %u.%u (error %d)", version / 10,
            version % 10, (int)error);
        return;
    }
    why(twin, "driver refused the twin", error);
}

/* Settings the program made on its own handle before the twin existed, or after. */
static void replay(const struct det_kern *kern, struct det_twin_fn *fn)
{
    const struct det_driver *const cu = det_driver();
    for (unsigned i = 0; i < kern->n_attr; i++)
        if (cu->cuFuncSetAttribute != NULL)
            cu->cuFuncSetAttribute(fn->function, kern->attr[i].attr, kern->attr[i].value);
    if (kern->cache_config >= 0 && cu->cuFuncSetCacheConfig != NULL)
        cu->cuFuncSetCacheConfig(fn->function, (CUfunc_cache)kern->cache_config);
    if (kern->shared_config >= 0 && cu->cuFuncSetSharedMemConfig != NULL)
        cu->cuFuncSetSharedMemConfig(fn->function, (CUsharedconfig)kern->shared_config);
    cu->cuFuncGetAttribute(&fn->max_threads, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, fn->function);
    cu->cuFuncGetAttribute(&fn->static_shared, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES, fn->function);
    if (cu->cuFuncGetAttribute(&fn->max_dynamic, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
            fn->function) != CUDA_SUCCESS)
        fn->max_dynamic = 0;
}

static CUresult find_functions(struct det_twin *twin, struct det_unit *unit,
    const struct det_ptx_twin *text, const bool *without)
{
    const struct det_driver *const cu = det_driver();
    twin->n_fn = text->n_kernels;
    twin->fn = calloc(text->n_kernels != 0 ? text->n_kernels : 1, sizeof *twin->fn);
    if (twin->fn == NULL)
        return CUDA_ERROR_OUT_OF_MEMORY;
    for (size_t i = 0; i < text->n_kernels; i++) {
        if (text->kernels[i].missing || (without != NULL && without[i]))
            continue; /* its launches run the original */
        const char *const name = text->kernels[i].name;
        const CUresult status =
            twin->borrowed ? det_marked_function(twin->module, name, &twin->fn[i].function)
                           : cu->cuModuleGetFunction(&twin->fn[i].function, twin->module, name);
        if (status != CUDA_SUCCESS)
            return status;
        const struct det_kern *const kern = det_kern_get(unit, name);
        if (kern != NULL)
            replay(kern, &twin->fn[i]);
    }
    return CUDA_SUCCESS;
}

static CUresult original_variable(
    const struct det_unit *unit, const char *name, CUdeviceptr *at, size_t *n_bytes)
{
    const struct det_driver *const cu = det_driver();
    if (unit->handle == NULL)
        return CUDA_ERROR_NOT_FOUND;
    return unit->library ? cu->cuLibraryGetGlobal(at, n_bytes, (CUlibrary)unit->handle, name)
                         : cu->cuModuleGetGlobal_v2(at, n_bytes, (CUmodule)unit->handle, name);
}

/* Variables live in the original module: host code reads and writes them there. */
static CUresult find_variables(
    struct det_twin *twin, const struct det_unit *unit, const struct det_ptx_twin *text)
{
    twin->n_vars = (uint32_t)text->n_variables;
    twin->vars = calloc(text->n_variables + 1, sizeof *twin->vars);
    twin->var_bytes = calloc(text->n_variables + 1, sizeof *twin->var_bytes);
    if (twin->vars == NULL || twin->var_bytes == NULL)
        return CUDA_ERROR_OUT_OF_MEMORY;
    for (size_t i = 0; i < text->n_variables; i++) {
        CUdeviceptr at = 0;
        size_t n_bytes = 0;
        const CUresult status = original_variable(unit, text->variables[i], &at, &n_bytes);
        if (status != CUDA_SUCCESS)
            return status;
        twin->vars[i] = at;
        twin->var_bytes[i] = n_bytes;
    }
    return CUDA_SUCCESS;
}

/* Constants are read by the twin in its own module; what the host writes to the original's is copied before launches. */
static CUresult find_constants(
    struct det_twin *twin, const struct det_unit *unit, const struct det_ptx_twin *text)
{
    const struct det_driver *const cu = det_driver();
    twin->consts = calloc(text->n_const_variables + 1, sizeof *twin->consts);
    if (twin->consts == NULL)
        return CUDA_ERROR_OUT_OF_MEMORY;
    for (size_t i = 0; i < text->n_const_variables; i++) {
        struct det_copy *const copy = &twin->consts[twin->n_consts];
        const char *const name = text->const_variables[i];
        size_t n_bytes = 0;
        /* What the twin's compiler dropped, nothing reads; what the original's dropped, no host can write. */
        if (cu->cuModuleGetGlobal_v2(&copy->to, &n_bytes, twin->module, name) != CUDA_SUCCESS ||
            original_variable(unit, name, &copy->from, &copy->n_bytes) != CUDA_SUCCESS)
            continue;
        if (copy->n_bytes != n_bytes)
            return CUDA_ERROR_INVALID_VALUE;
        if (copy->from == copy->to) /* in one module there is nothing to copy */
            continue;
        twin->n_consts++;
    }
    return CUDA_SUCCESS;
}

/* 64 registers let the largest block, 1,024 threads, run on every device of compute capability 6.0 and later. */
static void cap_registers(struct det_jit *jit)
{
    unsigned at = 0;
    while (at < jit->n && jit->option[at] != CU_JIT_MAX_REGISTERS)
        at++;
    if (at == DET_MAX_JIT)
        return;
    jit->option[at] = CU_JIT_MAX_REGISTERS;
    jit->value[at] = (void *)(uintptr_t)64;
    if (at == jit->n)
        jit->n++;
}

static CUresult load_plain(struct det_twin *twin, const struct det_jit *jit, const char *text)
{
    struct det_jit again = *jit; /* the driver writes into the values of some options */
    const CUresult status = det_driver()->cuModuleLoadDataEx(&twin->module, text, again.n,
        again.n != 0 ? again.option : NULL, again.n != 0 ? again.value : NULL);
    if (status != CUDA_SUCCESS)
        twin->module = NULL;
    return status;
}

/* Everything that decides the machine code. */
static struct det_cache_key key_of(const struct det_jit *jit, const char *text, unsigned sm)
{
    const struct det_driver *const cu = det_driver();
    struct det_bytes all = { 0 };
    int driver = 0;
    if (cu->cuDriverGetVersion != NULL)
        cu->cuDriverGetVersion(&driver);
    /* Of two drivers of one CUDA version the compilers may differ: the kernel module names the build. */
    det_io_read_file("/sys/module/nvidia/version", 256, &all);
    det_bytes_printf(&all, " detshim %s driver %d sm %u", DETSHIM_VERSION, driver, sm);
    for (unsigned i = 0; i < jit->n; i++)
        det_bytes_printf(&all, " jit %d=%llx", (int)jit->option[i],
            (unsigned long long)(uintptr_t)jit->value[i]);
    det_bytes_text(&all, "\n");
    det_bytes_text(&all, text);
    const struct det_cache_key key = det_cache_key(all.data, all.n_bytes);
    const bool ok = det_bytes_check(&all) == DET_OK;
    det_bytes_free(&all);
    return ok ? key : (struct det_cache_key){ 0, 0 };
}

/* Machine code of `text` from the linker: the driver does not give what it compiles at a load. */
static bool compile(const struct det_jit *jit, const char *text, struct det_bytes *code)
{
    const struct det_driver *const cu = det_driver();
    struct det_jit again = *jit;
    CUlinkState link = NULL;
    void *cubin = NULL;
    size_t n_bytes = 0;
    if (cu->cuLinkCreate_v2 == NULL || cu->cuLinkAddData_v2 == NULL || cu->cuLinkComplete == NULL ||
        cu->cuLinkDestroy == NULL ||
        cu->cuLinkCreate_v2(again.n, again.n != 0 ? again.option : NULL,
            again.n != 0 ? again.value : NULL, &link) != CUDA_SUCCESS)
        return false;
    if (cu->cuLinkAddData_v2(link, CU_JIT_INPUT_PTX, (void *)(uintptr_t)text, strlen(text) + 1,
            "detshim", 0, NULL, NULL) == CUDA_SUCCESS &&
        cu->cuLinkComplete(link, &cubin, &n_bytes) == CUDA_SUCCESS)
        det_bytes_append(code, cubin, n_bytes);
    cu->cuLinkDestroy(link);
    return code->n_bytes != 0 && det_bytes_check(code) == DET_OK;
}

static CUresult load(
    struct det_twin *twin, const struct det_jit *jit, const char *text, unsigned sm)
{
    static const struct det_jit none;
    const char *const folder = det_cache_folder();
    struct det_bytes code = { 0 };
    CUresult status = CUDA_ERROR_NOT_FOUND;
    if (folder == NULL)
        return load_plain(twin, jit, text);
    const struct det_cache_key key = key_of(jit, text, sm);
    if (det_cache_find(folder, &key, &code))
        status = load_plain(twin, &none, code.data);
    det_log_counter(status == CUDA_SUCCESS ? "twins from the cache" : "twins not in the cache", 1);
    if (status != CUDA_SUCCESS) { /* or one this driver does not take: replaced */
        det_bytes_free(&code);
        if (compile(jit, text, &code))
            status = load_plain(twin, &none, code.data);
        if (status == CUDA_SUCCESS)
            det_log_counter("twins compiled for the cache", 1);
        if (status == CUDA_SUCCESS && det_cache_store(folder, &key, code.data, code.n_bytes))
            det_log_counter("twins stored in the cache", 1);
    }
    det_bytes_free(&code);
    return status == CUDA_SUCCESS ? status : load_plain(twin, jit, text);
}

/* The driver refused the whole: which kernels does it refuse alone? Loads the twin without those. */
static CUresult load_without(struct det_twin *twin, struct det_unit *unit, unsigned index,
    const struct det_jit *jit, bool *without)
{
    struct det_ptx_twin part = { 0 };
    const size_t n = unit->code[index].twin.n_kernels;
    bool *const alone = calloc(n + 1, sizeof *alone);
    CUresult status = alone == NULL ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_SUCCESS;
    for (size_t i = 0; i < n && status == CUDA_SUCCESS; i++) {
        memset(alone, 1, n);
        alone[i] = false;
        without[i] = unit->code[index].twin.kernels[i].missing ||
                     det_code_twin_without(unit, index, twin->variant, alone, &part) != DET_OK ||
                     load(twin, jit, part.text.data, unit->code[index].sm) != CUDA_SUCCESS;
        if (twin->module != NULL)
            det_driver()->cuModuleUnload(twin->module);
        twin->module = NULL;
        det_ptx_twin_free(&part);
    }
    free(alone);
    if (status == CUDA_SUCCESS &&
        det_code_twin_without(unit, index, twin->variant, without, &part) != DET_OK)
        status = CUDA_ERROR_INVALID_PTX;
    if (status == CUDA_SUCCESS)
        status = load(twin, jit, part.text.data, unit->code[index].sm);
    det_ptx_twin_free(&part);
    return status;
}

static void unload(struct det_twin *twin)
{
    if (twin->module != NULL && !twin->borrowed)
        det_driver()->cuModuleUnload(twin->module);
    twin->module = NULL;
}

/* Context current. */
static void build(struct det_twin *twin, struct det_unit *unit, unsigned index)
{
    const char *text_why = "";
    const struct det_ptx_twin *const text = det_code_twin(unit, index, twin->variant, &text_why);
    struct det_jit jit = unit->jit;
    if (twin->variant & DET_TWIN_CAPPED)
        cap_registers(&jit);
    twin->error = CUDA_ERROR_INVALID_SOURCE;
    if (text == NULL) {
        why(twin, text_why, twin->error);
        return;
    }
    bool *const without = calloc(text->n_kernels + 1, sizeof *without);
    CUresult status = CUDA_SUCCESS;
    if (unit->code[index].beside && twin->variant == 0)
        twin->module = det_marked_module(unit, text->kernels[0].name);
    twin->borrowed = twin->module != NULL;
    if (!twin->borrowed)
        status = load(twin, &jit, text->text.data, unit->code[index].sm);
    if (status != CUDA_SUCCESS && status != CUDA_ERROR_UNSUPPORTED_PTX_VERSION &&
        status != CUDA_ERROR_OUT_OF_MEMORY && text->n_kernels > 1 && without != NULL)
        status = load_without(twin, unit, index, &jit, without);
    if (status != CUDA_SUCCESS) {
        free(without);
        refused(twin, &unit->code[index], status);
        return;
    }
    twin->error = CUDA_SUCCESS;
    status = find_functions(twin, unit, text, without);
    free(without);
    if (status != CUDA_SUCCESS)
        why(twin, "twin lacks a kernel", status);
    else if ((status = find_variables(twin, unit, text)) != CUDA_SUCCESS)
        why(twin, "cannot find a module variable", status);
    else if ((status = find_constants(twin, unit, text)) != CUDA_SUCCESS)
        why(twin, "cannot match a module constant", status);
    if (status != CUDA_SUCCESS)
        unload(twin);
}

static const struct det_twin *twin_find(
    struct det_unit *unit, const struct det_ctx *ctx, unsigned variant)
{
    for (struct det_twin *t = atomic_load(&unit->twins); t != NULL; t = t->next)
        if (t->ctx_serial == ctx->serial && t->variant == variant)
            return t;
    return NULL;
}

const struct det_twin *det_twin_get(
    struct det_unit *unit, struct det_ctx *ctx, unsigned index, unsigned variant)
{
    const struct det_twin *found = twin_find(unit, ctx, variant);
    if (found != NULL)
        return found;
    struct det_twin *const made = calloc(1, sizeof *made);
    if (made == NULL)
        return NULL;
    made->serial = det_serial();
    made->ctx_serial = ctx->serial;
    made->variant = variant;
    const CUstreamCaptureMode mode = det_capture_relax();
    build(made, unit, index);
    det_capture_restore(mode);
    det_map_lock(); /* two threads may have built it: the first one counts */
    found = twin_find(unit, ctx, variant);
    if (found == NULL) {
        made->next = atomic_load(&unit->twins);
        atomic_store(&unit->twins, made);
    }
    det_map_unlock();
    if (found == NULL)
        return made;
    unload(made);
    free(made->fn);
    free(made->vars);
    free(made->var_bytes);
    free(made->consts);
    free(made);
    return found;
}

void det_twin_settings(struct det_kern *kern)
{
    for (struct det_twin *t = atomic_load(&kern->unit->twins); t != NULL; t = t->next) {
        for (unsigned i = 0; i < DET_MAX_SM_KINDS && t->module != NULL; i++) {
            const struct det_plan *const plan = &kern->plan[i];
            if (__atomic_load_n(&plan->ready, __ATOMIC_ACQUIRE) && plan->twin != NULL &&
                plan->twin_index < t->n_fn && t->fn[plan->twin_index].function != NULL)
                replay(kern, &t->fn[plan->twin_index]);
        }
    }
}

void det_twin_unload(struct det_unit *unit)
{
    for (struct det_twin *t = atomic_load(&unit->twins); t != NULL; t = t->next)
        unload(t);
}

CUfunction det_fold_get(struct det_ctx *ctx, CUresult *error)
{
    const struct det_driver *const cu = det_driver();
    int state = atomic_load_explicit(&ctx->fold_state, memory_order_acquire);
    if (state == 0) {
        CUmodule module = NULL;
        CUfunction fold = NULL;
        const CUstreamCaptureMode mode = det_capture_relax();
        CUresult status = cu->cuModuleLoadDataEx(&module, det_acc_fold_ptx, 0, NULL, NULL);
        if (status == CUDA_SUCCESS)
            status = cu->cuModuleGetFunction(&fold, module, DET_ACC_FOLD_KERNEL);
        det_capture_restore(mode);
        det_map_lock();
        state = atomic_load(&ctx->fold_state);
        if (state == 0) {
            ctx->fold = fold;
            ctx->fold_error = status;
            state = status == CUDA_SUCCESS ? 1 : -1;
            atomic_store_explicit(&ctx->fold_state, state, memory_order_release);
        }
        det_map_unlock();
    }
    *error = ctx->fold_error;
    return state == 1 ? ctx->fold : NULL;
}

uint32_t det_acc_flags(const struct det_ctx *ctx)
{
    (void)ctx;
    /* Not yet probed on a device: PTX says that atom.add.f32 on global memory flushes subnormals. */
    return DET_ACC_FLUSH_F32;
}
