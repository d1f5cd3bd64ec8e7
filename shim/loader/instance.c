/* Which loaded copy of a vendor library is the real one for a call (notes/interposition.md section 3). Copies are known by
 * SONAME and pinned; their functions are read from their own symbol tables, so a look-up can neither land on us nor on a
 * framework's stub of the same name. The list only grows and has no lock: it survives fork and concurrent scans. */
#include <dlfcn.h>

#include "shim/loader/internal.h"
#include "shim/log/log.h"

enum { MAX_INSTANCES = 64, N_CALLER_SLOTS = 256, MAX_CALLERS = 1024 };

static struct det_instance pool[MAX_INSTANCES];
static _Atomic unsigned pool_used;
static _Atomic(struct det_instance *) instances[MAX_INSTANCES]; /* filled from the front */

/* Real address where the family has exactly one copy: what nearly every call takes. */
static _Atomic(void *) only_real[DET_N_CALLS];
/* dlsym gave out the plain wrapper: it stands for the first copy. */
static _Atomic bool plain_given[DET_N_CALLS];

/* dlopen counts `opens` before it loads; a scan notes what it saw. A thread that opened scans again itself, since the load
 * may have come after another thread's scan. */
static _Atomic unsigned opens = 1, scanned;
static _Atomic unsigned long long seen_adds, seen_subs;

struct caller {
    const void *address;
    enum det_family family;
    struct det_instance *instance;
};
static struct caller callers[MAX_CALLERS];
static _Atomic unsigned callers_used;
static _Atomic(struct caller *) caller_slots[N_CALLER_SLOTS];

static const char *const prefixes[] = {
#define DET_FAMILY(id, soname_prefix) soname_prefix,
#include "shim/loader/families.def"
#undef DET_FAMILY
};

static enum det_family family_of(const char *soname)
{
    if (soname[0] != 'l' || soname[1] != 'i' || soname[2] != 'b')
        return DET_N_FAMILIES;
    for (unsigned family = 0; family < DET_N_FAMILIES; family++)
        if (det_starts(soname, prefixes[family]))
            return family;
    return DET_N_FAMILIES;
}

/* "libcudnn.so.9" is the front; "libcudnn_ops.so.9" a part. */
static bool is_part(enum det_family family, const char *soname)
{
    for (const char *prefix = prefixes[family]; *prefix; prefix++)
        soname++;
    return soname[0] == '_';
}

static struct det_instance *instance_number(unsigned i)
{
    return i < MAX_INSTANCES ? atomic_load_explicit(&instances[i], memory_order_acquire) : NULL;
}

static struct det_instance *instance_with_base(uintptr_t base)
{
    struct det_instance *instance;
    for (unsigned i = 0; (instance = instance_number(i)); i++)
        if (instance->object.base == base)
            return instance;
    return NULL;
}

static void forget_only(enum det_family family)
{
    for (unsigned call = 0; call < DET_N_CALLS; call++)
        if (det_call_family(call) == family)
            atomic_store(&only_real[call], NULL);
}

static void publish(struct det_instance *made)
{
    for (unsigned i = 0; i < MAX_INSTANCES; i++) {
        struct det_instance *there = NULL;
        if (atomic_compare_exchange_strong(&instances[i], &there, made)) {
            forget_only(made->family);
            return;
        }
        if (there->object.base == made->object.base)
            return; /* another thread was faster; our pool entry stays unused */
    }
}

static void consider(const struct det_object *object)
{
    if (!object->dynamic || instance_with_base(object->base))
        return;
    const char *soname = det_elf_soname(object->base, object->dynamic, object->path);
    const enum det_family family = family_of(soname);
    if (family == DET_N_FAMILIES)
        return;
    const unsigned i = atomic_fetch_add(&pool_used, 1);
    if (i >= MAX_INSTANCES)
        return;
    struct det_instance *made = &pool[i];
    made->family = family;
    made->part = is_part(family, soname);
    made->object = *object;
    made->soname = soname;
    publish(made);
}

struct scan {
    bool complete;
    unsigned long long adds, subs;
    unsigned n;
};

static int visit(struct dl_phdr_info *info, size_t n_bytes, void *arg)
{
    struct scan *scan = arg;
    if (n_bytes >= offsetof(struct dl_phdr_info, dlpi_subs) + sizeof info->dlpi_subs) {
        scan->adds = info->dlpi_adds;
        scan->subs = info->dlpi_subs;
        if (scan->n++ == 0 && scan->adds == atomic_load(&seen_adds) &&
            scan->subs == atomic_load(&seen_subs))
            return 1;
    }
    struct det_object object;
    det_object_from_info(info, &object);
    consider(&object);
    return 0;
}

/* So that a cached address cannot dangle. Outside the walk: dlopen inside it can deadlock (note section 1.6). */
static void pin_new(unsigned from)
{
    struct det_instance *instance;
    const struct det_libc *libc = det_libc();
    for (unsigned i = from; libc->dlopen && (instance = instance_number(i)); i++)
        libc->dlopen(instance->object.path, RTLD_NOLOAD | RTLD_NODELETE | RTLD_LAZY);
}

static unsigned n_instances(void)
{
    unsigned n = 0;
    while (instance_number(n))
        n++;
    return n;
}

void det_instances_scan(void)
{
    const unsigned at = atomic_load(&opens), before = n_instances();
    struct scan scan = { false, 0, 0, 0 };
    const unsigned long long subs = atomic_load(&seen_subs);
    det_guard.opened = false;
    if (dl_iterate_phdr(visit, &scan) == 0) {
        if (scan.subs != subs)
            for (unsigned i = 0; i < N_CALLER_SLOTS; i++)
                atomic_store(&caller_slots[i], NULL);
        atomic_store(&seen_adds, scan.adds);
        atomic_store(&seen_subs, scan.subs);
        pin_new(before);
    }
    atomic_store(&scanned, at);
}

void det_instances_may_change(void)
{
    det_guard.opened = true;
    atomic_fetch_add(&opens, 1);
}

static bool changed(void)
{
    return det_guard.opened || atomic_load_explicit(&scanned, memory_order_relaxed) !=
                                   atomic_load_explicit(&opens, memory_order_relaxed);
}

static struct det_instance *holder_of(const void *address)
{
    struct det_instance *instance;
    for (unsigned i = 0; (instance = instance_number(i)); i++)
        if ((uintptr_t)address >= instance->object.lo && (uintptr_t)address < instance->object.hi)
            return instance;
    return NULL;
}

bool det_caller_is_vendor(const void *caller)
{
    return holder_of(caller) != NULL;
}

struct det_instance *det_instance_at(const void *address)
{
    /* Copies are pinned: what was found inside one stays there. */
    struct det_instance *holder = holder_of(address);
    if (holder)
        return holder;
    det_instances_scan();
    return holder_of(address);
}

struct det_instance *det_instance_known_at(const void *address)
{
    return holder_of(address);
}

struct det_instance *det_instance_first(enum det_family family)
{
    if (changed())
        det_instances_scan();
    struct det_instance *instance;
    for (unsigned i = 0; (instance = instance_number(i)); i++)
        if (instance->family == family && !instance->part)
            return instance;
    return NULL;
}

static void *real_in(struct det_instance *instance, enum det_call call)
{
    void *real = atomic_load_explicit(&instance->reals[call], memory_order_relaxed);
    if (real)
        return real;
    real = det_elf_symbol(instance->object.base, instance->object.dynamic, det_call_name(call));
    if (real)
        atomic_store_explicit(&instance->reals[call], real, memory_order_relaxed);
    return real;
}

void det_instance_set_real(struct det_instance *instance, enum det_call call, void *real)
{
    /* a driver that is not linked symbolically hands out what its own names bind to, and that is us */
    if (det_is_ours(real))
        return;
    atomic_store_explicit(&instance->reals[call], real, memory_order_relaxed);
    atomic_store(&only_real[call], NULL);
}

const void *det_instance_entry(struct det_instance *instance, enum det_call call)
{
    const struct det_instance *first = det_instance_first(instance->family);
    const unsigned thunk =
        first && first != instance && !instance->part ? det_thunk(instance, call) : 0;
    if (!thunk)
        atomic_store_explicit(&plain_given[call], true, memory_order_relaxed);
    return thunk ? det_thunk_address(thunk) : det_call_wrapper(call);
}

/* The copy that `object` is linked to: by DT_NEEDED if that is unambiguous, else what its own scope finds. */
static struct det_instance *linked_to(const struct det_object *object, enum det_call call)
{
    const enum det_family family = det_call_family(call);
    struct det_instance *instance, *found = NULL;
    unsigned n = 0;
    for (unsigned i = 0; (instance = instance_number(i)); i++)
        if (instance->family == family && object->dynamic &&
            instance->object.base != object->base &&
            det_elf_needs(object->base, object->dynamic, instance->soname) &&
            real_in(instance, call)) {
            found = instance;
            n++;
        }
    if (n == 1)
        return found;
    found = holder_of(det_scope_symbol(object->path, det_call_name(call)));
    return found && found->family == family ? found : NULL;
}

static struct det_instance *by_caller(enum det_call call, const void *caller)
{
    const enum det_family family = det_call_family(call);
    const uintptr_t mixed = ((uintptr_t)caller * 2654435761u >> 12) + family;
    _Atomic(struct caller *) *slot = &caller_slots[mixed % N_CALLER_SLOTS];
    const struct caller *known = atomic_load_explicit(slot, memory_order_acquire);
    if (known && known->address == caller && known->family == family)
        return known->instance;
    struct det_object object;
    struct det_instance *instance =
        det_object_at(caller, &object) ? linked_to(&object, call) : NULL;
    const unsigned i = instance ? atomic_fetch_add(&callers_used, 1) : MAX_CALLERS;
    if (i < MAX_CALLERS) {
        callers[i] = (struct caller){ caller, family, instance };
        atomic_store_explicit(slot, &callers[i], memory_order_release);
    }
    return instance;
}

static struct det_instance *ambiguous(enum det_call call, struct det_instance *first)
{
    if (!atomic_load_explicit(&plain_given[call], memory_order_relaxed))
        det_log_note("several copies of '%s' are loaded and the caller of '%s' is linked to none; "
                     "using the first",
            first->soname, det_call_name(call));
    return first;
}

/* Rules of the note, section 3.5. *only: this answer holds for every caller until another copy appears. */
static struct det_instance *choose(enum det_call call, const void *caller, bool *only)
{
    const enum det_family family = det_call_family(call);
    struct det_instance *instance, *front = NULL, *part = NULL;
    unsigned n_fronts = 0, n_parts = 0;
    bool from_inside = false;
    for (unsigned i = 0; (instance = instance_number(i)); i++) {
        if (instance->family != family)
            continue;
        n_fronts += !instance->part;
        n_parts += instance->part;
        front = !front && !instance->part ? instance : front;
        part = !part && instance->part && real_in(instance, call) ? instance : part;
        from_inside |=
            (uintptr_t)caller >= instance->object.lo && (uintptr_t)caller < instance->object.hi;
    }
    *only = n_fronts == 1 && !n_parts;
    if (n_fronts == 1 && !from_inside)
        return front;
    if (!n_fronts && !from_inside)
        return part;
    instance = by_caller(call, caller);
    if (instance)
        return instance;
    return n_fronts > 1 ? ambiguous(call, front) : front ? front : part;
}

static __attribute__((noinline)) void *real_slowly(enum det_call call, const void *caller)
{
    if (changed())
        det_instances_scan();
    const unsigned thunk =
        det_guard.asked ? det_guard.asked : det_guard.bound[det_call_family(call)];
    det_guard.asked = 0;
    if (thunk && det_thunk_instance(thunk)->family == det_call_family(call))
        return real_in(det_thunk_instance(thunk), call);
    bool only = false;
    struct det_instance *instance = choose(call, caller, &only);
    if (!instance) {
        det_instances_scan();
        instance = choose(call, caller, &only);
    }
    void *real = instance ? real_in(instance, call) : NULL;
    if (real && only) {
        const unsigned n = n_instances();
        atomic_store(&only_real[call], real);
        if (n_instances() != n)
            atomic_store(&only_real[call], NULL);
    }
    return real;
}

void *det_real_or_null(enum det_call call, const void *caller)
{
    if (!changed() && !det_guard.asked && !det_guard.n_bound) {
        void *real = atomic_load_explicit(&only_real[call], memory_order_relaxed);
        if (real)
            return real;
    }
    return real_slowly(call, caller);
}

/* Documented "not initialised" status of each family; the rest of the answer cannot be known. */
static long absent_3(void)
{
    return 3;
} /* CUDA_ERROR_NOT_INITIALIZED, cudaErrorInitializationError */
static long absent_1(void)
{
    return 1;
} /* CUBLAS_, CUSPARSE_, CUSOLVER_STATUS_NOT_INITIALIZED */
static long absent_cudnn(void)
{
    return 1001;
} /* CUDNN_STATUS_NOT_INITIALIZED */
static long absent_curand(void)
{
    return 101;
} /* CURAND_STATUS_NOT_INITIALIZED */
static long absent_nccl(void)
{
    return 3;
} /* ncclInternalError */
static long absent_nvrtc(void)
{
    return 11;
} /* NVRTC_ERROR_INTERNAL_ERROR */
static long absent_link(void)
{
    return 6;
} /* NVJITLINK_ERROR_INTERNAL */
static long absent_null(void)
{
    return 0;
}

static void *absent_stub(enum det_call call)
{
    if (det_starts(det_call_name(call), "__cuda")) /* these return pointers or nothing */
        return (void *)(uintptr_t)absent_null;
    switch (det_call_family(call)) {
    case DET_FAMILY_CUDA:
    case DET_FAMILY_CUDART:
        return (void *)(uintptr_t)absent_3;
    case DET_FAMILY_CUDNN:
        return (void *)(uintptr_t)absent_cudnn;
    case DET_FAMILY_CURAND:
        return (void *)(uintptr_t)absent_curand;
    case DET_FAMILY_NCCL:
        return (void *)(uintptr_t)absent_nccl;
    case DET_FAMILY_NVRTC:
        return (void *)(uintptr_t)absent_nvrtc;
    case DET_FAMILY_NVJITLINK:
        return (void *)(uintptr_t)absent_link;
    default:
        return (void *)(uintptr_t)absent_1;
    }
}

void *det_real(enum det_call call, const void *caller)
{
    void *real = det_real_or_null(call, caller);
    if (real)
        return real;
    /* No library of the family: perhaps a framework's stub behind us defines the name and will load it. */
    const struct det_libc *libc = det_libc();
    if (libc->dlsym)
        real = libc->dlsym(RTLD_NEXT, det_call_name(call));
    if (real && !det_is_ours(real))
        return real;
    det_log_note("'%s' was called but no loaded library has it; answering 'not initialised'",
        det_call_name(call));
    return absent_stub(call);
}

void *det_family_symbol(enum det_family family, const char *name)
{
    const struct det_instance *first = det_instance_first(family);
    return first ? det_elf_symbol(first->object.base, first->object.dynamic, name) : NULL;
}

void *det_driver_symbol(const char *name)
{
    return det_family_symbol(DET_FAMILY_CUDA, name);
}
