/* What is known to run before something: per accumulator table the number of its last launch that does. Moved from streams
 * to events and on, as the program records and waits. Pure. */
#ifndef DET_CUDA_PAST_H
#define DET_CUDA_PAST_H

#include <stdint.h>

enum { DET_MAX_PAST = 24 };
struct det_past {
    struct {
        uint64_t table, number;
    } at[DET_MAX_PAST];
    unsigned n;
};

/** Launches of `table` up to `number` run before. Where there is no room the oldest entry is forgotten: less is known then,
 *  never more. */
void det_past_note(struct det_past *past, uint64_t table, uint64_t number);
/** Up to which launch of `table`; 0: none. */
uint64_t det_past_number(const struct det_past *past, uint64_t table);
/** All that `from` knows. */
void det_past_merge(struct det_past *past, const struct det_past *from);

#endif
