/* One log record, filled key by key and written as JSON or as text by the same walk. No allocation. */
#ifndef DET_LOG_RECORD_H
#define DET_LOG_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "shim/core/bytes.h"

enum { DET_RECORD_BYTES = 8192 };

struct det_record {
    struct det_line line;
    bool json;
    char store[DET_RECORD_BYTES];
};

/** JSON: {"v":1,"t":"TYPE",…}; text: `detshim: TYPE key=value …`. */
void det_record_begin(struct det_record *record, bool json, const char *type);
/** NULL is written as null (text: left out). Bytes that are not UTF-8 become U+FFFD; texts that do not fit are
 *  cut so that the record stays valid. */
void det_record_text(struct det_record *record, const char *key, const char *value);
void det_record_u64(struct det_record *record, const char *key, uint64_t value);
void det_record_i64(struct det_record *record, const char *key, int64_t value);
void det_record_bool(struct det_record *record, const char *key, bool value);
/** Closes the record with a newline; record->line.at/.n is what to write. */
void det_record_end(struct det_record *record);

#endif
