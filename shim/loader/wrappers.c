/* Where the wrapper of each call is, as its distance from this table: nothing is relocated when a process starts. The version script and
 * -Bsymbolic-functions bind the wrappers inside the library. No vendor header is seen here, so they are plain addresses. */
#include "shim/loader/internal.h"

extern const int32_t wrappers[] __asm__("det_call_wrappers") __attribute__((visibility("hidden")));
__asm__(".pushsection .rodata.det_call_wrappers, \"a\", %progbits\n"
        "\t.balign 4\n"
        "\t.hidden det_call_wrappers\n"
        "\t.globl det_call_wrappers\n"
        "det_call_wrappers:\n"
#define DET_CALL(symbol, since, how) "\t.long " #symbol " - det_call_wrappers\n"
#include "shim/loader/calls.def"
#undef DET_CALL
        ".popsection\n");

const void *det_call_wrapper(enum det_call call)
{
    return (const char *)wrappers + wrappers[call];
}
