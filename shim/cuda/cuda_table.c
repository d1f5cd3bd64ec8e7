/* Accumulator tables: found by (context, stream), sized before a launch, grown between launches, never shrunk. Memory is
 * allocated under relaxed capture rules and zeroed in stream order. */
#include "shim/cuda/cuda_table.h"

#include <stdlib.h>
#include <string.h>

#include "shim/cuda/cuda_decide.h"
#include "shim/cuda/cuda_driver.h"
#include "shim/cuda/cuda_order.h"
#include "shim/policy/policy.h"

enum { SLAB_BYTES = 64 * 1024, REPORT_BYTES = 128, HEADS_BYTES = 256 * 1024 };

CUstream det_stream_normal(CUstream stream, bool per_thread)
{
    if (stream == CU_STREAM_LEGACY)
        return NULL;
    return stream == NULL && per_thread ? CU_STREAM_PER_THREAD : stream;
}

CUstreamCaptureMode det_capture_relax(void)
{
    CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_RELAXED;
    if (det_driver()->cuThreadExchangeStreamCaptureMode != NULL)
        det_driver()->cuThreadExchangeStreamCaptureMode(&mode);
    return mode;
}

void det_capture_restore(CUstreamCaptureMode mode)
{
    if (det_driver()->cuThreadExchangeStreamCaptureMode != NULL)
        det_driver()->cuThreadExchangeStreamCaptureMode(&mode);
}

static uint64_t folds_launched(const struct det_table *table, uint64_t *done)
{
    uint64_t launched = 0;
    *done = 0;
    for (const struct det_report *r = table->reports; r != NULL; r = r->next) {
        launched += atomic_load(&r->launched);
        *done += r->host->folds;
    }
    return launched;
}

/* Map lock held. A table whose stream is gone and whose folds have all run. */
static struct det_table *table_idle(struct det_ctx *ctx)
{
    uint64_t done;
    for (struct det_table *t = atomic_load(&ctx->tables); t != NULL; t = t->next)
        if (t->idle && folds_launched(t, &done) == done)
            return t;
    return NULL;
}

struct det_table *det_table_get(struct det_ctx *ctx, CUstream stream, uint64_t capture)
{
    const uint64_t thread = stream == CU_STREAM_PER_THREAD ? det_thread() : 0;
    struct det_table *table;
    det_map_lock();
    for (table = atomic_load(&ctx->tables); table != NULL; table = table->next)
        if (table->stream == stream && table->thread == thread && table->capture == capture &&
            !table->idle)
            break;
    if (table == NULL)
        table = table_idle(ctx);
    if (table == NULL && (table = calloc(1, sizeof *table)) != NULL) {
        table->ctx = ctx;
        table->serial = det_serial();
        pthread_mutex_init(&table->lock, NULL);
        table->next = atomic_load(&ctx->tables);
        atomic_store(&ctx->tables, table);
    }
    if (table != NULL) {
        if (table->stream != stream || table->idle)
            table->flags_known = false;
        table->stream = stream;
        table->thread = thread;
        table->capture = capture;
        table->idle = false;
    }
    det_map_unlock();
    return table;
}

void det_table_rest(struct det_table *table)
{
    det_map_lock();
    table->idle = true;
    det_map_unlock();
}

struct gone {
    CUstream stream;
};

static void stream_gone(struct det_ctx *ctx, void *arg)
{
    const struct gone *const gone = arg;
    for (struct det_table *t = atomic_load(&ctx->tables); t != NULL; t = t->next)
        if (t->stream == gone->stream && t->capture == 0)
            t->idle = true;
}

void det_table_stream_gone(CUstream stream)
{
    if (stream == NULL || stream == CU_STREAM_LEGACY || stream == CU_STREAM_PER_THREAD)
        return;
    det_order_stream_gone(stream);
    det_ctx_each(stream_gone, &(struct gone){ stream });
}

/* Zero in the order of `stream`; a capturing stream must not record it, so a stream of our own does, at once. */
static CUresult zero(CUdeviceptr at, size_t n_bytes, CUstream stream, bool capturing)
{
    const struct det_driver *const cu = det_driver();
    CUstream own = NULL;
    if (!capturing)
        return cu->cuMemsetD8Async(at, 0, n_bytes, stream);
    CUresult status = cu->cuStreamCreate(&own, CU_STREAM_NON_BLOCKING);
    if (status != CUDA_SUCCESS)
        return status;
    status = cu->cuMemsetD8Async(at, 0, n_bytes, own);
    if (status == CUDA_SUCCESS)
        status = cu->cuStreamSynchronize(own);
    cu->cuStreamDestroy_v2(own);
    return status;
}

static CUresult write_head(
    CUdeviceptr at, const void *from, size_t n_bytes, CUstream stream, bool capturing)
{
    const struct det_driver *const cu = det_driver();
    CUstream own = NULL;
    if (!capturing)
        return cu->cuMemcpyHtoDAsync_v2(at, from, n_bytes, stream);
    CUresult status = cu->cuStreamCreate(&own, CU_STREAM_NON_BLOCKING);
    if (status != CUDA_SUCCESS)
        return status;
    status = cu->cuMemcpyHtoDAsync_v2(at, from, n_bytes, own);
    if (status == CUDA_SUCCESS)
        status = cu->cuStreamSynchronize(own);
    cu->cuStreamDestroy_v2(own);
    return status;
}

/* The outgrown allocation may still be in use by queued kernels: kept until the context is known to be idle. */
static void keep_old(struct det_table *table, CUdeviceptr at)
{
    CUdeviceptr *const list = realloc(table->old, (table->n_old + 1) * sizeof *list);
    if (list == NULL)
        return; /* leaked rather than freed under a running kernel */
    table->old = list;
    table->old[table->n_old++] = at;
}

/* slab_lock held. */
static void reserve_take(struct det_ctx *ctx)
{
    uint64_t n_bytes =
        ctx->ceiling_bytes > ctx->used_bytes ? ctx->ceiling_bytes - ctx->used_bytes : 0;
    ctx->reserve = 0;
    for (; n_bytes >= 1 << 20; n_bytes /= 2) /* less is better than nothing */
        if (det_driver()->cuMemAlloc_v2(&ctx->reserve, n_bytes) == CUDA_SUCCESS)
            return;
    ctx->reserve = 0;
}

void det_table_keep(struct det_ctx *ctx)
{
    if (det_policy()->scratch_mib == 0 || !det_rule_acts(DET_RULE_ATOMICS_EXACT))
        return;
    const CUstreamCaptureMode mode = det_capture_relax();
    pthread_mutex_lock(&ctx->slab_lock);
    if (!ctx->kept)
        reserve_take(ctx);
    ctx->kept = true;
    pthread_mutex_unlock(&ctx->slab_lock);
    det_capture_restore(mode);
}

/* Memory for a table, out of the reserve when there is one; the rest of it is taken back by reserve_take. */
static CUresult memory(struct det_ctx *ctx, CUdeviceptr *at, size_t n_bytes)
{
    pthread_mutex_lock(&ctx->slab_lock);
    if (ctx->reserve != 0)
        det_driver()->cuMemFree_v2(ctx->reserve);
    const CUresult status = det_driver()->cuMemAlloc_v2(at, n_bytes);
    if (ctx->reserve != 0) {
        ctx->used_bytes += status == CUDA_SUCCESS ? n_bytes : 0;
        reserve_take(ctx);
        ctx->used_bytes -= status == CUDA_SUCCESS ? n_bytes : 0;
    }
    pthread_mutex_unlock(&ctx->slab_lock);
    return status;
}

static CUresult table_alloc(struct det_table *table, uint32_t n_slots, CUstream stream)
{
    const struct det_driver *const cu = det_driver();
    struct det_acc_layout layout;
    CUdeviceptr base = 0;
    if (det_acc_plan(n_slots, 0, &layout) != DET_OK)
        return CUDA_ERROR_INVALID_VALUE;
    CUresult status = memory(table->ctx, &base, layout.total_bytes + HEADS_BYTES);
    if (status != CUDA_SUCCESS)
        return status;
    status = zero(base, layout.total_bytes, stream, table->capture != 0);
    if (status != CUDA_SUCCESS) {
        cu->cuMemFree_v2(base);
        return status;
    }
    if (table->base != 0)
        keep_old(table, table->base);
    table->base = base;
    table->layout = layout;
    table->heads_at = base + layout.total_bytes;
    table->n_heads = 0;
    table->ctx->used_bytes += layout.total_bytes - table->bytes;
    table->bytes = layout.total_bytes;
    return CUDA_SUCCESS;
}

CUresult det_table_reserve(struct det_table *table, uint64_t slots, CUstream stream)
{
    struct det_ctx *const ctx = table->ctx;
    const uint64_t have = table->base != 0 ? table->layout.n_slots : 0;
    const bool grow = table->grow;
    if (have != 0 && !grow && slots <= table->asked_slots)
        return CUDA_SUCCESS;
    const uint64_t others = ctx->used_bytes - table->bytes;
    const uint64_t room = ctx->ceiling_bytes > others ? ctx->ceiling_bytes - others : 0;
    uint64_t ceiling = det_acc_slots_in((size_t)room);
    if (ceiling == 0)
        ceiling =
            1024; /* the smallest table there is; a tiny ceiling still works, and says "table full" */
    uint64_t want = det_decide_slots(slots, have, ceiling, grow);
    table->grow = false;
    if (slots > table->asked_slots)
        table->asked_slots = slots;
    if (have != 0 && want <= have)
        return CUDA_SUCCESS;
    const CUstreamCaptureMode mode = det_capture_relax();
    CUresult status;
    do { /* memory the program took is not ours to fight for: smaller, down to what we have */
        status = table_alloc(table, (uint32_t)want, stream);
        want /= 2;
    } while (status == CUDA_ERROR_OUT_OF_MEMORY && want >= 1024 && want > have);
    det_capture_restore(mode);
    if (status == CUDA_ERROR_OUT_OF_MEMORY && have != 0)
        return CUDA_SUCCESS;
    return status;
}

/* Key of the head for twins of the cross-check that have no variables. */
#define CHECK_HEAD UINT64_MAX

CUresult det_table_head(
    struct det_table *table, const struct det_twin *twin, CUstream stream, CUdeviceptr *head)
{
    const bool check = (twin->variant & DET_TWIN_CHECK) != 0;
    const uint64_t serial = twin->n_vars != 0 ? twin->serial : check ? CHECK_HEAD : 0;
    const size_t vars_at = offsetof(struct det_acc_head, vars);
    _Alignas(struct det_acc_head) char text[DET_HEAD_BYTES] = { 0 };
    for (unsigned i = 0; i < table->n_heads; i++)
        if (table->heads[i].twin == serial) {
            *head = table->heads[i].device;
            return CUDA_SUCCESS;
        }
    const size_t n_bytes = vars_at + 8 * (size_t)twin->n_vars;
    if (n_bytes > sizeof text)
        return CUDA_ERROR_NOT_SUPPORTED;
    if (table->n_heads == HEADS_BYTES / DET_HEAD_BYTES || table->n_heads == DET_MAX_HEADS)
        return CUDA_ERROR_NOT_SUPPORTED;
    memset(&text, 0, sizeof text);
    det_acc_head_fill(&table->layout, table->base, twin->n_vars,
        det_acc_flags(table->ctx) | (check ? DET_ACC_CHECK : 0),
        (struct det_acc_head *)(void *)text);
    if (twin->n_vars != 0)
        memcpy(text + vars_at, twin->vars, 8 * (size_t)twin->n_vars);
    const CUdeviceptr at = table->heads_at + (CUdeviceptr)table->n_heads * DET_HEAD_BYTES;
    const CUstreamCaptureMode mode = det_capture_relax();
    const CUresult status = write_head(at, text, n_bytes, stream, table->capture != 0);
    det_capture_restore(mode);
    if (status != CUDA_SUCCESS)
        return status;
    table->heads[table->n_heads].twin = serial;
    table->heads[table->n_heads++].device = at;
    *head = at;
    return CUDA_SUCCESS;
}

/* Room for one report in mapped host memory. */
static bool slab_take(struct det_ctx *ctx, struct det_report *report)
{
    const struct det_driver *const cu = det_driver();
    bool ok = true;
    pthread_mutex_lock(&ctx->slab_lock);
    if (ctx->slab_host == NULL || ctx->slab_used + REPORT_BYTES > SLAB_BYTES) {
        void *host = NULL;
        CUdeviceptr device = 0;
        const CUstreamCaptureMode mode = det_capture_relax();
        ok = cu->cuMemHostAlloc(&host, SLAB_BYTES, CU_MEMHOSTALLOC_DEVICEMAP) == CUDA_SUCCESS &&
             cu->cuMemHostGetDevicePointer_v2(&device, host, 0) == CUDA_SUCCESS;
        det_capture_restore(mode);
        if (ok) {
            memset(host, 0, SLAB_BYTES);
            ctx->slab_host = host;
            ctx->slab_device = device;
            ctx->slab_used = 0;
        }
    }
    if (ok) {
        report->host = (volatile struct det_acc_report *)(void *)(ctx->slab_host + ctx->slab_used);
        report->device = ctx->slab_device + ctx->slab_used;
        ctx->slab_used += REPORT_BYTES;
    }
    pthread_mutex_unlock(&ctx->slab_lock);
    return ok;
}

struct det_report *det_table_report(
    struct det_table *table, struct det_ledger_row *row, const char *name)
{
    for (struct det_report *r = table->reports; r != NULL; r = r->next)
        if (r->row == row)
            return r;
    struct det_report *const report = calloc(1, sizeof *report);
    if (report == NULL)
        return NULL;
    report->row = row;
    report->name = strdup(name);
    if (report->name == NULL || !slab_take(table->ctx, report)) {
        free(report->name);
        free(report);
        return NULL;
    }
    report->next = table->reports;
    __atomic_store_n(&table->reports, report, __ATOMIC_RELEASE);
    return report;
}

void det_table_settle(struct det_ctx *ctx)
{
    CUdeviceptr dead[64];
    unsigned n = 0;
    uint64_t done;
    det_map_lock();
    for (struct det_table *t = atomic_load(&ctx->tables); t != NULL; t = t->next)
        while (t->n_old > 0 && n < 64 && t->capture == 0 && folds_launched(t, &done) == done)
            dead[n++] = t->old[--t->n_old];
    det_map_unlock();
    for (unsigned i = 0; i < n; i++)
        det_driver()->cuMemFree_v2(dead[i]);
}
