/* Which process draws from which stream: ranks by each launcher's variable, forks, spawned children, workers. Stands on the real
 * CPython and libc. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/child.h"

#define LIBRARY "LD_PRELOAD=" BUILD "/libdetshim.so"
#define QUIET   "DETSHIM_LOG_LEVEL=off"
#define DRAW    "/usr/bin/python3 -c 'import random; print(random.random(), random.Random().random())'"

static char *drawn(const char *variable, const char *command)
{
    const char *const env[] = { "DET_SEED=1", LIBRARY, QUIET, variable, NULL };
    struct child child = child_shell(env, 120, "%s", command);
    cr_assert_eq(child.exit_status, 0, "%s", child.err);
    free(child.err);
    return child.out;
}

Test(streams, each_launchers_rank_names_the_process, .timeout = 300)
{
    static const char *const launchers[] = { "RANK", "LOCAL_RANK", "OMPI_COMM_WORLD_RANK",
        "PMI_RANK", "PMIX_RANK", "SLURM_PROCID" };
    char *without = drawn("RANK", DRAW), *three = drawn("RANK=3", DRAW);
    cr_assert_str_neq(without, three);
    for (size_t i = 0; i < sizeof launchers / sizeof *launchers; i++) {
        char variable[64], script[256];
        snprintf(variable, sizeof variable, "%s=3", launchers[i]);
        char *same = drawn(variable, DRAW);
        cr_expect_str_eq(same, three, "%s is not read", variable);
        snprintf(variable, sizeof variable, "%s=4", launchers[i]);
        char *other = drawn(variable, DRAW);
        cr_expect_str_neq(other, three, "%s does not matter", variable);
        snprintf(script, sizeof script, "%s=3 SLURM_PROCID=0 " DRAW, launchers[i]);
        if (strcmp(launchers[i], "LOCAL_RANK") != 0 && strcmp(launchers[i], "SLURM_PROCID") != 0) {
            char *first = drawn("RANK", script);
            cr_expect_str_eq(first, three, "SLURM_PROCID of the step hides %s", launchers[i]);
            free(first);
        }
        free(same);
        free(other);
    }
    char *both = drawn("RANK=3", "LOCAL_RANK=0 " DRAW);
    cr_expect_str_eq(both, three, "the rank in the node hides the rank");
    free(both);
    free(without);
    free(three);
}

/* Twenty draws from every kind of process below one program, in a fixed order; a worker draws in a pool of two, so which worker
 * draws is the map's affair, and only the set of streams is compared there. */
#define FAMILY                                                                                     \
    "import multiprocessing, os, random, subprocess, sys\n"                                        \
    "def many(_=0): return [random.random() for _ in range(20)]\n"                                 \
    "if __name__ == '__main__':\n"                                                                 \
    "    print(many())\n"                                                                          \
    "    for how in ('fork', 'spawn', 'forkserver'):\n"                                            \
    "        c = multiprocessing.get_context(how)\n"                                               \
    "        for _ in range(2):\n"                                                                 \
    "            with c.Pool(1) as p: print(p.map(many, [0])[0])\n"                                \
    "    sys.stdout.flush()\n"                                                                     \
    "    for _ in range(2):\n"                                                                     \
    "        if os.fork() == 0:\n"                                                                 \
    "            print(many(), flush=True); os._exit(0)\n"                                         \
    "        os.wait()\n"                                                                          \
    "    for _ in range(2):\n"                                                                     \
    "        subprocess.run([sys.executable, '-c', 'import random; "                               \
    "print([random.random() for _ in range(20)])'])\n"

static char *family(const char *rank)
{
    return drawn(rank, "d=$(mktemp -d) && cat >$d/m.py <<'X'\n" FAMILY
                       "X\n/usr/bin/python3 $d/m.py | tr -d '[] ' | tr , '\\n'; rm -rf $d");
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

Test(streams, no_two_processes_of_two_ranks_draw_one_number, .timeout = 300)
{
    static const char *const ranks[] = { "RANK=0", "RANK=1", "RANK" };
    enum { N_PROCESSES = 11, N_DRAWS = 20 };
    char *words[3 * N_PROCESSES * N_DRAWS + 1];
    size_t n = 0;
    char *texts[3];
    for (int i = 0; i < 3; i++) {
        texts[i] = family(ranks[i]);
        char *again = family(ranks[i]);
        cr_assert_str_eq(texts[i], again, "%s does not repeat", ranks[i]);
        free(again);
        for (char *word = strtok(texts[i], "\n"); word; word = strtok(NULL, "\n")) {
            cr_assert_lt(n, 3 * N_PROCESSES * N_DRAWS, "more draws than processes: %s", word);
            words[n++] = word;
        }
    }
    cr_assert_eq(n, 3 * N_PROCESSES * N_DRAWS, "%zu draws", n);
    qsort(words, n, sizeof *words, by_text);
    for (size_t i = 1; i < n; i++)
        cr_assert_str_neq(words[i], words[i - 1]);
    for (int i = 0; i < 3; i++)
        free(texts[i]);
}

/* The same bytes open to everybody who orders a set: equal hash seeds across ranks and children. */
Test(streams, the_hash_seed_is_one_for_the_whole_job, .timeout = 120)
{
    const char *const hash = "/usr/bin/python3 -c \"print(hash('abc'))\"";
    char *zero = drawn("RANK=0", hash), *one = drawn("RANK=1", hash);
    cr_assert_str_eq(zero, one);
    free(zero);
    free(one);
}

/* A list of draws as the log tells them: purpose, size, caller, ordinal. */
Test(streams, the_log_counts_up, .timeout = 60)
{
    char *text = drawn("RANK", "f=$(mktemp); DETSHIM_LOG=$f DETSHIM_LOG_LEVEL=override "
                               "/usr/bin/python3 -c 'import random; "
                               "[random.Random() for _ in range(100)]' 2>/dev/null; "
                               "grep '\"subject\":\"python.random\"' $f; rm $f");
    unsigned next = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        unsigned size = 0, ordinal = 0;
        const char *at = strstr(line, "\"a\":");
        cr_assert(at && sscanf(at, "\"a\":%u,\"b\":%u", &size, &ordinal) == 2, "%s", line);
        cr_assert(strstr(line, "\"detail\":\"seeded "), "%s", line);
        if (next < 20) {
            cr_assert_eq(ordinal, next, "%s", line);
            cr_assert_eq(size, 2496, "%s", line);
        } else {
            cr_assert(strstr(line, "draws so far"), "%s", line);
            cr_assert_eq(ordinal & (ordinal - 1), 0, "%s", line);
        }
        next++;
    }
    cr_assert_eq(next, 22, "%u lines for 101 draws: twenty, then 32 and 64", next);
    free(text);
}
