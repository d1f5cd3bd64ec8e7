/* What the assembly hooks of dlsym, dlvsym and dlopen ask before they jump on. For a name we do not wrap nothing but
 * comparisons happens here: sanitizers and allocators look symbols up before they are ready (note section 1.5). */
#include <dlfcn.h>
#include <link.h>
#include <unistd.h>

#include "shim/loader/internal.h"

/** jump: where to continue with the caller's own arguments and return address; NULL: return `answer` instead. */
struct det_jump {
    void *answer, *jump;
};
struct det_jump det_filter_dlsym(void *handle, const char *name, const void *caller);
struct det_jump det_filter_dlvsym(
    void *handle, const char *name, const char *version, const void *caller);
struct det_open {
    long mode;
    void *jump;
};
struct det_open det_filter_dlopen(const char *path, int mode, const void *caller);

static enum det_call wrapped(const char *name)
{
    if (!name || (name[0] != 'c' && name[0] != 'n' && name[0] != 'p' && name[0] != '_'))
        return DET_N_CALLS;
    return det_call_find(name);
}

/* Our export is in the global scope of every process. Would `caller` have found the vendor's function there, or in its own
 * scope, without us? */
static bool visible(enum det_call call, void *handle, const void *caller)
{
    const char *name = det_call_name(call);
    void *real = det_libc()->dlsym(RTLD_NEXT, name);
    if (real && !det_is_ours(real))
        return true;
    struct det_object object;
    if (handle != RTLD_DEFAULT || !det_object_at(caller, &object))
        return false;
    real = det_scope_symbol(object.path, name);
    return real && !det_is_ours(real);
}

/* libc answered `real` to `caller`: what should it get? Rules of the note, section 3.5. *absent: make the name look absent. */
static void *substitute(
    enum det_call call, void *handle, void *real, const void *caller, bool *absent)
{
    *absent = false;
    if (!real)
        return NULL;
    if (det_is_ours(real)) {
        *absent = !visible(call, handle, caller);
        return real;
    }
    struct det_instance *instance = det_instance_at(real);
    if (!instance || instance->family != det_call_family(call))
        return real; /* a stub or another interposer: what it looks up in turn comes by here again */
    const struct det_instance *asks = det_instance_known_at(caller);
    if (asks && asks->family == instance->family)
        return real; /* libcudnn.so.9 asks its parts for its own public names */
    det_loader_saw(DET_SEEN_DLSYM);
    return (void *)(uintptr_t)det_instance_entry(instance, call);
}

/* The first answer per call, for a handle that is the library's own: such a library is pinned, so its handle means it for ever. A slot
 * is claimed, filled, then published, and never changes. */
static struct {
    _Atomic(void *) handle;
    const struct det_instance *instance;
    void *answer;
} given[DET_N_CALLS];

static void remember(enum det_call call, void *handle, const void *real, void *answer)
{
    static char claimed;
    const struct det_instance *instance = det_instance_known_at(real);
    void *nobody = NULL;
    if (!instance || ((const struct link_map *)handle)->l_addr != instance->object.base ||
        !atomic_compare_exchange_strong(&given[call].handle, &nobody, (void *)&claimed))
        return;
    given[call].instance = instance;
    given[call].answer = answer;
    atomic_store_explicit(&given[call].handle, handle, memory_order_release);
}

/* NULL: go the long way. */
static void *remembered(enum det_call call, void *handle, const void *caller)
{
    if (atomic_load_explicit(&given[call].handle, memory_order_acquire) != handle)
        return NULL;
    const struct det_instance *asks = det_instance_known_at(caller);
    return asks && asks->family == given[call].instance->family ? NULL : given[call].answer;
}

struct det_jump det_filter_dlsym(void *handle, const char *name, const void *caller)
{
    const bool by_scope = handle == RTLD_NEXT || handle == RTLD_DEFAULT;
    /* A neighbour's dlsym may not keep the caller's address, so scope look-ups go straight to libc (note section 1.4). */
    const struct det_jump pass = { NULL,
        by_scope ? (void *)(uintptr_t)det_libc()->dlsym : det_next_dlsym() };
    const enum det_call call = wrapped(name);
    if (__builtin_expect(call == DET_N_CALLS, 1) || handle == RTLD_NEXT || !det_libc()->dlsym ||
        !det_loader_on())
        return pass;
    const struct det_libc *libc = det_libc();

    void *answer = by_scope ? NULL : remembered(call, handle, caller);
    if (answer)
        return (struct det_jump){ answer, NULL };
    void *real = libc->dlsym(handle, name);
    bool absent = false;
    answer = substitute(call, handle, real, caller, &absent);
    if (!by_scope && real && answer != real)
        remember(call, handle, real, answer);
    if (absent) /* asked behind us, so that NULL comes with libc's dlerror */
        return (struct det_jump){ libc->dlsym(RTLD_NEXT, name), NULL };
    /* Unchanged by us, or not found: let libc answer the caller itself, with its scope and its dlerror. */
    return answer == real ? pass : (struct det_jump){ answer, NULL };
}

struct det_jump det_filter_dlvsym(
    void *handle, const char *name, const char *version, const void *caller)
{
    const struct det_libc *libc = det_libc();
    const struct det_jump pass = { NULL, (void *)(uintptr_t)libc->dlvsym };
    const enum det_call call = wrapped(name);
    if (call == DET_N_CALLS || handle == RTLD_NEXT || !libc->dlvsym || !det_loader_on())
        return pass;
    void *real = libc->dlvsym(handle, name, version);
    bool absent = false;
    void *answer = substitute(call, handle, real, caller, &absent);
    return answer == real || absent ? pass : (struct det_jump){ answer, NULL };
}

/* DETSHIM_STRIP_DEEPBIND, without getenv. */
static bool strip_deepbind(void)
{
    static const char name[] = "DETSHIM_STRIP_DEEPBIND=";
    for (char **entry = environ; entry && *entry; entry++)
        if (det_starts(*entry, name))
            return det_same(*entry + sizeof name - 1, "1");
    return false;
}

struct det_open det_filter_dlopen(const char *path, int mode, const void *caller)
{
    (void)path;
    (void)caller;
    det_instances_may_change();
#ifdef RTLD_DEEPBIND
    if (mode & RTLD_DEEPBIND) {
        if (strip_deepbind() && det_loader_on())
            mode &= ~RTLD_DEEPBIND;
        else
            det_loader_saw(DET_SEEN_DEEPBIND);
    }
#endif
    return (struct det_open){ mode, (void *)(uintptr_t)det_libc()->dlopen };
}
