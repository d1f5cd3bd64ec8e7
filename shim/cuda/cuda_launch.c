/* Launches. The program's kernel runs exactly once: as itself, or as its twin with the fold queued behind it on the same
 * stream. Whatever speaks against the twin is found before anything is queued, and named in the ledger. */
#include "shim/cuda/cuda_launch.h"

#include <string.h>

#include "shim/cuda/cuda_driver.h"
#include "shim/cuda/cuda_graph.h"
#include "shim/cuda/cuda_order.h"
#include "shim/cuda/cuda_table.h"
#include "shim/loader/call.h"
#include "shim/policy/policy.h"

enum { MAX_RANGES = 64 };

/* All that a launch of a twin needs, found step by step. */
struct job {
    struct det_launch *launch;
    struct det_ctx *ctx;
    struct det_kern *kern;
    const struct det_plan *plan;
    const struct det_twin *twin;
    const struct det_twin_fn *fn;
    CUfunction fold;
    uint64_t capture;
    struct det_range targets[MAX_RANGES], guards[MAX_RANGES];
    size_t n_targets, n_guards;
    struct det_params params;
    CUlaunchAttribute attrs[DET_MAX_LAUNCH_ATTR];
    unsigned n_attrs, shared_bytes;
    bool cooperative, identity;
    struct det_launch_node *node; /* to be filled instead of a launch */
    unsigned code;                /* of the unit, for the context's device */
    unsigned variant;             /* of the twin */
    bool too_large;               /* the ordinary twin needs too many registers */
    struct det_ledger_row *row;   /* where the twin's launch is counted */
    struct det_order order;
    CUresult status;
};

/* Memory that the pointers at `offsets` of the parameter block lead to. */
static size_t find_ranges(
    const struct job *job, const uint32_t *offsets, size_t n, struct det_range out[MAX_RANGES])
{
    const struct det_driver *const cu = det_driver();
    const struct det_ptx_kernel *const ptx = job->plan->ptx;
    for (size_t i = 0; i < n; i++) {
        CUdeviceptr base = 0;
        size_t n_bytes = 0;
        out[i] = (struct det_range){ .id = offsets[i] };
        out[i].at = det_params_read(job->launch->params, job->launch->extra, ptx->param_offsets,
            ptx->param_sizes, ptx->n_params, offsets[i]);
        if (out[i].at != 0 && cu->cuMemGetAddressRange_v2 != NULL &&
            cu->cuMemGetAddressRange_v2(&base, &n_bytes, out[i].at) == CUDA_SUCCESS)
            out[i].bytes = base + n_bytes - out[i].at;
    }
    return n;
}

static size_t add_variables(const struct det_twin *twin, struct det_range out[MAX_RANGES], size_t n)
{
    for (uint32_t i = 0; i < twin->n_vars && n < MAX_RANGES; i++)
        out[n++] = (struct det_range){
            .at = twin->vars[i], .bytes = twin->var_bytes[i], .id = UINT32_MAX - i, .exact = true
        };
    return n;
}

/* NULL, or why a load of the kernel might see a sum that is still pending. */
static const char *check_overlap(struct job *job)
{
    const struct det_ptx_twin_kernel *const twin = job->plan->twin;
    const size_t n_vars = job->twin->n_vars;
    if (twin->n_target_offsets + n_vars > MAX_RANGES || twin->n_guard_offsets + n_vars > MAX_RANGES)
        return "too many pointers to compare";
    job->n_targets = find_ranges(job, twin->target_offsets, twin->n_target_offsets, job->targets);
    job->n_guards = find_ranges(job, twin->guard_offsets, twin->n_guard_offsets, job->guards);
    if (twin->target_variables)
        job->n_targets = add_variables(job->twin, job->targets, job->n_targets);
    if (twin->guard_variables)
        job->n_guards = add_variables(job->twin, job->guards, job->n_guards);
    if (det_decide_overlap(job->targets, job->n_targets, job->guards, job->n_guards))
        return "reads what it adds to";
    return NULL;
}

static const char *check_fit(struct job *job)
{
    const struct det_driver *const cu = det_driver();
    const struct det_launch *const l = job->launch;
    const struct det_ptx_twin_kernel *const twin = job->plan->twin;
    uint64_t dynamic = l->shared_bytes + twin->shared_extra;
    if (twin->shared_extra_scales)
        dynamic += (uint64_t)twin->shared_ratio * l->shared_bytes;
    struct det_fit fit = {
        .threads = (uint64_t)l->block[0] * l->block[1] * l->block[2],
        .max_threads = job->fn->max_threads > 0 ? (uint64_t)job->fn->max_threads : 0,
        .dynamic_shared = dynamic,
        .static_shared = (uint64_t)job->fn->static_shared,
        .max_shared =
            (uint64_t)(job->ctx->max_shared_optin > 49152 ? job->ctx->max_shared_optin : 49152),
        .param_bytes = twin->table_offset + 8,
        .max_param_bytes = job->ctx->sm >= 70 && twin->table_offset > 4096 ? 32764 : 4096,
        .cooperative = job->cooperative,
        .blocks = (uint64_t)l->grid[0] * l->grid[1] * l->grid[2],
        .resident_blocks = UINT64_MAX,
    };
    job->too_large = fit.max_threads != 0 && fit.threads > fit.max_threads;
    const char *why = det_decide_fit(&fit);
    if (why != NULL)
        return why;
    if (dynamic > l->shared_bytes && (int)dynamic > job->fn->max_dynamic &&
        cu->cuFuncSetAttribute(job->fn->function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
            (int)dynamic) != CUDA_SUCCESS)
        return "does not fit: shared memory";
    int per_sm = 0;
    if (job->cooperative && cu->cuOccupancyMaxActiveBlocksPerMultiprocessor != NULL &&
        cu->cuOccupancyMaxActiveBlocksPerMultiprocessor(
            &per_sm, job->fn->function, (int)fit.threads, (size_t)dynamic) == CUDA_SUCCESS) {
        fit.resident_blocks = (uint64_t)per_sm * job->ctx->n_sms;
        why = det_decide_fit(&fit);
    }
    job->shared_bytes = (unsigned)dynamic;
    return why;
}

static const char *find_twin(struct job *job)
{
    job->twin = det_twin_get(job->kern->unit, job->ctx, job->code, job->variant);
    if (job->twin == NULL)
        return "out of memory";
    if (job->twin->error != CUDA_SUCCESS)
        return job->twin->reason;
    job->fn = &job->twin->fn[job->plan->twin_index];
    return job->fn->function == NULL ? "driver refused this kernel's twin" : NULL;
}

/* Everything that can be said before memory is touched. */
static const char *prepare(struct job *job)
{
    const struct det_launch *const l = job->launch;
    const char *why;
    if (job->plan->twin == NULL)
        return "no twin was made";
    job->cooperative = l->cooperative;
    if (l->config != NULL &&
        (why = det_attrs_make(l->config, job->attrs, &job->n_attrs, &job->cooperative)) != NULL)
        return why;
    if ((why = find_twin(job)) != NULL || (why = check_overlap(job)) != NULL)
        return why;
    if (det_decide_arena(job->targets, job->n_targets, job->guards, job->n_guards)) {
        job->variant |= DET_TWIN_GUARD;
        if ((why = find_twin(job)) != NULL)
            return why;
    }
    if ((why = check_fit(job)) != NULL)
        return why;
    if (job->identity)
        return NULL;
    job->fold = det_fold_get(job->ctx, &job->status);
    if (job->fold == NULL)
        return "driver refused the fold kernel";
    return NULL;
}

static CUresult launch_twin(struct job *job)
{
    const struct det_driver *const cu = det_driver();
    const struct det_launch *const l = job->launch;
    const struct det_params *const p = &job->params;
    if (l->config != NULL) {
        CUlaunchConfig config = *l->config;
        config.sharedMemBytes = job->shared_bytes;
        config.hStream = l->stream;
        config.attrs = job->attrs;
        config.numAttrs = job->n_attrs;
        return cu->cuLaunchKernelEx(&config, job->fn->function, p->params, p->extra);
    }
    if (l->cooperative)
        return cu->cuLaunchCooperativeKernel(job->fn->function, l->grid[0], l->grid[1], l->grid[2],
            l->block[0], l->block[1], l->block[2], job->shared_bytes, l->stream, p->params);
    return cu->cuLaunchKernel(job->fn->function, l->grid[0], l->grid[1], l->grid[2], l->block[0],
        l->block[1], l->block[2], job->shared_bytes, l->stream, p->params, p->extra);
}

/* Target blocks this launch may touch; every slot of the table where some addresses are not followed. */
static uint32_t blocks_touched(const struct job *job, const struct det_table *table)
{
    bool all;
    const uint64_t n_bytes = det_decide_bytes(job->targets, job->n_targets, &all);
    const uint32_t blocks = det_acc_blocks_for((size_t)n_bytes, job->plan->element_bytes);
    if (!all || n_bytes == 0 || job->plan->twin->target_params >> 63)
        return table->layout.n_slots;
    return blocks + 2 * (uint32_t)job->n_targets;
}

static CUresult launch_fold(
    struct job *job, struct det_table *table, CUdeviceptr head, CUdeviceptr report)
{
    uint64_t at[2] = { head, report };
    void *params[] = { &at[0], &at[1] };
    const uint32_t grid = det_acc_fold_grid(blocks_touched(job, table), job->ctx->n_sms);
    return det_driver()->cuLaunchKernel(
        job->fold, grid, 1, 1, DET_ACC_FOLD_BLOCK, 1, 1, 0, job->launch->stream, params, NULL);
}

/* Configurations the driver rejects before anything is queued: the original may still do. */
static bool refused_at_once(CUresult status)
{
    return status == CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES || status == CUDA_ERROR_INVALID_VALUE ||
           status == CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE;
}

static uint64_t slots_asked(const struct job *job)
{
    bool all;
    const uint64_t n_bytes = det_decide_bytes(job->targets, job->n_targets, &all);
    uint64_t slots =
        n_bytes != 0 ? det_acc_slots_for((size_t)n_bytes, job->plan->element_bytes) : 0;
    /* bit 63: some addresses come from memory or from arithmetic we do not follow */
    if (!all || slots == 0 || job->plan->twin->target_params >> 63)
        slots = slots < DET_STANDARD_SLOTS ? DET_STANDARD_SLOTS : slots;
    return slots;
}

/* What the host may have written to the program's constants since the last launch. */
static CUresult copy_constants(const struct job *job)
{
    const struct det_twin *const twin = job->twin;
    CUresult status = CUDA_SUCCESS;
    if (twin->n_consts == 0 || !atomic_load(&job->kern->unit->symbols_asked))
        return status;
    for (size_t i = 0; i < twin->n_consts && status == CUDA_SUCCESS; i++)
        status = det_driver()->cuMemcpyDtoDAsync_v2(
            twin->consts[i].to, twin->consts[i].from, twin->consts[i].n_bytes, job->launch->stream);
    return status;
}

static const char *unqueued(const struct job *job, struct det_table *table, const char *why)
{
    if (job->capture == 0)
        det_order_failed(table);
    return why;
}

static void stream_flags(struct det_table *table)
{
    unsigned flags = CU_STREAM_NON_BLOCKING;
    if (table->flags_known || det_driver()->cuStreamGetFlags == NULL)
        return;
    table->blocking = det_driver()->cuStreamGetFlags(table->stream, &flags) == CUDA_SUCCESS &&
                      !(flags & CU_STREAM_NON_BLOCKING);
    table->flags_known = true;
}

/* Table lock held. Launches of other streams that add to the same memory come first, or the ledger says that nobody knows. In
 * a capture nothing is queued: the graph's launches are noted. */
static const char *order(struct job *job, struct det_table *table)
{
    const bool vague = job->plan->twin->target_params >> 63 && job->n_targets == 0;
    if (job->capture != 0)
        return NULL;
    stream_flags(table);
    job->order.group = 0;
    det_order_note(table, job->launch->stream, job->targets, job->n_targets, vague, &job->order);
    if (!det_order_wait(&job->order, job->launch->stream))
        return unqueued(job, table, "cannot order streams");
    if (job->order.unordered)
        job->row = det_ledger_row("kernel", job->kern->name, DET_CLASS_UNCOVERED,
            DET_RULE_ATOMICS_EXACT, "unordered streams");
    return NULL;
}

static void node_targets(const struct job *job, struct det_gnode *node)
{
    node->n_targets = job->n_targets < DET_GNODE_TARGETS ? job->n_targets : DET_GNODE_TARGETS;
    node->anywhere = job->n_targets == 0 || job->n_targets > DET_GNODE_TARGETS;
    memcpy(node->target, job->targets, node->n_targets * sizeof *node->target);
}

static struct det_gnode node_of(
    const struct job *job, struct det_table *table, struct det_report *report, CUdeviceptr head)
{
    struct det_gnode node = {
        .row = job->row,
        .exact = job->row,
        .unbound = det_ledger_row("kernel", job->kern->name, DET_CLASS_UNCOVERED,
            DET_RULE_ATOMICS_EXACT, "graph shares accumulators"),
        .unordered = det_ledger_row("kernel", job->kern->name, DET_CLASS_UNCOVERED,
            DET_RULE_ATOMICS_EXACT, "unordered branches"),
        .unordered_streams = det_ledger_row("kernel", job->kern->name, DET_CLASS_UNCOVERED,
            DET_RULE_ATOMICS_EXACT, "unordered streams"),
        .branch = table->serial,
        .twin = job->twin,
        .original = job->launch->function,
        .table = table,
        .report = report,
        .name = report->name,
        .n_params = job->plan->ptx->n_params,
        .table_offset = job->plan->twin->table_offset,
        .head = head,
        .slots = slots_asked(job),
        .shared_extra = job->shared_bytes - job->launch->shared_bytes,
    };
    node_targets(job, &node);
    return node;
}

static void captured(struct job *job, struct det_table *table, struct det_report *report,
    CUdeviceptr head, CUgraphNode kernel)
{
    struct det_gnode node = node_of(job, table, report, head);
    node.kernel = kernel;
    node.fold = det_graph_last_node(job->launch->stream);
    det_graph_captured(job->capture, &node);
}

/* Table lock held. All that two nodes of a graph need; what the host writes to constants is copied before the graph runs. */
static const char *fill_node(struct job *job, struct det_table *table)
{
    struct det_launch_node *const out = job->node;
    CUdeviceptr head = 0;
    CUresult status = det_table_reserve(table, slots_asked(job), NULL);
    if (status == CUDA_SUCCESS)
        status = det_table_head(table, job->twin, NULL, &head);
    struct det_report *const report =
        status == CUDA_SUCCESS ? det_table_report(table, job->row, job->kern->name) : NULL;
    if (report == NULL)
        return "no memory for accumulators";
    const char *const why = det_params_make(&out->params, job->launch->params, job->launch->extra,
        job->plan->ptx->n_params, job->plan->twin->table_offset);
    if (why != NULL)
        return why;
    out->params.table = head;
    if (out->params.buffer != NULL)
        memcpy(out->params.buffer + job->plan->twin->table_offset, &head, sizeof head);
    out->node = node_of(job, table, report, head);
    out->node.by_name = job->twin->n_consts != 0;
    out->function = job->fn->function;
    out->fold = job->fold;
    out->fold_grid = det_acc_fold_grid(blocks_touched(job, table), job->ctx->n_sms);
    out->shared_bytes = job->shared_bytes;
    return NULL;
}

/* Table lock held. NULL when done, with job->status for the program. */
static const char *queue(struct job *job, struct det_table *table)
{
    CUdeviceptr head = 0;
    CUresult status = det_table_reserve(table, slots_asked(job), job->launch->stream);
    if (status == CUDA_SUCCESS)
        status = det_table_head(table, job->twin, job->launch->stream, &head);
    if (status != CUDA_SUCCESS)
        return "no memory for accumulators";
    const char *const why = order(job, table);
    if (why != NULL)
        return why;
    struct det_report *const report = det_table_report(table, job->row, job->kern->name);
    if (report == NULL)
        return unqueued(job, table, "no memory for accumulators");
    if (atomic_load_explicit(&report->reads_pending, memory_order_relaxed))
        return unqueued(job, table, "reads what it adds to");
    if (copy_constants(job) != CUDA_SUCCESS)
        return unqueued(job, table, "driver refused to copy constants");
    job->params.table = head;
    if (job->params.extra != NULL)
        memcpy(job->params.buffer + job->plan->twin->table_offset, &head, sizeof head);
    job->status = launch_twin(job);
    job->too_large = job->status == CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
    if (refused_at_once(job->status))
        return unqueued(job, table, "driver refused the twin's launch");
    if (job->status != CUDA_SUCCESS)
        return unqueued(job, table, NULL);
    CUgraphNode kernel = job->capture != 0 ? det_graph_last_node(job->launch->stream) : NULL;
    job->status = launch_fold(job, table, head, report->device);
    if (job->status != CUDA_SUCCESS)
        return NULL;
    if (job->capture != 0) {
        captured(job, table, report, head, kernel);
    } else {
        atomic_fetch_add(&report->launched, 1);
        det_order_queued(table, job->launch->stream, &job->order);
    }
    det_reports_expect();
    return NULL;
}

static const char *run(struct job *job)
{
    memset(&job->params, 0, sizeof job->params);
    job->too_large = false;
    job->n_attrs = 0;
    const char *why = prepare(job);
    if (why == NULL)
        why = det_params_make(&job->params, job->launch->params, job->launch->extra,
            job->plan->ptx->n_params, job->plan->twin->table_offset);
    if (why != NULL)
        return why;
    if (job->identity && job->node != NULL)
        return "explicit graph node";
    if (job->identity) {
        if (copy_constants(job) != CUDA_SUCCESS)
            return "driver refused to copy constants";
        job->status = launch_twin(job);
        return refused_at_once(job->status) ? "driver refused the twin's launch" : NULL;
    }
    struct det_table *table = job->node != NULL ? job->node->table : NULL;
    if (table == NULL)
        table = det_table_get(job->ctx, job->launch->stream, job->capture);
    if (table == NULL)
        return "out of memory";
    pthread_mutex_lock(&table->lock);
    why = job->node != NULL ? fill_node(job, table) : queue(job, table);
    pthread_mutex_unlock(&table->lock);
    return why;
}

/* By ordinal, so that the same launches are checked in every run. */
static bool is_sampled(const struct job *job)
{
    const uint64_t every = det_policy()->cross_check;
    return every != 0 && !job->identity && atomic_fetch_add(&job->kern->n_launches, 1) % every == 0;
}

static bool with_context(struct job *job, const char **why)
{
    const struct det_driver *const cu = det_driver();
    CUcontext current = NULL, popped;
    cu->cuCtxGetCurrent(&current);
    const bool other = current != job->ctx->handle;
    if (other && cu->cuCtxPushCurrent_v2(job->ctx->handle) != CUDA_SUCCESS) {
        *why = "context of the stream not usable";
        return false;
    }
    job->variant = is_sampled(job) ? DET_TWIN_CHECK : 0;
    *why = run(job);
    det_params_free(&job->params);
    if (*why != NULL &&
        job->variant != 0) { /* a kernel that does not fit with its check runs without */
        job->variant = 0;
        *why = run(job);
        det_params_free(&job->params);
    }
    if (*why != NULL && job->too_large) {
        job->variant = DET_TWIN_CAPPED;
        *why = run(job);
        det_params_free(&job->params);
    }
    if (other)
        cu->cuCtxPopCurrent_v2(&popped);
    return *why == NULL;
}

/* Find kernel, plan and context. False: the original runs, counted in launch->row. */
static bool job_start(struct job *job, struct det_launch *launch)
{
    struct det_kern *kern = det_fn_find(launch->function);
    launch->row = NULL;
    launch->vendor = false;
    if (kern == NULL)
        kern = det_kern_foreign(launch->function);
    if (kern == NULL)
        return false;
    launch->vendor = kern->unit->vendor || kern->unit->handle == NULL;
    /* Where all devices are of one kind, an ordinary launch needs no question to the driver. */
    struct det_ctx *ctx = NULL;
    unsigned code = 0;
    if (launch->context != NULL && (ctx = det_ctx_get(launch->context)) == NULL)
        return false;
    if (kern->unit->n_codes > 1) {
        if (ctx == NULL && (ctx = det_ctx_of(launch->stream)) == NULL)
            return false;
        code = det_code_index(kern->unit, ctx->sm);
    }
    const struct det_plan *const plan = det_plan_get(kern, code);
    launch->row = plan->row;
    if (!plan->use_twin || (ctx == NULL && (ctx = det_ctx_of(launch->stream)) == NULL))
        return false;
    job->launch = launch;
    job->ctx = ctx;
    job->kern = kern;
    job->plan = plan;
    job->code = code;
    job->row = plan->row;
    job->fold = NULL;
    job->variant = 0;
    job->too_large = false;
    job->node = NULL;
    job->n_attrs = 0;
    job->identity = plan->cls != DET_CLASS_EXACT;
    job->capture = launch->capture;
    job->status = CUDA_SUCCESS;
    return true;
}

bool det_launch_try(struct det_launch *launch, CUresult *status)
{
    struct job job;
    const char *why = NULL;
    launch->capture = det_capture_any() ? det_capture_id(launch->stream) : 0;
    if (!job_start(&job, launch))
        return false;
    if (!with_context(&job, &why)) {
        launch->row = det_ledger_row(
            "kernel", job.kern->name, DET_CLASS_UNCOVERED, DET_RULE_ATOMICS_EXACT, why);
        return false;
    }
    *status = job.status;
    if (job.status == CUDA_SUCCESS && job.capture == 0)
        det_ledger_hit(job.row);
    return true;
}

/* A node of a module's function runs in the module's context; of a library's kernel where the program says, or now. */
static CUcontext node_context(const struct det_launch *launch)
{
    const struct det_kern *const kern = det_fn_find(launch->function);
    return kern != NULL && !kern->unit->library ? kern->unit->ctx : launch->context;
}

const char *det_launch_node(struct det_launch *launch, struct det_launch_node *out)
{
    struct job job;
    const char *why = NULL;
    struct det_table *const given = out->table;
    memset(&out->params, 0, sizeof out->params);
    launch->context = node_context(launch);
    launch->capture = 0;
    if (!job_start(&job, launch))
        return launch->row != NULL ? "" : "explicit graph node";
    out->ctx = job.ctx;
    if (out->only_context)
        return "explicit graph node";
    job.node = out;
    job.capture = det_mix(det_serial()) | 1; /* key of a table nobody else has */
    if (with_context(&job, &why))
        return NULL;
    out->table = given;
    launch->row =
        det_ledger_row("kernel", job.kern->name, DET_CLASS_UNCOVERED, DET_RULE_ATOMICS_EXACT, why);
    return why;
}

static void count_launch(struct det_ledger_row *row, uint64_t capture, void *node)
{
    if (capture != 0)
        det_graph_captured(capture, &(struct det_gnode){ .kernel = node, .row = row });
    else
        det_ledger_hit(row);
}

void det_launch_count(const struct det_launch *launch, CUresult status)
{
    if (status != CUDA_SUCCESS || launch->row == NULL)
        return;
    CUgraphNode const node = launch->capture != 0 ? det_graph_last_node(launch->stream) : NULL;
    if (!launch->vendor || !det_vendor_kernel(launch->row, launch->capture, node, count_launch))
        count_launch(launch->row, launch->capture, node);
}

struct det_ledger_row *det_launch_row(
    const void *function, CUstream stream, const char *why, bool *vendor)
{
    struct det_kern *kern = det_fn_find(function);
    struct det_ctx *const ctx = det_ctx_of(stream);
    if (kern == NULL)
        kern = det_kern_foreign(function);
    if (kern == NULL || ctx == NULL)
        return NULL;
    if (vendor != NULL)
        *vendor = kern->unit->vendor || kern->unit->handle == NULL;
    const struct det_plan *const plan = det_plan_get(kern, det_code_index(kern->unit, ctx->sm));
    if (!plan->use_twin)
        return plan->row;
    return det_ledger_row("kernel", kern->name, DET_CLASS_UNCOVERED, DET_RULE_ATOMICS_EXACT, why);
}
