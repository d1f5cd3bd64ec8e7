/* An accumulator table in host memory, for tests of the C twin and of the software GPU (whose device memory is host memory). */
#ifndef TEST_SUPPORT_ACC_TABLE_H
#define TEST_SUPPORT_ACC_TABLE_H

#include <stdbool.h>

#include "replacements/accumulator.h"

struct table {
    struct det_acc_layout layout;
    unsigned char *memory;
    struct det_acc_head *head;
    struct det_acc_report report;
};
/** Aborts when memory is short. */
struct table table_open(uint32_t slots, uint32_t flags);
void table_close(struct table *table);
/** As det_acc_layout.total_bytes promises after a fold. */
bool table_is_zero(const struct table *table);
struct det_acc_counters *table_counters(const struct table *table);
struct det_acc_entry *table_entries(const struct table *table);
uint64_t *table_bins(const struct table *table, uint32_t slot);
/** Do both hold the same sums: the same keys with the same states and bins, whatever the slots? */
bool table_same_sums(const struct table *a, const struct table *b);

#endif
