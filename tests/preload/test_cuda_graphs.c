/* Graphs and meeting streams on the software GPU (programs/cuda_graphs.c): tables of a copy are its own, each replay counts,
 * edits keep the twin, what we do not do is named; and code of another architecture is never touched. */
#include "bench_gpu.h"

#define GRAPHS BUILD "/preload/cuda_graphs "

static const char *const plain[] = { "LD_PRELOAD", NULL };
static const char *const preloaded[] = { SHIM, NULL };

static void expect_log(const char *program, const char *text)
{
    struct child child = on_softgpu(program, 1, preloaded);
    cr_expect_eq(child.exit_status, 0, "%s", child.out);
    cr_expect(strstr(child.err, text), "wanted '%s' in: %s", text, child.err);
    child_free(&child);
}

#define REPEATS(way, result, text)                                                                 \
    Test(cuda_graphs, way##_repeats, .timeout = 600)                                               \
    {                                                                                              \
        cr_expect_gt(                                                                              \
            distinct_results(GRAPHS #way, plain, result, 4), 1, "the software GPU must bite");     \
        cr_expect_eq(distinct_results(GRAPHS #way, preloaded, result, 12), 1);                     \
        expect_log(GRAPHS #way, text);                                                             \
    }
REPEATS(two, "y", "detshim:")
REPEATS(clone, "y", "detshim:")
REPEATS(child, "y", "unordered branches")
REPEATS(update, "y2", " 2 exact")
REPEATS(edit, "y2", " 2 exact")
REPEATS(by_name, "y", " 1 exact")
REPEATS(meet, "y", " 4 exact")
REPEATS(events, "y", " 6 exact, 0 ordered, 0 pinned, 0 vouched, 0 unknown, 0 uncovered")

Test(cuda_graphs, what_events_leave_open_is_unordered)
{
    expect_log(GRAPHS "half_events", " 3 exact");
    expect_log(GRAPHS "half_events", "unordered streams");
}

Test(cuda_graphs, a_replay_beside_a_launch_is_unordered)
{
    expect_log(GRAPHS "replay", " 4 exact");
    expect_log(GRAPHS "replay", "1x: unordered streams");
}

Test(cuda_graphs, a_copy_without_accumulators_of_its_own_runs_the_programs_kernel)
{
    const char *const none[] = { SHIM, "SOFTGPU_FAIL=cuGraphKernelNodeSetParams:1:2", NULL };
    struct child child = on_softgpu(GRAPHS "two", 1, none);
    cr_expect_eq(child.exit_status, 0, "%s", child.out);
    cr_expect(strstr(child.err, "graph shares accumulators"), "%s", child.err);
    cr_expect(strstr(child.err, " 0 exact"), "all six meet on unordered streams: %s", child.err);
    child_free(&child);
}

Test(cuda_graphs, the_program_finds_its_own_kernel_in_a_captured_graph)
{
    struct child child = on_softgpu(GRAPHS "edit", 1, preloaded);
    cr_expect(strstr(child.out, "edited 1\n"), "%s", child.out);
    child_free(&child);
}

Test(cuda_graphs, an_order_fixed_by_the_program_does_not_deadlock)
{
    expect_log(GRAPHS "wait_value", "unordered streams");
}

Test(cuda_graphs, code_of_another_architecture_is_unknown_and_never_rewritten)
{
    const char *const program = BUILD "/preload/cross_arch";
    cr_expect_gt(distinct_results(program, preloaded, "y", 5), 1, "it runs as it is");
    expect_log(program, "2 unknown");
    expect_log(program, "0 exact");
    expect_log(program, "PTX of another architecture (compute_80 beside sm_90)");
}

Test(cuda_graphs, what_is_added_behind_a_captured_kernel_sees_its_sums, .timeout = 600)
{
    for (int seed = 1; seed <= 8; seed++) {
        char *const y = result_of(GRAPHS "behind", seed, preloaded, "y");
        char *const z = result_of(GRAPHS "behind", seed, preloaded, "z");
        char *const z2 = result_of(GRAPHS "behind", seed, preloaded, "z2");
        cr_expect_str_eq(z, y, "SOFTGPU_SEED=%d", seed);
        cr_expect_str_eq(z2, y, "SOFTGPU_SEED=%d", seed);
        free(y);
        free(z);
        free(z2);
    }
}

/* Among the seeds some let the two meet inside a fold: a fold that writes without a compare-and-swap loses updates there. */
Test(cuda_graphs, a_kernel_left_alone_beside_a_rewritten_one_loses_no_update, .timeout = 300)
{
#define SKIP "DETSHIM_SKIP_KERNELS=add"
    const char *const right[] = { SHIM, SKIP, NULL };
    const char *const careless[] = { "LD_PRELOAD=" BUILD "/wrong_fold/careless/libdetshim.so", SKIP,
        NULL };
    int met = 0, lost = 0;
    for (int seed = 1; seed <= 8; seed++) {
        struct child child = on_softgpu(GRAPHS "skipped", seed, right);
        cr_expect(strstr(child.out, "lost 0\n"), "SOFTGPU_SEED=%d: %s", seed, child.out);
        cr_expect(strstr(child.err, "add 6x: skipped by user"), "%s", child.err);
        met += strstr(child.err, "sum 6x: foreign writer") != NULL;
        child_free(&child);
        child = on_softgpu(GRAPHS "skipped", seed, careless);
        lost += strstr(child.out, "lost 1\n") != NULL;
        child_free(&child);
    }
    cr_expect_gt(met, 0);
    cr_expect_gt(lost, 0, "the careless fold must lose some");
}
