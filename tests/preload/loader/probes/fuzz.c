/* Look-ups with odd names, versions and out-parameters. Answers are printed as found or not, status, error or not: the same
 * with and without the shim. argv[1]: seed. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int (*ask4)(const char *, void **, int, uint64_t);
typedef int (*ask5)(const char *, void **, int, uint64_t, int *);
static uint64_t state;
static unsigned pick(unsigned n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(state >> 33) % n;
}

int main(int argc, char **argv)
{
    static const char *const pieces[] = { "cu", "cuda", "Launch", "Kernel", "_v2", "_ptsz", "Mem",
        "Alloc", "Stream", "nccl", "__cuda", "Graph", "\xff\xfe", "", "cublas", "GetProcAddress",
        "x", "9" };
    state = argc > 1 ? strtoull(argv[1], 0, 10) : 1;
    void *lib = dlopen("libcuda.so.1", RTLD_NOW);
    const ask4 old = (ask4)dlsym(lib, "cuGetProcAddress");
    const ask5 now = (ask5)dlsym(lib, "cuGetProcAddress_v2");
    for (int i = 0; i < 20000; i++) {
        char name[256] = "";
        for (unsigned n = pick(6); n; n--)
            strcat(name, pieces[pick(sizeof pieces / sizeof *pieces)]);
        void *at = (void *)3;
        int found = 9;
        const int version = (int)pick(20000), flags = (int)pick(4);
        const int a = old(name, &at, version, (uint64_t)flags);
        const int set_a = at == (void *)3 ? 3 : at != 0;
        const int b = now(name, pick(20) ? &at : 0, version, (uint64_t)flags, pick(2) ? &found : 0);
        dlerror();
        void *by_handle = dlsym(lib, name);
        const int error = dlerror() != 0;
        void *by_scope = dlsym(RTLD_DEFAULT, name);
        const int error2 = dlerror() != 0;
        void *by_version = dlvsym(lib, name, "libcuda.so.1");
        printf("%s %d %d %d %d %d %d%d %d%d %d\n", name, version, flags, a, set_a, b,
            by_handle != 0, error, by_scope != 0, error2, by_version != 0);
    }
    printf("null %d %d\n", old("cuInit", 0, 12000, 0), now("cuInit", 0, 12000, 0, 0));
    printf("noname %d\n", now(0, (void **)&state, 12000, 0, 0));
    return 0;
}
