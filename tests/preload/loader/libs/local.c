/* Opened RTLD_LOCAL; its own scope holds libdep.so. */
#include <dlfcn.h>
int only_in_dep(void);
int probe_default(void)
{
    int (*found)(void) = (int (*)(void))dlsym(RTLD_DEFAULT, "only_in_dep");
    return found ? found() + only_in_dep() - 40 : 0;
}
