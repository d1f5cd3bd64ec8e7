/* See json.h. One pass, in place: a decoded string is never longer than its source. */
#include "cli/json.h"

#include <string.h>

enum { MOST_DEPTH = 16 };

struct reader {
    char *at;
    bool bad;
};

static void blank(struct reader *in)
{
    in->at += strspn(in->at, " \t\r\n");
}

static bool take(struct reader *in, char wanted)
{
    blank(in);
    if (*in->at != wanted)
        return false;
    in->at++;
    return true;
}

static unsigned hex4(struct reader *in)
{
    unsigned value = 0;
    for (int i = 0; i < 4; i++, in->at++) {
        const char c = *in->at;
        const bool digit = c >= '0' && c <= '9', low = c >= 'a' && c <= 'f',
                   up = c >= 'A' && c <= 'F';
        if (!digit && !low && !up) {
            in->bad = true;
            return 0;
        }
        value = value * 16 + (unsigned)(digit ? c - '0' : low ? c - 'a' + 10 : c - 'A' + 10);
    }
    return value;
}

static char *put_utf8(char *to, unsigned code)
{
    if (code < 0x80) {
        *to++ = (char)code;
    } else if (code < 0x800) {
        *to++ = (char)(0xc0 | code >> 6);
        *to++ = (char)(0x80 | (code & 63));
    } else if (code < 0x10000) {
        *to++ = (char)(0xe0 | code >> 12);
        *to++ = (char)(0x80 | (code >> 6 & 63));
        *to++ = (char)(0x80 | (code & 63));
    } else {
        *to++ = (char)(0xf0 | code >> 18);
        *to++ = (char)(0x80 | (code >> 12 & 63));
        *to++ = (char)(0x80 | (code >> 6 & 63));
        *to++ = (char)(0x80 | (code & 63));
    }
    return to;
}

/* After "\u": a code point, two halves where it needs them. */
static char *unicode(struct reader *in, char *to)
{
    unsigned code = hex4(in);
    if (code >= 0xd800 && code < 0xdc00) {
        const bool second = in->at[0] == '\\' && in->at[1] == 'u';
        in->at += second ? 2 : 0;
        const unsigned low = second ? hex4(in) : 0;
        in->bad |= low < 0xdc00 || low > 0xdfff;
        code = 0x10000 + ((code & 1023) << 10) + (low & 1023);
    } else {
        in->bad |= code >= 0xdc00 && code < 0xe000;
    }
    in->bad |= code == 0;
    return in->bad ? to : put_utf8(to, code);
}

static char *escape(struct reader *in, char *to)
{
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    const char letter = *in->at;
    if (letter == 'u') {
        in->at++;
        return unicode(in, to);
    }
    const char *known = letter ? strchr(from, letter) : NULL;
    if (!known) {
        in->bad = true;
        return to;
    }
    in->at++;
    *to++ = into[known - from];
    return to;
}

/* After the opening quote. */
static const char *string(struct reader *in)
{
    char *const start = in->at;
    char *to = start;
    while (!in->bad && *in->at != '"') {
        if ((unsigned char)*in->at < 32) { /* also the end of the text */
            in->bad = true;
        } else if (*in->at == '\\') {
            in->at++;
            to = escape(in, to);
        } else {
            *to++ = *in->at++;
        }
    }
    if (in->bad)
        return "";
    in->at++;
    *to = 0;
    return start;
}

static size_t digits(struct reader *in)
{
    const size_t n = strspn(in->at, "0123456789");
    in->at += n;
    return n;
}

static void number(struct reader *in, struct cli_json_field *field)
{
    field->kind = CLI_JSON_INT;
    field->negative = *in->at == '-';
    in->at += field->negative;
    const char *first = in->at;
    const size_t n = digits(in);
    in->bad |= n == 0 || (first[0] == '0' && n > 1);
    for (size_t i = 0; i < n; i++) {
        const uint64_t digit = (uint64_t)(first[i] - '0');
        if (field->value > (UINT64_MAX - digit) / 10)
            field->kind = CLI_JSON_OTHER;
        field->value = field->value * 10 + digit;
    }
    if (*in->at == '.') {
        in->at++;
        in->bad |= digits(in) == 0;
        field->kind = CLI_JSON_OTHER;
    }
    if (*in->at == 'e' || *in->at == 'E') {
        in->at++;
        in->at += *in->at == '+' || *in->at == '-';
        in->bad |= digits(in) == 0;
        field->kind = CLI_JSON_OTHER;
    }
}

static void word(struct reader *in, struct cli_json_field *field)
{
    static const struct {
        const char *text;
        enum cli_json_kind kind;
        uint64_t value;
    } words[] = { { "true", CLI_JSON_BOOL, 1 }, { "false", CLI_JSON_BOOL, 0 },
        { "null", CLI_JSON_NULL, 0 } };
    for (unsigned i = 0; i < 3; i++) {
        const size_t n = strlen(words[i].text);
        if (strncmp(in->at, words[i].text, n) == 0) {
            field->kind = words[i].kind;
            field->value = words[i].value;
            in->at += n;
            return;
        }
    }
    in->bad = true;
}

static void value(struct reader *in, struct cli_json_field *field, unsigned depth);

/* Arrays and objects inside a record: checked for form, not kept. */
static void nested(struct reader *in, char close, unsigned depth)
{
    struct cli_json_field ignored = { 0 };
    in->at++;
    if (take(in, close))
        return;
    do {
        if (close == '}') {
            in->bad |= !take(in, '"');
            if (!in->bad)
                string(in);
            in->bad |= in->bad || !take(in, ':');
        }
        if (!in->bad)
            value(in, &ignored, depth + 1);
    } while (!in->bad && take(in, ','));
    in->bad |= in->bad || !take(in, close);
}

static void value(struct reader *in, struct cli_json_field *field, unsigned depth)
{
    *field = (struct cli_json_field){ .key = field->key, .text = "" };
    blank(in);
    if (depth > MOST_DEPTH) {
        in->bad = true;
    } else if (*in->at == '"') {
        in->at++;
        field->kind = CLI_JSON_TEXT;
        field->text = string(in);
    } else if (*in->at == '-' || (*in->at >= '0' && *in->at <= '9')) {
        number(in, field);
    } else if (*in->at == '{' || *in->at == '[') {
        nested(in, *in->at == '{' ? '}' : ']', depth);
        field->kind = CLI_JSON_OTHER;
    } else {
        word(in, field);
    }
}

bool cli_json_parse(char *line, struct cli_json *out)
{
    struct reader in;
    in.at = line;
    in.bad = false;
    out->n_fields = 0;
    if (!take(&in, '{'))
        return false;
    if (!take(&in, '}')) {
        do {
            if (out->n_fields == CLI_JSON_FIELDS || !take(&in, '"'))
                return false;
            struct cli_json_field *field = &out->fields[out->n_fields];
            field->key = string(&in);
            if (in.bad || cli_json_get(out, field->key) || !take(&in, ':'))
                return false;
            value(&in, field, 0);
            out->n_fields++;
        } while (!in.bad && take(&in, ','));
        if (in.bad || !take(&in, '}'))
            return false;
    }
    blank(&in);
    return *in.at == 0;
}

const struct cli_json_field *cli_json_get(const struct cli_json *json, const char *key)
{
    for (size_t i = 0; i < json->n_fields; i++) {
        if (strcmp(json->fields[i].key, key) == 0)
            return &json->fields[i];
    }
    return NULL;
}

const char *cli_json_text(const struct cli_json *json, const char *key)
{
    const struct cli_json_field *field = cli_json_get(json, key);
    return field && field->kind == CLI_JSON_TEXT ? field->text : "";
}

uint64_t cli_json_u64(const struct cli_json *json, const char *key)
{
    const struct cli_json_field *field = cli_json_get(json, key);
    return field && field->kind == CLI_JSON_INT && !field->negative ? field->value : 0;
}
