/* See sort.h. */
#include "shim/core/sort.h"

typedef int (*det_compare_fn)(const void *a, const void *b);

static void swap(void **items, size_t a, size_t b)
{
    void *kept = items[a];
    items[a] = items[b];
    items[b] = kept;
}

static void sink(void **items, size_t at, size_t n, det_compare_fn compare)
{
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && compare(items[child], items[child + 1]) < 0)
            child++;
        if (compare(items[at], items[child]) >= 0)
            return;
        swap(items, at, child);
    }
}

void det_sort(void **items, size_t n, det_compare_fn compare)
{
    for (size_t i = n / 2; i-- > 0;)
        sink(items, i, n, compare);
    for (size_t end = n; end-- > 1;) {
        swap(items, 0, end);
        sink(items, 0, end, compare);
    }
}
