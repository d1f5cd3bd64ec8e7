/* detshim diff: two logs of one program, and the first record whose inputs agree and whose outputs differ. Inputs agree as long
 * as every copy before it does. Reads files only. */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/json.h"
#include "cli/seen.h"
#include "cli/trace.h"
#include "detshim/trace.h"
#include "shim/core/bytes.h"

enum { MOST_NAMES = 8, MOST_RECORDS = 5 };

struct request {
    const char *path[2];
    int n;
};

/* NOLINTNEXTLINE(readability-non-const-parameter): argp's type */
static error_t take(int key, char *arg, struct argp_state *state)
{
    struct request *request = state->input;
    if (key == ARGP_KEY_ARG) {
        if (request->n == 2)
            argp_error(state, "two logs are compared");
        request->path[request->n++] = arg;
        return 0;
    }
    if (key == ARGP_KEY_END && request->n != 2)
        argp_error(state, "two logs are compared");
    return key == ARGP_KEY_END ? 0 : ARGP_ERR_UNKNOWN;
}

static const struct cli_line *line_of(const struct cli_trace *trace, const char *type)
{
    for (size_t i = 0; i < trace->n_lines; i++)
        if (strcmp(trace->lines[i].type, type) == 0)
            return &trace->lines[i];
    return NULL;
}

/* `buffer` keeps what the fields point into. */
static bool parse(const struct cli_line *line, struct det_bytes *buffer, struct cli_json *json)
{
    buffer->n_bytes = 0;
    det_bytes_append(buffer, line->at, line->n_bytes);
    return det_bytes_check(buffer) == DET_OK && cli_json_parse(buffer->data, json);
}

/* --- may they be compared? --- */

static void put_value(const struct cli_json_field *field, char *to, size_t cap_bytes)
{
    if (!field || field->kind == CLI_JSON_NULL)
        snprintf(to, cap_bytes, "none");
    else if (field->kind == CLI_JSON_TEXT)
        snprintf(to, cap_bytes, "'%.80s'", field->text);
    else
        snprintf(
            to, cap_bytes, "%s%llu", field->negative ? "-" : "", (unsigned long long)field->value);
}

static bool same_setting(const struct cli_json *a, const struct cli_json *b, const char *key)
{
    char x[96], y[96];
    put_value(cli_json_get(a, key), x, sizeof x);
    put_value(cli_json_get(b, key), y, sizeof y);
    if (strcmp(x, y) == 0)
        return true;
    printf("NOT COMPARABLE: %s is %s in A and %s in B\n", key, x, y);
    return false;
}

static bool comparable(const struct cli_trace traces[2])
{
    static const char *const keys[][8] = { { DET_T_RUN, "exe", "rank", "world" },
        { DET_T_ENV, "seed", "level", "entropy", "skip", "rules", "trace" } };
    for (int k = 0; k < 2; k++) {
        struct det_bytes text[2] = { { 0 }, { 0 } };
        struct cli_json json[2] = { { .n_fields = 0 }, { .n_fields = 0 } };
        bool same = true;
        for (int side = 0; side < 2; side++) {
            const struct cli_line *line = line_of(&traces[side], keys[k][0]);
            if (line)
                parse(line, &text[side], &json[side]);
        }
        for (int i = 1; i < 8 && keys[k][i]; i++)
            same = same && same_setting(&json[0], &json[1], keys[k][i]);
        det_bytes_free(&text[0]);
        det_bytes_free(&text[1]);
        if (!same)
            return false;
    }
    return true;
}

/* --- copies --- */

static void show_copy(const char *side, const struct cli_copy *copy, const struct cli_trace *trace)
{
    if (!copy)
        printf("  %-8s no such copy: %s\n", side,
            trace->complete ? "this thread made no more" : "the log has no end");
    else
        printf("  %-8s line %zu: %s, %llu bytes, stream %s, %s%s\n", side, copy->line, copy->call,
            (unsigned long long)copy->n_bytes, copy->stream,
            cli_copy_compared(copy) ? "digest " : "not compared: ",
            cli_copy_compared(copy) ? copy->digest : copy->why);
}

/* The same thread's copy before this one, in canonical order. */
static const struct cli_copy *before(const struct cli_trace *trace, const struct cli_copy *copy)
{
    return copy > trace->copies && copy[-1].place == copy->place ? &copy[-1] : NULL;
}

/* How this kernel or call is classified there. */
static void show_class(const struct cli_trace *trace, const char *name)
{
    struct det_bytes text = { 0 };
    struct cli_json json;
    int shown = 0;
    for (size_t i = 0; i < trace->n_lines && shown < 3; i++) {
        const struct cli_line *line = &trace->lines[i];
        if ((strcmp(line->type, DET_T_KERNEL) != 0 && strcmp(line->type, DET_T_CALL) != 0) ||
            !parse(line, &text, &json) || strcmp(cli_json_text(&json, "name"), name) != 0)
            continue;
        const char *why = cli_json_text(&json, "why");
        printf("  %-8s %s is %s%s%s\n", line->type, name, cli_json_text(&json, "class"),
            *why ? ": " : "", why);
        shown++;
    }
    det_bytes_free(&text);
}

/* What this process launched that nobody vouches for: the cause is likely among these. */
static void show_open(const struct cli_trace *trace)
{
    struct det_bytes text = { 0 };
    struct cli_json json;
    size_t n = 0;
    for (size_t i = 0; i < trace->n_lines; i++) {
        const struct cli_line *line = &trace->lines[i];
        if ((strcmp(line->type, DET_T_KERNEL) != 0 && strcmp(line->type, DET_T_CALL) != 0) ||
            !parse(line, &text, &json))
            continue;
        const char *const cls = cli_json_text(&json, "class");
        if (strcmp(cls, "uncovered") != 0 && strcmp(cls, "unknown") != 0)
            continue;
        if (n++ < MOST_NAMES)
            printf("%s%s (%s)", n == 1 ? "  suspects " : ", ", cli_json_text(&json, "name"), cls);
    }
    if (n > MOST_NAMES)
        printf(", +%zu more", n - MOST_NAMES);
    puts(n ? ""
           : "  suspects none: every launch was covered; inputs, the host or other threads differ");
    det_bytes_free(&text);
}

/* Launches between two copies, where DETSHIM_LOG_LEVEL=call wrote them and the file has its order. */
static void show_hits(const struct cli_trace *trace, size_t from, size_t to)
{
    struct det_bytes text = { 0 };
    struct cli_json json;
    const struct cli_line *last[MOST_NAMES];
    size_t n = 0;
    for (size_t i = 0; i < trace->n_lines; i++) {
        const struct cli_line *line = &trace->lines[i];
        if (line->line > from && line->line < to && strcmp(line->type, "hit") == 0)
            last[n++ % MOST_NAMES] = line;
    }
    for (size_t i = n > MOST_NAMES ? n - MOST_NAMES : 0; i < n; i++)
        if (parse(last[i % MOST_NAMES], &text, &json))
            printf("  launch   %s (%s)\n", cli_json_text(&json, "name"),
                cli_json_text(&json, "class"));
    det_bytes_free(&text);
}

static bool in_order(const struct cli_trace *trace)
{
    for (size_t i = 1; i < trace->n_copies; i++)
        if (trace->copies[i].line < trace->copies[i - 1].line)
            return false;
    return trace->n_copies > 0 &&
           trace->copies[0].place == trace->copies[trace->n_copies - 1].place;
}

static void show_suspects(const struct cli_trace *trace, const struct cli_copy *copy)
{
    const struct cli_copy *const last = before(trace, copy);
    const unsigned long long from = last ? last->launches + 1 : 1, to = copy->launches;
    if (!*copy->after) {
        puts("  before   no launch or call of this thread: look at what other threads and the host "
             "did");
        return;
    }
    if (to < from)
        printf("  before   nothing was launched since the copy before, which agrees; the last was "
               "%s\n",
            copy->after);
    else if (to == from)
        printf("  before   %s, the only launch since the copy before, which agrees\n", copy->after);
    else
        printf("  before   launches %llu to %llu of this thread, the last of them %s%s\n", from, to,
            copy->after, last ? "; the copy before them agrees" : "");
    if (in_order(trace))
        show_hits(trace, last ? last->line : 0, copy->line);
    show_class(trace, copy->after);
    show_open(trace);
}

/* One difference or many, on one thread or several: a cause upstream shows in many. */
static void show_extent(const struct cli_trace *a, const struct cli_trace *b)
{
    size_t n = 0, n_differ = 0, n_threads = 0;
    uint64_t last = UINT64_MAX;
    for (size_t i = 0, j = 0; i < a->n_copies && j < b->n_copies;) {
        const struct cli_copy *x = &a->copies[i], *y = &b->copies[j];
        const bool x_first = x->place < y->place || (x->place == y->place && x->n < y->n);
        const bool y_first = y->place < x->place || (x->place == y->place && y->n < x->n);
        i += !y_first;
        j += !x_first;
        if (x_first || y_first || !cli_copy_compared(x) || !cli_copy_compared(y))
            continue;
        n++;
        if (strcmp(x->digest, y->digest) == 0)
            continue;
        n_differ++;
        n_threads += x->place != last;
        last = x->place;
    }
    printf("  extent   %zu of %zu copies differ, on %zu thread%s\n", n_differ, n, n_threads,
        n_threads == 1 ? "" : "s");
}

static int show_difference(const struct cli_seen_at *at)
{
    const struct cli_copy *const copy = at->a ? at->a : at->b;
    const struct cli_trace *const trace = at->a ? at->trace[0] : at->trace[1];
    printf("DIFFER at copy %llu of thread %llu: all copies of this thread before it agree\n",
        (unsigned long long)copy->n, (unsigned long long)copy->thread);
    show_copy("A", at->a, at->trace[0]);
    show_copy("B", at->b, at->trace[1]);
    show_suspects(trace, copy);
    show_extent(at->trace[0], at->trace[1]);
    return CLI_DIFFER;
}

/* --- the other records --- */

static int by_text(const void *a, const void *b)
{
    const struct cli_line *const *x = a, *const *y = b;
    return strcmp((*x)->at, (*y)->at);
}

/* First and last record may differ; the order of the rest depends on threads. */
static size_t middle(const struct cli_trace *trace, const struct cli_line ***out)
{
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): a list of pointers */
    const struct cli_line **list = malloc((trace->n_lines + 1) * sizeof *list);
    size_t n = 0;
    if (!list)
        cli_die(CLI_TROUBLE, "no memory");
    for (size_t i = 0; i < trace->n_lines; i++)
        if (strcmp(trace->lines[i].type, DET_T_RUN) != 0 &&
            strcmp(trace->lines[i].type, DET_T_COST) != 0)
            list[n++] = &trace->lines[i];
    qsort(list, n, sizeof *list, by_text); /* NOLINT(bugprone-sizeof-expression): as above */
    *out = list;
    return n;
}

/* How many records stand on one side only; the first are shown. */
static size_t unpaired(const struct cli_trace traces[2], size_t *n_paired)
{
    const struct cli_line **a, **b;
    const size_t n_a = middle(&traces[0], &a), n_b = middle(&traces[1], &b);
    size_t i = 0, j = 0, n = 0;
    *n_paired = 0;
    while (i < n_a || j < n_b) {
        const int order = i == n_a ? 1 : j == n_b ? -1 : strcmp(a[i]->at, b[j]->at);
        const struct cli_line *const line = order <= 0 ? a[i] : b[j];
        i += order <= 0;
        j += order >= 0;
        if (order == 0) {
            ++*n_paired;
            continue;
        }
        if (n == 0)
            puts("DIFFER in other records; all copies agree");
        if (n++ < MOST_RECORDS)
            printf("  %s only   line %zu: %.300s\n", order < 0 ? "A" : "B", line->line, line->at);
    }
    free(a);
    free(b);
    if (n > MOST_RECORDS)
        printf("  +%zu more\n", n - MOST_RECORDS);
    return n;
}

/* --- verdict --- */

static void show_identical(const struct cli_trace traces[2], size_t n_records)
{
    size_t n = 0, n_not = 0;
    unsigned long long n_bytes = 0;
    const struct cli_trace *const less =
        traces[0].n_copies <= traces[1].n_copies ? &traces[0] : &traces[1];
    for (size_t i = 0; i < less->n_copies; i++) {
        const bool compared = cli_copy_compared(&less->copies[i]);
        n += compared;
        n_not += !compared;
        n_bytes += compared ? less->copies[i].n_bytes : 0;
    }
    printf("identical%s: %zu copies, %llu bytes",
        traces[0].complete && traces[1].complete ? "" : " as far as both logs go", n, n_bytes);
    if (n_not)
        printf("; %zu copies could not be compared", n_not);
    if (traces[0].complete && traces[1].complete)
        printf("; %zu other records", n_records);
    puts("");
    for (int side = 0; side < 2; side++)
        if (!traces[side].complete)
            printf("  %c has no end: its process was killed or left by _exit\n", 'A' + side);
    if (!n)
        puts("  no result was compared: run with DETSHIM_TRACE=digests");
}

static int compare(const struct cli_trace traces[2])
{
    struct cli_seen_at at = { 0 };
    size_t n_records = 0;
    if (!comparable(traces))
        return CLI_NOT_COMPARABLE;
    const enum cli_seen_verdict verdict = cli_trace_compare(&traces[0], &traces[1], true, &at);
    if (verdict != CLI_SEEN_SAME)
        return show_difference(&at);
    if (traces[0].complete && traces[1].complete && unpaired(traces, &n_records))
        return CLI_DIFFER;
    show_identical(traces, n_records);
    return CLI_SAME;
}

int cli_diff(int argc, char **argv)
{
    static const struct argp argp = { NULL, take, "A.jsonl B.jsonl",
        "Compare two logs of one program (DETSHIM_LOG, DETSHIM_TRACE=digests) and name the first "
        "record whose inputs agree and whose outputs differ.\v"
        "Of a file that holds several runs, the newest is taken. Exit status: 0 identical, 1 "
        "differ, 2 trouble, 3 not comparable.",
        NULL, NULL, NULL };
    struct request request = { .n = 0 };
    struct cli_trace traces[2];
    char why[512];
    argp_err_exit_status = CLI_TROUBLE;
    argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &request);
    for (int side = 0; side < 2; side++) {
        if (!cli_trace_read(request.path[side], 0, &traces[side], why, sizeof why)) {
            cli_say("%s", why);
            if (side)
                cli_trace_free(&traces[0]);
            return CLI_TROUBLE;
        }
        cli_trace_order(&traces[side]);
    }
    const int status = compare(traces);
    cli_trace_free(&traces[0]);
    cli_trace_free(&traces[1]);
    return status;
}
