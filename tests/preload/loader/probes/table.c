/* Every base name x version x stream flag x both forms of cuGetProcAddress: what the returned function answers. Prints one
 * line per request; the caller compares a plain run with a preloaded one. argv[1]: names file. */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef int (*ask4)(const char *, void **, int, uint64_t);
typedef int (*ask5)(const char *, void **, int, uint64_t, int *);

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
    return ((long (*)(void))at)();
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
    long (*total)(void) = (long (*)(void))dlsym(RTLD_DEFAULT, "watch_total");
    fprintf(stderr, "result total=%ld\n", total ? total() : -9);
    return 0;
}
