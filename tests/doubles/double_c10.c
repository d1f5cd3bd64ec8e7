/* Stands for libc10.so: where PyTorch draws the seed of a generator nobody seeded. Its entropy is the constant 42, easy to tell. */
#include "shim/pins/torch.h"

__attribute__((visibility("default"))) uint64_t _ZN3c106detail25getNonDeterministicRandomEb(
    bool is_cuda)
{
    return is_cuda ? 43 : 42;
}
