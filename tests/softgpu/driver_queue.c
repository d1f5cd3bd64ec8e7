/* Software GPU: the executor. Each stream is a queue; nothing runs until somebody waits. Then random ready streams go on, a
 * step at a time, so that grids of different streams interleave block by block. Every choice comes from the schedule. */
#include "tests/softgpu/driver.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define QUEUE_HIGH 1024 /* queued operations in a process before a submission lets some run */
#define QUEUE_LOW  512

static size_t n_queued;
static uint64_t clock_extra_ns;

uint64_t sg_now_ns(void)
{
    return sg_count_instructions() + clock_extra_ns;
}

void sg_clock_add(uint64_t ns)
{
    clock_extra_ns += ns;
}

/* --- host functions run on a thread of their own, as documented --- */

static pthread_mutex_t host_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t host_cond = PTHREAD_COND_INITIALIZER;
static CUhostFn host_function;
static void *host_data;
static bool host_started, host_done;

static void *host_thread(void *unused)
{
    pthread_mutex_lock(&host_lock);
    for (;;) {
        while (!host_function || host_done)
            pthread_cond_wait(&host_cond, &host_lock);
        pthread_mutex_unlock(&host_lock);
        host_function(host_data);
        pthread_mutex_lock(&host_lock);
        host_done = true;
        pthread_cond_broadcast(&host_cond);
    }
    return unused;
}

static void run_host_function(CUhostFn function, void *data)
{
    static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
    unsigned depth = 0;
    sg_unlock_all(&depth);
    pthread_mutex_lock(&one_at_a_time);
    pthread_mutex_lock(&host_lock);
    if (!host_started) {
        pthread_t thread;
        host_started = !pthread_create(&thread, NULL, host_thread, NULL);
        if (host_started)
            pthread_detach(thread);
    }
    host_function = function;
    host_data = data;
    host_done = false;
    pthread_cond_broadcast(&host_cond);
    while (host_started && !host_done)
        pthread_cond_wait(&host_cond, &host_lock);
    host_function = NULL;
    pthread_mutex_unlock(&host_lock);
    pthread_mutex_unlock(&one_at_a_time);
    sg_lock_again(depth);
}

/* --- one piece of work --- */

struct sg_work sg_work_copy(const struct sg_work *work)
{
    struct sg_work copy = *work;
    if (work->kind == SG_WORK_KERNEL) {
        size_t total = 0;
        const struct sg_param *params = NULL;
        sg_kernel_params(work->u.kernel.launch.kernel, &params, &total);
        copy.u.kernel.launch.params = sg_copy(work->u.kernel.launch.params, total);
        copy.u.kernel.pointers = NULL;
    } else if (work->kind == SG_WORK_GRAPH) {
        copy.u.graph.plan = work->u.graph.plan ? sg_plan_copy(work->u.graph.plan) : NULL;
        copy.u.graph.child = work->u.graph.child ? sg_graph_copy(work->u.graph.child) : NULL;
    } else if (work->kind == SG_WORK_COPY) {
        copy.u.copy.staging = NULL; /* only queue entries are staged; they are never copied */
    }
    return copy;
}

void sg_work_free(struct sg_work *work)
{
    if (work->kind == SG_WORK_KERNEL) {
        free((void *)(uintptr_t)work->u.kernel.launch.params);
        free(work->u.kernel.pointers);
    } else if (work->kind == SG_WORK_COPY)
        free(work->u.copy.staging);
    else if (work->kind == SG_WORK_GRAPH) {
        sg_plan_free(work->u.graph.plan);
        sg_graph_free(work->u.graph.child);
    }
    work->kind = SG_WORK_EMPTY;
}

static CUresult code_of(enum sg_fault fault)
{
    switch (fault) {
    case SG_OK:
        return CUDA_SUCCESS;
    case SG_ILLEGAL_ADDRESS:
        return CUDA_ERROR_ILLEGAL_ADDRESS;
    case SG_ILLEGAL_INSTRUCTION:
        return CUDA_ERROR_ILLEGAL_INSTRUCTION;
    case SG_MISALIGNED:
        return CUDA_ERROR_MISALIGNED_ADDRESS;
    case SG_DEADLOCK:
        return CUDA_ERROR_LAUNCH_TIMEOUT;
    case SG_ASSERT:
        return CUDA_ERROR_ASSERT;
    case SG_TRAP:
        break;
    }
    return CUDA_ERROR_LAUNCH_FAILED;
}

static bool step_kernel(struct sg_run *run, struct sg_context *context)
{
    if (!run->grid)
        run->grid = sg_grid_start(&run->work.u.kernel.launch);
    if (!run->grid) {
        context->sticky = CUDA_ERROR_LAUNCH_FAILED;
        return true;
    }
    if (!sg_grid_step(run->grid, &sg_options.schedule))
        return false;
    const char *text = NULL;
    const enum sg_fault fault = sg_grid_fault(run->grid, &text);
    if (fault != SG_OK) {
        context->sticky = code_of(fault);
        sg_note_fault(text ? text : "kernel fault");
    }
    sg_grid_free(run->grid);
    run->grid = NULL;
    return true;
}

static void do_copy(const struct sg_work *work)
{
    const char *from = work->u.copy.from;
    const size_t to_slice = work->u.copy.to_slice, from_slice = work->u.copy.from_slice;
    for (size_t z = 0; z < work->u.copy.depth; z++)
        for (size_t y = 0; y < work->u.copy.height; y++)
            memmove(work->u.copy.to + z * to_slice + y * work->u.copy.to_pitch,
                from + z * from_slice + y * work->u.copy.from_pitch, work->u.copy.width);
    sg_clock_add(1000 + work->u.copy.width * work->u.copy.height * work->u.copy.depth / 16);
}

static void do_fill(const struct sg_work *work)
{
    const uint32_t value = work->u.fill.value;
    const uint16_t half = (uint16_t)value;
    for (size_t y = 0; y < work->u.fill.height; y++) {
        char *row = work->u.fill.at + y * work->u.fill.pitch;
        if (work->u.fill.elem == 1)
            memset(row, (int)(value & 0xff), work->u.fill.width);
        for (size_t x = 0; work->u.fill.elem == 2 && x < work->u.fill.width; x++)
            memcpy(row + 2 * x, &half, 2);
        for (size_t x = 0; work->u.fill.elem == 4 && x < work->u.fill.width; x++)
            memcpy(row + 4 * x, &value, 4);
    }
    sg_clock_add(1000);
}

static bool value_reached(const struct sg_work *work)
{
    uint64_t now = 0, wanted = work->u.value.value;
    memcpy(&now, work->u.value.at, work->u.value.wide ? 8 : 4);
    if (!work->u.value.wide)
        wanted &= 0xffffffffu;
    switch (work->u.value.flags & 3) {
    case CU_STREAM_WAIT_VALUE_GEQ:
        return work->u.value.wide ? (int64_t)(now - wanted) >= 0
                                  : (int32_t)((uint32_t)now - (uint32_t)wanted) >= 0;
    case CU_STREAM_WAIT_VALUE_EQ:
        return now == wanted;
    case CU_STREAM_WAIT_VALUE_AND:
        return (now & wanted) != 0;
    default: { /* NOR */
        const uint64_t nor = ~(now | wanted);
        return (work->u.value.wide ? nor : nor & 0xffffffffu) != 0;
    }
    }
}

static bool event_reached(const struct sg_event *event)
{
    return !event->stream || event->stream->done >= event->sequence;
}

bool sg_run_ready(const struct sg_run *run)
{
    if (run->busy)
        return false;
    switch (run->work.kind) {
    case SG_WORK_WAIT_VALUE:
        return value_reached(&run->work);
    case SG_WORK_WAIT_EVENT:
        return event_reached(run->work.u.event);
    case SG_WORK_GRAPH:
        return sg_plan_ready(run->plan ? run->plan : run->work.u.graph.plan);
    default:
        return true;
    }
}

bool sg_run_step(struct sg_run *run, struct sg_context *context)
{
    struct sg_work *work = &run->work;
    switch (work->kind) {
    case SG_WORK_KERNEL:
        return step_kernel(run, context);
    case SG_WORK_COPY:
        do_copy(work);
        return true;
    case SG_WORK_FILL:
        do_fill(work);
        return true;
    case SG_WORK_HOST:
        run->busy = true;
        run_host_function(work->u.host.function, work->u.host.data);
        run->busy = false;
        return true;
    case SG_WORK_RECORD:
        work->u.event->time_ns = sg_now_ns();
        if (!work->u.event->recorded) { /* by a graph node */
            work->u.event->recorded = true;
            work->u.event->stream = NULL;
        }
        return true;
    case SG_WORK_WRITE_VALUE:
        memcpy(work->u.value.at, &work->u.value.value, work->u.value.wide ? 8 : 4);
        return true;
    case SG_WORK_FREE:
        sg_memory_free(work->u.release);
        return true;
    case SG_WORK_GRAPH:
        return sg_plan_step(work->u.graph.plan, context);
    case SG_WORK_EMPTY:
    case SG_WORK_WAIT_EVENT:
    case SG_WORK_WAIT_VALUE:
        break;
    }
    return true;
}

/* --- queues --- */

void sg_stream_wait(struct sg_stream *stream, struct sg_stream *other, uint64_t sequence)
{
    if (other == stream || other->done >= sequence)
        return;
    for (size_t i = 0; i < stream->n_waits; i++)
        if (stream->waits[i].stream == other) {
            if (stream->waits[i].sequence < sequence)
                stream->waits[i].sequence = sequence;
            return;
        }
    stream->waits = realloc(stream->waits, (stream->n_waits + 1) * sizeof *stream->waits);
    if (!stream->waits)
        abort();
    stream->waits[stream->n_waits++] = (struct sg_dep){ other, sequence };
}

/* Legacy stream: waits for all blocking streams, and they for it. */
static void add_implicit_waits(struct sg_stream *stream)
{
    struct sg_stream *legacy = stream->context->legacy;
    if (stream == legacy) {
        for (struct sg_stream *s = stream->context->streams; s; s = s->next)
            if (!(s->flags & CU_STREAM_NON_BLOCKING))
                sg_stream_wait(stream, s, s->submitted);
    } else if (!(stream->flags & CU_STREAM_NON_BLOCKING)) {
        sg_stream_wait(stream, legacy, legacy->submitted);
    }
}

static bool op_ready(const struct sg_op *op)
{
    for (size_t i = 0; i < op->n_deps; i++)
        if (op->deps[i].stream->done < op->deps[i].sequence)
            return false;
    return sg_run_ready(&op->run);
}

static void op_free(struct sg_op *op)
{
    sg_work_free(&op->run.work);
    if (op->run.grid)
        sg_grid_free(op->run.grid);
    free(op->deps);
    free(op);
    n_queued--;
}

/* After a fault nothing of the context runs any more. */
void sg_drop_queues(struct sg_context *context)
{
    for (struct sg_stream *s = context->streams; s; s = s->next) {
        struct sg_op *keep = NULL;
        for (struct sg_op *op = s->head, *next; op; op = next) {
            next = op->next;
            if (op->run.busy)
                keep = op; /* another thread is inside it */
            else
                op_free(op);
        }
        s->head = s->tail = keep;
        if (keep)
            keep->next = NULL;
        else
            s->done = s->submitted;
    }
}

static void step_stream(struct sg_stream *stream)
{
    struct sg_op *op = stream->head;
    struct sg_context *context = stream->context;
    const bool ended = sg_run_step(&op->run, context);
    if (context->sticky && !op->run.busy) {
        sg_drop_queues(context);
        return;
    }
    if (!ended)
        return;
    stream->head = op->next;
    if (!stream->head)
        stream->tail = NULL;
    stream->done++;
    sg_clock_add(500);
    op_free(op);
}

static bool step_any(void)
{
    enum { MAX_READY = 256 };
    struct sg_stream *ready[MAX_READY];
    uint32_t n = 0;
    for (struct sg_context *c = sg_contexts(); c; c = c->next)
        for (struct sg_stream *s = c->streams; s && n < MAX_READY; s = s->next)
            if (s->head && op_ready(s->head))
                ready[n++] = s;
    if (!n)
        return false;
    const uint32_t i = sg_options.schedule.in_order || n == 1
                           ? n - 1 /* lists are newest first: the oldest stream */
                           : sg_schedule_pick(&sg_options.schedule, n);
    step_stream(ready[i]);
    return true;
}

void sg_progress(unsigned n_steps)
{
    while (n_steps-- && step_any())
        ;
}

/* Nothing can run here now: a host function of another thread is under way, or a value the host will write is awaited. */
static void let_others(void)
{
    unsigned depth = 0;
    sg_unlock_all(&depth);
    sched_yield();
    sg_lock_again(depth);
}

CUresult sg_wait_stream(struct sg_stream *stream, uint64_t sequence)
{
    struct sg_context *context = stream->context;
    while (!context->sticky && context->tag == SG_CONTEXT && stream->done < sequence)
        if (!step_any())
            let_others();
    return context->sticky;
}

CUresult sg_wait_context(struct sg_context *context)
{
    for (struct sg_stream *s = context->streams; s && !context->sticky; s = s->next)
        sg_wait_stream(s, s->submitted);
    return context->sticky;
}

CUresult sg_submit(struct sg_stream *stream, struct sg_work *work)
{
    if (stream->capture)
        return sg_capture_add(stream, work);
    const CUresult refused = sg_capture_legacy_use(stream);
    if (refused) {
        sg_work_free(work);
        return refused;
    }
    add_implicit_waits(stream);
    struct sg_op *op = sg_calloc(1, sizeof *op);
    op->run.work = *work;
    op->deps = stream->waits;
    op->n_deps = stream->n_waits;
    stream->waits = NULL;
    stream->n_waits = 0;
    *(stream->tail ? &stream->tail->next : &stream->head) = op;
    stream->tail = op;
    stream->submitted++;
    if (++n_queued > QUEUE_HIGH)
        while (n_queued > QUEUE_LOW && step_any())
            ;
    return CUDA_SUCCESS;
}
