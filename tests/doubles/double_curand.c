/* libcurand.so.10 double: counter-based numbers, host and device generators.
 *
 * ordered when                          vendor text
 * ordering is not DYNAMIC (104)         curand.h: "adjusted to the device it is being executed on"; here: to how busy it is
 * same seed, offset, ordering, counts   cuRAND guide, "Generator Options": the same seed gives the same sequence
 *
 * The numbers are not NVIDIA's. Normal and Poisson are simple transforms of uniform ones. No direction vectors.
 */
#include <curand.h>

#include <math.h>
#include <stdlib.h>

#include "tests/doubles/double.h"

struct curandGenerator_st {
    uint64_t seed, offset;
    int ordering;
    uint32_t blocks; /* what DYNAMIC saw of the device */
    bool quasi, host;
    cudaStream_t stream;
};

#define INJECT(call)                                                                               \
    do {                                                                                           \
        const int injected = double_fail(call);                                                    \
        if (injected)                                                                              \
            return (curandStatus_t)injected;                                                       \
    } while (0)
#define NEEDS(generator)                                                                           \
    do {                                                                                           \
        if (!(generator))                                                                          \
            return CURAND_STATUS_NOT_INITIALIZED;                                                  \
    } while (0)

static curandStatus_t create(curandGenerator_t *generator, curandRngType_t type, bool host)
{
    if (!generator)
        return CURAND_STATUS_NOT_INITIALIZED;
    if (!(type >= 100 && type <= 161) && !(type >= 200 && type <= 204))
        return CURAND_STATUS_TYPE_ERROR;
    *generator = calloc(1, sizeof **generator);
    (*generator)->quasi = type >= 200;
    (*generator)->host = host;
    (*generator)->ordering = type >= 200 ? 201 : 101;
    return CURAND_STATUS_SUCCESS;
}

DOUBLE_API curandStatus_t curandCreateGenerator(curandGenerator_t *generator, curandRngType_t type)
{
    INJECT(__func__);
    return create(generator, type, false);
}

DOUBLE_API curandStatus_t curandCreateGeneratorHost(
    curandGenerator_t *generator, curandRngType_t type)
{
    INJECT(__func__);
    return create(generator, type, true);
}

DOUBLE_API curandStatus_t curandDestroyGenerator(curandGenerator_t generator)
{
    NEEDS(generator);
    free(generator);
    return CURAND_STATUS_SUCCESS;
}

DOUBLE_API curandStatus_t curandGetVersion(int *version)
{
    *version = 10400;
    return CURAND_STATUS_SUCCESS;
}

DOUBLE_API curandStatus_t curandSetStream(curandGenerator_t generator, cudaStream_t stream)
{
    NEEDS(generator);
    generator->stream = stream;
    return CURAND_STATUS_SUCCESS;
}

DOUBLE_API curandStatus_t curandSetPseudoRandomGeneratorSeed(
    curandGenerator_t generator, unsigned long long seed)
{
    INJECT(__func__);
    NEEDS(generator);
    if (generator->quasi)
        return CURAND_STATUS_TYPE_ERROR;
    generator->seed = seed;
    double_trace(__func__, "\"seed\":%llu", seed);
    return CURAND_STATUS_SUCCESS;
}

DOUBLE_API curandStatus_t curandSetGeneratorOffset(
    curandGenerator_t generator, unsigned long long offset)
{
    INJECT(__func__);
    NEEDS(generator);
    generator->offset = offset;
    double_trace(__func__, "\"offset\":%llu", offset);
    return CURAND_STATUS_SUCCESS;
}

DOUBLE_API curandStatus_t curandSetGeneratorOrdering(
    curandGenerator_t generator, curandOrdering_t order)
{
    INJECT(__func__);
    NEEDS(generator);
    if (generator->quasi ? order != 201 : order < 100 || order > 104)
        return CURAND_STATUS_OUT_OF_RANGE;
    generator->ordering = (int)order;
    generator->blocks = 1 + double_pick(64);
    double_trace(__func__, "\"order\":%d", (int)order);
    return CURAND_STATUS_SUCCESS;
}

static uint64_t bits(uint64_t seed, uint64_t i)
{
    uint64_t z = seed * 0x9e3779b97f4a7c15u + i * 0xd1342543de82ef95u + 1;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Which number of the sequence stands at place i. */
static uint64_t place(const struct curandGenerator_st *g, uint64_t i, uint64_t n)
{
    switch (g->ordering) {
    case 104: /* blocks of the device take turns */
        return i % g->blocks * ((n + g->blocks - 1) / g->blocks) + i / g->blocks;
    case 103:
        return i ^ 1;
    case 102:
        return i ^ 2;
    default:
        return i;
    }
}

enum form { WORDS, LONGS, FLOATS, DOUBLES, NORMAL_F, NORMAL_D, LOG_F, LOG_D, POISSON };
struct fill {
    struct curandGenerator_st g;
    enum form form;
    uint64_t n;
    double a, b;
    void *to;
};

static double uniform(const struct fill *f, uint64_t i)
{
    return ((double)(bits(f->g.seed, f->g.offset + place(&f->g, i, f->n)) >> 11) + 0.5) * 0x1p-53;
}

static double normal(const struct fill *f, uint64_t i)
{
    const double u = uniform(f, i & ~(uint64_t)1), v = uniform(f, i | 1);
    return f->a + f->b * sqrt(-2 * log(u)) *
                      (i & 1 ? sin(6.283185307179586 * v) : cos(6.283185307179586 * v));
}

static uint32_t poisson(const struct fill *f, uint64_t i)
{
    const double u = uniform(f, i);
    double p = exp(-f->a), sum = p;
    uint32_t k = 0;
    while (sum < u && k < 1000)
        sum += p *= f->a / ++k;
    return k;
}

static void run(void *arg)
{
    const struct fill *f = arg;
    for (uint64_t i = 0; i < f->n; i++) {
        const uint64_t word = bits(f->g.seed, f->g.offset + place(&f->g, i, f->n));
        switch (f->form) {
        case WORDS:
            ((uint32_t *)f->to)[i] = (uint32_t)(word >> 32);
            break;
        case LONGS:
            ((uint64_t *)f->to)[i] = word;
            break;
        case FLOATS:
            ((float *)f->to)[i] = (float)uniform(f, i);
            break;
        case DOUBLES:
            ((double *)f->to)[i] = uniform(f, i);
            break;
        case NORMAL_F:
            ((float *)f->to)[i] = (float)normal(f, i);
            break;
        case NORMAL_D:
            ((double *)f->to)[i] = normal(f, i);
            break;
        case LOG_F:
            ((float *)f->to)[i] = (float)exp(normal(f, i));
            break;
        case LOG_D:
            ((double *)f->to)[i] = exp(normal(f, i));
            break;
        case POISSON:
            ((uint32_t *)f->to)[i] = poisson(f, i);
            break;
        }
    }
}

static curandStatus_t fill(const char *call, curandGenerator_t generator, enum form form, void *to,
    size_t n, double a, double b)
{
    INJECT(call);
    NEEDS(generator);
    if (form >= NORMAL_F && form <= LOG_D && !generator->quasi && n % 2)
        return CURAND_STATUS_LENGTH_NOT_MULTIPLE;
    struct fill *f = malloc(sizeof *f);
    *f = (struct fill){ *generator, form, n, a, b, to };
    generator->offset += n;
    if (generator->host) {
        run(f);
        free(f);
        return CURAND_STATUS_SUCCESS;
    }
    return double_queue(generator->stream, run, f) ? CURAND_STATUS_SUCCESS
                                                   : CURAND_STATUS_LAUNCH_FAILURE;
}

#define PLAIN(name, type, form)                                                                    \
    DOUBLE_API curandStatus_t name(curandGenerator_t generator, type *to, size_t n)                \
    {                                                                                              \
        return fill(#name, generator, form, to, n, 0, 0);                                          \
    }
PLAIN(curandGenerate, unsigned int, WORDS)
PLAIN(curandGenerateLongLong, unsigned long long, LONGS)
PLAIN(curandGenerateUniform, float, FLOATS)
PLAIN(curandGenerateUniformDouble, double, DOUBLES)
#define SHAPED(name, type, form)                                                                   \
    DOUBLE_API curandStatus_t name(                                                                \
        curandGenerator_t generator, type *to, size_t n, type mean, type deviation)                \
    {                                                                                              \
        return fill(#name, generator, form, to, n, mean, deviation);                               \
    }
SHAPED(curandGenerateNormal, float, NORMAL_F)
SHAPED(curandGenerateNormalDouble, double, NORMAL_D)
SHAPED(curandGenerateLogNormal, float, LOG_F)
SHAPED(curandGenerateLogNormalDouble, double, LOG_D)
DOUBLE_API curandStatus_t curandGeneratePoisson(
    curandGenerator_t generator, unsigned int *to, size_t n, double lambda)
{
    return fill(__func__, generator, POISSON, to, n, lambda, 0);
}
DOUBLE_API curandStatus_t curandGeneratePoissonMethod(
    curandGenerator_t generator, unsigned int *to, size_t n, double lambda, curandMethod_t method)
{
    (void)method;
    return fill(__func__, generator, POISSON, to, n, lambda, 0);
}
DOUBLE_API curandStatus_t curandGenerateSeeds(curandGenerator_t generator)
{
    INJECT(__func__);
    NEEDS(generator);
    if (!generator->host)
        double_prepares(generator->stream);
    return CURAND_STATUS_SUCCESS;
}
