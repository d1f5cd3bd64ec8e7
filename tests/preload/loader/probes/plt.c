/* Linked to cuBLAS at build time; calls by PLT and through a function pointer. */
#include <dlfcn.h>
#include <stdio.h>
long cublasGetProperty(int which, int *value);
int main(void)
{
    int a = 0, b = 0;
    long (*volatile pointer)(int, int *) = cublasGetProperty;
    cublasGetProperty(0, &a);
    pointer(0, &b);
    long (*watch)(const char *) = (long (*)(const char *))dlsym(RTLD_DEFAULT, "watch_count");
    printf("result call=%d pointer=%d count=%ld\n", a, b, watch ? watch("cublasGetProperty") : -9);
    return 0;
}
