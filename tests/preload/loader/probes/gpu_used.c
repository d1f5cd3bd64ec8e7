/* Looks like a program that used a GPU: libcuda is mapped and a device node is open; whether a hook fires depends on argv. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
int main(int argc, char **argv)
{
    void *lib = dlopen("libcuda.so.1", RTLD_NOW);
    if (!lib || argc < 3)
        return 2;
    const int fd = open(argv[1], O_RDONLY);
    if (!strcmp(argv[2], "hooked"))
        ((long (*)(unsigned))dlsym(lib, "cuInit"))(0);
    if (!strcmp(argv[2], "deepbind"))
        dlopen("libdep.so", RTLD_NOW | RTLD_DEEPBIND);
    printf("result fd=%d\n", fd >= 0);
    return 0;
}
