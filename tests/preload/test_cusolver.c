/* cuSOLVER under the shim, against the double on the software GPU. The real library makes no handle without a device. */
#include "bench_lib.h"

Test(cusolver, results_stay_deterministic)
{
    pinned("use_cusolver allow", shim);
    says("use_cusolver allow", (const char *const[]){ SHIM, NULL },
        "cusolverDnSetDeterministicMode mode 2 -> 1");
    char *mode = lib_value("use_cusolver allow", shim, "mode"); /* cusolverDnGetDeterministicMode */
    cr_expect_str_eq(mode, "2");
    free(mode);
    unchanged("use_cusolver default", "bits");
}

Test(cusolver, a_switched_off_rule_is_uncovered)
{
    const char *const without[] = { SHIM, "DETSHIM_RULES=-cusolver.deterministic-mode", NULL };
    cr_expect_gt(distinct("use_cusolver allow", without, 6), 1);
    says("use_cusolver allow", without, "the program allows results that differ");
}

Test(cusolver, a_thousand_random_factorings_match, .timeout = 300)
{
    cr_assert_gt(distinct("use_cusolver sweep", plain, 2), 1);
    cr_expect_eq(distinct("use_cusolver sweep", shim, 4), 1);
}

Test(cusolver, bad_arguments_and_injected_statuses_reach_the_program)
{
    unchanged("use_cusolver faults", "statuses");
    static const char *const calls[] = { "cusolverDnCreate", "cusolverDnSetDeterministicMode",
        "cusolverDnDgeqrf" };
    for (int i = 0; i < 3; i++)
        for (int status = 1; status <= 12; status++) {
            char fail[80];
            snprintf(fail, sizeof fail, "DOUBLES_FAIL=%s:1:%d", calls[i], status);
            struct child a = with_doubles(
                "use_cusolver allow", (const char *const[]){ "LD_PRELOAD", fail, NULL });
            struct child b = with_doubles("use_cusolver allow",
                (const char *const[]){ SHIM, "DETSHIM_LOG_LEVEL=off", fail, NULL });
            cr_expect_str_eq(a.out, b.out, "%s", fail);
            cr_expect_eq(a.exit_status, b.exit_status, "%s", fail);
            child_free(&a);
            child_free(&b);
        }
}

/* cusolverDnSetMathMode cusolverDnSetEmulationStrategy cusolverDnSetAdvOptions are forwarded and written down */
Test(cusolver, settings_are_observed)
{
    says("use_cusolver observed", loud, "cusolverDnSetAdvOptions");
    says("use_cusolver observed", loud, "cusolverDnSetEmulationStrategy");
}

/* cusolverDnXgesvdr: nobody says where its random numbers start, so nothing is claimed. */
Test(cusolver, a_randomised_method_is_unknown_by_name)
{
    cr_expect_gt(distinct("use_cusolver randomised", plain, 5), 1);
    cr_expect_gt(distinct("use_cusolver randomised", shim, 5), 1, "we change nothing");
    const char *const kernels[] = { SHIM, "DETSHIM_LOG=stderr", "DOUBLES_KERNELS=1", NULL };
    says("use_cusolver randomised", kernels,
        "unknown cusolver.deterministic-mode cusolverDnXgesvdr 1x: a randomised method");
    says("use_cusolver randomised", kernels, "run_to_run except: cusolverDnXgesvdr (");
}

/* Routines without a choice of algorithm: the guide's promise, or by name where the program asked for less and the rule is off. */
Test(cusolver, routines_are_vouched_for)
{
    says("use_cusolver default", loud, "call name=cusolverDnDgeqrf class=vouched");
    says("use_cusolver default", loud, "call name=cusolverDnDpotrf class=vouched");
    const char *const off[] = { SHIM, "DETSHIM_LOG=stderr",
        "DETSHIM_RULES=-cusolver.deterministic-mode", NULL };
    says("use_cusolver allow", off, "call name=cusolverDnDgeqrf class=uncovered");
}

/* The double has no cusolverDnXgeqrf, as an old library has not: it looks absent, although we export a wrapper. */
Test(cusolver, a_call_the_library_lacks_looks_absent)
{
    char *absent = lib_value("absent libcusolver.so.12 cusolverDnXgeqrf", shim, "found");
    char *present =
        lib_value("absent libcusolver.so.12 cusolverDnSetDeterministicMode", shim, "found");
    cr_expect_str_eq(absent, "0,0");
    cr_expect_str_eq(present, "1,1");
    free(absent);
    free(present);
    char *blas = lib_value("absent libcublas.so.13 cublasSgeam", shim, "found");
    cr_expect_str_eq(blas, "0,0");
    free(blas);
    char *profiler = lib_value("absent libnccl.so.2 pncclCommWindowRegister", shim, "found");
    cr_expect_str_eq(profiler, "1,1");
    free(profiler);
}
