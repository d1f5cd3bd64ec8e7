/* Where the few functions and variables live that every process runs or touches at its start and end, CUDA or not: together, so that
 * a process that never uses the GPU maps two pages of us instead of a dozen (bench/RESULTS.md, process start). */
#ifndef DET_CORE_START_H
#define DET_CORE_START_H

#define DET_START_TEXT __attribute__((section(".text.startup.det")))
/* in .data even when zero: the last page of .data is written by the dynamic linker anyway */
#define DET_START_DATA __attribute__((section(".data.det_start")))

#endif
