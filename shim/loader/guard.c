/* Who may act: the switch for the whole process, and the guard against our own and nested calls. */
#include "shim/loader/internal.h"
#include "shim/policy/policy.h"

__thread struct det_guard det_guard;
_Static_assert(DET_N_FAMILIES <= 32, "one bit per family");
_Static_assert(offsetof(struct det_guard, asked) == 0, "the thunks write it by address");

static _Atomic int state; /* 0 not judged yet, 1 act, 2 stay out */

static enum det_family family_of(enum det_call call)
{
    return atomic_load_explicit(&det_call_families[call], memory_order_relaxed);
}

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
    if (__builtin_expect(me->asked != 0, 0)) {
        me->bound[family] = (uint16_t)me->asked;
        me->n_bound++;
        me->asked = 0;
    }
    return true;
}

void det_leave(enum det_call call)
{
    struct det_guard *me = &det_guard;
    const enum det_family family = family_of(call);
    me->inside_families &= ~(1u << family);
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
