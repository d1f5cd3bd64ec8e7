/* Settings: every value of every option, bad ones, and the lazy rules. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>

#include "shim/policy/place.h"
#include "shim/policy/policy.h"

struct fake {
    const char *const *pairs; /* name, value, …, NULL */
    char lines[8][600];
    int n_lines;
};

static const char *fake_get(const char *name, void *arg)
{
    struct fake *fake = arg;
    for (const char *const *at = fake->pairs; *at; at += 2) {
        if (strcmp(*at, name) == 0)
            return at[1];
    }
    return NULL;
}

static void fake_complain(const char *line, void *arg)
{
    struct fake *fake = arg;
    snprintf(fake->lines[fake->n_lines++], sizeof fake->lines[0], "%s", line);
}

#define PARSE(...)                                                                                 \
    const char *const pairs[] = { __VA_ARGS__ __VA_OPT__(, ) NULL };                               \
    struct fake fake = { .pairs = pairs };                                                         \
    struct det_policy policy;                                                                      \
    det_policy_parse(&policy, fake_get, &fake, fake_complain)

Test(policy, defaults_are_those_of_the_table)
{
    PARSE();
    cr_assert_eq(policy.level, DET_LEVEL_RUN_TO_RUN);
    cr_assert_eq(policy.strict, 0);
    cr_assert_not(policy.has_seed);
    cr_assert_eq(policy.log_level, DET_LOG_SUMMARY);
    cr_assert_eq(policy.trace, DET_TRACE_OFF);
    cr_assert_eq(policy.entropy, DET_ENTROPY_ML);
    cr_assert_eq(policy.scratch_mib, 0);
    cr_assert_str_empty(policy.log);
    cr_assert_str_empty(policy.cache);
    for (int rule = 0; rule < DET_N_RULES; rule++)
        cr_assert_eq(policy.rule_on[rule], det_rule_info(rule)->standard);
    cr_assert_eq(fake.n_lines, 0);
}

Test(policy, empty_values_are_unset)
{
    PARSE("DET_SEED", "", "DETSHIM_LEVEL", "", "DETSHIM_STRICT", "", "DETSHIM_RULES", "",
        "DETSHIM_LOG", "", "DETSHIM_SCRATCH_MIB", "", "DETSHIM_CHOICES", "");
    cr_assert_not(policy.has_seed);
    cr_assert_eq(fake.n_lines, 0);
}

Test(policy, good_values_are_taken)
{
    PARSE("DET_SEED", "0x10", "DETSHIM_LEVEL", "observe", "DETSHIM_STRICT", "2", "DETSHIM_LOG",
        "a%h%p%r%l%x%j%t%%", "DETSHIM_LOG_LEVEL", "call", "DETSHIM_TRACE", "digests",
        "DETSHIM_ENTROPY", "all", "DETSHIM_SCRATCH_MIB", "512", "DETSHIM_CHOICES", "auto:f",
        "DETSHIM_SKIP_KERNELS", "a*,b", "DETSHIM_CACHE", "off", "DETSHIM_RULES",
        "-atomics.exact,+atomics.identity");
    cr_assert(policy.has_seed && policy.seed == 16);
    cr_assert_eq(policy.level, DET_LEVEL_OBSERVE);
    cr_assert_eq(policy.strict, 2);
    cr_assert_str_eq(policy.log, "a%h%p%r%l%x%j%t%%");
    cr_assert_eq(policy.log_level, DET_LOG_CALL);
    cr_assert_eq(policy.trace, DET_TRACE_DIGESTS);
    cr_assert_eq(policy.entropy, DET_ENTROPY_ALL);
    cr_assert_eq(policy.scratch_mib, 512);
    cr_assert_str_eq(policy.choices, "auto:f");
    cr_assert_str_eq(policy.skip_kernels, "a*,b");
    cr_assert_str_eq(policy.cache, "off");
    cr_assert_not(policy.rule_on[DET_RULE_ATOMICS_EXACT]);
    cr_assert(policy.rule_on[DET_RULE_ATOMICS_IDENTITY]);
    cr_assert_eq(fake.n_lines, 0);
}

struct bad {
    char variable[24], value[48], in_line[48];
};
ParameterizedTestParameters(policy, bad_value_gives_one_line_and_the_default)
{
    static struct bad rows[] = { { "DET_SEED", "abc", "'abc' is none of: 0 to 2^64-1" },
        { "DET_SEED", "-1", "using the default, unset" },
        { "DET_SEED", "18446744073709551616", "DET_SEED: " },
        { "DETSHIM_LEVEL", "fast", "using run_to_run" }, { "DETSHIM_LEVEL", "OFF", "observe" },
        { "DETSHIM_STRICT", "3", "0 1 2" }, { "DETSHIM_STRICT", "1 ", "'1 '" },
        { "DETSHIM_DISABLE", "yes", "0 1" }, { "DETSHIM_LOG_LEVEL", "all", "using summary" },
        { "DETSHIM_TRACE", "1", "digests" }, { "DETSHIM_ENTROPY", "x", "using ml" },
        { "DETSHIM_LOG", "a%q", "file pattern" }, { "DETSHIM_LOG", "a%", "file pattern" },
        { "DETSHIM_CHOICES", "f", "record:F" }, { "DETSHIM_CHOICES", "record:", "record:F" },
        { "DETSHIM_CHOICES", "xrecord:f", "record:F" }, { "DETSHIM_SCRATCH_MIB", "5%", "MiB" },
        { "DETSHIM_RULES", "atomics.exact", "neither + nor -" },
        { "DETSHIM_RULES", "-atomics.exat", "the nearest is 'atomics.exact'" },
        { "DETSHIM_RULES", "a\nb", "'a?b' starts with neither" },
        { "DETSHIM_LEVEL", "a\033[2Jb\n", "'a?[2Jb?'" } };
    return cr_make_param_array(struct bad, rows, sizeof rows / sizeof *rows);
}
ParameterizedTest(struct bad *row, policy, bad_value_gives_one_line_and_the_default)
{
    struct det_policy standard;
    {
        PARSE();
        standard = policy;
    }
    PARSE(row->variable, row->value);
    cr_assert_eq(fake.n_lines, 1, "%s=%s", row->variable, row->value);
    cr_assert(strstr(fake.lines[0], row->in_line), "%s", fake.lines[0]);
    cr_assert(strncmp(fake.lines[0], row->variable, strlen(row->variable)) == 0);
    cr_assert(memcmp(&policy, &standard, sizeof policy) == 0);
}

Test(policy, half_a_rule_list_is_not_taken)
{
    PARSE("DETSHIM_RULES", "-atomics.exact,-nonsense");
    cr_assert_eq(fake.n_lines, 1);
    cr_assert(policy.rule_on[DET_RULE_ATOMICS_EXACT]);
}

Test(policy, gpu_to_gpu_says_so_and_runs_as_run_to_run)
{
    PARSE("DETSHIM_LEVEL", "gpu_to_gpu");
    cr_assert_eq(policy.level, DET_LEVEL_RUN_TO_RUN);
    cr_assert_eq(fake.n_lines, 1);
    cr_assert(strstr(fake.lines[0], "not offered yet"));
}

Test(policy, disable_is_level_off)
{
    PARSE("DETSHIM_DISABLE", "1", "DETSHIM_LEVEL", "observe");
    cr_assert_eq(policy.level, DET_LEVEL_OFF);
}

Test(policy, unknown_names_get_the_nearest)
{
    struct fake fake = { 0 };
    char *environment[] = { "DETSHIM_LOGS=x", "DETSHIM_LOG=x", "DETSHIM_STRIKT=1", "DETSHIM_KEEP=x",
        "DETSHIM_LIBRARY=/x", "DETSHIMX=1", "DET_LEVEL=1", "PATH=/bin", NULL };
    det_policy_unknown(environment, fake_complain, &fake);
    cr_assert_eq(fake.n_lines, 2);
    cr_assert_str_eq(
        fake.lines[0], "'DETSHIM_LOGS': no such setting; the nearest is DETSHIM_LOG; ignored");
    cr_assert(strstr(fake.lines[1], "DETSHIM_STRICT"));
}

Test(policy, tables_are_complete)
{
    for (int i = 0; i < DET_N_OPTIONS; i++)
        cr_assert_gt(strlen(det_option_info(i)->help), 5);
    for (int i = 0; i < DET_N_RULES; i++) {
        const struct det_rule_info *info = det_rule_info(i);
        cr_assert(strlen(info->sentence) > 10 && strlen(info->source) > 5, "%s", info->slug);
        for (int j = 0; j < i; j++)
            cr_assert_str_neq(info->slug, det_rule_info(j)->slug);
    }
    cr_assert_str_eq(det_rule_info(DET_N_RULES)->slug, "");
}

Test(policy_place, rank_comes_from_the_first_launcher_that_names_one)
{
    const char *const pairs[] = { "SLURM_PROCID", "5", "OMPI_COMM_WORLD_RANK", "3", "RANK", "x",
        "LOCAL_RANK", "1", "WORLD_SIZE", "8", "PBS_JOBID", "77.srv", NULL };
    struct fake fake = { .pairs = pairs };
    struct det_place place;
    det_place_read(&place, fake_get, &fake);
    cr_assert(place.has_rank);
    cr_assert_eq(place.rank, 3);
    cr_assert_eq(place.local_rank, 1);
    cr_assert_eq(place.world, 8);
    cr_assert_str_eq(place.job, "77.srv");
    cr_assert(strstr(place.exe, "policy_test_policy"));
    cr_assert_str_not_empty(place.host);
}

Test(policy_place, pattern_expands_every_letter_and_no_slash_slips_in)
{
    struct det_place place = {
        .rank = 3, .local_rank = 1, .host = "n1", .exe = "py", .job = "a/b"
    };
    DET_LINE(line, 128);
    det_place_expand(&place, "d/%h.%p.%r.%l.%x.%j.%t.%%", 99, 1234, &line);
    cr_assert_str_eq(line.at, "d/n1.99.3.1.py.a_b.1234.%");
    DET_LINE(none, 32);
    place.job[0] = 0;
    det_place_expand(&place, "%j", 0, 0, &none);
    cr_assert_str_eq(none.at, "nojob");
}
