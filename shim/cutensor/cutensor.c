/* cuTENSOR: plans do not tune themselves. types.h on CUTENSOR_AUTOTUNE_MODE_INCREMENTAL: each plan of one operation is made of another
 * kernel, and bit-wise identical results cannot be guaranteed; CUTENSOR_ALGO_DEFAULT_PATIENT measures. Executions are not wrapped: no
 * document promises that they repeat, so their kernels are unknown. Block-sparse contractions are said not to repeat by default, and
 * are unknown as well. The toolkit has no header of this library: prototypes as in cutensor.h 2.8. */
#include <stdint.h>
#include <string.h>

#include "shim/core/kept.h"
#include "shim/loader/call.h"
#include "shim/log/log.h"
#include "shim/pins/pins.h"

int cutensorCreatePlanPreference(const void *handle, void **preference, int algo, int jit);
int cutensorDestroyPlanPreference(void *preference);
int cutensorPlanPreferenceSetAttribute(
    const void *handle, void *preference, int name, const void *from, size_t n_bytes);
int cutensorPlanPreferenceGetAttribute(
    const void *handle, void *preference, int name, void *to, size_t n_bytes);

enum { AUTOTUNE_MODE = 0, ALGO = 3, N_FIELDS = 4 }; /* cutensorPlanPreferenceAttribute_t */
enum { MODE_NONE = 0, MODE_INCREMENTAL = 1, ALGO_DEFAULT = -1, ALGO_PATIENT = -6 };
static struct det_kept kept;

/* Values of attributes that choose by time, and what is given instead. */
static int32_t decide(int name, int32_t asked)
{
    if (!det_rule_acts(DET_RULE_CUTENSOR_AUTOTUNE))
        return asked;
    if (name == AUTOTUNE_MODE && asked == MODE_INCREMENTAL)
        return MODE_NONE;
    return name == ALGO && asked == ALGO_PATIENT ? ALGO_DEFAULT : asked;
}

DET_EXPORT int cutensorCreatePlanPreference(
    const void *handle, void **preference, int algo, int jit)
{
    if (!det_enter(DET_ID_cutensorCreatePlanPreference))
        return DET_REAL(cutensorCreatePlanPreference)(handle, preference, algo, jit);
    det_pins_vendor();
    const int given = decide(ALGO, algo);
    const int status = DET_REAL(cutensorCreatePlanPreference)(handle, preference, given, jit);
    if (status == 0 && preference != NULL) {
        det_kept_drop(&kept, *preference, N_FIELDS);
        if (given != algo) {
            det_kept_set(&kept, *preference, ALGO, algo);
            det_log_override(DET_NAME(cutensorCreatePlanPreference), DET_RULE_CUTENSOR_AUTOTUNE,
                "algo", algo, given);
        }
    }
    det_leave(DET_ID_cutensorCreatePlanPreference);
    return status;
}

DET_EXPORT int cutensorDestroyPlanPreference(void *preference)
{
    det_kept_drop(&kept, preference, N_FIELDS);
    return DET_REAL(cutensorDestroyPlanPreference)(preference);
}

DET_EXPORT int cutensorPlanPreferenceSetAttribute(
    const void *handle, void *preference, int name, const void *from, size_t n_bytes)
{
    int32_t asked = 0;
    if (!det_enter(DET_ID_cutensorPlanPreferenceSetAttribute))
        return DET_REAL(cutensorPlanPreferenceSetAttribute)(
            handle, preference, name, from, n_bytes);
    const bool known =
        (name == AUTOTUNE_MODE || name == ALGO) && from != NULL && n_bytes == sizeof asked;
    if (known)
        memcpy(&asked, from, sizeof asked);
    const int32_t given = decide(name, asked);
    const int status = DET_REAL(cutensorPlanPreferenceSetAttribute)(
        handle, preference, name, known ? &given : from, n_bytes);
    if (status == 0 && known) {
        det_kept_set(&kept, preference, (unsigned)name, asked);
        if (given != asked)
            det_log_override(DET_NAME(cutensorPlanPreferenceSetAttribute),
                DET_RULE_CUTENSOR_AUTOTUNE, name == ALGO ? "algo" : "autotune mode", asked, given);
    }
    det_leave(DET_ID_cutensorPlanPreferenceSetAttribute);
    return status;
}

DET_EXPORT int cutensorPlanPreferenceGetAttribute(
    const void *handle, void *preference, int name, void *to, size_t n_bytes)
{
    const int status =
        DET_REAL(cutensorPlanPreferenceGetAttribute)(handle, preference, name, to, n_bytes);
    int64_t asked = 0;
    const int32_t *const value = to;
    if (status == 0 && value != NULL && n_bytes == sizeof *value &&
        (name == AUTOTUNE_MODE || name == ALGO) &&
        det_kept_get(&kept, preference, (unsigned)name, &asked))
        memcpy(to, &(int32_t){ (int32_t)asked }, sizeof *value);
    return status;
}
