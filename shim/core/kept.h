/* What a program set, by handle: so that a pinned mode's getter still answers what the program set. Small values under (handle,
 * field); forgotten when the handle is destroyed. Zero-initialised maps are ready. Thread-safe; never blocks for long: after a fork
 * with the lock held it gives up, and the getter falls back to the library's own answer. */
#ifndef DET_CORE_KEPT_H
#define DET_CORE_KEPT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct det_kept_item;
struct det_kept {
    struct det_kept_item *items;
    atomic_flag busy;
};

void det_kept_set(struct det_kept *map, const void *handle, unsigned field, int64_t value);
bool det_kept_get(struct det_kept *map, const void *handle, unsigned field, int64_t *value);
/** Forget every field below `n_fields` of a destroyed handle. */
void det_kept_drop(struct det_kept *map, const void *handle, unsigned n_fields);

#endif
