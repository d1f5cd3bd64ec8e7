/* Matmul descriptors: the compute type pinned when set, answered as set. A descriptor may lie in the program's own memory and be
 * copied as bytes (the header allows it); the getter of such a copy answers the pinned type. */
#include <cublasLt.h>

#include <stdatomic.h>
#include <string.h>

#include "shim/core/kept.h"
#include "shim/cublaslt/cublaslt_decide.h"
#include "shim/loader/call.h"
#include "shim/log/log.h"
#include "shim/pins/pins.h"

enum field { COMPUTE, EMULATION, N_FIELDS };
static struct det_kept kept;
static atomic_bool any_kept; /* spares descriptors the look-up in programs without emulation */

static bool kept_asked(const void *desc, enum field field, int64_t *asked)
{
    return atomic_load_explicit(&any_kept, memory_order_relaxed) &&
           det_kept_get(&kept, desc, field, asked);
}

static void keep(const void *desc, enum field field, int64_t asked)
{
    atomic_store_explicit(&any_kept, true, memory_order_relaxed);
    det_kept_set(&kept, desc, field, asked);
}

static void forget(const void *desc)
{
    if (atomic_load_explicit(&any_kept, memory_order_relaxed))
        det_kept_drop(&kept, desc, N_FIELDS);
}

static cublasComputeType_t decide(enum det_call call, cublasComputeType_t asked)
{
    const cublasComputeType_t given = det_cublaslt_compute(asked);
    if (given != asked)
        det_log_override(
            det_call_name(call), DET_RULE_CUBLAS_EMULATION, "computeType", asked, given);
    return given;
}

DET_EXPORT cublasStatus_t cublasLtCreate(cublasLtHandle_t *handle)
{
    if (!det_enter(DET_ID_cublasLtCreate))
        return DET_REAL(cublasLtCreate)(handle);
    det_pins_library("cublas");
    const cublasStatus_t status = DET_REAL(cublasLtCreate)(handle);
    det_leave(DET_ID_cublasLtCreate);
    return status;
}

DET_EXPORT cublasStatus_t cublasLtMatmulDescCreate(
    cublasLtMatmulDesc_t *desc, cublasComputeType_t compute, cudaDataType_t scale)
{
    if (!det_enter(DET_ID_cublasLtMatmulDescCreate))
        return DET_REAL(cublasLtMatmulDescCreate)(desc, compute, scale);
    const cublasComputeType_t given = decide(DET_ID_cublasLtMatmulDescCreate, compute);
    const cublasStatus_t status = DET_REAL(cublasLtMatmulDescCreate)(desc, given, scale);
    if (status == CUBLAS_STATUS_SUCCESS && desc) {
        forget(*desc);
        if (given != compute)
            keep(*desc, COMPUTE, compute);
    }
    det_leave(DET_ID_cublasLtMatmulDescCreate);
    return status;
}

DET_EXPORT cublasStatus_t cublasLtMatmulDescInit_internal(
    cublasLtMatmulDesc_t desc, size_t n_bytes, cublasComputeType_t compute, cudaDataType_t scale)
{
    if (!det_enter(DET_ID_cublasLtMatmulDescInit_internal))
        return DET_REAL(cublasLtMatmulDescInit_internal)(desc, n_bytes, compute, scale);
    const cublasComputeType_t given = decide(DET_ID_cublasLtMatmulDescInit_internal, compute);
    const cublasStatus_t status =
        DET_REAL(cublasLtMatmulDescInit_internal)(desc, n_bytes, given, scale);
    if (status == CUBLAS_STATUS_SUCCESS) {
        forget(desc);
        if (given != compute)
            keep(desc, COMPUTE, compute);
    }
    det_leave(DET_ID_cublasLtMatmulDescInit_internal);
    return status;
}

DET_EXPORT cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t desc)
{
    forget(desc);
    return DET_REAL(cublasLtMatmulDescDestroy)(desc);
}

/* Parameters of an emulation that does not take place. */
static cublasStatus_t drop_emulation(cublasLtMatmulDesc_t desc, const void *asked)
{
    void *const none = NULL;
    const cublasStatus_t status = DET_REAL(cublasLtMatmulDescSetAttribute)(desc,
        (cublasLtMatmulDescAttributes_t)DET_CUBLASLT_EMULATION_DESCRIPTOR, &none, sizeof(void *));
    if (status == CUBLAS_STATUS_SUCCESS) {
        keep(desc, EMULATION, (int64_t)(intptr_t)asked);
        det_log_override_text(DET_NAME(cublasLtMatmulDescSetAttribute), DET_RULE_CUBLAS_EMULATION,
            "emulation descriptor", "set", "none");
    }
    return status;
}

static cublasStatus_t set_compute(
    cublasLtMatmulDesc_t desc, cublasLtMatmulDescAttributes_t name, const void *from)
{
    cublasComputeType_t asked;
    memcpy(&asked, from, sizeof asked);
    const cublasComputeType_t given = decide(DET_ID_cublasLtMatmulDescSetAttribute, asked);
    const cublasStatus_t status =
        DET_REAL(cublasLtMatmulDescSetAttribute)(desc, name, &given, sizeof given);
    if (status != CUBLAS_STATUS_SUCCESS)
        return status;
    int64_t dropped = 0;
    const bool had = kept_asked(desc, EMULATION, &dropped);
    forget(desc);
    if (given == asked) { /* any other emulation gets its parameters back */
        const void *back = (const void *)(intptr_t)dropped;
        if (had)
            DET_REAL(cublasLtMatmulDescSetAttribute)
        (desc, (cublasLtMatmulDescAttributes_t)DET_CUBLASLT_EMULATION_DESCRIPTOR, &back,
            sizeof(void *));
        return status;
    }
    keep(desc, COMPUTE, asked);
    if (had)
        keep(desc, EMULATION, dropped);
    void *set = NULL;
    size_t n_written = 0;
    if (DET_REAL(cublasLtMatmulDescGetAttribute)(desc,
            (cublasLtMatmulDescAttributes_t)DET_CUBLASLT_EMULATION_DESCRIPTOR, &set, sizeof(void *),
            &n_written) == CUBLAS_STATUS_SUCCESS &&
        set)
        drop_emulation(desc, set);
    return status;
}

DET_EXPORT cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t desc,
    cublasLtMatmulDescAttributes_t name, const void *from, size_t n_bytes)
{
    if (!det_enter(DET_ID_cublasLtMatmulDescSetAttribute))
        return DET_REAL(cublasLtMatmulDescSetAttribute)(desc, name, from, n_bytes);
    cublasStatus_t status;
    int64_t asked = 0;
    void *emulation = NULL;
    if (name == CUBLASLT_MATMUL_DESC_COMPUTE_TYPE && from && desc &&
        n_bytes == sizeof(cublasComputeType_t)) {
        status = set_compute(desc, name, from);
    } else if ((int)name == DET_CUBLASLT_EMULATION_DESCRIPTOR && from &&
               n_bytes == sizeof(void *) && kept_asked(desc, COMPUTE, &asked)) {
        memcpy(&emulation, from, sizeof(void *));
        status = drop_emulation(desc, emulation);
    } else {
        status = DET_REAL(cublasLtMatmulDescSetAttribute)(desc, name, from, n_bytes);
    }
    det_leave(DET_ID_cublasLtMatmulDescSetAttribute);
    return status;
}

DET_EXPORT cublasStatus_t cublasLtMatmulDescGetAttribute(cublasLtMatmulDesc_t desc,
    cublasLtMatmulDescAttributes_t name, void *to, size_t n_bytes, size_t *n_written)
{
    const cublasStatus_t status =
        DET_REAL(cublasLtMatmulDescGetAttribute)(desc, name, to, n_bytes, n_written);
    int64_t asked = 0;
    if (status != CUBLAS_STATUS_SUCCESS || !to)
        return status;
    if (name == CUBLASLT_MATMUL_DESC_COMPUTE_TYPE && n_bytes >= sizeof(cublasComputeType_t) &&
        kept_asked(desc, COMPUTE, &asked)) {
        const cublasComputeType_t type = (cublasComputeType_t)asked;
        memcpy(to, &type, sizeof type);
    } else if ((int)name == DET_CUBLASLT_EMULATION_DESCRIPTOR && n_bytes >= sizeof(void *) &&
               kept_asked(desc, EMULATION, &asked)) {
        memcpy(to, &(void *){ (void *)(intptr_t)asked }, sizeof(void *));
    }
    return status;
}

DET_EXPORT cublasStatus_t cublasLtMatmulAlgoInit(cublasLtHandle_t handle,
    cublasComputeType_t compute, cudaDataType_t scale, cudaDataType_t a, cudaDataType_t b,
    cudaDataType_t c, cudaDataType_t d, int id, cublasLtMatmulAlgo_t *algo)
{
    if (!det_enter(DET_ID_cublasLtMatmulAlgoInit))
        return DET_REAL(cublasLtMatmulAlgoInit)(handle, compute, scale, a, b, c, d, id, algo);
    det_log_counter("matmul algorithms built by the program", 1);
    const cublasStatus_t status = DET_REAL(cublasLtMatmulAlgoInit)(
        handle, decide(DET_ID_cublasLtMatmulAlgoInit, compute), scale, a, b, c, d, id, algo);
    det_leave(DET_ID_cublasLtMatmulAlgoInit);
    return status;
}

DET_EXPORT cublasStatus_t cublasLtMatmulAlgoGetIds(cublasLtHandle_t handle,
    cublasComputeType_t compute, cudaDataType_t scale, cudaDataType_t a, cudaDataType_t b,
    cudaDataType_t c, cudaDataType_t d, int n_asked, int ids[], int *n_ids)
{
    if (!det_enter(DET_ID_cublasLtMatmulAlgoGetIds))
        return DET_REAL(cublasLtMatmulAlgoGetIds)(
            handle, compute, scale, a, b, c, d, n_asked, ids, n_ids);
    det_log_counter("matmul algorithm lists read by the program", 1);
    const cublasStatus_t status = DET_REAL(cublasLtMatmulAlgoGetIds)(handle,
        decide(DET_ID_cublasLtMatmulAlgoGetIds, compute), scale, a, b, c, d, n_asked, ids, n_ids);
    det_leave(DET_ID_cublasLtMatmulAlgoGetIds);
    return status;
}
