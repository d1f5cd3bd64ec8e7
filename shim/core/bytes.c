/* The growing byte buffer. On a failed allocation the old content stays and `failed` is set. */
#include "shim/core/bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for n more bytes and the NUL after them. Doubling keeps a run of small appends linear. */
static bool reserve(struct det_bytes *out, size_t n)
{
    if (out->failed)
        return false;
    if (n < out->cap_bytes - out->n_bytes)
        return true;
    size_t cap = out->cap_bytes ? out->cap_bytes : 64;
    while (cap - out->n_bytes <= n) {
        if (cap > SIZE_MAX / 2) {
            out->failed = true;
            return false;
        }
        cap *= 2;
    }
    char *grown = realloc(out->data, cap);
    if (!grown) {
        out->failed = true;
        return false;
    }
    out->data = grown;
    out->cap_bytes = cap;
    return true;
}

void det_bytes_append(struct det_bytes *out, const void *from, size_t n_bytes)
{
    if (!reserve(out, n_bytes))
        return;
    if (n_bytes)
        memcpy(out->data + out->n_bytes, from, n_bytes);
    out->n_bytes += n_bytes;
    out->data[out->n_bytes] = 0;
}

void det_bytes_text(struct det_bytes *out, const char *text)
{
    det_bytes_append(out, text, strlen(text));
}

void det_bytes_printf(struct det_bytes *out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    const int n = vsnprintf(NULL, 0, format, args);
    if (n < 0)
        out->failed = true;
    else if (reserve(out, (size_t)n))
        out->n_bytes += (size_t)vsnprintf(out->data + out->n_bytes, (size_t)n + 1, format, again);
    va_end(again);
    va_end(args);
}

enum det_err det_bytes_check(const struct det_bytes *out)
{
    return out->failed ? DET_E_NOMEM : DET_OK;
}

void det_bytes_free(struct det_bytes *out)
{
    free(out->data);
    *out = (struct det_bytes){ 0 };
}
