/* Sorting without allocation: qsort of glibc before 2.37 may call malloc. */
#ifndef DET_CORE_SORT_H
#define DET_CORE_SORT_H

#include <stddef.h>

/** Heap sort of pointers, rising by `compare` (< 0, 0, > 0). Not stable: let `compare` be total. */
void det_sort(void **items, size_t n, int (*compare)(const void *a, const void *b));

#endif
