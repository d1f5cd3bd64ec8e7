/* Order between streams; see the header. Launches are noted before they are looked at, both under one lock, so that of two
 * threads at least the second sees the other. */
#include "shim/cuda/cuda_order.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shim/cuda/cuda_driver.h"
#include "shim/cuda/cuda_table.h"
#include "shim/loader/call.h"

enum { MAX_RECENT = 32, MAX_TARGETS = 8 };

/** A launch that may still be running. */
struct recent {
    uint64_t number, thread; /* done when the table's folds have reached the number */
    bool anywhere;
    struct det_range target[MAX_TARGETS];
    size_t n_targets;
};
struct det_recents {
    uint64_t noted, failed;
    struct recent entry[MAX_RECENT];
    unsigned n;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void det_order_fork_child(void)
{
    static const pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;
    memcpy(&lock, &fresh, sizeof lock);
}

/* Lock held. Launches of `table` that are known to be over. */
static uint64_t done(const struct det_table *table)
{
    uint64_t folds = table->recents->failed;
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

static void note(struct det_table *table, const struct det_range *targets, size_t n, bool vague)
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
    if (implicit(table, other))
        return;
    bool same_thread = true;
    for (unsigned i = 0; i < other->recents->n; i++) {
        const struct recent *const theirs = &other->recents->entry[i];
        if (!mine->anywhere && !theirs->anywhere &&
            !det_decide_meet(mine->target, mine->n_targets, theirs->target, theirs->n_targets))
            continue;
        met = theirs;
        same_thread &= theirs->thread == mine->thread;
    }
    if (met == NULL)
        return;
    if (same_thread && !other->idle && !atomic_load(&other->ctx->outside) &&
        out->n_waits < DET_MAX_WAITS)
        out->wait_for[out->n_waits++] = other->stream;
    else
        out->unordered = true;
}

void det_order_note(struct det_table *table, const struct det_range *targets, size_t n, bool vague,
    struct det_order *out)
{
    out->n_waits = 0;
    out->unordered = false;
    if (table->capture != 0)
        return; /* in a graph the program's own edges are the order */
    pthread_mutex_lock(&lock);
    if (table->recents == NULL)
        table->recents = calloc(1, sizeof *table->recents);
    if (table->recents != NULL) {
        note(table, targets, n, vague);
        const struct recent mine = table->recents->entry[table->recents->n - 1];
        for (struct det_table *t = atomic_load(&table->ctx->tables); t != NULL; t = t->next) {
            if (t == table || t->recents == NULL || t->capture != 0)
                continue;
            forget_done(t);
            compare(&mine, table, t, out);
        }
    }
    pthread_mutex_unlock(&lock);
}

void det_order_failed(struct det_table *table)
{
    pthread_mutex_lock(&lock);
    if (table->recents != NULL)
        table->recents->failed++;
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
