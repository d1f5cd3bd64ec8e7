/* Who may act: the switch for the whole process, and the guard against our own and nested calls. */
#include "shim/loader/internal.h"
#include "shim/policy/policy.h"

/* Bit per family: inside a wrapper of it on this thread. */
static __thread uint32_t inside_families;
static __thread uint32_t inside_ours;
_Static_assert(DET_N_FAMILIES <= 32, "one bit per family");

static _Atomic int state; /* 0 not judged yet, 1 act, 2 stay out */

bool det_loader_on(void)
{
    int now = atomic_load_explicit(&state, memory_order_relaxed);
    if (__builtin_expect(now == 0, 0)) {
        now = det_policy_active() ? 1 : 2;
        atomic_store_explicit(&state, now, memory_order_relaxed);
    }
    return now == 1;
}

bool det_enter(enum det_call call)
{
    if (!det_loader_on())
        return false;
    det_loader_saw(DET_SEEN_WRAPPER);
    const uint32_t bit = 1u << det_call_family(call);
    if (inside_ours || (inside_families & bit))
        return false;
    inside_families |= bit;
    return true;
}

void det_leave(enum det_call call)
{
    inside_families &= ~(1u << det_call_family(call));
}

void det_inside_begin(void)
{
    inside_ours++;
}

void det_inside_end(void)
{
    inside_ours--;
}
