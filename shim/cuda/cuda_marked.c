/* Cubins that `detshim ptxas` made (Triton, Inductor): the PTX they were compiled from is a variable in them, and the ordered
 * kernels stand beside the program's, already compiled. Nothing is compiled again unless another version of us made them. */
#include <string.h>

#include "shim/core/bytes.h"
#include "shim/cuda/cuda_driver.h"
#include "shim/cuda/cuda_state.h"
#include "shim/image/mark.h"

bool det_marked_read(struct det_code *code, const struct det_image_entry *machine)
{
    struct det_bytes cubin = { 0 };
    uint64_t beside = 0;
    enum det_err err = DET_E_NOT_FOUND;
    if (machine == NULL)
        return false;
    if (machine->pack == DET_PACK_NONE)
        err = det_mark_find(machine->payload, machine->payload_bytes, &code->packed, &beside);
    else if (det_image_unpack(machine, &cubin) == DET_OK)
        err = det_mark_find(cubin.data, cubin.n_bytes, &code->packed, &beside);
    det_bytes_free(&cubin);
    if (err != DET_OK) {
        det_bytes_free(&code->packed);
        if (err != DET_E_NOT_FOUND)
            det_log_note("cannot read the mark of a cubin: %s", det_err_text(err));
        return false;
    }
    code->voice = DET_VOICE_PTX;
    code->marked = beside;
    code->entry = (struct det_image_entry){
        .kind = DET_IMAGE_PTX,
        .sm = machine->sm,
        .suffix = machine->suffix,
        .payload = (const uint8_t *)code->packed.data,
        .payload_bytes = code->packed.n_bytes,
        .plain_bytes = code->packed.n_bytes,
        .pack = DET_PACK_NONE,
    };
    return true;
}

bool det_marked_beside(const struct det_code *code)
{
    const struct det_ptx_twin_options how = { .keep_name_suffix = true, .beside = true };
    struct det_ptx_twin twin = { 0 };
    if (code->marked == 0 || det_ptx_make_twin(code->module, &how, &twin) != DET_OK)
        return false;
    const bool same = det_hash(twin.text.data, twin.text.n_bytes, 0) == code->marked;
    det_ptx_twin_free(&twin);
    if (!same)
        det_log_note("a cubin holds ordered kernels of another detshim; they are compiled again");
    return same;
}

CUresult det_marked_function(CUmodule module, const char *name, CUfunction *function)
{
    struct det_bytes text = { 0 };
    det_bytes_text(&text, name);
    det_bytes_text(&text, DET_MARK_SUFFIX);
    const CUresult status = det_bytes_check(&text) == DET_OK
                                ? det_driver()->cuModuleGetFunction(function, module, text.data)
                                : CUDA_ERROR_OUT_OF_MEMORY;
    det_bytes_free(&text);
    return status;
}

CUmodule det_marked_module(const struct det_unit *unit, const char *name)
{
    const struct det_driver *const cu = det_driver();
    CUmodule module = (CUmodule)unit->handle;
    CUfunction function;
    if (unit->handle == NULL)
        return NULL;
    if (unit->library &&
        (cu->cuLibraryGetModule == NULL ||
            cu->cuLibraryGetModule(&module, (CUlibrary)unit->handle) != CUDA_SUCCESS))
        return NULL;
    return det_marked_function(module, name, &function) == CUDA_SUCCESS ? module : NULL;
}
