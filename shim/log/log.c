/* Public face of the log: count, and write a record where the log level asks for one. */
#include "shim/log/log.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "detshim/trace.h"
#include "shim/core/once.h"
#include "shim/log/finish.h"
#include "shim/log/ledger.h"
#include "shim/log/record.h"
#include "shim/log/sink.h"

static atomic_bool strict_armed;
static __thread const char *last_name;
static __thread uint64_t last_number;

/* Number texts as numbers, so that readers need not guess. */
static void put_value(struct det_record *record, const char *key, const char *text, bool numeric)
{
    uint64_t value = 0;
    if (!numeric) {
        det_record_text(record, key, text);
        return;
    }
    for (const char *at = text + (*text == '-'); *at; at++)
        value = value * 10 + (uint64_t)(*at - '0');
    det_record_i64(record, key, *text == '-' ? (int64_t)(0 - value) : (int64_t)value);
}

void det_log_put_entry(struct det_record *record, const struct det_key *key)
{
    static const char *const actions[DET_N_WHAT] = {
        [DET_IS_OVERRIDE] = "changed", [DET_IS_KEPT] = "kept", [DET_IS_CONFLICT] = "conflict"
    };
    const char *rule = key->rule < DET_N_RULES ? det_rule_info(key->rule)->slug : NULL;
    switch (key->what) {
    case DET_IS_ROW:
        det_record_text(record, "name", key->name);
        det_record_text(record, "class", det_class_word(key->cls));
        det_record_text(record, "rule", rule);
        det_record_text(record, "why", key->given[0] ? key->given : NULL);
        break;
    case DET_IS_NOTE:
        det_record_text(record, "msg", key->name);
        break;
    case DET_IS_COUNTER:
        det_record_text(record, "name", key->name);
        break;
    default:
        det_record_text(record, "call", key->name);
        det_record_text(record, "rule", rule);
        det_record_text(record, "field", key->field);
        put_value(record, "asked", key->asked, key->numeric);
        put_value(record, "given", key->given, key->numeric);
        det_record_text(record, "action", actions[key->what]);
    }
}

static void write_entry(const struct det_key *key, const char *type)
{
    const enum det_sink sink = det_sink_ready();
    if (sink == DET_SINK_NONE)
        return;
    struct det_record record;
    det_record_begin(&record, sink == DET_SINK_FILE, type);
    det_log_put_entry(&record, key);
    det_record_end(&record);
    det_sink_put(&record);
}

static void change(enum det_what what, const char *call, enum det_rule rule, const char *field,
    const char *asked, const char *given, bool numeric)
{
    struct det_key key = { what, (enum det_class)0, rule, numeric, call, field, given ? given : "",
        asked ? asked : "" };
    struct det_ledger_row *row = det_ledger_find(&key);
    const bool first = atomic_fetch_add_explicit(&row->n, 1, memory_order_relaxed) == 0;
    if (first || det_policy()->log_level >= DET_LOG_OVERRIDE)
        write_entry(&key, DET_T_OVERRIDE);
}

void det_log_override(
    const char *call, enum det_rule rule, const char *field, long long asked, long long given)
{
    DET_LINE(before, 24);
    DET_LINE(after, 24);
    det_line_i64(&before, asked);
    det_line_i64(&after, given);
    change(DET_IS_OVERRIDE, call, rule, field, before.at, after.at, true);
}

void det_log_override_text(
    const char *call, enum det_rule rule, const char *field, const char *asked, const char *given)
{
    change(DET_IS_OVERRIDE, call, rule, field, asked, given, false);
}

void det_log_kept(const char *call, enum det_rule rule, const char *field, const char *value)
{
    change(DET_IS_KEPT, call, rule, field, value, value, false);
}

void det_log_conflict(const char *call, enum det_rule rule, const char *field, const char *value)
{
    change(DET_IS_CONFLICT, call, rule, field, value, value, false);
}

void det_log_note(const char *format, ...)
{
    const int saved = errno;
    DET_LINE(text, 1024);
    va_list args;
    va_start(args, format);
    det_line_vprintf(&text, format, args);
    va_end(args);
    const struct det_key key = { DET_IS_NOTE, (enum det_class)0, DET_N_RULES, false,
        text.n ? text.at : "", "", "", "" };
    struct det_ledger_row *row = det_ledger_find(&key);
    const bool first = atomic_fetch_add_explicit(&row->n, 1, memory_order_relaxed) == 0;
    if (first && det_policy()->log_level != DET_LOG_OFF) {
        const enum det_sink sink = det_sink_ready();
        if (sink == DET_SINK_FILE)
            write_entry(&key, DET_T_WARN);
        if (det_once_per_tree(key.name)) {
            DET_LINE(line, 1100);
            det_line_printf(&line, "detshim: %s\n", key.name);
            det_sink_say(&line);
        }
    }
    errno = saved;
}

void det_log_event(
    const char *kind, const char *subject, const char *detail, uint64_t a, uint64_t b)
{
    const enum det_sink sink = det_sink_ready();
    if (sink == DET_SINK_NONE ||
        (sink == DET_SINK_STDERR && det_policy()->log_level < DET_LOG_OVERRIDE))
        return;
    struct det_record record;
    det_record_begin(&record, sink == DET_SINK_FILE, kind);
    det_record_text(&record, "subject", subject);
    det_record_text(&record, "detail", detail);
    det_record_u64(&record, "a", a);
    det_record_u64(&record, "b", b);
    det_record_end(&record);
    det_sink_put(&record);
}

void det_log_counter(const char *name, uint64_t add)
{
    const struct det_key key = { DET_IS_COUNTER, (enum det_class)0, DET_N_RULES, false, name, "",
        "", "" };
    atomic_fetch_add_explicit(&det_ledger_find(&key)->n, add, memory_order_relaxed);
}

struct det_ledger_row *det_ledger_row(
    const char *kind, const char *name, enum det_class cls, enum det_rule rule, const char *reason)
{
    const struct det_key key = { DET_IS_ROW, cls, rule, false, name ? name : "", kind,
        reason ? reason : "", "" };
    return det_ledger_find(&key);
}

/* Out of line: the first hit of a row, rows that arm strict mode, DETSHIM_LOG_LEVEL=call and DETSHIM_TRACE=digests. */
static __attribute__((noinline, cold)) void loud_hit(struct det_ledger_row *row, bool first)
{
    const int saved = errno;
    if (row->arms)
        atomic_store(&strict_armed, true);
    const bool kernel = strcmp(row->key.field, "kernel") == 0;
    last_name = row->key.name;
    last_number++;
    if (first)
        write_entry(&row->key, kernel ? DET_T_KERNEL : DET_T_CALL);
    if (det_policy()->log_level == DET_LOG_CALL)
        write_entry(&row->key, DET_T_HIT);
    errno = saved;
}

const char *det_log_last(uint64_t *launches)
{
    *launches = last_number;
    return last_name;
}

bool det_log_wants_copies(void)
{
    if (det_policy()->trace < DET_TRACE_DIGESTS)
        return false;
    if (det_sink_ready() != DET_SINK_NONE)
        return true;
    static atomic_bool said;
    if (!det_policy()->log[0] && !atomic_exchange(&said, true))
        det_log_note("DETSHIM_TRACE has no effect without DETSHIM_LOG");
    return false;
}

void det_log_copy(const struct det_log_copy *copy)
{
    const enum det_sink sink = det_sink_ready();
    struct det_record record;
    DET_LINE(digest, 17);
    if (sink == DET_SINK_NONE)
        return;
    det_line_hex(&digest, copy->digest, 16);
    det_record_begin(&record, sink == DET_SINK_FILE, DET_T_COPY);
    det_record_u64(&record, "thread", copy->thread);
    det_record_u64(&record, "n", copy->n);
    det_record_text(&record, "stream", copy->stream);
    det_record_text(&record, "call", copy->call);
    det_record_u64(&record, "bytes", copy->n_bytes);
    det_record_text(&record, "digest", copy->why ? NULL : digest.at);
    det_record_text(&record, "why", copy->why);
    det_record_text(&record, "after", copy->after);
    det_record_u64(&record, "launches", copy->launches);
    det_record_end(&record);
    det_sink_put(&record);
}

void det_log_mixed(void)
{
    det_sink_mixed();
}

__thread uint32_t det_ledger_calls;

void det_ledger_hit(struct det_ledger_row *row)
{
    det_ledger_calls += row->call;
    const uint64_t before = atomic_fetch_add_explicit(&row->n, 1, memory_order_relaxed);
    if (__builtin_expect(before == 0 || row->loud, 0))
        loud_hit(row, before == 0);
}

void det_ledger_move(struct det_ledger_row *from, struct det_ledger_row *to, uint64_t n)
{
    const char *const name = last_name;
    const uint64_t number = last_number;
    if (!n)
        return;
    atomic_fetch_sub_explicit(&from->n, n, memory_order_relaxed);
    const uint64_t before = atomic_fetch_add_explicit(&to->n, n, memory_order_relaxed);
    if (before == 0 || to->arms)
        loud_hit(to, before == 0);
    last_name = name; /* nothing was launched */
    last_number = number;
}

bool det_strict_pending(void)
{
    return atomic_load_explicit(&strict_armed, memory_order_acquire);
}

void det_log_fork_child(void)
{
    atomic_store(&strict_armed, false);
    det_ledger_forget();
    det_sink_forget();
    det_finish_forget();
}
