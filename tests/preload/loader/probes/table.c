/* Every base name x version x stream flag x both forms of cuGetProcAddress: what the returned function answers. Prints one
 * line per request; the caller compares a plain run with a preloaded one. The wrapper that ran must be that of the very ABI
 * which answered: a wrapper of another ABI may forward to the right function and still read the wrong arguments. argv[1]: names
 * file. */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef int (*ask4)(const char *, void **, int, uint64_t);
typedef int (*ask5)(const char *, void **, int, uint64_t, int *);

static long (*watch_total)(void);
static long (*watch_count)(const char *);
static const char *(*symbol_of)(long);
static long wrong;

/* Calls a driver function; counts it as wrong when a wrapper ran that is not its own. */
static long called(long (*at)(void))
{
    if (!watch_total)
        return at();
    const long before = watch_total();
    const long id = at();
    const char *symbol = symbol_of(id);
    const long n = symbol ? watch_count(symbol) : -1;
    if (watch_total() == before)
        return id; /* passed through, not wrapped */
    at();
    if (!symbol || watch_count(symbol) != n + 1)
        if (wrong++ < 5)
            fprintf(stderr, "another wrapper led to %s\n", symbol ? symbol : "nothing known");
    return id;
}

static long identity(const char *name, void *at)
{
    if (!at)
        return 0;
    if (!strcmp(name, "cuGetProcAddress")) {
        /* Ask the answer for a function known to exist; the 5-argument form writes its status, the other must not. */
        void *inner = 0;
        int status = 55;
        const int result = ((ask5)at)("cuCtxGetId", &inner, 12000, 0, &status);
        return 200000 + result * 1000 + (inner != 0) * 100 + status;
    }
    if (!strcmp(name, "cuGetExportTable") || !strcmp(name, "cuDriverGetVersion"))
        return 1;
    return called((long (*)(void))at);
}

int main(int argc, char **argv)
{
    static const int versions[] = { 0, 2000, 4000, 7000, 7050, 10000, 10010, 11000, 11010, 11020,
        11030, 11040, 11060, 11080, 12000, 12010, 12020, 12030, 12040, 12050, 12060, 12080, 12090,
        13000, 13010, 99000 };
    void *lib = dlopen("libcuda.so.1", RTLD_NOW);
    FILE *names = argc > 1 ? fopen(argv[1], "r") : 0;
    if (!lib || !names)
        return 2;
    const ask4 old = (ask4)dlsym(lib, "cuGetProcAddress");
    const ask5 now = (ask5)dlsym(lib, "cuGetProcAddress_v2");
    watch_total = (long (*)(void))dlsym(RTLD_DEFAULT, "watch_total");
    watch_count = (long (*)(const char *))dlsym(RTLD_DEFAULT, "watch_count");
    symbol_of = (const char *(*)(long))dlsym(lib, "fake_symbol");
    char name[128];
    while (fgets(name, sizeof name, names)) {
        name[strcspn(name, "\n")] = 0;
        for (unsigned v = 0; v < sizeof versions / sizeof *versions; v++)
            for (uint64_t flags = 0; flags < 3; flags++) {
                void *a = (void *)1, *b = (void *)1;
                int found = 77;
                const int first = old(name, &a, versions[v], flags);
                const int second = now(name, &b, versions[v], flags, v % 2 ? &found : 0);
                printf("%s %d %d: %d %ld %d %ld %d\n", name, versions[v], (int)flags, first,
                    first ? (long)a : identity(name, a), second,
                    second ? (long)b : identity(name, b), found);
            }
    }
    fprintf(stderr, "result wrong=%ld total=%ld\n", wrong, watch_total ? watch_total() : -9);
    return 0;
}
