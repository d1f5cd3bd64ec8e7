/* Software GPU: stream capture. The rules and error codes are those of the CUDA documentation (cuStreamBeginCapture,
 * cuThreadExchangeStreamCaptureMode, errors 900-908): a forbidden call fails and invalidates the capture. */
#include "tests/softgpu/driver.h"

#include <stdlib.h>
#include <string.h>

static struct sg_capture *captures;
static uint64_t n_captures;
static unsigned long n_threads;

static unsigned long thread_ordinal(void)
{
    if (!sg_thread.ordinal)
        sg_thread.ordinal = ++n_threads;
    return sg_thread.ordinal;
}

bool sg_capture_live(const struct sg_capture *capture, uint64_t id)
{
    for (const struct sg_capture *c = captures; c; c = c->next)
        if (c == capture && c->id == id)
            return true;
    return false;
}

CUresult sg_capture_refuse(struct sg_stream *stream, CUresult code)
{
    stream->capture->invalid = true;
    return code;
}

/* Which captures forbid an unsafe call of this thread now. */
static bool forbids(const struct sg_capture *c)
{
    if (sg_thread.capture_mode == CU_STREAM_CAPTURE_MODE_RELAXED)
        return false;
    if (c->thread == thread_ordinal())
        return c->mode != CU_STREAM_CAPTURE_MODE_RELAXED;
    return sg_thread.capture_mode == CU_STREAM_CAPTURE_MODE_GLOBAL &&
           c->mode == CU_STREAM_CAPTURE_MODE_GLOBAL;
}

CUresult sg_capture_unsafe(void)
{
    CUresult result = CUDA_SUCCESS;
    for (struct sg_capture *c = captures; c; c = c->next)
        if (forbids(c)) {
            c->invalid = true;
            result = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
        }
    return result;
}

/* The legacy stream would have to wait for every blocking stream, capturing ones included. */
CUresult sg_capture_legacy_use(struct sg_stream *stream)
{
    CUresult result = CUDA_SUCCESS;
    if (!stream->legacy || !captures)
        return result;
    for (struct sg_stream *s = stream->context->streams; s; s = s->next)
        if (s->capture && !(s->flags & CU_STREAM_NON_BLOCKING)) {
            s->capture->invalid = true;
            result = CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
        }
    return result;
}

static void set_tips(struct sg_node ***tips, size_t *n_tips, struct sg_node *const *from, size_t n)
{
    struct sg_node **copy = n ? sg_copy(from, n * sizeof *from) : NULL;
    free(*tips);
    *tips = copy;
    *n_tips = n;
}

static void add_tips(struct sg_stream *stream, struct sg_node *const *from, size_t n)
{
    struct sg_node **all = sg_calloc(stream->n_tips + n, sizeof *all);
    size_t count = stream->n_tips;
    if (count)
        memcpy(all, stream->tips, count * sizeof *all);
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        while (k < count && all[k] != from[i])
            k++;
        if (k == count)
            all[count++] = from[i];
    }
    free(stream->tips);
    stream->tips = all;
    stream->n_tips = count;
}

CUresult sg_capture_add(struct sg_stream *stream, struct sg_work *work)
{
    struct sg_capture *capture = stream->capture;
    if (capture->invalid) {
        sg_work_free(work);
        return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    }
    struct sg_node *node =
        sg_graph_add(capture->graph, sg_work_type(work), work, stream->tips, stream->n_tips);
    if (!node)
        return sg_capture_refuse(stream, CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
    set_tips(&stream->tips, &stream->n_tips, &node, 1);
    return CUDA_SUCCESS;
}

CUresult sg_capture_record(struct sg_stream *stream, struct sg_event *event)
{
    SG_CHECK(!stream->capture->invalid, CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
    event->capture = stream->capture;
    event->capture_id = stream->capture->id;
    event->stream = stream;
    event->sequence = 0;
    set_tips(&event->tips, &event->n_tips, stream->tips, stream->n_tips);
    return CUDA_SUCCESS;
}

/* Waiting on a captured event pulls the waiting stream into the capture. */
CUresult sg_capture_wait(struct sg_stream *stream, struct sg_event *event)
{
    const bool captured = event->capture && sg_capture_live(event->capture, event->capture_id);
    if (!captured)
        return sg_capture_refuse(stream, CUDA_ERROR_STREAM_CAPTURE_ISOLATION);
    struct sg_capture *capture = event->capture;
    SG_CHECK(!capture->invalid, CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
    if (stream->capture && stream->capture != capture) {
        capture->invalid = true;
        return sg_capture_refuse(stream, CUDA_ERROR_STREAM_CAPTURE_MERGE);
    }
    if (stream->legacy) {
        capture->invalid = true;
        return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
    }
    if (!stream->capture) {
        stream->capture = capture;
        capture->n_streams++;
    }
    add_tips(stream, event->tips, event->n_tips);
    return CUDA_SUCCESS;
}

static void leave(struct sg_stream *stream)
{
    stream->capture = NULL;
    free(stream->tips);
    stream->tips = NULL;
    stream->n_tips = 0;
}

static void end(struct sg_capture *capture)
{
    for (struct sg_capture **at = &captures; *at; at = &(*at)->next)
        if (*at == capture) {
            *at = capture->next;
            break;
        }
    for (struct sg_context *c = sg_contexts(); c; c = c->next)
        for (struct sg_stream *s = c->streams; s; s = s->next)
            if (s->capture == capture)
                leave(s);
    free(capture);
}

void sg_capture_forget_stream(struct sg_stream *stream)
{
    struct sg_capture *capture = stream->capture;
    if (!capture)
        return;
    capture->invalid = true;
    if (capture->origin == stream) {
        if (!capture->to_existing_graph)
            sg_graph_free(capture->graph);
        end(capture);
    } else {
        leave(stream);
    }
}

static CUresult begin(CUstream handle, CUstreamCaptureMode mode, struct sg_graph *into)
{
    struct sg_stream *stream = NULL;
    SG_TRY(sg_stream_of(handle, &stream));
    SG_CHECK(mode <= CU_STREAM_CAPTURE_MODE_RELAXED, CUDA_ERROR_INVALID_VALUE);
    SG_CHECK(!stream->legacy, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
    SG_CHECK(!stream->capture, CUDA_ERROR_ILLEGAL_STATE);
    struct sg_capture *capture = sg_calloc(1, sizeof *capture);
    *capture = (struct sg_capture){ .id = ++n_captures,
        .graph = into ? into : sg_graph_new(),
        .to_existing_graph = into != NULL,
        .mode = mode,
        .origin = stream,
        .thread = thread_ordinal(),
        .n_streams = 1,
        .next = captures };
    captures = capture;
    stream->capture = capture;
    return CUDA_SUCCESS;
}

SG_API(cuStreamBeginCapture_v2, CUstream stream, CUstreamCaptureMode mode)
{
    SG_ENTER();
    return begin(stream, mode, NULL);
}

SG_API(cuStreamBeginCapture, CUstream stream)
{
    SG_ENTER();
    return begin(stream, CU_STREAM_CAPTURE_MODE_GLOBAL, NULL);
}

SG_API(cuStreamBeginCaptureToGraph, CUstream handle, CUgraph graph, const CUgraphNode *deps,
    const CUgraphEdgeData *edges, size_t n_deps, CUstreamCaptureMode mode)
{
    SG_ENTER();
    struct sg_stream *stream = NULL;
    (void)edges;
    SG_CHECK(SG_HANDLE(graph, SG_GRAPH) && (deps || !n_deps), CUDA_ERROR_INVALID_VALUE);
    SG_TRY(begin(handle, mode, (struct sg_graph *)(void *)graph));
    SG_TRY(sg_stream_of(handle, &stream));
    set_tips(&stream->tips, &stream->n_tips, (struct sg_node *const *)(const void *)deps, n_deps);
    return CUDA_SUCCESS;
}

/* A forked stream is joined when every node it added last is a dependency of something, or a tip of the origin. */
static bool joined(const struct sg_capture *capture, const struct sg_stream *stream)
{
    for (size_t i = 0; i < stream->n_tips; i++) {
        bool found = false;
        for (size_t k = 0; k < capture->origin->n_tips && !found; k++)
            found = capture->origin->tips[k] == stream->tips[i];
        for (size_t n = 0; n < capture->graph->n_nodes && !found; n++)
            for (size_t k = 0; k < capture->graph->nodes[n]->n_deps && !found; k++)
                found = capture->graph->nodes[n]->deps[k] == stream->tips[i];
        if (!found)
            return false;
    }
    return true;
}

static CUresult verdict(const struct sg_capture *capture, const struct sg_stream *stream)
{
    SG_CHECK(capture->origin == stream, CUDA_ERROR_STREAM_CAPTURE_UNMATCHED);
    SG_CHECK(
        capture->mode == CU_STREAM_CAPTURE_MODE_RELAXED || capture->thread == sg_thread.ordinal,
        CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD);
    SG_CHECK(!capture->invalid, CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
    for (const struct sg_stream *s = stream->context->streams; s; s = s->next)
        if (s->capture == capture && s != stream)
            SG_CHECK(joined(capture, s), CUDA_ERROR_STREAM_CAPTURE_UNJOINED);
    return CUDA_SUCCESS;
}

SG_API(cuStreamEndCapture, CUstream handle, CUgraph *out)
{
    SG_ENTER();
    struct sg_stream *stream = NULL;
    SG_TRY(sg_stream_of(handle, &stream));
    SG_CHECK(out, CUDA_ERROR_INVALID_VALUE);
    SG_CHECK(stream->capture, CUDA_ERROR_ILLEGAL_STATE);
    struct sg_capture *capture = stream->capture;
    *out = NULL;
    const CUresult result = verdict(capture, stream);
    if (result == CUDA_ERROR_STREAM_CAPTURE_UNMATCHED ||
        result == CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD) {
        capture->invalid = true;
        return result;
    }
    if (result == CUDA_SUCCESS)
        *out = (CUgraph)(void *)capture->graph;
    else if (!capture->to_existing_graph)
        sg_graph_free(capture->graph);
    end(capture);
    return result;
}

static CUstreamCaptureStatus status_of(const struct sg_stream *stream)
{
    if (!stream->capture)
        return CU_STREAM_CAPTURE_STATUS_NONE;
    return stream->capture->invalid ? CU_STREAM_CAPTURE_STATUS_INVALIDATED
                                    : CU_STREAM_CAPTURE_STATUS_ACTIVE;
}

SG_API(cuStreamIsCapturing, CUstream handle, CUstreamCaptureStatus *status)
{
    SG_ENTER();
    struct sg_stream *stream = NULL;
    SG_TRY(sg_stream_of(handle, &stream));
    SG_CHECK(status, CUDA_ERROR_INVALID_VALUE);
    SG_TRY(sg_capture_legacy_use(stream));
    *status = status_of(stream);
    return CUDA_SUCCESS;
}

static CUresult info(CUstream handle, CUstreamCaptureStatus *status, cuuint64_t *id, CUgraph *graph,
    const CUgraphNode **deps, size_t *n_deps)
{
    struct sg_stream *stream = NULL;
    SG_TRY(sg_stream_of(handle, &stream));
    SG_CHECK(status, CUDA_ERROR_INVALID_VALUE);
    SG_TRY(sg_capture_legacy_use(stream));
    *status = status_of(stream);
    if (*status != CU_STREAM_CAPTURE_STATUS_ACTIVE)
        return CUDA_SUCCESS;
    if (id)
        *id = stream->capture->id;
    if (graph)
        *graph = (CUgraph)(void *)stream->capture->graph;
    if (deps)
        *deps = (const CUgraphNode *)(const void *)stream->tips;
    if (n_deps)
        *n_deps = stream->n_tips;
    return CUDA_SUCCESS;
}

SG_API(cuStreamGetCaptureInfo, CUstream stream, CUstreamCaptureStatus *status, cuuint64_t *id)
{
    SG_ENTER();
    return info(stream, status, id, NULL, NULL, NULL);
}

SG_API(cuStreamGetCaptureInfo_v2, CUstream stream, CUstreamCaptureStatus *status, cuuint64_t *id,
    CUgraph *graph, const CUgraphNode **deps, size_t *n_deps)
{
    SG_ENTER();
    return info(stream, status, id, graph, deps, n_deps);
}

SG_API(cuStreamGetCaptureInfo_v3, CUstream stream, CUstreamCaptureStatus *status, cuuint64_t *id,
    CUgraph *graph, const CUgraphNode **deps, const CUgraphEdgeData **edges, size_t *n_deps)
{
    SG_ENTER();
    if (edges)
        *edges = NULL; /* every edge is a plain one */
    return info(stream, status, id, graph, deps, n_deps);
}

static CUresult update_deps(CUstream handle, CUgraphNode *deps, size_t n_deps, unsigned flags)
{
    struct sg_stream *stream = NULL;
    SG_TRY(sg_stream_of(handle, &stream));
    SG_CHECK((deps || !n_deps) && flags <= 1, CUDA_ERROR_INVALID_VALUE);
    SG_CHECK(stream->capture, CUDA_ERROR_ILLEGAL_STATE);
    if (flags == CU_STREAM_SET_CAPTURE_DEPENDENCIES)
        set_tips(&stream->tips, &stream->n_tips, (struct sg_node *const *)(void *)deps, n_deps);
    else
        add_tips(stream, (struct sg_node *const *)(void *)deps, n_deps);
    return CUDA_SUCCESS;
}

SG_API(cuStreamUpdateCaptureDependencies, CUstream stream, CUgraphNode *deps, size_t n_deps,
    unsigned flags)
{
    SG_ENTER();
    return update_deps(stream, deps, n_deps, flags);
}

SG_API(cuStreamUpdateCaptureDependencies_v2, CUstream stream, CUgraphNode *deps,
    const CUgraphEdgeData *edges, size_t n_deps, unsigned flags)
{
    SG_ENTER();
    (void)edges;
    return update_deps(stream, deps, n_deps, flags);
}

SG_API(cuThreadExchangeStreamCaptureMode, CUstreamCaptureMode *mode)
{
    SG_ENTER();
    SG_CHECK(mode && *mode <= CU_STREAM_CAPTURE_MODE_RELAXED, CUDA_ERROR_INVALID_VALUE);
    const CUstreamCaptureMode before = sg_thread.capture_mode;
    sg_thread.capture_mode = *mode;
    *mode = before;
    return CUDA_SUCCESS;
}
