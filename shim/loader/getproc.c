/* cuGetProcAddress in both forms: how cudart and most programs reach the driver (notes/interposition.md section 2). The real
 * one is asked first, with the caller's own arguments; its status and its NULLs are kept. A wrapper is put in its place only
 * when the ABI of the answer is certain, since a wrong ABI crashes (HAMi-core#57, ucx#8938). */
#include <cuda.h>

#include "shim/loader/internal.h"
#include "shim/log/log.h"

#undef cuGetProcAddress
CUresult CUDAAPI cuGetProcAddress(const char *symbol, void **pfn, int version, cuuint64_t flags);

/* Every text of the table in one object: rows hold places in it, not pointers, so that a process start relocates nothing. */
#define PASTE(a, b) a##b
#define TEXT(a, b)  PASTE(a, b)
#define BASE_TEXT   TEXT(base_, __LINE__)
#define EXPORT_TEXT TEXT(exported_, __LINE__)
#define DET_DRIVER_TABLE_VERSION(version)
static const struct texts {
#define DET_DRIVER_FN(base, version, per_thread, exported)                                         \
    char BASE_TEXT[sizeof base], EXPORT_TEXT[sizeof exported];
#include "shim/loader/driver_versions.def"
#undef DET_DRIVER_FN
} texts = {
#define DET_DRIVER_FN(base, version, per_thread, exported) base, exported,
#include "shim/loader/driver_versions.def"
#undef DET_DRIVER_FN
};
_Static_assert(sizeof texts <= UINT16_MAX, "places in the texts have 16 bits");

struct driver_fn {
    int version;             /* first CUDA version with this ABI */
    uint16_t base, exported; /* places in the texts */
    bool per_thread;         /* the _ptsz or _ptds twin */
};
static const struct driver_fn table[] = {
#define DET_DRIVER_FN(base, version, per_thread, exported)                                         \
    { version, offsetof(struct texts, BASE_TEXT), offsetof(struct texts, EXPORT_TEXT), per_thread },
#include "shim/loader/driver_versions.def"
#undef DET_DRIVER_FN
#undef DET_DRIVER_TABLE_VERSION
};
static const char *text(uint16_t place)
{
    return (const char *)&texts + place;
}

enum {
    N_ROWS = sizeof table / sizeof table[0],
#define DET_DRIVER_TABLE_VERSION(version) TABLE_VERSION = version,
#define DET_DRIVER_FN(base, version, per_thread, exported)
#include "shim/loader/driver_versions.def"
#undef DET_DRIVER_FN
#undef DET_DRIVER_TABLE_VERSION
};

/** One question to the driver: exactly what the caller asked, or the same at another version. */
struct question {
    CUresult (*ask)(const struct question *question, int version, void **pfn);
    const char *base;
    cuuint64_t flags;
    const void *caller;
};

static int compare(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return (unsigned char)*a - (unsigned char)*b;
}

/* Rows of one base name are neighbours; *n of them. */
static const struct driver_fn *rows_of(const char *base, size_t *n)
{
    size_t lo = 0, hi = N_ROWS;
    while (lo < hi) {
        const size_t mid = (lo + hi) / 2;
        if (compare(text(table[mid].base), base) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    for (*n = 0; lo + *n < N_ROWS && det_same(text(table[lo + *n].base), base);)
        ++*n;
    return &table[lo];
}

/* Documented choice: largest version not above the asked one; the per-thread twin if asked for and there is one. */
static const struct driver_fn *row_for(const char *base, int version, bool per_thread)
{
    size_t n = 0;
    const struct driver_fn *rows = rows_of(base, &n), *best = NULL;
    for (size_t i = 0; i < n; i++) {
        if (rows[i].version > version || (rows[i].per_thread && !per_thread))
            continue;
        if (!best || rows[i].per_thread > best->per_thread ||
            (rows[i].per_thread == best->per_thread && rows[i].version >= best->version))
            best = &rows[i];
    }
    return best;
}

/* The row whose exported function is this very address: certain, whatever the version rules are. */
static const struct driver_fn *row_at(const char *base, const void *pfn)
{
    size_t n = 0;
    const struct driver_fn *rows = rows_of(base, &n);
    for (size_t i = 0; i < n; i++)
        if (det_driver_symbol(text(rows[i].exported)) == pfn)
            return &rows[i];
    return NULL;
}

static bool wraps_any(const char *base)
{
    size_t n = 0;
    const struct driver_fn *rows = rows_of(base, &n);
    for (size_t i = 0; i < n; i++)
        if (det_call_find(text(rows[i].exported)) != DET_N_CALLS)
            return true;
    return false;
}

/* The driver may know a newer ABI than our table does. It is the one we know if the driver gives the same address for the
 * table's own version. */
static bool is_newer_abi(const struct question *question, int version, const void *pfn)
{
    void *known = NULL;
    if (version <= TABLE_VERSION)
        return false;
    return question->ask(question, TABLE_VERSION, &known) != CUDA_SUCCESS || known != pfn;
}

/* What the caller gets for the driver's answer `pfn`. */
static void *answer_for(const struct question *question, int version, void *pfn)
{
    const char *base = question->base;
    if (!base || !wraps_any(base))
        return pfn;
    const struct driver_fn *row = row_at(base, pfn);
    if (!row) {
        if (is_newer_abi(question, version, pfn)) {
            det_log_note("'%s' at CUDA %d is newer than this build knows (CUDA %d); passed through",
                base, version, (int)TABLE_VERSION);
            return pfn;
        }
        row = row_for(
            base, version, (question->flags & CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM) != 0);
    }
    const enum det_call call = row ? det_call_find(text(row->exported)) : DET_N_CALLS;
    if (call == DET_N_CALLS)
        return pfn;
    struct det_instance *driver = det_instance_at(pfn);
    if (!driver || driver->family != DET_FAMILY_CUDA)
        driver = det_instance_first(DET_FAMILY_CUDA);
    if (driver)
        det_instance_set_real(driver, call, pfn);
    det_loader_saw(DET_SEEN_DLSYM);
    return (void *)(uintptr_t)det_call_wrapper(call);
}

static CUresult ask_v1(const struct question *question, int version, void **pfn)
{
    const __typeof__(&cuGetProcAddress) real = (__typeof__(&cuGetProcAddress))(uintptr_t)det_real(
        DET_ID_cuGetProcAddress, question->caller);
    return real(question->base, pfn, version, question->flags);
}

static CUresult ask_v2(const struct question *question, int version, void **pfn)
{
    const __typeof__(&cuGetProcAddress_v2) real =
        (__typeof__(&cuGetProcAddress_v2))(uintptr_t)det_real(
            DET_ID_cuGetProcAddress_v2, question->caller);
    return real(question->base, pfn, version, question->flags, NULL);
}

DET_EXPORT CUresult CUDAAPI cuGetProcAddress(
    const char *symbol, void **pfn, int version, cuuint64_t flags)
{
    const CUresult status = DET_REAL(cuGetProcAddress)(symbol, pfn, version, flags);
    if (status != CUDA_SUCCESS || !pfn || !*pfn || !det_loader_on())
        return status;
    const struct question question = { ask_v1, symbol, flags, __builtin_return_address(0) };
    *pfn = answer_for(&question, version, *pfn);
    return status;
}

DET_EXPORT CUresult CUDAAPI cuGetProcAddress_v2(const char *symbol, void **pfn, int version,
    cuuint64_t flags, CUdriverProcAddressQueryResult *found)
{
    const CUresult status = DET_REAL(cuGetProcAddress_v2)(symbol, pfn, version, flags, found);
    if (status != CUDA_SUCCESS || !pfn || !*pfn || !det_loader_on())
        return status;
    const struct question question = { ask_v2, symbol, flags, __builtin_return_address(0) };
    *pfn = answer_for(&question, version, *pfn);
    return status;
}
