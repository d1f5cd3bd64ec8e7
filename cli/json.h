/* A strict reader for the flat JSON records we write ourselves. Anything else is refused as a whole. */
#ifndef DET_CLI_JSON_H
#define DET_CLI_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cli_json_kind { CLI_JSON_NULL, CLI_JSON_BOOL, CLI_JSON_INT, CLI_JSON_TEXT, CLI_JSON_OTHER };

struct cli_json_field {
    const char *key;
    enum cli_json_kind kind; /* OTHER: a float, array or object, checked but not kept */
    const char *text;        /* TEXT: decoded, NUL-terminated (a \u0000 inside is refused) */
    uint64_t value;          /* BOOL: 0 or 1; INT: magnitude */
    bool negative;
};
enum { CLI_JSON_FIELDS = 64 };
struct cli_json {
    struct cli_json_field fields[CLI_JSON_FIELDS];
    size_t n_fields;
};

/** Parse one object from `line` (NUL-terminated, decoded in place; the fields point into it). False when it is not
 *  exactly one valid JSON object with at most CLI_JSON_FIELDS keys, all different. */
bool cli_json_parse(char *line, struct cli_json *out);
/** Field by key; NULL when absent. */
const struct cli_json_field *cli_json_get(const struct cli_json *json, const char *key);
/** Text of a TEXT field, else "". */
const char *cli_json_text(const struct cli_json *json, const char *key);
/** Value of a non-negative INT field, else 0. */
uint64_t cli_json_u64(const struct cli_json *json, const char *key);

#endif
