/* Start a child under a chosen environment and collect what it did. The Criterion process itself is never preloaded. */
#ifndef TEST_SUPPORT_CHILD_H
#define TEST_SUPPORT_CHILD_H

#include <stdbool.h>
#include <stddef.h>

struct child {
    int exit_status; /* -1 when it was killed */
    int signal;      /* 0 unless killed by one */
    bool timed_out;
    char *out, *err; /* NUL-terminated; free with child_free */
};

/** Run argv (NULL-terminated, argv[0] looked up in PATH). env: NULL-terminated "NAME=VALUE" to set or "NAME" to unset, on
 *  top of this process's environment; may be NULL. Killed with its process group after `seconds`. */
struct child child_run(const char *const argv[], const char *const env[], double seconds);
/** `sh -c`, printf-style. */
struct child child_shell(const char *const env[], double seconds, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void child_free(struct child *child);
/** Value of the last `result NAME=VALUE` line in `text`, in a static buffer; "" when there is none. */
const char *child_result(const char *text, const char *name);

#endif
