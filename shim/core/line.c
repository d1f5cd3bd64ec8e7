/* The bounded text buffer and its own small printf: no allocation, no locale, no lock, no errno, so a log
 * record can be built inside a signal handler or a half-dead process. */
#include "shim/core/bytes.h"

#include <string.h>

void det_line_bytes(struct det_line *line, const char *text, size_t n)
{
    if (!line->cap)
        return;
    const size_t room = line->cap - 1 - line->n;
    if (n > room) {
        n = room;
        line->cut = true;
    }
    memcpy(line->at + line->n, text, n);
    line->n += n;
    line->at[line->n] = 0;
}

void det_line_text(struct det_line *line, const char *text)
{
    text = text ? text : "(null)";
    det_line_bytes(line, text, strlen(text));
}

void det_line_u64(struct det_line *line, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    det_line_bytes(line, digits + at, sizeof digits - at);
}

void det_line_i64(struct det_line *line, int64_t value)
{
    if (value < 0)
        det_line_bytes(line, "-", 1);
    det_line_u64(line, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void det_line_hex(struct det_line *line, uint64_t value, unsigned min_digits)
{
    char digits[16];
    size_t at = sizeof digits;
    do {
        digits[--at] = "0123456789abcdef"[value & 15];
        value >>= 4;
    } while (at && (value || sizeof digits - at < min_digits));
    det_line_bytes(line, digits + at, sizeof digits - at);
}

void det_line_printf(struct det_line *line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    det_line_vprintf(line, format, args);
    va_end(args);
}

/* A va_list passed by pointer must live in a struct: where it is an array type it decays. */
struct cursor {
    va_list args;
};

static int64_t next_signed(struct cursor *from, unsigned longs)
{
    if (longs >= 2)
        return va_arg(from->args, long long);
    return longs ? va_arg(from->args, long) : va_arg(from->args, int);
}

static uint64_t next_unsigned(struct cursor *from, unsigned longs)
{
    if (longs >= 2)
        return va_arg(from->args, unsigned long long);
    return longs ? va_arg(from->args, unsigned long) : va_arg(from->args, unsigned);
}

/* "%.*s": at most so many bytes, and no byte past a NUL. */
static void put_bounded(struct det_line *line, struct cursor *from)
{
    const int most = va_arg(from->args, int);
    const char *text = va_arg(from->args, const char *);
    if (!text || most < 0)
        det_line_text(line, text);
    else
        det_line_bytes(line, text, strnlen(text, (size_t)most));
}

/* One conversion; `at` stands after the '%'. Returns the first character not consumed. */
static const char *put_one(struct det_line *line, const char *at, struct cursor *from)
{
    unsigned longs = 0;
    while (*at == 'l' || *at == 'z') {
        longs += 1; /* size_t is as wide as unsigned long on every LP64 Linux */
        at++;
    }
    switch (*at) {
    case 's':
        det_line_text(line, va_arg(from->args, const char *));
        break;
    case 'd':
    case 'i':
        det_line_i64(line, next_signed(from, longs));
        break;
    case 'u':
        det_line_u64(line, next_unsigned(from, longs));
        break;
    case 'x':
        det_line_hex(line, next_unsigned(from, longs), 1);
        break;
    case 'c': {
        const char letter = (char)va_arg(from->args, int);
        det_line_bytes(line, &letter, 1);
        break;
    }
    case '.':
        if (at[1] != '*' || at[2] != 's')
            return at;
        put_bounded(line, from);
        at += 2;
        break;
    case '%':
        det_line_bytes(line, "%", 1);
        break;
    default: /* not in the subset: shown as it stands, so that the mistake is seen */
        det_line_bytes(line, "%", 1);
        return at;
    }
    return at + 1;
}

void det_line_vprintf(struct det_line *line, const char *format, va_list args)
{
    struct cursor from;
    va_copy(from.args, args);
    while (*format) {
        const char *stop = strchrnul(format, '%');
        det_line_bytes(line, format, (size_t)(stop - format));
        format = *stop ? put_one(line, stop + 1, &from) : stop;
    }
    va_end(from.args);
}
