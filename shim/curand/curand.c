/* cuRAND host API. A generator that nobody seeds starts from a documented constant and repeats already; what is pinned is a seed or an
 * offset that comes from a clock, and the ordering that fits itself to the device. A constant of the program's is kept. */
#include <curand.h>

#include <stdatomic.h>

#include "shim/core/kept.h"
#include "shim/entropy/entropy.h"
#include "shim/loader/call.h"
#include "shim/log/log.h"
#include "shim/pins/pins.h"

enum field { DYNAMIC, N_FIELDS };
enum { ORDERING_DYNAMIC = 104 };
static struct det_kept kept; /* generators left on the dynamic ordering */
static atomic_bool any_dynamic;

static curandOrdering_t decide_ordering(curandOrdering_t asked)
{
    return (int)asked == ORDERING_DYNAMIC && det_rule_acts(DET_RULE_CURAND_ORDERING)
               ? CURAND_ORDERING_PSEUDO_DEFAULT
               : asked;
}

static bool is_dynamic(curandGenerator_t generator)
{
    int64_t value = 0;
    return atomic_load_explicit(&any_dynamic, memory_order_relaxed) &&
           det_kept_get(&kept, generator, DYNAMIC, &value) && value;
}

static void count(enum det_call call, curandGenerator_t generator)
{
    static _Atomic(struct det_ledger_row *) rows[DET_N_CALLS][2];
    const bool dynamic = is_dynamic(generator);
    struct det_ledger_row *row = rows[call][dynamic];
    if (!row) {
        row = dynamic ? det_ledger_row("call", det_call_name(call), DET_CLASS_UNCOVERED,
                            DET_RULE_CURAND_ORDERING, "ordering fits itself to the device")
                      : det_ledger_row("call", det_call_name(call), DET_CLASS_VOUCHED,
                            DET_RULE_CURAND_ORDERING, "");
        rows[call][dynamic] = row;
    }
    det_ledger_hit(row);
}

#define CREATE(symbol)                                                                             \
    DET_EXPORT curandStatus_t symbol(curandGenerator_t *generator, curandRngType_t type)           \
    {                                                                                              \
        if (!det_enter(DET_ID_##symbol))                                                           \
            return DET_REAL(symbol)(generator, type);                                              \
        det_pins_vendor();                                                                         \
        const curandStatus_t status = DET_REAL(symbol)(generator, type);                           \
        if (status == CURAND_STATUS_SUCCESS && generator)                                          \
            det_kept_drop(&kept, *generator, N_FIELDS);                                            \
        det_leave(DET_ID_##symbol);                                                                \
        return status;                                                                             \
    }
CREATE(curandCreateGenerator)
CREATE(curandCreateGeneratorHost)

DET_EXPORT curandStatus_t curandDestroyGenerator(curandGenerator_t generator)
{
    if (atomic_load_explicit(&any_dynamic, memory_order_relaxed))
        det_kept_drop(&kept, generator, N_FIELDS);
    return DET_REAL(curandDestroyGenerator)(generator);
}

/* All values are valid. A quasi generator has no seed: the real call says so, and nothing is drawn for it a second time. */
DET_EXPORT curandStatus_t curandSetPseudoRandomGeneratorSeed(
    curandGenerator_t generator, unsigned long long asked)
{
    if (!det_enter(DET_ID_curandSetPseudoRandomGeneratorSeed))
        return DET_REAL(curandSetPseudoRandomGeneratorSeed)(generator, asked);
    const unsigned long long given = det_clock_seed(DET_NAME(curandSetPseudoRandomGeneratorSeed),
        DET_PURPOSE_CURAND, asked, 64, __builtin_return_address(0));
    const curandStatus_t status = DET_REAL(curandSetPseudoRandomGeneratorSeed)(generator, given);
    det_leave(DET_ID_curandSetPseudoRandomGeneratorSeed);
    return status;
}

/* An offset skips numbers, which some generators do one by one: a drawn offset stays below 2^20. */
DET_EXPORT curandStatus_t curandSetGeneratorOffset(
    curandGenerator_t generator, unsigned long long asked)
{
    enum { OFFSET_BITS = 20 };
    if (!det_enter(DET_ID_curandSetGeneratorOffset))
        return DET_REAL(curandSetGeneratorOffset)(generator, asked);
    unsigned long long given = asked;
    if (asked)
        given = det_clock_seed(DET_NAME(curandSetGeneratorOffset), DET_PURPOSE_CURAND, asked,
            OFFSET_BITS, __builtin_return_address(0));
    const curandStatus_t status = DET_REAL(curandSetGeneratorOffset)(generator, given);
    det_leave(DET_ID_curandSetGeneratorOffset);
    return status;
}

DET_EXPORT curandStatus_t curandSetGeneratorOrdering(
    curandGenerator_t generator, curandOrdering_t asked)
{
    if (!det_enter(DET_ID_curandSetGeneratorOrdering))
        return DET_REAL(curandSetGeneratorOrdering)(generator, asked);
    const curandOrdering_t given = decide_ordering(asked);
    if (given != asked)
        det_log_override(
            DET_NAME(curandSetGeneratorOrdering), DET_RULE_CURAND_ORDERING, "order", asked, given);
    const curandStatus_t status = DET_REAL(curandSetGeneratorOrdering)(generator, given);
    if (status == CURAND_STATUS_SUCCESS) {
        if ((int)given == ORDERING_DYNAMIC)
            atomic_store(&any_dynamic, true);
        if (atomic_load_explicit(&any_dynamic, memory_order_relaxed))
            det_kept_set(&kept, generator, DYNAMIC, (int)given == ORDERING_DYNAMIC);
    }
    det_leave(DET_ID_curandSetGeneratorOrdering);
    return status;
}

#define GENERATE(symbol, params, ...)                                                              \
    DET_EXPORT curandStatus_t symbol params                                                        \
    {                                                                                              \
        if (!det_enter(DET_ID_##symbol))                                                           \
            return DET_REAL(symbol)(__VA_ARGS__);                                                  \
        count(DET_ID_##symbol, generator);                                                         \
        const curandStatus_t status = DET_REAL(symbol)(__VA_ARGS__);                               \
        det_leave(DET_ID_##symbol);                                                                \
        return status;                                                                             \
    }
GENERATE(
    curandGenerate, (curandGenerator_t generator, unsigned int *to, size_t n), generator, to, n)
GENERATE(curandGenerateLongLong, (curandGenerator_t generator, unsigned long long *to, size_t n),
    generator, to, n)
GENERATE(
    curandGenerateUniform, (curandGenerator_t generator, float *to, size_t n), generator, to, n)
GENERATE(curandGenerateUniformDouble, (curandGenerator_t generator, double *to, size_t n),
    generator, to, n)
GENERATE(curandGenerateNormal,
    (curandGenerator_t generator, float *to, size_t n, float mean, float stddev), generator, to, n,
    mean, stddev)
GENERATE(curandGenerateNormalDouble,
    (curandGenerator_t generator, double *to, size_t n, double mean, double stddev), generator, to,
    n, mean, stddev)
GENERATE(curandGenerateLogNormal,
    (curandGenerator_t generator, float *to, size_t n, float mean, float stddev), generator, to, n,
    mean, stddev)
GENERATE(curandGenerateLogNormalDouble,
    (curandGenerator_t generator, double *to, size_t n, double mean, double stddev), generator, to,
    n, mean, stddev)
GENERATE(curandGeneratePoisson,
    (curandGenerator_t generator, unsigned int *to, size_t n, double lambda), generator, to, n,
    lambda)
GENERATE(curandGeneratePoissonMethod,
    (curandGenerator_t generator, unsigned int *to, size_t n, double lambda, curandMethod_t method),
    generator, to, n, lambda, method)
GENERATE(curandGenerateSeeds, (curandGenerator_t generator), generator)
