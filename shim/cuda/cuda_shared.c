/* Memory that host and device share: nothing copies it, so its bytes are digested where nobody writes them. Only memory the
 * program asked to share: managed, and pinned memory with the "device map" flag. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shim/cuda/cuda_digest.h"
#include "shim/cuda/cuda_driver.h"
#include "shim/cuda/cuda_state.h"
#include "shim/loader/call.h"

enum { MOST_BYTES = 1 << 30 };

struct shared {
    const char *call;
    const char *at;
    size_t n_bytes;
    CUcontext ctx;
    struct shared *next; /* newer */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct shared *oldest;
static _Atomic bool any;
static __thread uint64_t n_waited; /* launches of this thread when it waited last */

static void digest(const struct shared *shared)
{
    const struct det_digest_block block = { shared->at, shared->n_bytes, 0, 1, 0, 1 };
    det_digest_block_now(shared->call, &block, shared->n_bytes > MOST_BYTES ? "over 1 GiB" : NULL);
}

static void add(const char *call, const void *at, size_t n_bytes)
{
    const int saved = errno;
    struct shared *const shared = calloc(1, sizeof *shared);
    if (shared != NULL) {
        *shared = (struct shared){ call, at, n_bytes, NULL, NULL };
        det_inside_begin();
        det_driver()->cuCtxGetCurrent(&shared->ctx);
        det_inside_end();
        pthread_mutex_lock(&lock);
        struct shared **end = &oldest;
        while (*end != NULL)
            end = &(*end)->next;
        *end = shared;
        pthread_mutex_unlock(&lock);
        atomic_store_explicit(&any, true, memory_order_relaxed);
    }
    errno = saved;
}

/* Its last bytes, if they are settled. Taken out before the free: the address may be given out again at once. */
static struct shared *take(const void *at)
{
    pthread_mutex_lock(&lock);
    struct shared **link = &oldest;
    while (*link != NULL && (*link)->at != at)
        link = &(*link)->next;
    struct shared *const found = *link;
    if (found != NULL)
        *link = found->next;
    pthread_mutex_unlock(&lock);
    return found;
}

static void going(const void *at)
{
    const int saved = errno;
    struct shared *const shared = take(at);
    uint64_t launches;
    if (shared != NULL) {
        det_log_last(&launches);
        if (launches == n_waited && det_log_wants_copies())
            digest(shared);
        free(shared);
    }
    errno = saved;
}

void det_shared_waited(void)
{
    det_log_last(&n_waited);
}

void det_shared_idle(CUcontext ctx)
{
    det_shared_waited();
    if (!atomic_load_explicit(&any, memory_order_relaxed) || !det_log_wants_copies())
        return;
    pthread_mutex_lock(&lock);
    for (const struct shared *s = oldest; s != NULL; s = s->next)
        if (s->ctx == ctx)
            digest(s);
    pthread_mutex_unlock(&lock);
}

void det_shared_finish(void)
{
    if (!atomic_load_explicit(&any, memory_order_relaxed) || !det_log_wants_copies())
        return;
    for (const struct shared *s = oldest; s != NULL; s = s->next)
        digest(s);
}

void det_shared_fork_child(void)
{
    static const pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;
    memcpy(&lock, &fresh, sizeof lock);
    oldest = NULL;
    atomic_store(&any, false);
}

#define ALLOC(symbol, params, args, when, at, n_bytes)                                             \
    DET_EXPORT CUresult symbol params                                                              \
    {                                                                                              \
        if (!det_enter(DET_ID_##symbol))                                                           \
            return DET_REAL(symbol) args;                                                          \
                                                                                                   \
        const CUresult status = DET_REAL(symbol) args;                                             \
        if (status == CUDA_SUCCESS && det_digest_on() && (when))                                   \
            add(#symbol, at, n_bytes);                                                             \
        det_leave(DET_ID_##symbol);                                                                \
        return status;                                                                             \
    }
ALLOC(cuMemAllocManaged, (CUdeviceptr * dptr, size_t bytesize, unsigned int flags),
    (dptr, bytesize, flags), true, (const void *)(uintptr_t)*dptr, bytesize)
ALLOC(cuMemHostAlloc, (void **pp, size_t bytesize, unsigned int Flags), (pp, bytesize, Flags),
    (Flags & CU_MEMHOSTALLOC_DEVICEMAP), *pp, bytesize)
ALLOC(cuMemHostRegister_v2, (void *p, size_t bytesize, unsigned int Flags), (p, bytesize, Flags),
    (Flags & CU_MEMHOSTREGISTER_DEVICEMAP), p, bytesize)

#define FREE(symbol, param, arg, at)                                                               \
    DET_EXPORT CUresult symbol(param)                                                              \
    {                                                                                              \
        if (!det_enter(DET_ID_##symbol))                                                           \
            return DET_REAL(symbol)(arg);                                                          \
                                                                                                   \
        if (atomic_load_explicit(&any, memory_order_relaxed))                                      \
            going(at);                                                                             \
        const CUresult status = DET_REAL(symbol)(arg);                                             \
        det_leave(DET_ID_##symbol);                                                                \
        return status;                                                                             \
    }
FREE(cuMemFree_v2, CUdeviceptr dptr, dptr, (const void *)(uintptr_t)dptr)
FREE(cuMemFreeHost, void *p, p, p)
FREE(cuMemHostUnregister, void *p, p, p)
