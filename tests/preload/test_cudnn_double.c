/* cuDNN's legacy calls under the shim, on the order-dependent double of tests/doubles. Each row: plain runs must differ, preloaded ones
 * must not, the log must say why, and the getters answer what the program set. */
#include "bench_gpu.h"

#define CALLS  BUILD "/preload/dnn_calls"
#define DOUBLE "LD_LIBRARY_PATH=" BUILD "/doubles:" BUILD "/softgpu"

static struct child run(const char *what, const char *const more[])
{
    const char *env[48] = { DOUBLE, "DETSHIM_CACHE=off", "DETSHIM_LOG", "DET_SEED",
        "SOFTGPU_SEED" };
    size_t n = 5;
    for (size_t i = 0; more && more[i] && n < 47; i++)
        env[n++] = more[i];
    struct child child = child_shell(env, 200, "exec " CALLS " %s", what);
    cr_assert_eq(
        child.exit_status, 0, "%s: %d %s%s", what, child.exit_status, child.out, child.err);
    return child;
}

static const char *const plain[] = { "LD_PRELOAD", NULL };
static const char *const preloaded[] = { SHIM, NULL };

static int distinct(const char *what, const char *const env[], int n, int status)
{
    char seen[16][40];
    int n_seen = 0;
    for (int i = 0; i < n; i++) {
        struct child child = run(what, with_next_seed(env));
        cr_expect_eq(atoi(child_result(child.out, "status")), status, "%s: %s", what, child.out);
        const char *hash = child_result(child.out, "hash");
        int at = 0;
        while (at < n_seen && strcmp(seen[at], hash) != 0)
            at++;
        if (at == n_seen)
            snprintf(seen[n_seen++], sizeof seen[0], "%s", hash);
        child_free(&child);
    }
    return n_seen;
}

/* One covered row. `log` in the summary; `out` on the program's standard output. */
static void covers(const char *what, const char *log, const char *out)
{
    cr_expect_gt(distinct(what, plain, 5, 0), 1, "%s: the double must bite", what);
    cr_expect_eq(distinct(what, preloaded, 4, 0), 1, "%s", what);
    struct child child = run(what, preloaded);
    cr_expect(strstr(child.err, log), "%s: %s", what, child.err);
    cr_expect(strstr(child.err, " 0 unknown, 0 uncovered"), "%s: %s", what, child.err);
    cr_expect(!out || strstr(child.out, out), "%s: %s", what, child.out);
    child_free(&child);
}

/* One row that cannot be covered: still differs, and the ledger says so. */
static void uncovered(const char *what, const char *const env[], const char *log)
{
    cr_expect_gt(distinct(what, env, 5, 0), 1, "%s", what);
    struct child child = run(what, env);
    cr_expect(strstr(child.err, log), "%s: %s", what, child.err);
    cr_expect(!strstr(child.err, " 0 uncovered"), "%s: %s", what, child.err);
    child_free(&child);
}

Test(cudnn_double, backward_filter_algorithms_0_and_3_become_1)
{
    covers("filter 0", "cudnn.backward-algo cudnnConvolutionBackwardFilter algo 0 -> 1", NULL);
    covers("filter 3", "cudnn.backward-algo cudnnConvolutionBackwardFilter algo 3 -> 1", NULL);
}

Test(cudnn_double, backward_data_algorithm_0_becomes_1)
{
    covers("data 0", "cudnn.backward-algo cudnnConvolutionBackwardData algo 0 -> 1", NULL);
}

Test(cudnn_double, a_program_with_too_little_workspace_gets_ours)
{
    covers("filter_small 0", "algo 0 -> 1", NULL);
    covers("data_small 0", "algo 0 -> 1", NULL);
    covers("ctc_small 1", "cudnn.ctc cudnnCTCLoss algo 1 -> 0", NULL);
}

Test(cudnn_double, finders_answer_without_timing)
{
    covers("find_filter",
        "cudnn.find cudnnFindConvolutionBackwardFilterAlgorithm choice by time -> by heuristic",
        "filter: 1 entries, first 1");
    covers("find_data",
        "cudnn.find cudnnFindConvolutionBackwardDataAlgorithm choice by time -> by heuristic",
        "data: 1 entries, first 1");
    /* both algorithms are ordered, each in its own way: only the choice differed */
    covers("find_forward",
        "cudnn.find cudnnFindConvolutionForwardAlgorithm choice by time -> by heuristic",
        "forward: 2 entries, first 0");
}

/* The forms that run on arrays of the program's. */
Test(cudnn_double, finders_on_given_arrays_answer_without_timing)
{
    covers("findex_filter",
        "cudnn.find cudnnFindConvolutionBackwardFilterAlgorithmEx choice by time -> by heuristic",
        "filter: 1 entries, first 1");
    covers("findex_data",
        "cudnn.find cudnnFindConvolutionBackwardDataAlgorithmEx choice by time -> by heuristic",
        "data: 1 entries, first 1");
    covers("findex_forward",
        "cudnn.find cudnnFindConvolutionForwardAlgorithmEx choice by time -> by heuristic",
        "forward: 2 entries, first 0");
    static const char *const off[] = { SHIM, "DETSHIM_RULES=-cudnn.find", NULL };
    struct child child = run("findex_forward", off);
    cr_expect(strstr(child.err,
                  "uncovered cudnn.find cudnnFindConvolutionForwardAlgorithmEx 1x: picks by time"),
        "%s", child.err);
    child_free(&child);
}

Test(cudnn_double, forward_heuristics_have_nothing_to_lose)
{
    cr_expect_eq(distinct("v7_forward", plain, 3, 0), 1);
    cr_expect_eq(distinct("v7_forward", preloaded, 3, 0), 1);
    struct child child = run("v7_forward", preloaded);
    cr_expect(strstr(child.out, "forward: 2 entries, first 0"), "%s", child.out);
    child_free(&child);
}

Test(cudnn_double, v7_lists_lose_flagged_entries)
{
    covers("v7_filter",
        "cudnn.find cudnnGetConvolutionBackwardFilterAlgorithm_v7 algorithms 2 -> 1",
        "filter: 1 entries, first 1");
    covers("v7_data", "cudnn.find cudnnGetConvolutionBackwardDataAlgorithm_v7 algorithms 2 -> 1",
        "data: 1 entries, first 1");
}

Test(cudnn_double, max_pooling_is_ordered_and_reads_back_as_set)
{
    covers("pool2d 0", "cudnn.pooling cudnnSetPooling2dDescriptor mode 0 -> 3", "set 0 read 0");
    covers("poolnd 0", "cudnn.pooling cudnnSetPoolingNdDescriptor mode 0 -> 3", "set 0 read 0");
    struct child child = run("pool2d 3", preloaded);
    cr_expect(strstr(child.out, "set 3 read 3"), "%s", child.out);
}

Test(cudnn_double, ctc_loss_is_ordered)
{
    covers("ctc 1", "cudnn.ctc cudnnCTCLoss algo 1 -> 0", NULL);
    covers("ctc_v8 1", "cudnn.ctc cudnnCTCLoss_v8 algo 1 -> 0", NULL);
    covers("ctc_v8_small 1", "cudnn.ctc cudnnCTCLoss_v8 algo 1 -> 0", NULL);
    static const char *const off[] = { SHIM, "DETSHIM_RULES=-cudnn.ctc", NULL };
    uncovered("ctc_v8 1", off, "algorithm adds by atomics; would be replaced");
}

Test(cudnn_double, clock_seeds_of_dropout_come_from_det_seed)
{
    static const char *const seeded[] = { SHIM, "DET_SEED=7", NULL };
    static const char *const other[] = { SHIM, "DET_SEED=8", NULL };
    struct child one = run("dropout", seeded), two, three, bare, kept;
    child_shell(NULL, 5, "sleep 1.1");
    two = run("dropout", seeded), three = run("dropout", other);
    bare = run("dropout 1234", plain), kept = run("dropout 1234", seeded);
    cr_expect(strstr(one.out, "seed echoed 1"), "%s", one.out);
    cr_expect(strstr(one.err, "seed.clock cudnnSetDropoutDescriptor seed clock -> DET_SEED"), "%s",
        one.err);
    cr_expect_str_eq(one.out, two.out);
    cr_expect_str_neq(one.out, three.out);
    cr_expect_str_eq(bare.out, kept.out, "a constant seed is the program's own");
}

Test(cudnn_double, unsupported_substitutes_leave_the_users_choice)
{
    uncovered("filter_dilated 0", preloaded, "ordered algorithm is not supported for this shape");
    uncovered("filter_dilated 3", preloaded, "ordered algorithm is not supported for this shape");
    uncovered("data_dilated 0", preloaded, "ordered algorithm is not supported for this shape");
    static const char *const refused[] = { SHIM, "DOUBLES_FAIL=cudnnSetPooling2dDescriptor:1:3000",
        NULL };
    uncovered("pool2d 0", refused, "max pooling adds by atomics");
}

Test(cudnn_double, nothing_is_allocated_while_the_stream_is_captured)
{
    covers("captured 65536", "algo 0 -> 1", "capture ended 0");
    uncovered("captured 0", preloaded, "no workspace for the ordered algorithm");
    struct child child = run("captured 0", preloaded);
    cr_expect(strstr(child.out, "capture ended 0"), "%s", child.out);
}

Test(cudnn_double, observe_changes_nothing_and_lists)
{
    static const char *const observe[] = { SHIM, "DETSHIM_LEVEL=observe", NULL };
    uncovered("filter 0", observe, "algorithm adds by atomics; would be replaced");
    static const char *const off[] = { SHIM, "DETSHIM_RULES=-cudnn.backward-algo", NULL };
    uncovered("data 0", off, "algorithm adds by atomics; would be replaced");
}

/* Each failing status arrives as the vendor gave it; a failed execution is not repeated with another algorithm. */
Test(cudnn_double, injected_failures_arrive_as_they_are)
{
    static const struct {
        const char *what, *fail;
        int status;
    } rows[] = { { "filter 0", "cudnnConvolutionBackwardFilter:1:5000", 5000 },
        { "data 0", "cudnnConvolutionBackwardData:1:5000", 5000 },
        { "pool2d 0", "cudnnSetPooling2dDescriptor:0:2000", 2000 },
        { "poolnd 0", "cudnnSetPoolingNdDescriptor:0:2000", 2000 },
        { "pool2d 3", "cudnnPoolingBackward:1:5000", 5000 },
        { "ctc 1", "cudnnCTCLoss:1:5000", 5000 },
        { "filter 0", "cudnnGetConvolutionBackwardFilterWorkspaceSize:1:2000", 2000 },
        { "data 0", "cudnnGetConvolutionBackwardDataWorkspaceSize:1:2000", 2000 },
        { "ctc 1", "cudnnGetCTCLossWorkspaceSize:1:2000", 2000 },
        { "ctc_v8 1", "cudnnCTCLoss_v8:1:5000", 5000 },
        { "ctc_v8 1", "cudnnGetCTCLossWorkspaceSize_v8:1:2000", 2000 } };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char fail[120];
        snprintf(fail, sizeof fail, "DOUBLES_FAIL=%s", rows[i].fail);
        const char *const bare[] = { "LD_PRELOAD", fail, NULL };
        const char *const full[] = { SHIM, fail, NULL };
        struct child one = run(rows[i].what, bare), two = run(rows[i].what, full);
        cr_expect_eq(atoi(child_result(one.out, "status")), rows[i].status, "%s", fail);
        cr_expect_eq(atoi(child_result(two.out, "status")), rows[i].status, "%s", fail);
        child_free(&one);
        child_free(&two);
    }
}

/* The finder's heuristic fails: the program's own call runs, and is counted. */
Test(cudnn_double, a_finder_without_heuristics_times_as_asked)
{
    static const char *const fail[] = { SHIM,
        "DOUBLES_FAIL=cudnnGetConvolutionBackwardFilterAlgorithm_v7:0:3000", NULL };
    struct child child = run("find_filter", fail);
    cr_expect(strstr(child.out, "filter: 2 entries"), "%s", child.out);
    cr_expect(strstr(child.err, "picks by time"), "%s", child.err);
}

Test(cudnn_double, two_thousand_random_calls_match, .timeout = 400)
{
    cr_expect_gt(distinct("random 2000", plain, 2, 0), 1);
    cr_expect_eq(distinct("random 2000", preloaded, 2, 0), 1);
    struct child child = run("random 2000", preloaded);
    cr_expect(strstr(child.out, "failed 0 of 2000"), "%s", child.out);
    cr_expect(strstr(child.err, " 0 unknown, 0 uncovered"), "%s", child.err);
}

#define CNN BUILD "/programs/digits_cnn"

static struct child train(const char *options, const char *preload)
{
    const char *const env[] = { DOUBLE, preload, "DETSHIM_CACHE=off", "DETSHIM_LOG", "DET_SEED",
        "SOFTGPU_SEED", "DOUBLES_KERNELS=1", NULL };
    struct child child = child_shell(with_next_seed(env), 300, "exec " CNN " %s", options);
    cr_assert_eq(child.exit_status, 0, "%s%s", child.out, child.err);
    return child;
}

/* cuDNN and cuBLAS in one program, each launching kernels of its own beside the program's. */
Test(cudnn_double, a_convolutional_network_repeats, .timeout = 300)
{
    struct child bare[2], full[2];
    for (int i = 0; i < 2; i++) {
        bare[i] = train("--epochs 1 --steps 4", "LD_PRELOAD");
        full[i] = train("--epochs 1 --steps 4", SHIM);
    }
    cr_expect_str_neq(bare[0].out, bare[1].out, "negative control");
    cr_expect_str_eq(full[0].out, full[1].out);
    cr_expect(strstr(full[0].err, " 0 unknown, 0 uncovered"), "%s", full[0].err);
    cr_expect(
        strstr(full[0].err, "cublas.autotune cublasGemmEx algo 999 -> -1 4x"), "%s", full[0].err);
}

Test(cudnn_double, the_convolutional_network_learns, .timeout = 300)
{
    struct child bare[2], full[2];
    for (int i = 0; i < 2; i++) {
        bare[i] = train("", "LD_PRELOAD");
        full[i] = train("", SHIM);
        double accuracy[2] = { 0, 0 };
        const char *at = strstr(bare[i].out, "test accuracy "),
                   *under = strstr(full[i].out, "test accuracy ");
        cr_assert(at && sscanf(at, "test accuracy %lf", &accuracy[0]) == 1, "%s", bare[i].out);
        cr_assert(
            under && sscanf(under, "test accuracy %lf", &accuracy[1]) == 1, "%s", full[i].out);
        cr_expect_geq(accuracy[0], 0.95);
        cr_expect_geq(accuracy[1], 0.95);
    }
    cr_expect_str_neq(bare[0].out, bare[1].out, "negative control");
    cr_expect_str_eq(full[0].out, full[1].out);
}
