/* Threads of one process write their records in whatever order they reach them; sorted, two equal runs give equal
 * bytes. Memory is mapped: the host's allocator may be in any state when a process ends. */
#include "shim/log/order.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shim/core/sort.h"

enum { MOST_BYTES = 256 << 20 };

static void *map(size_t n_bytes)
{
    void *at = mmap(NULL, n_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

/* Lines end in a newline, which no line contains before its end, so memcmp up to the shorter one decides. */
static int by_bytes(const void *a, const void *b)
{
    const unsigned char *x = a, *y = b;
    while (*x == *y && *x != '\n') {
        x++;
        y++;
    }
    return (int)*x - (int)*y;
}

static bool transfer(ssize_t n, size_t *done)
{
    if (n <= 0)
        return false;
    *done += (size_t)n;
    return true;
}

static bool read_range(int fd, char *to, size_t n, off_t from)
{
    for (size_t done = 0; done < n;) {
        if (!transfer(pread(fd, to + done, n - done, from + (off_t)done), &done))
            return false;
    }
    return true;
}

static bool write_range(int fd, const char *at, size_t n, off_t from)
{
    for (size_t done = 0; done < n;) {
        if (!transfer(pwrite(fd, at + done, n - done, from + (off_t)done), &done))
            return false;
    }
    return true;
}

static char *after_line(char *at, const char *end)
{
    return (char *)memchr(at, '\n', (size_t)(end - at)) + 1;
}

static void join_sorted(char *text, size_t n, char *out, void **lines, size_t n_lines)
{
    size_t i = 0;
    for (char *at = text; at < text + n && i < n_lines; at = after_line(at, text + n))
        lines[i++] = at;
    det_sort(lines, i, by_bytes);
    for (size_t j = 0; j < i; j++) {
        const size_t n_line = (size_t)(after_line(lines[j], text + n) - (char *)lines[j]);
        memcpy(out, lines[j], n_line);
        out += n_line;
    }
}

bool det_order_lines(int fd, off_t from, off_t n_bytes)
{
    if (n_bytes <= 0)
        return n_bytes == 0;
    const size_t n = (size_t)n_bytes;
    char *text = n_bytes <= MOST_BYTES ? map(2 * n) : NULL;
    if (!text)
        return false;
    bool good = read_range(fd, text, n, from) && text[n - 1] == '\n';
    size_t n_lines = 0;
    for (size_t i = 0; good && i < n; i++)
        n_lines += text[i] == '\n';
    void **lines = good ? map(n_lines * sizeof *lines) : NULL;
    if (lines) {
        join_sorted(text, n, text + n, lines, n_lines);
        good = write_range(fd, text + n, n, from);
        munmap(lines, n_lines * sizeof *lines);
    }
    munmap(text, 2 * n);
    return good && lines;
}
