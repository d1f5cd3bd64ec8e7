/* NVRTC gives PTX and machine code of one compilation; CuPy and PyTorch load the machine code only. The PTX is asked for, too, and
 * kept by the machine code's bytes. NVRTC's answers to the program are untouched. */
#include <errno.h>
#include <nvrtc.h>
#include <stdlib.h>

#include "shim/image/known.h"
#include "shim/loader/call.h"
#include "shim/log/log.h"

static void keep_ptx(nvrtcProgram prog, const char *cubin)
{
    const __typeof__(&nvrtcGetCUBINSize) cubin_size =
        (__typeof__(&nvrtcGetCUBINSize))(uintptr_t)det_family_symbol(
            DET_FAMILY_NVRTC, "nvrtcGetCUBINSize");
    const __typeof__(&nvrtcGetPTXSize) ptx_size =
        (__typeof__(&nvrtcGetPTXSize))(uintptr_t)det_family_symbol(
            DET_FAMILY_NVRTC, "nvrtcGetPTXSize");
    const __typeof__(&nvrtcGetPTX) get_ptx =
        (__typeof__(&nvrtcGetPTX))(uintptr_t)det_family_symbol(DET_FAMILY_NVRTC, "nvrtcGetPTX");
    size_t n_cubin = 0, n_ptx = 0;
    if (cubin_size == NULL || ptx_size == NULL || get_ptx == NULL ||
        cubin_size(prog, &n_cubin) != NVRTC_SUCCESS || n_cubin == 0 ||
        ptx_size(prog, &n_ptx) != NVRTC_SUCCESS || n_ptx == 0)
        return;
    char *const ptx = malloc(n_ptx);
    if (ptx != NULL && get_ptx(prog, ptx) == NVRTC_SUCCESS &&
        det_known_add(cubin, n_cubin, ptx, n_ptx))
        det_log_event("nvrtc", "cubin", "its PTX is kept", n_cubin, n_ptx);
    free(ptx);
}

DET_EXPORT nvrtcResult nvrtcGetCUBIN(nvrtcProgram prog, char *cubin)
{
    if (!det_enter(DET_ID_nvrtcGetCUBIN))
        return DET_REAL(nvrtcGetCUBIN)(prog, cubin);

    const nvrtcResult status = DET_REAL(nvrtcGetCUBIN)(prog, cubin);
    const int saved = errno;
    if (status == NVRTC_SUCCESS && cubin != NULL)
        keep_ptx(prog, cubin);
    errno = saved;
    det_leave(DET_ID_nvrtcGetCUBIN);
    return status;
}
