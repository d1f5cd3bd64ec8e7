/* Who may act: the switch for the whole process, and the guard against our own and nested calls. Also whether a kernel that a
 * vendor library launches belongs to a call that is in the ledger already. */
#include "shim/loader/internal.h"
#include "shim/log/log.h"
#include "shim/policy/policy.h"

__thread struct det_guard det_guard;
_Static_assert(DET_N_FAMILIES <= 32, "one bit per family");
_Static_assert(offsetof(struct det_guard, asked) == 0, "the thunks write it by address");

static _Atomic int state; /* 0 not judged yet, 1 act, 2 stay out */

static enum det_family family_of(enum det_call call)
{
    return atomic_load_explicit(&det_call_families[call], memory_order_relaxed);
}

/* Libraries whose calls stand in the ledger for the kernels they launch. */
enum {
    LAUNCHING = 1 << DET_FAMILY_CUBLAS | 1 << DET_FAMILY_CUBLASLT | 1 << DET_FAMILY_CUDNN |
                1 << DET_FAMILY_CURAND | 1 << DET_FAMILY_CUSPARSE | 1 << DET_FAMILY_CUSOLVER |
                1 << DET_FAMILY_NCCL | 1 << DET_FAMILY_CUSPARSELT | 1 << DET_FAMILY_CUTENSOR
};

bool det_loader_on(void)
{
    int now = atomic_load_explicit(&state, memory_order_acquire);
    if (__builtin_expect(now == 0, 0)) {
        det_calls_prepare();
        now = det_policy_active() ? 1 : 2;
        atomic_store_explicit(&state, now, memory_order_release);
    }
    return now == 1;
}

bool det_enter(enum det_call call)
{
    if (!det_loader_on())
        return false;
    det_loader_saw(DET_SEEN_WRAPPER);
    struct det_guard *me = &det_guard;
    const enum det_family family = family_of(call);
    if (me->inside_ours || (me->inside_families & (1u << family)))
        return false;
    me->inside_families |= 1u << family;
    me->calls_before[family] = det_ledger_calls;
    me->kernels_before[family] = me->n_kernels;
    det_ledger_calls = 0;
    if (__builtin_expect(me->asked != 0, 0)) {
        me->bound[family] = (uint16_t)me->asked;
        me->n_bound++;
        me->asked = 0;
    }
    return true;
}

/* Kernels of a call that was counted are part of it; others wait for the call around it, or are counted one by one. */
static void settle(struct det_guard *me, enum det_family family, bool counted)
{
    if (counted) {
        me->n_kernels = me->kernels_before[family];
    } else if (!(me->inside_families & LAUNCHING)) {
        for (uint32_t i = 0; i < me->n_kernels; i++)
            me->kernels[i].count(me->kernels[i].row, me->kernels[i].where, me->kernels[i].node);
        me->n_kernels = 0;
    }
}

void det_leave(enum det_call call)
{
    struct det_guard *me = &det_guard;
    const enum det_family family = family_of(call);
    const bool counted = det_ledger_calls != 0;
    me->inside_families &= ~(1u << family);
    det_ledger_calls = me->calls_before[family];
    if (__builtin_expect(me->n_kernels != 0, 0) && (LAUNCHING & 1u << family))
        settle(me, family, counted);
    if (__builtin_expect(me->bound[family] != 0, 0)) {
        me->bound[family] = 0;
        me->n_bound--;
    }
}

void det_inside_begin(void)
{
    det_guard.inside_ours++;
}

void det_inside_end(void)
{
    det_guard.inside_ours--;
}

bool det_vendor_kernel(
    struct det_ledger_row *row, uint64_t where, void *node, det_count_kernel count)
{
    struct det_guard *const me = &det_guard;
    if (!(me->inside_families & LAUNCHING) || me->n_kernels == DET_MAX_VENDOR_KERNELS)
        return false;
    me->kernels[me->n_kernels++] = (struct det_vendor_kernel){ row, where, node, count };
    return true;
}

void det_call_belongs(void)
{
    det_ledger_calls++;
}
