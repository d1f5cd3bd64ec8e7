/* Runtime double: memory. */
#include "tests/softgpu/runtime.h"

#include <stdlib.h>
#include <string.h>

#define PTR(p) ((CUdeviceptr)(uintptr_t)(p))

RT_API(cudaMalloc, (void **at, size_t n), (at, n))
{
    CUdeviceptr found = 0;
    if (!at)
        return cudaErrorInvalidValue;
    *at = NULL;
    RT_TRY(rt_context());
    if (!n)
        return cudaSuccess;
    RT_TRY(RT_DRV(cuMemAlloc_(&found, n)));
    *at = (void *)(uintptr_t)found;
    return cudaSuccess;
}

RT_API(cudaMallocPitch, (void **at, size_t *pitch, size_t width, size_t height),
    (at, pitch, width, height))
{
    CUdeviceptr found = 0;
    if (!at || !pitch)
        return cudaErrorInvalidValue;
    RT_TRY(rt_context());
    RT_TRY(RT_DRV(cuMemAllocPitch_(&found, pitch, width, height, 4)));
    *at = (void *)(uintptr_t)found;
    return cudaSuccess;
}

RT_API(cudaMalloc3D, (struct cudaPitchedPtr * out, struct cudaExtent extent), (out, extent))
{
    void *at = NULL;
    size_t pitch = 0;
    if (!out)
        return cudaErrorInvalidValue;
    RT_TRY(cudaMallocPitch_do(&at, &pitch, extent.width, extent.height * extent.depth));
    *out = (struct cudaPitchedPtr){
        .ptr = at, .pitch = pitch, .xsize = extent.width, .ysize = extent.height
    };
    return cudaSuccess;
}

RT_API(cudaMallocManaged, (void **at, size_t n, unsigned flags), (at, n, flags))
{
    CUdeviceptr found = 0;
    if (!at)
        return cudaErrorInvalidValue;
    RT_TRY(rt_context());
    RT_TRY(RT_DRV(cuMemAllocManaged_(&found, n, flags)));
    *at = (void *)(uintptr_t)found;
    return cudaSuccess;
}

RT_API(cudaFree, (void *at), (at))
{
    RT_TRY(rt_context());
    return at ? RT_DRV(cuMemFree_(PTR(at))) : cudaSuccess;
}

RT_API(cudaHostAlloc, (void **at, size_t n, unsigned flags), (at, n, flags))
{
    RT_TRY(rt_context());
    return RT_DRV(cuMemHostAlloc_(at, n, flags));
}

RT_API(cudaMallocHost, (void **at, size_t n), (at, n))
{
    RT_TRY(rt_context());
    return RT_DRV(cuMemHostAlloc_(at, n, 0));
}

RT_API(cudaFreeHost, (void *at), (at))
{
    RT_TRY(rt_context());
    return at ? RT_DRV(cuMemFreeHost_(at)) : cudaSuccess;
}

RT_API(cudaHostRegister, (void *at, size_t n, unsigned flags), (at, n, flags))
{
    RT_TRY(rt_context());
    return RT_DRV(cuMemHostRegister_(at, n, flags));
}

RT_API(cudaHostUnregister, (void *at), (at))
{
    RT_TRY(rt_context());
    return RT_DRV(cuMemHostUnregister_(at));
}

RT_API(cudaHostGetDevicePointer, (void **out, void *host, unsigned flags), (out, host, flags))
{
    CUdeviceptr found = 0;
    if (!out)
        return cudaErrorInvalidValue;
    RT_TRY(rt_context());
    RT_TRY(RT_DRV(cuMemHostGetDevicePointer_(&found, host, flags)));
    *out = (void *)(uintptr_t)found;
    return cudaSuccess;
}

RT_API(cudaHostGetFlags, (unsigned *flags, void *host), (flags, host))
{
    RT_TRY(rt_context());
    return RT_DRV(cuMemHostGetFlags_(flags, host));
}

RT_API(cudaMemGetInfo, (size_t * unused_bytes, size_t *total), (unused_bytes, total))
{
    RT_TRY(rt_context());
    return RT_DRV(cuMemGetInfo_(unused_bytes, total));
}

/* --- copies --- */

RT_TWO(cudaMemcpy, _ptds, (void *to, const void *from, size_t n, enum cudaMemcpyKind kind),
    (to, from, n, kind))
{
    if (!n)
        return cudaSuccess;
    switch (kind) {
    case cudaMemcpyHostToHost:
        memmove(to, from, n);
        return cudaSuccess;
    case cudaMemcpyHostToDevice:
        return RT_ON(cuMemcpyHtoD_(PTR(to), from, n));
    case cudaMemcpyDeviceToHost:
        return RT_ON(cuMemcpyDtoH_(to, PTR(from), n));
    case cudaMemcpyDeviceToDevice:
        return RT_ON(cuMemcpyDtoD_(PTR(to), PTR(from), n));
    case cudaMemcpyDefault:
        return RT_ON(cuMemcpy_(PTR(to), PTR(from), n));
    }
    return cudaErrorInvalidMemcpyDirection;
}

RT_TWO(cudaMemcpyAsync, _ptsz,
    (void *to, const void *from, size_t n, enum cudaMemcpyKind kind, cudaStream_t stream),
    (to, from, n, kind, stream))
{
    if (!n)
        return cudaSuccess;
    switch (kind) {
    case cudaMemcpyHostToDevice:
        return RT_ON(cuMemcpyHtoDAsync_(PTR(to), from, n, stream));
    case cudaMemcpyDeviceToHost:
        return RT_ON(cuMemcpyDtoHAsync_(to, PTR(from), n, stream));
    case cudaMemcpyDeviceToDevice:
        return RT_ON(cuMemcpyDtoDAsync_(PTR(to), PTR(from), n, stream));
    case cudaMemcpyHostToHost:
    case cudaMemcpyDefault:
        return RT_ON(cuMemcpyAsync_(PTR(to), PTR(from), n, stream));
    }
    return cudaErrorInvalidMemcpyDirection;
}

static CUmemorytype side(enum cudaMemcpyKind kind, bool source)
{
    if (kind == cudaMemcpyDefault)
        return CU_MEMORYTYPE_UNIFIED;
    const bool host = source ? kind == cudaMemcpyHostToDevice || kind == cudaMemcpyHostToHost
                             : kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyHostToHost;
    return host ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE;
}

static CUDA_MEMCPY2D copy_2d(void *to, size_t to_pitch, const void *from, size_t from_pitch,
    size_t width, size_t height, enum cudaMemcpyKind kind)
{
    return (CUDA_MEMCPY2D){ .srcMemoryType = side(kind, true),
        .srcHost = from,
        .srcDevice = PTR(from),
        .srcPitch = from_pitch,
        .dstMemoryType = side(kind, false),
        .dstHost = to,
        .dstDevice = PTR(to),
        .dstPitch = to_pitch,
        .WidthInBytes = width,
        .Height = height };
}

RT_TWO(cudaMemcpy2D, _ptds,
    (void *to, size_t to_pitch, const void *from, size_t from_pitch, size_t width, size_t height,
        enum cudaMemcpyKind kind),
    (to, to_pitch, from, from_pitch, width, height, kind))
{
    const CUDA_MEMCPY2D p = copy_2d(to, to_pitch, from, from_pitch, width, height, kind);
    return RT_ON(cuMemcpy2DUnaligned_(&p));
}

RT_TWO(cudaMemcpy2DAsync, _ptsz,
    (void *to, size_t to_pitch, const void *from, size_t from_pitch, size_t width, size_t height,
        enum cudaMemcpyKind kind, cudaStream_t stream),
    (to, to_pitch, from, from_pitch, width, height, kind, stream))
{
    const CUDA_MEMCPY2D p = copy_2d(to, to_pitch, from, from_pitch, width, height, kind);
    return RT_ON(cuMemcpy2DAsync_(&p, stream));
}

static cudaError_t copy_3d(const struct cudaMemcpy3DParms *p, CUDA_MEMCPY3D *q)
{
    if (!p)
        return cudaErrorInvalidValue;
    if (p->srcArray || p->dstArray)
        return cudaErrorNotSupported;
    *q = (CUDA_MEMCPY3D){ .srcXInBytes = p->srcPos.x,
        .srcY = p->srcPos.y,
        .srcZ = p->srcPos.z,
        .srcMemoryType = side(p->kind, true),
        .srcHost = p->srcPtr.ptr,
        .srcDevice = PTR(p->srcPtr.ptr),
        .srcPitch = p->srcPtr.pitch,
        .srcHeight = p->srcPtr.ysize,
        .dstXInBytes = p->dstPos.x,
        .dstY = p->dstPos.y,
        .dstZ = p->dstPos.z,
        .dstMemoryType = side(p->kind, false),
        .dstHost = p->dstPtr.ptr,
        .dstDevice = PTR(p->dstPtr.ptr),
        .dstPitch = p->dstPtr.pitch,
        .dstHeight = p->dstPtr.ysize,
        .WidthInBytes = p->extent.width,
        .Height = p->extent.height,
        .Depth = p->extent.depth };
    return cudaSuccess;
}

RT_TWO(cudaMemcpy3D, _ptds, (const struct cudaMemcpy3DParms *p), (p))
{
    CUDA_MEMCPY3D q;
    RT_TRY(copy_3d(p, &q));
    return RT_ON(cuMemcpy3D_(&q));
}

RT_TWO(
    cudaMemcpy3DAsync, _ptsz, (const struct cudaMemcpy3DParms *p, cudaStream_t stream), (p, stream))
{
    CUDA_MEMCPY3D q;
    RT_TRY(copy_3d(p, &q));
    return RT_ON(cuMemcpy3DAsync_(&q, stream));
}

RT_API(cudaMemcpyPeer, (void *to, int to_device, const void *from, int from_device, size_t n),
    (to, to_device, from, from_device, n))
{
    (void)to_device, (void)from_device;
    RT_TRY(rt_context());
    return RT_DRV(cuMemcpyDtoD_(PTR(to), PTR(from), n));
}

RT_API(cudaMemcpyPeerAsync,
    (void *to, int to_device, const void *from, int from_device, size_t n, cudaStream_t stream),
    (to, to_device, from, from_device, n, stream))
{
    (void)to_device, (void)from_device;
    RT_TRY(rt_context());
    return RT_DRV(cuMemcpyDtoDAsync_(PTR(to), PTR(from), n, stream));
}

/* --- fills --- */

RT_TWO(cudaMemset, _ptds, (void *at, int value, size_t n), (at, value, n))
{
    return n ? RT_ON(cuMemsetD8_(PTR(at), (unsigned char)value, n)) : cudaSuccess;
}

RT_TWO(cudaMemsetAsync, _ptsz, (void *at, int value, size_t n, cudaStream_t stream),
    (at, value, n, stream))
{
    return n ? RT_ON(cuMemsetD8Async_(PTR(at), (unsigned char)value, n, stream)) : cudaSuccess;
}

RT_TWO(cudaMemset2D, _ptds, (void *at, size_t pitch, int value, size_t width, size_t height),
    (at, pitch, value, width, height))
{
    return RT_ON(cuMemsetD2D8_(PTR(at), pitch, (unsigned char)value, width, height));
}

RT_TWO(cudaMemset2DAsync, _ptsz,
    (void *at, size_t pitch, int value, size_t width, size_t height, cudaStream_t stream),
    (at, pitch, value, width, height, stream))
{
    return RT_ON(cuMemsetD2D8Async_(PTR(at), pitch, (unsigned char)value, width, height, stream));
}

/* --- stream-ordered --- */

RT_TWO(cudaMallocAsync, _ptsz, (void **at, size_t n, cudaStream_t stream), (at, n, stream))
{
    CUdeviceptr found = 0;
    if (!at)
        return cudaErrorInvalidValue;
    RT_TRY(RT_ON(cuMemAllocAsync_(&found, n, stream)));
    *at = (void *)(uintptr_t)found;
    return cudaSuccess;
}

RT_TWO(cudaMallocFromPoolAsync, _ptsz,
    (void **at, size_t n, cudaMemPool_t pool, cudaStream_t stream), (at, n, pool, stream))
{
    CUdeviceptr found = 0;
    if (!at)
        return cudaErrorInvalidValue;
    RT_TRY(RT_ON(cuMemAllocFromPoolAsync_(&found, n, pool, stream)));
    *at = (void *)(uintptr_t)found;
    return cudaSuccess;
}

RT_TWO(cudaFreeAsync, _ptsz, (void *at, cudaStream_t stream), (at, stream))
{
    return RT_ON(cuMemFreeAsync_(PTR(at), stream));
}

RT_API(cudaDeviceGetDefaultMemPool, (cudaMemPool_t * pool, int device), (pool, device))
{
    RT_TRY(rt_context());
    return RT_DRV(cuDeviceGetDefaultMemPool_(pool, device));
}

RT_API(cudaDeviceGetMemPool, (cudaMemPool_t * pool, int device), (pool, device))
{
    RT_TRY(rt_context());
    return RT_DRV(cuDeviceGetMemPool_(pool, device));
}

RT_API(cudaDeviceSetMemPool, (int device, cudaMemPool_t pool), (device, pool))
{
    RT_TRY(rt_context());
    return RT_DRV(cuDeviceSetMemPool_(device, pool));
}

RT_API(cudaMemPoolTrimTo, (cudaMemPool_t pool, size_t keep), (pool, keep))
{
    RT_TRY(rt_context());
    return RT_DRV(cuMemPoolTrimTo_(pool, keep));
}

RT_API(cudaMemPoolSetAttribute, (cudaMemPool_t pool, enum cudaMemPoolAttr attribute, void *value),
    (pool, attribute, value))
{
    RT_TRY(rt_context());
    return RT_DRV(cuMemPoolSetAttribute_(pool, (CUmemPool_attribute)attribute, value));
}

RT_API(cudaMemPoolGetAttribute, (cudaMemPool_t pool, enum cudaMemPoolAttr attribute, void *value),
    (pool, attribute, value))
{
    RT_TRY(rt_context());
    return RT_DRV(cuMemPoolGetAttribute_(pool, (CUmemPool_attribute)attribute, value));
}

/* --- pointers --- */

RT_API(cudaPointerGetAttributes, (struct cudaPointerAttributes * out, const void *at), (out, at))
{
    CUmemorytype type = 0;
    int managed = 0, device = 0;
    CUdeviceptr on_device = 0;
    void *on_host = NULL;
    CUpointer_attribute asked[] = { CU_POINTER_ATTRIBUTE_MEMORY_TYPE,
        CU_POINTER_ATTRIBUTE_IS_MANAGED, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL,
        CU_POINTER_ATTRIBUTE_DEVICE_POINTER, CU_POINTER_ATTRIBUTE_HOST_POINTER };
    void *to[] = { &type, &managed, &device, &on_device, &on_host };
    if (!out)
        return cudaErrorInvalidValue;
    RT_TRY(rt_context());
    RT_TRY(RT_DRV(cuPointerGetAttributes_(5, asked, to, PTR(at))));
    memset(out, 0, sizeof *out);
    out->type = managed                        ? cudaMemoryTypeManaged
                : type == CU_MEMORYTYPE_HOST   ? cudaMemoryTypeHost
                : type == CU_MEMORYTYPE_DEVICE ? cudaMemoryTypeDevice
                                               : cudaMemoryTypeUnregistered;
    out->device = device;
    out->devicePointer = (void *)(uintptr_t)on_device;
    out->hostPointer = out->type == cudaMemoryTypeUnregistered ? (void *)(uintptr_t)at : on_host;
    return cudaSuccess;
}
