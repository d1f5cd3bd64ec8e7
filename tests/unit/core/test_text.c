/* Numbers, globs, lists, distances. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include "shim/core/text.h"

struct number {
    char text[32];
    bool good;
    uint64_t value;
};
ParameterizedTestParameters(core_text, u64_takes_the_whole_text_or_nothing)
{
    static struct number rows[] = { { "0", true, 0 }, { "7", true, 7 }, { "007", true, 7 },
        { "18446744073709551615", true, UINT64_MAX }, { "18446744073709551616", false, 0 },
        { "99999999999999999999", false, 0 }, { "0x0", true, 0 }, { "0xfF", true, 255 },
        { "0Xffffffffffffffff", true, UINT64_MAX }, { "0x10000000000000000", false, 0 },
        { "", false, 0 }, { "0x", false, 0 }, { " 1", false, 0 }, { "1 ", false, 0 },
        { "+1", false, 0 }, { "-1", false, 0 }, { "1e3", false, 0 }, { "abc", false, 0 },
        { "0xg", false, 0 }, { "12a", false, 0 } };
    return cr_make_param_array(struct number, rows, sizeof rows / sizeof *rows);
}
ParameterizedTest(struct number *row, core_text, u64_takes_the_whole_text_or_nothing)
{
    uint64_t value = 42;
    cr_assert_eq(det_text_u64(row->text, &value), row->good, "'%s'", row->text);
    cr_assert_eq(value, row->good ? row->value : 42);
}

struct match {
    char pattern[24], text[24];
    bool yes;
};
ParameterizedTestParameters(core_text, glob_matches_whole_text)
{
    static struct match rows[] = { { "", "", true }, { "", "a", false }, { "*", "", true },
        { "*", "abc", true }, { "a*c", "abbc", true }, { "a*c", "abcd", false },
        { "a?c", "abc", true }, { "a?c", "ac", false }, { "*b*b*", "abb", true },
        { "*b*b*", "ab", false }, { "**a", "bba", true }, { "a*b*c", "aXbYbZc", true },
        { "*aab", "aaaab", true }, { "abc", "abc", true }, { "abc", "ab", false },
        { "?", "", false }, { "[a]", "a", false }, { "[a]", "[a]", true } };
    return cr_make_param_array(struct match, rows, sizeof rows / sizeof *rows);
}
ParameterizedTest(struct match *row, core_text, glob_matches_whole_text)
{
    cr_assert_eq(
        det_text_glob(row->pattern, row->text), row->yes, "'%s' '%s'", row->pattern, row->text);
}

Test(core_text, glob_with_many_stars_does_not_explode)
{
    char text[2001];
    memset(text, 'a', 2000);
    text[2000] = 0;
    cr_assert_not(det_text_glob("*a*a*a*a*a*a*a*a*a*a*a*a*b", text));
}

Test(core_text, list_is_split_at_commas_colons_and_spaces)
{
    cr_assert(det_text_in_list("a,b*:c d", "bcd"));
    cr_assert(det_text_in_list("a,b*:c d", "d"));
    cr_assert(det_text_in_list("a,b*:c d", "c"));
    cr_assert_not(det_text_in_list("a,b*:c d", "x"));
    cr_assert_not(det_text_in_list("", ""));
    cr_assert_not(det_text_in_list(",, ,", ""));
    cr_assert(det_text_in_list(",,*", "anything"));
}

Test(core_text, distance_counts_edits)
{
    cr_assert_eq(det_text_distance("", ""), 0);
    cr_assert_eq(det_text_distance("abc", ""), 3);
    cr_assert_eq(det_text_distance("", "ab"), 2);
    cr_assert_eq(det_text_distance("kitten", "sitting"), 3);
    cr_assert_eq(det_text_distance("DETSHIM_LOG", "DETSHIM_LOGS"), 1);
    char longer[300];
    memset(longer, 'x', 299);
    longer[299] = 0;
    cr_assert_eq(det_text_distance(longer, "x"), 255);
    longer[255] = 0;
    cr_assert_eq(det_text_distance(longer, ""), 255);
    cr_assert_eq(det_text_distance(longer, longer), 0);
}
