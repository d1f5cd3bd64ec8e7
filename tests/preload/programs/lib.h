/* Helpers of the programs that call vendor libraries: device arrays filled with numbers anybody can make again, and a hash of bits. */
#ifndef TEST_PRELOAD_LIB_H
#define TEST_PRELOAD_LIB_H

#include "drv.h"

static uint64_t lib_state = 1;
static inline uint32_t lib_random(uint32_t n)
{
    lib_state = lib_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(lib_state >> 33) % n;
}
/* magnitudes over twelve binades, so that order shows in the last bits */
static inline double lib_number(void)
{
    return ((double)lib_random(1 << 24) / (1 << 23) - 1) * (double)(1u << lib_random(12));
}

static uint64_t lib_hash = 14695981039346656037u;
static inline void lib_add(const void *from, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes; i++)
        lib_hash = (lib_hash ^ ((const unsigned char *)from)[i]) * 1099511628211u;
}
/* With CAPTURE in the environment, library calls between lib_begin and lib_end are captured on lib_stream, in the mode that forbids
 * most, and run as a graph. */
static CUstream lib_stream;
static int lib_nodes;
static inline void lib_streams(void)
{
    if (getenv("CAPTURE"))
        OK(CU(cuStreamCreate)(&lib_stream, CU_STREAM_NON_BLOCKING));
}
static inline void lib_begin(void)
{
    if (lib_stream)
        OK(CU(cuStreamBeginCapture_v2)(lib_stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
}
static inline void lib_end(void)
{
    CUgraph graph;
    CUgraphExec exec;
    size_t n = 0;
    if (!lib_stream)
        return;
    OK(CU(cuStreamEndCapture)(lib_stream, &graph));
    OK(CU(cuGraphGetNodes)(graph, NULL, &n));
    OK(CU(cuGraphInstantiateWithFlags)(&exec, graph, 0));
    OK(CU(cuGraphLaunch)(exec, lib_stream));
    lib_nodes += (int)n;
}
static inline void lib_result(void)
{
    printf("result bits=%016llx nodes=%d\n", (unsigned long long)lib_hash, lib_nodes);
}

static inline void *lib_device(size_t n_bytes)
{
    CUdeviceptr at = 0;
    OK(CU(cuMemAlloc_v2)(&at, n_bytes));
    return (void *)(uintptr_t)at;
}
static inline void lib_upload(void *to, const void *from, size_t n_bytes)
{
    OK(CU(cuMemcpyHtoD_v2)((CUdeviceptr)(uintptr_t)to, from, n_bytes));
}
/* n numbers, double or float */
static inline void *lib_numbers(size_t n, int f64)
{
    double *d = malloc(n * 8 + 8);
    float *f = malloc(n * 4 + 4);
    for (size_t i = 0; i < n; i++) {
        d[i] = lib_number();
        f[i] = (float)d[i];
    }
    void *at = lib_device(n * 8 + 8);
    lib_upload(at, f64 ? (void *)d : (void *)f, n * (f64 ? 8 : 4));
    free(d);
    free(f);
    return at;
}
static inline void lib_free(void *at)
{
    OK(CU(cuMemFree_v2)((CUdeviceptr)(uintptr_t)at));
}
/* Wait and take the bits in. */
static inline void lib_take(const void *from, size_t n_bytes)
{
    void *host = malloc(n_bytes + 1);
    OK(CU(cuCtxSynchronize)());
    OK(CU(cuMemcpyDtoH_v2)(host, (CUdeviceptr)(uintptr_t)from, n_bytes));
    lib_add(host, n_bytes);
    free(host);
}

#endif
