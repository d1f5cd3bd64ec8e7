/* Time a thing against its control, interleaved in one process, and print one JSON line (style section 9):
 *
 *   bench_pair("dlsym", "hit", 1000, 0, work, control, arg);
 *
 * Each function does the work `n` times. Times printed are per single work. The control is the same work without us; NULL when
 * there is none. Runs until a second has gone by, at least 15 times. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { BENCH_MIN_RUNS = 15, BENCH_MAX_RUNS = 2000 };
typedef void (*bench_fn)(long n, void *arg);

static inline double bench_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static inline int bench_compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static inline double bench_time(bench_fn work, long n, void *arg)
{
    const double start = bench_now_ns();
    work(n, arg);
    return (bench_now_ns() - start) / (double)n;
}

/* Keep the compiler from dropping work whose value nobody uses. */
static inline void bench_use(const void *value)
{
    __asm__ volatile("" : : "r"(value) : "memory");
}

/* A figure that is no time, e.g. integer updates per add; `unit` says what. */
static inline void bench_value(
    const char *bench, const char *name, double value, const char *unit, double control)
{
    printf("{\"bench\":\"%s\",\"case\":\"%s\",\"value\":%.6g,\"unit\":\"%s\",\"control\":%.6g,"
           "\"device\":\"cpu\"}\n",
        bench, name, value, unit, control);
    fflush(stdout);
}

/* bytes: handled by one work, 0 when that means nothing. Returns the median. */
static inline double bench_pair(const char *bench, const char *name, long n, double bytes,
    bench_fn work, bench_fn control, void *arg)
{
    static double times[BENCH_MAX_RUNS], controls[BENCH_MAX_RUNS];
    const double start = bench_now_ns();
    int runs = 0;
    bench_time(work, n, arg); /* caches and branch predictors warm for both */
    if (control)
        bench_time(control, n, arg);
    while (runs < BENCH_MIN_RUNS || (runs < BENCH_MAX_RUNS && bench_now_ns() - start < 1e9)) {
        times[runs] = bench_time(work, n, arg);
        controls[runs] = control ? bench_time(control, n, arg) : 0;
        runs++;
    }
    qsort(times, (size_t)runs, sizeof *times, bench_compare);
    qsort(controls, (size_t)runs, sizeof *controls, bench_compare);
    printf("{\"bench\":\"%s\",\"case\":\"%s\",\"n\":%ld,\"bytes\":%.0f,\"median_ns\":%.2f,\"p95_"
           "ns\":%.2f,\"runs\":%d,"
           "\"device\":\"cpu\",\"control_ns\":%.2f}\n",
        bench, name, n, bytes, times[runs / 2], times[runs * 95 / 100], runs, controls[runs / 2]);
    fflush(stdout);
    return times[runs / 2];
}

#endif
