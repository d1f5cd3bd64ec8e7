/* A log file as the library wrote it, read into memory: the newest run in it, its copies parsed, its other records as lines.
 * Used by check, diff and report. */
#ifndef DET_CLI_TRACE_H
#define DET_CLI_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shim/core/bytes.h"

/** A "copy" record. Texts are shared and live as long as this process. */
struct cli_copy {
    uint64_t thread, n, n_bytes, launches;
    uint64_t place;                     /* of its thread, whatever number it got: cli_trace_order */
    const char *stream, *call, *digest; /* digest: "" when not compared */
    const char *why, *after;
    size_t line;
};
struct cli_line {
    const char *at; /* NUL-terminated, without its newline */
    size_t n_bytes, line;
    char type[16];
};
struct cli_trace {
    struct det_bytes text;
    struct cli_copy *copies;
    struct cli_line *lines; /* of all other types, as written */
    size_t n_copies, n_lines, n_runs;
    uint64_t rank, world;
    const char *exe, *end; /* end: "" when the last record is missing */
    bool complete;
};

/** Read the newest run in the file, or the newest of process `pid` if that is not 0. False with one clear line in `why`.
 *  A torn last line, as a full disk leaves it, is not an error. */
bool cli_trace_read(const char *path, long pid, struct cli_trace *out, char *why, size_t cap_bytes);
void cli_trace_free(struct cli_trace *trace);
/** Put copies into canonical order: by thread, then number. Threads that raced for their numbers are told apart by what
 *  they copied, so equal runs get equal places. */
void cli_trace_order(struct cli_trace *trace);
/** For a terminal: control characters become '?'. */
void cli_trace_plain(char *text);
/** Is there something that an equal run must show again? Both have a digest. */
bool cli_copy_compared(const struct cli_copy *copy);

#endif
