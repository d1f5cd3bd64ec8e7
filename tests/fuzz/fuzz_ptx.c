/* Any bytes through parser, classifier, printer and rewriter; what parsed prints back as it was, whatever a twin is it parses. */
#include <stdlib.h>
#include <string.h>

#include "shim/ptx/ptx.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

static void make_twin(const struct det_ptx_module *module, bool identity)
{
    const struct det_ptx_twin_options options = { .identity = identity,
        .keep_name_suffix = identity };
    struct det_ptx_twin twin;
    if (det_ptx_make_twin(module, &options, &twin) != DET_OK)
        return;
    struct det_ptx_module *again;
    if (det_ptx_parse(twin.text.data, twin.text.n_bytes, &again, NULL) == DET_OK)
        det_ptx_free(again);
    det_ptx_twin_free(&twin);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
    struct det_ptx_module *module;
    struct det_ptx_where where;
    if (det_ptx_parse((const char *)bytes, n_bytes, &module, &where) != DET_OK) {
        if (module != NULL || memchr(where.text, '\0', sizeof where.text) == NULL)
            abort();
        return 0;
    }
    struct det_bytes out = { 0 };
    if (det_ptx_print(module, &out) == DET_OK &&
        (out.n_bytes != n_bytes || (n_bytes && memcmp(out.data, bytes, n_bytes) != 0)))
        abort();
    det_bytes_free(&out);
    for (size_t i = 0; i < det_ptx_n_kernels(module); i++) {
        const struct det_ptx_kernel *kernel = det_ptx_kernel(module, i);
        if (!kernel->name || !kernel->reason ||
            (kernel->cls == DET_CLASS_UNCOVERED && !*kernel->reason))
            abort();
    }
    make_twin(module, false);
    make_twin(module, true);
    det_ptx_free(module);
    return 0;
}
