/* The text a person reads at the end, derived from the ledger alone. Used by the library at process end and by the
 * command line, which fills the ledger from the log of a killed process. */
#ifndef DET_LOG_SUMMARY_H
#define DET_LOG_SUMMARY_H

#include "shim/core/bytes.h"
#include "shim/policy/place.h"
#include "shim/policy/policy.h"

struct det_summary {
    const struct det_policy *policy;
    const struct det_place *place;
    const char *log;        /* path of the log, "" when there is none */
    const char *incomplete; /* NULL, or why there is no promise, e.g. "killed by signal 9" */
};

/** At most ten lines, each at most DET_SUMMARY_LINE bytes; nothing when nothing happened; one line for ranks other
 *  than 0, and only when something is unknown, uncovered or in conflict. */
void det_summary_text(const struct det_summary *of, struct det_line *out);
/** "run_to_run", "run_to_run except: a, b", "observe". Names are shortened; at most `most_names`. */
void det_summary_promise(const struct det_summary *of, unsigned most_names, struct det_line *out);
/** Strict mode's list: every row that ended the process, with count and reason; no limit but the line's. */
void det_summary_strict(const struct det_policy *policy, struct det_line *out);
/** Kernel name for people: the nested name of an Itanium-mangled symbol, "<...>" for template arguments; anything else
 *  as it is, cut after `most` bytes. */
void det_summary_name(const char *symbol, size_t most, struct det_line *out);

enum { DET_SUMMARY_LINE = 640, DET_SUMMARY_BYTES = 4096 };

#endif
