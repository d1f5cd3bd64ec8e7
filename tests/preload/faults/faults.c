/* Calls every function named on standard input, in a library of stubs, and prints what came back. usage: faults LIBRARY WHAT < names
 *   null      all arguments zero, the library answering each status of the list in turn; one line per function: statuses seen
 *   valid     all arguments the address of a zeroed megabyte, but each in turn zero, the library answering success
 *   found     whether dlsym finds it: by handle, and by the default scope
 * Each function runs in a process of its own, so that a crash is a line and not the end. Arguments are handed over as eight-byte words:
 * both of our ABIs put integers and pointers there. Knows nothing of detshim. */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* Every value of cublasStatus_t, cusparseStatus_t, cusolverStatus_t, curandStatus_t, ncclResult_t, and of cudnnStatus_t's decades. */
static const int statuses[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 20, 21, 22,
    25, 26, 31, 100, 101, 102, 103, 104, 105, 106, 201, 202, 203, 204, 999, 1001, 1002, 1005, 2000,
    2002, 2014, 3000, 3007, 4000, 4002, 5000, 5002, 0 };
enum { N_STATUSES = sizeof statuses / sizeof *statuses, SCRATCH = 1 << 20 };

typedef int (*any_fn)(uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t,
    uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t,
    uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t,
    uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t);
enum { N_WORDS = 28 };
static int call(void *function, const uintptr_t a[N_WORDS])
{
    return ((any_fn)(uintptr_t)function)(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9],
        a[10], a[11], a[12], a[13], a[14], a[15], a[16], a[17], a[18], a[19], a[20], a[21], a[22],
        a[23], a[24], a[25], a[26], a[27]);
}

static void *library;
static void (*set)(int status);
static unsigned (*calls)(void);

static void with_nulls(void *function, const char *name)
{
    static const uintptr_t nulls[N_WORDS];
    printf("%s", name);
    for (int i = 0; i < N_STATUSES; i++) {
        set(statuses[i]);
        const int got = call(function, nulls);
        printf(" %d%s", got, calls() ? "" : "!"); /* ! where the library was not asked */
    }
    printf("\n");
}

static void with_pointers(void *function, const char *name)
{
    /* Low, so that it is also a sane number; the allocator's own addresses are not. */
    const uintptr_t scratch = (uintptr_t)mmap((void *)0x10000, SCRATCH, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    unsigned (*const forbidden)(const char **) =
        (unsigned (*)(const char **))(uintptr_t)dlsym(RTLD_DEFAULT, "driver_forbidden");
    const char *which = "";
    if (scratch != 0x10000)
        _exit(9);
    int got = 0;
    for (int zero = 0; zero < N_WORDS; zero++) { /* the last word belongs to no function */
        uintptr_t words[N_WORDS];
        for (int i = 0; i < N_WORDS; i++)
            words[i] = i == zero ? 0 : scratch;
        set(0);
        got |= call(function, words);
    }
    const unsigned n = forbidden ? forbidden(&which) : 0;
    printf("%s %d forbidden=%u %s\n", name, got, n, which);
}

static void one(const char *name, const char *what)
{
    void *const function = dlsym(library, name);
    if (strcmp(what, "found") == 0)
        printf("%s %d %d\n", name, function != NULL, dlsym(RTLD_DEFAULT, name) != NULL);
    else if (!function)
        printf("%s missing\n", name);
    else if (strcmp(what, "null") == 0)
        with_nulls(function, name);
    else
        with_pointers(function, name);
}

int main(int argc, char **argv)
{
    char name[200];
    if (argc < 3 || !(library = dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL))) {
        fprintf(stderr, "faults: %s\n", dlerror());
        return 2;
    }
    dlopen("libcuda.so.1", RTLD_NOW | RTLD_GLOBAL);
    set = (void (*)(int))(uintptr_t)dlsym(library, "stub_set");
    calls = (unsigned (*)(void))(uintptr_t)dlsym(library, "stub_calls");
    while (scanf("%199s", name) == 1) {
        int status = 0;
        fflush(stdout);
        const pid_t child = fork();
        if (child == 0) {
            alarm(20);
            one(name, argv[2]);
            fflush(stdout);
            _exit(0);
        }
        waitpid(child, &status, 0);
        if (status)
            printf("%s died of %d\n", name, status);
    }
    return 0;
}
