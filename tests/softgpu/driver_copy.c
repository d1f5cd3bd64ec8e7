/* Software GPU: copies and fills, one piece of work for every shape. Which calls wait follows "API synchronization behavior"
 * of the CUDA documentation: copies to or from pageable memory and every plain cuMemcpy wait, fills do not. */
#include "tests/softgpu/driver.h"

#include <string.h>

/* Arrays (textures) are not modelled. */
CUresult sg_work_from_copy(const CUDA_MEMCPY3D *p, struct sg_work *work)
{
    SG_CHECK(p, CUDA_ERROR_INVALID_VALUE);
    SG_CHECK(p->srcMemoryType != CU_MEMORYTYPE_ARRAY && p->dstMemoryType != CU_MEMORYTYPE_ARRAY,
        CUDA_ERROR_NOT_SUPPORTED);
    const char *from =
        p->srcMemoryType == CU_MEMORYTYPE_HOST ? p->srcHost : (const char *)(uintptr_t)p->srcDevice;
    char *to =
        p->dstMemoryType == CU_MEMORYTYPE_HOST ? p->dstHost : (char *)(uintptr_t)p->dstDevice;
    const size_t from_pitch = p->srcPitch ? p->srcPitch : p->WidthInBytes;
    const size_t to_pitch = p->dstPitch ? p->dstPitch : p->WidthInBytes;
    const size_t from_rows = p->srcHeight ? p->srcHeight : p->Height;
    const size_t to_rows = p->dstHeight ? p->dstHeight : p->Height;
    SG_CHECK(p->Height <= 1 || (from_pitch >= p->WidthInBytes && to_pitch >= p->WidthInBytes),
        CUDA_ERROR_INVALID_VALUE);
    *work = (struct sg_work){ .kind = SG_WORK_COPY,
        .u.copy = { .to = to + p->dstXInBytes + to_pitch * (p->dstY + to_rows * p->dstZ),
            .from = from + p->srcXInBytes + from_pitch * (p->srcY + from_rows * p->srcZ),
            .width = p->WidthInBytes,
            .height = p->Height,
            .depth = p->Depth,
            .to_pitch = to_pitch,
            .from_pitch = from_pitch,
            .to_slice = to_pitch * to_rows,
            .from_slice = from_pitch * from_rows,
            .asked = *p } };
    return CUDA_SUCCESS;
}

CUresult sg_work_from_fill(const CUDA_MEMSET_NODE_PARAMS *p, struct sg_work *work)
{
    SG_CHECK(p && (p->elementSize == 1 || p->elementSize == 2 || p->elementSize == 4),
        CUDA_ERROR_INVALID_VALUE);
    const size_t row = p->width * p->elementSize;
    const size_t pitch = p->height > 1 ? p->pitch : row;
    SG_CHECK(pitch >= row && p->dst % p->elementSize == 0, CUDA_ERROR_INVALID_VALUE);
    char *at = (char *)(uintptr_t)p->dst;
    if (p->width && p->height)
        SG_CHECK(sg_memory_ok(at, pitch * (p->height - 1) + row), CUDA_ERROR_INVALID_VALUE);
    *work = (struct sg_work){ .kind = SG_WORK_FILL,
        .u.fill = { at, p->value, p->elementSize, p->width, p->height, p->pitch } };
    if (p->height <= 1)
        work->u.fill.pitch = row;
    return CUDA_SUCCESS;
}

static size_t extent(size_t width, size_t height, size_t depth, size_t pitch, size_t slice)
{
    return width && height && depth ? (depth - 1) * slice + (height - 1) * pitch + width : 0;
}

static bool is_pageable(const void *at)
{
    return !sg_memory_find(at) && !sg_memory_ok(at, 1);
}

/* "sure": the caller named the side as device memory, so it must be some. */
static CUresult check_side(const void *at, size_t n_bytes, CUmemorytype type)
{
    if (type != CU_MEMORYTYPE_DEVICE || !n_bytes)
        return CUDA_SUCCESS;
    SG_CHECK(sg_memory_ok(at, n_bytes), CUDA_ERROR_INVALID_VALUE);
    const struct sg_alloc *alloc = sg_memory_find(at);
    if (!alloc)
        return CUDA_SUCCESS; /* a module variable */
    SG_CHECK((size_t)((const char *)at - alloc->at) + n_bytes <= alloc->n_bytes,
        CUDA_ERROR_INVALID_VALUE);
    return CUDA_SUCCESS;
}

static void stage(struct sg_work *work)
{
    struct sg_work flat = *work;
    char *staging = sg_calloc(1, work->u.copy.width * work->u.copy.height * work->u.copy.depth);
    flat.u.copy.to_pitch = work->u.copy.width;
    flat.u.copy.to_slice = work->u.copy.width * work->u.copy.height;
    for (size_t z = 0; z < work->u.copy.depth; z++)
        for (size_t y = 0; y < work->u.copy.height; y++)
            memcpy(staging + z * flat.u.copy.to_slice + y * flat.u.copy.to_pitch,
                work->u.copy.from + z * work->u.copy.from_slice + y * work->u.copy.from_pitch,
                work->u.copy.width);
    work->u.copy.staging = staging;
    work->u.copy.from = staging;
    work->u.copy.from_pitch = flat.u.copy.to_pitch;
    work->u.copy.from_slice = flat.u.copy.to_slice;
}

static CUresult submit_copy(CUstream handle, struct sg_work *work, bool waits)
{
    struct sg_stream *stream = NULL;
    SG_TRY(sg_stream_of(handle, &stream));
    const struct sg_work w = *work;
    SG_TRY(check_side(w.u.copy.from,
        extent(w.u.copy.width, w.u.copy.height, w.u.copy.depth, w.u.copy.from_pitch,
            w.u.copy.from_slice),
        w.u.copy.asked.srcMemoryType));
    SG_TRY(check_side(w.u.copy.to,
        extent(
            w.u.copy.width, w.u.copy.height, w.u.copy.depth, w.u.copy.to_pitch, w.u.copy.to_slice),
        w.u.copy.asked.dstMemoryType));
    if (!w.u.copy.width || !w.u.copy.height || !w.u.copy.depth)
        return CUDA_SUCCESS;
    if (stream->capture)
        return waits ? sg_capture_refuse(stream, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED)
                     : sg_submit(stream, work);
    if (waits)
        SG_TRY(sg_capture_unsafe());
    const bool from_pageable = is_pageable(w.u.copy.from), to_pageable = is_pageable(w.u.copy.to);
    if (from_pageable && !waits && !to_pageable)
        stage(work);
    SG_TRY(sg_submit(stream, work));
    const bool between_device = w.u.copy.asked.srcMemoryType == CU_MEMORYTYPE_DEVICE &&
                                w.u.copy.asked.dstMemoryType == CU_MEMORYTYPE_DEVICE;
    return (waits && !between_device) || to_pageable ? sg_wait_stream(stream, stream->submitted)
                                                     : CUDA_SUCCESS;
}

static CUresult flat_copy(CUstream stream, void *to, CUmemorytype to_type, const void *from,
    CUmemorytype from_type, size_t n_bytes, bool waits)
{
    SG_CHECK(!n_bytes || (to && from), CUDA_ERROR_INVALID_VALUE);
    const CUDA_MEMCPY3D p = { .srcMemoryType = from_type,
        .srcHost = from,
        .srcDevice = (CUdeviceptr)(uintptr_t)from,
        .dstMemoryType = to_type,
        .dstHost = to,
        .dstDevice = (CUdeviceptr)(uintptr_t)to,
        .WidthInBytes = n_bytes,
        .Height = 1,
        .Depth = 1 };
    struct sg_work work;
    SG_TRY(sg_work_from_copy(&p, &work));
    return submit_copy(stream, &work, waits);
}

/* For calls that leave the kind to the addresses. */
static CUmemorytype type_of(CUdeviceptr at)
{
    const struct sg_alloc *alloc = sg_memory_find((void *)(uintptr_t)at);
    if (alloc)
        return alloc->type == CU_MEMORYTYPE_DEVICE ? CU_MEMORYTYPE_DEVICE : CU_MEMORYTYPE_HOST;
    return sg_memory_ok((void *)(uintptr_t)at, 1) ? CU_MEMORYTYPE_DEVICE : CU_MEMORYTYPE_HOST;
}

static CUresult unified_copy(
    CUstream stream, CUdeviceptr to, CUdeviceptr from, size_t n_bytes, bool waits)
{
    return flat_copy(stream, (void *)(uintptr_t)to, type_of(to), (void *)(uintptr_t)from,
        type_of(from), n_bytes, waits);
}

#define DEVICE CU_MEMORYTYPE_DEVICE
#define HOST   CU_MEMORYTYPE_HOST

SG_API(cuMemcpy, CUdeviceptr to, CUdeviceptr from, size_t n_bytes)
{
    SG_ENTER();
    return unified_copy(NULL, to, from, n_bytes, true);
}

SG_API(cuMemcpyAsync, CUdeviceptr to, CUdeviceptr from, size_t n_bytes, CUstream stream)
{
    SG_ENTER();
    return unified_copy(stream, to, from, n_bytes, false);
}

SG_API(cuMemcpyHtoD_v2, CUdeviceptr to, const void *from, size_t n_bytes)
{
    SG_ENTER();
    return flat_copy(NULL, (void *)(uintptr_t)to, DEVICE, from, HOST, n_bytes, true);
}

SG_API(cuMemcpyDtoH_v2, void *to, CUdeviceptr from, size_t n_bytes)
{
    SG_ENTER();
    return flat_copy(NULL, to, HOST, (void *)(uintptr_t)from, DEVICE, n_bytes, true);
}

SG_API(cuMemcpyDtoD_v2, CUdeviceptr to, CUdeviceptr from, size_t n_bytes)
{
    SG_ENTER();
    return flat_copy(
        NULL, (void *)(uintptr_t)to, DEVICE, (void *)(uintptr_t)from, DEVICE, n_bytes, true);
}

SG_API(cuMemcpyHtoDAsync_v2, CUdeviceptr to, const void *from, size_t n_bytes, CUstream stream)
{
    SG_ENTER();
    return flat_copy(stream, (void *)(uintptr_t)to, DEVICE, from, HOST, n_bytes, false);
}

SG_API(cuMemcpyDtoHAsync_v2, void *to, CUdeviceptr from, size_t n_bytes, CUstream stream)
{
    SG_ENTER();
    return flat_copy(stream, to, HOST, (void *)(uintptr_t)from, DEVICE, n_bytes, false);
}

SG_API(cuMemcpyDtoDAsync_v2, CUdeviceptr to, CUdeviceptr from, size_t n_bytes, CUstream stream)
{
    SG_ENTER();
    return flat_copy(
        stream, (void *)(uintptr_t)to, DEVICE, (void *)(uintptr_t)from, DEVICE, n_bytes, false);
}

SG_API(cuMemcpyPeer, CUdeviceptr to, CUcontext to_context, CUdeviceptr from, CUcontext from_context,
    size_t n_bytes)
{
    SG_ENTER();
    SG_CHECK(SG_HANDLE(to_context, SG_CONTEXT) && SG_HANDLE(from_context, SG_CONTEXT),
        CUDA_ERROR_INVALID_CONTEXT);
    return flat_copy(
        NULL, (void *)(uintptr_t)to, DEVICE, (void *)(uintptr_t)from, DEVICE, n_bytes, true);
}

SG_API(cuMemcpyPeerAsync, CUdeviceptr to, CUcontext to_context, CUdeviceptr from,
    CUcontext from_context, size_t n_bytes, CUstream stream)
{
    SG_ENTER();
    SG_CHECK(SG_HANDLE(to_context, SG_CONTEXT) && SG_HANDLE(from_context, SG_CONTEXT),
        CUDA_ERROR_INVALID_CONTEXT);
    return flat_copy(
        stream, (void *)(uintptr_t)to, DEVICE, (void *)(uintptr_t)from, DEVICE, n_bytes, false);
}

static CUresult copy_2d(const CUDA_MEMCPY2D *p, CUstream stream, bool waits)
{
    SG_CHECK(p, CUDA_ERROR_INVALID_VALUE);
    const CUDA_MEMCPY3D q = { .srcXInBytes = p->srcXInBytes,
        .srcY = p->srcY,
        .srcMemoryType = p->srcMemoryType,
        .srcHost = p->srcHost,
        .srcDevice = p->srcDevice,
        .srcPitch = p->srcPitch,
        .dstXInBytes = p->dstXInBytes,
        .dstY = p->dstY,
        .dstMemoryType = p->dstMemoryType,
        .dstHost = p->dstHost,
        .dstDevice = p->dstDevice,
        .dstPitch = p->dstPitch,
        .WidthInBytes = p->WidthInBytes,
        .Height = p->Height,
        .Depth = 1 };
    struct sg_work work;
    SG_TRY(sg_work_from_copy(&q, &work));
    return submit_copy(stream, &work, waits);
}

static CUresult copy_3d(const CUDA_MEMCPY3D *p, CUstream stream, bool waits)
{
    struct sg_work work;
    SG_TRY(sg_work_from_copy(p, &work));
    return submit_copy(stream, &work, waits);
}

SG_API(cuMemcpy2D_v2, const CUDA_MEMCPY2D *p)
{
    SG_ENTER();
    return copy_2d(p, NULL, true);
}

SG_API(cuMemcpy2DUnaligned_v2, const CUDA_MEMCPY2D *p)
{
    SG_ENTER();
    return copy_2d(p, NULL, true);
}

SG_API(cuMemcpy2DAsync_v2, const CUDA_MEMCPY2D *p, CUstream stream)
{
    SG_ENTER();
    return copy_2d(p, stream, false);
}

SG_API(cuMemcpy3D_v2, const CUDA_MEMCPY3D *p)
{
    SG_ENTER();
    return copy_3d(p, NULL, true);
}

SG_API(cuMemcpy3DAsync_v2, const CUDA_MEMCPY3D *p, CUstream stream)
{
    SG_ENTER();
    return copy_3d(p, stream, false);
}

/* --- fills --- */

static CUresult fill(CUstream handle, CUdeviceptr at, size_t pitch, uint32_t value, unsigned elem,
    size_t width, size_t height)
{
    struct sg_stream *stream = NULL;
    struct sg_work work;
    const CUDA_MEMSET_NODE_PARAMS p = { at, pitch, value, elem, width, height };
    SG_TRY(sg_stream_of(handle, &stream));
    SG_TRY(sg_work_from_fill(&p, &work));
    return width && height ? sg_submit(stream, &work) : CUDA_SUCCESS;
}

#define SG_FILL(bits, type)                                                                        \
    SG_FILL_BODY(cuMemsetD##bits##_v2, (CUdeviceptr at, type value, size_t n),                     \
        fill(NULL, at, 0, value, bits / 8, n, 1))                                                  \
    SG_FILL_BODY(cuMemsetD##bits##Async, (CUdeviceptr at, type value, size_t n, CUstream stream),  \
        fill(stream, at, 0, value, bits / 8, n, 1))                                                \
    SG_FILL_BODY(cuMemsetD2D##bits##_v2,                                                           \
        (CUdeviceptr at, size_t pitch, type value, size_t width, size_t height),                   \
        fill(NULL, at, pitch, value, bits / 8, width, height))                                     \
    SG_FILL_BODY(cuMemsetD2D##bits##Async,                                                         \
        (CUdeviceptr at, size_t pitch, type value, size_t width, size_t height, CUstream stream),  \
        fill(stream, at, pitch, value, bits / 8, width, height))
#define SG_FILL_BODY(name, params, call)                                                           \
    SG_EXPORT CUresult CUDAAPI name params                                                         \
    {                                                                                              \
        SG_ENTER();                                                                                \
        return call;                                                                               \
    }
/* For entries.py, which reads names:
SG_API(cuMemsetD8_v2,
SG_API(cuMemsetD8Async,
SG_API(cuMemsetD2D8_v2,
SG_API(cuMemsetD2D8Async,
SG_API(cuMemsetD16_v2,
SG_API(cuMemsetD16Async,
SG_API(cuMemsetD2D16_v2,
SG_API(cuMemsetD2D16Async,
SG_API(cuMemsetD32_v2,
SG_API(cuMemsetD32Async,
SG_API(cuMemsetD2D32_v2,
SG_API(cuMemsetD2D32Async,
*/
SG_FILL(8, unsigned char)
SG_FILL(16, unsigned short)
SG_FILL(32, unsigned)
