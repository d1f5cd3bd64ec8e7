/* cuRAND, host API. Knows nothing of detshim. usage: use_curand dynamic|clock|offset|constant|unseeded|quasi|sweep [host] */
#include <curand.h>

#include <time.h>

#include "lib.h"

#define GOOD(call)                                                                                 \
    do {                                                                                           \
        const int good_status = (int)(call);                                                       \
        if (good_status) {                                                                         \
            printf("%s: status %d\n", #call, good_status);                                         \
            exit(2);                                                                               \
        }                                                                                          \
    } while (0)

static int on_host;
static curandGenerator_t make(int type)
{
    curandGenerator_t g;
    GOOD(on_host ? curandCreateGeneratorHost(&g, (curandRngType_t)type)
                 : curandCreateGenerator(&g, (curandRngType_t)type));
    if (lib_stream)
        GOOD(curandSetStream(g, lib_stream));
    return g;
}

static unsigned long long clock_value(void)
{
    struct timespec t;
    do
        clock_gettime(CLOCK_MONOTONIC, &t);
    while (t.tv_nsec < 20000); /* small numbers could be anything */
    return (unsigned long long)t.tv_nsec;
}

/* One call of each kind of numbers. */
static void draw(curandGenerator_t g, int form, size_t n)
{
    void *to = on_host ? malloc(n * 8) : lib_device(n * 8);
    size_t bytes = 4;
    lib_begin();
    switch (form) {
    case 0:
        GOOD(curandGenerate(g, to, n));
        break;
    case 1:
        GOOD(curandGenerateUniform(g, to, n));
        break;
    case 2:
        GOOD(curandGenerateUniformDouble(g, to, n));
        bytes = 8;
        break;
    case 3:
        GOOD(curandGenerateNormal(g, to, n, 0, 1));
        break;
    case 4:
        GOOD(curandGenerateNormalDouble(g, to, n, 1, 2));
        bytes = 8;
        break;
    case 5:
        GOOD(curandGenerateLogNormal(g, to, n, 0, 1));
        break;
    case 6:
        GOOD(curandGenerateLogNormalDouble(g, to, n, 0, 1));
        bytes = 8;
        break;
    case 7:
        GOOD(curandGeneratePoisson(g, to, n, 3));
        break;
    default:
        GOOD(curandGeneratePoissonMethod(g, to, n, 4, CURAND_CHOOSE_BEST));
        break;
    }
    lib_end();
    if (on_host) {
        lib_add(to, n * bytes);
        free(to);
    } else {
        lib_take(to, n * bytes);
        lib_free(to);
    }
}

int main(int argc, char **argv)
{
    const char *way = argc > 1 ? argv[1] : "";
    on_host = argc > 2 && strcmp(argv[2], "host") == 0;
    if (!on_host) {
        drv_start();
        lib_streams();
    }
    if (strcmp(way, "sweep") == 0) {
        static const int types[] = { 100, 101, 121, 141, 142, 161 };
        for (int i = 0; i < 1000; i++) {
            on_host = lib_random(4) == 0;
            curandGenerator_t g = make(types[lib_random(6)]);
            if (lib_random(2))
                GOOD(curandSetGeneratorOrdering(g, (curandOrdering_t)(100 + lib_random(5))));
            if (lib_random(2))
                GOOD(curandSetPseudoRandomGeneratorSeed(g, lib_random(2) ? clock_value() : 17));
            if (lib_random(4) == 0)
                GOOD(curandSetGeneratorOffset(g, lib_random(100)));
            for (int j = 0; j < 3; j++)
                draw(g, (int)lib_random(9), 2 * (1 + lib_random(50)));
            GOOD(curandDestroyGenerator(g));
        }
        lib_result();
        return 0;
    }
    if (strcmp(way, "faults") == 0) {
        curandGenerator_t quasi = make(CURAND_RNG_QUASI_SOBOL32), g = NULL;
        printf("result statuses=%d,%d,%d,%d,%d,%d\n",
            curandCreateGenerator(NULL, CURAND_RNG_PSEUDO_DEFAULT),
            curandCreateGenerator(&g, (curandRngType_t)7),
            curandSetPseudoRandomGeneratorSeed(quasi, clock_value()),
            curandSetPseudoRandomGeneratorSeed(NULL, 5),
            curandSetGeneratorOrdering(NULL, (curandOrdering_t)104),
            curandGenerateUniform(NULL, NULL, 4));
        return 0;
    }
    curandGenerator_t g = make(
        strcmp(way, "quasi") == 0 ? CURAND_RNG_QUASI_SOBOL32 : CURAND_RNG_PSEUDO_PHILOX4_32_10);
    if (strcmp(way, "dynamic") == 0)
        GOOD(curandSetGeneratorOrdering(g, (curandOrdering_t)104));
    if (strcmp(way, "clock") == 0)
        GOOD(curandSetPseudoRandomGeneratorSeed(g, clock_value()));
    if (strcmp(way, "constant") == 0)
        GOOD(curandSetPseudoRandomGeneratorSeed(g, 1234));
    if (strcmp(way, "offset") == 0)
        GOOD(curandSetGeneratorOffset(g, clock_value()));
    if (strcmp(way, "seeds") == 0)
        GOOD(curandGenerateSeeds(g));
    if (strcmp(way, "longs") == 0) {
        unsigned long long *to = lib_device(800);
        GOOD(curandGenerateLongLong(g, to, 100));
        lib_take(to, 800);
    }
    draw(g, strcmp(way, "quasi") == 0 ? 1 : 3, 1000);
    lib_result();
    return 0;
}
