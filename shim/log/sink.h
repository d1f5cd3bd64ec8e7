/* Inside shim/log/: where records go. Opened by the first record; one record is one write(2). */
#ifndef DET_LOG_SINK_H
#define DET_LOG_SINK_H

#include <stdbool.h>
#include <stdint.h>

#include "shim/log/record.h"
#include "shim/policy/place.h"

enum det_sink { DET_SINK_NONE, DET_SINK_STDERR, DET_SINK_FILE };

/** Where records of this process go; opens it when needed, writing the first two records. DET_SINK_NONE when none is
 *  wanted, it cannot be opened (one line said so), or this thread is already inside (a signal came). */
enum det_sink det_sink_ready(void);
/** Write a closed record, if anything is open. The descriptor is checked before use, since programs close and
 *  reuse descriptors they do not know; it is reopened by name when it is no longer ours. */
void det_sink_put(const struct det_record *record);
/** Put the records between the first and the end into canonical order, if several threads wrote. False when that
 *  was needed and could not be done. */
bool det_sink_canonical(void);
/** One thread wrote, but not in the same order in each run. */
void det_sink_mixed(void);
/** Absolute path of the log, "" when none; and nanoseconds since the first record. */
const char *det_sink_path(void);
uint64_t det_sink_age_ns(void);
const struct det_place *det_sink_place(void);
/** Nothing is written any more; libraries torn down after us may still call. */
void det_sink_close(void);
/** Child after fork: drop the parent's descriptor without touching its file. */
void det_sink_forget(void);
/** stderr, in one write. */
void det_sink_say(const struct det_line *text);

#endif
