/* A driver library that is only a loader for the driver proper, as on WSL. */
#include <dlfcn.h>
long cuInit(unsigned flags)
{
    void *handle = dlopen("libcuda.so.1.1", RTLD_NOW);
    long (*real)(unsigned) = handle ? (long (*)(unsigned))dlsym(handle, "cuInit") : 0;
    return real ? real(flags) : -1;
}
