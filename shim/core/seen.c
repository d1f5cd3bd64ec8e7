/* See seen.h. */
#include "shim/core/seen.h"

#include <stdatomic.h>

bool det_seen_first(struct det_seen *set, uint64_t hash)
{
    hash += hash == 0;
    for (uint64_t i = hash;; i++) {
        _Atomic uint64_t *slot = &set->slots[i % DET_SEEN_SLOTS];
        uint64_t there = atomic_load_explicit(slot, memory_order_relaxed);
        if (there == hash)
            return false;
        if (there)
            continue;
        if (atomic_load_explicit(&set->n, memory_order_relaxed) >= DET_SEEN_SLOTS / 4 * 3)
            return false;
        if (atomic_compare_exchange_strong(slot, &there, hash)) {
            atomic_fetch_add_explicit(&set->n, 1, memory_order_relaxed);
            return true;
        }
        if (there == hash)
            return false;
    }
}

bool det_seen_has(struct det_seen *set, uint64_t hash)
{
    hash += hash == 0;
    for (uint64_t i = hash;; i++) {
        const uint64_t there =
            atomic_load_explicit(&set->slots[i % DET_SEEN_SLOTS], memory_order_relaxed);
        if (there == hash || there == 0)
            return there == hash;
    }
}
