/* cuDNN's backend API under the shim, executed on the double (the real library's heuristics are in test_cudnn_real.c): which engine runs,
 * what each execution counts as, and that plain runs differ where vendor text says they may. */
#include "bench_lib.h"

static int hashes(const char *command, const char *const env[], int n)
{
    char seen[16][40];
    int n_seen = 0;
    for (int i = 0; i < n; i++) {
        char *hash = lib_value(command, with_next_seed(env), "hash");
        int at = 0;
        while (at < n_seen && strcmp(seen[at], hash) != 0)
            at++;
        if (at == n_seen)
            snprintf(seen[n_seen++], sizeof seen[0], "%s", hash);
        free(hash);
    }
    return n_seen;
}

static const char *const counting[] = { SHIM, "DETSHIM_LOG=stderr", "DOUBLES_KERNELS=1", NULL };

static void covers(const char *command, const char *counts, const char *log)
{
    cr_expect_gt(hashes(command, plain, 5), 1, "%s: the double must bite", command);
    cr_expect_eq(hashes(command, shim, 4), 1, "%s", command);
    says(command, counting, counts);
    says(command, counting, log);
    says(command, counting, " 0 unknown, 0 uncovered");
}

Test(cudnn_graph, the_flagged_engine_is_not_handed_out)
{
    covers("graph_calls first", "call name=cudnnBackendExecute class=vouched",
        "cudnn.engine cudnnBackendGetAttribute engine configurations 3 -> 2");
}

Test(cudnn_graph, a_plan_by_engine_index_is_refused_in_the_vendors_words)
{
    covers("graph_calls index", "call name=cudnnBackendExecute class=vouched",
        "cudnn.engine cudnnBackendFinalize plan nondeterministic engine -> not supported");
    struct child child = with_doubles("graph_calls index", shim);
    cr_expect(strstr(child.out, "engine 20: status 3000"), "%s", child.out);
    child_free(&child);
}

Test(cudnn_graph, fused_reductions_are_asked_to_be_deterministic)
{
    covers("graph_calls reduction", "call name=cudnnBackendExecute class=pinned",
        "cudnn.reduction cudnnBackendSetAttribute IS_DETERMINISTIC 0 -> 1");
    cr_expect_eq(hashes("graph_calls deterministic", plain, 3), 1);
    for (int i = 0; i < 2; i++) { /* what the program reads back is what it set */
        struct child child =
            with_doubles(i ? "graph_calls deterministic" : "graph_calls reduction", shim);
        cr_expect(strstr(child.out, i ? "asked 1 read 1" : "asked 0 read 0"), "%s", child.out);
        child_free(&child);
    }
}

Test(cudnn_graph, a_graph_with_flagged_engines_only_runs_as_asked_and_is_named)
{
    cr_expect_gt(hashes("graph_calls data", shim, 5), 1);
    says("graph_calls data", counting,
        "uncovered cudnn.engine cudnnBackendExecute 1x: engine is documented as nondeterministic");
    const char *const off[] = { SHIM, "DETSHIM_LOG=stderr", "DETSHIM_RULES=-cudnn.engine", NULL };
    says("graph_calls first", off, "call name=cudnnBackendExecute class=uncovered");
    const char *const no_sums[] = { SHIM, "DETSHIM_LOG=stderr", "DETSHIM_RULES=-cudnn.reduction",
        NULL };
    says("graph_calls reduction", no_sums, "call name=cudnnBackendExecute class=uncovered");
    cr_expect_gt(hashes("graph_calls reduction", no_sums, 5), 1);
}

/* Both engines that are left repeat, but a program that times them may take either. */
Test(cudnn_graph, several_plans_of_one_graph_are_unknown)
{
    says("graph_calls tune", counting,
        "unknown cudnn.engine cudnnBackendExecute 2x: several plans of one graph were executed");
}

/* cudnnBackendPopulateCudaGraph cudnnBackendUpdateCudaGraph: the nodes they add are theirs, however often the graph runs. */
Test(cudnn_graph, kernels_of_a_populated_graph_belong_to_the_call)
{
    says("graph_calls populate", counting, "call name=cudnnBackendPopulateCudaGraph class=vouched");
    says("graph_calls populate", counting, "call name=cudnnBackendUpdateCudaGraph class=vouched");
    struct child child = with_doubles("graph_calls populate", counting);
    cr_expect(strstr(child.err, "2 vouched, 0 unknown, 0 uncovered"), "%s", child.err);
    cr_expect(!strstr(child.err, "double_kernel"), "%s", child.err);
    child_free(&child);
}

Test(cudnn_graph, a_thousand_random_graphs_match, .timeout = 300)
{
    cr_assert_gt(hashes("graph_calls random 1000", plain, 2), 1);
    cr_expect_eq(hashes("graph_calls random 1000", shim, 3), 1);
    says("graph_calls random 1000", counting, " 0 unknown, 0 uncovered");
}

Test(cudnn_graph, injected_statuses_reach_the_program)
{
    static const char *const calls[] = { "cudnnBackendCreateDescriptor", "cudnnBackendSetAttribute",
        "cudnnBackendFinalize", "cudnnBackendExecute" };
    for (int i = 0; i < 4; i++) {
        char fail[80];
        snprintf(fail, sizeof fail, "DOUBLES_FAIL=%s:1:3007", calls[i]);
        struct child a =
            with_doubles("graph_calls first", (const char *const[]){ "LD_PRELOAD", fail, NULL });
        struct child b = with_doubles("graph_calls first",
            (const char *const[]){ SHIM, "DETSHIM_LOG_LEVEL=off", fail, NULL });
        cr_expect_str_eq(child_result(a.out, "status"), "3007", "%s: %s", fail, a.out);
        cr_expect_str_eq(child_result(b.out, "status"), "3007", "%s: %s", fail, b.out);
        child_free(&a);
        child_free(&b);
    }
}
