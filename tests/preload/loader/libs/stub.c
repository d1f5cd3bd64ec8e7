/* TensorFlow-like stub: defines the vendor's name itself, loads the library at first use. */
#include <dlfcn.h>
long cublasGetProperty(int which, int *value)
{
    static long (*real)(int, int *);
    if (!real) {
        void *handle = dlopen("libcublas.so.13", RTLD_LAZY);
        real = handle ? (long (*)(int, int *))dlsym(handle, "cublasGetProperty") : 0;
    }
    return real ? real(which, value) : 1000;
}
