/* The record reader of the command line: any bytes; and what our own writer makes of any text must read back. */
#include <stdlib.h>
#include <string.h>

#include "cli/json.c"
#include "shim/log/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

static void touch(const struct cli_json *json, const char *start, const char *end)
{
    for (size_t i = 0; i < json->n_fields; i++) {
        const struct cli_json_field *field = &json->fields[i];
        if (field->key < start || field->key + strlen(field->key) >= end)
            abort();
        if (field->kind == CLI_JSON_TEXT && field->text + strlen(field->text) >= end)
            abort();
    }
}

static void round_trip(const char *text)
{
    struct det_record record;
    det_record_begin(&record, true, "x");
    det_record_text(&record, "text", text);
    det_record_i64(&record, "n", -(int64_t)strlen(text));
    det_record_end(&record);
    struct cli_json json;
    if (!cli_json_parse(record.line.at, &json) || json.n_fields != 4)
        abort();
    const char *back = cli_json_text(&json, "text");
    if (!strstr(back, "\xef\xbf\xbd") && !strstr(back, "...") && strcmp(back, text) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
    char *line = malloc(n_bytes + 1);
    struct cli_json json;
    memcpy(line, bytes, n_bytes);
    line[n_bytes] = 0;
    round_trip(line);
    if (cli_json_parse(line, &json))
        touch(&json, line, line + n_bytes + 1);
    free(line);
    return 0;
}
