/* Inside shim/log/: the append-only table behind the ledger, the overrides, the notes and the counters. Entries are
 * found and added without a lock, live in memory of our own (no malloc), and are never removed. */
#ifndef DET_LOG_LEDGER_H
#define DET_LOG_LEDGER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shim/log/log.h"

enum det_what {
    DET_IS_ROW,
    DET_IS_OVERRIDE,
    DET_IS_KEPT,
    DET_IS_CONFLICT,
    DET_IS_NOTE,
    DET_IS_COUNTER,
    DET_N_WHAT
};

/** What tells two entries apart is everything here but `asked`. */
struct det_key {
    enum det_what what;
    enum det_class cls; /* rows only, else 0 */
    enum det_rule rule; /* DET_N_RULES: none */
    bool numeric;       /* asked and given are decimal numbers */
    const char *name;   /* kernel, call, text of a note, name of a counter */
    const char *field;  /* rows: "kernel" or "call"; overrides: what was changed */
    const char *given;  /* overrides: the new value; rows: the reason */
    const char *asked;  /* overrides: the value of the first time */
};

struct det_ledger_row {
    struct det_key key;
    struct det_ledger_row *next;  /* same bucket */
    struct det_ledger_row *older; /* all entries, newest first */
    uint64_t hash;
    _Atomic uint64_t n;
    bool loud; /* a hit has more to do than counting */
    bool arms; /* a hit arms strict mode */
    bool call; /* of a library call, not of a kernel */
};

/** Find or add; the texts are copied. Never NULL: entries that found no memory share one per `what` and class. */
struct det_ledger_row *det_ledger_find(const struct det_key *key);
/** Newest entry; follow `older`. */
struct det_ledger_row *det_ledger_newest(void);
/** All entries with a count, sorted by what, class (worst first), count (falling), name, field, given. Returns how
 *  many; *rows is mapped memory, give it back with det_ledger_sorted_free. NULL when there are none. */
size_t det_ledger_sorted(struct det_ledger_row ***rows);
void det_ledger_sorted_free(struct det_ledger_row **rows, size_t n);
/** All counts to zero (child after fork). */
void det_ledger_forget(void);
/** Rows, overrides or conflicts have been counted: the process is worth a summary. */
bool det_ledger_happened(void);
uint64_t det_ledger_count_what(enum det_what what);

#endif
