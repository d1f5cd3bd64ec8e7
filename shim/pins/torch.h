/* C declarations of the PyTorch functions in torch.def and c10.def: member functions take `this` first; std::string_view is passed by
 * reference. Names and field orders read off the wheels of 2.4.1 and 2.15.0. */
#ifndef DET_PINS_TORCH_H
#define DET_PINS_TORCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct det_std_view { /* libstdc++'s order */
    size_t n_bytes;
    const char *at;
};
struct det_c10_view { /* c10's own string_view, torch <= 2.6 */
    const char *at;
    size_t n_bytes;
};

uint64_t _ZN3c106detail25getNonDeterministicRandomEb(bool is_cuda);
bool _ZNK2at7Context23deterministicAlgorithmsEv(const void *self);
bool _ZNK2at7Context31deterministicAlgorithmsWarnOnlyEv(const void *self);
bool _ZNK2at7Context18deterministicCuDNNEv(const void *self);
bool _ZNK2at7Context14benchmarkCuDNNEv(const void *self);
bool _ZNK2at7Context36deterministicFillUninitializedMemoryEv(const void *self);
bool _ZNK2at7Context19deterministicMkldnnEv(const void *self);
void _ZNK2at7Context33alertCuBLASConfigNotDeterministicEv(const void *self);
bool _ZN2at7Context30checkCuBLASConfigDeterministicEv(void);
void _ZN2at7Context21alertNotDeterministicERKSt17basic_string_viewIcSt11char_traitsIcEE(
    const struct det_std_view *op);
void _ZN2at7Context21alertNotDeterministicERKN3c1017basic_string_viewIcEE(
    const struct det_c10_view *op);

#endif
