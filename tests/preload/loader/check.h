/* For the loader's tests: build the probes once, run one under a preload, compare its result line. */
#ifndef TEST_PRELOAD_LOADER_CHECK_H
#define TEST_PRELOAD_LOADER_CHECK_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/child.h"

#define DIR   BUILD "/loader"
#define WATCH DIR "/libwatch.so"
#define SHIM  BUILD "/libdetshim.so"

static inline const char *cuda_home(void)
{
    const char *home = getenv("CUDA_HOME");
    return home && *home ? home : "/usr/local/cuda";
}

static inline void prepare(void)
{
    struct child built = child_shell(NULL, 300,
        "%s/tests/preload/loader/build.sh %s %s/libdetpure.a %s", ROOT, DIR, BUILD, cuda_home());
    cr_assert_eq(built.exit_status, 0, "build.sh: %s", built.err);
    child_free(&built);
}

/** Run `command` (a shell line in the probes' folder) with `preload` (NULL: none) and library path `path`. */
static inline struct child probe(const char *preload, const char *path, const char *command)
{
    /* The shell itself must not be preloaded: a hang of ours would take the time limit with it. */
    return child_shell(NULL, 120, "cd %s && exec env LD_LIBRARY_PATH=%s %s%s %s", DIR, path,
        preload ? "LD_PRELOAD=" : "", preload ? preload : "", command);
}

/** The probe must exit 0, print the line `result EXPECTED`, and nothing on standard error unless `noise` names it. */
static inline void expect(const char *preload, const char *path, const char *command,
    const char *expected, const char *noise)
{
    struct child child = probe(preload, path, command);
    char line[512];
    snprintf(line, sizeof line, "result %s\n", expected);
    cr_expect_eq(child.exit_status, 0, "%s under %s: status %d signal %d: %s", command,
        preload ? preload : "nothing", child.exit_status, child.signal, child.err);
    cr_expect(strstr(child.out, line) != NULL, "%s under %s: expected %sgot %s%s", command,
        preload ? preload : "nothing", line, child.out, child.err);
    if (noise)
        cr_expect(strstr(child.err, noise) != NULL, "%s: expected '%s' on stderr, got '%s'",
            command, noise, child.err);
    else
        cr_expect_str_eq(child.err, "", "%s: stderr: %s", command, child.err);
    child_free(&child);
}

#endif
