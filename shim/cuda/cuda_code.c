/* From an image to plans: which PTX speaks for a kernel on a device (design section 6.2), what its classifier says, what
 * the user asked us to leave alone. Work on bytes only: no driver call under a unit's lock. */
#include <stdlib.h>
#include <string.h>

#include "shim/core/text.h"
#include "shim/cuda/cuda_decide.h"
#include "shim/cuda/cuda_driver.h"
#include "shim/cuda/cuda_state.h"
#include "shim/image/known.h"
#include "shim/image/registry.h"
#include "shim/policy/policy.h"

/* Compute capabilities present in this machine, each once. */
static unsigned device_kinds(unsigned kinds[DET_MAX_SM_KINDS])
{
    const struct det_driver *const cu = det_driver();
    int n_devices = 0;
    unsigned n = 0;
    if (cu->cuDeviceGetCount == NULL || cu->cuDeviceGetCount(&n_devices) != CUDA_SUCCESS)
        return 0;
    for (int i = 0; i < n_devices; i++) {
        CUdevice device;
        int major = 0, minor = 0;
        if (cu->cuDeviceGet(&device, i) != CUDA_SUCCESS)
            continue;
        cu->cuDeviceGetAttribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device);
        cu->cuDeviceGetAttribute(&minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device);
        const unsigned sm = (unsigned)(10 * major + minor);
        unsigned at = 0;
        while (at < n && kinds[at] != sm)
            at++;
        if (at == n && n < DET_MAX_SM_KINDS)
            kinds[n++] = sm;
    }
    return n;
}

static void code_pick(struct det_code *code, const struct det_image *image)
{
    const struct det_image_entry *ptx = NULL, *machine = NULL;
    struct det_line line = { .at = code->reason, .n = 0, .cap = sizeof code->reason, .cut = false };
    code->voice = det_image_voice(image, code->sm, &ptx, &machine);
    if (code->voice == DET_VOICE_NONE && det_marked_read(code, machine))
        return;
    if (code->voice != DET_VOICE_PTX || ptx == NULL) {
        det_image_voice_text(code->voice, ptx, machine, &line);
        return;
    }
    code->entry = *ptx;
    det_bytes_append(&code->packed, ptx->payload, ptx->payload_bytes);
    if (det_bytes_check(&code->packed) != DET_OK) {
        code->voice = DET_VOICE_NOTHING;
        det_line_text(&line, det_err_text(DET_E_NOMEM));
        return;
    }
    code->entry.payload = (const uint8_t *)code->packed.data;
}

/* Machine code that a compiler in this process made from PTX we saw. */
static void code_known(struct det_code *code, const void *bytes, size_t n_bytes)
{
    if (code->voice != DET_VOICE_NONE || !det_known_find(bytes, n_bytes, &code->packed))
        return;
    code->voice = DET_VOICE_PTX;
    code->reason[0] = '\0';
    code->entry = (struct det_image_entry){
        .kind = DET_IMAGE_PTX,
        .sm = code->sm,
        .payload = (const uint8_t *)code->packed.data,
        .payload_bytes = code->packed.n_bytes,
        .plain_bytes = code->packed.n_bytes,
        .pack = DET_PACK_NONE,
    };
}

void det_code_read(struct det_unit *unit, const void *bytes, size_t n_bytes)
{
    unsigned kinds[DET_MAX_SM_KINDS];
    struct det_image image = { 0 };
    const unsigned n = device_kinds(kinds);
    unit->code = calloc(n > 0 ? n : 1, sizeof *unit->code);
    if (unit->code == NULL)
        return;
    unit->n_codes = n;
    const enum det_err err = bytes != NULL ? det_image_read(bytes, n_bytes, &image) : DET_E_FORMAT;
    for (unsigned i = 0; i < n; i++) {
        struct det_code *const code = &unit->code[i];
        code->sm = kinds[i];
        if (err == DET_OK) {
            code_pick(code, &image);
            code_known(code, bytes, n_bytes);
            continue;
        }
        struct det_line line = {
            .at = code->reason, .n = 0, .cap = sizeof code->reason, .cut = false
        };
        code->voice = DET_VOICE_NOTHING;
        det_line_printf(&line, "cannot read its image: %s", det_err_text(err));
    }
    if (err != DET_OK)
        det_log_note(
            "cannot read a device code image: %s; kernels in it are unknown", det_err_text(err));
    det_image_free(&image);
}

unsigned det_code_index(const struct det_unit *unit, unsigned sm)
{
    for (unsigned i = 0; i < unit->n_codes; i++)
        if (unit->code[i].sm == sm)
            return i;
    return 0;
}

/* Unit lock held. */
static void code_parse(struct det_code *code)
{
    struct det_bytes text = { 0 };
    struct det_ptx_where where = { 0 };
    struct det_line line = { .at = code->reason, .n = 0, .cap = sizeof code->reason, .cut = false };
    code->parsed = true;
    if (code->voice != DET_VOICE_PTX)
        return;
    enum det_err err = det_image_unpack(&code->entry, &text);
    if (err == DET_OK)
        err = det_ptx_parse(text.data, text.n_bytes, &code->module, &where);
    det_bytes_free(&text);
    det_bytes_free(&code->packed);
    if (err == DET_OK)
        return;
    code->module = NULL;
    if (where.text[0] != '\0')
        det_line_printf(&line, "cannot read its PTX, line %u: %s", where.line, where.text);
    else
        det_line_printf(&line, "cannot read its PTX: %s", det_err_text(err));
    det_log_note("%s; kernels in it are unknown", code->reason);
}

static struct det_ledger_row *row_of(
    const struct det_kern *kern, enum det_class cls, enum det_rule rule, const char *reason)
{
    return det_ledger_row("kernel", kern->name, cls, rule, reason);
}

/* Bytes of one added element; 0 when the kernel adds several types. */
static unsigned element_bytes(const struct det_ptx_kernel *ptx)
{
    static const unsigned by_type[] = {
        [DET_PTX_F32] = 4, [DET_PTX_F64] = 8, [DET_PTX_F16] = 2, [DET_PTX_BF16] = 2
    };
    unsigned n_bytes = 0;
    for (size_t i = 0; i < ptx->n_sites; i++) {
        const unsigned type = (unsigned)ptx->sites[i].type;
        if (!ptx->sites[i].rewritten || type > DET_PTX_BF16)
            continue;
        if (n_bytes != 0 && n_bytes != by_type[type])
            return 0;
        n_bytes = by_type[type];
    }
    return n_bytes;
}

/* Unit lock held. */
static void plan_make(struct det_kern *kern, struct det_code *code, struct det_plan *plan)
{
    const struct det_policy *const policy = det_policy();
    struct det_ptx_verdict verdict = { .cls = DET_CLASS_UNKNOWN, .reason = code->reason };
    plan->ptx = code->module != NULL ? det_ptx_kernel_named(code->module, kern->name) : NULL;
    if (plan->ptx != NULL)
        verdict = (struct det_ptx_verdict){ plan->ptx->cls, plan->ptx->reason };
    else if (code->module != NULL)
        verdict.reason = "not in the PTX of its image";
    else if (code->reason[0] == '\0')
        verdict.reason = "its module was not seen loading";
    if (kern->unit->vendor)
        verdict = (struct det_ptx_verdict){ DET_CLASS_UNKNOWN, "vendor library code" };
    const struct det_choice choice = det_decide_kernel(&(struct det_question){
        .cls = verdict.cls,
        .reason = verdict.reason,
        .skipped = det_text_in_list(policy->skip_kernels, kern->name),
        .observe = policy->level == DET_LEVEL_OBSERVE,
        .rule_on = policy->rule_on[DET_RULE_ATOMICS_EXACT],
        .identity = policy->rule_on[DET_RULE_ATOMICS_IDENTITY],
    });
    plan->cls = choice.cls;
    plan->reason = choice.reason;
    plan->row = row_of(kern, choice.cls,
        choice.cls == DET_CLASS_EXACT ? DET_RULE_ATOMICS_EXACT : DET_N_RULES, choice.reason);
    plan->use_twin = choice.twin;
    plan->element_bytes = plan->ptx != NULL ? element_bytes(plan->ptx) : 0;
    plan->made = true;
}

/* Unit lock held. */
static void twin_make(struct det_code *code)
{
    const struct det_ptx_twin_options options = {
        .identity = det_policy()->rule_on[DET_RULE_ATOMICS_IDENTITY],
    };
    code->twin_made = true;
    code->twin_err = code->module == NULL ? DET_E_NOT_FOUND
                                          : det_ptx_make_twin(code->module, &options, &code->twin);
    code->beside = code->twin_err == DET_OK && !options.identity && det_marked_beside(code);
}

/* Unit lock held. */
static void plan_twin(const struct det_kern *kern, struct det_code *code, struct det_plan *plan)
{
    if (!code->twin_made)
        twin_make(code);
    if (code->twin_err != DET_OK)
        return;
    for (size_t i = 0; i < code->twin.n_kernels; i++)
        if (!code->twin.kernels[i].missing && strcmp(code->twin.kernels[i].name, kern->name) == 0) {
            plan->twin = &code->twin.kernels[i];
            plan->twin_index = i;
        }
}

const struct det_plan *det_plan_get(struct det_kern *kern, unsigned index)
{
    struct det_unit *const unit = kern->unit;
    struct det_plan *const plan = &kern->plan[index];
    if (__atomic_load_n(&plan->ready, __ATOMIC_ACQUIRE))
        return plan;
    pthread_mutex_lock(&unit->lock);
    if (!plan->made) {
        static struct det_code none;
        struct det_code *const code = index < unit->n_codes ? &unit->code[index] : &none;
        if (!code->parsed)
            code_parse(code);
        plan_make(kern, code, plan);
        if (plan->use_twin)
            plan_twin(kern, code, plan);
        __atomic_store_n(&plan->ready, true, __ATOMIC_RELEASE);
    }
    pthread_mutex_unlock(&unit->lock);
    return plan;
}

/* Unit lock held. */
static struct det_other *other_make(struct det_code *code, unsigned variant)
{
    struct det_other *const other = &code->other[(variant & DET_TWIN_TEXT) - 1];
    const struct det_ptx_twin_options options = {
        .check = (variant & DET_TWIN_CHECK) != 0,
        .guard = (variant & DET_TWIN_GUARD) != 0,
    };
    if (!other->made)
        other->err = code->module == NULL ? DET_E_NOT_FOUND
                                          : det_ptx_make_twin(code->module, &options, &other->twin);
    other->made = true;
    return other;
}

const struct det_ptx_twin *det_code_twin(
    struct det_unit *unit, unsigned index, unsigned variant, const char **why)
{
    *why = "no code for this device";
    if (index >= unit->n_codes)
        return NULL;
    struct det_code *const code = &unit->code[index];
    pthread_mutex_lock(&unit->lock);
    if (!code->twin_made)
        twin_make(code);
    enum det_err err = code->twin_err;
    const struct det_ptx_twin *twin = &code->twin;
    if (err == DET_OK && (variant & DET_TWIN_TEXT) != 0) {
        const struct det_other *const other = other_make(code, variant);
        err = other->err;
        twin = &other->twin;
    }
    *why = det_err_text(err);
    if (err != DET_OK)
        twin = NULL;
    pthread_mutex_unlock(&unit->lock);
    return twin;
}

enum det_err det_code_twin_without(struct det_unit *unit, unsigned index, unsigned variant,
    const bool *without, struct det_ptx_twin *out)
{
    const struct det_ptx_twin_options options = {
        .check = (variant & DET_TWIN_CHECK) != 0,
        .guard = (variant & DET_TWIN_GUARD) != 0,
        .identity = det_policy()->rule_on[DET_RULE_ATOMICS_IDENTITY],
        .without = without,
    };
    pthread_mutex_lock(&unit->lock); /* the module's arena grows */
    const enum det_err err = det_ptx_make_twin(unit->code[index].module, &options, out);
    pthread_mutex_unlock(&unit->lock);
    return err;
}

struct det_kern *det_kern_foreign(const void *function)
{
    static struct det_unit foreign = { .library = true, .lock = PTHREAD_MUTEX_INITIALIZER };
    const struct det_driver *const cu = det_driver();
    const char *name = NULL;
    if (function == NULL)
        return NULL;
    if ((cu->cuFuncGetName == NULL ||
            cu->cuFuncGetName(&name, (CUfunction)(uintptr_t)function) != CUDA_SUCCESS) &&
        (cu->cuKernelGetName == NULL ||
            cu->cuKernelGetName(&name, (CUkernel)(uintptr_t)function) != CUDA_SUCCESS))
        name = det_registry_current();
    struct det_kern *const kern =
        det_kern_get(&foreign, name != NULL ? name : "(kernel without a name)");
    det_fn_add(function, kern);
    return kern;
}
