/* Wraps a function of the next library, as interposers and OpenMP runtimes do. */
#include <dlfcn.h>
const char *shared_name(void)
{
    return "a";
}
const char *probe_next(void)
{
    const char *(*next)(void) = (const char *(*)(void))dlsym(RTLD_NEXT, "shared_name");
    return next ? next() : "none";
}
const char *probe_next_version(void)
{
    void *next = dlvsym(RTLD_NEXT, "clock_gettime", "GLIBC_2.17");
    return next ? "found" : "none";
}
