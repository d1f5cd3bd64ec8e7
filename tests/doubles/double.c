/* See double.h. */
#define _GNU_SOURCE
#include <cuda.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "tests/doubles/double.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t state;

static uint32_t next(void)
{
    if (!state) {
        const char *seed = getenv("DOUBLES_SEED");
        if (seed)
            state = strtoull(seed, NULL, 0) * 0x9e3779b97f4a7c15u + 1;
        else if (getrandom(&state, sizeof state, 0) != (ssize_t)sizeof state || !state)
            state = 1;
    }
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32);
}

/* 0 … n-1 by multiplication; lock held. */
static uint32_t below(uint32_t n)
{
    return (uint32_t)((uint64_t)next() * n >> 32);
}

uint32_t double_pick(uint32_t n)
{
    pthread_mutex_lock(&lock);
    const uint32_t picked = n ? next() % n : 0;
    pthread_mutex_unlock(&lock);
    return picked;
}

double double_time_ms(void)
{
    return 0.01 + double_pick(100000) * 1e-5;
}

/* A random permutation, then random grouping into a few partial sums: blocks that race to one address. One lock for all draws. */
#define SUM(name, type)                                                                            \
    type name(const type *terms, size_t n, bool ordered)                                           \
    {                                                                                              \
        type total = 0, partial[8] = { 0 };                                                        \
        if (ordered) {                                                                             \
            for (size_t i = 0; i < n; i++)                                                         \
                total += terms[i];                                                                 \
            return total;                                                                          \
        }                                                                                          \
        type *mixed = malloc((n ? n : 1) * sizeof *mixed);                                         \
        memcpy(mixed, terms, n * sizeof *mixed);                                                   \
        pthread_mutex_lock(&lock);                                                                 \
        for (size_t i = n; i > 1; i--) {                                                           \
            const size_t j = below((uint32_t)i);                                                   \
            const type kept = mixed[i - 1];                                                        \
            mixed[i - 1] = mixed[j];                                                               \
            mixed[j] = kept;                                                                       \
        }                                                                                          \
        const uint32_t groups = 1 + below(8);                                                      \
        for (size_t i = 0; i < n; i++)                                                             \
            partial[below(groups)] += mixed[i];                                                    \
        pthread_mutex_unlock(&lock);                                                               \
        for (uint32_t i = 0; i < groups; i++)                                                      \
            total += partial[i];                                                                   \
        free(mixed);                                                                               \
        return total;                                                                              \
    }
SUM(double_sum_f32, float)
SUM(double_sum_f64, double)

struct work {
    void (*run)(void *arg);
    void *arg;
};

static void CUDA_CB perform(void *data)
{
    struct work work = *(struct work *)data;
    free(data);
    work.run(work.arg);
    free(work.arg);
}

static void *driver_function(const char *name)
{
    static void *driver;
    if (!driver)
        driver = dlopen("libcuda.so.1", RTLD_NOW);
    return driver ? dlsym(driver, name) : NULL;
}

/* Does nothing; named so that a ledger shows whose it is. */
static const char kernel_ptx[] = ".version 7.0\n.target sm_70\n.address_size 64\n"
                                 ".visible .entry double_kernel()\n{\n    ret;\n}\n";

static CUfunction kernel(void)
{
    typedef CUresult (*load_fn)(CUmodule *, const void *);
    typedef CUresult (*get_fn)(CUfunction *, CUmodule, const char *);
    typedef CUresult (*mode_fn)(CUstreamCaptureMode *);
    static CUfunction function;
    CUmodule module;
    if (function)
        return function;
    CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_RELAXED;
    const mode_fn exchange = (mode_fn)driver_function("cuThreadExchangeStreamCaptureMode");
    exchange(&mode);
    if (((load_fn)driver_function("cuModuleLoadData"))(&module, kernel_ptx) == CUDA_SUCCESS)
        ((get_fn)driver_function("cuModuleGetFunction"))(&function, module, "double_kernel");
    exchange(&mode);
    return function;
}

bool double_launch(void *stream)
{
    typedef CUresult (*launch_fn)(CUfunction, unsigned, unsigned, unsigned, unsigned, unsigned,
        unsigned, unsigned, CUstream, void **, void **);
    const launch_fn launch = (launch_fn)driver_function("cuLaunchKernel");
    const CUfunction function = kernel();
    return function && launch &&
           launch(function, 1, 1, 1, 1, 1, 1, 0, stream, NULL, NULL) == CUDA_SUCCESS;
}

void double_prepares(void *stream)
{
    if (getenv("DOUBLES_KERNELS"))
        double_launch(stream);
}

bool double_graph_kernel(void *graph)
{
    typedef CUresult (*add_fn)(
        CUgraphNode *, CUgraph, const CUgraphNode *, size_t, const CUDA_KERNEL_NODE_PARAMS *);
    const add_fn add = (add_fn)driver_function("cuGraphAddKernelNode_v2");
    const CUDA_KERNEL_NODE_PARAMS params = { .func = kernel(),
        .gridDimX = 1,
        .gridDimY = 1,
        .gridDimZ = 1,
        .blockDimX = 1,
        .blockDimY = 1,
        .blockDimZ = 1 };
    CUgraphNode node;
    return params.func && add && add(&node, graph, NULL, 0, &params) == CUDA_SUCCESS;
}

bool double_queue(void *stream, void (*run)(void *arg), void *arg)
{
    typedef CUresult (*launch_fn)(CUstream, CUhostFn, void *);
    static launch_fn launch;
    if (!launch)
        launch = (launch_fn)driver_function("cuLaunchHostFunc");
    if (getenv("DOUBLES_KERNELS") && !double_launch(stream))
        return false;
    struct work *work = malloc(sizeof *work);
    if (!launch || !work)
        return false;
    *work = (struct work){ run, arg };
    return launch(stream, perform, work) == CUDA_SUCCESS;
}

int double_fail(const char *call)
{
    enum { MAX = 128 };
    static struct {
        const char *name;
        unsigned n;
    } counts[MAX];
    const char *list = getenv("DOUBLES_FAIL");
    if (!list)
        return 0;
    pthread_mutex_lock(&lock);
    unsigned ordinal = 0;
    for (unsigned i = 0; i < MAX; i++)
        if (!counts[i].name || strcmp(counts[i].name, call) == 0) {
            counts[i].name = call;
            ordinal = ++counts[i].n;
            break;
        }
    pthread_mutex_unlock(&lock);
    const size_t bytes = strlen(call);
    for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        unsigned wanted = 0;
        int status = 0;
        if (strncmp(at, call, bytes) == 0 && at[bytes] == ':' &&
            sscanf(at + bytes, ":%u:%d", &wanted, &status) == 2 &&
            (wanted == 0 || wanted == ordinal))
            return status;
    }
    return 0;
}

void double_trace(const char *call, const char *format, ...)
{
    const char *path = getenv("DOUBLES_TRACE");
    if (!path)
        return;
    char line[2048];
    int n = snprintf(line, sizeof line, "{\"call\":\"%s\",", call);
    va_list args;
    va_start(args, format);
    n += vsnprintf(line + n, sizeof line - (size_t)n - 4, format, args);
    va_end(args);
    if (n > (int)sizeof line - 4)
        n = (int)sizeof line - 4;
    memcpy(line + n, "}\n", 3);
    FILE *file = fopen(path, "a");
    if (file) {
        fputs(line, file);
        fclose(file);
    }
}
