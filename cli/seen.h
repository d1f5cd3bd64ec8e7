/* What the copies of one run of a program showed, over all of its processes, and whether two runs showed the same. */
#ifndef DET_CLI_SEEN_H
#define DET_CLI_SEEN_H

#include "cli/kept.h"
#include "cli/trace.h"

struct cli_seen_process {
    struct cli_trace trace;
    uint64_t order; /* among processes of the same program and rank */
};
struct cli_seen {
    struct cli_seen_process *processes;
    size_t n_processes, n_compared, n_uncompared;
    uint64_t n_bytes;
    const char *why; /* of one that could not be compared */
};
void cli_seen_log(struct cli_seen *seen, const struct cli_log *log);
/** After the last log. */
void cli_seen_ready(struct cli_seen *seen);

enum cli_seen_verdict {
    CLI_SEEN_SAME,
    CLI_SEEN_OTHERS, /* all that both have agrees, but one made other copies */
    CLI_SEEN_DIFFER
};
/** Where two traces of one program part; `a`, `b`: the copies there, NULL on a side that has no more. */
struct cli_seen_at {
    const struct cli_trace *trace[2];
    const struct cli_copy *a, *b;
};
/** Two traces in canonical order. open_end: what a log without its end lacks tells nothing. at (may be NULL): the first place
 *  that makes the verdict. Where a thread makes other copies, the rest of it is not compared. */
enum cli_seen_verdict cli_trace_compare(
    const struct cli_trace *a, const struct cli_trace *b, bool open_end, struct cli_seen_at *at);
enum cli_seen_verdict cli_seen_compare(
    const struct cli_seen *a, const struct cli_seen *b, struct cli_seen_at *at);
/** The first difference in words. */
void cli_seen_first(const struct cli_seen *a, const struct cli_seen *b, char *to, size_t cap_bytes);

#endif
