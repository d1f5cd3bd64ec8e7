/* An abstract socket name vanishes with its last holder, so a killed process leaves nothing behind, and children
 * started by exec see it, which no variable set at run time could achieve without racing with getenv. */
#include "shim/core/once.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "shim/core/bytes.h"
#include "shim/core/hash.h"

enum { MOST_MARKS = 8, HIGH = 512 };

static bool bind_name(int fd, const char *text)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    struct det_line line = { .at = name.sun_path + 1, .cap = sizeof name.sun_path - 1 };
    det_line_printf(&line, "detshim-%ld-%ld-", (long)getuid(), (long)getsid(0));
    det_line_hex(&line, det_hash(text, strlen(text), 0), 16);
    const size_t n_bytes = offsetof(struct sockaddr_un, sun_path) + 1 + line.n;
    return bind(fd, (const struct sockaddr *)&name, (socklen_t)n_bytes) == 0 || errno != EADDRINUSE;
}

bool det_once_per_tree(const char *text)
{
    static atomic_uint n_marks;
    if (atomic_load(&n_marks) >= MOST_MARKS)
        return true;
    const int saved = errno;
    bool first = true;
    const int low = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (low >= 0) {
        const int high = fcntl(low, F_DUPFD_CLOEXEC, HIGH);
        const int fd = high >= 0 ? high : low;
        if (high >= 0)
            close(low);
        first = bind_name(fd, text);
        if (first)
            atomic_fetch_add(&n_marks, 1); /* the descriptor stays open: it is the mark */
        else
            close(fd);
    }
    errno = saved;
    return first;
}
