/* See record.h. The last TAIL bytes of the buffer belong to the closing, so a cut text cannot break a record. */
#include "shim/log/record.h"

#include <string.h>

#include "detshim/trace.h"

enum { TAIL = 256, MOST_VALUE = 2048 };

static size_t room(const struct det_record *record)
{
    const size_t used = record->line.n + TAIL;
    return used < record->line.cap ? record->line.cap - used : 0;
}

/* Length of the UTF-8 sequence at `at`, 0 when it is not one (RFC 3629: no overlong forms, no surrogates). */
static unsigned sequence(const unsigned char *at)
{
    const unsigned n = at[0] < 0x80 ? 1 : at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    if (n == 1)
        return 1;
    if (at[0] < 0xc2 || at[0] > 0xf4)
        return 0;
    for (unsigned i = 1; i < n; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    }
    const bool overlong = (at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xf0 && at[1] < 0x90);
    const bool outside = (at[0] == 0xed && at[1] > 0x9f) || (at[0] == 0xf4 && at[1] > 0x8f);
    return overlong || outside ? 0 : n;
}

static void put_letter(struct det_line *line, const char *at, unsigned n)
{
    const unsigned char letter = (unsigned char)*at;
    if (n == 0) {
        det_line_text(line, "\xef\xbf\xbd");
    } else if (letter == '"' || letter == '\\') {
        det_line_bytes(line, "\\", 1);
        det_line_bytes(line, at, 1);
    } else if (letter < 32 || letter == 127) {
        det_line_text(line, "\\u");
        det_line_hex(line, letter, 4);
    } else {
        det_line_bytes(line, at, n);
    }
}

static void put_string(struct det_record *record, const char *text)
{
    struct det_line *line = &record->line;
    const size_t start = line->n;
    while (*text && room(record) && line->n - start < MOST_VALUE) {
        const unsigned n = sequence((const unsigned char *)text);
        put_letter(line, text, n);
        text += n ? n : 1;
    }
    if (*text)
        det_line_text(line, "...");
}

static bool put_key(struct det_record *record, const char *key)
{
    if (!room(record))
        return false;
    if (record->json)
        det_line_printf(&record->line, ",\"%s\":", key);
    else
        det_line_printf(&record->line, " %s=", key);
    return true;
}

void det_record_begin(struct det_record *record, bool json, const char *type)
{
    record->json = json;
    record->line = (struct det_line){ .at = record->store, .cap = sizeof record->store };
    if (json)
        det_line_printf(&record->line, "{\"v\":%d,\"t\":\"%s\"", DET_TRACE_VERSION, type);
    else
        det_line_printf(&record->line, "detshim: %s", type);
}

void det_record_text(struct det_record *record, const char *key, const char *value)
{
    if ((!value && !record->json) || !put_key(record, key))
        return;
    if (!value) {
        det_line_text(&record->line, "null");
        return;
    }
    const bool quoted = record->json || strpbrk(value, " =\"") || !*value;
    det_line_text(&record->line, quoted ? "\"" : "");
    put_string(record, value);
    det_line_text(&record->line, quoted ? "\"" : "");
}

void det_record_u64(struct det_record *record, const char *key, uint64_t value)
{
    if (put_key(record, key))
        det_line_u64(&record->line, value);
}

void det_record_i64(struct det_record *record, const char *key, int64_t value)
{
    if (put_key(record, key))
        det_line_i64(&record->line, value);
}

void det_record_bool(struct det_record *record, const char *key, bool value)
{
    if (put_key(record, key))
        det_line_text(&record->line, value ? "true" : "false");
}

void det_record_end(struct det_record *record)
{
    det_line_text(&record->line, record->json ? "}\n" : "\n");
}
