/* Integer updates per exact add, on the C twin of the device code: what the data decides, not the machine; the control is the
 * one float atomic of the original. The times are those of the twin on this CPU, fold included, next to float adds by
 * compare-and-swap; they say nothing about a GPU. */
#include <math.h>
#include <string.h>

#include "bench/bench.h"
#include "replacements/reference/accumulator.h"

enum { N_ADDS = 1 << 18, N_TARGETS = 1 << 12 };

static uint64_t random_state = 1;
static uint64_t bits64(void)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}
static double unit(void)
{
    return (double)((bits64() >> 11) + 1) * 0x1p-53;
}
static double normal(void)
{
    return sqrt(-2 * log(unit())) * cos(6.283185307179586 * unit());
}
static double uniform(void)
{
    return unit();
}
static double lognormal(void)
{
    return exp(3 * normal()) * (bits64() & 1 ? 1 : -1);
}
/* Weight gradients of a trained net: scales from 1e-7 to 1e-2, half of them exact zeros behind a ReLU. */
static double gradient(void)
{
    return bits64() & 1 ? 0 : normal() * pow(10, -7 + 5 * unit());
}
static double tiny(void)
{
    return normal() * 1e-12;
}

static uint64_t encode(enum det_acc_type type, double value)
{
    uint64_t bits = 0;
    const float single = (float)value;
    if (type == DET_ACC_F64)
        memcpy(&bits, &value, 8);
    else
        memcpy(&bits, &single, 4);
    if (type == DET_ACC_F32 || type == DET_ACC_F64)
        return bits;
    if (type == DET_ACC_BF16)
        return bits >> 16;
    /* f16, rounded towards zero: enough for data */
    const int exponent = (int)(bits >> 23 & 255) - 127;
    if (exponent < -14)
        return (bits >> 16 & 0x8000) | (uint64_t)(fabs(value) * 0x1p24);
    return (bits >> 16 & 0x8000) | (uint64_t)(exponent + 15) << 10 | (bits >> 13 & 0x3ff);
}

static void plain_add(enum det_acc_type type, void *target, double value)
{
    if (type == DET_ACC_F64) {
        uint64_t old = __atomic_load_n((uint64_t *)target, __ATOMIC_RELAXED), sum;
        double x;
        do
            memcpy(&x, &old, 8), x += value, memcpy(&sum, &x, 8);
        while (!__atomic_compare_exchange_n(
            (uint64_t *)target, &old, sum, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
        return;
    }
    uint32_t old = __atomic_load_n((uint32_t *)target, __ATOMIC_RELAXED), sum;
    float x;
    do
        memcpy(&x, &old, 4), x += (float)value, memcpy(&sum, &x, 4);
    while (!__atomic_compare_exchange_n(
        (uint32_t *)target, &old, sum, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
}

struct job {
    enum det_acc_type type;
    unsigned bytes;
    struct det_acc_head *head;
    struct det_acc_report report;
    char *array;
    double values[N_ADDS];
    uint64_t bits[N_ADDS];
    uint32_t targets[N_ADDS];
};

static void exact(long n, void *argument)
{
    struct job *job = argument;
    for (long i = 0; i < n; i++)
        det_acc_ref_add(
            job->head, job->type, job->array + job->targets[i] * job->bytes, job->bits[i]);
    /* as the threads of a rewritten kernel do: by it the fold judges whether its window fits */
    ((struct det_acc_counters *)(uintptr_t)job->head->counters)->adds += (uint64_t)n;
    det_acc_ref_fold(job->head, &job->report);
}

static void plain(long n, void *argument)
{
    struct job *job = argument;
    for (long i = 0; i < n; i++)
        plain_add(job->type, job->array + job->targets[i] * job->bytes, job->values[i]);
}

static void fill(struct job *job, enum det_acc_type type, double (*draw)(void))
{
    job->type = type;
    job->bytes = det_acc_formats[type].bytes;
    memset(job->array, 0, 8 * N_TARGETS);
    memset(&job->report, 0, sizeof job->report);
    for (unsigned i = 0; i < N_ADDS; i++) {
        job->values[i] = draw();
        job->bits[i] = encode(type, job->values[i]);
        job->targets[i] = (uint32_t)(bits64() % N_TARGETS);
    }
}

static void count(struct job *job, const char *data)
{
    char name[64];
    memset(&det_acc_ref_stats, 0, sizeof det_acc_ref_stats);
    exact(N_ADDS, job);
    const char *type = det_acc_formats[job->type].name;
    const double adds = (double)det_acc_ref_stats.adds;
    snprintf(name, sizeof name, "%s %s", type, data);
    bench_value(
        "accumulator", name, (double)det_acc_ref_stats.bin_updates / adds, "updates/add", 1);
    snprintf(name, sizeof name, "%s %s, outside the window", type, data);
    bench_value("accumulator", name, (double)job->report.promotions / adds, "promotions/add", 0);
    snprintf(name, sizeof name, "%s %s, bookkeeping", type, data);
    bench_value("accumulator", name, (double)det_acc_ref_stats.marks / adds, "marks/add", 0);
}

int main(void)
{
    static const struct {
        const char *name;
        double (*draw)(void);
    } data[] = { { "N(0,1)", normal }, { "U[0,1)", uniform }, { "lognormal", lognormal },
        { "gradients", gradient }, { "1e-12 N(0,1)", tiny } };
    struct det_acc_layout layout;
    if (det_acc_plan(4096, 0, &layout) != DET_OK)
        return 1;
    char *memory = aligned_alloc(256, (layout.total_bytes + 255) / 256 * 256);
    struct job *job = calloc(1, sizeof *job);
    memset(memory, 0, layout.total_bytes);
    job->head = (struct det_acc_head *)(void *)memory;
    job->array = aligned_alloc(256, 8 * N_TARGETS);
    det_acc_head_fill(&layout, (uint64_t)(uintptr_t)memory, 0, DET_ACC_FLUSH_F32, job->head);
    for (enum det_acc_type type = 0; type < DET_ACC_N_TYPES; type++)
        for (size_t i = 0; i < (type == DET_ACC_F16 ? 2 : sizeof data / sizeof *data); i++) {
            fill(job, type, data[i].draw);
            count(job, data[i].name);
            if (i == 0 && det_acc_formats[type].bytes >= 4)
                bench_pair("accumulator",
                    type == DET_ACC_F32 ? "C twin f32 N(0,1)" : "C twin f64 N(0,1)", N_ADDS, 0,
                    exact, plain, job);
        }
    free(job->array);
    free(job);
    free(memory);
    return 0;
}
