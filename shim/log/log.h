/* Events and the ledger. An event is filled once and written as text or JSON by one walk; one record is one
 * write(2). The summary at exit is derived from the ledger. Never prints in a process where nothing happened.
 * Callable from any wrapper at any time: no locks held across calls out, no errno change. */
#ifndef DET_LOG_LOG_H
#define DET_LOG_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "shim/policy/policy.h"

/** One change we made to one call. `call` is the exported name, `field` what was changed; texts may be NULL,
 *  then the numbers are printed. Counts per (call, rule, field, given); written according to the log level. */
void det_log_override(
    const char *call, enum det_rule rule, const char *field, long long asked, long long given);
void det_log_override_text(
    const char *call, enum det_rule rule, const char *field, const char *asked, const char *given);
/** The user's own setting won over a rule (`kept`), or breaks the promise (`conflict`, makes the run conflicted). */
void det_log_kept(const char *call, enum det_rule rule, const char *field, const char *value);
void det_log_conflict(const char *call, enum det_rule rule, const char *field, const char *value);
/** Something is wrong with an input or with us: one clear line per distinct text, counted. Format: det_line_printf. */
void det_log_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
/** Free-form record for the log file only, e.g. an entropy draw: kind and up to one subject and two numbers. */
void det_log_event(
    const char *kind, const char *subject, const char *detail, uint64_t a, uint64_t b);

/** Bytes that reached the host, or may have changed there (DETSHIM_TRACE=digests). Keys: docs/TRACE_FORMAT.md. */
struct det_log_copy {
    const char *call, *stream; /* stream: "legacy", "thread", or its name of this thread */
    const char *why;           /* not compared, and why; NULL: `digest` holds */
    uint64_t thread, n;        /* creating thread, its number of the copy */
    uint64_t n_bytes, digest;
    const char
        *after; /* name of the last launch or call of that thread before the copy; NULL: none */
    uint64_t launches; /* and how many there were */
};
/** Are copies wanted: does the trace ask for them, and is there a file? */
bool det_log_wants_copies(void);
void det_log_copy(const struct det_log_copy *copy);
/** The calling thread's last launch or call and how many it made; counted where copies are wanted. Lives as long as the
 *  process. */
const char *det_log_last(uint64_t *launches);
/** What is written from now on may come in another order in an equal run: the file is sorted when it is closed. */
void det_log_mixed(void);

/** A row of the ledger: everything of one kind, name, class, rule and reason. Rows live as long as the process. */
struct det_ledger_row;
/** Find or make a row. kind "kernel" or "call"; rule DET_N_RULES when none; reason "" or one line. Strings are
 *  copied. Never NULL (a shared overflow row when memory is out). */
struct det_ledger_row *det_ledger_row(
    const char *kind, const char *name, enum det_class cls, enum det_rule rule, const char *reason);
/** Count one launch or call: one relaxed atomic add. Hits of uncovered (and, strict 2, unknown) rows also arm the
 *  strict flag below. */
void det_ledger_hit(struct det_ledger_row *row);
/** Hits of "call" rows by this thread since the guard last set it (loader/guard.c): was the call under way counted? */
extern __thread uint32_t det_ledger_calls __attribute__((visibility("hidden")));
/** Move `n` hits from one row to another: a launch found uncovered after the fact (table full, foreign writer). */
void det_ledger_move(struct det_ledger_row *from, struct det_ledger_row *to, uint64_t n);
uint64_t det_ledger_count(enum det_class cls);
/** Counter that is not a class: "promotions", "waits", "special addends"; shown in the log's last record. */
void det_log_counter(const char *name, uint64_t add);

/** True when strict mode must end the process at the next synchronising call. */
bool det_strict_pending(void);
/** Print the whole list of what was uncovered, close the log, and _exit(4). */
_Noreturn void det_strict_end(void);

/** At process end, from the library's destructor: summary on stderr (design section 2) and last log record. */
void det_log_finish(void);
/** In the child after fork: forget the parent's counts, open a log of our own on first use. */
void det_log_fork_child(void);

#endif
