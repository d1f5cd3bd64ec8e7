/* cuBLAS under the shim, against the double on the software GPU: its orders are our model of the vendor's text, not the vendor's
 * code. cublasGetProperty runs on the real library, too. */
#include "bench_lib.h"

static const char *const kinds[] = { "cublasGemmEx", "cublasGemmEx_64", "cublasGemmBatchedEx",
    "cublasGemmBatchedEx_64", "cublasGemmStridedBatchedEx", "cublasGemmStridedBatchedEx_64" };

Test(cublas, autotune_becomes_the_default_algorithm, .timeout = 300)
{
    for (int i = 0; i < 6; i++) {
        char command[64], line[160];
        snprintf(command, sizeof command, "use_cublas autotune %d", i);
        pinned(command, shim);
        snprintf(line, sizeof line, "%s algo 999 -> -1", kinds[i]);
        says(command, (const char *const[]){ SHIM, NULL }, line);
    }
}

Test(cublas, fixed_point_emulation_becomes_native, .timeout = 300)
{
    for (int i = 0; i < 6; i++) {
        char command[64], line[160];
        snprintf(command, sizeof command, "use_cublas emulation %d", i);
        pinned(command, shim);
        snprintf(line, sizeof line, "%s computeType 79 -> 70", kinds[i]);
        says(command, (const char *const[]){ SHIM, NULL }, line);
    }
    pinned("use_cublas math", shim);
    says("use_cublas math", (const char *const[]){ SHIM, NULL }, "cublasSetMathMode mode 8 -> 0");
}

/* cublasSsymv_v2 cublasDsymv_v2 cublasCsymv_v2 cublasZsymv_v2 cublasChemv_v2 cublasZhemv_v2, and all the _64 forms */
Test(cublas, atomics_stay_off, .timeout = 300)
{
    for (int i = 0; i < 12; i++) {
        char command[64];
        snprintf(command, sizeof command, "use_cublas atomics %d", i);
        pinned(command, shim);
    }
    says("use_cublas atomics 0", (const char *const[]){ SHIM, NULL },
        "cublasSetAtomicsMode mode 1 -> 0");
    says("use_cublas atomics 0", loud, "call name=cublasSsymv_v2 class=pinned");
}

Test(cublas, several_streams_get_a_fixed_workspace)
{
    pinned("use_cublas streams", shim);
    char *trace = trace_of("use_cublas streams", shim);
    cr_expect(
        strstr(trace, "\"workspace\":\":4096:8\""), "read before the handle was made: %s", trace);
    free(trace);
}

/* Routines that take no algorithm: on several streams they repeat with the workspace pinned, and the ledger has them by name. */
Test(cublas, routines_repeat_and_are_vouched_for, .timeout = 300)
{
    static const char *const names[] = { "cublasSdot_v2", "cublasDdot_v2", "cublasSasum_v2",
        "cublasDnrm2_v2", "cublasSgemv_v2", "cublasDgemv_v2", "cublasSgemm_v2_64",
        "cublasDgemmStridedBatched" };
    for (int i = 0; i < 8; i++) {
        char command[64], line[100];
        snprintf(command, sizeof command, "use_cublas routine %d", i);
        pinned(command, shim);
        snprintf(line, sizeof line, "call name=%s class=vouched rule=cublas.workspace", names[i]);
        says(command, loud, line);
    }
    const char *const bad[] = { SHIM, "DETSHIM_LOG=stderr", "CUBLAS_WORKSPACE_CONFIG=:0:0", NULL };
    says("use_cublas routine 4", bad, "call name=cublasSgemv_v2 class=uncovered");
}

/* One stream is ordered without us as well: the double is not random for its own sake, and we change no bit there. */
Test(cublas, a_call_that_repeats_keeps_its_bits)
{
    cr_expect_eq(distinct("use_cublas single", plain, 4), 1);
    unchanged("use_cublas single", "bits");
}

Test(cublas, getters_answer_what_was_set)
{
    char *value = lib_value("use_cublas modes", shim, "modes");
    cr_expect_str_eq(value, "0,0,1,0,0,24");
    free(value);
    unchanged("use_cublas modes", "modes");
    char *trace = trace_of("use_cublas modes", shim);
    cr_expect(strstr(trace, "\"cublasSetMathMode\",\"value\":16"), "the flag stays: %s", trace);
    free(trace);
}

Test(cublas, a_users_workspace_setting_is_kept_or_named)
{
    const char *const good[] = { SHIM, "DETSHIM_LOG=stderr", "CUBLAS_WORKSPACE_CONFIG=:16:8",
        NULL };
    const char *const bad[] = { SHIM, "DETSHIM_LOG=stderr", "CUBLAS_WORKSPACE_CONFIG=:0:0", NULL };
    cr_expect_eq(distinct("use_cublas streams", good, 6), 1);
    says("use_cublas streams", good, "kept");
    says("use_cublas streams", bad, "conflict");
    says("use_cublas autotune 0", bad, "several streams may change the algorithm");
    char *trace = trace_of("use_cublas streams", bad);
    cr_expect(strstr(trace, "\"workspace\":\":0:0\""), "the user's value reaches the library");
    free(trace);
}

Test(cublas, two_thousand_random_calls_match, .timeout = 600)
{
    cr_assert_gt(distinct("use_cublas sweep 2000", plain, 2), 1);
    cr_expect_eq(distinct("use_cublas sweep 2000", shim, 3), 1);
    struct child child = with_doubles("use_cublas sweep 2000", (const char *const[]){ SHIM, NULL });
    cr_expect(strstr(child.err, " 0 unknown, 0 uncovered"), "%s", child.err);
    child_free(&child);
}

Test(cublas, a_switched_off_rule_is_uncovered_and_changes_nothing)
{
    const char *const without[] = { SHIM, "DETSHIM_RULES=-cublas.autotune", NULL };
    cr_expect_gt(distinct("use_cublas autotune 0", without, 6), 1);
    says("use_cublas autotune 0", without, "the algorithm is picked by time");
    const char *const no_mode[] = { SHIM, "DETSHIM_RULES=-cublas.atomics", NULL };
    says("use_cublas atomics 1", no_mode, "atomics are allowed");
    const char *const no_native[] = { SHIM, "DETSHIM_RULES=-cublas.emulation", NULL };
    says("use_cublas emulation 0", no_native, "falls back when memory is short");
    cr_expect_gt(distinct("use_cublas autotune 0", observing, 6), 1);
}

Test(cublas, bad_arguments_get_the_vendors_answers)
{
    unchanged("use_cublas faults", "statuses");
}

Test(cublas, every_injected_status_reaches_the_program)
{
    static const char *const calls[] = { "cublasCreate_v2", "cublasSetAtomicsMode",
        "cublasSetMathMode", "cublasGetAtomicsMode", "cublasGemmEx",
        "cublasGemmStridedBatchedEx_64", "cublasGemmBatchedEx", "cublasSsymv_v2",
        "cublasSetStream_v2" };
    static const char *const ways[] = { "modes", "modes", "modes", "modes", "autotune 0",
        "autotune 5", "autotune 2", "atomics 0", "streams" };
    for (int i = 0; i < 9; i++)
        for (int status = 1; status <= 16; status++) {
            char fail[80], command[40];
            snprintf(fail, sizeof fail, "DOUBLES_FAIL=%s:1:%d", calls[i], status);
            snprintf(command, sizeof command, "use_cublas %s", ways[i]);
            struct child a =
                with_doubles(command, (const char *const[]){ "LD_PRELOAD", fail, NULL });
            struct child b = with_doubles(
                command, (const char *const[]){ SHIM, "DETSHIM_LOG_LEVEL=off", fail, NULL });
            cr_expect_str_eq(a.out, b.out, "%s", fail);
            cr_expect_eq(a.exit_status, b.exit_status, "%s", fail);
            child_free(&a);
            child_free(&b);
        }
}

Test(cublas, capture_adds_no_node_and_no_wait)
{
    pinned("use_cublas capture", shim);
    unchanged("use_cublas capture", "nodes");
}

/* cublasSetStream_v2 cublasSetWorkspace_v2 cublasSetSmCountTarget cublasSetEmulationStrategy: forwarded, written down once */
Test(cublas, settings_are_observed)
{
    says("use_cublas observed", loud, "cublasSetSmCountTarget");
    says("use_cublas observed", loud, "cublasSetEmulationStrategy");
    says("use_cublas observed", loud, "cublasSetFixedPointEmulationMantissaControl");
    says("use_cublas observed", loud, "cublasXtDeviceSelect");
    const char *const conflicting[] = { SHIM, "CUBLAS_WORKSPACE_CONFIG=:0:0", NULL };
    says("use_cublas observed", conflicting, "cublasSetStream drops the workspace");
}
