/* cuBLASLt under the shim: against the double on the software GPU; descriptors also on the real library, which needs no device. */
#include "bench_lib.h"

Test(cublaslt, a_tuner_finds_one_candidate)
{
    pinned("use_cublaslt tune", shim);
    char *n = lib_value("use_cublaslt tune", shim, "candidates");
    cr_expect_str_eq(n, "1");
    free(n);
    says("use_cublaslt tune", (const char *const[]){ SHIM, NULL },
        "cublasLtMatmulAlgoGetHeuristic returnAlgoCount 5 -> 1");
}

Test(cublaslt, emulation_becomes_native)
{
    pinned("use_cublaslt emulate 0", shim);
    pinned("use_cublaslt emulate 1", shim);
    says("use_cublaslt emulate 0", (const char *const[]){ SHIM, NULL },
        "cublasLtMatmulDescCreate computeType 79 -> 70");
    says("use_cublaslt emulate 1", (const char *const[]){ SHIM, NULL },
        "cublasLtMatmulDescSetAttribute computeType 79 -> 70");
    char *trace =
        trace_of("use_cublaslt own", shim); /* cublasLtMatmulAlgoInit, cublasLtMatmulAlgoGetIds */
    cr_expect(!strstr(trace, "79") && strstr(trace, "\"cublasLtMatmulAlgoInit\",\"compute\":70"),
        "%s", trace);
    free(trace);
}

Test(cublaslt, getters_answer_what_was_set)
{
    char *types = lib_value("use_cublaslt getters", shim, "types");
    cr_expect_str_eq(types, "79,79,68,79");
    free(types);
    unchanged("use_cublaslt getters", "types");
}

/* Their parameters go with the emulation, and come back with another one. */
Test(cublaslt, emulation_parameters_are_dropped_and_answered)
{
    static const char *const ways[] = { "use_cublaslt parameters 0", "use_cublaslt parameters 1" };
    for (int i = 0; i < 2; i++) {
        unchanged(ways[i], "parameters");
        char *got = lib_value(ways[i], shim, "parameters");
        cr_expect_str_eq(got, "0x1234,0x1234");
        free(got);
        char *trace = trace_of(ways[i], shim);
        const char *dropped = strstr(trace, "\"name\":38,\"word\":0}"),
                   *back = dropped ? strstr(dropped, "\"name\":38,\"word\":4660}") : NULL;
        cr_expect(dropped && back, "%s", trace);
        free(trace);
    }
}

/* The real library: cublasLtMatmulDescCreate, cublasLtMatmulDescInit_internal, cublasLtMatmulDescGetAttribute without a device. */
Test(cublaslt, the_real_librarys_getters_answer_what_was_set)
{
    const char *cuda = getenv("CUDA_HOME");
    char path[4096], file[4200];
    snprintf(path, sizeof path, "LD_LIBRARY_PATH=%s/lib", cuda ? cuda : "/usr/local/cuda");
    snprintf(file, sizeof file, "%s/libcublasLt.so.13", path + strlen("LD_LIBRARY_PATH="));
    if (access(file, R_OK) != 0)
        cr_skip_test("no real libcublasLt.so.13");
    for (int i = 0; i < 2; i++) {
        const char *const env[] = { path, i ? SHIM : "LD_PRELOAD", "DETSHIM_LOG_LEVEL=override",
            NULL };
        struct child child = child_shell(env, 120, "exec %s/preload/real_lt", BUILD);
        cr_expect_eq(child.exit_status, 0, "%s%s", child.out, child.err);
        cr_expect_str_eq(
            child_result(child.out, "types"), "79,79,68,79", "%s%s", child.out, child.err);
        cr_expect_eq(strstr(child.err, "computeType 79 -> 70") != NULL, i, "%s", child.err);
        child_free(&child);
    }
}

Test(cublaslt, a_thousand_random_problems_match, .timeout = 600)
{
    cr_assert_gt(distinct("use_cublaslt sweep 1000", plain, 2), 1);
    cr_expect_eq(distinct("use_cublaslt sweep 1000", shim, 3), 1);
    struct child child =
        with_doubles("use_cublaslt sweep 1000", (const char *const[]){ SHIM, NULL });
    cr_expect(strstr(child.err, " 0 unknown, 0 uncovered"), "%s", child.err);
    child_free(&child);
}

Test(cublaslt, strict_asks_for_unsplit_sums_first)
{
    const char *const strict[] = { SHIM, "DETSHIM_LOG_LEVEL=off", "DETSHIM_STRICT=1", NULL };
    char *trace = trace_of("use_cublaslt tune", strict);
    cr_expect(strstr(trace, "\"mask\":0") && !strstr(trace, "\"splitk\":4"), "%s", trace);
    free(trace);
    trace = trace_of("use_cublaslt tune", shim);
    cr_expect(!strstr(trace, "\"mask\":0"), "the caller's mask stays: %s", trace);
    free(trace);
}

Test(cublaslt, an_algorithm_of_the_programs_own_is_unknown)
{
    says(
        "use_cublaslt own", (const char *const[]){ SHIM, NULL }, "the program chose the algorithm");
}

Test(cublaslt, bad_arguments_get_the_vendors_answers)
{
    unchanged("use_cublaslt faults", "statuses");
    char *without = lib_value("use_cublaslt faults", shim, "without");
    cr_expect(strncmp(without, "0,", 2) == 0, "a query without preference works: %s", without);
    free(without);
}

Test(cublaslt, every_injected_status_reaches_the_program)
{
    static const char *const calls[] = { "cublasLtCreate", "cublasLtMatmulDescCreate",
        "cublasLtMatmulAlgoGetHeuristic", "cublasLtMatmul",
        "cublasLtMatmulPreferenceSetAttribute" };
    for (int i = 0; i < 5; i++)
        for (int status = 1; status <= 15; status += 7) {
            char fail[80];
            snprintf(fail, sizeof fail, "DOUBLES_FAIL=%s:1:%d", calls[i], status);
            struct child a = with_doubles(
                "use_cublaslt tune", (const char *const[]){ "LD_PRELOAD", fail, NULL });
            struct child b = with_doubles("use_cublaslt tune",
                (const char *const[]){ SHIM, "DETSHIM_LOG_LEVEL=off", fail, NULL });
            cr_expect_str_eq(a.out, b.out, "%s", fail);
            cr_expect_eq(a.exit_status, b.exit_status, "%s", fail);
            child_free(&a);
            child_free(&b);
        }
}

/* --- DETSHIM_CHOICES */
static char file[64], record[96], replay[96], automatic[96];
static void choose_file(void)
{
    snprintf(file, sizeof file, "/tmp/choicesXXXXXX");
    close(mkstemp(file));
    unlink(file);
    snprintf(record, sizeof record, "DETSHIM_CHOICES=record:%s", file);
    snprintf(replay, sizeof replay, "DETSHIM_CHOICES=replay:%s", file);
    snprintf(automatic, sizeof automatic, "DETSHIM_CHOICES=auto:%s", file);
}
static void remove_file(void)
{
    unlink(file);
}

/* Several recordings, since a tuner may happen to end with the heuristic's own first choice. */
Test(cublaslt_choices, what_tuning_ended_with_is_replayed, .init = choose_file, .fini = remove_file,
    .timeout = 300)
{
    char *first = lib_value("use_cublaslt tune 6", shim, "bits");
    bool moved = false;
    for (int i = 0; i < 6; i++) {
        unlink(file);
        const char *const recording[] = { SHIM, "DETSHIM_LOG_LEVEL=off", record, NULL };
        const char *const replaying[] = { SHIM, "DETSHIM_LOG_LEVEL=off", replay, NULL };
        char *recorded = lib_value("use_cublaslt tune 6", recording, "bits");
        cr_expect_eq(distinct("use_cublaslt tune 6", replaying, 2), 1);
        char *replayed = lib_value("use_cublaslt tune 6", replaying, "bits");
        cr_expect_str_eq(recorded, replayed, "the recording run's own bits");
        moved |= strcmp(first, replayed) != 0;
        free(recorded);
        free(replayed);
    }
    cr_expect(moved, "six tunings ended where the heuristic starts: proves nothing");
    free(first);
}

Test(
    cublaslt_choices, auto_records_once_and_replays_after, .init = choose_file, .fini = remove_file)
{
    const char *const both[] = { SHIM, "DETSHIM_LOG_LEVEL=off", automatic, NULL };
    char *once = lib_value("use_cublaslt tune 6", both, "bits");
    for (int i = 0; i < 4; i++) {
        char *again = lib_value("use_cublaslt tune 6", both, "bits");
        cr_expect_str_eq(once, again);
        free(again);
    }
    free(once);
}

Test(cublaslt_choices, recording_says_that_it_is_timed, .init = choose_file, .fini = remove_file)
{
    const char *const recording[] = { SHIM, record, NULL };
    says("use_cublaslt tune", recording, "recording: the program times algorithms");
}

Test(cublaslt_choices, another_version_or_a_missing_algorithm_falls_back, .init = choose_file,
    .fini = remove_file)
{
    const char *const recording[] = { SHIM, "DETSHIM_LOG_LEVEL=off", record, NULL };
    free(lib_value("use_cublaslt tune 6", recording, "bits"));
    const char *const newer[] = { SHIM, replay, "DOUBLES_LT_VERSION=130200", NULL };
    says("use_cublaslt tune 6", newer, "lacks some problems of this run");
    char *first = lib_value("use_cublaslt tune 6", shim, "bits");
    char *fallen = lib_value("use_cublaslt tune 6", newer, "bits");
    cr_expect_str_eq(first, fallen);
    free(first);
    free(fallen);
    /* whatever the tuner ended with, one of the three families of algorithms holds it */
    int gone = 0;
    static const char *const families[] = { "DOUBLES_LT_GONE=66", "DOUBLES_LT_GONE=71",
        "DOUBLES_LT_GONE=24" };
    for (int i = 0; i < 3; i++) {
        const char *const without[] = { SHIM, replay, families[i], NULL };
        struct child child = with_doubles("use_cublaslt tune 6", without);
        cr_expect_eq(child.exit_status, 0, "%s%s", child.out, child.err);
        gone += strstr(child.err, "is no longer offered") != NULL;
        child_free(&child);
        cr_expect_eq(distinct("use_cublaslt tune 6", without, 2), 1);
    }
    cr_expect_gt(gone, 0);
}

Test(cublaslt_choices, foreign_and_half_written_files_are_refused, .init = choose_file,
    .fini = remove_file)
{
    const char *const recording[] = { SHIM, "DETSHIM_LOG_LEVEL=off", record, NULL };
    const char *const ways[] = { record, replay, automatic };
    free(lib_value("use_cublaslt tune 6", recording, "bits"));
    char *first = lib_value("use_cublaslt tune 6", shim, "bits");
    for (int i = 0; i < 6; i++) {
        struct child child = i % 2 ? child_shell(NULL, 10, "head -c 300 %s >%s.x && mv %s.x %s",
                                         file, file, file, file)
                                   : child_shell(NULL, 10, "echo hello >%s", file);
        child_free(&child);
        const char *const env[] = { SHIM, ways[i / 2], NULL };
        child = with_doubles("use_cublaslt tune 6", env);
        cr_expect(strstr(child.err, "refused"), "%s", child.err);
        cr_expect_str_eq(child_result(child.out, "bits"), first);
        child_free(&child);
        free(lib_value("use_cublaslt tune 6",
            (const char *const[]){ SHIM, "DETSHIM_LOG_LEVEL=off", env[1], NULL }, "bits"));
        child = child_shell(NULL, 10, "wc -c <%s", file);
        cr_expect(atoi(child.out) <= 300, "never overwritten: %s", child.out);
        child_free(&child);
        if (i % 2 == 0) {
            unlink(file);
            free(lib_value("use_cublaslt tune 6", recording, "bits"));
        }
    }
    free(first);
}
