/* As CuPy does: the real NVRTC compiles for a real architecture, and only the machine code is fetched. Prints sizes and whether
 * two fetches agree. Needs no GPU and loads nothing. */
#include <dlfcn.h>
#include <nvrtc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RTC(symbol) ((__typeof__(&symbol))dlsym(lib, #symbol))

int main(void)
{
    static const char source[] = "extern \"C\" __global__ void k(float *y, const float *x)\n"
                                 "{ atomicAdd(y, x[threadIdx.x]); }\n";
    const char *const options[] = { "--gpu-architecture=sm_90" };
    void *const lib = dlopen("libnvrtc.so.13", RTLD_NOW);
    nvrtcProgram program;
    size_t n = 0;
    if (lib == NULL) {
        printf("no NVRTC\n");
        return 77;
    }
    if (RTC(nvrtcCreateProgram)(&program, source, "k.cu", 0, NULL, NULL) != NVRTC_SUCCESS ||
        RTC(nvrtcCompileProgram)(program, 1, options) != NVRTC_SUCCESS ||
        RTC(nvrtcGetCUBINSize)(program, &n) != NVRTC_SUCCESS)
        return 2;
    char *const a = calloc(1, n), *const b = calloc(1, n);
    const int first = RTC(nvrtcGetCUBIN)(program, a), second = RTC(nvrtcGetCUBIN)(program, b);
    printf("result cubin=%zu,%d,%d,%d\n", n, first, second, memcmp(a, b, n) == 0);
    return 0;
}
