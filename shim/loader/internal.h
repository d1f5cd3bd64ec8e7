/* What the files of this folder share. Everything here is callable from the dlsym path: no libc function, no lock, no
 * allocation, state lazily filled and idempotent, since all of it may run before any constructor
 * (notes/interposition.md sections 1.5 and 3.5). */
#ifndef DET_LOADER_INTERNAL_H
#define DET_LOADER_INTERNAL_H

#include <elf.h>
#include <link.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shim/loader/call.h"

/* --- elf.c: objects in memory --- */
/** The dynamic section's entry with this tag as an address (already relocated or not), 0 when absent. */
uintptr_t det_elf_pointer(uintptr_t base, const ElfW(Dyn) * dynamic, ElfW(Sxword) tag);
/** DT_SONAME, or the last part of `path`; never NULL. */
const char *det_elf_soname(uintptr_t base, const ElfW(Dyn) * dynamic, const char *path);
/** Does DT_NEEDED name `soname`? */
bool det_elf_needs(uintptr_t base, const ElfW(Dyn) * dynamic, const char *soname);
/** The default version of a defined function or datum; NULL when the object does not define it. */
void *det_elf_symbol(uintptr_t base, const ElfW(Dyn) * dynamic, const char *name);
bool det_same(const char *a, const char *b);
bool det_starts(const char *text, const char *with);

struct det_object {
    uintptr_t base, lo, hi;
    const ElfW(Dyn) * dynamic;
    const char *path; /* of the link map: lives as long as the object stays loaded */
};
/** The object whose mapping holds `address`; false when none (generated code). */
bool det_object_at(const void *address, struct det_object *out);
void det_object_from_info(const struct dl_phdr_info *info, struct det_object *out);

/* --- libc.c: libc's own loader functions --- */
struct det_libc {
    void *(*dlsym)(void *handle, const char *name);
    void *(*dlvsym)(void *handle, const char *name, const char *version);
    void *(*dlopen)(const char *path, int mode);
    int (*dlclose)(void *handle);
};
/** Members are NULL only where the process has no such function (glibc < 2.34 without libdl). */
const struct det_libc *det_libc(void);
/** What the loaded object at `path` finds in its own scope: itself and what it is linked to. Takes the loader's lock. */
void *det_scope_symbol(const char *path, const char *name);
/** dlsym of the preload behind us, else libc's. */
void *det_next_dlsym(void);
bool det_is_ours(const void *address);
/** Is an object loaded whose file name starts so? A cheap look at the debugger's list; not for a symbol's owner. */
bool det_object_is_listed(const char *prefix);

/* --- names.c: the table of wrapped calls --- */
/** DET_N_CALLS when `name` is not wrapped. */
enum det_call det_call_find(const char *name);
enum det_family det_call_family(enum det_call call);
/** Family of each call, once det_calls_prepare was called: for the guard, which needs no more than a load. */
extern _Atomic uint8_t det_call_families[DET_N_CALLS] __attribute__((visibility("hidden")));
void det_calls_prepare(void);
const void *det_call_wrapper(enum det_call call);

/* --- instance.c: loaded copies of vendor libraries --- */
struct det_instance {
    enum det_family family;
    bool part; /* libcudnn_ops.so and its like: not what a program calls by PLT */
    struct det_object object;
    const char *soname;
    _Atomic(void *) reals[DET_N_CALLS];
};
/** Refresh the list if objects came or went. */
void det_instances_scan(void);
/** The instance whose mapping holds `address`; NULL when it is no vendor library. Scans. */
struct det_instance *det_instance_at(const void *address);
/** The same without a scan: right after one. */
struct det_instance *det_instance_known_at(const void *address);
/** First instance of the family that is not a part; NULL when none is loaded. */
struct det_instance *det_instance_first(enum det_family family);
/** What dlsym hands out for `call` found in this instance: the wrapper, or a thunk that leads the wrapper there. */
const void *det_instance_entry(struct det_instance *instance, enum det_call call);
/** Called by the dlopen hook: something may be loaded by the time of the next call. */
void det_instances_may_change(void);
/** The driver told a better address for `call` than its export (cuGetProcAddress). */
void det_instance_set_real(struct det_instance *instance, enum det_call call, void *real);

/* --- guard.c --- */
enum { DET_MAX_VENDOR_KERNELS = 64 };
struct det_vendor_kernel {
    struct det_ledger_row *row;
    uint64_t where;
    void *node;
    det_count_kernel count;
};
/** This thread. `asked` is written by the thunks in assembly: it must stay first. */
struct det_guard {
    uint32_t asked;           /* thunk just entered, 0 none; the wrapper it leads to takes it */
    uint32_t inside_families; /* bit per family: inside a wrapper of it */
    uint32_t inside_ours;
    uint32_t n_bound;
    uint16_t bound[DET_N_FAMILIES]; /* thunk the wrapper being run came by */
    bool opened;                    /* dlopen was called and no scan followed */
    /* Per family, when its wrapper was entered: what the call around it has counted, and the kernels noted by then. */
    uint32_t calls_before[DET_N_FAMILIES], kernels_before[DET_N_FAMILIES];
    uint32_t n_kernels; /* launched by vendor code in a wrapped call that may yet be counted */
    struct det_vendor_kernel kernels[DET_MAX_VENDOR_KERNELS];
};
extern __thread struct det_guard det_guard __attribute__((visibility("hidden")));

/** Level and DETSHIM_PROCS allow us to act; one load after the first time. */
bool det_loader_on(void);

/* --- thunk.c: a second copy of a library gets entry points of its own --- */
enum { DET_N_THUNKS = 2048 }; /* more than the rows of all tables: one more copy of everything */
/** Thunk for (instance, call), made on first request; 0 when there are no more. */
unsigned det_thunk(struct det_instance *instance, enum det_call call);
const void *det_thunk_address(unsigned thunk);
struct det_instance *det_thunk_instance(unsigned thunk);

/* --- observations for the self-test at exit (selftest.c) --- */
enum det_seen { DET_SEEN_DEEPBIND = 1, DET_SEEN_WRAPPER = 2, DET_SEEN_DLSYM = 4 };
extern _Atomic unsigned det_loader_seen __attribute__((visibility("hidden")));
static inline void det_loader_saw(enum det_seen what)
{
    if (__builtin_expect(!(atomic_load_explicit(&det_loader_seen, memory_order_relaxed) & what), 0))
        atomic_fetch_or(&det_loader_seen, what);
}

#endif
