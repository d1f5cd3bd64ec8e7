/* Real NVIDIA libraries without a device: what works on a machine that has none, by dlopen from the folders given, and what
 * the watch library counted. argv: MODE FOLDER... where MODE is cudnn, cublas, nccl, curand, nvrtc. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef long (*function)();
static long failures;

static void *open_in(const char *folder, const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        fprintf(stderr, "vendor: %s\n", dlerror());
        failures++;
    }
    return handle;
}

static function in(void *handle, const char *name)
{
    function found = handle ? (function)dlsym(handle, name) : 0;
    if (!found)
        failures++;
    return found;
}

static long count(const char *name)
{
    long (*watch)(const char *) = (long (*)(const char *))dlsym(RTLD_DEFAULT, "watch_count");
    return watch ? watch(name) : -9;
}

static void cudnn(const char *folder)
{
    void *lib = open_in(folder, "libcudnn.so.9"), *made = 0;
    if (!lib)
        return;
    const long version = in(lib, "cudnnGetVersion")();
    const long created = in(lib, "cudnnCreateTensorDescriptor")(&made);
    const long set = in(lib, "cudnnSetTensor4dDescriptor")(made, 0L, 0L, 1L, 2L, 3L, 4L);
    const long destroyed = in(lib, "cudnnDestroyTensorDescriptor")(made);
    printf("result cudnn=%ld created=%d made=%d set=%d destroyed=%d counted=%ld\n", version,
        (int)created, made != 0, (int)set, (int)destroyed,
        count("cudnnGetVersion") + count("cudnnCreateTensorDescriptor"));
}

static void cublas(const char *folder, const char *soname, const char *light)
{
    if (!open_in(folder, light))
        return;
    void *lib = open_in(folder, soname);
    int major = -1;
    const long status = lib ? in(lib, "cublasGetProperty")(0L, &major) : -1;
    printf(
        "result cublas=%d status=%d counted=%ld\n", major, (int)status, count("cublasGetProperty"));
}

static void nccl(const char *folder)
{
    void *lib = open_in(folder, "libnccl.so.2");
    int version = -1;
    const long status = lib ? in(lib, "ncclGetVersion")(&version) : -1;
    printf("result nccl=%d status=%d counted=%ld\n", version, (int)status, count("ncclGetVersion"));
}

static void curand(const char *folder)
{
    void *lib = open_in(folder, "libcurand.so.10"), *generator = 0;
    unsigned numbers[4] = { 0 };
    if (!lib)
        return;
    const long created = in(lib, "curandCreateGeneratorHost")(&generator, 161L); /* Philox4_32_10 */
    const long seeded = in(lib, "curandSetPseudoRandomGeneratorSeed")(generator, 42L);
    const long drawn = in(lib, "curandGenerate")(generator, numbers, 4L);
    printf("result curand=%08x%08x%08x%08x created=%d seeded=%d drawn=%d counted=%ld\n", numbers[0],
        numbers[1], numbers[2], numbers[3], (int)created, (int)seeded, (int)drawn,
        count("curandGenerate"));
    in(lib, "curandDestroyGenerator")(generator);
}

static void nvrtc(const char *folder, const char *soname)
{
    void *lib = open_in(folder, soname), *program = 0;
    if (!lib)
        return;
    static const char source[] =
        "extern \"C\" __global__ void add(float *x) { atomicAdd(x, 1.0f); }";
    const char *options[] = { "--gpu-architecture=compute_80" };
    size_t n = 0;
    const long made = in(lib, "nvrtcCreateProgram")(&program, source, "add.cu", 0L, 0L, 0L);
    const long compiled = in(lib, "nvrtcCompileProgram")(program, 1L, options);
    in(lib, "nvrtcGetPTXSize")(program, &n);
    char *text = calloc(1, n + 1);
    in(lib, "nvrtcGetPTX")(program, text);
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ (unsigned char)text[i]) * 1099511628211u;
    printf("result nvrtc=%016llx made=%d compiled=%d atomic=%d counted=%ld\n",
        (unsigned long long)hash, (int)made, (int)compiled, strstr(text, ".add.f32") != 0,
        count("nvrtcCompileProgram"));
    in(lib, "nvrtcDestroyProgram")(&program);
}

int main(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "cudnn"))
            cudnn(argv[i + 1]);
        else if (!strcmp(argv[i], "cublas13"))
            cublas(argv[i + 1], "libcublas.so.13", "libcublasLt.so.13");
        else if (!strcmp(argv[i], "cublas12"))
            cublas(argv[i + 1], "libcublas.so.12", "libcublasLt.so.12");
        else if (!strcmp(argv[i], "nccl"))
            nccl(argv[i + 1]);
        else if (!strcmp(argv[i], "curand"))
            curand(argv[i + 1]);
        else if (!strcmp(argv[i], "nvrtc13"))
            nvrtc(argv[i + 1], "libnvrtc.so.13");
        else if (!strcmp(argv[i], "nvrtc12"))
            nvrtc(argv[i + 1], "libnvrtc.so.12");
    }
    printf("result failures=%ld\n", failures);
    return failures != 0;
}
