/* Another preload that answers dlsym in plain C, as HAMi does: finds libc's by version and does not keep the caller. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>
long neighbour_seen;
void *dlsym(void *handle, const char *name)
{
    static void *(*real)(void *, const char *);
    if (!real)
        real = (void *(*)(void *, const char *))dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.2.5");
    if (!strncmp(name, "neighbour_", 10))
        neighbour_seen++;
    return real(handle, name);
}
