/* Sparse times dense, vector and matrix: the algorithm by format, the same in size, preprocessing and computation. */
#include "shim/cusparse/cusparse_decide.h"
#include "shim/cusparse/cusparse_kernel.h"
#include "shim/loader/call.h"
#include "shim/log/log.h"
#include "shim/pins/pins.h"

DET_EXPORT cusparseStatus_t cusparseCreate(cusparseHandle_t *handle)
{
    det_pins_vendor();
    return DET_REAL(cusparseCreate)(handle);
}

/* A matrix that cuSPARSE does not know: the call will fail by itself. */
static cusparseFormat_t format_of(cusparseConstSpMatDescr_t matrix, const void *caller)
{
    cusparseFormat_t format = 0;
    __typeof__(&cusparseSpMatGetFormat) get =
        (__typeof__(&cusparseSpMatGetFormat))(uintptr_t)det_real(
            DET_ID_cusparseSpMatGetFormat, caller);
    return matrix && get(matrix, &format) == CUSPARSE_STATUS_SUCCESS ? format : 0;
}

static int version_of(cusparseHandle_t handle, const void *caller)
{
    int version = 0;
    __typeof__(&cusparseGetVersion) get =
        (__typeof__(&cusparseGetVersion))(uintptr_t)det_real(DET_ID_cusparseGetVersion, caller);
    return handle && get(handle, &version) == CUSPARSE_STATUS_SUCCESS ? version : 0;
}

static void log_choice(const char *call, int asked, const struct det_sparse_choice *choice)
{
    if (choice->given != asked)
        det_log_override(call, choice->rule, "alg", asked, choice->given);
}

/* Ours was queued, or failed to be: either way the program's call is answered. */
static void replaced(const char *call, enum det_rule rule, cusparseStatus_t status)
{
    if (status != CUSPARSE_STATUS_SUCCESS)
        return;
    det_log_override_text(call, rule, "kernel", "of cuSPARSE", "ours");
    det_ledger_hit(det_ledger_row("call", call, DET_CLASS_EXACT, rule, ""));
}

static void count(const char *call, const struct det_sparse_choice *choice)
{
    det_ledger_hit(det_ledger_row("call", call, choice->cls, choice->rule, choice->reason));
}

/* A substitute that this library refuses for these arguments (asked by its size getter) leaves the program's choice. */
static const char refused[] = "ordered algorithm is not supported for these arguments";
static void fall_back(struct det_sparse_choice *choice, int asked, cusparseStatus_t supported)
{
    if (choice->given == asked || supported == CUSPARSE_STATUS_SUCCESS)
        return;
    choice->given = asked;
    choice->cls = DET_CLASS_UNCOVERED;
    choice->reason = refused;
}

DET_EXPORT cusparseStatus_t cusparseSpMV_bufferSize(cusparseHandle_t handle, cusparseOperation_t op,
    const void *alpha, cusparseConstSpMatDescr_t a, cusparseConstDnVecDescr_t x, const void *beta,
    cusparseDnVecDescr_t y, cudaDataType type, cusparseSpMVAlg_t asked, size_t *n_bytes)
{
    if (!det_enter(DET_ID_cusparseSpMV_bufferSize))
        return DET_REAL(cusparseSpMV_bufferSize)(
            handle, op, alpha, a, x, beta, y, type, asked, n_bytes);
    const void *caller = __builtin_return_address(0);
    struct det_sparse_choice choice = det_cusparse_spmv(format_of(a, caller), op, (int)asked);
    size_t need = 0;
    if (choice.given != (int)asked)
        fall_back(&choice, (int)asked,
            DET_REAL(cusparseSpMV_bufferSize)(
                handle, op, alpha, a, x, beta, y, type, (cusparseSpMVAlg_t)choice.given, &need));
    const cusparseStatus_t status = DET_REAL(cusparseSpMV_bufferSize)(
        handle, op, alpha, a, x, beta, y, type, (cusparseSpMVAlg_t)choice.given, n_bytes);
    det_leave(DET_ID_cusparseSpMV_bufferSize);
    return status;
}

DET_EXPORT cusparseStatus_t cusparseSpMV_preprocess(cusparseHandle_t handle, cusparseOperation_t op,
    const void *alpha, cusparseConstSpMatDescr_t a, cusparseConstDnVecDescr_t x, const void *beta,
    cusparseDnVecDescr_t y, cudaDataType type, cusparseSpMVAlg_t asked, void *buffer)
{
    if (!det_enter(DET_ID_cusparseSpMV_preprocess))
        return DET_REAL(cusparseSpMV_preprocess)(
            handle, op, alpha, a, x, beta, y, type, asked, buffer);
    const void *caller = __builtin_return_address(0);
    struct det_sparse_choice choice = det_cusparse_spmv(format_of(a, caller), op, (int)asked);
    size_t need = 0;
    if (choice.given != (int)asked)
        fall_back(&choice, (int)asked,
            DET_REAL(cusparseSpMV_bufferSize)(
                handle, op, alpha, a, x, beta, y, type, (cusparseSpMVAlg_t)choice.given, &need));
    det_call_belongs(); /* to the product, which is counted when it is computed */
    const cusparseStatus_t status = DET_REAL(cusparseSpMV_preprocess)(
        handle, op, alpha, a, x, beta, y, type, (cusparseSpMVAlg_t)choice.given, buffer);
    det_leave(DET_ID_cusparseSpMV_preprocess);
    return status;
}

DET_EXPORT cusparseStatus_t cusparseSpMV(cusparseHandle_t handle, cusparseOperation_t op,
    const void *alpha, cusparseConstSpMatDescr_t a, cusparseConstDnVecDescr_t x, const void *beta,
    cusparseDnVecDescr_t y, cudaDataType type, cusparseSpMVAlg_t asked, void *buffer)
{
    if (!det_enter(DET_ID_cusparseSpMV))
        return DET_REAL(cusparseSpMV)(handle, op, alpha, a, x, beta, y, type, asked, buffer);
    const void *caller = __builtin_return_address(0);
    struct det_sparse_choice choice = det_cusparse_spmv(format_of(a, caller), op, (int)asked);
    size_t need = 0;
    if (choice.given != (int)asked)
        fall_back(&choice, (int)asked,
            DET_REAL(cusparseSpMV_bufferSize)(
                handle, op, alpha, a, x, beta, y, type, (cusparseSpMVAlg_t)choice.given, &need));
    cusparseStatus_t status = CUSPARSE_STATUS_SUCCESS;
    if (choice.cls == DET_CLASS_UNCOVERED && det_rule_acts(DET_RULE_CUSPARSE_SPMV_KERNEL)) {
        const char *why =
            det_cusparse_spmv_kernel(handle, op, alpha, a, x, beta, y, type, &status, caller);
        if (!why) {
            replaced(DET_NAME(cusparseSpMV), DET_RULE_CUSPARSE_SPMV_KERNEL, status);
            det_leave(DET_ID_cusparseSpMV);
            return status;
        }
        if (format_of(a, caller) != CUSPARSE_FORMAT_COO)
            choice.reason = why;
    }
    status = DET_REAL(cusparseSpMV)(
        handle, op, alpha, a, x, beta, y, type, (cusparseSpMVAlg_t)choice.given, buffer);
    if (status == CUSPARSE_STATUS_SUCCESS) {
        log_choice(DET_NAME(cusparseSpMV), (int)asked, &choice);
        count(DET_NAME(cusparseSpMV), &choice);
    }
    det_leave(DET_ID_cusparseSpMV);
    return status;
}

DET_EXPORT cusparseStatus_t cusparseSpMM_bufferSize(cusparseHandle_t handle, cusparseOperation_t op,
    cusparseOperation_t op_b, const void *alpha, cusparseConstSpMatDescr_t a,
    cusparseConstDnMatDescr_t b, const void *beta, cusparseDnMatDescr_t c, cudaDataType type,
    cusparseSpMMAlg_t asked, size_t *n_bytes)
{
    if (!det_enter(DET_ID_cusparseSpMM_bufferSize))
        return DET_REAL(cusparseSpMM_bufferSize)(
            handle, op, op_b, alpha, a, b, beta, c, type, asked, n_bytes);
    const void *caller = __builtin_return_address(0);
    struct det_sparse_choice choice =
        det_cusparse_spmm(format_of(a, caller), op, (int)asked, version_of(handle, caller));
    size_t need = 0;
    if (choice.given != (int)asked)
        fall_back(&choice, (int)asked,
            DET_REAL(cusparseSpMM_bufferSize)(handle, op, op_b, alpha, a, b, beta, c, type,
                (cusparseSpMMAlg_t)choice.given, &need));
    const cusparseStatus_t status = DET_REAL(cusparseSpMM_bufferSize)(
        handle, op, op_b, alpha, a, b, beta, c, type, (cusparseSpMMAlg_t)choice.given, n_bytes);
    det_leave(DET_ID_cusparseSpMM_bufferSize);
    return status;
}

DET_EXPORT cusparseStatus_t cusparseSpMM_preprocess(cusparseHandle_t handle, cusparseOperation_t op,
    cusparseOperation_t op_b, const void *alpha, cusparseConstSpMatDescr_t a,
    cusparseConstDnMatDescr_t b, const void *beta, cusparseDnMatDescr_t c, cudaDataType type,
    cusparseSpMMAlg_t asked, void *buffer)
{
    if (!det_enter(DET_ID_cusparseSpMM_preprocess))
        return DET_REAL(cusparseSpMM_preprocess)(
            handle, op, op_b, alpha, a, b, beta, c, type, asked, buffer);
    const void *caller = __builtin_return_address(0);
    struct det_sparse_choice choice =
        det_cusparse_spmm(format_of(a, caller), op, (int)asked, version_of(handle, caller));
    size_t need = 0;
    if (choice.given != (int)asked)
        fall_back(&choice, (int)asked,
            DET_REAL(cusparseSpMM_bufferSize)(handle, op, op_b, alpha, a, b, beta, c, type,
                (cusparseSpMMAlg_t)choice.given, &need));
    det_call_belongs();
    const cusparseStatus_t status = DET_REAL(cusparseSpMM_preprocess)(
        handle, op, op_b, alpha, a, b, beta, c, type, (cusparseSpMMAlg_t)choice.given, buffer);
    det_leave(DET_ID_cusparseSpMM_preprocess);
    return status;
}

DET_EXPORT cusparseStatus_t cusparseSpMM(cusparseHandle_t handle, cusparseOperation_t op,
    cusparseOperation_t op_b, const void *alpha, cusparseConstSpMatDescr_t a,
    cusparseConstDnMatDescr_t b, const void *beta, cusparseDnMatDescr_t c, cudaDataType type,
    cusparseSpMMAlg_t asked, void *buffer)
{
    if (!det_enter(DET_ID_cusparseSpMM))
        return DET_REAL(cusparseSpMM)(handle, op, op_b, alpha, a, b, beta, c, type, asked, buffer);
    const void *caller = __builtin_return_address(0);
    struct det_sparse_choice choice =
        det_cusparse_spmm(format_of(a, caller), op, (int)asked, version_of(handle, caller));
    size_t need = 0;
    if (choice.given != (int)asked)
        fall_back(&choice, (int)asked,
            DET_REAL(cusparseSpMM_bufferSize)(handle, op, op_b, alpha, a, b, beta, c, type,
                (cusparseSpMMAlg_t)choice.given, &need));
    cusparseStatus_t status = CUSPARSE_STATUS_SUCCESS;
    if (choice.cls == DET_CLASS_UNCOVERED && det_rule_acts(DET_RULE_CUSPARSE_SPMM_KERNEL)) {
        const char *why =
            det_cusparse_spmm_kernel(handle, op, op_b, alpha, a, b, beta, c, type, &status, caller);
        if (!why) {
            replaced(DET_NAME(cusparseSpMM), DET_RULE_CUSPARSE_SPMM_KERNEL, status);
            det_leave(DET_ID_cusparseSpMM);
            return status;
        }
        if (format_of(a, caller) == CUSPARSE_FORMAT_CSR)
            choice.reason = why;
    }
    status = DET_REAL(cusparseSpMM)(
        handle, op, op_b, alpha, a, b, beta, c, type, (cusparseSpMMAlg_t)choice.given, buffer);
    if (status == CUSPARSE_STATUS_SUCCESS) {
        log_choice(DET_NAME(cusparseSpMM), (int)asked, &choice);
        count(DET_NAME(cusparseSpMM), &choice);
    }
    det_leave(DET_ID_cusparseSpMM);
    return status;
}
