/* A program with the CUDA runtime linked in statically: only its dlopen and dlsym can be seen. */
#define _GNU_SOURCE
#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <stdio.h>

int main(void)
{
    int devices = -1;
    const int status = (int)cudaGetDeviceCount(&devices);
    long (*watch)(const char *) = (long (*)(const char *))dlsym(RTLD_DEFAULT, "watch_count");
    fprintf(stderr, "status %d\n", status);
    printf("result init=%ld plain=same\n", watch ? watch("cuInit") : -9);
    return 0;
}
