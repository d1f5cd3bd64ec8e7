/* The driver's linker. One PTX input alone is compiled, not linked: its PTX speaks for the result. Anything else makes code that
 * stands in no PTX: unknown, as machine code. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shim/core/hash.h"
#include "shim/core/io.h"
#include "shim/cuda/cuda_api.h"
#include "shim/cuda/cuda_shim.h"
#include "shim/cuda/cuda_state.h"
#include "shim/image/known.h"
#include "shim/loader/call.h"

struct link {
    const void *state;
    unsigned n_inputs;
    bool only_ptx;
    struct det_bytes ptx;
    UT_hash_handle hh;
};
static struct link *links; /* map lock */

static struct link *link_get(const void *state, bool make)
{
    struct link *link = NULL;
    HASH_FIND_PTR(links, &state, link);
    if (link == NULL && make && (link = calloc(1, sizeof *link)) != NULL) {
        link->state = state;
        link->only_ptx = true;
        HASH_ADD_PTR(links, state, link);
    }
    return link;
}

static void input(CUlinkState state, CUjitInputType type, const void *data, size_t n_bytes)
{
    det_map_lock();
    struct link *const link = link_get(state, true);
    if (link != NULL) {
        link->n_inputs++;
        link->only_ptx &= type == CU_JIT_INPUT_PTX && link->n_inputs == 1 && data != NULL;
        if (link->only_ptx)
            det_bytes_append(&link->ptx, data, n_bytes);
    }
    det_map_unlock();
}

DET_EXPORT CUresult cuLinkAddData_v2(CUlinkState state, CUjitInputType type, void *data,
    size_t size, const char *name, unsigned int numOptions, CUjit_option *options,
    void **optionValues)
{
    if (!det_enter(DET_ID_cuLinkAddData_v2))
        return DET_REAL(cuLinkAddData_v2)(
            state, type, data, size, name, numOptions, options, optionValues);

    const CUresult status = DET_REAL(cuLinkAddData_v2)(
        state, type, data, size, name, numOptions, options, optionValues);
    const int saved = errno;
    if (status == CUDA_SUCCESS)
        input(state, type, data, size);
    errno = saved;
    det_leave(DET_ID_cuLinkAddData_v2);
    return status;
}

DET_EXPORT CUresult cuLinkAddFile_v2(CUlinkState state, CUjitInputType type, const char *path,
    unsigned int numOptions, CUjit_option *options, void **optionValues)
{
    if (!det_enter(DET_ID_cuLinkAddFile_v2))
        return DET_REAL(cuLinkAddFile_v2)(state, type, path, numOptions, options, optionValues);

    const CUresult status =
        DET_REAL(cuLinkAddFile_v2)(state, type, path, numOptions, options, optionValues);
    const int saved = errno;
    if (status == CUDA_SUCCESS) {
        struct det_bytes file = { 0 };
        const bool read =
            type == CU_JIT_INPUT_PTX && det_io_read_file(path, (size_t)1 << 30, &file) == DET_OK;
        input(state, type, read ? file.data : NULL, file.n_bytes);
        det_bytes_free(&file);
    }
    errno = saved;
    det_leave(DET_ID_cuLinkAddFile_v2);
    return status;
}

DET_EXPORT CUresult cuLinkComplete(CUlinkState state, void **cubinOut, size_t *sizeOut)
{
    if (!det_enter(DET_ID_cuLinkComplete))
        return DET_REAL(cuLinkComplete)(state, cubinOut, sizeOut);

    const CUresult status = DET_REAL(cuLinkComplete)(state, cubinOut, sizeOut);
    const int saved = errno;
    if (status == CUDA_SUCCESS && cubinOut != NULL && sizeOut != NULL) {
        struct det_bytes ptx = { 0 };
        det_map_lock();
        const struct link *const link = link_get(state, false);
        if (link != NULL && link->n_inputs == 1 && link->only_ptx)
            det_bytes_append(&ptx, link->ptx.data, link->ptx.n_bytes);
        det_map_unlock();
        if (ptx.n_bytes != 0 && det_bytes_check(&ptx) == DET_OK)
            det_known_add(*cubinOut, *sizeOut, ptx.data, ptx.n_bytes);
        det_bytes_free(&ptx);
    }
    errno = saved;
    det_leave(DET_ID_cuLinkComplete);
    return status;
}

DET_EXPORT CUresult cuLinkDestroy(CUlinkState state)
{
    if (!det_enter(DET_ID_cuLinkDestroy))
        return DET_REAL(cuLinkDestroy)(state);

    const int saved = errno;
    det_map_lock();
    struct link *const link = link_get(state, false);
    if (link != NULL)
        HASH_DEL(links, link);
    det_map_unlock();
    if (link != NULL)
        det_bytes_free(&link->ptx);
    free(link);
    errno = saved;
    const CUresult status = DET_REAL(cuLinkDestroy)(state);
    det_leave(DET_ID_cuLinkDestroy);
    return status;
}
