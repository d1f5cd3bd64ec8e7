/* What the driver wrappers remember: images and the code in them (units), kernels, contexts, accumulator tables.
 * One lock guards the maps; it is never held while the driver is called. Only a table's own lock is (launch + fold).
 * Records are found by the handle the program holds and forgotten when that handle dies. */
#ifndef DET_CUDA_STATE_H
#define DET_CUDA_STATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "replacements/accumulator.h"
#include "shim/core/bytes.h"
#include "shim/core/hash.h"
#include "shim/cuda/cuda_api.h"
#include "shim/image/image.h"
#include "shim/log/log.h"
#include "shim/ptx/ptx.h"

enum { DET_MAX_SM_KINDS = 8, DET_MAX_JIT = 16, DET_MAX_ATTR = 16 };

/* --- code --- */

/** An image as one kind of device sees it. PTX is kept packed until somebody asks for a kernel. */
struct det_code {
    unsigned sm;
    enum det_image_voice voice;
    char reason[192];             /* why there is no PTX to read, "" otherwise */
    struct det_image_entry entry; /* of the PTX; payload points into `packed` */
    struct det_bytes packed;
    struct det_ptx_module *module; /* NULL until parsed or when parsing failed */
    bool parsed, twin_made;
    enum det_err twin_err;
    struct det_ptx_twin twin;
    struct det_other {
        bool made;
        enum det_err err;
        struct det_ptx_twin twin;
    } other[3];      /* the same kernels with the cross-check, with guarded accesses, with both */
    uint64_t marked; /* what `detshim ptxas` says it put beside the kernels, 0: nothing */
    bool beside; /* and this rewriter makes the same: twin.kernels stand in the original module */
};

/** The caller's JIT options that a second compilation of ours must repeat; log buffers and outputs are left out. */
struct det_jit {
    unsigned n;
    CUjit_option option[DET_MAX_JIT];
    void *value[DET_MAX_JIT];
};

/** One loaded image: a CUmodule, or a CUlibrary (whose module in each context is made by the driver). */
struct det_unit {
    uint64_t serial; /* unique in this process: handles are reused by the driver */
    bool library, vendor;
    void *handle;  /* CUmodule or CUlibrary */
    CUcontext ctx; /* of a module; NULL for a library */
    unsigned n_codes;
    struct det_code *code; /* one per kind of device in the machine */
    struct det_jit jit;
    _Atomic bool
        symbols_asked;    /* the host knows addresses of its variables and may write constants */
    pthread_mutex_t lock; /* parsing and rewriting; no driver call inside */
    struct det_kern *kernels;         /* uthash by name */
    _Atomic(struct det_twin *) twins; /* newest first; entries are only added */
    UT_hash_handle hh;                /* by handle */
};

/** How one kernel is launched on one kind of device. */
struct det_plan {
    bool made, ready; /* ready: published, readable without the unit's lock */
    bool use_twin;
    enum det_class cls;
    const struct det_ptx_kernel *ptx; /* NULL when no PTX speaks for it */
    const struct det_ptx_twin_kernel *twin;
    size_t twin_index;
    unsigned element_bytes;     /* of the adds, 0 when they differ */
    struct det_ledger_row *row; /* where an ordinary launch of it is counted */
    const char *reason;
};

struct det_kern {
    struct det_unit *unit;
    char *name;
    struct det_plan plan[DET_MAX_SM_KINDS];
    _Atomic uint64_t n_launches; /* of its twin, where launches are sampled */
    /* Setters the program called; replayed onto twins. */
    unsigned n_attr;
    struct {
        CUfunction_attribute attr;
        int value;
    } attr[DET_MAX_ATTR];
    int cache_config, shared_config; /* -1: never set */
    UT_hash_handle hh;
};

/** CUfunction or CUkernel to kernel. */
struct det_fn {
    const void *handle;
    struct det_kern *kern;
    UT_hash_handle hh;
};

/* --- twins --- */

struct det_twin_fn {
    CUfunction function;
    int max_threads, static_shared, max_dynamic;
};
/** Contents of one .const variable: in the original module and in the twin. */
struct det_copy {
    CUdeviceptr from, to;
    size_t n_bytes;
};
/* Forms of a twin's text: with the cross-check, with guarded accesses; and compiled with fewer registers. */
enum { DET_TWIN_CHECK = 1, DET_TWIN_GUARD = 2, DET_TWIN_TEXT = 3, DET_TWIN_CAPPED = 4 };
/** The second module of a unit in one context. */
struct det_twin {
    unsigned variant; /* DET_TWIN_* */
    uint64_t serial, ctx_serial;
    unsigned code;
    CUmodule module;
    CUresult error; /* why there is none */
    char reason[192];
    bool identity;
    bool borrowed;          /* `module` is the program's own, with the kernels beside its own */
    struct det_twin_fn *fn; /* by det_plan.twin_index */
    size_t n_fn;
    uint64_t *vars, *var_bytes; /* module variables, in the original module */
    uint32_t n_vars;
    struct det_copy *consts; /* constants the twin holds a copy of */
    size_t n_consts;
    struct det_twin *next;
};

/* --- contexts and tables --- */

/** Where fold reports of one (table, kernel) arrive. `host` is written by the device. */
struct det_report {
    struct det_ledger_row *row; /* where the kernel's launches are counted; the key */
    char *name;
    volatile struct det_acc_report *host;
    CUdeviceptr device;
    struct det_acc_report seen;
    _Atomic uint64_t launched,
        elsewhere;              /* launches; of these, not yet read, counted in another row */
    _Atomic bool reads_pending; /* it was seen to read what it adds to */
    struct det_report *next;
};

/** A head of a table for twins with module variables, and one for all without. */
struct det_head {
    uint64_t twin; /* serial, 0 for twins without variables */
    CUdeviceptr device;
};
enum { DET_MAX_HEADS = 256, DET_HEAD_BYTES = 4096 };

/** Accumulators of one stream of one context. */
struct det_table {
    struct det_ctx *ctx;
    uint64_t serial;
    CUstream stream;
    uint64_t thread;  /* ordinal of the host thread for its own default stream, else 0 */
    uint64_t capture; /* id of the capture it was made for, else 0 */
    pthread_mutex_t lock;
    CUdeviceptr base, heads_at;
    struct det_acc_layout layout;
    uint64_t asked_slots; /* most that a launch wanted; above n_slots only at the ceiling */
    bool grow;            /* an overflow was reported: more next time */
    struct det_head heads[DET_MAX_HEADS];
    unsigned n_heads;
    struct det_report *reports;
    CUdeviceptr *old; /* allocations outgrown, freed when the context is idle */
    unsigned n_old;
    uint64_t bytes;
    bool flags_known, blocking;  /* blocking: in order with the legacy stream */
    struct det_recents *recents; /* cuda_order.c */
    struct det_table *next;      /* in det_ctx.tables */
    bool idle; /* its stream is gone: to be given to a new one once all folds have run */
};

struct det_ctx {
    CUcontext handle;
    uint64_t serial;
    CUdevice device;
    bool primary, going;
    unsigned sm, n_sms;
    int max_shared_optin;
    uint64_t memory_bytes, used_bytes, ceiling_bytes;
    CUdeviceptr
        reserve; /* what an explicit ceiling leaves unused, kept from the program; slab_lock */
    bool kept;
    _Atomic int fold_state; /* 0 not built, 1 ready, -1 refused */
    CUfunction fold;
    CUresult fold_error;
    _Atomic bool outside; /* something that may wait for the outside was queued */
    _Atomic(struct det_table *) tables;
    pthread_mutex_t slab_lock;
    char *slab_host; /* mapped host memory for reports */
    CUdeviceptr slab_device;
    size_t slab_used;
    struct slab_old {
        struct slab_old *next;
        char *host;
    } * slabs;
    UT_hash_handle hh;
};

/* cuda_map.c */
void det_map_lock(void);
void det_map_unlock(void);
uint64_t det_serial(void);
/** Ordinal of the calling host thread, from 1. */
uint64_t det_thread(void);

void det_unit_add(struct det_unit *unit);
/** The unit of a module or library handle, or NULL. */
struct det_unit *det_unit_find(const void *handle);
/** Second handle of the same unit (cuLibraryGetModule). */
void det_unit_alias(const void *handle, struct det_unit *unit);
/** Forget a unit, its kernels and their handles. */
void det_unit_drop(const void *handle);
void det_fn_add(const void *handle, struct det_kern *kern);
struct det_kern *det_fn_find(const void *handle);
/** Kernel `name` of `unit`, made when new. NULL when memory is out. */
struct det_kern *det_kern_get(struct det_unit *unit, const char *name);
/** The context a launch on `stream` runs in, its record made when new. NULL when there is none. */
struct det_ctx *det_ctx_of(CUstream stream);
struct det_ctx *det_ctx_current(void);
struct det_ctx *det_ctx_get(CUcontext handle);
/** Context record without making one. */
struct det_ctx *det_ctx_find(CUcontext handle);
/** Forget a context that is being destroyed: its modules, twins and tables. */
void det_ctx_drop(CUcontext handle);
/** The context may be destroyed by the call that follows: nobody reads its reports until it is known to live. */
void det_ctx_going(CUcontext handle, bool going);
/** Each context that is not going, with the map lock held. */
void det_ctx_each(void (*each)(struct det_ctx *ctx, void *arg), void *arg);

/* cuda_code.c */
/** Read an image into `unit->code`, one entry per kind of device in this machine. One log line when it is broken. */
void det_code_read(struct det_unit *unit, const void *image, size_t n_bytes);
/** Index of the code that speaks on compute capability `sm`; 0 when it is not listed. */
unsigned det_code_index(const struct det_unit *unit, unsigned sm);
/** Parse if not yet done; the plan of `kern` there. */
const struct det_plan *det_plan_get(struct det_kern *kern, unsigned code);
/** Text and kernels of the twin of all exact kernels; NULL with *why when there is none. variant: DET_TWIN_*. */
const struct det_ptx_twin *det_code_twin(
    struct det_unit *unit, unsigned code, unsigned variant, const char **why);
/** The same twin with the text of some kernels left out; caller frees with det_ptx_twin_free. */
enum det_err det_code_twin_without(struct det_unit *unit, unsigned code, unsigned variant,
    const bool *without, struct det_ptx_twin *out);
/** Kernel name that stands in the ledger for a handle we know nothing about. */
struct det_kern *det_kern_foreign(const void *function);

/* cuda_marked.c */
/** Machine code that `detshim ptxas` marked carries its PTX: true, and `code` reads from it. */
bool det_marked_read(struct det_code *code, const struct det_image_entry *machine);
/** Are the kernels of code->twin, name plus DET_MARK_SUFFIX, in the marked module as this rewriter makes them? */
bool det_marked_beside(const struct det_code *code);
/** The module that holds them, in the current context; NULL when the ordered form of kernel `name` is not there. */
CUmodule det_marked_module(const struct det_unit *unit, const char *name);
CUresult det_marked_function(CUmodule module, const char *name, CUfunction *function);

/* cuda_twin.c */
/** The twin of `unit` in `ctx`, which is current; built now unless it was. NULL when host memory is out; look at `error`.
 *  capped: with few enough registers for the largest blocks. */
const struct det_twin *det_twin_get(
    struct det_unit *unit, struct det_ctx *ctx, unsigned code, unsigned variant);
/** Fold kernel of the context, which is current; NULL with *error. */
CUfunction det_fold_get(struct det_ctx *ctx, CUresult *error);
/** Apply the settings of `kern` to its twins that exist. */
void det_twin_settings(struct det_kern *kern);
/** Unload the modules of all twins of a unit: its original is about to go. */
void det_twin_unload(struct det_unit *unit);

#endif
