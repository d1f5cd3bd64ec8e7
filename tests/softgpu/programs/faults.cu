// usage: faults address|trap|misaligned|pageable|shape. Prints the errors of launch, synchronise, and a later call.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <cuda_runtime.h>

__global__ void store(int *at)
{
    *at = 1;
}
__global__ void trap()
{
    asm volatile("trap;");
}

int main(int argc, char **argv)
{
    int *d, *host = (int *)malloc(64);
    const char *which = argc > 1 ? argv[1] : "";
    if (cudaMalloc(&d, 64) != cudaSuccess)
        return 1;
    if (!strcmp(which, "address"))
        store<<<1, 1>>>((int *)16);
    else if (!strcmp(which, "pageable"))
        store<<<1, 1>>>(host);
    else if (!strcmp(which, "misaligned"))
        store<<<1, 1>>>((int *)((char *)d + 1));
    else if (!strcmp(which, "trap"))
        trap<<<1, 1>>>();
    else
        store<<<1, 2048>>>(d);
    printf("result launch=%d\n", (int)cudaGetLastError());
    printf("result sync=%d\n", (int)cudaDeviceSynchronize());
    void *p;
    printf("result later=%d\n", (int)cudaMalloc(&p, 16));
    cudaDeviceReset();
    printf("result reset=%d\n", (int)cudaMalloc(&p, 16));
    return 0;
}
