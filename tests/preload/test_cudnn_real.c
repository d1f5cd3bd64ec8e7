/* The real cuDNN 9 of the toolkit, without a device: what it hands out plain is compared with what it hands out under the shim. Stands
 * on NVIDIA's own heuristics; nothing is executed. Runtime-compiled engines need a libcuda to be loadable: the toolkit's stub is. */
#include <unistd.h>

#include "bench_gpu.h"

#define SWEEP BUILD "/preload/cudnn_sweep"
#define CUDA  "${CUDA_HOME:-/usr/local/cuda}"
#define PREPARE                                                                                    \
    "mkdir -p " BUILD "/stub && ln -sf " CUDA "/lib/stubs/libcuda.so " BUILD                       \
    "/stub/libcuda.so.1 && export LD_LIBRARY_PATH=" BUILD "/stub:" CUDA "/lib && "

enum { MAX_LINES = 4096, MAX_ITEMS = 300 };
struct query {
    char *key;
    int announced, n;
    char *item[MAX_ITEMS]; /* "ENGINE.KNOBS", "!" at the end when flagged, or "plan=STATUS" */
};
struct sweep {
    struct child child;
    bool getter_lies;
    int n;
    struct query *query;
};

static struct sweep sweep(const char *what, const char *const env[])
{
    struct sweep out = { .n = 0, .query = calloc(MAX_LINES, sizeof *out.query) };
    out.child = child_shell(env, 200, PREPARE "exec " SWEEP " %s", what);
    cr_assert_eq(out.child.exit_status, 0, "%s", out.child.err);
    out.getter_lies = strstr(out.child.out, "getter lies") != NULL;
    char *rest = NULL;
    for (char *line = strtok_r(out.child.out, "\n", &rest); line && out.n < MAX_LINES;
         line = strtok_r(NULL, "\n", &rest)) {
        char *words = NULL;
        struct query *query = &out.query[out.n];
        const char *kind = strtok_r(line, " ", &words);
        if (!kind || strcmp(kind, "q") != 0)
            continue;
        query->key = strtok_r(NULL, " ", &words);
        const char *announced = strtok_r(NULL, " ", &words);
        query->announced = announced ? atoi(announced) : 0;
        strtok_r(NULL, " ", &words);
        for (char *item; query->n < MAX_ITEMS && (item = strtok_r(NULL, " ", &words));)
            query->item[query->n++] = item;
        out.n++;
    }
    return out;
}

static bool flagged(const char *item)
{
    return item[strlen(item) - 1] == '!';
}

static bool is_plan(const char *item)
{
    return strncmp(item, "plan=", 5) == 0;
}

static const char *const plain[] = { "LD_PRELOAD", "DETSHIM_LOG", NULL };
static const char *const preloaded[] = { SHIM, "DETSHIM_LOG", "DETSHIM_CACHE=off", NULL };
static const char *const observe[] = { SHIM, "DETSHIM_LEVEL=observe", "DETSHIM_LOG",
    "DETSHIM_CACHE=off", NULL };

/* The query's last number: how many results the program wanted, 0 all. */
static int limit_of(const char *key)
{
    return atoi(strrchr(key, '/') + 1);
}

static void compare(const struct query *bare, const struct query *full, const struct query *kept)
{
    const int limit = limit_of(bare->key);
    int at = 0;
    for (int i = 0; i < full->n && !(limit && at >= limit); i++) {
        if (flagged(full->item[i]) || is_plan(full->item[i]))
            continue;
        cr_assert_lt(at, kept->n, "%s: too few", bare->key);
        cr_assert_str_eq(full->item[i], kept->item[at], "%s: order of place %d", bare->key, at);
        at++;
    }
    cr_assert(at == kept->n || is_plan(kept->item[at]), "%s: something was added", bare->key);
    cr_assert(at > 0 || full->n == 0, "%s: an empty list", bare->key);
    if (!limit && full->n != 0)
        cr_assert_geq(kept->announced, at, "%s: count query", bare->key);
}

/* Queries come in threes per graph: everything, fallback, the first three of everything. */
Test(cudnn_real, no_flagged_engine_is_handed_out_and_the_rest_keeps_its_order, .timeout = 400)
{
    struct sweep before = sweep("convolution", plain), after = sweep("convolution", preloaded);
    cr_assert_eq(before.n, 576);
    cr_assert_eq(before.n, after.n);
    int n_before = 0, n_after = 0, n_flagged = 0, n_first = 0;
    for (int i = 0; i < before.n; i++) {
        const struct query *bare = &before.query[i], *kept = &after.query[i];
        cr_assert_str_eq(bare->key, kept->key);
        compare(bare, limit_of(bare->key) ? &before.query[i - 2] : bare, kept);
        for (int k = 0; k < bare->n; k++) {
            n_before += !is_plan(bare->item[k]);
            n_flagged += flagged(bare->item[k]);
            n_first += k == 0 && flagged(bare->item[k]);
        }
        for (int k = 0; k < kept->n; k++) {
            n_after += !is_plan(kept->item[k]);
            cr_assert(!flagged(kept->item[k]), "%s hands out %s", kept->key, kept->item[k]);
            if (is_plan(kept->item[k]))
                cr_assert_str_eq(kept->item[k], "plan=0", "%s: first plan", kept->key);
        }
    }
    fprintf(stderr,
        "cudnn_real: %d queries; before %d configurations, %d flagged, %d of them first; after "
        "%d\n",
        before.n, n_before, n_flagged, n_first, n_after);
    cr_expect_gt(n_flagged, 100, "the sweep must meet flagged engines, or it proves nothing");
    cr_expect_gt(n_first, 0);
    cr_expect(
        strstr(after.child.err, "cudnn.engine cudnnBackendGetAttribute"), "%s", after.child.err);
}

/* Asked is the key's third field from the end: 0 attribute left alone, 1 true, 2 false. */
static char asked_of(const char *key)
{
    return key[strlen(key) - 5];
}

Test(cudnn_real, fused_reductions_are_asked_to_be_deterministic, .timeout = 400)
{
    struct sweep before = sweep("reduction", plain), after = sweep("reduction", preloaded);
    cr_assert_eq(before.n, 72);
    cr_assert_eq(before.n, after.n);
    int n_differ = 0;
    for (int i = 0; i < before.n; i += 3) {
        const struct query *yes = &before.query[i + 1];
        cr_assert_eq(asked_of(yes->key), '1');
        cr_assert_gt(yes->n, 0, "%s: cuDNN has no deterministic engine", yes->key);
        for (int asked = 0; asked < 3; asked++) {
            const struct query *bare = &before.query[i + asked], *kept = &after.query[i + asked];
            bool same = bare->n == yes->n;
            cr_assert_eq(kept->n, yes->n, "%s", kept->key);
            for (int k = 0; k < yes->n; k++) {
                cr_assert_str_eq(kept->item[k], yes->item[k], "%s", kept->key);
                same = same && strcmp(bare->item[k], yes->item[k]) == 0;
            }
            n_differ += !same;
        }
    }
    fprintf(stderr,
        "cudnn_real: %d reductions; plain lists other than the deterministic one: %d, preloaded: "
        "0\n",
        before.n, n_differ);
    cr_expect_gt(n_differ, 0, "negative control");
    cr_expect(!after.getter_lies, "IS_DETERMINISTIC answers what was set");
}

Test(cudnn_real, a_plan_of_a_flagged_engine_is_refused_by_index_too, .timeout = 200)
{
    const char *const *const envs[] = { plain, preloaded, observe };
    for (int i = 0; i < 3; i++) {
        struct child child = child_shell(envs[i], 100, PREPARE "exec " SWEEP " plans");
        cr_assert_eq(child.exit_status, 0, "%s", child.err);
        int n = 0, n_flagged = 0;
        for (const char *at = child.out; (at = strstr(at, "p engine ")); at++) {
            int index = 0, status = 0;
            const bool is_flagged = sscanf(at, "p engine %d! status %d", &index, &status) == 2;
            n++;
            n_flagged += is_flagged;
            if (!is_flagged && sscanf(at, "p engine %d status %d", &index, &status) != 2)
                cr_assert_fail("%s", at);
            if (is_flagged)
                cr_expect_eq(
                    status, envs[i] == preloaded ? 3000 : 0, "engine %d: %d", index, status);
        }
        cr_expect_gt(n, 20);
        cr_expect_eq(n_flagged, 1);
        child_free(&child);
    }
}

Test(cudnn_real, observe_hands_out_what_cudnn_does, .timeout = 200)
{
    struct sweep before = sweep("reduction", plain), after = sweep("reduction", observe);
    cr_assert_eq(before.n, after.n);
    for (int i = 0; i < before.n; i++) {
        cr_assert_eq(before.query[i].n, after.query[i].n);
        for (int k = 0; k < before.query[i].n; k++)
            cr_assert_str_eq(before.query[i].item[k], after.query[i].item[k]);
    }
}

/* Also the one test that names every wrapped call of cuDNN and cuSPARSE, by its program. */
Test(cudnn_real, calls_without_arguments_get_the_librarys_own_answers, .timeout = 300)
{
    struct child one = child_shell(plain, 140, PREPARE "exec " BUILD "/preload/null_calls"),
                 two = child_shell(preloaded, 140, PREPARE "exec " BUILD "/preload/null_calls");
    cr_assert_eq(one.exit_status, 0, "%s", one.err);
    cr_assert_eq(two.exit_status, 0, "%s", two.err);
    cr_expect_gt(atoi(child_result(one.out, "calls")), 90);
    cr_expect_str_eq(one.out, two.out);
    cr_expect(!strstr(one.out, "status 250"), "every wrapped call exists: %s", one.out);
}
