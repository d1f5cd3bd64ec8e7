/* Run a test program on the software GPU, plain or under the shim, with a chosen schedule. */
#ifndef TEST_PRELOAD_BENCH_GPU_H
#define TEST_PRELOAD_BENCH_GPU_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/child.h"

#define SHIM "LD_PRELOAD=" BUILD "/libdetshim.so"

static inline const char *library_path(void)
{
    static char text[8192];
    const char *cuda = getenv("CUDA_HOME");
    snprintf(text, sizeof text, "LD_LIBRARY_PATH=%s/softgpu:%s/lib", BUILD,
        cuda ? cuda : "/usr/local/cuda");
    return text;
}

/* `env` and a DOUBLES_SEED of its own for every call: what the double's races give is new each time, and the same in every run of
 * the test, so that a negative control cannot fail by chance. Valid until the next call. */
static inline const char *const *with_next_seed(const char *const env[])
{
    static char text[40];
    static const char *all[40];
    static int seed;
    size_t n = 0;
    for (; env && env[n] && n < 38; n++)
        all[n] = env[n];
    snprintf(text, sizeof text, "DOUBLES_SEED=%d", ++seed);
    all[n] = text;
    all[n + 1] = NULL;
    return all;
}

/* `command` goes to sh, the program first; `more`: NULL-terminated environment, may be NULL. seed < 0: real entropy. */
static inline struct child on_softgpu(const char *command, int seed, const char *const more[])
{
    char seed_text[40];
    const char *env[24] = { library_path(), "DETSHIM_CACHE=off", "DETSHIM_LOG", "DET_SEED" };
    size_t n = 4;
    if (seed >= 0)
        snprintf(seed_text, sizeof seed_text, "SOFTGPU_SEED=%d", seed);
    env[n++] = seed >= 0 ? seed_text : "SOFTGPU_SEED";
    for (size_t i = 0; more && more[i] && n < 23; i++)
        env[n++] = more[i];
    return child_shell(env, 300, "exec %s", command);
}

/* The NAME=VALUE of the result line; the child must have ended well. */
static inline char *result_of(
    const char *command, int seed, const char *const more[], const char *name)
{
    struct child child = on_softgpu(command, seed, more);
    cr_assert_eq(child.exit_status, 0, "SOFTGPU_SEED=%d %s: status %d signal %d\n%s%s", seed,
        command, child.exit_status, child.signal, child.out, child.err);
    char *value = strdup(child_result(child.out, name));
    cr_assert(*value, "no result in: %s%s", child.out, child.err);
    child_free(&child);
    return value;
}

/* How many different values of NAME the schedules of seeds 1..n give. */
static inline int distinct_results(
    const char *command, const char *const env[], const char *name, int n)
{
    char *seen[64];
    int n_seen = 0;
    for (int seed = 1; seed <= n; seed++) {
        char *value = result_of(command, seed, env, name);
        int i = 0;
        while (i < n_seen && strcmp(seen[i], value) != 0)
            i++;
        if (i == n_seen)
            seen[n_seen++] = value;
        else
            free(value);
    }
    return n_seen;
}

static inline int count_lines(const char *text, const char *start)
{
    int n = 0;
    for (const char *at = text; at && *at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL)
        n += strncmp(at, start, strlen(start)) == 0;
    return n;
}

#endif
