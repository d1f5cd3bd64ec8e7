/* The twin: a module that holds only the rewritten kernels and what they need. */
#include "shim/ptx/parts.h"

#include <stdlib.h>

enum det_err det_ptx_make_twin(const struct det_ptx_module *module,
    const struct det_ptx_twin_options *options, struct det_ptx_twin *out)
{
    (void)module;
    (void)options;
    *out = (struct det_ptx_twin){ 0 };
    return DET_E_NOT_FOUND;
}

void det_ptx_twin_free(struct det_ptx_twin *twin)
{
    det_bytes_free(&twin->text);
    free(twin->kernels);
    free(twin->variables);
    *twin = (struct det_ptx_twin){ 0 };
}
