/* How often is the environment asked by a thousand hooked calls? Run with libgetenv_counter.so behind the shim. */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
int main(void)
{
    void *lib = dlopen("libcuda.so.1", RTLD_NOW), *at = 0;
    int (*ask)(const char *, void **, int, uint64_t) =
        (int (*)(const char *, void **, int, uint64_t))dlsym(lib, "cuGetProcAddress");
    long *calls = (long *)dlsym(RTLD_DEFAULT, "getenv_calls");
    long bad = 0;
    for (int i = 0; i < 20; i++)
        ask("cuCtxGetId", &at, 12000, 0);
    const long before = calls ? *calls : -1;
    for (int i = 0; i < 1000; i++)
        bad += ask("cuCtxGetId", &at, 12000, 0) != 0 || !dlsym(lib, "cuInit");
    /* the double itself asks once per call for its trace switch */
    printf("result extra=%ld bad=%ld\n", calls ? *calls - before - 1000 : -1, bad);
    return 0;
}
