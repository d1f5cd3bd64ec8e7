/* Records, names for people, canonical order: the pure parts. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shim/log/order.h"
#include "shim/log/record.h"
#include "shim/log/summary.h"

Test(log_record, json_escapes_and_replaces_what_is_not_utf8)
{
    struct det_record record;
    det_record_begin(&record, true, "x");
    det_record_text(&record, "a", "q\"b\\s\n\x7f");
    det_record_text(&record, "b", "\xc3\xa9 \xff \xc0\x80 \xed\xa0\x80 \xe2\x82");
    det_record_text(&record, "c", NULL);
    det_record_i64(&record, "d", INT64_MIN);
    det_record_u64(&record, "e", UINT64_MAX);
    det_record_bool(&record, "f", false);
    det_record_end(&record);
#define REPLACED "\xef\xbf\xbd"
    cr_assert_str_eq(record.line.at,
        "{\"v\":1,\"t\":\"x\",\"a\":\"q\\\"b\\\\s\\u000a\\u007f\",\"b\":\"\xc3\xa9 " REPLACED
        " " REPLACED REPLACED " " REPLACED REPLACED REPLACED " " REPLACED REPLACED
        "\",\"c\":null,\"d\":-9223372036854775808,\"e\":18446744073709551615,\"f\":false}\n");
}

Test(log_record, any_amount_of_text_leaves_a_closed_record)
{
    char *big = malloc(100001);
    memset(big, '"', 100000);
    big[100000] = 0;
    struct det_record record;
    det_record_begin(&record, true, "x");
    for (int i = 0; i < 50; i++)
        det_record_text(&record, "long", big);
    for (int i = 0; i < 1000; i++)
        det_record_u64(&record, "n", 123456789);
    det_record_end(&record);
    cr_assert_not(record.line.cut);
    cr_assert_str_eq(record.line.at + record.line.n - 2, "}\n");
    int quotes = 0;
    for (const char *at = record.line.at; *at; at++) {
        quotes += *at == '"';
        at += *at == '\\';
    }
    cr_assert_eq(quotes % 2, 0);
}

struct name {
    char symbol[64], shown[64];
};
ParameterizedTestParameters(log_name, mangled_names_become_readable)
{
    static struct name rows[] = { { "_Z4gradPf", "grad" }, { "saxpy", "saxpy" },
        { "_ZN2at6native6reduceILi5EEvPf", "at::native::reduce<...>" },
        { "_ZN12_GLOBAL__N_13fooEv", "(anonymous)::foo" }, { "_ZL3barPf", "bar" },
        { "_ZN3cubL3bazEv", "cub::baz" }, { "_Z3addIfEvPT_", "add<...>" },
        { "_ZSt4sortv", "std::sort" }, { "_Z", "_Z" }, { "_Z99short", "_Z99short" },
        { "_Z99999999999999999999x", "_Z99999999999999999999x" }, { "_ZN", "_ZN" },
        { "triton_poi_fused_add_0d1d2d3de4567890123456789",
            "triton_poi_fused_add_0d1d2d3de456789012..." } };
    return cr_make_param_array(struct name, rows, sizeof rows / sizeof *rows);
}
ParameterizedTest(struct name *row, log_name, mangled_names_become_readable)
{
    DET_LINE(line, 128);
    det_summary_name(row->symbol, 39, &line);
    if (strlen(row->symbol) > 39 && row->symbol[0] == 't')
        cr_assert_eq(line.n, 39);
    else
        cr_assert_str_eq(line.at, row->shown);
}

Test(log_order, lines_are_sorted_in_place_and_nothing_else_touched)
{
    char name[] = "/tmp/detshim-order-XXXXXX";
    const int fd = mkstemp(name);
    const char *text = "zz head\nb\n\nab\na\nb\nabc\n";
    cr_assert_gt(write(fd, text, strlen(text)), 0);
    cr_assert(det_order_lines(fd, 8, (off_t)strlen(text) - 8));
    char got[64] = { 0 };
    cr_assert_gt(pread(fd, got, sizeof got - 1, 0), 0);
    cr_assert_str_eq(got, "zz head\n\na\nab\nabc\nb\nb\n");
    cr_assert_not(det_order_lines(fd, 8, 2), "a range that ends inside a line is refused");
    cr_assert(det_order_lines(fd, 8, 0));
    close(fd);
    unlink(name);
}
