/* The choices file: what is written is read back, and nothing else is accepted. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "shim/choices/choices.h"

static struct det_bytes file_of(int n, bool backwards)
{
    struct det_choices choices = { 0 };
    struct det_bytes out = { 0 };
    for (int i = 0; i < n; i++) {
        char key[64], value[64];
        const int k = backwards ? n - 1 - i : i;
        snprintf(key, sizeof key, "cublaslt|13.1|H100|m=%d", k);
        snprintf(value, sizeof value, "%016x", k * 77);
        cr_assert_eq(det_choices_put(&choices, key, value), DET_CHOICES_CHANGED);
        cr_assert_eq(det_choices_put(&choices, key, value), DET_CHOICES_SAME);
    }
    det_choices_print(&choices, &out);
    det_choices_free(&choices);
    cr_assert_eq(det_bytes_check(&out), DET_OK);
    return out;
}

static enum det_err parse(const char *data, size_t n_bytes)
{
    struct det_choices choices = { 0 };
    const char *why = NULL;
    const enum det_err err = det_choices_parse(&choices, data, n_bytes, &why);
    cr_assert((err == DET_OK) == (why == NULL));
    cr_assert(err == DET_OK || choices.n == 0);
    det_choices_free(&choices);
    return err;
}

Test(choices_format, what_is_printed_is_read_back)
{
    struct det_bytes file = file_of(300, false);
    struct det_choices choices = { 0 };
    const char *why = NULL;
    cr_assert_eq(det_choices_parse(&choices, file.data, file.n_bytes, &why), DET_OK, "%s", why);
    cr_assert_eq(choices.n, 300);
    cr_assert_str_eq(det_choices_get(&choices, "cublaslt|13.1|H100|m=5"), "0000000000000181");
    cr_assert_null(det_choices_get(&choices, "cublaslt|13.2|H100|m=5"));
}

Test(choices_format, equal_choices_give_equal_files)
{
    struct det_bytes a = file_of(40, false), b = file_of(40, true);
    cr_assert_eq(a.n_bytes, b.n_bytes);
    cr_assert_arr_eq(a.data, b.data, a.n_bytes);
}

Test(choices_format, every_shorter_file_is_refused)
{
    struct det_bytes file = file_of(20, false);
    for (size_t n = 0; n < file.n_bytes; n++)
        cr_assert_eq(parse(file.data, n), DET_E_FORMAT, "%zu bytes", n);
}

Test(choices_format, every_changed_byte_is_refused)
{
    struct det_bytes file = file_of(20, false);
    for (size_t i = 0; i < file.n_bytes; i++)
        for (int bit = 0; bit < 8; bit++) {
            file.data[i] = (char)(file.data[i] ^ 1 << bit);
            cr_assert_eq(parse(file.data, file.n_bytes), DET_E_FORMAT, "byte %zu bit %d", i, bit);
            file.data[i] = (char)(file.data[i] ^ 1 << bit);
        }
    cr_assert_eq(parse(file.data, file.n_bytes), DET_OK);
}

Test(choices_format, foreign_files_are_refused)
{
    static const char *const texts[] = { "", "\n", "end 0 0\n", "hello\n", "detshim choices 1\n",
        "detshim choices 2\nend 0 0\n", "detshim choices 1\nend 0 0\n" };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        cr_assert_eq(parse(texts[i], strlen(texts[i])), DET_E_FORMAT, "%s", texts[i]);
    struct det_bytes empty = file_of(0, false);
    cr_assert_eq(parse(empty.data, empty.n_bytes), DET_OK);
}

Test(choices_format, control_characters_cannot_break_a_line)
{
    struct det_choices choices = { 0 };
    det_choices_put(&choices, "a\tb\nc", "x\ty\n");
    cr_assert_str_eq(det_choices_get(&choices, "a\tb\nc"), "x_y_");
    cr_assert_str_eq(det_choices_get(&choices, "a_b_c"), "x_y_");
    struct det_bytes out = { 0 };
    det_choices_print(&choices, &out);
    cr_assert_eq(parse(out.data, out.n_bytes), DET_OK);
}

Test(choices_format, texts_that_are_too_long_are_not_kept)
{
    char longer[DET_CHOICES_KEY + 8];
    memset(longer, 'k', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    struct det_choices choices = { 0 };
    cr_assert_eq(det_choices_put(&choices, longer, "v"), DET_CHOICES_TOO_LONG);
    cr_assert_eq(det_choices_put(&choices, "k", longer), DET_CHOICES_TOO_LONG);
    cr_assert_eq(det_choices_put(&choices, "", "v"), DET_CHOICES_TOO_LONG);
    longer[DET_CHOICES_KEY - 1] = 0;
    cr_assert_eq(det_choices_put(&choices, longer, "v"), DET_CHOICES_CHANGED);
    cr_assert_eq(choices.n, 1);
}
