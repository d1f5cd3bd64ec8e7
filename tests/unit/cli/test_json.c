/* The record reader: what it takes, what it refuses. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>

#include "cli/json.c"

struct line {
    char text[96];
    bool good;
};
ParameterizedTestParameters(cli_json, takes_valid_objects_only)
{
    static struct line rows[] = { { "{}", true }, { " { } \n", true }, { "", false },
        { "[]", false }, { "{", false }, { "{}x", false }, { "{\"a\":1}", true },
        { "{\"a\":1,}", false }, { "{\"a\":1 \"b\":2}", false }, { "{a:1}", false },
        { "{\"a\"}", false }, { "{\"a\":}", false }, { "{\"a\":1,\"a\":2}", false },
        { "{\"a\":01}", false }, { "{\"a\":-}", false }, { "{\"a\":-0}", true },
        { "{\"a\":1.5e-3}", true }, { "{\"a\":1.}", false }, { "{\"a\":.5}", false },
        { "{\"a\":1e}", false }, { "{\"a\":true}", true }, { "{\"a\":tru}", false },
        { "{\"a\":nul}", false }, { "{\"a\":[1,{\"b\":[]},\"x\"]}", true },
        { "{\"a\":[1,]}", false }, { "{\"a\":[1}", false },
        { "{\"a\":[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]}", false }, { "{\"a\":\"x}", false },
        { "{\"a\":\"\\q\"}", false }, { "{\"a\":\"\\u12\"}", false },
        { "{\"a\":\"\\u0000\"}", false }, { "{\"a\":\"\\ud800\"}", false },
        { "{\"a\":\"\\ud800\\u0041\"}", false }, { "{\"a\":\"\\udc00\"}", false },
        { "{\"a\":\"\t\"}", false }, { "{\"a\":\"\\", false }, { "{\"a\":\"\\u", false } };
    return cr_make_param_array(struct line, rows, sizeof rows / sizeof *rows);
}
ParameterizedTest(struct line *row, cli_json, takes_valid_objects_only)
{
    struct cli_json json;
    char text[96];
    snprintf(text, sizeof text, "%s", row->text);
    cr_assert_eq(cli_json_parse(text, &json), row->good, "%s", row->text);
}

Test(cli_json, values_are_decoded)
{
    char text[] = "{\"s\":\"a\\\"\\\\\\/"
                  "\\b\\f\\n\\r\\t\\u00e9\\u20ac\\ud83d\\ude00z\",\"i\":18446744073709551615,"
                  "\"m\":-5,\"big\":18446744073709551616,\"t\":true,\"n\":null,\"f\":1.5}";
    struct cli_json json;
    cr_assert(cli_json_parse(text, &json));
    cr_assert_str_eq(
        cli_json_text(&json, "s"), "a\"\\/\b\f\n\r\t\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z");
    cr_assert_eq(cli_json_u64(&json, "i"), UINT64_MAX);
    cr_assert_eq(cli_json_get(&json, "m")->value, 5);
    cr_assert(cli_json_get(&json, "m")->negative);
    cr_assert_eq(cli_json_u64(&json, "m"), 0);
    cr_assert_eq(cli_json_get(&json, "big")->kind, CLI_JSON_OTHER);
    cr_assert_eq(cli_json_get(&json, "t")->value, 1);
    cr_assert_eq(cli_json_get(&json, "n")->kind, CLI_JSON_NULL);
    cr_assert_eq(cli_json_get(&json, "f")->kind, CLI_JSON_OTHER);
    cr_assert_null(cli_json_get(&json, "none"));
    cr_assert_str_empty(cli_json_text(&json, "i"));
}

Test(cli_json, more_fields_than_it_keeps_are_refused)
{
    char text[2048] = "{";
    struct cli_json json;
    for (int i = 0; i <= CLI_JSON_FIELDS; i++)
        sprintf(text + strlen(text), "%s\"k%d\":%d", i ? "," : "", i, i);
    strcat(text, "}");
    cr_assert_not(cli_json_parse(text, &json));
}
