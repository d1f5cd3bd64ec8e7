/* "Was this seen before?" for 64-bit hashes: so that an observation is written once per distinct argument set. Lock-free, fixed size;
 * when full everything counts as seen, so that a log cannot grow without end. Zero-initialised sets are ready. */
#ifndef DET_CORE_SEEN_H
#define DET_CORE_SEEN_H

#include <stdbool.h>
#include <stdint.h>

enum { DET_SEEN_SLOTS = 1024 }; /* three quarters are used */
struct det_seen {
    _Atomic uint64_t slots[DET_SEEN_SLOTS];
    _Atomic uint32_t n;
};
/** True the first time. */
bool det_seen_first(struct det_seen *set, uint64_t hash);
/** Is it in the set? Adds nothing; a full set answers what it holds. */
bool det_seen_has(struct det_seen *set, uint64_t hash);

#endif
