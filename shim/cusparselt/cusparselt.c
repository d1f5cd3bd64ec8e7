/* cuSPARSELt: its search times all algorithms and writes the fastest into the plan; we run the plan as it is, which gives the same
 * product. cuSPARSELt guide, cusparseLtMatmulSearch: behaves as cusparseLtMatmul, and blocks; cusparseLtMatmul: deterministic results
 * for each run. The toolkit has no header of this library: prototypes as in cusparseLt.h 0.10, every handle an address. */
#include <stdbool.h>
#include <stdint.h>

#include "shim/loader/call.h"
#include "shim/log/log.h"
#include "shim/pins/pins.h"

int cusparseLtMatmul(const void *handle, const void *plan, const void *alpha, const void *A,
    const void *B, const void *beta, const void *C, void *D, void *workspace, void **streams,
    int32_t n_streams);
int cusparseLtMatmulSearch(const void *handle, void *plan, const void *alpha, const void *A,
    const void *B, const void *beta, const void *C, void *D, void *workspace, void **streams,
    int32_t n_streams);

static void count(const char *call, enum det_class cls, const char *why)
{
    det_ledger_hit(det_ledger_row("call", call, cls, DET_RULE_CUSPARSELT_SEARCH, why));
}

DET_EXPORT int cusparseLtMatmul(const void *handle, const void *plan, const void *alpha,
    const void *A, const void *B, const void *beta, const void *C, void *D, void *workspace,
    void **streams, int32_t n_streams)
{
    if (!det_enter(DET_ID_cusparseLtMatmul))
        return DET_REAL(cusparseLtMatmul)(
            handle, plan, alpha, A, B, beta, C, D, workspace, streams, n_streams);
    det_pins_vendor();
    const int status = DET_REAL(cusparseLtMatmul)(
        handle, plan, alpha, A, B, beta, C, D, workspace, streams, n_streams);
    if (status == 0)
        count(DET_NAME(cusparseLtMatmul), DET_CLASS_VOUCHED, "");
    det_leave(DET_ID_cusparseLtMatmul);
    return status;
}

/* The search blocks, so the program may read D when it returns. Nothing can wait for a stream that is being captured. */
static void wait_for(void *stream)
{
    int (*const capturing)(void *, int *) =
        (int (*)(void *, int *))(uintptr_t)det_driver_symbol("cuStreamIsCapturing");
    int (*const wait)(void *) =
        (int (*)(void *))(uintptr_t)det_driver_symbol("cuStreamSynchronize");
    int captured = 1;
    det_inside_begin();
    if (capturing && wait && capturing(stream, &captured) == 0 && captured == 0)
        wait(stream);
    det_inside_end();
}

DET_EXPORT int cusparseLtMatmulSearch(const void *handle, void *plan, const void *alpha,
    const void *A, const void *B, const void *beta, const void *C, void *D, void *workspace,
    void **streams, int32_t n_streams)
{
    const void *const real = det_real_or_null(DET_ID_cusparseLtMatmul, __builtin_return_address(0));
    if (!det_enter(DET_ID_cusparseLtMatmulSearch))
        return DET_REAL(cusparseLtMatmulSearch)(
            handle, plan, alpha, A, B, beta, C, D, workspace, streams, n_streams);
    det_pins_vendor();
    const bool answer = det_rule_acts(DET_RULE_CUSPARSELT_SEARCH) && real != NULL;
    const int status = answer ? DET_REAL(cusparseLtMatmul)(handle, plan, alpha, A, B, beta, C, D,
                                    workspace, streams, n_streams)
                              : DET_REAL(cusparseLtMatmulSearch)(handle, plan, alpha, A, B, beta, C,
                                    D, workspace, streams, n_streams);
    if (status == 0 && answer) {
        det_log_override_text(DET_NAME(cusparseLtMatmulSearch), DET_RULE_CUSPARSELT_SEARCH,
            "choice", "by time", "the plan's own");
        wait_for(streams != NULL && n_streams > 0 ? streams[0] : NULL);
    }
    if (status == 0)
        count(DET_NAME(cusparseLtMatmulSearch), answer ? DET_CLASS_PINNED : DET_CLASS_UNCOVERED,
            answer ? "" : "picks by time");
    det_leave(DET_ID_cusparseLtMatmulSearch);
    return status;
}
