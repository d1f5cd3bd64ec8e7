/* Two copies of a library may be found by handle and called by generated code (ctypes over libffi), where no caller tells which
 * copy is meant. So dlsym hands out a numbered thunk for every copy but the first: it leaves its number in this thread and
 * goes on to the wrapper. The code of the thunks is in the assembly files. */
#include "shim/loader/internal.h"

/* Address of wrapper i, read by the assembly; entry 0 is unused. */
_Atomic(const void *) det_thunk_wrappers[DET_N_THUNKS] __attribute__((visibility("hidden")));
extern const char det_thunk_first[] __attribute__((visibility("hidden")));
extern const char det_thunk_end[] __attribute__((visibility("hidden")));

struct thunk {
    struct det_instance *instance;
    enum det_call call;
};
_Static_assert((int)DET_N_CALLS < (int)DET_N_THUNKS, "one more copy of every library");
static struct thunk thunks[DET_N_THUNKS];
static _Atomic uint8_t ready[DET_N_THUNKS];
static _Atomic unsigned used = 1;

static uintptr_t stride(void)
{
    return (uintptr_t)(det_thunk_end - det_thunk_first) / DET_N_THUNKS;
}

unsigned det_thunk(struct det_instance *instance, enum det_call call)
{
    const unsigned n = atomic_load(&used);
    for (unsigned i = 1; i < n && i < DET_N_THUNKS; i++)
        if (atomic_load(&ready[i]) && thunks[i].instance == instance && thunks[i].call == call)
            return i;
    const unsigned mine = atomic_fetch_add(&used, 1);
    if (mine >= DET_N_THUNKS)
        return 0;
    thunks[mine] = (struct thunk){ instance, call };
    atomic_store(&det_thunk_wrappers[mine], det_call_wrapper(call));
    atomic_store(&ready[mine], 1);
    return mine;
}

const void *det_thunk_address(unsigned thunk)
{
    return det_thunk_first + thunk * stride();
}

struct det_instance *det_thunk_instance(unsigned thunk)
{
    return thunks[thunk].instance;
}
