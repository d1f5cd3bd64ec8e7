/* What every library double shares. A double is a vendor library's API over software-GPU memory (a device pointer is a host
 * pointer): it computes real results, ORDER-DEPENDENT BY DEFAULT, ordered only under arguments for which vendor text says so,
 * records its calls, and returns any status on demand. Work is queued on the caller's stream by cuLaunchHostFunc of the loaded driver, so that
 * capture and stream order are the software GPU's. Knows nothing of detshim. */
#ifndef DOUBLES_DOUBLE_H
#define DOUBLES_DOUBLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DOUBLE_API __attribute__((visibility("default")))

/** Queue `run(arg)` on the stream (NULL: the legacy stream); arg is freed with free() afterwards. False when the driver refused. */
bool double_queue(void *stream, void (*run)(void *arg), void *arg);
/** Launch a kernel of this library's own on the stream: an empty one, that stands for what a vendor library launches. With
 *  DOUBLES_KERNELS set, double_queue does so first. */
bool double_launch(void *stream);
/** double_launch where DOUBLES_KERNELS is set: for calls that prepare something and queue nothing else here. */
void double_prepares(void *stream);
/** The same kernel as a node of a graph. */
bool double_graph_kernel(void *graph);
/** Random number from the double's schedule: real entropy, or DOUBLES_SEED. 0 … n-1. */
uint32_t double_pick(uint32_t n);
/** Sum of n floats: in index order when `ordered`, else in a random order with random grouping (what atomics do). */
float double_sum_f32(const float *terms, size_t n, bool ordered);
double double_sum_f64(const double *terms, size_t n, bool ordered);
/** A status injected for this call by DOUBLES_FAIL=name:ordinal:status[,…], or 0. Counts the call either way. */
int double_fail(const char *call);
/** One JSON line per call to the file named by DOUBLES_TRACE: {"call":…,<format>}. */
void double_trace(const char *call, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** "Timing": a random time in ms for autotuners, so that whoever picks by time picks differently from run to run. */
double double_time_ms(void);

#endif
