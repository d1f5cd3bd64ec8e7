/* Inside shim/log/: the end of a log. */
#ifndef DET_LOG_FINISH_H
#define DET_LOG_FINISH_H

#include "shim/log/ledger.h"
#include "shim/log/record.h"

/** The keys of one entry, as in its first record and its total. */
void det_log_put_entry(struct det_record *record, const struct det_key *key);
/** A forked child ends by itself. */
void det_finish_forget(void);

#endif
