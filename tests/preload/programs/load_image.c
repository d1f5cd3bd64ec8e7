/* Load the device code in a file by bare pointer, as programs do that carry fatbins, cubins or PTX; run its kernel add_all if
 * there is one. Prints what the driver answered, so that a broken image under the shim can be compared with a plain run. */
#include <cuda.h>
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 4096, ROOM = 1 << 20 };

static void *driver;

static void *find(const char *name)
{
    void *found = dlsym(driver, name);
    if (!found) {
        printf("driver lacks %s\n", name);
        exit(1);
    }
    return found;
}
#define CALL(symbol, name) ((__typeof__(&symbol))find(name))

static void must(CUresult status, const char *what)
{
    if (status != CUDA_SUCCESS) {
        printf("%s: %d\n", what, status);
        exit(1);
    }
}

/* Room behind the image reads as zero, so that a cut file is a cut image and not a stray pointer. */
static char *read_file(const char *path)
{
    char *bytes = calloc(1, ROOM);
    FILE *file = fopen(path, "rb");
    if (!file || !bytes) {
        perror(path);
        exit(2);
    }
    if (fread(bytes, 1, ROOM / 2, file) == 0)
        bytes[0] = 0;
    fclose(file);
    return bytes;
}

static void run(CUfunction kernel)
{
    float host[N], sums[2] = { 0, 0 };
    uint32_t state = 1, bits[2];
    for (int i = 0; i < N; i++) {
        state = state * 1664525u + 1013904223u;
        host[i] = (float)(int32_t)state / 65536.0f;
    }
    CUdeviceptr from, to;
    int n = N;
    must(CALL(cuMemAlloc, "cuMemAlloc_v2")(&from, sizeof host), "alloc");
    must(CALL(cuMemAlloc, "cuMemAlloc_v2")(&to, sizeof sums), "alloc");
    must(CALL(cuMemcpyHtoD, "cuMemcpyHtoD_v2")(from, host, sizeof host), "copy");
    must(CALL(cuMemcpyHtoD, "cuMemcpyHtoD_v2")(to, sums, sizeof sums), "copy");
    void *args[] = { &to, &from, &n };
    must(CALL(cuLaunchKernel, "cuLaunchKernel")(kernel, 8, 1, 1, 64, 1, 1, 0, NULL, args, NULL),
        "launch");
    must(CALL(cuMemcpyDtoH, "cuMemcpyDtoH_v2")(sums, to, sizeof sums), "copy back");
    memcpy(bits, sums, sizeof bits);
    printf("result sums=%08x%08x\n", bits[0], bits[1]);
}

int main(int argc, char **argv)
{
    CUdevice device;
    CUcontext context;
    CUmodule module;
    CUfunction kernel;
    if (argc != 2 || !(driver = dlopen("libcuda.so.1", RTLD_NOW))) {
        printf("no driver\n");
        return 1;
    }
    must(CALL(cuInit, "cuInit")(0), "init");
    must(CALL(cuDeviceGet, "cuDeviceGet")(&device, 0), "device");
    must(CALL(cuDevicePrimaryCtxRetain, "cuDevicePrimaryCtxRetain")(&context, device), "context");
    must(CALL(cuCtxSetCurrent, "cuCtxSetCurrent")(context), "context");
    must(CALL(cuModuleLoadData, "cuModuleLoadData")(&module, read_file(argv[1])), "load");
    must(CALL(cuModuleGetFunction, "cuModuleGetFunction")(&kernel, module, "add_all"), "function");
    run(kernel);
    return 0;
}
