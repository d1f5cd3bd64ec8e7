/* What events carry: never more than was known, and the newest of what is. */
#include <criterion/criterion.h>

#include "shim/cuda/cuda_past.c"

Test(cuda_past, the_latest_number_of_a_table_stands)
{
    struct det_past past = { .n = 0 };
    cr_expect_eq(det_past_number(&past, 7), 0);
    det_past_note(&past, 7, 3);
    det_past_note(&past, 7, 2);
    cr_expect_eq(det_past_number(&past, 7), 3);
    cr_expect_eq(past.n, 1);
}

Test(cuda_past, merging_knows_what_both_knew)
{
    struct det_past a = { .n = 0 }, b = { .n = 0 };
    det_past_note(&a, 1, 5);
    det_past_note(&a, 2, 1);
    det_past_note(&b, 2, 4);
    det_past_merge(&b, &a);
    cr_expect_eq(det_past_number(&b, 1), 5);
    cr_expect_eq(det_past_number(&b, 2), 4);
}

Test(cuda_past, without_room_the_oldest_is_forgotten)
{
    struct det_past past = { .n = 0 };
    for (uint64_t t = 1; t <= DET_MAX_PAST + 1; t++)
        det_past_note(&past, t, t);
    cr_expect_eq(past.n, DET_MAX_PAST);
    cr_expect_eq(det_past_number(&past, 1), 0);
    cr_expect_eq(det_past_number(&past, 2), 2);
    cr_expect_eq(det_past_number(&past, DET_MAX_PAST + 1), DET_MAX_PAST + 1);
}
