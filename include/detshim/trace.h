/* Words of the JSON-lines log, shared by the library that writes it and the command line that reads it.
 * The meaning of each record and key stands in docs/TRACE_FORMAT.md. */
#ifndef DETSHIM_TRACE_H
#define DETSHIM_TRACE_H

/** Raised only when a reader of the older version would misunderstand. Unknown keys and types are to be skipped. */
#define DET_TRACE_VERSION 1

/* Record types ("t"). Only RUN and COST may differ between two equal runs. */
#define DET_T_RUN    "run"    /* first: clock, host, pid, program */
#define DET_T_ENV    "env"    /* second: the settings in force */
#define DET_T_KERNEL "kernel" /* first launch of a kernel in this class */
#define DET_T_CALL   "call"   /* first use of a library call in this class */
#define DET_T_HIT    "hit"    /* one launch or call; DETSHIM_LOG_LEVEL=call only */
#define DET_T_OVERRIDE                                                                             \
    "override"              /* a change we made, a setting we kept, or a conflict: see "action" */
#define DET_T_WARN  "warn"  /* something is wrong with an input or with us */
#define DET_T_COPY  "copy"  /* bytes that reached the host; DETSHIM_TRACE=digests */
#define DET_T_TOTAL "total" /* at the end: a row of the ledger or an override with its count */
#define DET_T_SUM   "sum"   /* counts by class, the promise; missing when the process was killed */
#define DET_T_COST  "cost"  /* last: time, counters, how the process ended */

/* "stream" of a copy: of the driver's own streams these, of others s1, s2, … in the order the thread used them; "memory" when
 * no copy call brought the bytes. */
#define DET_T_LEGACY "legacy"
#define DET_T_THREAD "thread"
#define DET_T_MEMORY "memory"

#endif
