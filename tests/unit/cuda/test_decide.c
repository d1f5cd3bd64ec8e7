/* Decisions of the driver wrappers: what is launched, whether it fits, what may overlap, how large tables get. */
#include <criterion/criterion.h>

#include "shim/cuda/cuda_decide.c"

static struct det_question exact(void)
{
    return (struct det_question){ .cls = DET_CLASS_EXACT, .reason = "", .rule_on = true };
}

Test(cuda_decide, an_exact_kernel_gets_its_twin)
{
    const struct det_question q = exact();
    const struct det_choice c = det_decide_kernel(&q);
    cr_assert_eq(c.cls, DET_CLASS_EXACT);
    cr_assert(c.twin);
    cr_assert_str_empty(c.reason);
}

Test(cuda_decide, observe_skip_and_rules_leave_it_alone_and_say_so)
{
    struct det_question q = exact();
    q.observe = true;
    struct det_choice c = det_decide_kernel(&q);
    cr_assert_eq(c.cls, DET_CLASS_UNCOVERED);
    cr_assert_not(c.twin);
    cr_assert_str_eq(c.reason, "would be rewritten (atomics.exact)");
    q.skipped = true;
    cr_assert_str_eq(det_decide_kernel(&q).reason, "skipped by user");
    q = exact();
    q.rule_on = false;
    c = det_decide_kernel(&q);
    cr_assert_eq(c.cls, DET_CLASS_UNCOVERED);
    cr_assert_str_eq(c.reason, "rule atomics.exact is off");
}

Test(cuda_decide, identity_launches_a_twin_and_claims_nothing)
{
    struct det_question q = exact();
    q.identity = true;
    const struct det_choice c = det_decide_kernel(&q);
    cr_assert(c.twin);
    cr_assert_eq(c.cls, DET_CLASS_UNCOVERED);
}

Test(cuda_decide, other_classes_pass_through_untouched)
{
    for (int cls = 0; cls < DET_N_CLASSES; cls++) {
        if (cls == DET_CLASS_EXACT)
            continue;
        const struct det_question q = {
            .cls = (enum det_class)cls, .reason = "why", .rule_on = true, .skipped = true
        };
        const struct det_choice c = det_decide_kernel(&q);
        cr_assert_eq(c.cls, q.cls);
        cr_assert_not(c.twin);
        cr_assert_str_eq(c.reason, "why");
    }
}

Test(cuda_decide, fit_names_what_is_too_large)
{
    const struct det_fit fits = { .threads = 256,
        .max_threads = 256,
        .dynamic_shared = 1024,
        .static_shared = 1024,
        .max_shared = 2048,
        .param_bytes = 4096,
        .max_param_bytes = 4096,
        .cooperative = true,
        .blocks = 8,
        .resident_blocks = 8 };
    cr_assert_null(det_decide_fit(&fits));
    struct det_fit f = fits;
    f.threads = 257;
    cr_assert_str_eq(det_decide_fit(&f), "does not fit: threads per block");
    f = fits;
    f.static_shared++;
    cr_assert_str_eq(det_decide_fit(&f), "does not fit: shared memory");
    f = fits;
    f.param_bytes++;
    cr_assert_str_eq(det_decide_fit(&f), "does not fit: parameter bytes");
    f = fits;
    f.blocks++;
    cr_assert_str_eq(det_decide_fit(&f), "does not fit: cooperative blocks");
    f.cooperative = false;
    cr_assert_null(det_decide_fit(&f));
}

static const struct det_range from_start = { .at = 0x1000, .bytes = 0x1000, .id = 0 };
static const struct det_range same = { .at = 0x1000, .bytes = 0x1000, .id = 8 };
static const struct det_range middle = { .at = 0x1800, .bytes = 0x800, .id = 16 };
static const struct det_range null = { .at = 0, .id = 24 };
static const struct det_range null_too = { .at = 0, .id = 32 };
static const struct det_range nowhere = { .at = 0x9000, .id = 40 };
static const struct det_range variable = {
    .at = 0x1700, .bytes = 0x200, .id = 1001, .exact = true
};

Test(cuda_decide, equal_pointers_overlap_and_different_ones_do_not)
{
    cr_assert(det_decide_overlap(&from_start, 1, &same, 1));
    cr_assert_not(det_decide_overlap(&from_start, 1, &middle, 1));
    cr_assert_not(
        det_decide_overlap(&from_start, 1, &from_start, 1), "one parameter, judged by its PTX");
    cr_assert_not(det_decide_overlap(&from_start, 1, NULL, 0));
    cr_assert_not(det_decide_overlap(&null, 1, &null_too, 1), "two NULLs are no memory at all");
}

Test(cuda_decide, a_pointer_into_a_variable_overlaps_it)
{
    cr_assert(det_decide_overlap(&variable, 1, &middle, 1));
    cr_assert(det_decide_overlap(&middle, 1, &variable, 1));
    cr_assert_not(det_decide_overlap(&variable, 1, &from_start, 1));
    cr_assert_not(det_decide_overlap(&variable, 1, &nowhere, 1));
    cr_assert_not(det_decide_overlap(&variable, 1, &variable, 1));
}

Test(cuda_decide, room_is_counted_from_the_pointer_to_the_end_of_its_allocation)
{
    bool all;
    cr_assert_eq(det_decide_bytes(&from_start, 1, &all), 0x1000);
    cr_assert(all);
    const struct det_range three[] = { middle, from_start, same };
    cr_assert_eq(det_decide_bytes(three, 3, &all), 0x1000);
    const struct det_range with_null[] = { null, from_start };
    cr_assert_eq(det_decide_bytes(with_null, 2, &all), 0x1000, "NULL needs no room");
    cr_assert(all);
    const struct det_range with_unknown[] = { nowhere, from_start };
    cr_assert_eq(det_decide_bytes(with_unknown, 2, &all), 0x1000);
    cr_assert_not(all);
}

Test(cuda_decide, tables_grow_and_never_shrink_or_pass_the_ceiling)
{
    cr_assert_eq(det_decide_slots(5000, 0, 100000, false), 5000);
    cr_assert_eq(det_decide_slots(5000, 8192, 100000, false), 8192);
    cr_assert_eq(det_decide_slots(5000, 8192, 100000, true), 32768);
    cr_assert_eq(det_decide_slots(500000, 8192, 100000, true), 100000);
}

Test(cuda_decide, reports_are_judged_by_their_increments)
{
    cr_assert_null(det_decide_report(0, 0, 0, 0, 0));
    cr_assert_str_eq(det_decide_report(3, 1, 1, 1, 1), "table full");
    cr_assert_str_eq(det_decide_report(0, 1, 1, 1, 1), "mixed types");
    cr_assert_str_eq(det_decide_report(0, 0, 1, 1, 1), "foreign writer");
    cr_assert_str_eq(det_decide_report(0, 0, 0, 1, 1), "headroom");
    cr_assert_str_eq(det_decide_report(0, 0, 0, 0, 1), "read of pending sum");
}

Test(cuda_decide, views_of_one_array_overlap_and_tensors_of_an_arena_do_not)
{
    const uint64_t base = 0x700000000, end = base + (1 << 20);
    const struct det_range target = { .at = base, .bytes = end - base, .id = 8 };
    struct det_range guard = { .at = base + 4, .bytes = end - base - 4, .id = 0 };
    cr_expect(det_decide_overlap(&target, 1, &guard, 1), "p + 1");
    cr_expect(det_decide_overlap(&guard, 1, &target, 1), "p - 1");
    guard.at = base + 512;
    guard.bytes = end - guard.at;
    cr_expect_not(det_decide_overlap(&target, 1, &guard, 1), "two tensors of one arena");
    cr_expect(det_decide_arena(&target, 1, &guard, 1), "or one array: the device must look");
    const struct det_range other = { .at = end, .bytes = 4096, .id = 16 };
    cr_expect_not(det_decide_arena(&target, 1, &other, 1), "another allocation");
    cr_expect_not(det_decide_arena(&target, 1, &target, 1), "one parameter");
    guard.at = base + 4;
    guard.bytes = 64; /* ends elsewhere: another allocation */
    cr_expect_not(det_decide_overlap(&target, 1, &guard, 1));
}
