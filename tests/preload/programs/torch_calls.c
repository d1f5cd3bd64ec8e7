/* Asks what PyTorch's own code asks of at::Context and c10, once each, and prints the answers. Linked with the doubles. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "shim/pins/torch.h"

void *_ZN2at13globalContextEv(void);

int main(void)
{
    void *context = _ZN2at13globalContextEv();
    printf("result strict=%d\n", _ZNK2at7Context23deterministicAlgorithmsEv(context));
    printf("result warn_only=%d\n", _ZNK2at7Context31deterministicAlgorithmsWarnOnlyEv(context));
    printf("result cudnn=%d\n", _ZNK2at7Context18deterministicCuDNNEv(context));
    printf("result benchmark=%d\n", _ZNK2at7Context14benchmarkCuDNNEv(context));
    printf("result fill=%d\n", _ZNK2at7Context36deterministicFillUninitializedMemoryEv(context));
    printf("result mkldnn=%d\n", _ZNK2at7Context19deterministicMkldnnEv(context));
    printf("result cublas=%d\n", _ZN2at7Context30checkCuBLASConfigDeterministicEv());
    _ZNK2at7Context33alertCuBLASConfigNotDeterministicEv(context);

    const char text[] = "put_ and more";
    const struct det_std_view std_view = { 4, text };
    const struct det_c10_view c10_view = { text + 5, 3 };
    _ZN2at7Context21alertNotDeterministicERKSt17basic_string_viewIcSt11char_traitsIcEE(&std_view);
    _ZN2at7Context21alertNotDeterministicERKN3c1017basic_string_viewIcEE(&c10_view);

    printf("result cpu=%" PRIu64 "\n", _ZN3c106detail25getNonDeterministicRandomEb(false));
    printf("result cpu_next=%" PRIu64 "\n", _ZN3c106detail25getNonDeterministicRandomEb(false));
    printf("result cuda=%" PRIu64 "\n", _ZN3c106detail25getNonDeterministicRandomEb(true));
    return 0;
}
