/* The launch path of the driver wrappers on the software GPU: one float-adding kernel, started in every way the driver API has.
 * Plain runs must differ (else nothing is proven), preloaded runs must match, and match what MPFR says. */
#include <stdint.h>
#include <string.h>

#include "bench_gpu.h"
#include "tests/preload/programs/drv.h"
#include "tests/support/oracle.h"

#define FLOW BUILD "/preload/cuda_flow "

enum { N = 6000, M = 7 };

static const char *const plain[] = { "LD_PRELOAD", NULL };
static const char *const preloaded[] = { SHIM, NULL };

static int distinct(const char *way, const char *const env[], const char *name, int n)
{
    char command[512];
    snprintf(command, sizeof command, FLOW "%s", way);
    return distinct_results(command, env, name, n);
}

static void run_with(struct child *child, const char *way, int seed, const char *const env[])
{
    char command[512];
    snprintf(command, sizeof command, FLOW "%s", way);
    *child = on_softgpu(command, seed, env);
}

/* y[j] after the sums of i % M == j, i < n, were added to y[j] by one launch; bits. */
static uint64_t launch_sum(uint64_t before, uint32_t n, uint32_t m, uint32_t j, unsigned times)
{
    uint64_t *const addends = malloc(times * (n / m + 1) * sizeof *addends);
    size_t count = 0;
    for (unsigned t = 0; t < times; t++)
        for (uint32_t i = j; i < n; i += m) {
            const float value = drv_addend(i);
            uint32_t bits;
            memcpy(&bits, &value, sizeof bits);
            addends[count++] = bits;
        }
    const uint64_t sum = oracle_sum(ORACLE_F32, before, addends, count, true);
    free(addends);
    return sum;
}

static void expect_sums(const char *text, const char *name, const uint64_t *want, unsigned n)
{
    char expected[1024] = "";
    for (unsigned j = 0; j < n; j++)
        sprintf(expected + strlen(expected), "%s%08x", j == 0 ? "" : ",", (unsigned)want[j]);
    cr_expect_str_eq(child_result(text, name), expected, "%s: got %s, MPFR says %s", name,
        child_result(text, name), expected);
}

Test(cuda_flow, plain_launches_repeat_and_equal_the_oracle, .timeout = 600)
{
    uint64_t want[M];
    struct child child;
    cr_assert_gt(distinct("plain", plain, "y", 5), 1, "the software GPU must bite");
    cr_expect_eq(distinct("plain", preloaded, "y", 20), 1);
    run_with(&child, "plain", 99, preloaded);
    for (unsigned j = 0; j < M; j++)
        want[j] = launch_sum(0, N, M, j, 1);
    expect_sums(child.out, "y", want, M);
    cr_expect(strstr(child.err, "1 exact"), "%s", child.err);
    child_free(&child);
}

#define WAY(way, result, n_seeds)                                                                  \
    Test(cuda_flow, way##_repeats, .timeout = 600)                                                 \
    {                                                                                              \
        cr_expect_gt(distinct(#way, plain, result, 4), 1, "the software GPU must bite");           \
        cr_expect_eq(distinct(#way, preloaded, result, n_seeds), 1);                               \
    }
WAY(extra, "y", 6)
WAY(ex, "y", 6)
WAY(ptsz, "y", 6)
WAY(cooperative, "y", 6)
WAY(library, "y2", 6)
WAY(streams, "y5", 8)
WAY(contexts, "third", 6)
WAY(reload, "y", 6)
WAY(variables, "more", 6)
WAY(capture, "y", 6)
WAY(linker, "y", 4)

Test(cuda_flow, launches_round_once_each)
{
    uint64_t want[M], more[4];
    struct child child;
    run_with(&child, "reload", 3, preloaded);
    for (unsigned j = 0; j < M; j++) {
        want[j] = 0;
        for (int i = 0; i < 4; i++)
            want[j] = launch_sum(want[j], N, M, j, 1);
    }
    expect_sums(child.out, "y", want, M);
    child_free(&child);
    run_with(&child, "capture", 3, preloaded);
    for (unsigned j = 0; j < M; j++) {
        want[j] = 0;
        for (int i = 0; i < 4; i++)
            want[j] = launch_sum(launch_sum(want[j], N, M, j, 1), N / 3, M, j, 1);
    }
    expect_sums(child.out, "y", want, M);
    cr_expect(strstr(child.err, "8 exact"), "each replay counts: %s", child.err);
    child_free(&child);
    /* module variables live in the original module; the constant is read afresh */
    run_with(&child, "variables", 3, preloaded);
    for (unsigned j = 0; j < 4; j++) {
        want[j] = launch_sum(0, N, 4, j, 3);
        more[j] = launch_sum(want[j], N, 4, j, 1);
    }
    expect_sums(child.out, "totals", want, 4);
    expect_sums(child.out, "more", more, 4);
    child_free(&child);
}

Test(cuda_flow, a_scatter_without_collisions_keeps_its_bits)
{
    char *const alone = result_of(FLOW "single", 1, plain, "y");
    char *const ours = result_of(FLOW "single", 2, preloaded, "y");
    const char *const identity[] = { SHIM, "DETSHIM_RULES=+atomics.identity", NULL };
    char *const twin = result_of(FLOW "single", 3, identity, "y");
    cr_expect_str_eq(alone, ours);
    cr_expect_str_eq(twin, ours);
}

Test(cuda_flow, observe_changes_nothing_and_says_what_it_would)
{
    const char *const observe[] = { SHIM, "DETSHIM_LEVEL=observe", NULL };
    struct child child;
    cr_expect_gt(distinct("plain", observe, "y", 4), 1);
    run_with(&child, "plain", 1, observe);
    cr_expect(strstr(child.err, "would be rewritten (atomics.exact)"), "%s", child.err);
    cr_expect(strstr(child.err, "0 exact"), "%s", child.err);
    child_free(&child);
}

Test(cuda_flow, off_is_silent)
{
    const char *const off[] = { SHIM, "DETSHIM_LEVEL=off", NULL };
    struct child child;
    cr_expect_gt(distinct("plain", off, "y", 4), 1);
    run_with(&child, "plain", 1, off);
    cr_expect_str_empty(child.err);
    child_free(&child);
}

static void expect_uncovered(const char *way, const char *const env[], const char *reason)
{
    struct child child;
    run_with(&child, way, 1, env);
    cr_expect_eq(child.exit_status, 0, "%s", child.out);
    cr_expect(strstr(child.err, reason), "wanted '%s' in: %s", reason, child.err);
    cr_expect(strstr(child.err, "uncovered"), "%s", child.err);
    cr_expect(strstr(child.err, " 0 exact"), "%s", child.err);
    child_free(&child);
}

Test(cuda_flow, a_skipped_kernel_is_uncovered)
{
    const char *const skip[] = { SHIM, "DETSHIM_SKIP_KERNELS=s?m", NULL };
    expect_uncovered("plain", skip, "skipped by user");
}

Test(cuda_flow, a_driver_that_cannot_compile_the_twin_is_named)
{
    /* 222 and 218 for the second module; the program's own comes first, by another entry point */
    const char *const old[] = { SHIM, "SOFTGPU_FAIL=cuModuleLoadDataEx:1:222", NULL };
    expect_uncovered("plain", old, "driver cannot compile PTX 7.0");
    /* refused as a whole, the kernels are tried one by one: every further load fails, too */
#define AGAIN ",cuModuleLoadDataEx:1:218"
    const char *const odd[] = { SHIM,
        "SOFTGPU_FAIL=cuModuleLoadDataEx:1:218" AGAIN AGAIN AGAIN AGAIN AGAIN AGAIN AGAIN AGAIN
            AGAIN AGAIN AGAIN AGAIN AGAIN AGAIN AGAIN AGAIN AGAIN AGAIN AGAIN AGAIN,
        NULL };
    expect_uncovered("plain", odd, "driver cannot compile PTX 7.0");
    const char *const fold[] = { SHIM, "SOFTGPU_FAIL=cuModuleLoadDataEx:2:209", NULL };
    expect_uncovered("plain", fold, "driver refused the fold kernel");
}

Test(cuda_flow, a_twin_that_needs_too_many_registers_is_built_with_fewer)
{
    const char *const once[] = { SHIM, "SOFTGPU_FAIL=cuLaunchKernel:1:701", NULL };
    struct child child;
    cr_expect_eq(distinct("plain", once, "y", 6), 1);
    run_with(&child, "plain", 1, once);
    cr_expect(strstr(child.err, "1 exact"), "%s", child.err);
    child_free(&child);
    const char *const twice[] = { SHIM, "SOFTGPU_FAIL=cuLaunchKernel:1:701,cuLaunchKernel:1:701",
        NULL };
    expect_uncovered("plain", twice, "driver refused the twin's launch");
}

Test(cuda_flow, no_memory_for_accumulators_leaves_the_original)
{
    /* the program allocates twice itself */
    const char *const none[] = { SHIM,
        "SOFTGPU_FAIL=cuMemAlloc:3:2,cuMemAlloc:4:2,cuMemAlloc:5:2,cuMemAlloc:6:2", NULL };
    expect_uncovered("plain", none, "no memory for accumulators");
    const char *const host[] = { SHIM, "SOFTGPU_FAIL=cuMemHostAlloc:1:2", NULL };
    expect_uncovered("plain", host, "no memory for accumulators");
}

Test(cuda_flow, a_full_table_loses_no_update_and_says_so)
{
    const char *const tiny[] = { SHIM, "DETSHIM_SCRATCH_MIB=8", NULL };
    struct child child;
    run_with(&child, "many", 1, tiny);
    cr_expect_str_eq(child_result(child.out, "bad"), "0", "%s", child.out);
    cr_expect(strstr(child.err, "table full"), "%s", child.err);
    child_free(&child);
}

Test(cuda_flow, strict_ends_before_a_result_is_seen)
{
    const char *const strict[] = { SHIM, "DETSHIM_STRICT=1", "DETSHIM_SKIP_KERNELS=sum", NULL };
    struct child child;
    run_with(&child, "plain", 1, strict);
    cr_expect_eq(child.exit_status, 4, "%s", child.err);
    cr_expect_null(strstr(child.out, "result"), "%s", child.out);
    child_free(&child);
    const char *const full[] = { SHIM, "DETSHIM_STRICT=1", "DETSHIM_SCRATCH_MIB=8", NULL };
    run_with(&child, "many", 1, full);
    cr_expect_eq(child.exit_status, 4, "%s", child.err);
    cr_expect_null(strstr(child.out, "result"), "%s", child.out);
    child_free(&child);
    const char *const fine[] = { SHIM, "DETSHIM_STRICT=2", NULL };
    run_with(&child, "plain", 1, fine);
    cr_expect_eq(child.exit_status, 0, "%s", child.err);
    child_free(&child);
}

Test(cuda_flow, an_explicit_ceiling_is_kept_from_a_program_that_takes_all_memory)
{
    const char *const none[] = { SHIM, "SOFTGPU_MEM_MIB=256", NULL };
    expect_uncovered("greedy", none, "no memory for accumulators");
    const char *const kept[] = { SHIM, "SOFTGPU_MEM_MIB=256", "DETSHIM_SCRATCH_MIB=32", NULL };
    struct child child;
    run_with(&child, "greedy", 1, kept);
    cr_expect_eq(child.exit_status, 0, "%s", child.out);
    cr_expect(strstr(child.err, "1 exact"), "%s", child.err);
    child_free(&child);
    /* observing changes nothing, the program's share of memory neither */
    const char *const observe[] = { SHIM, "SOFTGPU_MEM_MIB=256", "DETSHIM_SCRATCH_MIB=32",
        "DETSHIM_LEVEL=observe", NULL };
    struct child without;
    run_with(&child, "greedy", 1, observe);
    run_with(
        &without, "greedy", 1, (const char *const[]){ "SOFTGPU_MEM_MIB=256", "LD_PRELOAD", NULL });
    cr_expect_str_eq(child.out, without.out);
    child_free(&child);
    child_free(&without);
}
