/* The cross-check on the software GPU: a library whose fold truncates instead of rounding to nearest is caught at the first sampled
 * launch, in every way a kernel can be launched; the right one never is. */
#include "bench_gpu.h"

#define FLOW  BUILD "/preload/cuda_flow "
#define NODES BUILD "/preload/cuda_nodes "
#define WRONG "LD_PRELOAD=" BUILD "/wrong_fold/truncates/libdetshim.so"
#define EACH  "DETSHIM_CROSS_CHECK=1"

static struct child run(const char *program, const char *library, const char *check)
{
    const char *const env[] = { library, check, NULL };
    struct child child = on_softgpu(program, 1, env);
    cr_expect_eq(child.exit_status, 0, "%s: %s%s", program, child.out, child.err);
    return child;
}

static void expect_caught(const char *program, const char *check, const char *counts)
{
    struct child child = run(program, WRONG, check);
    cr_expect(strstr(child.err, "cross-check: the exact sums of kernel "), "%s", child.err);
    cr_expect(strstr(child.err, "cross-check failed"), "%s", child.err);
    cr_expect(strstr(child.err, " 0 exact"), "from the first launch: %s", child.err);
    cr_expect(strstr(child.err, counts), "wanted '%s' in: %s", counts, child.err);
    child_free(&child);
}

Test(cross_check, without_it_a_wrong_fold_goes_unseen)
{
    const char *const right[] = { SHIM, NULL }, *const wrong[] = { WRONG, NULL };
    char *const y = result_of(FLOW "plain", 1, right, "y");
    char *const y_wrong = result_of(FLOW "plain", 1, wrong, "y");
    cr_expect_str_neq(y, y_wrong, "the fold must be wrong");
    struct child child = run(FLOW "plain", WRONG, "DETSHIM_CROSS_CHECK");
    cr_expect(strstr(child.err, "1 exact"), "%s", child.err);
    child_free(&child);
    free(y);
    free(y_wrong);
}

Test(cross_check, a_wrong_fold_is_caught_at_the_first_sampled_launch, .timeout = 300)
{
    expect_caught(FLOW "plain", EACH, "sum 1x: cross-check failed");
    /* of four launches the first is sampled, and speaks for those after it as well */
    expect_caught(FLOW "reload", "DETSHIM_CROSS_CHECK=1000", "4x: cross-check failed");
    expect_caught(FLOW "extra", EACH, "cross-check failed");
    expect_caught(FLOW "cooperative", EACH, "cross-check failed");
    expect_caught(FLOW "library", EACH, "cross-check failed");
    expect_caught(FLOW "variables", EACH, "cross-check failed");
    expect_caught(FLOW "streams", EACH, "cross-check failed");
    expect_caught(FLOW "contexts", EACH, "cross-check failed");
}

Test(cross_check, also_under_capture_and_in_nodes_added_by_name, .timeout = 300)
{
    expect_caught(FLOW "capture", EACH, "8x: cross-check failed");
    expect_caught(NODES "chain", EACH, "8x: cross-check failed");
    expect_caught(NODES "copies", "DETSHIM_CROSS_CHECK=2", "16x: cross-check failed");
    expect_caught(NODES "edits", EACH, "6x: cross-check failed");
}

Test(cross_check, strict_ends_before_the_result_is_seen)
{
    const char *const env[] = { WRONG, EACH, "DETSHIM_STRICT=1", NULL };
    struct child child = on_softgpu(FLOW "plain", 1, env);
    cr_expect_eq(child.exit_status, 4, "%s", child.err);
    cr_expect_null(strstr(child.out, "result"), "%s", child.out);
    child_free(&child);
}

#define LOG_FILE BUILD "/tap/cross_check.jsonl"

/* The last record of the log that the run before left. */
static bool logged(const char *text)
{
    char line[4096];
    bool found = false;
    FILE *const file = fopen(LOG_FILE, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        found = strstr(line, text) != NULL;
    if (file != NULL)
        fclose(file);
    return found;
}

/* Results are those without the check, and nothing is ever reported. */
static void expect_quiet(const char *program, const char *name)
{
    const char *const env[] = { SHIM, EACH, "DETSHIM_LOG=" LOG_FILE, NULL };
    char *const alone = result_of(program, 1, (const char *const[]){ SHIM, NULL }, name);
    for (int seed = 1; seed <= 4; seed++) {
        struct child child = on_softgpu(program, seed, env);
        cr_expect_str_eq(child_result(child.out, name), alone, "%s", program);
        cr_expect_null(strstr(child.err, "cross-check failed"), "%s: %s", program, child.err);
        cr_expect(logged("\"targets cross-checked\":"), "%s", program);
        child_free(&child);
    }
    free(alone);
}

Test(cross_check, a_right_fold_is_never_accused, .timeout = 600)
{
    static const char *const ways[][2] = { { FLOW "plain", "y" }, { FLOW "extra", "y" },
        { FLOW "streams", "y5" }, { FLOW "capture", "y" }, { FLOW "variables", "more" },
        { FLOW "single", "y" }, { NODES "chain", "y" }, { NODES "copies", "z" },
        { NODES "into_graph", "w" } };
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        expect_quiet(ways[i][0], ways[i][1]);
}

Test(cross_check, a_full_table_is_not_taken_for_a_wrong_sum)
{
    const char *const env[] = { SHIM, EACH, "DETSHIM_SCRATCH_MIB=8", NULL };
    struct child child = on_softgpu(FLOW "many", 1, env);
    cr_expect_eq(child.exit_status, 0);
    cr_expect(strstr(child.err, "table full"), "%s", child.err);
    cr_expect_null(strstr(child.err, "cross-check failed"), "%s", child.err);
    child_free(&child);
}

/* Fifteen kernels, all element types, loops, vectors; values with zeros and subnormals among them. What is checked in f64 cannot
 * tell a last place of an f64 sum, and shared memory is not sampled: those fall with the rest of the process. */
Test(cross_check, every_element_type, .timeout = 300)
{
    const char *const program = BUILD "/preload/ptx_forms";
    struct child right = run(program, SHIM, EACH), wrong = run(program, WRONG, EACH);
    cr_expect(strstr(right.err, "15 exact, 0 ordered, 0 pinned, 0 vouched, 0 unknown, 0 uncovered"),
        "%s", right.err);
    static const char *const kernels[] = { "nativeIf", "nativeI6__half", "nativeI7__half2",
        "nativeI13__nv_bfloat16", "nativeI14__nv_bfloat162", "loop_f32", "into_variable" };
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++)
        cr_expect(strstr(wrong.err, kernels[i]), "%s not caught: %s", kernels[i], wrong.err);
    cr_expect(strstr(wrong.err, " 0 exact"), "%s", wrong.err);
    child_free(&right);
    child_free(&wrong);
}

/* Two launches that nobody orders add to one array: each fold is judged by what it found and wrote, not by what the other did. */
Test(cross_check, others_that_add_at_the_same_time_are_not_held_against_it, .timeout = 300)
{
    static const char *const ways[] = { NODES "parallel", BUILD "/preload/cuda_graphs two",
        BUILD "/preload/cuda_graphs replay", BUILD "/preload/cuda_graphs skipped" };
    const char *const env[] = { SHIM, EACH, "DETSHIM_SKIP_KERNELS=add", NULL };
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        for (int seed = 1; seed <= 8; seed++) {
            struct child child = on_softgpu(ways[i], seed, env);
            cr_expect_eq(child.exit_status, 0);
            cr_expect(strstr(child.err, "1 uncovered") || strstr(child.err, "unordered") ||
                          strstr(child.err, "skipped by user"),
                "%s", child.err);
            cr_expect_null(strstr(child.err, "cross-check"), "%s %d: %s", ways[i], seed, child.err);
            child_free(&child);
        }
}
