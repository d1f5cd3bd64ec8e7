/* Growing byte buffer on the heap, and a bounded text buffer on the stack.
 * The first is for work outside signal and dlsym paths (PTX text, images); the second allocates nothing and
 * calls no libc function that locks, so log records may be built anywhere. */
#ifndef DET_CORE_BYTES_H
#define DET_CORE_BYTES_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "detshim/err.h"

/** Heap bytes, always followed by a NUL that n_bytes does not count. Zero-initialise; `failed` sticks after
 *  an allocation failure so that a long run of appends needs one check at the end. */
struct det_bytes {
    char *data;
    size_t n_bytes, cap_bytes;
    bool failed;
};
void det_bytes_append(struct det_bytes *out, const void *from, size_t n_bytes);
void det_bytes_text(struct det_bytes *out, const char *text);
void det_bytes_printf(struct det_bytes *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/** DET_OK, or DET_E_NOMEM when any append failed. */
enum det_err det_bytes_check(const struct det_bytes *out);
void det_bytes_free(struct det_bytes *out);

/** Caller's storage; text past the end is cut and `cut` set. Always NUL-terminated once anything was put. */
struct det_line {
    char *at;
    size_t n, cap;
    bool cut;
};
#define DET_LINE(name, bytes)                                                                      \
    char name##_store[bytes];                                                                      \
    struct det_line name = { .at = name##_store, .n = 0, .cap = sizeof name##_store, .cut = false }
void det_line_text(struct det_line *line, const char *text);
void det_line_bytes(struct det_line *line, const char *text, size_t n);
void det_line_u64(struct det_line *line, uint64_t value);
void det_line_i64(struct det_line *line, int64_t value);
void det_line_hex(struct det_line *line, uint64_t value, unsigned min_digits);
/** Subset of printf: %s %d %u %ld %lu %lld %llu %zu %x %lx %llx %c %% and %.*s; nothing else. */
void det_line_printf(struct det_line *line, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void det_line_vprintf(struct det_line *line, const char *format, va_list args);

#endif
