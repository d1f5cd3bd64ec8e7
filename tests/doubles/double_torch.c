/* Stands for libtorch_cpu.so: the at::Context functions PyTorch's own code asks, under their real (mangled) names. Every getter says
 * the opposite of strict mode; TORCH_STRICT=1 is a program that switched strict mode on itself. What would throw prints instead. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "shim/pins/torch.h"

#define DOUBLE __attribute__((visibility("default")))

static char context;

DOUBLE void *_ZN2at13globalContextEv(void)
{
    return &context;
}

DOUBLE bool _ZNK2at7Context23deterministicAlgorithmsEv(const void *self)
{
    return self == &context && getenv("TORCH_STRICT");
}
DOUBLE bool _ZNK2at7Context31deterministicAlgorithmsWarnOnlyEv(const void *self)
{
    return self == &context;
}
DOUBLE bool _ZNK2at7Context18deterministicCuDNNEv(const void *self)
{
    return self != &context;
}
DOUBLE bool _ZNK2at7Context14benchmarkCuDNNEv(const void *self)
{
    return self == &context;
}
DOUBLE bool _ZNK2at7Context36deterministicFillUninitializedMemoryEv(const void *self)
{
    return self == &context;
}
DOUBLE bool _ZNK2at7Context19deterministicMkldnnEv(const void *self)
{
    return self != &context;
}
DOUBLE void _ZNK2at7Context33alertCuBLASConfigNotDeterministicEv(const void *self)
{
    printf("result threw_cublas=%d\n", self == &context);
}
DOUBLE bool _ZN2at7Context30checkCuBLASConfigDeterministicEv(void)
{
    return false;
}
DOUBLE void _ZN2at7Context21alertNotDeterministicERKSt17basic_string_viewIcSt11char_traitsIcEE(
    const struct det_std_view *op)
{
    printf("result threw_std=%.*s\n", (int)op->n_bytes, op->at);
}
DOUBLE void _ZN2at7Context21alertNotDeterministicERKN3c1017basic_string_viewIcEE(
    const struct det_c10_view *op)
{
    printf("result threw_c10=%.*s\n", (int)op->n_bytes, op->at);
}
