/* cuRAND under the shim: against the double on the software GPU, and the real library's host generators, which need no device. */
#include "bench_lib.h"

Test(curand, the_dynamic_ordering_becomes_the_default)
{
    pinned("use_curand dynamic", shim);
    pinned("use_curand dynamic host", shim);
    says("use_curand dynamic", (const char *const[]){ SHIM, NULL },
        "curandSetGeneratorOrdering order 104 -> 101");
    const char *const without[] = { SHIM, "DETSHIM_RULES=-curand.ordering", NULL };
    cr_expect_gt(distinct("use_curand dynamic", without, 6), 1);
    says("use_curand dynamic", without, "ordering fits itself to the device");
}

Test(curand, a_seed_from_a_clock_comes_from_DET_SEED)
{
    pinned("use_curand clock", seeded);
    pinned("use_curand offset", seeded);
    const char *const other[] = { SHIM, "DETSHIM_LOG_LEVEL=off", "DET_SEED=6", NULL };
    char *five = lib_value("use_curand clock", seeded, "bits"),
         *six = lib_value("use_curand clock", other, "bits");
    cr_expect_str_neq(five, six);
    free(five);
    free(six);
    says("use_curand clock", (const char *const[]){ SHIM, "DET_SEED=5", NULL },
        "seed.clock curandSetPseudoRandomGeneratorSeed seed clock -> DET_SEED");
    cr_expect_gt(distinct("use_curand clock", shim, 3), 1, "without DET_SEED the clock seeds");
}

/* A constant, no seed at all, and quasi generators repeat already: not a bit changes. */
Test(curand, what_repeats_keeps_its_bits)
{
    static const char *const ways[] = { "use_curand constant", "use_curand unseeded",
        "use_curand quasi", "use_curand longs", "use_curand constant host" };
    for (int i = 0; i < 5; i++) {
        char *before = lib_value(ways[i], plain, "bits"),
             *after = lib_value(ways[i], seeded, "bits");
        cr_expect_str_eq(before, after, "%s", ways[i]);
        free(before);
        free(after);
    }
}

Test(curand, a_thousand_random_generators_match, .timeout = 300)
{
    cr_assert_gt(distinct("use_curand sweep", plain, 2), 1);
    cr_expect_eq(distinct("use_curand sweep", seeded, 4), 1);
    struct child child =
        with_doubles("use_curand sweep", (const char *const[]){ SHIM, "DET_SEED=1", NULL });
    cr_expect(strstr(child.err, " 0 unknown, 0 uncovered"), "%s", child.err);
    child_free(&child);
}

Test(curand, bad_arguments_and_injected_statuses_reach_the_program)
{
    unchanged("use_curand faults", "statuses");
    static const char *const calls[] = { "curandCreateGenerator", "curandSetGeneratorOrdering",
        "curandGenerateNormal" };
    for (int i = 0; i < 3; i++)
        for (int status = 100; status < 204; status += 3) {
            char fail[80];
            snprintf(fail, sizeof fail, "DOUBLES_FAIL=%s:1:%d", calls[i], status);
            struct child a = with_doubles(
                "use_curand dynamic", (const char *const[]){ "LD_PRELOAD", fail, NULL });
            struct child b = with_doubles("use_curand dynamic",
                (const char *const[]){ SHIM, "DETSHIM_LOG_LEVEL=off", fail, NULL });
            cr_expect_str_eq(a.out, b.out, "%s", fail);
            cr_expect_eq(a.exit_status, b.exit_status, "%s", fail);
            child_free(&a);
            child_free(&b);
        }
}

/* The real library, host generators. */
Test(curand, the_real_librarys_host_generator)
{
    const char *cuda = getenv("CUDA_HOME");
    char path[4096], file[4200];
    snprintf(path, sizeof path, "LD_LIBRARY_PATH=%s/lib", cuda ? cuda : "/usr/local/cuda");
    snprintf(file, sizeof file, "%s/libcurand.so.10", path + strlen("LD_LIBRARY_PATH="));
    if (access(file, R_OK) != 0)
        cr_skip_test("no real libcurand.so.10");
    const char *const bare[] = { path, "DETSHIM_LOG_LEVEL=off", "LD_PRELOAD", NULL };
    const char *const real[] = { path, SHIM, "DETSHIM_LOG_LEVEL=off", "DET_SEED=5", NULL };
    char *clock_plain = lib_value("use_curand clock host", bare, "bits"),
         *clock_again = lib_value("use_curand clock host", bare, "bits");
    cr_expect_str_neq(clock_plain, clock_again, "the clock seeds");
    cr_expect_eq(distinct("use_curand clock host", real, 4), 1);
    char *constant = lib_value("use_curand constant host", bare, "bits"),
         *kept = lib_value("use_curand constant host", real, "bits");
    cr_expect_str_eq(constant, kept);
}
