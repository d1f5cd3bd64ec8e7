/* Where this process stands among others: host, rank, job, program. For file patterns, the first log record, and
 * "rank 0 only". Read from the environment the launchers set; the pid never enters a decision. */
#ifndef DET_POLICY_PLACE_H
#define DET_POLICY_PLACE_H

#include <stdbool.h>
#include <stdint.h>

#include "shim/core/bytes.h"

struct det_place {
    bool has_rank; /* false: not started by a known launcher; rank is 0 then */
    uint64_t rank, local_rank, world;
    char host[65];
    char exe[256]; /* base name of the executable */
    char job[65];  /* SLURM_JOB_ID, PBS_JOBID, LSB_JOBID or JOB_ID; "" when none */
};

/** Rank from RANK, OMPI_COMM_WORLD_RANK, PMIX_RANK, PMI_RANK, SLURM_PROCID, in this order. */
void det_place_read(
    struct det_place *out, const char *(*get)(const char *name, void *arg), void *arg);
/** Expand %h host, %p pid, %r rank, %l local rank, %x executable, %j job, %t start time (seconds), %%. */
void det_place_expand(const struct det_place *place, const char *pattern, uint64_t pid,
    uint64_t start_seconds, struct det_line *out);
/** True when every % of the pattern is one of those letters. */
bool det_place_pattern_ok(const char *pattern);

#endif
