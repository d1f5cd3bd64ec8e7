/* DETSHIM_CHOICES: which algorithm a program's tuning ended with, kept in a file as text key -> text value, so that the next run
 * need not tune again, or tunes to the same end. Knows nothing of any library: a wrapper makes the key (problem, library version,
 * GPU name) and reads the value. Written by atomic rename with an end mark; what is not wholly ours is refused, never repaired. */
#ifndef DET_CHOICES_CHOICES_H
#define DET_CHOICES_CHOICES_H

#include <stdbool.h>
#include <stddef.h>

#include "detshim/err.h"
#include "shim/core/bytes.h"

enum { DET_CHOICES_KEY = 1024, DET_CHOICES_VALUE = 512 }; /* longest texts, with their NUL */

/* --- this process's file: first use opens it; all false while DETSHIM_CHOICES is unset, refused, or the level does not act */

/** record or auto: wrappers hand the program's tuner every deterministic candidate and note what it ends with. */
bool det_choices_recording(void);
/** replay or auto: wrappers look the problem up first. */
bool det_choices_replaying(void);
/** Replaying only: the value recorded under `key`, NUL-terminated, cut never (false when it does not fit). A miss is counted, and
 *  in mode replay the first one says so in one line; in mode auto the caller goes on as when recording. */
bool det_choices_find(const char *key, char *value, size_t cap_bytes);
/** Recording only: the choice for `key` is now `value`. A later one replaces it. Control characters become '_'; a text that is
 *  too long is not kept. In mode auto a key that the file held already keeps its value. */
void det_choices_note(const char *key, const char *value);
/** A replayed choice that the library refuses: one line; the caller falls back to the first deterministic one. */
void det_choices_gone(const char *call, const char *key);
/** At process end: write what was noted since the last write. */
void det_choices_finish(void);

/* --- the file format, pure */

struct det_choices_item;
struct det_choices {
    struct det_choices_item *items; /* hash table by key */
    unsigned n;
};
/** Parse a whole file into an empty table. DET_E_FORMAT when it is foreign, half-written or damaged; *why then says which. */
enum det_err det_choices_parse(
    struct det_choices *into, const char *data, size_t n_bytes, const char **why);
/** The whole file, keys in byte order, so that equal choices give equal files. */
void det_choices_print(const struct det_choices *choices, struct det_bytes *out);
/** NULL when absent. Valid until the key changes. */
const char *det_choices_get(const struct det_choices *choices, const char *key);
enum { DET_CHOICES_SAME, DET_CHOICES_CHANGED, DET_CHOICES_TOO_LONG };
int det_choices_put(struct det_choices *choices, const char *key, const char *value);
void det_choices_free(struct det_choices *choices);

#endif
