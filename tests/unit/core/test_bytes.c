/* The growing buffer, and the line with its printf subset against the C library's. */
#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <locale.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "shim/core/bytes.h"

Test(core_bytes, append_grows_and_keeps_a_nul)
{
    struct det_bytes out = { 0 };
    for (int i = 0; i < 10000; i++) {
        det_bytes_append(&out, "ab\0", 3);
        cr_assert_eq(out.data[out.n_bytes], 0);
    }
    cr_assert_eq(out.n_bytes, 30000);
    cr_assert(memcmp(out.data + 29997, "ab\0", 3) == 0);
    cr_assert_eq(det_bytes_check(&out), DET_OK);
    det_bytes_free(&out);
    cr_assert_null(out.data);
}

Test(core_bytes, printf_equals_snprintf)
{
    struct det_bytes out = { 0 };
    det_bytes_printf(&out, "%d %s %08.3f", -5, "x", 2.5);
    cr_assert_str_eq(out.data, "-5 x 0002.500");
    det_bytes_free(&out);
}

Test(core_bytes, impossible_size_fails_and_sticks)
{
    struct det_bytes out = { 0 };
    det_bytes_text(&out, "kept");
    det_bytes_append(&out, "", SIZE_MAX / 2);
    cr_assert_eq(det_bytes_check(&out), DET_E_NOMEM);
    det_bytes_text(&out, "lost");
    cr_assert_str_eq(out.data, "kept");
    det_bytes_free(&out);
}

Test(core_line, printf_subset_equals_the_c_library)
{
    char want[512];
    DET_LINE(line, 512);
    const char *format = "%s|%d|%d|%u|%ld|%lu|%lld|%llu|%zu|%x|%lx|%llx|%c|%%|%.*s|";
#define ARGS                                                                                       \
    "text", INT_MIN, INT_MAX, UINT_MAX, LONG_MIN, ULONG_MAX, LLONG_MIN, ULLONG_MAX, (size_t)0, 0u, \
        0xabcul, ~0ull, 'q', 3, "abcdef"
    det_line_printf(&line, format, ARGS);
    snprintf(want, sizeof want, format, ARGS);
    cr_assert_str_eq(line.at, want);
    cr_assert_not(line.cut);
    cr_assert_eq(line.n, strlen(want));
}

Test(core_line, text_past_the_end_is_cut_and_flagged)
{
    DET_LINE(line, 8);
    det_line_text(&line, "1234567");
    cr_assert_not(line.cut);
    det_line_text(&line, "8");
    cr_assert(line.cut);
    cr_assert_str_eq(line.at, "1234567");
    det_line_u64(&line, 99);
    cr_assert_str_eq(line.at, "1234567");
}

Test(core_line, bounded_text_does_not_read_past_its_bound)
{
    const char open_end[3] = { 'a', 'b', 'c' };
    DET_LINE(line, 16);
    det_line_printf(&line, "%.*s", 3, open_end);
    cr_assert_str_eq(line.at, "abc");
}

Test(core_line, hex_pads_to_min_digits)
{
    DET_LINE(line, 64);
    det_line_hex(&line, 0x2a, 8);
    det_line_text(&line, " ");
    det_line_hex(&line, UINT64_MAX, 99);
    cr_assert_str_eq(line.at, "0000002a ffffffffffffffff");
}

Test(core_line, errno_and_null_are_harmless)
{
    DET_LINE(line, 64);
    const char *volatile nothing = NULL;
    errno = 77;
    det_line_printf(&line, "%s %f", nothing, 1.0);
    cr_assert_eq(errno, 77);
    cr_assert_str_eq(line.at, "(null) %f");
}
