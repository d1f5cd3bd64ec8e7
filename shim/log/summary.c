/* See summary.h. */
#include "shim/log/summary.h"

#include <string.h>

#include "shim/log/ledger.h"

enum { MOST_LINES = 7, MOST_NAME = 60, NAMES_ON_LINE = 4 };

struct rows {
    struct det_ledger_row **at;
    size_t n;
};

/* Breaks the promise: uncovered, unknown, or a setting of the user's own that does. */
static bool breaks(const struct det_ledger_row *row)
{
    return row->key.what == DET_IS_CONFLICT ||
           (row->key.what == DET_IS_ROW && row->key.cls >= DET_CLASS_UNKNOWN);
}

static bool acted(const struct det_summary *of, const struct det_ledger_row *row)
{
    if (row->key.what == DET_IS_OVERRIDE)
        return true;
    const bool ours = row->key.cls == DET_CLASS_EXACT || row->key.cls == DET_CLASS_PINNED;
    return row->key.what == DET_IS_ROW && row->key.rule < DET_N_RULES &&
           (ours || of->policy->level == DET_LEVEL_OBSERVE);
}

/* Sorted rows have kernels of one name in several places (reasons): each name once. */
static bool named_before(const struct rows *rows, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (breaks(rows->at[i]) && strcmp(rows->at[i]->key.name, rows->at[at]->key.name) == 0)
            return true;
    }
    return false;
}

static void promise(const struct det_summary *of, const struct rows *rows, unsigned most_names,
    struct det_line *out)
{
    if (of->incomplete) {
        det_line_printf(out, "incomplete, no promise: %s", of->incomplete);
        return;
    }
    if (of->policy->level == DET_LEVEL_OBSERVE) {
        det_line_text(out, "observe, nothing changed");
        return;
    }
    det_line_text(out, "run_to_run");
    unsigned n = 0;
    for (size_t i = 0; i < rows->n; i++) {
        if (!breaks(rows->at[i]) || named_before(rows, i))
            continue;
        if (n < most_names) {
            det_line_text(out, n ? ", " : " except: ");
            det_summary_name(rows->at[i]->key.name, MOST_NAME, out);
        }
        n++;
    }
    if (n > most_names)
        det_line_printf(out, " and %u more", n - most_names);
}

void det_summary_promise(const struct det_summary *of, unsigned most_names, struct det_line *out)
{
    struct rows rows;
    rows.n = det_ledger_sorted(&rows.at);
    promise(of, &rows, most_names, out);
    det_ledger_sorted_free(rows.at, rows.n);
}

static void first_line(const struct det_summary *of, const struct rows *rows, struct det_line *out)
{
    DET_LINE(line, DET_SUMMARY_LINE);
    det_line_text(&line, "detshim: ");
    promise(of, rows, NAMES_ON_LINE, &line);
    det_line_text(&line, " (this process");
    if (of->place->has_rank)
        det_line_printf(&line, ", rank %llu", (unsigned long long)of->place->rank);
    if (of->policy->has_seed)
        det_line_printf(&line, "), seed %llu:", (unsigned long long)of->policy->seed);
    else
        det_line_text(&line, "), no seed:");
    for (int cls = 0; cls < DET_N_CLASSES; cls++)
        det_line_printf(&line, "%s %llu %s", cls ? "," : "",
            (unsigned long long)det_ledger_count((enum det_class)cls),
            det_class_word((enum det_class)cls));
    if (of->incomplete)
        det_line_text(&line, " (distinct, not launches)");
    det_line_bytes(out, line.at, line.n);
    det_line_text(out, "\n");
}

static void row_line(const struct det_ledger_row *row, struct det_line *out)
{
    const struct det_key *key = &row->key;
    DET_LINE(line, 240);
    det_line_text(&line, "detshim:   ");
    if (key->what == DET_IS_ROW)
        det_line_printf(&line, "%s ", det_class_word(key->cls));
    if (key->what == DET_IS_CONFLICT)
        det_line_text(&line, "conflict ");
    if (key->rule < DET_N_RULES)
        det_line_printf(&line, "%s ", det_rule_info(key->rule)->slug);
    det_summary_name(key->name, MOST_NAME, &line);
    if (key->what == DET_IS_OVERRIDE)
        det_line_printf(&line, " %s %s -> %s", key->field, key->asked, key->given);
    if (key->what == DET_IS_CONFLICT)
        det_line_printf(&line, " %s %s is your setting", key->field, key->given);
    det_line_printf(&line, " %llux", (unsigned long long)row->n);
    if (key->what == DET_IS_ROW && key->given[0])
        det_line_printf(&line, ": %s", key->given);
    det_line_bytes(out, line.at, line.n);
    det_line_text(out, "\n");
}

/* What breaks the promise first, at most four of it when there are overrides to show as well. */
static void body(const struct det_summary *of, const struct rows *rows, struct det_line *out)
{
    size_t n_bad = 0, n_acted = 0, shown = 0;
    for (size_t i = 0; i < rows->n; i++) {
        n_bad += breaks(rows->at[i]);
        n_acted += !breaks(rows->at[i]) && acted(of, rows->at[i]);
    }
    const size_t kept_free = n_acted < 3 ? n_acted : 3;
    for (unsigned pass = 0; pass < 2; pass++) {
        const size_t most = pass == 0 ? MOST_LINES - kept_free : MOST_LINES;
        for (size_t i = 0; i < rows->n && shown < most; i++) {
            const bool bad = breaks(rows->at[i]);
            if (pass == 0 ? bad : !bad && acted(of, rows->at[i])) {
                row_line(rows->at[i], out);
                shown++;
            }
        }
    }
    if (n_bad + n_acted > shown)
        det_line_printf(out, "detshim:   +%zu more: DETSHIM_LOG=file\n", n_bad + n_acted - shown);
}

void det_summary_text(const struct det_summary *of, struct det_line *out)
{
    if (!det_ledger_happened())
        return;
    struct rows rows;
    rows.n = det_ledger_sorted(&rows.at);
    const bool bad = det_ledger_count(DET_CLASS_UNKNOWN) || det_ledger_count(DET_CLASS_UNCOVERED) ||
                     det_ledger_count_what(DET_IS_CONFLICT);
    if (of->place->rank == 0 || bad || of->incomplete)
        first_line(of, &rows, out);
    if (of->place->rank == 0 && of->log[0]) {
        det_line_printf(out, "detshim:   log: %s\n", of->log);
    } else if (of->place->rank == 0) {
        body(of, &rows, out);
        det_line_text(out, "detshim:   not seen: host threads and CPU arithmetic, races by plain "
                           "stores, reads of unwritten memory, polling host code\n");
    }
    det_ledger_sorted_free(rows.at, rows.n);
}

void det_summary_strict(const struct det_policy *policy, struct det_line *out)
{
    struct rows rows;
    rows.n = det_ledger_sorted(&rows.at);
    det_line_printf(out,
        "detshim: DETSHIM_STRICT=%d: ending with status 4 before results that may "
        "differ reach the host\n",
        policy->strict);
    for (size_t i = 0; i < rows.n; i++) {
        const struct det_key *key = &rows.at[i]->key;
        if (key->what == DET_IS_ROW && (key->cls == DET_CLASS_UNCOVERED ||
                                           (key->cls == DET_CLASS_UNKNOWN && policy->strict >= 2)))
            row_line(rows.at[i], out);
    }
    if (out->cut && out->n > 4)
        memcpy(out->at + out->n - 4, "...\n", 4);
    det_ledger_sorted_free(rows.at, rows.n);
}
