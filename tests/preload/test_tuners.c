/* cuSPARSELt's search and cuTENSOR's tuning under the shim, against doubles on the software GPU. Neither library is in the toolkit:
 * names and values are those of cuSPARSELt 0.10 and cuTENSOR 2.8. */
#include "bench_lib.h"

/* cusparseLtMatmulSearch cusparseLtMatmul */
Test(tuners, search_runs_the_plan_as_it_is)
{
    pinned("use_tuners search", shim);
    says("use_tuners search", (const char *const[]){ SHIM, NULL },
        "cusparselt.search cusparseLtMatmulSearch choice by time -> the plan's own");
    struct child child = with_doubles("use_tuners search",
        (const char *const[]){ SHIM, "DETSHIM_LOG=stderr", "DOUBLES_KERNELS=1", NULL });
    cr_expect(strstr(child.err, "1 pinned, 1 vouched, 0 unknown, 0 uncovered"), "%s", child.err);
    child_free(&child);
    const char *const off[] = { SHIM, "DETSHIM_RULES=-cusparselt.search", NULL };
    cr_expect_gt(distinct("use_tuners search", off, 6), 1);
    says("use_tuners search", off, "picks by time");
    cr_expect_eq(distinct("use_tuners matmul", plain, 3), 1);
    unchanged("use_tuners matmul", "bits");
}

/* cutensorPlanPreferenceSetAttribute cutensorPlanPreferenceGetAttribute cutensorCreatePlanPreference */
Test(tuners, plans_do_not_tune_themselves_and_read_back_as_set)
{
    pinned("use_tuners incremental", shim);
    pinned("use_tuners patient", shim);
    pinned("use_tuners created", shim);
    const char *const under[] = { SHIM, NULL };
    says("use_tuners incremental", under,
        "cutensor.autotune cutensorPlanPreferenceSetAttribute autotune mode 1 -> 0");
    says("use_tuners patient", under,
        "cutensor.autotune cutensorPlanPreferenceSetAttribute algo -6 -> -1");
    says("use_tuners created", under,
        "cutensor.autotune cutensorCreatePlanPreference algo -6 -> -1");
    static const char *const ways[] = { "use_tuners incremental", "use_tuners patient",
        "use_tuners created", "use_tuners default" };
    for (int i = 0; i < 4; i++) {
        unchanged(ways[i], "mode");
        unchanged(ways[i], "algo");
    }
    cr_expect_eq(distinct("use_tuners default", plain, 3), 1);
    unchanged("use_tuners default", "bits");
    const char *const off[] = { SHIM, "DETSHIM_RULES=-cutensor.autotune", NULL };
    cr_expect_gt(distinct("use_tuners incremental", off, 6), 1);
}

/* No document vouches for cuTENSOR's executions (cutensorDestroyPlanPreference and the others are not executions). */
Test(tuners, contractions_are_unknown)
{
    const char *const kernels[] = { SHIM, "DETSHIM_LOG=stderr", "DOUBLES_KERNELS=1", NULL };
    says("use_tuners incremental", kernels, "unknown double_kernel 2x: vendor library code");
}

Test(tuners, five_hundred_random_calls_match)
{
    cr_assert_gt(distinct("use_tuners sweep 500", plain, 2), 1);
    cr_expect_eq(distinct("use_tuners sweep 500", shim, 3), 1);
}

Test(tuners, injected_statuses_reach_the_program)
{
    static const char *const calls[] = { "cusparseLtMatmulSearch", "cusparseLtMatmul",
        "cutensorCreatePlanPreference", "cutensorPlanPreferenceSetAttribute",
        "cutensorPlanPreferenceGetAttribute" };
    for (int i = 0; i < 5; i++)
        for (int status = 1; status <= 15; status += 7) {
            char fail[80];
            snprintf(fail, sizeof fail, "DOUBLES_FAIL=%s:%d:%d", calls[i], i == 0 ? 0 : 1, status);
            const char *const way = i < 2 ? "use_tuners search" : "use_tuners incremental";
            struct child a = with_doubles(way, (const char *const[]){ "LD_PRELOAD", fail, NULL });
            struct child b = with_doubles(
                way, (const char *const[]){ SHIM, "DETSHIM_LOG_LEVEL=off", fail, NULL });
            if (i != 0) /* the search is not called: its product comes from cusparseLtMatmul */
                cr_expect_str_eq(a.out, b.out, "%s", fail);
            cr_expect_eq(b.exit_status, 0, "%s", fail);
            child_free(&a);
            child_free(&b);
        }
}
