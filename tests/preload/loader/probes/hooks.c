/* The three look-ups that a dlsym or dlopen hook ruins when it calls instead of jumping. */
#include <dlfcn.h>
#include <stdio.h>
const char *probe_next(void);
const char *probe_next_version(void);
int main(void)
{
    void *local = dlopen("liblocal.so", RTLD_NOW | RTLD_LOCAL),
         *runpath = dlopen("librunpath.so", RTLD_NOW);
    int (*with_default)(void) = local ? (int (*)(void))dlsym(local, "probe_default") : 0;
    int (*with_runpath)(void) = runpath ? (int (*)(void))dlsym(runpath, "probe_runpath") : 0;
    dlsym(RTLD_DEFAULT, "no_such_symbol_anywhere");
    const char *error = dlerror();
    printf("result next=%s version=%s default=%d runpath=%d error=%d\n", probe_next(),
        probe_next_version(), with_default ? with_default() : -1,
        with_runpath ? with_runpath() : -1, error != 0);
    return 0;
}
