/* cuSOLVER: deterministic results whatever a program asks for, and its getter answers what was asked. geqrf, syevd(x), gesvd, gesvdj
 * and their X forms obey this mode (cuSOLVER guide, cusolverDnSetDeterministicMode); all else is documented as deterministic.
 * cusolverMg and cusolverSp say nothing on determinism: not wrapped. */
#include <cusolverDn.h>

#include "shim/core/hash.h"
#include "shim/core/kept.h"
#include "shim/core/seen.h"
#include "shim/cusolver/cusolver_routines.h"
#include "shim/loader/call.h"
#include "shim/log/log.h"
#include "shim/pins/pins.h"

enum field { MODE, N_FIELDS };
static struct det_kept kept;

/* One record per call and value. */
static void observe(enum det_call call, const char *field, int64_t a, int64_t b)
{
    static struct det_seen seen;
    const int64_t key[3] = { (int64_t)call, a, b };
    if (det_seen_first(&seen, det_hash(key, sizeof key, 0)))
        det_log_event("observe", det_call_name(call), field, (uint64_t)a, (uint64_t)b);
}

static cusolverDeterministicMode_t decide(cusolverDeterministicMode_t asked)
{
    return asked == CUSOLVER_ALLOW_NON_DETERMINISTIC_RESULTS &&
                   det_rule_acts(DET_RULE_CUSOLVER_MODE)
               ? CUSOLVER_DETERMINISTIC_RESULTS
               : asked;
}

static void count(cusolverDeterministicMode_t asked, cusolverDeterministicMode_t given)
{
    const char *name = DET_NAME(cusolverDnSetDeterministicMode);
    if (given != asked)
        det_ledger_hit(det_ledger_row("call", name, DET_CLASS_PINNED, DET_RULE_CUSOLVER_MODE, ""));
    else if (given == CUSOLVER_ALLOW_NON_DETERMINISTIC_RESULTS)
        det_ledger_hit(det_ledger_row("call", name, DET_CLASS_UNCOVERED, DET_RULE_CUSOLVER_MODE,
            "the program allows results that differ"));
}

DET_EXPORT cusolverStatus_t cusolverDnCreate(cusolverDnHandle_t *handle)
{
    if (!det_enter(DET_ID_cusolverDnCreate))
        return DET_REAL(cusolverDnCreate)(handle);
    det_pins_library("cublas"); /* cuSOLVER makes cuBLAS handles of its own */
    const cusolverStatus_t status = DET_REAL(cusolverDnCreate)(handle);
    if (status == CUSOLVER_STATUS_SUCCESS && handle)
        det_kept_drop(&kept, *handle, N_FIELDS);
    det_leave(DET_ID_cusolverDnCreate);
    return status;
}

DET_EXPORT cusolverStatus_t cusolverDnDestroy(cusolverDnHandle_t handle)
{
    det_kept_drop(&kept, handle, N_FIELDS);
    return DET_REAL(cusolverDnDestroy)(handle);
}

DET_EXPORT cusolverStatus_t cusolverDnSetDeterministicMode(
    cusolverDnHandle_t handle, cusolverDeterministicMode_t asked)
{
    if (!det_enter(DET_ID_cusolverDnSetDeterministicMode))
        return DET_REAL(cusolverDnSetDeterministicMode)(handle, asked);
    const cusolverDeterministicMode_t given = decide(asked);
    if (given != asked)
        det_log_override(
            DET_NAME(cusolverDnSetDeterministicMode), DET_RULE_CUSOLVER_MODE, "mode", asked, given);
    const cusolverStatus_t status = DET_REAL(cusolverDnSetDeterministicMode)(handle, given);
    if (status == CUSOLVER_STATUS_SUCCESS) {
        det_kept_set(&kept, handle, MODE, asked);
        count(asked, given);
    }
    det_leave(DET_ID_cusolverDnSetDeterministicMode);
    return status;
}

DET_EXPORT cusolverStatus_t cusolverDnGetDeterministicMode(
    cusolverDnHandle_t handle, cusolverDeterministicMode_t *mode)
{
    const cusolverStatus_t status = DET_REAL(cusolverDnGetDeterministicMode)(handle, mode);
    int64_t asked = 0;
    if (status == CUSOLVER_STATUS_SUCCESS && mode && det_kept_get(&kept, handle, MODE, &asked))
        *mode = (cusolverDeterministicMode_t)asked;
    return status;
}

static void count_routine(enum det_call call, bool left)
{
    static _Atomic(struct det_ledger_row *) rows[DET_N_CALLS][2];
    struct det_ledger_row *row = rows[call][left];
    if (!row) {
        row = left ? det_ledger_row("call", det_call_name(call), DET_CLASS_UNCOVERED,
                         DET_RULE_CUSOLVER_MODE, "the program allows results that differ")
                   : det_ledger_row("call", det_call_name(call), DET_CLASS_VOUCHED,
                         DET_RULE_CUSOLVER_MODE, "");
        rows[call][left] = row;
    }
    det_ledger_hit(row);
}

void det_cusolver_count_routine(enum det_call call, const void *handle, const void *caller)
{
    int64_t asked = 0;
    const bool allowed =
        det_kept_get(&kept, handle, MODE, &asked) &&
        decide((cusolverDeterministicMode_t)asked) == CUSOLVER_ALLOW_NON_DETERMINISTIC_RESULTS;
    if (!det_caller_is_vendor(caller))
        count_routine(call, allowed);
}

#define SETTING(symbol, field, params, a, b, ...)                                                  \
    DET_EXPORT cusolverStatus_t symbol params                                                      \
    {                                                                                              \
        if (!det_enter(DET_ID_##symbol))                                                           \
            return DET_REAL(symbol)(__VA_ARGS__);                                                  \
        observe(DET_ID_##symbol, field, (int64_t)(a), (int64_t)(b));                               \
        const cusolverStatus_t status = DET_REAL(symbol)(__VA_ARGS__);                             \
        det_leave(DET_ID_##symbol);                                                                \
        return status;                                                                             \
    }
SETTING(cusolverDnSetMathMode, "mode", (cusolverDnHandle_t handle, cusolverMathMode_t mode), mode,
    0, handle, mode)
SETTING(cusolverDnSetEmulationStrategy, "strategy",
    (cusolverDnHandle_t handle, cudaEmulationStrategy_t strategy), strategy, 0, handle, strategy)
SETTING(cusolverDnSetAdvOptions, "function and algorithm",
    (cusolverDnParams_t params, cusolverDnFunction_t function, cusolverAlgMode_t algo), function,
    algo, params, function, algo)

/* Randomised: whether its inner generator starts from a fixed seed is not documented. */
DET_EXPORT cusolverStatus_t cusolverDnXgesvdr(cusolverDnHandle_t handle, cusolverDnParams_t params,
    signed char jobu, signed char jobv, int64_t m, int64_t n, int64_t k, int64_t p, int64_t niters,
    cudaDataType typeA, void *A, int64_t lda, cudaDataType typeS, void *S, cudaDataType typeU,
    void *U, int64_t ldu, cudaDataType typeV, void *V, int64_t ldv, cudaDataType compute,
    void *device, size_t device_bytes, void *host, size_t host_bytes, int *info)
{
    if (!det_enter(DET_ID_cusolverDnXgesvdr))
        return DET_REAL(cusolverDnXgesvdr)(handle, params, jobu, jobv, m, n, k, p, niters, typeA, A,
            lda, typeS, S, typeU, U, ldu, typeV, V, ldv, compute, device, device_bytes, host,
            host_bytes, info);
    det_ledger_hit(det_ledger_row("call", DET_NAME(cusolverDnXgesvdr), DET_CLASS_UNKNOWN,
        DET_RULE_CUSOLVER_MODE, "a randomised method whose seed is not documented"));
    const cusolverStatus_t status = DET_REAL(cusolverDnXgesvdr)(handle, params, jobu, jobv, m, n, k,
        p, niters, typeA, A, lda, typeS, S, typeU, U, ldu, typeV, V, ldv, compute, device,
        device_bytes, host, host_bytes, info);
    det_leave(DET_ID_cusolverDnXgesvdr);
    return status;
}
