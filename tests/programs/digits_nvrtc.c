/* The digits network through the driver API, as compilers of deep learning frameworks do it: kernels compiled at run time by
 * NVRTC, the driver found by dlopen and dlsym. */
#include <cuda.h>
#include <dlfcn.h>
#include <nvrtc.h>

#include "digits_train.h"

/* The kernels' source text, as it stands in the file. */
__asm__(".section .rodata\n"
        "kernel_source:\n"
        ".incbin \"" DIGITS_ROOT "/tests/programs/digits_kernels.h\"\n"
        ".byte 0\n"
        ".previous\n");
extern const char kernel_source[];

/* Typed by their declarations in cuda.h, whose macros pick the current versions; the exported names stand beside. */
static __typeof__(&cuInit) init;
static __typeof__(&cuDeviceGet) device_get;
static __typeof__(&cuDeviceGetAttribute) device_attribute;
static __typeof__(&cuDevicePrimaryCtxRetain) context_retain;
static __typeof__(&cuCtxSetCurrent) context_set;
static __typeof__(&cuModuleLoadDataEx) module_load;
static __typeof__(&cuModuleGetFunction) module_function;
static __typeof__(&cuMemAlloc) mem_alloc;
static __typeof__(&cuMemsetD8) mem_set;
static __typeof__(&cuMemcpyHtoD) mem_put;
static __typeof__(&cuMemcpyDtoH) mem_get;
static __typeof__(&cuLaunchKernel) launch_kernel;
static __typeof__(&cuGetErrorName) error_name;

enum {
    HIDDEN_FORWARD,
    SOFTMAX_LOSS,
    HIDDEN_BACKWARD,
    WEIGHT_GRADIENT,
    BIAS_GRADIENT,
    ADAM,
    N_KERNELS
};
static const char *const kernel_names[N_KERNELS] = { "hidden_forward", "softmax_loss",
    "hidden_backward", "weight_gradient", "bias_gradient", "adam" };
static CUfunction kernels[N_KERNELS];

static void check(CUresult status, const char *what)
{
    if (status == CUDA_SUCCESS)
        return;
    const char *name = "?";
    error_name(status, &name);
    fprintf(stderr, "%s: %s\n", what, name);
    exit(1);
}
#define CHECK(call) check((call), #call)

static void find_driver(void)
{
    const struct {
        const char *name;
        void *slot;
    } wanted[] = { { "cuInit", &init }, { "cuDeviceGet", &device_get },
        { "cuDeviceGetAttribute", &device_attribute },
        { "cuDevicePrimaryCtxRetain", &context_retain }, { "cuCtxSetCurrent", &context_set },
        { "cuModuleLoadDataEx", &module_load }, { "cuModuleGetFunction", &module_function },
        { "cuMemAlloc_v2", &mem_alloc }, { "cuMemsetD8_v2", &mem_set },
        { "cuMemcpyHtoD_v2", &mem_put }, { "cuMemcpyDtoH_v2", &mem_get },
        { "cuLaunchKernel", &launch_kernel }, { "cuGetErrorName", &error_name } };
    void *driver = dlopen("libcuda.so.1", RTLD_NOW);
    if (!driver) {
        fprintf(stderr, "no CUDA driver: %s\n", dlerror());
        exit(1);
    }
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        void *const found = dlsym(driver, wanted[i].name);
        if (!found) {
            fprintf(stderr, "driver lacks %s\n", wanted[i].name);
            exit(1);
        }
        memcpy(wanted[i].slot, &found, sizeof found);
    }
}

/* PTX for the device at hand. */
static char *compile(CUdevice device)
{
    int major, minor;
    CHECK(device_attribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device));
    CHECK(device_attribute(&minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device));
    char arch[64];
    snprintf(arch, sizeof arch, "--gpu-architecture=compute_%d%d", major, minor);
    const char *const flags[] = { arch };
    nvrtcProgram program;
    size_t n_bytes;
    nvrtcResult status =
        nvrtcCreateProgram(&program, kernel_source, "digits_kernels.h", 0, NULL, NULL);
    if (status == NVRTC_SUCCESS)
        status = nvrtcCompileProgram(program, 1, flags);
    if (status == NVRTC_SUCCESS)
        status = nvrtcGetPTXSize(program, &n_bytes);
    char *ptx = status == NVRTC_SUCCESS ? malloc(n_bytes) : NULL;
    if (!ptx || nvrtcGetPTX(program, ptx) != NVRTC_SUCCESS) {
        fprintf(stderr, "NVRTC: %s\n", nvrtcGetErrorString(status));
        exit(1);
    }
    nvrtcDestroyProgram(&program);
    return ptx;
}

static void set_up(void)
{
    CUdevice device;
    CUcontext context;
    CUmodule module;
    find_driver();
    CHECK(init(0));
    CHECK(device_get(&device, 0));
    CHECK(context_retain(&context, device));
    CHECK(context_set(context));
    char *ptx = compile(device);
    CHECK(module_load(&module, ptx, 0, NULL, NULL));
    free(ptx);
    for (int i = 0; i < N_KERNELS; i++)
        CHECK(module_function(&kernels[i], module, kernel_names[i]));
}

static void *gpu_alloc(size_t n_bytes)
{
    CUdeviceptr at;
    CHECK(mem_alloc(&at, n_bytes));
    return (void *)(uintptr_t)at;
}
static void gpu_zero(void *to, size_t n_bytes)
{
    CHECK(mem_set((CUdeviceptr)(uintptr_t)to, 0, n_bytes));
}
static void gpu_put(void *to, const void *from, size_t n_bytes)
{
    CHECK(mem_put((CUdeviceptr)(uintptr_t)to, from, n_bytes));
}
static void gpu_get(void *to, const void *from, size_t n_bytes)
{
    CHECK(mem_get(to, (CUdeviceptr)(uintptr_t)from, n_bytes));
}

static void launch(int kernel, int grid, int block, void **args)
{
    CHECK(launch_kernel(
        kernels[kernel], (unsigned)grid, 1, 1, (unsigned)block, 1, 1, 0, NULL, args, NULL));
}
#define BLOCK       128
#define BLOCKS(n)   (((n) + BLOCK - 1) / BLOCK)
#define ADDRESS(of) ((void *)&(of))

static void launch_hidden_forward(const struct network *net, const int *order, int n)
{
    void *args[] = { ADDRESS(net->params), ADDRESS(net->images), ADDRESS(order), &n,
        ADDRESS(net->hidden) };
    launch(HIDDEN_FORWARD, BLOCKS(n * N_HIDDEN), BLOCK, args);
}
static void launch_softmax_loss(const struct network *net, const int *order, int n)
{
    void *args[] = { ADDRESS(net->params), ADDRESS(net->hidden), ADDRESS(net->labels),
        ADDRESS(order), &n, ADDRESS(net->dlogits), ADDRESS(net->loss), ADDRESS(net->hits) };
    launch(SOFTMAX_LOSS, (n + 7) / 8, 8, args);
}
static void launch_hidden_backward(const struct network *net, int n)
{
    void *args[] = { ADDRESS(net->params), ADDRESS(net->hidden), ADDRESS(net->dlogits), &n,
        ADDRESS(net->dhidden) };
    launch(HIDDEN_BACKWARD, BLOCKS(n * N_HIDDEN), BLOCK, args);
}
static void launch_weight_gradient(const float *rows, const int *order, const float *deltas, int n,
    int n_rows, int n_deltas, float *grads, int grid)
{
    void *args[] = { ADDRESS(rows), ADDRESS(order), ADDRESS(deltas), &n, &n_rows, &n_deltas,
        ADDRESS(grads) };
    launch(WEIGHT_GRADIENT, grid, BLOCK, args);
}
static void launch_bias_gradient(const float *deltas, int n, int n_deltas, float *grads, int grid)
{
    void *args[] = { ADDRESS(deltas), &n, &n_deltas, ADDRESS(grads) };
    launch(BIAS_GRADIENT, grid, 32, args);
}
static void launch_adam(const struct network *net, float rate, float beta1, float beta2)
{
    void *args[] = { ADDRESS(net->params), ADDRESS(net->grads), ADDRESS(net->first),
        ADDRESS(net->second), &rate, &beta1, &beta2 };
    launch(ADAM, BLOCKS(N_PARAMS), BLOCK, args);
}

int main(int argc, char **argv)
{
    const struct options options = read_options(argc, argv);
    set_up();
    return train(&options);
}
