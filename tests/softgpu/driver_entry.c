/* Software GPU: cuGetProcAddress and the per-thread twins. The rows come from entries.py (cudaTypedefs.h): a name that is not
 * implemented has no row and is honestly not found. */
#include "tests/softgpu/driver.h"

#include <cudaProfiler.h>
#include <string.h>

#define SG_UNPACK(...) __VA_ARGS__
#define SG_ROW(name, per_thread, version, symbol)
#define SG_TWIN(name, base, params, arguments)                                                     \
    SG_EXPORT CUresult CUDAAPI name params                                                         \
    {                                                                                              \
        const bool before = sg_thread.per_thread_default;                                          \
        sg_thread.per_thread_default = true;                                                       \
        const CUresult result = base arguments;                                                    \
        sg_thread.per_thread_default = before;                                                     \
        return result;                                                                             \
    }
#include "entries.inc"
#undef SG_ROW
#undef SG_TWIN

typedef void (*any_function)(void);
static const struct {
    const char *name;
    int per_thread, version;
    any_function function;
} rows[] = {
#define SG_TWIN(name, base, params, arguments)
#define SG_ROW(name, per_thread, version, symbol)                                                  \
    { name, per_thread, version, (any_function)symbol },
#include "entries.inc"
#undef SG_ROW
#undef SG_TWIN
};

/* The newest entry of this name that is not newer than asked; `exists`: the name is there at some version. */
static any_function find(const char *name, int version, int per_thread, bool *exists)
{
    any_function found = NULL;
    int newest = -1;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strcmp(rows[i].name, name) || rows[i].per_thread != per_thread)
            continue;
        *exists = true;
        if (rows[i].version <= version && rows[i].version > newest) {
            newest = rows[i].version;
            found = rows[i].function;
        }
    }
    return found;
}

static CUresult look_up(const char *name, void **out, int version, cuuint64_t flags,
    CUdriverProcAddressQueryResult *status)
{
    bool exists = false;
    SG_CHECK(name && out && version <= CUDA_VERSION && flags <= 2, CUDA_ERROR_INVALID_VALUE);
    any_function found = NULL;
    if (flags == CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM)
        found = find(name, version, 1, &exists);
    if (!found)
        found = find(name, version, 0, &exists);
    memcpy(out, &found, sizeof found);
    if (status)
        *status = found    ? CU_GET_PROC_ADDRESS_SUCCESS
                  : exists ? CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT
                           : CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
    return found || status ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

SG_API(cuGetProcAddress_v2, const char *name, void **out, int version, cuuint64_t flags,
    CUdriverProcAddressQueryResult *status)
{
    SG_ENTER_IF(false);
    return look_up(name, out, version, flags, status);
}

SG_API(cuGetProcAddress, const char *name, void **out, int version, cuuint64_t flags)
{
    SG_ENTER_IF(false);
    return look_up(name, out, version, flags, NULL);
}
