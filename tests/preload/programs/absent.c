/* Does dlsym find a function: by handle, and by the default scope after a global load? usage: absent LIBRARY FUNCTION */
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    void *library = dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL);
    if (!library) {
        printf("%s\n", dlerror());
        return 3;
    }
    printf("result found=%d,%d\n", dlsym(library, argv[2]) != NULL,
        dlsym(RTLD_DEFAULT, argv[2]) != NULL);
    return 0;
}
