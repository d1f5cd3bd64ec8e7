/* Settings of a kernel, read back and used: attributes, cache and bank preferences, by both handle kinds, before and after the
 * first launch; names the driver may lack. Everything printed must be the same with and without detshim. */
#include "tests/preload/programs/drv.h"

enum { N = 6000, M = 7, BLOCK = 64 };

static void ask(CUfunction f)
{
    static const CUfunction_attribute attrs[] = { CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
        CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES };
    for (size_t i = 0; i < sizeof attrs / sizeof *attrs; i++) {
        int value = -7;
        const CUresult status = CU(cuFuncGetAttribute)(&value, attrs[i], f);
        printf("attribute %d: %d %d\n", (int)attrs[i], (int)status, value);
    }
}

/* Both are deprecated; a driver may have dropped them. */
static void shared_config(CUfunction f)
{
    void *const found = dlsym(drv_lib, "cuFuncSetSharedMemConfig");
    if (found != NULL)
        printf("shared config %d\n", (int)((__typeof__(&cuFuncSetSharedMemConfig))found)(
                                         f, CU_SHARED_MEM_CONFIG_EIGHT_BYTE_BANK_SIZE));
}

int main(void)
{
    static const char *const names[] = { "cuWaitExternalSemaphoresAsync",
        "cuWaitExternalSemaphoresAsync_ptsz", "cuLaunchCooperativeKernelMultiDevice",
        "cuFuncSetSharedMemConfig", "cuLaunchKernel", "cuThereIsNoSuchCall" };
    CUmodule module;
    CUfunction f;
    uint32_t n = N, m = M;
    drv_start();
    CUdeviceptr x = drv_addends(N), y = drv_zeros(M);
    void *params[] = { &x, &y, &n, &m };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        printf("%s: %s\n", names[i], dlsym(drv_lib, names[i]) != NULL ? "there" : "missing");
    OK(CU(cuModuleLoadData)(&module, drv_ptx));
    OK(CU(cuModuleGetFunction)(&f, module, "sum"));
    printf("dynamic %d\n",
        (int)CU(cuFuncSetAttribute)(f, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 60000));
    printf("cache %d\n", (int)CU(cuFuncSetCacheConfig)(f, CU_FUNC_CACHE_PREFER_SHARED));
    shared_config(f);
    /* more than the default limit of dynamic shared memory: the twin must have been given the attribute, too */
    for (int i = 0; i < 2; i++) {
        const CUresult status = CU(cuLaunchKernel)(
            f, (N + BLOCK - 1) / BLOCK, 1, 1, BLOCK, 1, 1, 60000, NULL, params, NULL);
        printf("launch %d\n", (int)status);
        printf("carve-out %d\n",
            (int)CU(cuFuncSetAttribute)(f, CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT, 50));
        ask(f);
    }
    /* refused by the driver, whoever asks */
    printf("too many threads %d\n",
        (int)CU(cuLaunchKernel)(f, 1, 1, 1, 2048, 1, 1, 0, NULL, params, NULL));
    printf("too much shared memory %d\n",
        (int)CU(cuLaunchKernel)(f, 1, 1, 1, 64, 1, 1, 1 << 20, NULL, params, NULL));
    printf("no grid %d\n", (int)CU(cuLaunchKernel)(f, 0, 1, 1, 64, 1, 1, 0, NULL, params, NULL));
    drv_print("y", y, M);
    return 0;
}
