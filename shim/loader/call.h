/* The shape of a wrapped call (style.md section 4). A wrapper is one DET_CALL row in its library's .def and one
 * DET_EXPORT function: enter, decide, log, forward, leave. */
#ifndef DET_LOADER_CALL_H
#define DET_LOADER_CALL_H

#include <stdbool.h>
#include <stdint.h>

#define DET_EXPORT __attribute__((visibility("default")))

enum det_call {
#define DET_CALL(symbol, since, how) DET_ID_##symbol,
#include "shim/loader/calls.def"
#undef DET_CALL
    DET_N_CALLS
};
/** Families of vendor libraries; a call belongs to the family whose table it stands in. */
enum det_family {
#define DET_FAMILY(id, soname_prefix) DET_FAMILY_##id,
#include "shim/loader/families.def"
#undef DET_FAMILY
    DET_N_FAMILIES
};

/** False when the wrapper must forward at once: we are off, inside our own code, or already inside the same family on
 *  this thread (cuBLAS calling itself is silent, the driver calls it makes are still seen). */
bool det_enter(enum det_call call);
void det_leave(enum det_call call);
/** Work of our own that calls hooked functions (twin loads, folds): between these, det_enter is false everywhere. */
void det_inside_begin(void);
void det_inside_end(void);

/** Vendor code launched a kernel: does it wait for the verdict on the wrapped vendor call this thread is in? True: when that
 *  call ends, the kernel is part of it if the call was counted in the ledger (det_ledger_hit of a "call" row), and
 *  `count(row, where, node)` is called if it was not. False: no such call, count it now. */
struct det_ledger_row;
typedef void (*det_count_kernel)(struct det_ledger_row *row, uint64_t where, void *node);
bool det_vendor_kernel(
    struct det_ledger_row *row, uint64_t where, void *node, det_count_kernel count);
/** The wrapped call under way launches what earlier calls were counted for (ncclGroupEnd). */
void det_call_belongs(void);

/** Does this address lie inside a loaded library of one of the families (cuDNN calling cuBLASLt)? A short walk. */
bool det_caller_is_vendor(const void *caller);

/** Address of the real function for this caller (instance rules: notes/interposition.md section 3.5); a stub that returns
 *  the family's "not initialised" status when no library has it. Never NULL, never ours. */
void *det_real(enum det_call call, const void *caller);
/** The same, but NULL when the loaded library lacks it. */
void *det_real_or_null(enum det_call call, const void *caller);
/** A driver function we do not wrap but need ourselves, by exported name (e.g. "cuMemAlloc_v2"); NULL when absent.
 *  Looked up in the libcuda instance already loaded; never loads anything. */
void *det_driver_symbol(const char *name);
/** The same in the first loaded library of a family; NULL when none is loaded or it lacks the name. */
void *det_family_symbol(enum det_family family, const char *name);

/** Typed by the vendor header's own declaration, so a wrong argument does not compile. */
#define DET_REAL(symbol)                                                                           \
    ((__typeof__(&symbol))(uintptr_t)det_real(DET_ID_##symbol, __builtin_return_address(0)))
#define DET_NAME(symbol) #symbol

const char *det_call_name(enum det_call call);

#endif
