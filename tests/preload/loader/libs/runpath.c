/* dlopen of a plain name that only this library's RUNPATH can resolve. */
#include <dlfcn.h>
int probe_runpath(void)
{
    void *handle = dlopen("libhidden.so", RTLD_NOW);
    int (*found)(void) = handle ? (int (*)(void))dlsym(handle, "in_hidden") : 0;
    return found ? found() : 0;
}
