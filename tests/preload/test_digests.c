/* DETSHIM_TRACE=digests on the software GPU: what reaches the host is digested in every way it can go there. Observed runs must
 * differ from each other (else nothing is proven) and give their program the results of plain ones; preloaded runs must match. */
#include <unistd.h>

#include "bench_gpu.h"

#define COPIES BUILD "/preload/cuda_copies "
#define TRACE  "DETSHIM_TRACE=digests"

static const char *const plain[] = { "LD_PRELOAD", NULL };
static const char *const observed[] = { SHIM, "DETSHIM_LEVEL=observe", TRACE, NULL };
static const char *const preloaded[] = { SHIM, TRACE, NULL };

/* All records between the first and the last. */
static char *records(const char *way, int seed, const char *const env[])
{
    static char line[1 << 16];
    char command[1024], path[512], *text = calloc(1, 1 << 20);
    snprintf(
        path, sizeof path, BUILD "/tap/digests.%d.jsonl", (int)getpid()); /* tests run at once */
    snprintf(command, sizeof command, "env DETSHIM_LOG=%s " COPIES "%s", path, way);
    remove(path);
    struct child child = on_softgpu(command, seed, env);
    cr_assert_eq(child.exit_status, 0, "%s: %s%s", way, child.out, child.err);
    child_free(&child);
    FILE *const file = fopen(path, "r");
    cr_assert_not_null(file, "no log of %s", way);
    while (fgets(line, sizeof line, file))
        if (!strstr(line, "\"t\":\"run\"") && !strstr(line, "\"t\":\"cost\""))
            strcat(text, line);
    fclose(file);
    remove(path);
    return text;
}

static int count(const char *text, const char *what)
{
    int n = 0;
    for (const char *at = text; (at = strstr(at, what)); at++)
        n++;
    return n;
}

/* `n` copies compared in each run: observed runs differ, preloaded runs agree to the byte. */
static void expect(const char *way, int n_copies, int n_compared)
{
    char *first = records(way, 1, observed);
    cr_expect_eq(count(first, "\"t\":\"copy\""), n_copies, "%s", first);
    cr_expect_eq(count(first, "\"digest\":\""), n_compared, "%s", first);
    bool differ = n_compared == 0;
    for (int seed = 2; seed <= 40 && !differ; seed++) {
        char *other = records(way, seed, observed);
        differ = strcmp(first, other) != 0;
        free(other);
    }
    cr_expect(differ, "the software GPU must bite: %s", way);
    free(first);
    first = records(way, 1, preloaded);
    cr_expect_eq(count(first, "\"digest\":\""), n_compared, "%s", first);
    for (int seed = 2; seed <= 6; seed++) {
        char *other = records(way, seed, preloaded);
        cr_expect_str_eq(first, other, "seed %d", seed);
        free(other);
    }
    free(first);
}

#define WAY(way, n_copies, n_compared)                                                             \
    Test(digests, way, .timeout = 300)                                                             \
    {                                                                                              \
        expect(#way, n_copies, n_compared);                                                        \
    }
WAY(flat, 1, 1)
WAY(unified, 2, 2)
WAY(async, 2, 2)
WAY(event, 1, 1)
WAY(poll, 1, 1)
WAY(blocks, 3, 3)
WAY(shared, 6, 6)
WAY(lost, 4, 1)
WAY(capture, 1, 0)
WAY(threads, 15, 15)

Test(digests, what_cannot_be_compared_says_why)
{
    char *const text = records("lost", 1, preloaded);
    cr_expect_eq(count(text, "\"why\":\"overwritten before the program waited\""), 1, "%s", text);
    cr_expect_eq(count(text, "\"why\":\"cannot read the memory\""), 1, "%s", text);
    cr_expect_eq(count(text, "\"why\":\"the program never waited for it\""), 1, "%s", text);
    cr_expect(strstr(text, "\"after\":\"sum\",\"launches\":1}"), "%s", text);
    char *const graph = records("capture", 1, preloaded);
    cr_expect_eq(count(graph, "\"why\":\"part of a graph\""), 1, "%s", graph);
}

Test(digests, one_bit_more_is_another_digest_and_the_way_there_does_not_matter)
{
    char *const flat = records("flat", 1, preloaded);
    char *const poll = records("poll", 1, preloaded);
    const char *const a = strstr(flat, "\"digest\""), *const b = strstr(poll, "\"digest\"");
    cr_assert(a && b);
    cr_expect_eq(memcmp(a, b, strlen("\"digest\":\"0123456789abcdef\"")), 0, "%.40s %.40s", a, b);
}

Test(digests, observing_changes_no_result, .timeout = 300)
{
    static const char *const ways[] = { "flat", "unified", "async", "event", "blocks", "shared" };
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        for (int seed = 1; seed <= 3; seed++) {
            char command[512];
            snprintf(command, sizeof command, COPIES "%s", ways[i]);
            char *const alone = result_of(command, seed, plain, "y");
            char *const seen = result_of(command, seed, observed, "y");
            cr_expect_str_eq(alone, seen, "%s, seed %d", ways[i], seed);
            free(alone);
            free(seen);
        }
}

Test(digests, off_leaves_no_record_and_no_log_is_said)
{
    const char *const off[] = { SHIM, NULL };
    char *const text = records("async", 1, off);
    cr_expect_eq(count(text, "\"t\":\"copy\""), 0, "%s", text);
    cr_expect_eq(count(text, "\"trace\""), 0, "%s", text);
    const char *const nowhere[] = { SHIM, "DETSHIM_TRACE=digests", NULL };
    struct child child = on_softgpu(COPIES "async", 1, nowhere);
    cr_expect_eq(child.exit_status, 0);
    cr_expect_eq(
        count(child.err, "DETSHIM_TRACE has no effect without DETSHIM_LOG"), 1, "%s", child.err);
    child_free(&child);
}
