/* Logs kept for us while a program runs: one per process, in a scratch folder named by DETSHIM_KEEP. What a killed
 * process leaves behind is still complete to its last record. */
#ifndef DET_CLI_KEPT_H
#define DET_CLI_KEPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "detshim/classes.h"

struct cli_kept {
    char folder[128]; /* "" when none could be made */
};
void cli_kept_open(struct cli_kept *kept);  /* makes the folder and sets DETSHIM_KEEP */
void cli_kept_close(struct cli_kept *kept); /* removes both */

/** The block of one process in a log file. */
struct cli_log {
    char path[256];
    long pid;
    uint64_t rank, world;
    bool complete, running; /* has its last record; its process still holds the file */
    char end[16];           /* "exit", "strict", "" */
    char promise[2100];
    uint64_t n[DET_N_CLASSES];
    uint64_t middle; /* hash of all records between the first and the last */
    size_t n_records;
};
/** Calls `each` for every log, by rising pid. Returns how many. */
size_t cli_kept_logs(
    const struct cli_kept *kept, void (*each)(const struct cli_log *log, void *arg), void *arg);
/** stderr: the summary of a process that did not write its last record, marked as incomplete. */
void cli_kept_incomplete(const struct cli_log *log, const char *why);

#endif
