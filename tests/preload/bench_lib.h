/* Run a program against the library doubles on the software GPU, plain or under the shim, and count how many different results
 * its races give. */
#ifndef TEST_PRELOAD_BENCH_LIB_H
#define TEST_PRELOAD_BENCH_LIB_H

#include <unistd.h>

#include "tests/preload/bench_gpu.h"

static const char *const plain[] = { "LD_PRELOAD", "DETSHIM_CHOICES", NULL };
static const char *const shim[] = { SHIM, "DETSHIM_LOG_LEVEL=off", "DETSHIM_CHOICES", NULL };
static const char *const loud[] = { SHIM, "DETSHIM_LOG=stderr", "DETSHIM_LOG_LEVEL=override",
    "DETSHIM_CHOICES", NULL };
static const char *const seeded[] = { SHIM, "DETSHIM_LOG_LEVEL=off", "DET_SEED=5", NULL };
static const char *const observing[] = { SHIM, "DETSHIM_LOG=stderr", "DETSHIM_LEVEL=observe",
    NULL };

/* PROGRAM and arguments below build/preload; `more` may be NULL-terminated and is set last. */
static inline struct child with_doubles(const char *command, const char *const more[])
{
    static char path[8192];
    const char *cuda = getenv("CUDA_HOME");
    snprintf(path, sizeof path, "LD_LIBRARY_PATH=%s/doubles:%s/softgpu:%s/lib", BUILD, BUILD,
        cuda ? cuda : "/usr/local/cuda");
    const char *env[40] = { path, "DETSHIM_CACHE=off", "DETSHIM_LOG", "DET_SEED", "SOFTGPU_SEED",
        "DOUBLES_SEED", "CUBLAS_WORKSPACE_CONFIG", "NCCL_ALGO" };
    size_t n = 8;
    for (size_t i = 0; more && more[i] && n < 39; i++)
        env[n++] = more[i];
    return child_shell(env, 300, "exec %s/preload/%s", BUILD, command);
}

static inline char *lib_value(const char *command, const char *const more[], const char *name)
{
    struct child child = with_doubles(command, more);
    cr_assert_eq(child.exit_status, 0, "%s: status %d signal %d\n%s%s", command, child.exit_status,
        child.signal, child.out, child.err);
    char *value = strdup(child_result(child.out, name));
    cr_assert(*value, "%s: no %s in: %s%s", command, name, child.out, child.err);
    child_free(&child);
    return value;
}

static inline int distinct(const char *command, const char *const more[], int n)
{
    char *seen[64];
    int n_seen = 0;
    for (int i = 0; i < n; i++) {
        char *value = lib_value(command, with_next_seed(more), "bits");
        int j = 0;
        while (j < n_seen && strcmp(seen[j], value) != 0)
            j++;
        if (j == n_seen)
            seen[n_seen++] = value;
        else
            free(value);
    }
    return n_seen;
}

/* Plain runs differ, preloaded runs match: the control and the promise. */
static inline void pinned(const char *command, const char *const under[])
{
    int plainly = 0;
    for (int tries = 0; plainly < 2 && tries < 6; tries++)
        plainly = distinct(command, plain, 4);
    cr_assert_gt(plainly, 1, "'%s' repeats without us: proves nothing", command);
    cr_expect_eq(distinct(command, under, 6), 1, "'%s' differs under the shim", command);
}

/* The program sees the same, plain and preloaded. */
static inline void unchanged(const char *command, const char *name)
{
    char *before = lib_value(command, plain, name), *after = lib_value(command, shim, name);
    cr_expect_str_eq(before, after, "%s", command);
    free(before);
    free(after);
}

/* The log of a run holds this. */
static inline void says(const char *command, const char *const more[], const char *text)
{
    struct child child = with_doubles(command, more);
    cr_expect_eq(child.exit_status, 0, "%s%s", child.out, child.err);
    cr_expect(strstr(child.err, text), "'%s' lacks '%s':\n%s", command, text, child.err);
    child_free(&child);
}

/* The trace of the double, one string. */
static inline char *trace_of(const char *command, const char *const more[])
{
    char file[] = "/tmp/doublesXXXXXX", variable[64];
    const char *env[32] = { NULL };
    size_t n = 0;
    close(mkstemp(file));
    snprintf(variable, sizeof variable, "DOUBLES_TRACE=%s", file);
    for (; more && more[n] && n < 30; n++)
        env[n] = more[n];
    env[n] = variable;
    struct child child = with_doubles(command, env);
    cr_expect_eq(child.exit_status, 0, "%s%s", child.out, child.err);
    child_free(&child);
    child = child_shell(NULL, 10, "cat %s; rm %s", file, file);
    free(child.err);
    return child.out;
}

#endif
