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
        choice.reason = "would be rewritten";
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

static bool same_memory(const struct det_range *a, const struct det_range *b)
{
    return a->at == b->at && a->at != 0;
}

bool det_decide_overlap(
    const struct det_range *ranges, size_t n_ranges, uint64_t targets, uint64_t guards)
{
    const uint64_t unknown_root = (uint64_t)1 << 63;
    if (guards == 0 || targets == 0)
        return false;
    if ((targets | guards) & unknown_root)
        return true;
    for (size_t g = 0; g < 63; g++) {
        if (!(guards >> g & 1))
            continue;
        if (g >= n_ranges)
            return true;
        for (size_t t = 0; t < 63; t++) {
            if (!(targets >> t & 1) || t == g)
                continue;
            if (t >= n_ranges || same_memory(&ranges[g], &ranges[t]))
                return true;
        }
    }
    return false;
}

uint64_t det_decide_bytes(const struct det_range *ranges, size_t n_ranges, uint64_t targets)
{
    uint64_t n_bytes = 0;
    if (targets >> 63 || targets == 0)
        return 0;
    for (size_t i = 0; i < 63; i++) {
        if (!(targets >> i & 1))
            continue;
        if (i < n_ranges && ranges[i].at == 0)
            continue; /* NULL: an optional output left out */
        if (i >= n_ranges || ranges[i].bytes == 0)
            return 0;
        const struct det_range *const r = &ranges[i];
        bool counted = false; /* the same rest of the same allocation twice needs no more room */
        for (size_t j = 0; j < i; j++)
            counted |= (targets >> j & 1) && ranges[j].base == r->base && ranges[j].at <= r->at;
        if (!counted)
            n_bytes += r->base + r->bytes - r->at;
    }
    return n_bytes;
}

uint64_t det_decide_slots(uint64_t asked, uint64_t have, uint64_t ceiling, bool overflowed)
{
    /* Unknown targets start with 16,384 blocks: 2 MiB of floats. */
    uint64_t want = asked != 0 ? asked : 16384;
    if (want < have)
        want = have;
    if (overflowed && want < 4 * have)
        want = 4 * have;
    return want < ceiling ? want : ceiling;
}

const char *det_decide_report(
    uint64_t overflow, uint64_t mixed_types, uint64_t foreign_writer, uint64_t headroom)
{
    if (overflow != 0)
        return "table full";
    if (mixed_types != 0)
        return "mixed types";
    if (foreign_writer != 0)
        return "foreign writer";
    if (headroom != 0)
        return "headroom";
    return NULL;
}
