/* Decisions of the driver wrappers as pure functions of values, tested alone. No CUDA, no globals. */
#ifndef DET_CUDA_DECIDE_H
#define DET_CUDA_DECIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "detshim/classes.h"

struct det_ptx_verdict {
    enum det_class cls;
    const char *reason;
};

/** What is known about a kernel before its first launch. */
struct det_question {
    enum det_class cls; /* by its PTX; UNKNOWN without */
    const char *reason;
    bool skipped; /* named in DETSHIM_SKIP_KERNELS */
    bool observe, rule_on, identity;
};
struct det_choice {
    enum det_class cls;
    const char *reason;
    bool twin; /* launch the twin instead */
};
struct det_choice det_decide_kernel(const struct det_question *question);

/** Does a launch fit its twin? NULL when it does, else the reason. All sizes in bytes, limits of twin and device. */
struct det_fit {
    uint64_t threads, max_threads;
    uint64_t dynamic_shared, static_shared, max_shared;
    uint64_t param_bytes, max_param_bytes;
    bool cooperative;
    uint64_t blocks, resident_blocks; /* whole grid; what the device holds at once */
};
const char *det_decide_fit(const struct det_fit *fit);

/** Memory a launch names: a pointer parameter (bytes from `at` to the end of its allocation, 0 unknown) or a module variable
 *  (`exact`: it is all of [at, at + bytes)). `id`: offset of the parameter, or a number of its own. */
struct det_range {
    uint64_t at, bytes;
    uint32_t id;
    bool exact;
};
/** May a guarded load see a sum that is pending for a target? Two parameters overlap when they hold the same address, or lie
 *  in one allocation at a distance that no allocator makes (views of one array); a parameter and a variable when it points
 *  into the variable. NULL is no memory. Two pointers into one allocation at a multiple of 256 bytes are most often separate
 *  tensors of a caching allocator: not here, but det_decide_arena. */
bool det_decide_overlap(const struct det_range *targets, size_t n_targets,
    const struct det_range *guards, size_t n_guards);

/** Does a guarded access go through another pointer into the allocation of a target, whichever the distance? It may be another
 *  tensor of an arena, or p + 256k into one array: only the device can tell, access by access. */
bool det_decide_arena(const struct det_range *targets, size_t n_targets,
    const struct det_range *guards, size_t n_guards);

/** May two launches add to the same bytes? Each from its pointers to the ends of their allocations (bytes 0: that address). */
bool det_decide_meet(const struct det_range *a, size_t n_a, const struct det_range *b, size_t n_b);

/** Bytes a launch may add to, each allocation's end once. *all: false when some target's extent is unknown. */
uint64_t det_decide_bytes(const struct det_range *targets, size_t n_targets, bool *all);

/** Slots for a table: `asked` and, where targets are unknown, at least a standard number; not under `have`, four times `have`
 *  after an overflow, not over `ceiling`. */
enum { DET_STANDARD_SLOTS = 16384 };
uint64_t det_decide_slots(uint64_t asked, uint64_t have, uint64_t ceiling, bool overflowed);

/** Why a fold's report takes the launches before it out of `exact`; NULL when it does not. Arguments are increments. */
const char *det_decide_report(uint64_t overflow, uint64_t mixed_types, uint64_t foreign_writer,
    uint64_t headroom, uint64_t pending);

#endif
