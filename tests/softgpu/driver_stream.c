/* Software GPU: streams and events. A stream counts what was submitted and what is done; an event names a place in a stream. */
#include "tests/softgpu/driver.h"

#include <stdlib.h>
#include <string.h>

static unsigned long n_streams;
static unsigned long long n_stream_ids;

struct sg_stream *sg_stream_new(struct sg_context *context, unsigned flags, int priority)
{
    struct sg_stream *stream = context->streams;
    /* A destroyed stream that has run dry is used again, with its counters, as real handles come back. */
    while (stream &&
           !(stream->tag == SG_DEAD && stream->done >= stream->submitted && !stream->capture))
        stream = stream->next;
    if (!stream) {
        stream = sg_calloc(1, sizeof *stream);
        stream->next = context->streams;
        context->streams = stream;
    }
    stream->tag = SG_STREAM;
    stream->context = context;
    stream->flags = flags;
    stream->priority = priority > 0 ? 0 : priority < -5 ? -5 : priority;
    stream->ordinal = n_streams++;
    stream->id = ++n_stream_ids;
    return stream;
}

static struct sg_stream *own_stream(struct sg_context *context)
{
    for (struct sg_stream *s = sg_thread.own_streams; s; s = s->next_own)
        if (s->context == context)
            return s;
    struct sg_stream *stream = sg_stream_new(context, CU_STREAM_DEFAULT, 0);
    stream->per_thread = true;
    stream->next_own = sg_thread.own_streams;
    sg_thread.own_streams = stream;
    return stream;
}

CUresult sg_stream_of(CUstream handle, struct sg_stream **stream)
{
    struct sg_context *context = NULL;
    SG_TRY(sg_current(&context));
    if (!handle)
        handle = sg_thread.per_thread_default ? CU_STREAM_PER_THREAD : CU_STREAM_LEGACY;
    if (handle == CU_STREAM_LEGACY) {
        *stream = context->legacy;
        return CUDA_SUCCESS;
    }
    if (handle == CU_STREAM_PER_THREAD) {
        *stream = own_stream(context);
        return CUDA_SUCCESS;
    }
    SG_CHECK((uintptr_t)handle > 4096 && SG_HANDLE(handle, SG_STREAM), CUDA_ERROR_INVALID_HANDLE);
    *stream = (struct sg_stream *)(void *)handle;
    return (*stream)->context->sticky;
}

static CUresult stream_create(CUstream *out, unsigned flags, int priority)
{
    struct sg_context *context = NULL;
    SG_TRY(sg_current(&context));
    SG_CHECK(out && !(flags & ~(unsigned)CU_STREAM_NON_BLOCKING), CUDA_ERROR_INVALID_VALUE);
    *out = (CUstream)(void *)sg_stream_new(context, flags, priority);
    return CUDA_SUCCESS;
}

SG_API(cuStreamCreate, CUstream *stream, unsigned flags)
{
    SG_ENTER();
    return stream_create(stream, flags, 0);
}

SG_API(cuStreamCreateWithPriority, CUstream *stream, unsigned flags, int priority)
{
    SG_ENTER();
    return stream_create(stream, flags, priority);
}

/* Returns at once; queued work still runs. The struct stays in its context's list until that ends. */
static CUresult stream_destroy(CUstream handle)
{
    SG_CHECK((uintptr_t)handle > 4096 && SG_HANDLE(handle, SG_STREAM), CUDA_ERROR_INVALID_HANDLE);
    struct sg_stream *stream = (struct sg_stream *)(void *)handle;
    SG_CHECK(!stream->legacy && !stream->per_thread, CUDA_ERROR_INVALID_HANDLE);
    sg_capture_forget_stream(stream);
    stream->tag = SG_DEAD;
    return CUDA_SUCCESS;
}

SG_API(cuStreamDestroy_v2, CUstream stream)
{
    SG_ENTER();
    return stream_destroy(stream);
}

SG_API(cuStreamGetPriority, CUstream handle, int *priority)
{
    SG_ENTER();
    struct sg_stream *stream = NULL;
    SG_TRY(sg_stream_of(handle, &stream));
    SG_CHECK(priority, CUDA_ERROR_INVALID_VALUE);
    *priority = stream->priority;
    return CUDA_SUCCESS;
}

SG_API(cuStreamGetFlags, CUstream handle, unsigned *flags)
{
    SG_ENTER();
    struct sg_stream *stream = NULL;
    SG_TRY(sg_stream_of(handle, &stream));
    SG_CHECK(flags, CUDA_ERROR_INVALID_VALUE);
    *flags = stream->flags;
    return CUDA_SUCCESS;
}

SG_API(cuStreamGetId, CUstream handle, unsigned long long *id)
{
    SG_ENTER();
    struct sg_stream *stream = NULL;
    SG_TRY(sg_stream_of(handle, &stream));
    SG_CHECK(id, CUDA_ERROR_INVALID_VALUE);
    *id = stream->id;
    return CUDA_SUCCESS;
}

SG_API(cuStreamGetCtx, CUstream handle, CUcontext *context)
{
    SG_ENTER();
    struct sg_stream *stream = NULL;
    SG_TRY(sg_stream_of(handle, &stream));
    SG_CHECK(context, CUDA_ERROR_INVALID_VALUE);
    *context = (CUcontext)(void *)stream->context;
    return CUDA_SUCCESS;
}

SG_API(cuStreamGetDevice, CUstream handle, CUdevice *device)
{
    SG_ENTER();
    struct sg_stream *stream = NULL;
    SG_TRY(sg_stream_of(handle, &stream));
    SG_CHECK(device, CUDA_ERROR_INVALID_VALUE);
    *device = stream->context->device;
    return CUDA_SUCCESS;
}

SG_API(cuStreamQuery, CUstream handle)
{
    SG_ENTER();
    struct sg_stream *stream = NULL;
    SG_TRY(sg_stream_of(handle, &stream));
    if (stream->capture)
        return sg_capture_refuse(stream, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
    SG_TRY(sg_capture_legacy_use(stream));
    sg_progress(sg_options.schedule.in_order ? 8 : 1 + sg_schedule_pick(&sg_options.schedule, 16));
    SG_TRY(stream->context->sticky);
    return stream->done >= stream->submitted ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

SG_API(cuStreamSynchronize, CUstream handle)
{
    SG_ENTER();
    struct sg_stream *stream = NULL;
    SG_TRY(sg_stream_of(handle, &stream));
    if (stream->capture)
        return sg_capture_refuse(stream, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
    SG_TRY(sg_capture_legacy_use(stream));
    if (stream->legacy)
        for (struct sg_stream *s = stream->context->streams; s; s = s->next)
            if (!(s->flags & CU_STREAM_NON_BLOCKING))
                SG_TRY(sg_wait_stream(s, s->submitted));
    return sg_wait_stream(stream, stream->submitted);
}

SG_API(cuStreamWaitEvent, CUstream handle, CUevent event_handle, unsigned flags)
{
    SG_ENTER();
    struct sg_stream *stream = NULL;
    struct sg_event *event = NULL;
    SG_TRY(sg_stream_of(handle, &stream));
    SG_TRY(sg_event_of(event_handle, &event));
    SG_CHECK(!(flags & ~(unsigned)CU_EVENT_WAIT_EXTERNAL), CUDA_ERROR_INVALID_VALUE);
    if (stream->capture || (event->capture && sg_capture_live(event->capture, event->capture_id)))
        return sg_capture_wait(stream, event);
    if (event->stream)
        sg_stream_wait(stream, event->stream, event->sequence);
    struct sg_work work = { .kind = SG_WORK_EMPTY };
    return event->stream ? sg_submit(stream, &work) : CUDA_SUCCESS;
}

SG_API(cuLaunchHostFunc, CUstream handle, CUhostFn function, void *data)
{
    SG_ENTER();
    struct sg_stream *stream = NULL;
    SG_TRY(sg_stream_of(handle, &stream));
    SG_CHECK(function, CUDA_ERROR_INVALID_VALUE);
    struct sg_work work = { .kind = SG_WORK_HOST, .u.host = { function, data } };
    return sg_submit(stream, &work);
}

struct callback {
    CUstreamCallback function;
    CUstream stream;
    void *data;
};

static void call_back(void *data)
{
    struct callback callback = *(struct callback *)data;
    free(data);
    callback.function(callback.stream, CUDA_SUCCESS, callback.data);
}

SG_API(cuStreamAddCallback, CUstream handle, CUstreamCallback function, void *data, unsigned flags)
{
    SG_ENTER();
    struct sg_stream *stream = NULL;
    SG_TRY(sg_stream_of(handle, &stream));
    SG_CHECK(function && !flags, CUDA_ERROR_INVALID_VALUE);
    if (stream->capture)
        return sg_capture_refuse(stream, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
    struct callback callback = { function, handle, data };
    struct sg_work work = { .kind = SG_WORK_HOST,
        .u.host = { call_back, sg_copy(&callback, sizeof callback) } };
    return sg_submit(stream, &work);
}

/* --- stream memory operations --- */

static CUresult value_work(
    CUstream handle, CUdeviceptr at, uint64_t value, unsigned flags, bool wide, bool wait)
{
    struct sg_stream *stream = NULL;
    SG_TRY(sg_stream_of(handle, &stream));
    SG_CHECK(at && at % (wide ? 8 : 4) == 0, CUDA_ERROR_INVALID_VALUE);
    SG_CHECK(sg_memory_ok((void *)(uintptr_t)at, wide ? 8 : 4), CUDA_ERROR_INVALID_VALUE);
    if (stream->capture) /* batch memory nodes are not modelled */
        return sg_capture_refuse(stream, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
    struct sg_work work = { .kind = wait ? SG_WORK_WAIT_VALUE : SG_WORK_WRITE_VALUE,
        .u.value = { (void *)(uintptr_t)at, value, flags, wide } };
    return sg_submit(stream, &work);
}

SG_API(cuStreamWaitValue32_v2, CUstream stream, CUdeviceptr at, cuuint32_t value, unsigned flags)
{
    SG_ENTER();
    return value_work(stream, at, value, flags, false, true);
}

SG_API(cuStreamWaitValue64_v2, CUstream stream, CUdeviceptr at, cuuint64_t value, unsigned flags)
{
    SG_ENTER();
    return value_work(stream, at, value, flags, true, true);
}

SG_API(cuStreamWriteValue32_v2, CUstream stream, CUdeviceptr at, cuuint32_t value, unsigned flags)
{
    SG_ENTER();
    return value_work(stream, at, value, flags, false, false);
}

SG_API(cuStreamWriteValue64_v2, CUstream stream, CUdeviceptr at, cuuint64_t value, unsigned flags)
{
    SG_ENTER();
    return value_work(stream, at, value, flags, true, false);
}

SG_API(cuStreamBatchMemOp_v2, CUstream stream, unsigned n, CUstreamBatchMemOpParams *ops,
    unsigned flags)
{
    SG_ENTER();
    SG_CHECK(ops && n && n <= 256 && !flags, CUDA_ERROR_INVALID_VALUE);
    for (unsigned i = 0; i < n; i++) {
        const bool wide = ops[i].operation == CU_STREAM_MEM_OP_WAIT_VALUE_64 ||
                          ops[i].operation == CU_STREAM_MEM_OP_WRITE_VALUE_64;
        const bool wait = ops[i].operation == CU_STREAM_MEM_OP_WAIT_VALUE_32 ||
                          ops[i].operation == CU_STREAM_MEM_OP_WAIT_VALUE_64;
        const bool write = ops[i].operation == CU_STREAM_MEM_OP_WRITE_VALUE_32 ||
                           ops[i].operation == CU_STREAM_MEM_OP_WRITE_VALUE_64;
        SG_CHECK(wait || write, CUDA_ERROR_NOT_SUPPORTED);
        /* waitValue and writeValue begin alike */
        SG_TRY(value_work(stream, ops[i].waitValue.address,
            wide ? ops[i].waitValue.value64 : ops[i].waitValue.value, ops[i].waitValue.flags, wide,
            wait));
    }
    return CUDA_SUCCESS;
}

/* --- events --- */

CUresult sg_event_of(CUevent handle, struct sg_event **event)
{
    SG_CHECK(SG_HANDLE(handle, SG_EVENT), CUDA_ERROR_INVALID_HANDLE);
    *event = (struct sg_event *)(void *)handle;
    return CUDA_SUCCESS;
}

SG_API(cuEventCreate, CUevent *out, unsigned flags)
{
    SG_ENTER();
    struct sg_context *context = NULL;
    SG_TRY(sg_current(&context));
    SG_CHECK(out && !(flags & ~7u), CUDA_ERROR_INVALID_VALUE);
    struct sg_event *event = sg_calloc(1, sizeof *event);
    event->tag = SG_EVENT;
    event->context = context;
    event->flags = flags;
    *out = (CUevent)(void *)event;
    return CUDA_SUCCESS;
}

SG_API(cuEventDestroy_v2, CUevent handle)
{
    SG_ENTER();
    struct sg_event *event = NULL;
    SG_TRY(sg_event_of(handle, &event));
    free(event->tips);
    event->tips = NULL;
    event->tag = SG_DEAD; /* kept: a queued record may still write its time */
    return CUDA_SUCCESS;
}

static CUresult record(CUevent handle, CUstream stream_handle)
{
    struct sg_event *event = NULL;
    struct sg_stream *stream = NULL;
    SG_TRY(sg_event_of(handle, &event));
    SG_TRY(sg_stream_of(stream_handle, &stream));
    SG_CHECK(stream->context == event->context, CUDA_ERROR_INVALID_HANDLE);
    if (stream->capture)
        return sg_capture_record(stream, event);
    struct sg_work work = { .kind = SG_WORK_RECORD, .u.event = event };
    SG_TRY(sg_submit(stream, &work));
    event->capture = NULL;
    event->recorded = true;
    event->stream = stream;
    event->sequence = stream->submitted;
    return CUDA_SUCCESS;
}

SG_API(cuEventRecord, CUevent event, CUstream stream)
{
    SG_ENTER();
    return record(event, stream);
}

SG_API(cuEventRecordWithFlags, CUevent event, CUstream stream, unsigned flags)
{
    SG_ENTER();
    SG_CHECK(!(flags & ~(unsigned)CU_EVENT_RECORD_EXTERNAL), CUDA_ERROR_INVALID_VALUE);
    return record(event, stream);
}

static CUresult usable_event(CUevent handle, struct sg_event **event)
{
    SG_TRY(sg_event_of(handle, event));
    SG_CHECK(!(*event)->capture, CUDA_ERROR_CAPTURED_EVENT);
    return (*event)->context->sticky;
}

static bool reached(const struct sg_event *event)
{
    return !event->stream || event->stream->done >= event->sequence;
}

SG_API(cuEventQuery, CUevent handle)
{
    SG_ENTER();
    struct sg_event *event = NULL;
    SG_TRY(usable_event(handle, &event));
    SG_TRY(sg_capture_unsafe());
    if (!reached(event))
        sg_progress(
            sg_options.schedule.in_order ? 8 : 1 + sg_schedule_pick(&sg_options.schedule, 16));
    SG_TRY(event->context->sticky);
    return reached(event) ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

SG_API(cuEventSynchronize, CUevent handle)
{
    SG_ENTER();
    struct sg_event *event = NULL;
    SG_TRY(usable_event(handle, &event));
    SG_TRY(sg_capture_unsafe());
    return event->stream ? sg_wait_stream(event->stream, event->sequence) : CUDA_SUCCESS;
}

static CUresult elapsed(float *ms, CUevent from_handle, CUevent to_handle)
{
    struct sg_event *from = NULL, *to = NULL;
    SG_CHECK(ms, CUDA_ERROR_INVALID_VALUE);
    SG_TRY(usable_event(from_handle, &from));
    SG_TRY(usable_event(to_handle, &to));
    SG_CHECK(from->recorded && to->recorded, CUDA_ERROR_INVALID_HANDLE);
    SG_CHECK(!((from->flags | to->flags) & CU_EVENT_DISABLE_TIMING), CUDA_ERROR_INVALID_HANDLE);
    SG_CHECK(reached(from) && reached(to), CUDA_ERROR_NOT_READY);
    *ms = (float)((double)((int64_t)to->time_ns - (int64_t)from->time_ns) * 1e-6);
    return CUDA_SUCCESS;
}

SG_API(cuEventElapsedTime, float *ms, CUevent from, CUevent to)
{
    SG_ENTER();
    return elapsed(ms, from, to);
}

SG_API(cuEventElapsedTime_v2, float *ms, CUevent from, CUevent to)
{
    SG_ENTER();
    return elapsed(ms, from, to);
}
