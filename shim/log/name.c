/* Readable kernel names without libstdc++: only the nested name is read (Itanium C++ ABI 5.1.2), arguments are not. */
#include <string.h>

#include "shim/log/summary.h"

static void put_cut(struct det_line *out, const char *text, size_t n, size_t most)
{
    if (n <= most) {
        det_line_bytes(out, text, n);
        return;
    }
    det_line_bytes(out, text, most > 3 ? most - 3 : most);
    det_line_text(out, "...");
}

/* One <length><identifier>; NULL when there is none. */
static const char *identifier(const char *at, struct det_line *out)
{
    size_t n = 0;
    for (; *at >= '0' && *at <= '9' && n < 10000; at++)
        n = n * 10 + (size_t)(*at - '0');
    if (n == 0 || strnlen(at, n) < n)
        return NULL;
    if (out->n)
        det_line_text(out, "::");
    if (n >= 10 && memcmp(at, "_GLOBAL__N", 10) == 0)
        det_line_text(out, "(anonymous)");
    else
        det_line_bytes(out, at, n);
    return at + n;
}

static bool nested_name(const char *at, struct det_line *out)
{
    const bool nested = *at == 'N';
    at += nested;
    while (nested && (*at == 'K' || *at == 'V' || *at == 'r'))
        at++;
    if (at[0] == 'S' && at[1] == 't') {
        det_line_text(out, "std");
        at += 2;
    }
    do {
        at += *at == 'L'; /* internal linkage */
        at = identifier(at, out);
    } while (at && nested && ((*at >= '0' && *at <= '9') || *at == 'L'));
    if (at && *at == 'I')
        det_line_text(out, "<...>");
    return at != NULL;
}

void det_summary_name(const char *symbol, size_t most, struct det_line *out)
{
    DET_LINE(name, 512);
    if (strncmp(symbol, "_Z", 2) == 0 && nested_name(symbol + 2, &name))
        put_cut(out, name.at, name.n, most);
    else
        put_cut(out, symbol, strlen(symbol), most);
}
