/* Streams of DET_SEED: distinct, uniform, independent of each other; process paths. Pure code, no preload. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdlib.h>
#include <string.h>

#include "shim/entropy/entropy.h"

#define N_DRAWS 1000000

static int by_value(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

ParameterizedTestParameters(stream, a_million_draws_are_distinct_and_uniform)
{
    static int purposes[DET_N_PURPOSES];
    for (int i = 0; i < DET_N_PURPOSES; i++)
        purposes[i] = i;
    return cr_make_param_array(int, purposes, DET_N_PURPOSES);
}

ParameterizedTest(int *purpose, stream, a_million_draws_are_distinct_and_uniform)
{
    uint64_t *draws = malloc(N_DRAWS * sizeof *draws);
    unsigned low[256] = { 0 }, high[256] = { 0 };
    for (unsigned i = 0; i < N_DRAWS; i++) {
        draws[i] = det_stream_value(7, (enum det_purpose) * purpose, "p", i);
        low[draws[i] & 255]++;
        high[draws[i] >> 56]++;
    }
    double chi_low = 0, chi_high = 0;
    for (int i = 0; i < 256; i++) {
        const double expected = N_DRAWS / 256.0;
        chi_low += (low[i] - expected) * (low[i] - expected) / expected;
        chi_high += (high[i] - expected) * (high[i] - expected) / expected;
    }
    /* chi-square, 255 degrees of freedom: outside [160, 370] happens less than once in a million */
    cr_assert(chi_low > 160 && chi_low < 370, "low byte %.1f", chi_low);
    cr_assert(chi_high > 160 && chi_high < 370, "high byte %.1f", chi_high);
    qsort(draws, N_DRAWS, sizeof *draws, by_value);
    for (unsigned i = 1; i < N_DRAWS; i++)
        cr_assert_neq(draws[i], draws[i - 1]);
    free(draws);
}

Test(stream, purposes_seeds_and_paths_give_different_values)
{
    static const char *const paths[] = { "p", "r0", "r1", "p.f1", "p.f2", "p.v1", "p.v2", "r1.f1",
        "p.f1.f1" };
    static uint64_t seen[20000];
    size_t n = 0;
    for (uint64_t seed = 0; seed < 3; seed++)
        for (int purpose = 0; purpose < DET_N_PURPOSES; purpose++)
            for (size_t path = 0; path < sizeof paths / sizeof *paths; path++)
                for (uint64_t ordinal = 0; ordinal < 40; ordinal++)
                    if (purpose != DET_PURPOSE_PYTHON_HASH)
                        seen[n++] =
                            det_stream_value(seed, (enum det_purpose)purpose, paths[path], ordinal);
    cr_assert(n > 10000);
    qsort(seen, n, sizeof *seen, by_value);
    for (size_t i = 1; i < n; i++)
        cr_assert_neq(seen[i], seen[i - 1]);
}

Test(stream, hash_secret_is_the_same_in_every_process_of_a_job)
{
    cr_assert_eq(det_stream_value(5, DET_PURPOSE_PYTHON_HASH, "r0", 0),
        det_stream_value(5, DET_PURPOSE_PYTHON_HASH, "r1.f3", 0));
    cr_assert_neq(det_stream_value(5, DET_PURPOSE_PYTHON_HASH, "p", 0),
        det_stream_value(6, DET_PURPOSE_PYTHON_HASH, "p", 0));
}

Test(stream, expanding_fills_exactly_the_bytes_asked_for)
{
    unsigned char a[40], b[40];
    memset(a, 0xee, sizeof a);
    memset(b, 0xee, sizeof b);
    det_stream_expand(99, a, 24);
    det_stream_expand(99, b, 13);
    cr_assert_eq(memcmp(a, b, 13), 0);
    cr_assert_eq(b[13], 0xee);
    cr_assert_eq(a[24], 0xee);
}

struct start_case { /* arrays, not pointers: Criterion hands parameters to another process */
    char inherited[16], rank[4], expected[16];
};

ParameterizedTestParameters(path, starts_from_rank_and_inheritance)
{
    static struct start_case cases[] = {
        { "", "", "p" },
        { "", "3", "r3" },
        { "p.v2", "", "p.v2" },
        { "p.v2", "0",
            "r0" }, /* the launcher's child learns its rank: its place under the launcher does not matter */
        { "r3.v1", "3", "r3.v1" }, /* a worker of rank 3 */
        { "r3.v1", "33", "r33" },
        { "r33.v1", "3", "r3" },
        { "r3", "", "p" },
        { "junk", "", "p" },
    };
    return cr_make_param_array(struct start_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct start_case *c, path, starts_from_rank_and_inheritance)
{
    char got[64];
    det_path_start(c->inherited, c->rank, got, sizeof got);
    cr_assert_str_eq(got, c->expected, "got %s, expected %s", got, c->expected);
}
