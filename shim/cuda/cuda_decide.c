/* Pure decisions; see the header. */
#include "shim/cuda/cuda_decide.h"

struct det_choice det_decide_kernel(const struct det_question *q)
{
    struct det_choice choice = { q->cls, q->reason != NULL ? q->reason : "", false };
    /* A kernel that is ordered or unknown anyway is not made worse by being skipped. */
    if (q->cls != DET_CLASS_EXACT)
        return choice;
    choice.cls = DET_CLASS_UNCOVERED;
    if (q->skipped)
        choice.reason = "skipped by user";
    else if (!q->rule_on)
        choice.reason = "rule atomics.exact is off";
    else if (q->observe)
        choice.reason = "would be rewritten (atomics.exact)";
    else if (q->identity) {
        choice.reason = "identity twin";
        choice.twin = true;
    } else {
        choice.cls = DET_CLASS_EXACT;
        choice.reason = "";
        choice.twin = true;
    }
    return choice;
}

const char *det_decide_fit(const struct det_fit *fit)
{
    if (fit->max_threads != 0 && fit->threads > fit->max_threads)
        return "does not fit: threads per block";
    if (fit->dynamic_shared + fit->static_shared > fit->max_shared)
        return "does not fit: shared memory";
    if (fit->param_bytes > fit->max_param_bytes)
        return "does not fit: parameter bytes";
    if (fit->cooperative && fit->blocks > fit->resident_blocks)
        return "does not fit: cooperative blocks";
    return NULL;
}

static bool inside(uint64_t at, const struct det_range *variable)
{
    return at >= variable->at && at - variable->at < variable->bytes;
}

/* Every allocator we know (cuMemAlloc, PyTorch, RMM, TensorFlow, XLA) hands out multiples of this: two pointers into one
 * allocation at another distance are views of one array, or of arrays packed by hand. */
enum { SUBALLOCATION = 256 };

static bool views(const struct det_range *a, const struct det_range *b)
{
    const uint64_t distance = a->at > b->at ? a->at - b->at : b->at - a->at;
    return a->bytes != 0 && b->bytes != 0 && a->at + a->bytes == b->at + b->bytes &&
           distance % SUBALLOCATION != 0;
}

static bool same_memory(const struct det_range *a, const struct det_range *b)
{
    if (a->at == 0 || b->at == 0 || a->id == b->id)
        return false;
    if (a->exact)
        return b->exact ? a->at == b->at : inside(b->at, a);
    return b->exact ? inside(a->at, b) : a->at == b->at || views(a, b);
}

bool det_decide_overlap(const struct det_range *targets, size_t n_targets,
    const struct det_range *guards, size_t n_guards)
{
    for (size_t t = 0; t < n_targets; t++)
        for (size_t g = 0; g < n_guards; g++)
            if (same_memory(&targets[t], &guards[g]))
                return true;
    return false;
}

bool det_decide_arena(const struct det_range *targets, size_t n_targets,
    const struct det_range *guards, size_t n_guards)
{
    for (size_t t = 0; t < n_targets; t++)
        for (size_t g = 0; g < n_guards; g++) {
            const struct det_range *const a = &targets[t], *const b = &guards[g];
            if (a->at != 0 && b->at != 0 && a->id != b->id && !a->exact && !b->exact &&
                a->bytes != 0 && b->bytes != 0 && a->at + a->bytes == b->at + b->bytes)
                return true;
        }
    return false;
}

bool det_decide_meet(const struct det_range *a, size_t n_a, const struct det_range *b, size_t n_b)
{
    for (size_t i = 0; i < n_a; i++)
        for (size_t j = 0; j < n_b; j++) {
            const uint64_t end_a = a[i].at + (a[i].bytes != 0 ? a[i].bytes : 1);
            const uint64_t end_b = b[j].at + (b[j].bytes != 0 ? b[j].bytes : 1);
            if (a[i].at != 0 && b[j].at != 0 && a[i].at < end_b && b[j].at < end_a)
                return true;
        }
    return false;
}

uint64_t det_decide_bytes(const struct det_range *targets, size_t n_targets, bool *all)
{
    uint64_t n_bytes = 0;
    *all = true;
    for (size_t i = 0; i < n_targets; i++) {
        const struct det_range *const range = &targets[i];
        if (range->at == 0)
            continue; /* NULL: an optional output left out */
        if (range->bytes == 0)
            *all = false;
        bool counted = false; /* another target reaches to the same end from further in front */
        for (size_t j = 0; j < n_targets && !counted; j++)
            counted = j != i && targets[j].bytes != 0 &&
                      targets[j].at + targets[j].bytes == range->at + range->bytes &&
                      (targets[j].at < range->at || (targets[j].at == range->at && j < i));
        if (!counted)
            n_bytes += range->bytes;
    }
    return n_bytes;
}

uint64_t det_decide_slots(uint64_t asked, uint64_t have, uint64_t ceiling, bool overflowed)
{
    uint64_t want = asked > have ? asked : have;
    if (overflowed && want < 4 * have)
        want = 4 * have;
    return want < ceiling ? want : ceiling;
}

const char *det_decide_report(uint64_t overflow, uint64_t mixed_types, uint64_t foreign_writer,
    uint64_t headroom, uint64_t pending)
{
    if (overflow != 0)
        return "table full";
    if (mixed_types != 0)
        return "mixed types";
    if (foreign_writer != 0)
        return "foreign writer";
    if (headroom != 0)
        return "headroom";
    if (pending != 0)
        return "read of pending sum";
    return NULL;
}
