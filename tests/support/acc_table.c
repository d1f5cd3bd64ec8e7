/* See acc_table.h. */
#include "tests/support/acc_table.h"

#include <stdlib.h>
#include <string.h>

struct table table_open(uint32_t slots, uint32_t flags)
{
    struct table t = { 0 };
    if (det_acc_plan(slots, 0, &t.layout) != DET_OK)
        abort();
    t.memory = aligned_alloc(256, (t.layout.total_bytes + 255) / 256 * 256);
    if (!t.memory)
        abort();
    memset(t.memory, 0, t.layout.total_bytes);
    t.head = (struct det_acc_head *)(t.memory + t.layout.head_at);
    det_acc_head_fill(&t.layout, (uint64_t)(uintptr_t)t.memory, 0, flags, t.head);
    return t;
}

void table_close(struct table *t)
{
    free(t->memory);
    memset(t, 0, sizeof *t);
}

bool table_is_zero(const struct table *t)
{
    for (size_t i = t->layout.counters_at; i < t->layout.total_bytes; i++)
        if (t->memory[i] && (i < t->layout.dirty_at || i >= t->layout.bins_at))
            return false;
    return true;
}

struct det_acc_counters *table_counters(const struct table *t)
{
    return (struct det_acc_counters *)(t->memory + t->layout.counters_at);
}

struct det_acc_entry *table_entries(const struct table *t)
{
    return (struct det_acc_entry *)(t->memory + t->layout.entries_at);
}

uint64_t *table_bins(const struct table *t, uint32_t slot)
{
    return (uint64_t *)(t->memory + t->layout.bins_at) + (size_t)slot * DET_ACC_SLOT_WORDS;
}

bool table_same_sums(const struct table *a, const struct table *b)
{
    uint32_t n_a = 0, n_b = 0;
    for (uint32_t i = 0; i < b->layout.n_slots; i++)
        n_b += table_entries(b)[i].key != 0;
    for (uint32_t i = 0; i < a->layout.n_slots; i++) {
        const struct det_acc_entry entry = table_entries(a)[i];
        uint32_t k = 0;
        if (entry.key == 0)
            continue;
        n_a++;
        while (k < b->layout.n_slots && table_entries(b)[k].key != entry.key)
            k++;
        if (k == b->layout.n_slots || table_entries(b)[k].state != entry.state)
            return false;
        if (memcmp(table_bins(a, i), table_bins(b, k), DET_ACC_SLOT_WORDS * sizeof(uint64_t)) != 0)
            return false;
    }
    return n_a == n_b;
}
