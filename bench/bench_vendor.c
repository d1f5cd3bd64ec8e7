/* What a wrapped vendor call costs beyond the library's own work: wrapper against the function itself, both of a library of stubs that
 * does nothing (tests/preload/faults), interleaved in one process. Arguments are the address of a zeroed page, so that every wrapper goes
 * its usual way: look up what it keeps, decide, count. The program preloads itself by running itself again. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <spawn.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"

#define DIR  BUILD "/faults"
#define SHIM BUILD "/libdetshim.so"
enum { N_WORDS = 28 };
typedef int (*any_fn)(uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t,
    uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t,
    uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t,
    uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t);
typedef void *(*look)(void *, const char *);

static const struct {
    const char *library, *name;
} calls[] = { { "libcublas.so.13", "cublasSgemm_v2" }, { "libcublas.so.13", "cublasGemmEx" },
    { "libcublas.so.13", "cublasSetStream_v2" }, { "libcublasLt.so.13", "cublasLtMatmul" },
    { "libcublasLt.so.13", "cublasLtMatmulDescSetAttribute" },
    { "libcudnn.so.9", "cudnnConvolutionForward" },
    { "libcudnn.so.9", "cudnnConvolutionBackwardFilter" },
    { "libcudnn.so.9", "cudnnPoolingBackward" }, { "libcudnn.so.9", "cudnnBackendSetAttribute" },
    { "libcudnn.so.9", "cudnnBackendExecute" }, { "libcurand.so.10", "curandGenerateUniform" },
    { "libcusparse.so.12", "cusparseSpMV" }, { "libcusparse.so.12", "cusparseSpGEMM_compute" },
    { "libcusolver.so.12", "cusolverDnDpotrf" }, { "libnccl.so.2", "ncclAllReduce" } };

struct pair {
    any_fn ours, real;
    uintptr_t word;
};

static void call(any_fn function, long n, uintptr_t w)
{
    for (long i = 0; i < n; i++)
        bench_use((void *)(uintptr_t)function(
            w, w, w, w, w, w, w, w, w, w, w, w, w, w, w, w, w, w, w, w, w, w, w, w, w, w, w, w));
}

static void call_ours(long n, void *arg)
{
    const struct pair *const pair = arg;
    call(pair->ours, n, pair->word);
}

static void call_real(long n, void *arg)
{
    const struct pair *const pair = arg;
    call(pair->real, n, pair->word);
}

static int preloaded(void)
{
    void *const libc = dlopen("libc.so.6", RTLD_NOW);
    const look plain = libc ? (look)(uintptr_t)dlsym(libc, "dlsym") : NULL;
    void *const page = mmap((void *)0x10000, 1 << 20, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (!plain || page == MAP_FAILED)
        return 1;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        char path[512];
        snprintf(path, sizeof path, DIR "/%s", calls[i].library);
        void *const library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
        struct pair pair = { .word = (uintptr_t)page };
        pair.ours = library ? (any_fn)(uintptr_t)dlsym(library, calls[i].name) : NULL;
        pair.real = library ? (any_fn)(uintptr_t)plain(library, calls[i].name) : NULL;
        if (!pair.ours || !pair.real || pair.ours == pair.real)
            return 1;
        bench_pair("vendor", calls[i].name, 20000, 0, call_ours, call_real, &pair);
    }
    return 0;
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1)
        return preloaded();
    if (system("ONLY_BUILD=1 B=" BUILD " " ROOT "/tests/preload/test_vendor_faults.sh") != 0)
        return 1;
    char *const env[] = { "LD_PRELOAD=" SHIM, "DETSHIM_LOG_LEVEL=off", "LD_LIBRARY_PATH=" DIR,
        "PATH=/usr/bin:/bin", NULL };
    char *const again[] = { "bench_vendor", "preloaded", NULL };
    pid_t child;
    int status = 1;
    if (posix_spawn(&child, "/proc/self/exe", NULL, NULL, again, env) == 0)
        waitpid(child, &status, 0);
    return status != 0;
}
