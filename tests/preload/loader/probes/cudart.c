/* The look-up phase of a real cudart over the fake driver: argv[1] is the runtime library. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
int main(int argc, char **argv)
{
    void *runtime = argc > 1 ? dlopen(argv[1], RTLD_NOW) : 0;
    if (!runtime) {
        fprintf(stderr, "cudart: %s\n", dlerror());
        return 2;
    }
    int version = 0, driver = 0, devices = -1;
    const int a = ((int (*)(int *))dlsym(runtime, "cudaRuntimeGetVersion"))(&version);
    const int b = ((int (*)(int *))dlsym(runtime, "cudaDriverGetVersion"))(&driver);
    const int c = ((int (*)(int *))dlsym(runtime, "cudaGetDeviceCount"))(&devices);
    void *entry = 0;
    int found = -1;
    int (*by_version)(const char *, void **, unsigned, unsigned long long, int *) =
        (int (*)(const char *, void **, unsigned, unsigned long long, int *))dlsym(
            runtime, "cudaGetDriverEntryPointByVersion");
    const int d = by_version ? by_version("cuInit", &entry, 12000, 0, &found) : -1;
    long (*watch)(const char *) = (long (*)(const char *))dlsym(RTLD_DEFAULT, "watch_count");
    long *calls = (long *)dlsym(dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD), "fake_calls");
    Dl_info info = { 0 };
    if (entry)
        dladdr(entry, &info);
    printf("result runtime=%d.%d driver=%d.%d count=%d entry=%d.%s init=%ld version=%ld calls=%ld "
           "asked=%ld\n",
        a, version, b, driver, c, d, info.dli_fname ? info.dli_fname : "-",
        watch ? watch("cuInit") : -9, watch ? watch("cuDriverGetVersion") : -9, calls ? *calls : -1,
        watch ? watch("cudaRuntimeGetVersion") : -9);
    return 0;
}
