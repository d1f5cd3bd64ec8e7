/* Workspace of ours and the ledger's rows. See cudnn_shim.h. */
#include "shim/cudnn/cudnn_shim.h"

#include <pthread.h>
#include <stdlib.h>

/* The driver's functions by their exported names; cuda.h itself renames them by macro. */
typedef int (*alloc_fn)(uint64_t *at, size_t n_bytes);
typedef int (*free_fn)(uint64_t at);
typedef int (*capturing_fn)(void *stream, int *status);
typedef int (*id_fn)(void *stream, unsigned long long *id);
typedef int (*mode_fn)(int *mode);
enum { RELAXED = 2 };

struct buffer {
    cudnnHandle_t handle;
    unsigned long long stream;
    uint64_t at;
    size_t n_bytes;
    struct buffer *next;
};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct buffer *buffers;

void det_cudnn_count(_Atomic(struct det_ledger_row *) *row, const char *call, enum det_class cls,
    enum det_rule rule, const char *reason)
{
    struct det_ledger_row *found = atomic_load_explicit(row, memory_order_acquire);
    if (!found) {
        found = det_ledger_row("call", call, cls, rule, reason);
        atomic_store_explicit(row, found, memory_order_release);
    }
    det_ledger_hit(found);
}

void det_cudnn_count_as(
    const char *call, enum det_class cls, enum det_rule rule, const char *reason)
{
    det_ledger_hit(det_ledger_row("call", call, cls, rule, reason));
}

bool det_cudnn_stream(cudnnHandle_t handle, cudaStream_t *stream, const void *caller)
{
    const capturing_fn capturing =
        (capturing_fn)(uintptr_t)det_driver_symbol("cuStreamIsCapturing");
    int status = 1;
    if (!capturing || DET_REAL_FOR(cudnnGetStream, caller)(handle, stream) != CUDNN_STATUS_SUCCESS)
        return false;
    return capturing(*stream, &status) == 0 && status == 0;
}

/* A capture of another thread in global mode would be broken by cuMemAlloc; this thread's mode is ours to relax. */
static uint64_t allocate(size_t n_bytes, uint64_t old)
{
    const alloc_fn alloc = (alloc_fn)(uintptr_t)det_driver_symbol("cuMemAlloc_v2");
    const free_fn release = (free_fn)(uintptr_t)det_driver_symbol("cuMemFree_v2");
    const mode_fn exchange =
        (mode_fn)(uintptr_t)det_driver_symbol("cuThreadExchangeStreamCaptureMode");
    if (!alloc || !release || !exchange)
        return 0;
    int mode = RELAXED;
    uint64_t at = 0;
    exchange(&mode);
    if (old)
        release(old); /* waits for the kernels that still use it */
    if (n_bytes && alloc(&at, n_bytes) != 0)
        at = 0;
    exchange(&mode);
    return at;
}

/* Streams are known by id where the driver has ids, so that a new stream at an old address gets a buffer of its own. */
static unsigned long long stream_id(cudaStream_t stream)
{
    const id_fn get = (id_fn)(uintptr_t)det_driver_symbol("cuStreamGetId");
    unsigned long long id = 0;
    return get && get(stream, &id) == 0 ? id : (unsigned long long)(uintptr_t)stream;
}

static struct buffer *buffer_of(cudnnHandle_t handle, unsigned long long stream)
{
    struct buffer *found = buffers;
    while (found && (found->handle != handle || found->stream != stream))
        found = found->next;
    if (!found && (found = calloc(1, sizeof *found))) {
        found->handle = handle;
        found->stream = stream;
        found->next = buffers;
        buffers = found;
    }
    return found;
}

void *det_cudnn_workspace(cudnnHandle_t handle, size_t n_bytes, const void *caller)
{
    cudaStream_t stream = NULL;
    if (!n_bytes || !det_cudnn_stream(handle, &stream, caller))
        return NULL;
    void *at = NULL;
    det_inside_begin();
    pthread_mutex_lock(&lock);
    struct buffer *buffer = buffer_of(handle, stream_id(stream));
    if (buffer && buffer->n_bytes < n_bytes) {
        buffer->at = allocate(n_bytes, buffer->at);
        buffer->n_bytes = buffer->at ? n_bytes : 0;
    }
    if (buffer)
        at = (void *)(uintptr_t)buffer->at;
    pthread_mutex_unlock(&lock);
    det_inside_end();
    return at;
}

void det_cudnn_workspace_drop(cudnnHandle_t handle)
{
    det_inside_begin();
    pthread_mutex_lock(&lock);
    for (struct buffer **at = &buffers; *at;) {
        struct buffer *one = *at;
        if (one->handle != handle) {
            at = &one->next;
            continue;
        }
        *at = one->next;
        if (one->at)
            allocate(0, one->at);
        free(one);
    }
    pthread_mutex_unlock(&lock);
    det_inside_end();
}
