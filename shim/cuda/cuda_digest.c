/* Digests of copies; see the header. A copy that runs by itself is carried by its stream, by events recorded behind it and by
 * streams that wait for those: the first carrier the program waits for tells that the bytes are there. */
#include "shim/cuda/cuda_digest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "detshim/trace.h"
#include "shim/cuda/cuda_driver.h"
#include "shim/cuda/cuda_memory.h"
#include "shim/cuda/cuda_table.h"
#include "shim/loader/call.h"

enum { MAX_WAITING = 1024, MAX_CARRIERS = 12, MAX_NAMES = 4096 };

struct carrier {
    const void *handle; /* CUstream or CUevent */
    uint64_t thread;    /* of the per-thread default stream, else 0 */
    bool blocking;      /* a stream in order with the legacy one */
};
struct waiting {
    CUcontext ctx;
    struct det_digest_block block;
    struct det_log_copy record;
    char stream[24];
    struct carrier carrier[MAX_CARRIERS];
    unsigned n_carriers;
    bool done;
    struct waiting *next; /* newer */
};

_Atomic int det_digest_state;
_Atomic unsigned det_digest_n_waiting;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct waiting *oldest, *newest;

bool det_digest_decide(void)
{
    const bool on = det_policy()->trace >= DET_TRACE_DIGESTS;
    atomic_store_explicit(
        &det_digest_state, on ? DET_DIGEST_ON : DET_DIGEST_OFF, memory_order_relaxed);
    return on;
}

/* Names of the streams a thread copied on. Streams are created in places we do not see. */
struct stream_name {
    CUstream handle;
    uint64_t thread, number;
    struct stream_name *next;
};
static struct stream_name *names;
static __thread uint64_t n_names, n_copies;

/* NOLINTNEXTLINE(readability-non-const-parameter): the line writes there */
static void put_stream_name(CUstream stream, char *to, size_t cap_bytes)
{
    const uint64_t me = det_thread();
    struct det_line line = { .at = to, .cap = cap_bytes };
    if (stream == NULL || stream == CU_STREAM_PER_THREAD) {
        det_line_text(&line, stream == NULL ? DET_T_LEGACY : DET_T_THREAD);
        return;
    }
    pthread_mutex_lock(&lock);
    struct stream_name *name = names;
    while (name != NULL && (name->handle != stream || name->thread != me))
        name = name->next;
    if (name == NULL && n_names < MAX_NAMES && (name = calloc(1, sizeof *name)) != NULL) {
        *name = (struct stream_name){ stream, me, ++n_names, names };
        names = name;
    }
    det_line_printf(&line, "s%llu", name != NULL ? (unsigned long long)name->number : 0ULL);
    pthread_mutex_unlock(&lock);
}

/* --- a record --- */

static size_t bytes_of(const struct det_digest_block *block)
{
    return block->width * block->rows * block->depth;
}

static void fill(struct det_log_copy *record, const char *call, const char *stream, size_t n_bytes)
{
    *record = (struct det_log_copy){ .call = call, .stream = stream, .n_bytes = n_bytes };
    record->thread = det_thread();
    record->n = ++n_copies;
    record->after = det_log_last(&record->launches);
}

static void write_record(
    struct det_log_copy *record, const struct det_digest_block *block, bool safe)
{
    if (record->why == NULL && !det_memory_digest(block, safe, &record->digest))
        record->why = "cannot read the memory";
    det_log_copy(record);
}

void det_digest_block_now(const char *call, const struct det_digest_block *block, const char *why)
{
    struct det_log_copy record;
    fill(&record, call, DET_T_MEMORY, bytes_of(block));
    record.why = why;
    write_record(&record, block, true);
}

static const char *end_of(const struct det_digest_block *block)
{
    return block->at + (block->depth - 1) * block->slice + (block->rows - 1) * block->pitch +
           block->width;
}

/* --- copies nobody has waited for (lock held) --- */

static struct carrier carrier_of(const void *handle, bool blocking)
{
    return (struct carrier){ handle, handle == CU_STREAM_PER_THREAD ? det_thread() : 0, blocking };
}

static bool carries(const struct carrier *carrier, const void *handle)
{
    return carrier->handle == handle &&
           (handle != CU_STREAM_PER_THREAD || carrier->thread == det_thread());
}

/* Work on the legacy stream comes after that of blocking streams; waiting for it alone tells nothing of them. */
static bool carried(const struct waiting *w, const void *handle, bool legacy_work)
{
    for (unsigned i = 0; i < w->n_carriers; i++)
        if (carries(&w->carrier[i], handle) || (legacy_work && w->carrier[i].blocking))
            return true;
    return false;
}

static void carry(struct waiting *w, const void *handle, bool blocking)
{
    if (!carried(w, handle, false) && w->n_carriers < MAX_CARRIERS)
        w->carrier[w->n_carriers++] = carrier_of(handle, blocking);
}

static void drop_carrier(struct waiting *w, const void *handle)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < w->n_carriers; i++)
        if (!carries(&w->carrier[i], handle))
            w->carrier[kept++] = w->carrier[i];
    w->n_carriers = kept;
}

/* Take out what is done, oldest first; the records are written without the lock. */
static struct waiting *take_done(void)
{
    struct waiting *taken = NULL, **end = &taken, **at = &oldest;
    newest = NULL;
    while (*at != NULL) {
        struct waiting *const w = *at;
        if (!w->done) {
            newest = w;
            at = &w->next;
            continue;
        }
        *at = w->next;
        w->next = NULL;
        *end = w;
        end = &w->next;
        atomic_fetch_sub_explicit(&det_digest_n_waiting, 1, memory_order_relaxed);
    }
    return taken;
}

static void write_all(struct waiting *taken)
{
    const int saved = errno;
    for (struct waiting *next; taken != NULL; taken = next) {
        next = taken->next;
        write_record(&taken->record, &taken->block, true);
        free(taken);
    }
    errno = saved;
}

/* The host memory of an older copy is written again: what arrived first cannot be told any more. */
static void overwritten(const struct det_digest_block *by)
{
    if (bytes_of(by) == 0)
        return;
    for (struct waiting *w = oldest; w != NULL; w = w->next)
        if (w->block.at < end_of(by) && by->at < end_of(&w->block)) {
            w->record.why = "overwritten before the program waited";
            w->done = true;
        }
}

static bool is_blocking(CUstream stream)
{
    const struct det_driver *const cu = det_driver();
    unsigned flags = 0;
    if (stream == NULL)
        return true;
    return cu->cuStreamGetFlags != NULL && cu->cuStreamGetFlags(stream, &flags) == CUDA_SUCCESS &&
           !(flags & CU_STREAM_NON_BLOCKING);
}

static struct waiting *queue(const struct det_digest_copy *copy, struct det_log_copy *record)
{
    struct waiting *const w = calloc(1, sizeof *w);
    if (w == NULL) {
        record->why = "no memory";
        return NULL;
    }
    w->block = copy->block;
    w->record = *record;
    det_driver()->cuCtxGetCurrent(&w->ctx);
    memcpy(w->stream, record->stream, strlen(record->stream) + 1);
    w->record.stream = w->stream;
    carry(w, copy->stream, is_blocking(copy->stream));
    return w;
}

static struct waiting *append(struct waiting *w)
{
    pthread_mutex_lock(&lock);
    overwritten(&w->block);
    if (oldest != NULL && atomic_load(&det_digest_n_waiting) >= MAX_WAITING) {
        oldest->record.why = "too many copies that nobody waited for";
        oldest->done = true;
    }
    if (newest != NULL)
        newest->next = w;
    else
        oldest = w;
    newest = w;
    atomic_fetch_add_explicit(&det_digest_n_waiting, 1, memory_order_relaxed);
    struct waiting *const taken = take_done();
    pthread_mutex_unlock(&lock);
    return taken;
}

/* --- what the wrappers tell --- */

/* In unified addressing a copy tells neither end. Memory the driver does not know is the host's. */
static bool reaches_host(CUdeviceptr from, const void *to)
{
    const struct det_driver *const cu = det_driver();
    const CUpointer_attribute type = CU_POINTER_ATTRIBUTE_MEMORY_TYPE;
    unsigned source = 0, target = 0;
    if (cu->cuPointerGetAttribute == NULL ||
        cu->cuPointerGetAttribute(&source, type, from) != CUDA_SUCCESS ||
        source != CU_MEMORYTYPE_DEVICE)
        return false;
    return cu->cuPointerGetAttribute(&target, type, (CUdeviceptr)(uintptr_t)to) != CUDA_SUCCESS ||
           target == CU_MEMORYTYPE_HOST;
}

/* A load there could kill the program. */
static bool is_device(const void *at)
{
    const struct det_driver *const cu = det_driver();
    unsigned type = 0;
    return cu->cuPointerGetAttribute != NULL &&
           cu->cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE,
               (CUdeviceptr)(uintptr_t)at) == CUDA_SUCCESS &&
           type == CU_MEMORYTYPE_DEVICE;
}

static void copied(const struct det_digest_copy *copy)
{
    struct det_log_copy record;
    char stream[24] = "";
    if (bytes_of(&copy->block) == 0 || !det_log_wants_copies() ||
        !(copy->to_host || reaches_host(copy->from, copy->block.at)))
        return;
    put_stream_name(copy->stream, stream, sizeof stream);
    fill(&record, copy->call, stream, bytes_of(&copy->block));
    if (det_capture_any() && det_capture_id(copy->stream) != 0)
        record.why = "part of a graph";
    struct waiting *const w = copy->waits || record.why != NULL ? NULL : queue(copy, &record);
    if (w != NULL)
        write_all(append(w));
    else
        write_record(&record, &copy->block, is_device(copy->block.at));
}

static void done(const void *handle, bool legacy_work)
{
    if (!det_digest_waiting())
        return;
    pthread_mutex_lock(&lock);
    for (struct waiting *w = oldest; w != NULL; w = w->next)
        w->done |= carried(w, handle, legacy_work);
    struct waiting *const taken = take_done();
    pthread_mutex_unlock(&lock);
    write_all(taken);
}

void det_digest_copied(const struct det_digest_copy *copy)
{
    const int saved = errno;
    det_inside_begin();
    if (copy->waits) {
        det_shared_waited();
        done(copy->stream, copy->stream == NULL);
    }
    copied(copy);
    det_inside_end();
    errno = saved;
}

void det_digest_copied_3d(
    const char *call, CUstream stream, bool waits, const CUDA_MEMCPY3D *params)
{
    const CUDA_MEMCPY3D *const p = params;
    struct det_digest_copy copy = { .call = call, .stream = stream, .waits = waits };
    const bool unified = p->dstMemoryType == CU_MEMORYTYPE_UNIFIED;
    if ((!unified && p->dstMemoryType != CU_MEMORYTYPE_HOST) ||
        p->srcMemoryType == CU_MEMORYTYPE_HOST)
        return;
    copy.to_host = !unified && p->srcMemoryType != CU_MEMORYTYPE_UNIFIED;
    copy.from = p->srcDevice;
    if (p->srcMemoryType == CU_MEMORYTYPE_ARRAY)
        return; /* its source is no address; not compared, said in the docs */
    const size_t pitch = p->dstPitch != 0 ? p->dstPitch : p->dstXInBytes + p->WidthInBytes;
    const size_t slice = pitch * (p->dstHeight != 0 ? p->dstHeight : p->dstY + p->Height);
    const char *const base =
        unified ? (const char *)(uintptr_t)p->dstDevice : (const char *)p->dstHost;
    copy.block =
        (struct det_digest_block){ base + p->dstZ * slice + p->dstY * pitch + p->dstXInBytes,
            p->WidthInBytes, pitch, p->Height, slice, p->Depth };
    det_digest_copied(&copy);
}

void det_digest_copied_2d(
    const char *call, CUstream stream, bool waits, const CUDA_MEMCPY2D *params)
{
    const CUDA_MEMCPY2D *const p = params;
    const CUDA_MEMCPY3D as_3d = { .srcMemoryType = p->srcMemoryType,
        .srcDevice = p->srcDevice,
        .dstXInBytes = p->dstXInBytes,
        .dstY = p->dstY,
        .dstMemoryType = p->dstMemoryType,
        .dstHost = p->dstHost,
        .dstDevice = p->dstDevice,
        .dstPitch = p->dstPitch,
        .WidthInBytes = p->WidthInBytes,
        .Height = p->Height,
        .Depth = 1 };
    det_digest_copied_3d(call, stream, waits, &as_3d);
}

void det_digest_stream_done(CUstream stream)
{
    det_shared_waited();
    done(stream, false);
}

void det_digest_event_done(CUevent event)
{
    det_shared_waited();
    done(event, false);
}

void det_digest_context_done(CUcontext ctx)
{
    const int saved = errno;
    det_inside_begin();
    if (ctx == NULL)
        det_driver()->cuCtxGetCurrent(&ctx);
    pthread_mutex_lock(&lock);
    for (struct waiting *w = oldest; w != NULL; w = w->next)
        w->done |= w->ctx == ctx;
    struct waiting *const taken = take_done();
    pthread_mutex_unlock(&lock);
    write_all(taken);
    det_shared_idle(ctx);
    det_inside_end();
    errno = saved;
}

void det_digest_asked(void)
{
    det_log_mixed();
}

void det_digest_event_recorded(CUevent event, CUstream stream)
{
    pthread_mutex_lock(&lock);
    for (struct waiting *w = oldest; w != NULL; w = w->next) {
        drop_carrier(w, event);
        if (carried(w, stream, stream == NULL))
            carry(w, event, false);
    }
    pthread_mutex_unlock(&lock);
}

void det_digest_event_waited(CUstream stream, CUevent event)
{
    pthread_mutex_lock(&lock);
    for (struct waiting *w = oldest; w != NULL; w = w->next)
        if (carried(w, event, false))
            carry(w, stream, false);
    pthread_mutex_unlock(&lock);
}

void det_digest_gone(const void *handle)
{
    pthread_mutex_lock(&lock);
    for (struct waiting *w = oldest; w != NULL; w = w->next)
        drop_carrier(w, handle);
    for (struct stream_name *name = names; name != NULL; name = name->next)
        if (name->handle == handle)
            name->handle = (CUstream)(uintptr_t)-1;
    pthread_mutex_unlock(&lock);
}

/* Nobody waited for these: the device may still write. */
void det_digest_finish(void)
{
    det_shared_finish();
    if (det_policy_was_read() && det_digest_waiting()) {
        pthread_mutex_lock(&lock);
        for (struct waiting *w = oldest; w != NULL; w = w->next) {
            w->record.why = "the program never waited for it";
            w->done = true;
        }
        struct waiting *const taken = take_done();
        pthread_mutex_unlock(&lock);
        write_all(taken);
    }
}

void det_digest_fork_child(void)
{
    static const pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;
    memcpy(&lock, &fresh, sizeof lock);
    oldest = newest = NULL;
    names = NULL;
    det_shared_fork_child();
    atomic_store(&det_digest_n_waiting, 0);
}
