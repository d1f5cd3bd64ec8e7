/* Software GPU: what a program may ask about a pointer. */
#include "tests/softgpu/driver.h"

#include <string.h>

static CUresult put(void *to, const void *value, size_t n_bytes)
{
    memcpy(to, value, n_bytes);
    return CUDA_SUCCESS;
}

#define PUT(type, value) put(to, &(type){ value }, sizeof(type))

static CUresult attribute_of(
    void *to, CUpointer_attribute attribute, const struct sg_alloc *a, CUdeviceptr at)
{
    switch (attribute) {
    case CU_POINTER_ATTRIBUTE_CONTEXT:
        return PUT(CUcontext, (CUcontext)(void *)a->context);
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
        /* managed memory says device, as documented */
        return PUT(CUmemorytype,
            a->type == CU_MEMORYTYPE_HOST ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE);
    case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
        return PUT(CUdeviceptr, at);
    case CU_POINTER_ATTRIBUTE_HOST_POINTER:
        if (a->type == CU_MEMORYTYPE_DEVICE)
            return CUDA_ERROR_INVALID_VALUE;
        return PUT(void *, (void *)(uintptr_t)at);
    case CU_POINTER_ATTRIBUTE_SYNC_MEMOPS:
    case CU_POINTER_ATTRIBUTE_IS_GPU_DIRECT_RDMA_CAPABLE:
    case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE:
        return PUT(int, 0);
    case CU_POINTER_ATTRIBUTE_BUFFER_ID:
    case CU_POINTER_ATTRIBUTE_MEMORY_BLOCK_ID:
        return PUT(unsigned long long, a->id);
    case CU_POINTER_ATTRIBUTE_IS_MANAGED:
        return PUT(int, a->managed);
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
        return PUT(int, a->device);
    case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR:
    case CU_POINTER_ATTRIBUTE_MAPPING_BASE_ADDR:
        return PUT(CUdeviceptr, (CUdeviceptr)(uintptr_t)a->at);
    case CU_POINTER_ATTRIBUTE_RANGE_SIZE:
    case CU_POINTER_ATTRIBUTE_MAPPING_SIZE:
        return PUT(size_t, a->n_bytes);
    case CU_POINTER_ATTRIBUTE_MAPPED:
        return PUT(int, 1);
    case CU_POINTER_ATTRIBUTE_ALLOWED_HANDLE_TYPES:
        return PUT(unsigned long long, 0);
    case CU_POINTER_ATTRIBUTE_ACCESS_FLAGS:
        return PUT(int, CU_POINTER_ATTRIBUTE_ACCESS_FLAG_READWRITE);
    case CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE:
        return PUT(CUmemoryPool, (CUmemoryPool)(void *)a->pool);
    default:
        return CUDA_ERROR_NOT_SUPPORTED;
    }
}

/* A module variable has no allocation of its own; it is described as device memory of the current context. */
static CUresult describe(CUdeviceptr at, struct sg_alloc *out)
{
    const struct sg_alloc *alloc = sg_memory_find((void *)(uintptr_t)at);
    struct sg_context *context = NULL;
    if (alloc) {
        *out = *alloc;
        return CUDA_SUCCESS;
    }
    SG_TRY(sg_current(&context));
    SG_CHECK(at && sg_memory_ok((void *)(uintptr_t)at, 1), CUDA_ERROR_INVALID_VALUE);
    *out = (struct sg_alloc){ .at = (char *)(uintptr_t)at,
        .n_bytes = 1,
        .type = CU_MEMORYTYPE_DEVICE,
        .context = context,
        .device = context->device };
    return CUDA_SUCCESS;
}

SG_API(cuPointerGetAttribute, void *to, CUpointer_attribute attribute, CUdeviceptr at)
{
    SG_ENTER();
    struct sg_alloc alloc;
    SG_CHECK(to, CUDA_ERROR_INVALID_VALUE);
    SG_TRY(describe(at, &alloc));
    return attribute_of(to, attribute, &alloc, at);
}

/* Documented: for a pointer CUDA does not know, every value is 0 and the call succeeds. */
SG_API(
    cuPointerGetAttributes, unsigned n, CUpointer_attribute *attributes, void **to, CUdeviceptr at)
{
    SG_ENTER();
    struct sg_alloc alloc;
    SG_CHECK(attributes && to, CUDA_ERROR_INVALID_VALUE);
    const bool known = describe(at, &alloc) == CUDA_SUCCESS;
    for (unsigned i = 0; i < n; i++) {
        const bool wide = attributes[i] != CU_POINTER_ATTRIBUTE_MEMORY_TYPE &&
                          attributes[i] != CU_POINTER_ATTRIBUTE_IS_MANAGED &&
                          attributes[i] != CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL &&
                          attributes[i] != CU_POINTER_ATTRIBUTE_MAPPED &&
                          attributes[i] != CU_POINTER_ATTRIBUTE_SYNC_MEMOPS &&
                          attributes[i] != CU_POINTER_ATTRIBUTE_ACCESS_FLAGS &&
                          attributes[i] != CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE &&
                          attributes[i] != CU_POINTER_ATTRIBUTE_IS_GPU_DIRECT_RDMA_CAPABLE;
        if (!known || attribute_of(to[i], attributes[i], &alloc, at) != CUDA_SUCCESS)
            memset(to[i], 0, wide ? 8 : 4);
        if (!known && attributes[i] == CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL)
            *(int *)to[i] = -2; /* CU_DEVICE_INVALID */
    }
    return CUDA_SUCCESS;
}

SG_API(cuPointerSetAttribute, const void *value, CUpointer_attribute attribute, CUdeviceptr at)
{
    SG_ENTER();
    SG_CHECK(value && attribute == CU_POINTER_ATTRIBUTE_SYNC_MEMOPS, CUDA_ERROR_INVALID_VALUE);
    SG_CHECK(sg_memory_find((void *)(uintptr_t)at), CUDA_ERROR_INVALID_VALUE);
    return CUDA_SUCCESS; /* plain copies wait in any case */
}
