/* The last records and the words on stderr. Runs in the library's destructor or in strict mode's end, once. */
#include "shim/log/finish.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "detshim/trace.h"
#include "shim/log/log.h"
#include "shim/log/sink.h"
#include "shim/log/summary.h"

static atomic_bool finished;

void det_finish_forget(void)
{
    atomic_store(&finished, false);
}

static void put_totals(struct det_ledger_row **rows, size_t n)
{
    static const char *const of[DET_N_WHAT] = { "", "override", "kept", "conflict", "warn", "" };
    struct det_record record;
    for (size_t i = 0; i < n; i++) {
        const struct det_key *key = &rows[i]->key;
        if (key->what == DET_IS_COUNTER)
            continue;
        det_record_begin(&record, true, DET_T_TOTAL);
        det_record_text(&record, "of", key->what == DET_IS_ROW ? key->field : of[key->what]);
        det_log_put_entry(&record, key);
        det_record_u64(&record, "n", rows[i]->n);
        det_record_end(&record);
        det_sink_put(&record);
    }
}

static void put_sum(const struct det_summary *of, bool ordered)
{
    struct det_record record;
    DET_LINE(promise, 2048);
    det_summary_promise(of, 20, &promise);
    det_record_begin(&record, true, DET_T_SUM);
    for (int cls = 0; cls < DET_N_CLASSES; cls++)
        det_record_u64(
            &record, det_class_word((enum det_class)cls), det_ledger_count((enum det_class)cls));
    det_record_u64(&record, "overrides", det_ledger_count_what(DET_IS_OVERRIDE));
    det_record_u64(&record, "conflicts", det_ledger_count_what(DET_IS_CONFLICT));
    det_record_text(&record, "promise", promise.at);
    det_record_bool(&record, "complete", true);
    if (!ordered)
        det_record_text(&record, "order", "as written");
    det_record_end(&record);
    det_sink_put(&record);
}

static void put_cost(struct det_ledger_row **rows, size_t n, const char *end)
{
    struct det_record record;
    det_record_begin(&record, true, DET_T_COST);
    det_record_u64(&record, "wall_ms", det_sink_age_ns() / 1000000);
    for (size_t i = 0; i < n; i++) {
        if (rows[i]->key.what == DET_IS_COUNTER)
            det_record_u64(&record, rows[i]->key.name, rows[i]->n);
    }
    det_record_text(&record, "end", end);
    det_record_end(&record);
    det_sink_put(&record);
}

static void close_log(const struct det_summary *of, const char *end)
{
    const bool ordered = det_sink_canonical();
    struct det_ledger_row **rows;
    const size_t n = det_ledger_sorted(&rows);
    put_totals(rows, n);
    put_sum(of, ordered);
    put_cost(rows, n, end);
    det_ledger_sorted_free(rows, n);
}

/* Nothing has to be said, and nothing is judged, where no hook ever fired. */
static bool silent(void)
{
    return !det_ledger_newest() || atomic_exchange(&finished, true) ||
           det_policy()->log_level == DET_LOG_OFF;
}

static struct det_summary describe(void)
{
    return (struct det_summary){ .policy = det_policy(),
        .place = det_sink_place(),
        .log = det_policy()->log[0] ? det_sink_path() : "" };
}

/* A loader's worker or a helper process that only drew random numbers: its parent speaks. */
static bool only_drew(void)
{
    const char *path = det_policy_env("DETSHIM_PATH", NULL);
    if (!path || !strchr(path, '.'))
        return false;
    for (int cls = 0; cls < DET_N_CLASSES; cls++)
        if (det_ledger_count((enum det_class)cls))
            return false;
    return !det_ledger_count_what(DET_IS_CONFLICT);
}

void det_log_finish(void)
{
    const int saved = errno;
    if (silent()) {
        errno = saved;
        return;
    }
    const struct det_summary of = describe();
    if (det_sink_ready() == DET_SINK_FILE && det_sink_path()[0])
        close_log(&of, "exit");
    DET_LINE(text, DET_SUMMARY_BYTES);
    if (!det_policy_env("DETSHIM_QUIET", NULL) && !only_drew()) /* detshim run --quiet */
        det_summary_text(&of, &text);
    det_sink_say(&text);
    det_sink_close();
    errno = saved;
}

void det_strict_end(void)
{
    if (!atomic_exchange(&finished, true)) {
        const struct det_summary of = describe();
        if (det_sink_ready() == DET_SINK_FILE)
            close_log(&of, "strict");
        DET_LINE(text, 64 * 1024);
        det_summary_strict(of.policy, &text);
        det_sink_say(&text);
    }
    _exit(4);
}
