/* Software GPU: device queries. The figures are those published for the H200 (sm_90) and, with SOFTGPU_SM, for the named
 * generation where they differ; none was read from a device here. */
#include "tests/softgpu/driver.h"

#include <string.h>

#define ATTRIBUTE(name, value)                                                                     \
    case CU_DEVICE_ATTRIBUTE_##name:                                                               \
        return value

static int shared_optin(void)
{
    const int sm = sg_options.sm;
    if (sm == 80 || sm == 87)
        return 163 * 1024;
    if (sm == 86 || sm == 89 || sm / 10 == 12)
        return 99 * 1024;
    return sm / 10 <= 7 ? 64 * 1024 : 227 * 1024;
}

static int sm_count(void)
{
    switch (sg_options.sm / 10) {
    case 8:
        return 108;
    case 10:
        return 148;
    case 12:
        return 170;
    default:
        return 132;
    }
}

static int limit_attribute(CUdevice_attribute attribute)
{
    switch (attribute) {
        ATTRIBUTE(MAX_THREADS_PER_BLOCK, 1024);
        ATTRIBUTE(MAX_BLOCK_DIM_X, 1024);
        ATTRIBUTE(MAX_BLOCK_DIM_Y, 1024);
        ATTRIBUTE(MAX_BLOCK_DIM_Z, 64);
        ATTRIBUTE(MAX_GRID_DIM_X, 2147483647);
        ATTRIBUTE(MAX_GRID_DIM_Y, 65535);
        ATTRIBUTE(MAX_GRID_DIM_Z, 65535);
        ATTRIBUTE(MAX_SHARED_MEMORY_PER_BLOCK, 48 * 1024);
        ATTRIBUTE(MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, shared_optin());
        ATTRIBUTE(MAX_SHARED_MEMORY_PER_MULTIPROCESSOR, shared_optin() + 1024);
        ATTRIBUTE(RESERVED_SHARED_MEMORY_PER_BLOCK, 1024);
        ATTRIBUTE(TOTAL_CONSTANT_MEMORY, 65536);
        ATTRIBUTE(WARP_SIZE, 32);
        ATTRIBUTE(MAX_PITCH, 2147483647);
        ATTRIBUTE(MAX_REGISTERS_PER_BLOCK, 65536);
        ATTRIBUTE(MAX_REGISTERS_PER_MULTIPROCESSOR, 65536);
        ATTRIBUTE(MAX_THREADS_PER_MULTIPROCESSOR,
            sg_options.sm % 10 || sg_options.sm == 120 ? 1536 : 2048);
        ATTRIBUTE(MAX_BLOCKS_PER_MULTIPROCESSOR, sg_options.sm % 10 ? 24 : 32);
        ATTRIBUTE(MULTIPROCESSOR_COUNT, sm_count());
        ATTRIBUTE(CLOCK_RATE, 1980000);
        ATTRIBUTE(MEMORY_CLOCK_RATE, 3201000);
        ATTRIBUTE(GLOBAL_MEMORY_BUS_WIDTH, 6144);
        ATTRIBUTE(L2_CACHE_SIZE, 62914560);
        ATTRIBUTE(MAX_PERSISTING_L2_CACHE_SIZE, 39321600);
        ATTRIBUTE(MAX_ACCESS_POLICY_WINDOW_SIZE, 134217728);
        ATTRIBUTE(TEXTURE_ALIGNMENT, 512);
        ATTRIBUTE(TEXTURE_PITCH_ALIGNMENT, 32);
        ATTRIBUTE(SURFACE_ALIGNMENT, 512);
        ATTRIBUTE(SINGLE_TO_DOUBLE_PRECISION_PERF_RATIO, 2);
    default:
        return -1;
    }
}

/* Features the interpreter or this driver does not have are answered with 0, whatever an H200 has. */
static int feature_attribute(CUdevice_attribute attribute)
{
    switch (attribute) {
        ATTRIBUTE(COMPUTE_CAPABILITY_MAJOR, sg_options.sm / 10);
        ATTRIBUTE(COMPUTE_CAPABILITY_MINOR, sg_options.sm % 10);
        ATTRIBUTE(GPU_OVERLAP, 1);
        ATTRIBUTE(ASYNC_ENGINE_COUNT, 3);
        ATTRIBUTE(CAN_MAP_HOST_MEMORY, 1);
        ATTRIBUTE(CONCURRENT_KERNELS, 1);
        ATTRIBUTE(ECC_ENABLED, 1);
        ATTRIBUTE(UNIFIED_ADDRESSING, 1);
        ATTRIBUTE(STREAM_PRIORITIES_SUPPORTED, 1);
        ATTRIBUTE(GLOBAL_L1_CACHE_SUPPORTED, 1);
        ATTRIBUTE(LOCAL_L1_CACHE_SUPPORTED, 1);
        ATTRIBUTE(MANAGED_MEMORY, 1);
        ATTRIBUTE(CONCURRENT_MANAGED_ACCESS, 1);
        ATTRIBUTE(HOST_NATIVE_ATOMIC_SUPPORTED, 0);
        ATTRIBUTE(COMPUTE_PREEMPTION_SUPPORTED, 1);
        ATTRIBUTE(COOPERATIVE_LAUNCH, 1);
        ATTRIBUTE(CAN_USE_HOST_POINTER_FOR_REGISTERED_MEM, 1);
        ATTRIBUTE(HOST_REGISTER_SUPPORTED, 1);
        ATTRIBUTE(MEMORY_POOLS_SUPPORTED, 1);
        ATTRIBUTE(CAN_USE_STREAM_WAIT_VALUE_NOR_V1, 1);
        ATTRIBUTE(CAN_USE_64_BIT_STREAM_MEM_OPS_V1, 1);
        ATTRIBUTE(UNIFIED_FUNCTION_POINTERS, 0);
    default:
        return 0;
    }
}

static bool device_ok(CUdevice device)
{
    return device >= 0 && device < sg_options.n_devices;
}

SG_API(cuDeviceGetCount, int *n)
{
    SG_ENTER();
    SG_CHECK(n, CUDA_ERROR_INVALID_VALUE);
    *n = sg_options.n_devices;
    return CUDA_SUCCESS;
}

SG_API(cuDeviceGet, CUdevice *device, int ordinal)
{
    SG_ENTER();
    SG_CHECK(device, CUDA_ERROR_INVALID_VALUE);
    SG_CHECK(device_ok(ordinal), CUDA_ERROR_INVALID_DEVICE);
    *device = ordinal;
    return CUDA_SUCCESS;
}

SG_API(cuDeviceGetName, char *name, int length, CUdevice device)
{
    SG_ENTER();
    SG_CHECK(name && length > 0, CUDA_ERROR_INVALID_VALUE);
    SG_CHECK(device_ok(device), CUDA_ERROR_INVALID_DEVICE);
    snprintf(name, (size_t)length, "Software GPU sm_%d", sg_options.sm);
    return CUDA_SUCCESS;
}

SG_API(cuDeviceTotalMem_v2, size_t *n_bytes, CUdevice device)
{
    SG_ENTER();
    SG_CHECK(n_bytes, CUDA_ERROR_INVALID_VALUE);
    SG_CHECK(device_ok(device), CUDA_ERROR_INVALID_DEVICE);
    *n_bytes = sg_options.memory_bytes;
    return CUDA_SUCCESS;
}

SG_API(cuDeviceGetAttribute, int *value, CUdevice_attribute attribute, CUdevice device)
{
    SG_ENTER();
    SG_CHECK(
        value && attribute > 0 && attribute < CU_DEVICE_ATTRIBUTE_MAX, CUDA_ERROR_INVALID_VALUE);
    SG_CHECK(device_ok(device), CUDA_ERROR_INVALID_DEVICE);
    *value = limit_attribute(attribute);
    if (*value < 0)
        *value = feature_attribute(attribute);
    if (attribute == CU_DEVICE_ATTRIBUTE_PCI_BUS_ID)
        *value = device + 1;
    return CUDA_SUCCESS;
}

static CUresult uuid_of(CUuuid *id, CUdevice device)
{
    SG_CHECK(id, CUDA_ERROR_INVALID_VALUE);
    SG_CHECK(device_ok(device), CUDA_ERROR_INVALID_DEVICE);
    memcpy(id->bytes, "softgpu-device-0", 16);
    id->bytes[15] = (char)('0' + device);
    return CUDA_SUCCESS;
}

SG_API(cuDeviceGetUuid, CUuuid *id, CUdevice device)
{
    SG_ENTER();
    return uuid_of(id, device);
}

SG_API(cuDeviceGetUuid_v2, CUuuid *id, CUdevice device)
{
    SG_ENTER();
    return uuid_of(id, device);
}

SG_API(cuDeviceGetPCIBusId, char *text, int length, CUdevice device)
{
    SG_ENTER();
    SG_CHECK(text && length > 0, CUDA_ERROR_INVALID_VALUE);
    SG_CHECK(device_ok(device), CUDA_ERROR_INVALID_DEVICE);
    snprintf(text, (size_t)length, "0000:%02x:00.0", device + 1);
    return CUDA_SUCCESS;
}

SG_API(cuDeviceGetByPCIBusId, CUdevice *device, const char *text)
{
    SG_ENTER();
    unsigned domain = 0, bus = 0;
    SG_CHECK(device && text, CUDA_ERROR_INVALID_VALUE);
    SG_CHECK(sscanf(text, "%x:%x", &domain, &bus) == 2 && bus, CUDA_ERROR_INVALID_DEVICE);
    SG_CHECK(device_ok((int)bus - 1), CUDA_ERROR_INVALID_DEVICE);
    *device = (int)bus - 1;
    return CUDA_SUCCESS;
}

SG_API(cuDeviceComputeCapability, int *major, int *minor, CUdevice device)
{
    SG_ENTER();
    SG_CHECK(major && minor, CUDA_ERROR_INVALID_VALUE);
    SG_CHECK(device_ok(device), CUDA_ERROR_INVALID_DEVICE);
    *major = sg_options.sm / 10;
    *minor = sg_options.sm % 10;
    return CUDA_SUCCESS;
}

SG_API(cuDeviceCanAccessPeer, int *can, CUdevice device, CUdevice peer)
{
    SG_ENTER();
    SG_CHECK(can, CUDA_ERROR_INVALID_VALUE);
    SG_CHECK(device_ok(device) && device_ok(peer), CUDA_ERROR_INVALID_DEVICE);
    *can = device != peer;
    return CUDA_SUCCESS;
}

SG_API(cuDeviceGetP2PAttribute, int *value, CUdevice_P2PAttribute attribute, CUdevice from,
    CUdevice to)
{
    SG_ENTER();
    SG_CHECK(value, CUDA_ERROR_INVALID_VALUE);
    SG_CHECK(device_ok(from) && device_ok(to) && from != to, CUDA_ERROR_INVALID_DEVICE);
    *value = attribute == CU_DEVICE_P2P_ATTRIBUTE_ACCESS_SUPPORTED ||
             attribute == CU_DEVICE_P2P_ATTRIBUTE_NATIVE_ATOMIC_SUPPORTED;
    return CUDA_SUCCESS;
}
