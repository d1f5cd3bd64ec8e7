/* vprintf and __assertfail: text comes out at once on standard output and standard error. */
#include <stdio.h>
#include "tests/softgpu/exec_ops.h"

static bool read_string(
    struct warp *w, const struct ins *i, unsigned l, uint64_t address, char *to, size_t cap)
{
    for (size_t k = 0; k + 1 < cap; k++) {
        const char *c = exec_resolve(w, i, l, address + k, PS_GENERIC, 1);
        if (!c)
            return false;
        to[k] = *c;
        if (*c == 0)
            return true;
    }
    to[cap - 1] = 0;
    return true;
}

/* Arguments lie one after the other, each at a multiple of its size. */
static bool next_argument(
    struct warp *w, const struct ins *i, unsigned l, uint64_t *at, size_t n, void *to)
{
    *at = (*at + n - 1) / n * n;
    const void *from = exec_resolve(w, i, l, *at, PS_GENERIC, n);
    if (!from)
        return false;
    memcpy(to, from, n);
    *at += n;
    return true;
}

struct conversion {
    char spec[64];
    unsigned n;
    bool wide;
    char kind;
};

/* From after the percent sign; the length of what was read. */
static size_t read_conversion(struct conversion *c, const char *p)
{
    const char *start = p;
    c->n = 0;
    c->wide = false;
    c->spec[c->n++] = '%';
    while (*p && strchr("-+ #0123456789.*hlzjtL", *p)) {
        c->wide |= *p == 'l' || *p == 'z' || *p == 'j' || *p == 't';
        if (c->n < sizeof c->spec - 4 && !strchr("hlzjtL", *p))
            c->spec[c->n++] = *p;
        p++;
    }
    c->kind = *p;
    if (strchr("diouxX", c->kind) && c->kind) {
        c->spec[c->n++] = 'l';
        c->spec[c->n++] = 'l';
    }
    c->spec[c->n++] = c->kind;
    c->spec[c->n] = 0;
    return (size_t)(p - start) + (*p != 0);
}

#pragma GCC diagnostic ignored "-Wformat-nonliteral"

static bool print_one(
    struct warp *w, const struct ins *i, unsigned l, const struct conversion *c, uint64_t *at)
{
    uint64_t v = 0;
    int width[2] = { 0 };
    unsigned n_width = 0;
    for (const char *p = c->spec; *p; p++)
        if (*p == '*' && n_width < 2 && !next_argument(w, i, l, at, 4, &width[n_width++]))
            return false;
    const bool is_float = strchr("fFeEgGaA", c->kind) != NULL,
               pointer = c->kind == 's' || c->kind == 'p';
    const size_t n = is_float || pointer || c->wide ? 8 : 4;
    if (!next_argument(w, i, l, at, n, &v))
        return false;
    char text[1024];
    double x;
    memcpy(&x, &v, 8);
    const long long whole = n == 8                  ? (long long)v
                            : strchr("di", c->kind) ? (long long)(int32_t)v
                                                    : (long long)v;
    if (c->kind == 's' && !read_string(w, i, l, v, text, sizeof text))
        return false;
#define PRINT(value)                                                                               \
    (n_width == 0      ? printf(c->spec, value)                                                    \
        : n_width == 1 ? printf(c->spec, width[0], value)                                          \
                       : printf(c->spec, width[0], width[1], value))
    if (is_float)
        PRINT(x);
    else if (c->kind == 's')
        PRINT(text);
    else if (c->kind == 'p')
        printf("0x%llx", (unsigned long long)v);
    else if (c->kind == 'c')
        PRINT((int)v);
    else
        PRINT(whole);
#undef PRINT
    return true;
}

void exec_print(struct warp *w, const struct ins *i, unsigned l)
{
    char format[1024];
    uint64_t at = exec_call_argument(w, i, l, 1);
    if (!read_string(w, i, l, exec_call_argument(w, i, l, 0), format, sizeof format))
        return;
    for (const char *p = format; *p;) {
        if (*p != '%') {
            putchar(*p++);
        } else if (p[1] == '%') {
            putchar('%');
            p += 2;
        } else {
            struct conversion c;
            p += 1 + read_conversion(&c, p + 1);
            if (c.kind == 0 || !strchr("diouxXfFeEgGaAcsp", c.kind)) {
                fputs(c.spec, stdout);
                continue;
            }
            if (!print_one(w, i, l, &c, &at))
                return;
        }
    }
}

void exec_assert_fail(struct warp *w, const struct ins *i, unsigned l)
{
    char what[100], file[100], function[80], text[240];
    if (!read_string(w, i, l, exec_call_argument(w, i, l, 0), what, sizeof what) ||
        !read_string(w, i, l, exec_call_argument(w, i, l, 1), file, sizeof file) ||
        !read_string(w, i, l, exec_call_argument(w, i, l, 3), function, sizeof function))
        return;
    fprintf(stderr, "%s:%u: %s: block: [%u,%u,%u], thread: [%u,%u,%u] Assertion `%s` failed.\n",
        file, (unsigned)exec_call_argument(w, i, l, 2), function, w->block->id[0], w->block->id[1],
        w->block->id[2], w->tid[0][l], w->tid[1][l], w->tid[2][l], what);
    snprintf(text, sizeof text, "assertion `%.90s` failed at %.90s", what, file);
    exec_fault(w, i, SG_ASSERT, text);
}
