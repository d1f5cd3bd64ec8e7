/* Counting wrappers of the watch build. Twelve integer arguments are forwarded whatever the function takes: reading more of
 * the caller's stack than it passed is harmless. Programs ask for counts by dlsym(RTLD_DEFAULT, "watch_count"). */
#include <string.h>

#include "shim/loader/internal.h"
#include "shim/loader/loader.h"
#include "shim/log/log.h"

typedef long (*function)(long, long, long, long, long, long, long, long, long, long, long, long);
static _Atomic long outer[DET_N_CALLS], nested[DET_N_CALLS];

/* Counts are read when nothing else runs; exact under threads they are not. */
static inline void count(_Atomic long *n)
{
    atomic_store_explicit(
        n, atomic_load_explicit(n, memory_order_relaxed) + 1, memory_order_relaxed);
}

#define WATCH_OWN(symbol)
#define WATCH_COUNT(symbol)                                                                        \
    DET_EXPORT long symbol(long a, long b, long c, long d, long e, long f, long g, long h, long i, \
        long j, long k, long l);                                                                   \
    long symbol(long a, long b, long c, long d, long e, long f, long g, long h, long i, long j,    \
        long k, long l)                                                                            \
    {                                                                                              \
        const bool first = det_enter(DET_ID_##symbol);                                             \
        count(first ? &outer[DET_ID_##symbol] : &nested[DET_ID_##symbol]);                         \
        const function real =                                                                      \
            (function)(uintptr_t)det_real(DET_ID_##symbol, __builtin_return_address(0));           \
        const long result = real(a, b, c, d, e, f, g, h, i, j, k, l);                              \
        if (first)                                                                                 \
            det_leave(DET_ID_##symbol);                                                            \
        return result;                                                                             \
    }
#define DET_CALL(symbol, since, how) WATCH_##how(symbol)
#include "shim/loader/calls.def"
#undef DET_CALL

DET_EXPORT long watch_count(const char *name);
long watch_count(const char *name)
{
    const enum det_call call = det_call_find(name);
    return call == DET_N_CALLS ? -1 : outer[call];
}

DET_EXPORT long watch_nested(const char *name);
long watch_nested(const char *name)
{
    const enum det_call call = det_call_find(name);
    return call == DET_N_CALLS ? -1 : nested[call];
}

DET_EXPORT long watch_total(void);
long watch_total(void)
{
    long n = 0;
    for (unsigned call = 0; call < DET_N_CALLS; call++)
        n += outer[call] + nested[call];
    return n;
}

__attribute__((destructor)) static void end(void)
{
    det_loader_self_test();
    det_log_finish();
}
