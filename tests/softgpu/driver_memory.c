/* Software GPU: memory. One reserved range holds every allocation of all devices and, behind them, pinned and managed memory,
 * so that the interpreter's check is two compares; host memory that the program registers, and module variables, stand in a
 * small sorted table. The range lies at a fixed address where it can: device pointers repeat from run to run. */
#include "tests/softgpu/driver.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define ALIGNMENT   512
#define HOST_PART   ((size_t)16 << 30)
#define WANTED_BASE ((void *)0x700000000000)

struct sg_pool {
    enum sg_tag tag;
    int device;
    uint64_t threshold, used, used_high;
    bool is_default;
};
struct range {
    const char *at;
    size_t n_bytes;
};

static char *arena;
static size_t arena_bytes;
static struct sg_alloc **allocs; /* sorted by address */
static size_t n_allocs, cap_allocs;
static struct range *ranges; /* sorted by address */
static size_t n_ranges, cap_ranges;
static size_t used[16];
static unsigned long long n_ids;
static struct sg_pool *default_pools[16], *current_pools[16];

/* --- what the device may touch --- */

bool sg_memory_ok(const void *at, size_t n_bytes)
{
    const size_t offset = (size_t)((const char *)at - arena);
    if (offset < arena_bytes && n_bytes <= arena_bytes - offset)
        return true;
    size_t low = 0, high = n_ranges;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (ranges[middle].at <= (const char *)at)
            low = middle + 1;
        else
            high = middle;
    }
    if (!low)
        return false;
    const size_t inside = (size_t)((const char *)at - ranges[low - 1].at);
    return inside <= ranges[low - 1].n_bytes && n_bytes <= ranges[low - 1].n_bytes - inside;
}

void sg_memory_add_range(const void *at, size_t n_bytes)
{
    if (n_ranges == cap_ranges) {
        cap_ranges = cap_ranges ? 2 * cap_ranges : 64;
        ranges = realloc(ranges, cap_ranges * sizeof *ranges);
        if (!ranges)
            abort();
    }
    size_t i = n_ranges++;
    for (; i && ranges[i - 1].at > (const char *)at; i--)
        ranges[i] = ranges[i - 1];
    ranges[i] = (struct range){ at, n_bytes };
}

void sg_memory_remove_range(const void *at)
{
    for (size_t i = 0; i < n_ranges; i++)
        if (ranges[i].at == at) {
            memmove(&ranges[i], &ranges[i + 1], (n_ranges - i - 1) * sizeof *ranges);
            n_ranges--;
            return;
        }
}

void sg_memory_start(void)
{
    const size_t device_part = sg_options.memory_bytes * (size_t)sg_options.n_devices;
    arena_bytes = device_part + HOST_PART;
    arena = mmap(WANTED_BASE, arena_bytes, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (arena == MAP_FAILED)
        arena = mmap(NULL, arena_bytes, PROT_READ | PROT_WRITE,
            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (arena == MAP_FAILED) {
        fputs("softgpu: cannot reserve address space\n", stderr);
        abort();
    }
}

/* --- allocations --- */

/* Index of the first allocation that starts above `at`. */
static size_t above(const void *at)
{
    size_t low = 0, high = n_allocs;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (allocs[middle]->at <= (const char *)at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct sg_alloc *sg_memory_find(const void *at)
{
    const size_t i = above(at);
    if (!i)
        return NULL;
    struct sg_alloc *alloc = allocs[i - 1];
    const size_t inside = (size_t)((const char *)at - alloc->at);
    return inside < (alloc->n_bytes ? alloc->n_bytes : 1) ? alloc : NULL;
}

static size_t padded(size_t n_bytes)
{
    return (n_bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static void insert(struct sg_alloc *alloc)
{
    if (n_allocs == cap_allocs) {
        cap_allocs = cap_allocs ? 2 * cap_allocs : 256;
        allocs = realloc(allocs, cap_allocs * sizeof *allocs);
        if (!allocs)
            abort();
    }
    const size_t i = above(alloc->at);
    memmove(&allocs[i + 1], &allocs[i], (n_allocs - i) * sizeof *allocs);
    allocs[i] = alloc;
    n_allocs++;
}

/* First gap that fits in [from, to): equal requests in equal order give equal addresses. */
static char *find_gap(char *from, char *to, size_t n_bytes)
{
    size_t i = above(from);
    if (i && allocs[i - 1]->at + padded(allocs[i - 1]->n_bytes) > from)
        from = allocs[i - 1]->at + padded(allocs[i - 1]->n_bytes);
    for (; i < n_allocs && allocs[i]->at < to; i++) {
        if ((size_t)(allocs[i]->at - from) >= n_bytes && allocs[i]->at > from)
            return from;
        from = allocs[i]->at + padded(allocs[i]->n_bytes);
    }
    return from <= to && (size_t)(to - from) >= n_bytes ? from : NULL;
}

CUresult sg_memory_alloc(
    struct sg_context *context, CUmemorytype type, size_t n_bytes, struct sg_alloc **out)
{
    const int device = context->device;
    const size_t device_part = sg_options.memory_bytes * (size_t)sg_options.n_devices;
    const bool host = type == CU_MEMORYTYPE_HOST || type == CU_MEMORYTYPE_UNIFIED;
    char *from = host ? arena + device_part : arena + sg_options.memory_bytes * (size_t)device;
    char *to = host ? arena + arena_bytes : from + sg_options.memory_bytes;
    SG_CHECK(n_bytes <= (size_t)(to - from), CUDA_ERROR_OUT_OF_MEMORY);
    char *at = find_gap(from, to, padded(n_bytes));
    SG_CHECK(at, CUDA_ERROR_OUT_OF_MEMORY);
    struct sg_alloc *alloc = sg_calloc(1, sizeof *alloc);
    *alloc = (struct sg_alloc){ .at = at,
        .n_bytes = n_bytes,
        .type = type,
        .context = context,
        .device = device,
        .id = ++n_ids };
    if (!host)
        used[device] += padded(n_bytes);
    insert(alloc);
    *out = alloc;
    return CUDA_SUCCESS;
}

static void forget(size_t i)
{
    struct sg_alloc *alloc = allocs[i];
    if (alloc->type == CU_MEMORYTYPE_DEVICE && !alloc->managed)
        used[alloc->device] -= padded(alloc->n_bytes);
    if (alloc->pool)
        alloc->pool->used -= alloc->n_bytes;
    if (alloc->registered)
        sg_memory_remove_range(alloc->at);
    memmove(&allocs[i], &allocs[i + 1], (n_allocs - i - 1) * sizeof *allocs);
    n_allocs--;
    free(alloc);
}

CUresult sg_memory_free(const void *at)
{
    const size_t i = above(at);
    SG_CHECK(i && allocs[i - 1]->at == (const char *)at, CUDA_ERROR_INVALID_VALUE);
    forget(i - 1);
    return CUDA_SUCCESS;
}

void sg_memory_drop_context(struct sg_context *context)
{
    for (size_t i = n_allocs; i--;)
        if (allocs[i]->context == context)
            forget(i);
}

size_t sg_memory_used(int device)
{
    return used[device];
}

/* --- cuMemAlloc and relatives --- */

static CUresult allocate(CUdeviceptr *out, size_t n_bytes, struct sg_alloc **alloc)
{
    struct sg_context *context = NULL;
    SG_TRY(sg_current(&context));
    SG_CHECK(out && n_bytes, CUDA_ERROR_INVALID_VALUE);
    SG_TRY(sg_capture_unsafe());
    SG_TRY(sg_memory_alloc(context, CU_MEMORYTYPE_DEVICE, n_bytes, alloc));
    *out = (CUdeviceptr)(uintptr_t)(*alloc)->at;
    return CUDA_SUCCESS;
}

SG_API(cuMemAlloc_v2, CUdeviceptr *at, size_t n_bytes)
{
    SG_ENTER();
    struct sg_alloc *alloc = NULL;
    return allocate(at, n_bytes, &alloc);
}

SG_API(
    cuMemAllocPitch_v2, CUdeviceptr *at, size_t *pitch, size_t width, size_t height, unsigned elem)
{
    SG_ENTER();
    struct sg_alloc *alloc = NULL;
    SG_CHECK(pitch && (elem == 4 || elem == 8 || elem == 16), CUDA_ERROR_INVALID_VALUE);
    *pitch = padded(width);
    return allocate(at, *pitch * height, &alloc);
}

/* Freeing waits for everything that was queued: as cudaFree is documented to do implicitly. */
SG_API(cuMemFree_v2, CUdeviceptr at)
{
    SG_ENTER();
    struct sg_context *context = NULL;
    SG_TRY(sg_current(&context));
    if (!at)
        return CUDA_SUCCESS;
    SG_TRY(sg_capture_unsafe());
    const struct sg_alloc *alloc = sg_memory_find((void *)(uintptr_t)at);
    SG_CHECK(alloc && alloc->at == (char *)(uintptr_t)at && alloc->type != CU_MEMORYTYPE_HOST,
        CUDA_ERROR_INVALID_VALUE);
    SG_TRY(sg_wait_context(context));
    return sg_memory_free((void *)(uintptr_t)at);
}

SG_API(cuMemAllocManaged, CUdeviceptr *at, size_t n_bytes, unsigned flags)
{
    SG_ENTER();
    struct sg_context *context = NULL;
    struct sg_alloc *alloc = NULL;
    SG_TRY(sg_current(&context));
    SG_CHECK(at && n_bytes, CUDA_ERROR_INVALID_VALUE);
    SG_CHECK(
        flags == CU_MEM_ATTACH_GLOBAL || flags == CU_MEM_ATTACH_HOST, CUDA_ERROR_INVALID_VALUE);
    SG_TRY(sg_capture_unsafe());
    SG_TRY(sg_memory_alloc(context, CU_MEMORYTYPE_UNIFIED, n_bytes, &alloc));
    alloc->managed = true;
    alloc->flags = flags;
    *at = (CUdeviceptr)(uintptr_t)alloc->at;
    return CUDA_SUCCESS;
}

static CUresult host_alloc(void **at, size_t n_bytes, unsigned flags)
{
    struct sg_context *context = NULL;
    struct sg_alloc *alloc = NULL;
    SG_TRY(sg_current(&context));
    SG_CHECK(at && !(flags & ~7u), CUDA_ERROR_INVALID_VALUE);
    *at = NULL;
    if (!n_bytes)
        return CUDA_SUCCESS;
    SG_TRY(sg_capture_unsafe());
    SG_TRY(sg_memory_alloc(context, CU_MEMORYTYPE_HOST, n_bytes, &alloc));
    alloc->flags = flags;
    *at = alloc->at;
    return CUDA_SUCCESS;
}

SG_API(cuMemHostAlloc, void **at, size_t n_bytes, unsigned flags)
{
    SG_ENTER();
    return host_alloc(at, n_bytes, flags);
}

SG_API(cuMemAllocHost_v2, void **at, size_t n_bytes)
{
    SG_ENTER();
    return host_alloc(at, n_bytes, 0);
}

SG_API(cuMemFreeHost, void *at)
{
    SG_ENTER();
    struct sg_context *context = NULL;
    SG_TRY(sg_current(&context));
    if (!at)
        return CUDA_SUCCESS;
    SG_TRY(sg_capture_unsafe());
    const struct sg_alloc *alloc = sg_memory_find(at);
    SG_CHECK(
        alloc && alloc->at == (char *)at && alloc->type == CU_MEMORYTYPE_HOST && !alloc->registered,
        CUDA_ERROR_INVALID_VALUE);
    SG_TRY(sg_wait_context(context));
    return sg_memory_free(at);
}

static CUresult host_register(void *at, size_t n_bytes, unsigned flags)
{
    struct sg_context *context = NULL;
    SG_TRY(sg_current(&context));
    SG_CHECK(at && n_bytes && !(flags & ~0xfu), CUDA_ERROR_INVALID_VALUE);
    SG_CHECK(!sg_memory_find(at), CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED);
    SG_TRY(sg_capture_unsafe());
    struct sg_alloc *alloc = sg_calloc(1, sizeof *alloc);
    *alloc = (struct sg_alloc){ .at = at,
        .n_bytes = n_bytes,
        .type = CU_MEMORYTYPE_HOST,
        .registered = true,
        .flags = flags,
        .context = context,
        .device = context->device,
        .id = ++n_ids };
    insert(alloc);
    sg_memory_add_range(at, n_bytes);
    return CUDA_SUCCESS;
}

SG_API(cuMemHostRegister_v2, void *at, size_t n_bytes, unsigned flags)
{
    SG_ENTER();
    return host_register(at, n_bytes, flags);
}

SG_API(cuMemHostRegister, void *at, size_t n_bytes, unsigned flags)
{
    SG_ENTER();
    return host_register(at, n_bytes, flags);
}

SG_API(cuMemHostUnregister, void *at)
{
    SG_ENTER();
    struct sg_context *context = NULL;
    SG_TRY(sg_current(&context));
    SG_TRY(sg_capture_unsafe());
    const struct sg_alloc *alloc = sg_memory_find(at);
    SG_CHECK(alloc && alloc->registered && alloc->at == (char *)at,
        CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED);
    SG_TRY(sg_wait_context(context));
    return sg_memory_free(at);
}

SG_API(cuMemHostGetDevicePointer_v2, CUdeviceptr *out, void *at, unsigned flags)
{
    SG_ENTER();
    const struct sg_alloc *alloc = sg_memory_find(at);
    SG_CHECK(out && !flags && alloc && alloc->type == CU_MEMORYTYPE_HOST, CUDA_ERROR_INVALID_VALUE);
    *out = (CUdeviceptr)(uintptr_t)at;
    return CUDA_SUCCESS;
}

SG_API(cuMemHostGetFlags, unsigned *flags, void *at)
{
    SG_ENTER();
    const struct sg_alloc *alloc = sg_memory_find(at);
    SG_CHECK(flags && alloc && alloc->type == CU_MEMORYTYPE_HOST, CUDA_ERROR_INVALID_VALUE);
    *flags = alloc->flags | CU_MEMHOSTALLOC_DEVICEMAP;
    return CUDA_SUCCESS;
}

SG_API(cuMemGetInfo_v2, size_t *unused_bytes, size_t *total)
{
    SG_ENTER();
    struct sg_context *context = NULL;
    SG_TRY(sg_current(&context));
    if (unused_bytes)
        *unused_bytes = sg_options.memory_bytes - used[context->device];
    if (total)
        *total = sg_options.memory_bytes;
    return CUDA_SUCCESS;
}

SG_API(cuMemGetAddressRange_v2, CUdeviceptr *base, size_t *n_bytes, CUdeviceptr at)
{
    SG_ENTER();
    const struct sg_alloc *alloc = sg_memory_find((void *)(uintptr_t)at);
    SG_CHECK(alloc, CUDA_ERROR_NOT_FOUND);
    if (base)
        *base = (CUdeviceptr)(uintptr_t)alloc->at;
    if (n_bytes)
        *n_bytes = alloc->n_bytes;
    return CUDA_SUCCESS;
}

/* --- stream-ordered allocation: memory is taken at once and given back when the stream comes to it --- */

struct sg_pool *sg_pool_default(int device)
{
    if (!default_pools[device]) {
        default_pools[device] = sg_calloc(1, sizeof **default_pools);
        *default_pools[device] =
            (struct sg_pool){ .tag = SG_POOL, .device = device, .is_default = true };
    }
    return default_pools[device];
}

static struct sg_pool *pool_of(int device)
{
    return current_pools[device] ? current_pools[device] : sg_pool_default(device);
}

static CUresult alloc_async(CUdeviceptr *at, size_t n_bytes, struct sg_pool *pool, CUstream handle)
{
    struct sg_stream *stream = NULL;
    struct sg_alloc *alloc = NULL;
    SG_TRY(sg_stream_of(handle, &stream));
    SG_CHECK(at && n_bytes, CUDA_ERROR_INVALID_VALUE);
    /* Allocation nodes of graphs are not modelled. */
    if (stream->capture)
        return sg_capture_refuse(stream, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
    SG_TRY(sg_memory_alloc(stream->context, CU_MEMORYTYPE_DEVICE, n_bytes, &alloc));
    alloc->pooled = true;
    alloc->pool = pool ? pool : pool_of(stream->context->device);
    alloc->pool->used += n_bytes;
    if (alloc->pool->used > alloc->pool->used_high)
        alloc->pool->used_high = alloc->pool->used;
    *at = (CUdeviceptr)(uintptr_t)alloc->at;
    return CUDA_SUCCESS;
}

SG_API(cuMemAllocAsync, CUdeviceptr *at, size_t n_bytes, CUstream stream)
{
    SG_ENTER();
    return alloc_async(at, n_bytes, NULL, stream);
}

SG_API(cuMemAllocFromPoolAsync, CUdeviceptr *at, size_t n_bytes, CUmemoryPool pool, CUstream stream)
{
    SG_ENTER();
    SG_CHECK(SG_HANDLE(pool, SG_POOL), CUDA_ERROR_INVALID_VALUE);
    return alloc_async(at, n_bytes, (struct sg_pool *)(void *)pool, stream);
}

SG_API(cuMemFreeAsync, CUdeviceptr at, CUstream handle)
{
    SG_ENTER();
    struct sg_stream *stream = NULL;
    SG_TRY(sg_stream_of(handle, &stream));
    if (!at)
        return CUDA_SUCCESS;
    const struct sg_alloc *alloc = sg_memory_find((void *)(uintptr_t)at);
    SG_CHECK(alloc && alloc->at == (char *)(uintptr_t)at && alloc->type == CU_MEMORYTYPE_DEVICE,
        CUDA_ERROR_INVALID_VALUE);
    if (stream->capture)
        return sg_capture_refuse(stream, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
    struct sg_work work = { .kind = SG_WORK_FREE, .u.release = (void *)(uintptr_t)at };
    return sg_submit(stream, &work);
}

SG_API(cuDeviceGetDefaultMemPool, CUmemoryPool *pool, CUdevice device)
{
    SG_ENTER();
    SG_CHECK(pool, CUDA_ERROR_INVALID_VALUE);
    SG_CHECK(device >= 0 && device < sg_options.n_devices, CUDA_ERROR_INVALID_DEVICE);
    *pool = (CUmemoryPool)(void *)sg_pool_default(device);
    return CUDA_SUCCESS;
}

SG_API(cuDeviceGetMemPool, CUmemoryPool *pool, CUdevice device)
{
    SG_ENTER();
    SG_CHECK(pool, CUDA_ERROR_INVALID_VALUE);
    SG_CHECK(device >= 0 && device < sg_options.n_devices, CUDA_ERROR_INVALID_DEVICE);
    *pool = (CUmemoryPool)(void *)pool_of(device);
    return CUDA_SUCCESS;
}

SG_API(cuDeviceSetMemPool, CUdevice device, CUmemoryPool pool)
{
    SG_ENTER();
    SG_CHECK(SG_HANDLE(pool, SG_POOL), CUDA_ERROR_INVALID_VALUE);
    SG_CHECK(device >= 0 && device < sg_options.n_devices, CUDA_ERROR_INVALID_DEVICE);
    current_pools[device] = (struct sg_pool *)(void *)pool;
    return CUDA_SUCCESS;
}

SG_API(cuMemPoolCreate, CUmemoryPool *pool, const CUmemPoolProps *props)
{
    SG_ENTER();
    SG_CHECK(pool && props && props->location.type == CU_MEM_LOCATION_TYPE_DEVICE,
        CUDA_ERROR_INVALID_VALUE);
    SG_CHECK(props->location.id >= 0 && props->location.id < sg_options.n_devices,
        CUDA_ERROR_INVALID_DEVICE);
    struct sg_pool *made = sg_calloc(1, sizeof *made);
    *made = (struct sg_pool){ .tag = SG_POOL, .device = props->location.id };
    *pool = (CUmemoryPool)(void *)made;
    return CUDA_SUCCESS;
}

SG_API(cuMemPoolDestroy, CUmemoryPool handle)
{
    SG_ENTER();
    SG_CHECK(SG_HANDLE(handle, SG_POOL), CUDA_ERROR_INVALID_VALUE);
    struct sg_pool *pool = (struct sg_pool *)(void *)handle;
    SG_CHECK(!pool->is_default, CUDA_ERROR_INVALID_VALUE);
    if (current_pools[pool->device] == pool)
        current_pools[pool->device] = NULL;
    pool->tag = SG_DEAD; /* allocations still point at it */
    return CUDA_SUCCESS;
}

SG_API(cuMemPoolTrimTo, CUmemoryPool pool, size_t keep)
{
    SG_ENTER();
    SG_CHECK(SG_HANDLE(pool, SG_POOL), CUDA_ERROR_INVALID_VALUE);
    (void)keep; /* nothing is ever kept back */
    return CUDA_SUCCESS;
}

SG_API(cuMemPoolSetAttribute, CUmemoryPool handle, CUmemPool_attribute attribute, void *value)
{
    SG_ENTER();
    SG_CHECK(SG_HANDLE(handle, SG_POOL) && value, CUDA_ERROR_INVALID_VALUE);
    struct sg_pool *pool = (struct sg_pool *)(void *)handle;
    if (attribute == CU_MEMPOOL_ATTR_RELEASE_THRESHOLD)
        pool->threshold = *(cuuint64_t *)value;
    else if (attribute == CU_MEMPOOL_ATTR_USED_MEM_HIGH)
        pool->used_high = pool->used;
    return CUDA_SUCCESS;
}

SG_API(cuMemPoolGetAttribute, CUmemoryPool handle, CUmemPool_attribute attribute, void *value)
{
    SG_ENTER();
    SG_CHECK(SG_HANDLE(handle, SG_POOL) && value, CUDA_ERROR_INVALID_VALUE);
    const struct sg_pool *pool = (const struct sg_pool *)(void *)handle;
    switch (attribute) {
    case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD:
        *(cuuint64_t *)value = pool->threshold;
        break;
    case CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT:
    case CU_MEMPOOL_ATTR_USED_MEM_CURRENT:
        *(cuuint64_t *)value = pool->used;
        break;
    case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH:
    case CU_MEMPOOL_ATTR_USED_MEM_HIGH:
        *(cuuint64_t *)value = pool->used_high;
        break;
    default:
        *(int *)value = 1; /* the three reuse policies, on by default */
    }
    return CUDA_SUCCESS;
}
