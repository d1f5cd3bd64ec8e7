/* detshim report: what one or several logs say, for people. Ranks and processes are merged; counts are sums. Reads files only. */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/json.h"
#include "cli/trace.h"
#include "detshim/classes.h"
#include "detshim/trace.h"
#include "shim/core/bytes.h"
#include "shim/core/hash.h"
#include "shim/log/summary.h"
#include "shim/policy/policy.h"

enum { MOST_SHOWN = 20, MOST_PLACES = 8 };

/* One line of the report: equal keys are added up. */
struct row {
    char *key;
    char of[12], cls[12], rule[48];
    char *name, *detail; /* override: "field asked -> given"; row: the reason */
    unsigned long long n;
    bool at_least; /* a process left no totals */
    unsigned n_processes;
    uint64_t ranks[MOST_PLACES];
    UT_hash_handle hh;
};
struct report {
    struct row *rows;
    size_t n_logs, n_incomplete;
    uint64_t world;
    size_t n_copies, n_uncompared;
    unsigned long long n_bytes;
    char settings[160], program[80], why[80];
    bool mixed_settings, mixed_programs;
};

static void value_text(const struct cli_json *json, const char *key, struct det_bytes *to)
{
    const struct cli_json_field *field = cli_json_get(json, key);
    if (field && field->kind == CLI_JSON_INT)
        det_bytes_printf(
            to, "%s%llu", field->negative ? "-" : "", (unsigned long long)field->value);
    else
        det_bytes_text(to, cli_json_text(json, key));
}

static void add(struct report *report, const struct cli_json *json, const char *of, uint64_t n,
    bool at_least, uint64_t rank)
{
    const char *const rule = cli_json_text(json, "rule"), *const cls = cli_json_text(json, "class");
    const bool is_row = strcmp(of, "kernel") == 0 || strcmp(of, "call") == 0;
    const bool is_warn = strcmp(of, "warn") == 0;
    const char *const name = cli_json_text(json, is_row ? "name" : is_warn ? "msg" : "call");
    struct det_bytes detail = { 0 }, key = { 0 };
    struct row *row = NULL;
    if (is_row) {
        det_bytes_text(&detail, cli_json_text(json, "why"));
    } else if (!is_warn) {
        det_bytes_printf(&detail, "%s ", cli_json_text(json, "field"));
        value_text(json, "asked", &detail);
        det_bytes_text(&detail, strcmp(of, DET_T_OVERRIDE) == 0 ? " -> " : "");
        if (strcmp(of, DET_T_OVERRIDE) == 0)
            value_text(json, "given", &detail);
    }
    det_bytes_text(&detail, "");
    det_bytes_printf(
        &key, "%s\n%s\n%s\n%s\n%s", of, cls, rule, name, detail.data ? detail.data : "");
    if (det_bytes_check(&key) != DET_OK || det_bytes_check(&detail) != DET_OK)
        cli_die(CLI_TROUBLE, "no memory");
    if (detail.data)
        cli_trace_plain(detail.data);
    HASH_FIND_STR(report->rows, key.data, row);
    if (!row) {
        row = calloc(1, sizeof *row);
        if (!row || !(row->key = strdup(key.data)) || !(row->name = strdup(name)) ||
            !(row->detail = strdup(detail.data ? detail.data : "")))
            cli_die(CLI_TROUBLE, "no memory");
        cli_trace_plain(row->name);
        snprintf(row->of, sizeof row->of, "%s", of);
        snprintf(row->cls, sizeof row->cls, "%s", cls);
        snprintf(row->rule, sizeof row->rule, "%s", rule);
        HASH_ADD_KEYPTR(hh, report->rows, row->key, strlen(row->key), row);
    }
    row->n += n;
    row->at_least |= at_least;
    if (row->n_processes < MOST_PLACES)
        row->ranks[row->n_processes] = rank;
    row->n_processes++;
    det_bytes_free(&key);
    det_bytes_free(&detail);
}

/* Of a process without its end only first records exist: there was at least one. */
static void take_line(struct report *report, const struct cli_trace *trace,
    const struct cli_line *line, const struct cli_json *json)
{
    if (strcmp(line->type, DET_T_TOTAL) == 0) {
        add(report, json, cli_json_text(json, "of"), cli_json_u64(json, "n"), false, trace->rank);
    } else if (!trace->complete) {
        const char *action = cli_json_text(json, "action");
        const bool changed = strcmp(line->type, DET_T_OVERRIDE) == 0;
        const bool first = strcmp(line->type, DET_T_KERNEL) == 0 ||
                           strcmp(line->type, DET_T_CALL) == 0 ||
                           strcmp(line->type, DET_T_WARN) == 0;
        if (changed)
            add(report, json, strcmp(action, "changed") == 0 ? DET_T_OVERRIDE : action, 1, true,
                trace->rank);
        else if (first)
            add(report, json, line->type, 1, true, trace->rank);
    }
}

static void take_settings(struct report *report, const struct cli_json *json)
{
    char text[160];
    const struct cli_json_field *seed = cli_json_get(json, "seed");
    if (seed && seed->kind == CLI_JSON_INT)
        snprintf(text, sizeof text, "level %s, seed %llu", cli_json_text(json, "level"),
            (unsigned long long)seed->value);
    else
        snprintf(text, sizeof text, "level %s, no seed", cli_json_text(json, "level"));
    if (!*report->settings)
        snprintf(report->settings, sizeof report->settings, "%s", text);
    else
        report->mixed_settings |= strcmp(report->settings, text) != 0;
}

static void take_log(struct report *report, const struct cli_trace *trace)
{
    struct det_bytes text = { 0 };
    struct cli_json json;
    report->n_logs++;
    report->n_incomplete += !trace->complete;
    report->world = trace->world > report->world ? trace->world : report->world;
    if (!*report->program)
        snprintf(report->program, sizeof report->program, "%s", trace->exe);
    else
        report->mixed_programs |= strcmp(report->program, trace->exe) != 0;
    for (size_t i = 0; i < trace->n_lines; i++) {
        const struct cli_line *const line = &trace->lines[i];
        text.n_bytes = 0;
        det_bytes_append(&text, line->at, line->n_bytes);
        if (det_bytes_check(&text) != DET_OK || !cli_json_parse(text.data, &json))
            continue;
        if (strcmp(line->type, DET_T_ENV) == 0)
            take_settings(report, &json);
        take_line(report, trace, line, &json);
    }
    for (size_t i = 0; i < trace->n_copies; i++) {
        const bool compared = cli_copy_compared(&trace->copies[i]);
        report->n_copies += compared;
        report->n_uncompared += !compared;
        report->n_bytes += compared ? trace->copies[i].n_bytes : 0;
        if (!compared)
            snprintf(report->why, sizeof report->why, "%s", trace->copies[i].why);
    }
    det_bytes_free(&text);
}

/* Most first, then by name: the same logs give the same text in whatever order they are named. */
static int by_count(struct row *a, struct row *b)
{
    const int rule = strcmp(a->rule, b->rule);
    if (strcmp(a->of, "override") == 0 && rule)
        return rule;
    if (a->n != b->n)
        return a->n > b->n ? -1 : 1;
    return strcmp(a->key, b->key);
}

static void show_count(const struct row *row)
{
    printf("%s%llux", row->at_least ? "at least " : "", row->n);
}

static void show_ranks(const struct report *report, const struct row *row)
{
    bool same = true;
    for (unsigned i = 1; i < row->n_processes && i < MOST_PLACES; i++)
        same &= row->ranks[i] == row->ranks[0];
    if (report->world > 1 && same)
        printf(" [rank %llu]", (unsigned long long)row->ranks[0]);
    else if (report->world > 1 && row->n_processes < report->n_logs)
        printf(" [in %u of %zu processes]", row->n_processes, report->n_logs);
}

static void show_name(const struct row *row)
{
    DET_LINE(name, 256);
    det_summary_name(row->name, 200, &name);
    printf("    %s ", name.at);
    show_count(row);
}

static bool is_row(const struct row *row)
{
    return strcmp(row->of, "kernel") == 0 || strcmp(row->of, "call") == 0;
}

static const struct det_rule_info *rule_of(const char *slug)
{
    for (int rule = 0; rule < DET_N_RULES; rule++)
        if (strcmp(det_rule_info((enum det_rule)rule)->slug, slug) == 0)
            return det_rule_info((enum det_rule)rule);
    return NULL;
}

static unsigned long long count(const struct report *report, const char *cls)
{
    unsigned long long n = 0;
    for (const struct row *row = report->rows; row; row = row->hh.next)
        n += is_row(row) && strcmp(row->cls, cls) == 0 ? row->n : 0;
    return n;
}

static void show_ledger(const struct report *report)
{
    puts("\nledger");
    for (int cls = 0; cls < DET_N_CLASSES; cls++) {
        const char *const word = det_class_word((enum det_class)cls);
        printf("  %-10s %llu\n", word, count(report, word));
    }
}

/* Every name of a class; the two that break the promise with reason and place, all of them. */
static void show_class(const struct report *report, const char *cls, bool loud)
{
    size_t n = 0;
    for (const struct row *row = report->rows; row; row = row->hh.next) {
        if (!is_row(row) || strcmp(row->cls, cls) != 0)
            continue;
        if (!n++)
            printf("\n%s\n", cls);
        if (!loud && n > MOST_SHOWN)
            continue;
        show_name(row);
        if (*row->detail)
            printf(": %s", row->detail);
        if (*row->rule)
            printf(" (%s)", row->rule);
        show_ranks(report, row);
        puts("");
    }
    if (!loud && n > MOST_SHOWN)
        printf("    +%zu more\n", n - MOST_SHOWN);
}

static void show_changes(const struct report *report, const char *of, const char *title)
{
    const char *rule = NULL;
    for (const struct row *row = report->rows; row; row = row->hh.next) {
        if (strcmp(row->of, of) != 0)
            continue;
        if (!rule)
            printf("\n%s\n", title);
        if (*row->rule && (!rule || strcmp(rule, row->rule) != 0)) {
            const struct det_rule_info *const info = rule_of(row->rule);
            printf("  %s%s%s\n", row->rule, info ? ": " : "", info ? info->sentence : "");
        }
        rule = row->rule;
        show_name(row);
        printf(" %s", row->detail);
        show_ranks(report, row);
        puts("");
    }
}

static void show_warnings(const struct report *report)
{
    size_t n = 0;
    for (const struct row *row = report->rows; row; row = row->hh.next) {
        if (strcmp(row->of, "warn") != 0)
            continue;
        if (!n++)
            puts("\nwarnings");
        printf("    %s ", row->name);
        show_count(row);
        puts("");
    }
}

static void show_promise(const struct report *report)
{
    const unsigned long long open = count(report, "unknown") + count(report, "uncovered");
    if (strncmp(report->settings, "level run_to_run", 16) != 0)
        puts("promise    none: nothing was changed at this level");
    else if (report->mixed_settings)
        puts("promise    none: the processes ran under different settings");
    else if (report->n_incomplete)
        printf("promise    none: %zu of %zu logs have no end, counts are not known\n",
            report->n_incomplete, report->n_logs);
    else if (open)
        printf("promise    run_to_run except %llu launches and calls, named below\n", open);
    else
        puts("promise    run_to_run, for what these processes did on the GPU");
}

static void show(struct report *report)
{
    HASH_SORT(report->rows, by_count);
    printf("logs       %zu process%s%s of '%s'%s\n", report->n_logs,
        report->n_logs == 1 ? "" : "es", report->world > 1 ? " of several ranks" : "",
        report->program, report->mixed_programs ? " and other programs" : "");
    printf("settings   %s%s\n", report->settings,
        report->mixed_settings ? "; other processes had others" : "");
    show_promise(report);
    if (report->n_copies || report->n_uncompared) {
        printf("copies     %zu to the host, %llu bytes", report->n_copies, report->n_bytes);
        if (report->n_uncompared)
            printf("; %zu without a digest (%s)", report->n_uncompared, report->why);
        puts("");
    }
    show_ledger(report);
    show_class(report, "uncovered", true);
    show_class(report, "unknown", true);
    show_changes(report, "conflict", "conflicts: your setting breaks the promise");
    show_changes(report, "kept", "kept: your setting won");
    show_changes(report, DET_T_OVERRIDE, "overrides");
    show_class(report, "exact", false);
    show_class(report, "pinned", false);
    show_class(report, "vouched", false);
    show_class(report, "ordered", false);
    show_warnings(report);
}

static error_t take(int key, char *arg, struct argp_state *state)
{
    struct report *report = state->input;
    struct cli_trace trace;
    char why[512];
    switch (key) {
    case ARGP_KEY_ARG:
        if (!cli_trace_read(arg, 0, &trace, why, sizeof why))
            cli_die(CLI_TROUBLE, "%s", why);
        take_log(report, &trace);
        cli_trace_free(&trace);
        return 0;
    case ARGP_KEY_END:
        if (!report->n_logs)
            argp_error(state, "no log given");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int cli_report(int argc, char **argv)
{
    static const struct argp argp = { NULL, take, "FILE.jsonl...",
        "Say what one or several logs (DETSHIM_LOG) hold: the ledger by class, what is unknown or "
        "uncovered and why, overrides by rule. Several ranks or processes are added up.\v"
        "Of a file that holds several runs, the newest is taken. Exit status: 0, or 2 when a file "
        "cannot be read.",
        NULL, NULL, NULL };
    struct report report = { .n_logs = 0 };
    argp_err_exit_status = CLI_TROUBLE;
    argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &report);
    show(&report);
    return CLI_SAME;
}
