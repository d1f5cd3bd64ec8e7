/* A bounded map from tables to launch numbers; see the header. */
#include "shim/cuda/cuda_past.h"

#include <string.h>

void det_past_note(struct det_past *past, uint64_t table, uint64_t number)
{
    for (unsigned i = 0; i < past->n; i++)
        if (past->at[i].table == table) {
            if (past->at[i].number < number)
                past->at[i].number = number;
            return;
        }
    if (past->n == DET_MAX_PAST)
        memmove(&past->at[0], &past->at[1], --past->n * sizeof past->at[0]);
    past->at[past->n].table = table;
    past->at[past->n++].number = number;
}

uint64_t det_past_number(const struct det_past *past, uint64_t table)
{
    for (unsigned i = 0; i < past->n; i++)
        if (past->at[i].table == table)
            return past->at[i].number;
    return 0;
}

void det_past_merge(struct det_past *past, const struct det_past *from)
{
    for (unsigned i = 0; i < from->n; i++)
        det_past_note(past, from->at[i].table, from->at[i].number);
}
