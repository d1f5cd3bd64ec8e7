/* What the loader costs: a wrapped call that only forwards (watch build: enter, real, leave, one counter), dlsym for a name that
 * is not ours and one that is, and the start of a process. The program preloads itself by running itself again; the control runs
 * in the same process: the library's own function, libc's own dlsym, the same child without a preload. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"

extern char **environ;
#define DIR   BUILD "/loader"
#define WATCH DIR "/libwatch.so"
#define SHIM  BUILD "/libdetshim.so"
typedef long (*function)(void);
typedef void *(*look)(void *, const char *);

struct pair {
    function ours, real;
    look hook, libc;
    void *handle;
    const char *name;
};

static void call_ours(long n, void *arg)
{
    const function call = ((struct pair *)arg)->ours;
    for (long i = 0; i < n; i++)
        bench_use((void *)call());
}

static void call_real(long n, void *arg)
{
    const function call = ((struct pair *)arg)->real;
    for (long i = 0; i < n; i++)
        bench_use((void *)call());
}

static void look_hook(long n, void *arg)
{
    const struct pair *pair = arg;
    for (long i = 0; i < n; i++)
        bench_use(pair->hook(pair->handle, pair->name));
}

static void look_libc(long n, void *arg)
{
    const struct pair *pair = arg;
    for (long i = 0; i < n; i++)
        bench_use(pair->libc(pair->handle, pair->name));
}

static void start_true(const char *preload)
{
    char variable[512];
    snprintf(variable, sizeof variable, "LD_PRELOAD=%s", preload ? preload : "");
    char *const with[] = { variable, "PATH=/usr/bin:/bin", NULL };
    char *const without[] = { "PATH=/usr/bin:/bin", NULL };
    char *const argv[] = { "true", NULL };
    pid_t child;
    int status;
    if (posix_spawn(&child, "/bin/true", NULL, NULL, argv, preload ? with : without) == 0)
        waitpid(child, &status, 0);
}

static void start_with(long n, void *arg)
{
    for (long i = 0; i < n; i++)
        start_true(arg);
}

static void start_without(long n, void *arg)
{
    (void)arg;
    for (long i = 0; i < n; i++)
        start_true(NULL);
}

static int preloaded(const char *which)
{
    void *libc = dlopen("libc.so.6", RTLD_NOW), *blas = dlopen(DIR "/libcublas.so.13", RTLD_NOW);
    struct pair pair = { .handle = blas, .hook = dlsym };
    if (!libc || !blas)
        return 1;
    pair.libc = (look)dlsym(libc, "dlsym");
    if (strcmp(which, "watch") == 0) {
        pair.ours = (function)dlsym(blas, "cublasGetStatusString");
        pair.real = (function)pair.libc(blas, "cublasGetStatusString");
        if (pair.ours == pair.real || pair.ours() != 13)
            return 1;
        bench_pair("loader", "pass_through", 100000, 0, call_ours, call_real, &pair);
        pair.name = "cublasGetStatusString";
        bench_pair("loader", "dlsym_wrapped_name", 1000, 0, look_hook, look_libc, &pair);
        return 0;
    }
    pair.handle = libc;
    pair.name = "malloc";
    bench_pair("loader", "dlsym_foreign_name", 10000, 0, look_hook, look_libc, &pair);
    pair.handle = blas;
    pair.name = "cublasGetProperty";
    bench_pair("loader", "dlsym_vendor_name_not_wrapped", 10000, 0, look_hook, look_libc, &pair);
    return 0;
}

static void again(char *self, const char *preload, const char *which)
{
    char variable[512];
    snprintf(variable, sizeof variable, "LD_PRELOAD=%s", preload);
    char *const env[] = { variable, "PATH=/usr/bin:/bin", NULL };
    char *const argv[] = { self, (char *)which, NULL };
    pid_t child;
    int status = 1;
    if (posix_spawn(&child, self, NULL, NULL, argv, env) == 0)
        waitpid(child, &status, 0);
    if (status != 0)
        fprintf(stderr, "bench_loader: '%s' failed\n", which);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return preloaded(argv[1]);
    const char *cuda = getenv("CUDA_HOME");
    char command[1024];
    snprintf(command, sizeof command, "%s/tests/preload/loader/build.sh %s %s/libdetpure.a %s",
        ROOT, DIR, BUILD, cuda && *cuda ? cuda : "/usr/local/cuda");
    if (system(command) != 0)
        return 1;
    again("/proc/self/exe", WATCH, "watch");
    again("/proc/self/exe", SHIM, "shim");
    bench_pair("loader", "process_start", 1, 0, start_with, start_without, SHIM);
    bench_pair("loader", "process_start_empty_library", 1, 0, start_with, start_without,
        DIR "/libnextb.so");
    return 0;
}
