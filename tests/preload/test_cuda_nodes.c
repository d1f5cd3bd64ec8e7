/* Graphs built by hand on the software GPU (programs/cuda_nodes.c): kernels added by name are rewritten, their folds stand for them
 * in every dependency and are hidden from every query; edits, switches, copies and captures into the graph keep that. */
#include "bench_gpu.h"

#define NODES BUILD "/preload/cuda_nodes "

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
    Test(cuda_nodes, way##_##result##_repeats, .timeout = 600)                                     \
    {                                                                                              \
        cr_expect_gt(                                                                              \
            distinct_results(NODES #way, plain, #result, 4), 1, "the software GPU must bite");     \
        cr_expect_eq(distinct_results(NODES #way, preloaded, #result, 10), 1);                     \
        expect_log(NODES #way, text);                                                              \
    }
REPEATS(chain, y, " 8 exact, 0 ordered, 0 pinned, 0 vouched, 0 unknown, 0 uncovered")
REPEATS(diamond, y, " 8 exact, 0 ordered, 0 pinned, 0 vouched, 0 unknown, 0 uncovered")
REPEATS(diamond, z, " 8 exact")
REPEATS(broken_chain, y, " 6 exact")
REPEATS(broken_chain, z, " 6 exact")
REPEATS(queries, y, " 2 exact")
REPEATS(edits, y0, " 6 exact, 0 ordered, 0 pinned, 0 vouched, 0 unknown, 0 uncovered")
REPEATS(edits, y1, " 6 exact")
REPEATS(edits, y2, " 6 exact")
REPEATS(edits, y3, " 6 exact")
REPEATS(other_kernel, y, "exact atomics.exact total 1x")
REPEATS(update, y, " 3 exact")
REPEATS(update, z, " 3 exact, 0 ordered, 0 pinned, 0 vouched, 0 unknown, 0 uncovered")
REPEATS(copies, y, " 16 exact, 0 ordered, 0 pinned, 0 vouched, 0 unknown, 0 uncovered")
REPEATS(copies, z, " 16 exact")
REPEATS(into_graph, y, " 6 exact, 0 ordered, 0 pinned, 0 vouched, 0 unknown, 0 uncovered")
REPEATS(into_graph, w, " 6 exact")
REPEATS(constant, y, " 3 exact")

Test(cuda_nodes, parallel_branches_that_add_to_one_array_are_named)
{
    expect_log(NODES "parallel", "sum 1x: unordered branches");
}

Test(cuda_nodes, what_comes_behind_a_kernel_sees_its_sums, .timeout = 600)
{
    static const char *const ways[] = { NODES "chain", NODES "into_graph" };
    for (int way = 0; way < 2; way++)
        for (int seed = 1; seed <= 6; seed++) {
            char *const y = result_of(ways[way], seed, preloaded, "y");
            char *const z = result_of(ways[way], seed, preloaded, "z");
            cr_expect_str_eq(z, y, "SOFTGPU_SEED=%d", seed);
            free(y);
            free(z);
        }
}

/* All that is printed before the results: nodes, edges, neighbours, parameters, the tip of a capture. */
static void expect_same_view(const char *program)
{
    struct child without = on_softgpu(program, 1, plain), with = on_softgpu(program, 1, preloaded);
    char *const a = strstr(without.out, "result "), *const b = strstr(with.out, "result ");
    cr_assert(a && b, "%s%s", without.out, with.out);
    *a = *b = '\0';
    cr_expect_gt(strlen(without.out), 5);
    cr_expect_str_eq(without.out, with.out);
    child_free(&without);
    child_free(&with);
}

Test(cuda_nodes, queries_show_the_programs_graph)
{
    expect_same_view(NODES "queries");
    expect_same_view(NODES "into_graph");
}

Test(cuda_nodes, a_node_that_gets_no_fold_is_the_programs_kernel)
{
    const char *const none[] = { SHIM, "SOFTGPU_FAIL=cuGraphAddKernelNode:2:2", NULL };
    struct child child = on_softgpu(NODES "queries", 1, none);
    cr_expect_eq(child.exit_status, 0, "%s", child.out);
    cr_expect(strstr(child.err, "sum 1x: explicit graph node"), "%s", child.err);
    cr_expect(strstr(child.err, " 1 exact"), "the other node: %s", child.err);
    child_free(&child);
}

Test(cuda_nodes, an_edit_that_the_fold_cannot_follow_runs_the_programs_kernel)
{
    /* kernel, then its fold: the second call of ours */
    const char *const none[] = { SHIM, "SOFTGPU_FAIL=cuGraphExecKernelNodeSetParams:2:1", NULL };
    struct child child = on_softgpu(NODES "edits", 1, none);
    cr_expect_eq(child.exit_status, 0, "%s", child.out);
    cr_expect(strstr(child.err, "2x: graph node changed"), "%s", child.err);
    child_free(&child);
}

Test(cuda_nodes, no_memory_for_a_nodes_accumulators_leaves_the_original)
{
    const char *const none[] = { SHIM,
        "SOFTGPU_FAIL=cuMemAlloc:3:2,cuMemAlloc:4:2,cuMemAlloc:5:2,cuMemAlloc:6:2", NULL };
    struct child child = on_softgpu(NODES "parallel", 1, none);
    cr_expect_eq(child.exit_status, 0, "%s", child.out);
    cr_expect(strstr(child.err, "no memory for accumulators"), "%s", child.err);
    child_free(&child);
}

Test(cuda_nodes, kernel_nodes_through_the_runtime, .timeout = 300)
{
    const char *const program = BUILD "/preload/graph_runtime";
    cr_expect_gt(distinct_results(program, plain, "y", 4), 1, "the software GPU must bite");
    cr_expect_eq(distinct_results(program, preloaded, "y", 8), 1);
    expect_log(program, " 4 exact, 0 ordered, 0 pinned, 0 vouched, 0 unknown, 0 uncovered");
    expect_same_view(program);
}
