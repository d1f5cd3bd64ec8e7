/* Small text helpers without locale: parse numbers, match globs, measure likeness of names. */
#ifndef DET_CORE_TEXT_H
#define DET_CORE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Decimal or 0x… up to 2^64−1, the whole string; false when it is anything else (blank, sign, overflow). */
bool det_text_u64(const char *text, uint64_t *value);
/** Shell-like match of the whole text: `*`, `?`; no classes, no escapes. */
bool det_text_glob(const char *pattern, const char *text);
/** Is `text` matched by one pattern of a list separated by commas, colons or spaces? Empty list: false. */
bool det_text_in_list(const char *list, const char *text);
/** Edit distance, for "did you mean"; caps at 255. */
unsigned det_text_distance(const char *a, const char *b);

#endif
