/* The promise, end to end, on the software GPU: an unmodified training program differs from run to run, and repeats bit for
 * bit under the shim. Stands on our own driver and runtime; real ones are tests/gpu and `make test-gpu`. */
#include <unistd.h>

#include "bench_gpu.h"
#include "tests/support/oracle.h"

#define MLP   BUILD "/programs/digits_mlp"
#define NVRTC BUILD "/programs/digits_nvrtc"
#define SHORT " --epochs 1 --steps 4"

static const char *const plain[] = { "LD_PRELOAD", NULL };
static const char *const preloaded[] = { SHIM, NULL };
static const char *const observe[] = { SHIM, "DETSHIM_LEVEL=observe", NULL };
static const char *const off[] = { SHIM, "DETSHIM_LEVEL=off", NULL };

static int distinct(const char *command, const char *const env[], int n)
{
    return distinct_results(command, env, "weights", n);
}

Test(demo, plain_runs_differ_and_one_schedule_repeats)
{
    cr_expect_gt(distinct(MLP SHORT, plain, 4), 1, "the software GPU must bite");
    cr_expect_gt(distinct(NVRTC SHORT, plain, 4), 1);
    char *first = result_of(MLP SHORT, 7, plain, "weights"),
         *again = result_of(MLP SHORT, 7, plain, "weights");
    cr_expect_str_eq(first, again, "one schedule seed, one result");
}

Test(demo, preloaded_runs_match_under_fifty_schedules, .timeout = 600)
{
    cr_expect_eq(distinct(MLP SHORT, preloaded, 50), 1);
}

Test(demo, runtime_compiled_kernels_match_too)
{
    cr_expect_eq(distinct(NVRTC SHORT, preloaded, 8), 1);
}

Test(demo, schedules_of_preloaded_runs_do_differ)
{
    const char *const env[] = { SHIM, "SOFTGPU_REPORT=stderr", NULL };
    char hash[2][40] = { "", "" };
    for (int i = 0; i < 2; i++) {
        struct child child = on_softgpu(MLP SHORT, i + 1, env);
        const char *at = strstr(child.err, "\"schedule\":\"");
        cr_assert(at, "%s", child.err);
        snprintf(hash[i], sizeof hash[i], "%.16s", at + 12);
        child_free(&child);
    }
    cr_expect_str_neq(hash[0], hash[1]);
}

Test(demo, the_grid_of_the_gradient_kernels_does_not_matter)
{
    static const char *const grids[] = { " --grid 24", " --grid 7", " --grid 1" };
    char *value[3];
    for (int i = 0; i < 3; i++) {
        char command[4096];
        snprintf(command, sizeof command, MLP SHORT "%s", grids[i]);
        value[i] = result_of(command, 10 + i, preloaded, "weights");
    }
    cr_expect_str_eq(value[0], value[1]);
    cr_expect_str_eq(value[0], value[2]);
}

static double accuracy(const char *const env[])
{
    struct child child = on_softgpu(MLP, -1, env);
    double value = 0;
    const char *at = strstr(child.out, "test accuracy ");
    cr_assert(at && sscanf(at, "test accuracy %lf", &value) == 1, "%s%s", child.out, child.err);
    child_free(&child);
    return value;
}

Test(demo, it_really_learns_with_and_without_the_shim, .timeout = 300)
{
    cr_expect_geq(accuracy(plain), 0.90);
    cr_expect_geq(accuracy(preloaded), 0.90);
}

/* Biases of the dumped step whose gradient is not the exact sum of its addends, rounded once. */
static int wrong_gradients(const char *const env[], int *n_lines)
{
    char path[] = "/tmp/detshim-gradient-XXXXXX", command[4096];
    const int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    snprintf(
        command, sizeof command, MLP " --epochs 1 --steps 1 --batch 512 --dump-gradient %s", path);
    free(result_of(command, 3, env, "weights"));
    FILE *file = fdopen(fd, "r");
    char *line = NULL;
    size_t cap = 0;
    int n_wrong = 0;
    while (getline(&line, &cap, file) > 0) {
        uint64_t addends[2048];
        unsigned gradient, bits;
        size_t n = 0;
        int used = 0;
        cr_assert_eq(sscanf(line, "%*s %*d %x%n", &gradient, &used), 1);
        for (const char *at = line + used; n < 2048 && sscanf(at, " %x%n", &bits, &used) == 1;
             at += used)
            addends[n++] = bits;
        cr_assert_eq(n, 512u);
        n_wrong += oracle_sum(ORACLE_F32, 0, addends, n, true) != gradient;
        ++*n_lines;
    }
    fclose(file);
    unlink(path);
    free(line);
    return n_wrong;
}

Test(demo, the_gradient_is_the_exact_sum_rounded_once)
{
    int n_lines = 0;
    cr_expect_gt(wrong_gradients(plain, &n_lines), 0, "plain float adds must show rounding");
    cr_assert_eq(n_lines, 34);
    n_lines = 0;
    cr_expect_eq(wrong_gradients(preloaded, &n_lines), 0);
    cr_expect_eq(n_lines, 34);
}

Test(demo, observe_changes_nothing_and_lists_the_kernels)
{
    cr_expect_gt(distinct(MLP SHORT, observe, 4), 1);
    char *bare = result_of(MLP SHORT, 7, plain, "weights"),
         *seen = result_of(MLP SHORT, 7, observe, "weights");
    cr_expect_str_eq(bare, seen, "same schedule, same bits");
    struct child child = on_softgpu(MLP SHORT, 7, observe);
    cr_expect(strstr(child.err, "observe, nothing changed"), "%s", child.err);
    cr_expect(strstr(child.err, "uncovered weight_gradient 8x: would be rewritten (atomics.exact)"),
        "%s", child.err);
    cr_expect(strstr(child.err, "uncovered bias_gradient 8x: would be rewritten (atomics.exact)"),
        "%s", child.err);
}

Test(demo, off_is_silent_and_changes_nothing)
{
    struct child bare = on_softgpu(MLP SHORT, 7, plain), child = on_softgpu(MLP SHORT, 7, off);
    cr_expect_str_eq(child.out, bare.out);
    cr_expect_str_eq(child.err, "");
}

Test(demo, the_summary_names_what_was_overridden)
{
    struct child child = on_softgpu(MLP SHORT, 7, preloaded);
    cr_expect(strstr(child.err, "detshim: run_to_run (this process)"), "%s", child.err);
    cr_expect(strstr(child.err, "exact atomics.exact weight_gradient"), "%s", child.err);
    cr_expect(strstr(child.err, "exact atomics.exact bias_gradient"), "%s", child.err);
    cr_expect(strstr(child.err, "exact atomics.exact softmax_loss"), "%s", child.err);
    cr_expect(strstr(child.err, " 0 unknown, 0 uncovered"), "%s", child.err);
    cr_expect_leq(count_lines(child.err, "detshim:"), 10);
}

Test(demo, an_uncovered_kernel_runs_and_is_named)
{
    struct child child = on_softgpu(BUILD "/preload/uncovered", 1, preloaded);
    cr_expect_eq(child.exit_status, 0, "%s", child.err);
    cr_expect_eq(count_lines(child.out, "result first="), 1);
    cr_expect(strstr(child.err, " 0 unknown, 1 uncovered"), "%s", child.err);
    cr_expect(strstr(child.err, "run_to_run except: running_sum"), "%s", child.err);
}

Test(demo, strict_ends_before_an_uncovered_result_reaches_the_host)
{
    const char *const strict[] = { SHIM, "DETSHIM_STRICT=1", NULL };
    struct child child = on_softgpu(BUILD "/preload/uncovered", 1, strict);
    cr_expect_eq(child.exit_status, 4, "%d %s", child.exit_status, child.err);
    cr_expect_str_eq(child.out, "");
    cr_expect(strstr(child.err, "running_sum"), "%s", child.err);
    child_free(&child);
    child = on_softgpu(MLP SHORT, 1, strict);
    cr_expect_eq(child.exit_status, 0, "nothing uncovered, nothing ended: %s", child.err);
}

/* Row 9 of the loader's failure table, while kernels run: the log is whole to its last record, and nothing stays locked. */
Test(demo, killed_during_a_run_leaves_a_whole_log_and_nothing_stuck, .timeout = 300)
{
    char *before = result_of(MLP SHORT, 3, preloaded, "weights");
    unsigned n_killed = 0;
    for (int i = 1; i <= 8; i++) {
        char command[512], log[64];
        snprintf(log, sizeof log, "DETSHIM_LOG=/tmp/detshim-killed-%d.jsonl", (int)getpid());
        snprintf(command, sizeof command, "timeout -s KILL 0.%02d " MLP " --epochs 40", 10 * i);
        const char *const env[] = { SHIM, log, "DETSHIM_LOG_LEVEL=call", NULL };
        struct child child = on_softgpu(command, 3, env);
        n_killed += child.signal == 9 || child.exit_status == 137;
        child_free(&child);
        child = child_shell(NULL, 30,
            "f=/tmp/detshim-killed-%d.jsonl; [ ! -e $f ] || { tail -c1 $f | od -c | grep -q '\\n' "
            "&& "
            "python3 -c 'import json, sys; print(\"records\", sum(1 for x in map(json.loads, "
            "open(sys.argv[1])) if "
            "x[\"t\"] != \"sum\"))' $f; }; s=$?; rm -f $f; exit $s",
            (int)getpid());
        cr_expect_eq(child.exit_status, 0, "%s%s", child.out, child.err);
        child_free(&child);
    }
    cr_expect_geq(n_killed, 6u);
    char *after = result_of(MLP SHORT, 3, preloaded, "weights");
    cr_expect_str_eq(before, after);
}
