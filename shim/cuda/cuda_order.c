/* Order between streams; see the header. Launches are noted before they are looked at, both under one lock, so that of two
 * threads at least the second sees the other. */
#include "shim/cuda/cuda_order.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shim/cuda/cuda_digest.h"
#include "shim/cuda/cuda_driver.h"
#include "shim/cuda/cuda_past.h"
#include "shim/cuda/cuda_table.h"
#include "shim/loader/call.h"

enum { MAX_RECENT = 32, MAX_TARGETS = 8 };

/** A launch that may still be running. */
struct recent {
    uint64_t group;
    uint64_t number, thread; /* done when the table's folds have reached the number */
    CUstream stream;         /* it runs on; a graph's table has none of its own */
    bool anywhere;
    struct det_range target[MAX_TARGETS];
    size_t n_targets;
};
struct det_recents {
    uint64_t noted;
    struct recent entry[MAX_RECENT];
    unsigned n;
};

/** What runs before the next work of a stream, or before what waits for an event. */
struct known {
    struct key {
        const void *handle;
        uint64_t thread; /* of the per-thread default stream */
    } key;
    struct det_past past;
    UT_hash_handle hh;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct known *streams, *events;
static _Atomic bool any; /* a launch was noted: events matter from now on */

void det_order_fork_child(void)
{
    static const pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;
    memcpy(&lock, &fresh, sizeof lock);
    streams = events = NULL;
}

/* Lock held for these. */
static struct known *known_find(struct known *map, const void *handle)
{
    const struct key key = { handle, handle == CU_STREAM_PER_THREAD ? det_thread() : 0 };
    struct known *known = NULL;
    HASH_FIND(hh, map, &key, sizeof key, known);
    return known;
}

static struct known *known_get(struct known **map, const void *handle)
{
    struct known *known = known_find(*map, handle);
    if (known == NULL && (known = calloc(1, sizeof *known)) != NULL) {
        known->key = (struct key){ handle, handle == CU_STREAM_PER_THREAD ? det_thread() : 0 };
        HASH_ADD(hh, *map, key, sizeof known->key, known);
    }
    return known;
}

static void known_drop(struct known **map, const void *handle)
{
    struct known *const known = known_find(*map, handle);
    if (known == NULL)
        return;
    HASH_DEL(*map, known);
    free(known);
}

/* Lock held. Launches of `table` that are known to be over. */
static uint64_t done(const struct det_table *table)
{
    uint64_t folds = 0;
    for (const struct det_report *r = __atomic_load_n(&table->reports, __ATOMIC_ACQUIRE); r != NULL;
         r = r->next)
        folds += r->host->folds;
    return folds;
}

static void forget_done(struct det_table *table)
{
    struct det_recents *const recents = table->recents;
    const uint64_t over = done(table);
    unsigned kept = 0;
    for (unsigned i = 0; i < recents->n; i++)
        if (recents->entry[i].number > over)
            recents->entry[kept++] = recents->entry[i];
    recents->n = kept;
}

static void note(struct det_table *table, uint64_t group, CUstream stream,
    const struct det_range *targets, size_t n, bool vague)
{
    struct det_recents *const recents = table->recents;
    forget_done(table);
    if (recents->n == MAX_RECENT) { /* too many to tell apart: the newest stands for all of them */
        recents->entry[0] = recents->entry[MAX_RECENT - 1];
        recents->entry[0].anywhere = true;
        recents->n = 1;
    }
    struct recent *const entry = &recents->entry[recents->n++];
    entry->number = ++recents->noted;
    entry->thread = det_thread();
    entry->stream = stream;
    entry->group = group;
    entry->anywhere = vague || n > MAX_TARGETS;
    entry->n_targets = n < MAX_TARGETS ? n : MAX_TARGETS;
    memcpy(entry->target, targets, entry->n_targets * sizeof *targets);
}

/* Work of the legacy stream and of blocking streams waits for each other by itself. */
static bool implicit(const struct det_table *a, const struct det_table *b)
{
    return (a->stream == NULL && b->blocking) || (b->stream == NULL && a->blocking);
}

static void compare(const struct recent *mine, const struct det_table *table,
    struct det_table *other, struct det_order *out)
{
    const struct recent *met = NULL;
    const struct known *const known = known_find(streams, mine->stream);
    const uint64_t before = known != NULL ? det_past_number(&known->past, other->serial) : 0;
    if (table->capture == 0 && other->capture == 0 && implicit(table, other))
        return;
    bool same_thread = true;
    for (unsigned i = 0; i < other->recents->n; i++) {
        const struct recent *const theirs = &other->recents->entry[i];
        if (theirs->number <= before || (mine->group != 0 && theirs->group == mine->group))
            continue; /* the program ordered it: one stream, or events */
        if (!mine->anywhere && !theirs->anywhere &&
            !det_decide_meet(mine->target, mine->n_targets, theirs->target, theirs->n_targets))
            continue;
        met = theirs;
        same_thread &= theirs->thread == mine->thread;
    }
    if (met == NULL)
        return;
    /* A graph may hold nodes that wait for the outside: nothing is added around one. */
    if (table->capture == 0 && other->capture == 0 && same_thread && !other->idle &&
        !atomic_load(&other->ctx->outside) && out->n_waits < DET_MAX_WAITS) {
        out->number[out->n_waits] = other->recents->noted;
        out->table[out->n_waits] = other->serial;
        out->wait_for[out->n_waits++] = other->stream;
    } else {
        out->unordered = true;
    }
}

/* Lock held. */
static void look(struct det_table *table, struct det_order *out)
{
    const struct recent mine = table->recents->entry[table->recents->n - 1];
    for (struct det_table *t = atomic_load(&table->ctx->tables); t != NULL; t = t->next) {
        if (t == table || t->recents == NULL)
            continue;
        forget_done(t);
        compare(&mine, table, t, out);
    }
}

void det_order_note(struct det_table *table, CUstream stream, const struct det_range *targets,
    size_t n, bool vague, struct det_order *out)
{
    out->n_waits = 0;
    out->unordered = false;
    pthread_mutex_lock(&lock);
    atomic_store_explicit(&any, true, memory_order_relaxed);
    if (table->recents == NULL)
        table->recents = calloc(1, sizeof *table->recents);
    if (table->recents != NULL) {
        note(table, out->group, stream, targets, n, vague);
        look(table, out);
    }
    pthread_mutex_unlock(&lock);
}

void det_order_queued(struct det_table *table, CUstream stream, const struct det_order *order)
{
    pthread_mutex_lock(&lock);
    struct known *const known = known_get(&streams, stream);
    if (known != NULL && table->recents != NULL) {
        det_past_note(&known->past, table->serial, table->recents->noted);
        for (unsigned i = 0; i < order->n_waits; i++)
            det_past_note(&known->past, order->table[i], order->number[i]);
    }
    pthread_mutex_unlock(&lock);
}

void det_order_stream_gone(CUstream stream)
{
    if (!atomic_load_explicit(&any, memory_order_relaxed))
        return;
    pthread_mutex_lock(&lock);
    known_drop(&streams, stream);
    pthread_mutex_unlock(&lock);
}

void det_order_failed(struct det_table *table)
{
    pthread_mutex_lock(&lock);
    struct det_recents *const recents = table->recents;
    if (recents != NULL && recents->noted != 0) {
        struct recent *const last = recents->n != 0 ? &recents->entry[recents->n - 1] : NULL;
        recents->noted--;
        if (last != NULL && last->anywhere)
            last->number = recents->noted; /* it may stand for others */
        else if (last != NULL)
            recents->n--;
    }
    pthread_mutex_unlock(&lock);
}

bool det_order_wait(const struct det_order *order, CUstream stream)
{
    const struct det_driver *const cu = det_driver();
    for (unsigned i = 0; i < order->n_waits; i++) {
        CUevent event = NULL;
        if (cu->cuEventCreate(&event, CU_EVENT_DISABLE_TIMING) != CUDA_SUCCESS)
            return false;
        const bool ok = cu->cuEventRecord(event, order->wait_for[i]) == CUDA_SUCCESS &&
                        cu->cuStreamWaitEvent(stream, event, 0) == CUDA_SUCCESS;
        cu->cuEventDestroy_v2(event);
        if (!ok)
            return false;
        det_log_counter("waits", 1);
    }
    return true;
}

void det_order_outside(struct det_ctx *ctx)
{
    if (ctx != NULL)
        atomic_store(&ctx->outside, true);
}

void det_order_idle(struct det_ctx *ctx)
{
    atomic_store(&ctx->outside, false);
}

static void outside(CUstream stream)
{
    const int saved = errno;
    det_inside_begin();
    det_order_outside(det_ctx_of(stream));
    det_inside_end();
    errno = saved;
}

/* Calls after which a stream may wait for something that only the program can bring about. */
#define OUTSIDE(symbol, params, args)                                                              \
    DET_EXPORT CUresult symbol params                                                              \
    {                                                                                              \
        if (!det_enter(DET_ID_##symbol))                                                           \
            return DET_REAL(symbol) args;                                                          \
                                                                                                   \
        outside(hStream);                                                                          \
        const CUresult status = DET_REAL(symbol) args;                                             \
        det_leave(DET_ID_##symbol);                                                                \
        return status;                                                                             \
    }
#define WAIT_32 (CUstream hStream, CUdeviceptr addr, cuuint32_t value, unsigned int flags)
#define WAIT_64 (CUstream hStream, CUdeviceptr addr, cuuint64_t value, unsigned int flags)
OUTSIDE(cuStreamWaitValue32_v2, WAIT_32, (hStream, addr, value, flags))
OUTSIDE(cuStreamWaitValue32_v2_ptsz, WAIT_32, (hStream, addr, value, flags))
OUTSIDE(cuStreamWaitValue64_v2, WAIT_64, (hStream, addr, value, flags))
OUTSIDE(cuStreamWaitValue64_v2_ptsz, WAIT_64, (hStream, addr, value, flags))
#define BATCH                                                                                      \
    (CUstream hStream, unsigned int count, CUstreamBatchMemOpParams *paramArray, unsigned int flags)
OUTSIDE(cuStreamBatchMemOp_v2, BATCH, (hStream, count, paramArray, flags))
OUTSIDE(cuStreamBatchMemOp_v2_ptsz, BATCH, (hStream, count, paramArray, flags))
#define HOST (CUstream hStream, CUhostFn fn, void *userData)
OUTSIDE(cuLaunchHostFunc, HOST, (hStream, fn, userData))
OUTSIDE(cuLaunchHostFunc_ptsz, HOST, (hStream, fn, userData))
#define CALLBACK (CUstream hStream, CUstreamCallback callback, void *userData, unsigned int flags)
OUTSIDE(cuStreamAddCallback, CALLBACK, (hStream, callback, userData, flags))
OUTSIDE(cuStreamAddCallback_ptsz, CALLBACK, (hStream, callback, userData, flags))
#define SEMAPHORE                                                                                  \
    (const CUexternalSemaphore *extSemArray,                                                       \
        const CUDA_EXTERNAL_SEMAPHORE_WAIT_PARAMS *paramsArray, unsigned int numExtSems,           \
        CUstream hStream)
OUTSIDE(cuWaitExternalSemaphoresAsync, SEMAPHORE, (extSemArray, paramsArray, numExtSems, hStream))
OUTSIDE(
    cuWaitExternalSemaphoresAsync_ptsz, SEMAPHORE, (extSemArray, paramsArray, numExtSems, hStream))

/* --- events of the program --- */

static bool watching(void)
{
    return atomic_load_explicit(&any, memory_order_relaxed) || det_digest_waiting();
}

/* What an event recorded now would tell, taken before the call: what other threads queue meanwhile is not in it. In a capture
 * the event belongs to the graph. */
static struct det_past recording(CUstream stream, bool *captured)
{
    struct det_past past = { .n = 0 };
    *captured = det_capture_any() && det_capture_id(stream) != 0;
    pthread_mutex_lock(&lock);
    const struct known *const known = known_find(streams, stream);
    if (known != NULL && !*captured)
        past = known->past;
    pthread_mutex_unlock(&lock);
    return past;
}

static void recorded(CUevent event, const struct det_past *past)
{
    pthread_mutex_lock(&lock);
    if (past->n == 0) {
        known_drop(&events, event);
    } else {
        struct known *const known = known_get(&events, event);
        if (known != NULL)
            known->past = *past;
    }
    pthread_mutex_unlock(&lock);
}

#define RECORD(symbol, per_thread, params, args)                                                   \
    DET_EXPORT CUresult symbol params                                                              \
    {                                                                                              \
        if (!watching() || !det_enter(DET_ID_##symbol))                                            \
            return DET_REAL(symbol) args;                                                          \
                                                                                                   \
        const int saved = errno;                                                                   \
        bool captured;                                                                             \
        det_inside_begin();                                                                        \
        const struct det_past past = recording(det_stream_normal(hStream, per_thread), &captured); \
        det_inside_end();                                                                          \
        errno = saved;                                                                             \
        const CUresult status = DET_REAL(symbol) args;                                             \
        if (status == CUDA_SUCCESS)                                                                \
            recorded(hEvent, &past);                                                               \
        if (status == CUDA_SUCCESS && det_digest_waiting() && !captured)                           \
            det_digest_event_recorded(hEvent, det_stream_normal(hStream, per_thread));             \
        det_leave(DET_ID_##symbol);                                                                \
        return status;                                                                             \
    }
RECORD(cuEventRecord, false, (CUevent hEvent, CUstream hStream), (hEvent, hStream))
RECORD(cuEventRecord_ptsz, true, (CUevent hEvent, CUstream hStream), (hEvent, hStream))
#define WITH_FLAGS (CUevent hEvent, CUstream hStream, unsigned int flags)
RECORD(cuEventRecordWithFlags, false, WITH_FLAGS, (hEvent, hStream, flags))
RECORD(cuEventRecordWithFlags_ptsz, true, WITH_FLAGS, (hEvent, hStream, flags))

static struct det_past waiting(CUevent event)
{
    struct det_past past = { .n = 0 };
    pthread_mutex_lock(&lock);
    const struct known *const known = known_find(events, event);
    if (known != NULL)
        past = known->past;
    pthread_mutex_unlock(&lock);
    return past;
}

/* A wait inside a capture orders nodes, not this stream's later work. */
static void waited(CUstream stream, CUevent event, const struct det_past *past)
{
    const int saved = errno;
    det_inside_begin();
    const bool captured = det_capture_any() && det_capture_id(stream) != 0;
    det_inside_end();
    if (det_digest_waiting() && !captured)
        det_digest_event_waited(stream, event);
    if (past->n != 0 && !captured) {
        pthread_mutex_lock(&lock);
        struct known *const known = known_get(&streams, stream);
        if (known != NULL)
            det_past_merge(&known->past, past);
        pthread_mutex_unlock(&lock);
    }
    errno = saved;
}

#define WAIT_EVENT(symbol, per_thread)                                                             \
    DET_EXPORT CUresult symbol(CUstream hStream, CUevent hEvent, unsigned int Flags)               \
    {                                                                                              \
        if (!watching() || !det_enter(DET_ID_##symbol))                                            \
            return DET_REAL(symbol)(hStream, hEvent, Flags);                                       \
                                                                                                   \
        const struct det_past past = waiting(hEvent);                                              \
        const CUresult status = DET_REAL(symbol)(hStream, hEvent, Flags);                          \
        if (status == CUDA_SUCCESS)                                                                \
            waited(det_stream_normal(hStream, per_thread), hEvent, &past);                         \
        det_leave(DET_ID_##symbol);                                                                \
        return status;                                                                             \
    }
WAIT_EVENT(cuStreamWaitEvent, false)
WAIT_EVENT(cuStreamWaitEvent_ptsz, true)

/* Handles are used again: a new event knows nothing. */
#define EVENT_DESTROY(symbol)                                                                      \
    DET_EXPORT CUresult symbol(CUevent hEvent)                                                     \
    {                                                                                              \
        if (!watching() || !det_enter(DET_ID_##symbol))                                            \
            return DET_REAL(symbol)(hEvent);                                                       \
                                                                                                   \
        pthread_mutex_lock(&lock);                                                                 \
        known_drop(&events, hEvent);                                                               \
        pthread_mutex_unlock(&lock);                                                               \
        if (det_digest_waiting())                                                                  \
            det_digest_gone(hEvent);                                                               \
        const CUresult status = DET_REAL(symbol)(hEvent);                                          \
        det_leave(DET_ID_##symbol);                                                                \
        return status;                                                                             \
    }
EVENT_DESTROY(cuEventDestroy)
EVENT_DESTROY(cuEventDestroy_v2)
