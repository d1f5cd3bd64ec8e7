/* Kernels that vendor libraries launch themselves, by cuLaunchKernel of the software GPU (DOUBLES_KERNELS): part of the call they belong
 * to where that call is in the ledger, counted one by one where it is not. */
#include "bench_lib.h"

static const char *const launching[] = { SHIM, "DETSHIM_LOG=stderr", "DOUBLES_KERNELS=1", NULL };

static struct child ran(const char *command, const char *const env[])
{
    struct child child = with_doubles(command, env);
    cr_assert_eq(child.exit_status, 0, "%s: %s%s", command, child.out, child.err);
    return child;
}

/* The double did launch: the control of all that follows. */
static void launches(const char *command)
{
    char trace[] = "/tmp/kernelsXXXXXX", variable[64];
    close(mkstemp(trace));
    snprintf(variable, sizeof variable, "SOFTGPU_TRACE=%s", trace);
    struct child child =
        ran(command, (const char *const[]){ "LD_PRELOAD", "DOUBLES_KERNELS=1", variable, NULL });
    child_free(&child);
    child = child_shell(NULL, 10, "grep -c double_kernel %s; rm %s", trace, trace);
    cr_assert_gt(atoi(child.out), 0, "%s: the double launched nothing", command);
    child_free(&child);
}

static void counted_once(const char *command)
{
    launches(command);
    struct child child = ran(command, launching);
    cr_expect(strstr(child.err, " 0 unknown, 0 uncovered"), "%s: %s", command, child.err);
    cr_expect(!strstr(child.err, "double_kernel"), "%s: %s", command, child.err);
    cr_expect(
        strstr(child.err, "detshim: run_to_run (this process)"), "%s: %s", command, child.err);
    child_free(&child);
}

Test(vendor_kernels, a_counted_call_speaks_for_its_kernels, .timeout = 300)
{
    counted_once("use_cublas autotune 0");
    counted_once("use_cublas atomics 0");
    counted_once(
        "use_cublas single"); /* cublasSgemm_v2: no choice to make, the library's own promise */
    counted_once("use_cublaslt tune");
    counted_once("use_curand constant");
    counted_once("use_curand seeds");
    counted_once("use_cusolver");
    counted_once("sparse_calls spmv csr 0");
    counted_once("sparse_calls spmm coo 0");
    counted_once("dnn_calls filter");
    counted_once("dnn_calls dropout 5");
    counted_once("dnn_calls ctc_v8 1");
    counted_once("graph_calls first");
    counted_once("use_tuners search");
    counted_once("dnn_calls pool2d");
}

/* cusparseSpMV_preprocess, and all steps of SpGEMM but one: what they launch belongs to the product, which has one row. */
Test(vendor_kernels, steps_belong_to_their_product)
{
    counted_once("sparse_calls spmv csr 3");
    counted_once("sparse_calls spgemm csr 2");
    counted_once("sparse_calls reuse csr 2");
    struct child child = ran("sparse_calls spgemm csr 2", launching);
    cr_expect(strstr(child.err, "1 pinned, 0 vouched, 0 unknown"), "%s", child.err);
    child_free(&child);
}

/* The calls of a captured graph were counted when they were captured; its kernels come with them. */
Test(vendor_kernels, captured_ones_too)
{
    counted_once("use_cublas capture");
    struct child child = ran("use_cublas capture", launching);
    cr_expect(strstr(child.err, "1 pinned, 0 vouched"), "%s", child.err);
    child_free(&child);
}

Test(vendor_kernels, a_call_that_nobody_wraps_leaves_them_unknown)
{
    launches("sparse_calls spvv");
    struct child child = ran("sparse_calls spvv", launching);
    cr_expect(strstr(child.err, "unknown double_kernel 1x: vendor library code"), "%s", child.err);
    cr_expect(strstr(child.err, "run_to_run except: double_kernel"), "%s", child.err);
    child_free(&child);
}

/* A wrapped call that stands for no result is not in the ledger: a kernel it launches shows. The size getter asks twice. */
Test(vendor_kernels, without_a_row_for_the_call_they_are_counted)
{
    struct child child = ran("sparse_calls spmv csr 0",
        (const char *const[]){ SHIM, "DETSHIM_LOG=stderr", "DOUBLES_KERNELS=1",
            "DOUBLES_LAUNCH_IN=cusparseSpMV_bufferSize", NULL });
    cr_expect(strstr(child.err, "unknown double_kernel 2x: vendor library code"), "%s", child.err);
    cr_expect(strstr(child.err, "1 pinned"), "%s", child.err);
    child_free(&child);
}

/* In strict mode nothing ends that is covered. */
Test(vendor_kernels, strict_2_ends_for_an_unwrapped_call_only)
{
    const char *const strict[] = { SHIM, "DETSHIM_STRICT=2", "DOUBLES_KERNELS=1", NULL };
    struct child child = with_doubles("use_cublas single", strict);
    cr_expect_eq(child.exit_status, 0, "%s%s", child.out, child.err);
    child_free(&child);
    child = with_doubles("sparse_calls spvv", strict);
    cr_expect_eq(child.exit_status, 4, "%s%s", child.out, child.err);
    child_free(&child);
}
