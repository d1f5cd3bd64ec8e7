/* Handles to records. Every map hangs on one lock, held for a look-up and never while the driver is called; records that
 * need the driver are filled first and published after. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shim/cuda/cuda_digest.h"
#include "shim/cuda/cuda_driver.h"
#include "shim/cuda/cuda_graph.h"
#include "shim/cuda/cuda_order.h"
#include "shim/cuda/cuda_shim.h"
#include "shim/cuda/cuda_table.h"
#include "shim/cuda/cuda_state.h"
#include "shim/policy/policy.h"

struct unit_handle {
    const void *handle;
    struct det_unit *unit;
    UT_hash_handle hh;
};

static pthread_mutex_t map_lock = PTHREAD_MUTEX_INITIALIZER;
static struct unit_handle *units;
static struct det_fn *fns;
static struct det_ctx *contexts;

void det_map_lock(void)
{
    pthread_mutex_lock(&map_lock);
}

void det_map_unlock(void)
{
    pthread_mutex_unlock(&map_lock);
}

void det_cuda_fork_child(void)
{
    static const pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;
    memcpy(&map_lock, &fresh, sizeof map_lock);
    units = NULL;
    fns = NULL;
    contexts = NULL;
    det_graph_fork_child();
    det_order_fork_child();
    det_digest_fork_child();
}

uint64_t det_serial(void)
{
    static _Atomic uint64_t last;
    return atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
}

uint64_t det_thread(void)
{
    static _Atomic uint64_t last;
    static __thread uint64_t mine;
    if (mine == 0)
        mine = atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
    return mine;
}

static void handle_add(const void *handle, struct det_unit *unit)
{
    struct unit_handle *entry = NULL;
    det_map_lock();
    HASH_FIND_PTR(units, &handle, entry);
    if (entry == NULL && (entry = calloc(1, sizeof *entry)) != NULL) {
        entry->handle = handle;
        HASH_ADD_PTR(units, handle, entry);
    }
    if (entry != NULL)
        entry->unit = unit;
    det_map_unlock();
}

void det_unit_add(struct det_unit *unit)
{
    handle_add(unit->handle, unit);
}

void det_unit_alias(const void *handle, struct det_unit *unit)
{
    handle_add(handle, unit);
}

struct det_unit *det_unit_find(const void *handle)
{
    struct unit_handle *entry = NULL;
    det_map_lock();
    HASH_FIND_PTR(units, &handle, entry);
    struct det_unit *const unit = entry != NULL ? entry->unit : NULL;
    det_map_unlock();
    return unit;
}

static void twins_free(struct det_unit *unit)
{
    struct det_twin *twin = atomic_load(&unit->twins), *next;
    for (; twin != NULL; twin = next) {
        next = twin->next;
        free(twin->fn);
        free(twin->vars);
        free(twin->var_bytes);
        free(twin->consts);
        free(twin);
    }
}

static void unit_free(struct det_unit *unit)
{
    struct det_kern *kern, *next;
    HASH_ITER(hh, unit->kernels, kern, next)
    {
        HASH_DEL(unit->kernels, kern);
        free(kern->name);
        free(kern);
    }
    for (unsigned i = 0; i < unit->n_codes; i++) {
        struct det_code *const code = &unit->code[i];
        det_bytes_free(&code->packed);
        if (code->twin_made && code->twin_err == DET_OK)
            det_ptx_twin_free(&code->twin);
        for (int v = 0; v < DET_TWIN_TEXT; v++)
            if (code->other[v].made && code->other[v].err == DET_OK)
                det_ptx_twin_free(&code->other[v].twin);
        det_ptx_free(code->module);
    }
    free(unit->code);
    twins_free(unit);
    free(unit);
}

/* Lock held. */
static void handles_of_unit_drop(const struct det_unit *unit)
{
    struct det_fn *fn, *next_fn;
    HASH_ITER(hh, fns, fn, next_fn)
    {
        if (fn->kern->unit != unit)
            continue;
        HASH_DEL(fns, fn);
        free(fn);
    }
    struct unit_handle *entry, *next;
    HASH_ITER(hh, units, entry, next)
    {
        if (entry->unit != unit)
            continue;
        HASH_DEL(units, entry);
        free(entry);
    }
}

void det_unit_drop(const void *handle)
{
    struct unit_handle *entry = NULL;
    struct det_unit *unit = NULL;
    det_map_lock();
    HASH_FIND_PTR(units, &handle, entry);
    if (entry != NULL) {
        unit = entry->unit;
        handles_of_unit_drop(unit);
    }
    det_map_unlock();
    if (unit != NULL)
        unit_free(unit);
}

void det_fn_add(const void *handle, struct det_kern *kern)
{
    struct det_fn *fn = NULL;
    if (kern == NULL)
        return;
    det_map_lock();
    HASH_FIND_PTR(fns, &handle, fn);
    if (fn == NULL && (fn = calloc(1, sizeof *fn)) != NULL) {
        fn->handle = handle;
        HASH_ADD_PTR(fns, handle, fn);
    }
    if (fn != NULL)
        fn->kern = kern;
    det_map_unlock();
}

struct det_kern *det_fn_find(const void *handle)
{
    struct det_fn *fn = NULL;
    det_map_lock();
    HASH_FIND_PTR(fns, &handle, fn);
    struct det_kern *const kern = fn != NULL ? fn->kern : NULL;
    det_map_unlock();
    return kern;
}

struct det_kern *det_kern_get(struct det_unit *unit, const char *name)
{
    struct det_kern *kern = NULL;
    det_map_lock();
    HASH_FIND_STR(unit->kernels, name, kern);
    if (kern == NULL && (kern = calloc(1, sizeof *kern)) != NULL) {
        kern->unit = unit;
        kern->name = strdup(name);
        kern->cache_config = kern->shared_config = -1;
        if (kern->name == NULL) {
            free(kern);
            kern = NULL;
        } else {
            HASH_ADD_KEYPTR(hh, unit->kernels, kern->name, strlen(kern->name), kern);
        }
    }
    det_map_unlock();
    return kern;
}

/* --- contexts --- */

/* A twentieth of device memory unless the user named a figure. */
static uint64_t ceiling(uint64_t memory_bytes)
{
    const uint64_t mib = det_policy()->scratch_mib;
    return mib != 0 ? mib << 20 : memory_bytes / 20;
}

/* The runtime gets its context by a private way, so the question is put to the driver; an active one is not made anew. */
static bool is_primary(CUcontext handle, CUdevice device)
{
    const struct det_driver *const cu = det_driver();
    unsigned flags = 0;
    int active = 0;
    CUcontext primary = NULL;
    if (cu->cuDevicePrimaryCtxGetState == NULL || cu->cuDevicePrimaryCtxRetain == NULL ||
        cu->cuDevicePrimaryCtxRelease_v2 == NULL ||
        cu->cuDevicePrimaryCtxGetState(device, &flags, &active) != CUDA_SUCCESS || !active ||
        cu->cuDevicePrimaryCtxRetain(&primary, device) != CUDA_SUCCESS)
        return false;
    cu->cuDevicePrimaryCtxRelease_v2(device);
    return primary == handle;
}

/* `handle` is current. */
static struct det_ctx *context_make(CUcontext handle)
{
    const struct det_driver *const cu = det_driver();
    struct det_ctx *const ctx = calloc(1, sizeof *ctx);
    int major = 0, minor = 0, n_sms = 1, optin = 0;
    size_t total = 0;
    if (ctx == NULL || cu->cuCtxGetDevice == NULL || cu->cuCtxGetDevice(&ctx->device) != 0) {
        free(ctx);
        return NULL;
    }
    const CUdevice device = ctx->device;
    cu->cuDeviceGetAttribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device);
    cu->cuDeviceGetAttribute(&minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device);
    cu->cuDeviceGetAttribute(&n_sms, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, device);
    cu->cuDeviceGetAttribute(&optin, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, device);
    if (cu->cuDeviceTotalMem_v2 != NULL)
        cu->cuDeviceTotalMem_v2(&total, device);
    ctx->handle = handle;
    ctx->serial = det_serial();
    ctx->primary = is_primary(handle, device);
    ctx->sm = (unsigned)(10 * major + minor);
    ctx->n_sms = n_sms > 0 ? (unsigned)n_sms : 1;
    ctx->max_shared_optin = optin;
    ctx->memory_bytes = total;
    ctx->ceiling_bytes = ceiling(total);
    pthread_mutex_init(&ctx->slab_lock, NULL);
    return ctx;
}

struct det_ctx *det_ctx_find(CUcontext handle)
{
    struct det_ctx *ctx = NULL;
    det_map_lock();
    HASH_FIND_PTR(contexts, &handle, ctx);
    det_map_unlock();
    return ctx;
}

static struct det_ctx *context_get(CUcontext handle, CUcontext current)
{
    const struct det_driver *const cu = det_driver();
    struct det_ctx *ctx = handle != NULL ? det_ctx_find(handle) : NULL;
    if (ctx != NULL || handle == NULL)
        return ctx;
    if (handle != current && cu->cuCtxPushCurrent_v2(handle) != CUDA_SUCCESS)
        return NULL;
    struct det_ctx *const made = context_make(handle);
    CUcontext popped;
    if (handle != current)
        cu->cuCtxPopCurrent_v2(&popped);
    if (made == NULL)
        return NULL;
    det_map_lock();
    HASH_FIND_PTR(contexts, &handle, ctx);
    if (ctx == NULL)
        HASH_ADD_PTR(contexts, handle, made);
    det_map_unlock();
    if (ctx == NULL)
        return made;
    free(made);
    return ctx;
}

struct det_ctx *det_ctx_current(void)
{
    const struct det_driver *const cu = det_driver();
    CUcontext current = NULL;
    if (cu->cuCtxGetCurrent == NULL || cu->cuCtxGetCurrent(&current) != CUDA_SUCCESS)
        return NULL;
    return context_get(current, current);
}

struct det_ctx *det_ctx_get(CUcontext handle)
{
    CUcontext current = NULL;
    det_driver()->cuCtxGetCurrent(&current);
    return context_get(handle, current);
}

struct det_ctx *det_ctx_of(CUstream stream)
{
    const struct det_driver *const cu = det_driver();
    CUcontext current = NULL, handle = NULL;
    if (cu->cuCtxGetCurrent == NULL || cu->cuCtxGetCurrent(&current) != CUDA_SUCCESS)
        return NULL;
    if (stream == NULL || stream == CU_STREAM_LEGACY || stream == CU_STREAM_PER_THREAD ||
        cu->cuStreamGetCtx == NULL || cu->cuStreamGetCtx(stream, &handle) != CUDA_SUCCESS)
        handle = current;
    return context_get(handle, current);
}

static void tables_free(struct det_ctx *ctx)
{
    struct det_table *table = atomic_load(&ctx->tables), *next;
    for (; table != NULL; table = next) {
        next = table->next;
        for (struct det_report *report = table->reports, *after; report != NULL; report = after) {
            after = report->next;
            free(report->name);
            free(report);
        }
        free(table->old);
        free(table->recents);
        free(table);
    }
}

/* Lock held. */
static struct det_unit *module_of(CUcontext ctx)
{
    for (struct unit_handle *entry = units; entry != NULL; entry = entry->hh.next)
        if (!entry->unit->library && entry->unit->ctx == ctx)
            return entry->unit;
    return NULL;
}

void det_ctx_drop(CUcontext handle)
{
    struct det_ctx *ctx = NULL;
    det_map_lock();
    HASH_FIND_PTR(contexts, &handle, ctx);
    if (ctx != NULL)
        HASH_DEL(contexts, ctx);
    struct det_unit *unit;
    while ((unit = module_of(handle)) != NULL) { /* its modules died with it; libraries live on */
        handles_of_unit_drop(unit);
        unit_free(unit);
    }
    det_map_unlock();
    if (ctx == NULL)
        return;
    det_graph_context_gone(ctx);
    tables_free(ctx);
    free(ctx);
}

void det_ctx_each(void (*each)(struct det_ctx *ctx, void *arg), void *arg)
{
    det_map_lock();
    for (struct det_ctx *ctx = contexts, *next; ctx != NULL; ctx = next) {
        next = ctx->hh.next;
        if (!ctx->going)
            each(ctx, arg);
    }
    det_map_unlock();
}

void det_ctx_going(CUcontext handle, bool going)
{
    struct det_ctx *ctx = NULL;
    det_map_lock();
    HASH_FIND_PTR(contexts, &handle, ctx);
    if (ctx != NULL)
        ctx->going = going;
    det_map_unlock();
    if (!going)
        det_reports_expect(); /* what nobody read meanwhile */
}
