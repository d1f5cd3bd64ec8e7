/* Any bytes as a log file: read, ordered, compared with itself (always the same) and, cut in two, with its own other half. A third of
 * the inputs are turned into lines behind a valid start, so that the records are reached. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/json.c"
#include "cli/seen.c"
#include "cli/trace.c"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

void cli_say(const char *format, ...)
{
    (void)format;
}
_Noreturn void cli_die(int status, const char *format, ...)
{
    (void)format;
    exit(status);
}

static const char start[] =
    "{\"v\":1,\"t\":\"run\",\"pid\":1,\"rank\":0,\"world\":1,\"exe\":\"x\"}\n"
    "{\"v\":1,\"t\":\"copy\",\"thread\":1,\"n\":1,\"stream\":\"s1\",\"call\":\"c\",\"bytes\":4,"
    "\"digest\":\"0123456789abcdef\"}\n";

static bool load(const uint8_t *bytes, size_t n_bytes, bool behind, struct cli_trace *out)
{
    char why[512] = "", path[64];
    const int fd = memfd_create("log", 0);
    if (fd < 0 || (behind && write(fd, start, sizeof start - 1) < 0) ||
        write(fd, bytes, n_bytes) < 0)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    const bool good = cli_trace_read(path, 0, out, why, sizeof why);
    close(fd);
    if (!good && (!*why || strchr(why, '\n')))
        abort(); /* one clear line */
    if (good)
        cli_trace_order(out);
    return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
    struct cli_trace a, b;
    struct cli_seen_at at;
    const bool behind = n_bytes % 3 == 0;
    if (!load(bytes, n_bytes, behind, &a))
        return 0;
    if (cli_trace_compare(&a, &a, false, NULL) != CLI_SEEN_SAME)
        abort();
    if (load(bytes, n_bytes / 2, behind, &b)) {
        const enum cli_seen_verdict one = cli_trace_compare(&a, &b, false, &at);
        if (one != CLI_SEEN_SAME && !at.a && !at.b)
            abort();
        if ((one == CLI_SEEN_SAME) != (cli_trace_compare(&b, &a, false, &at) == CLI_SEEN_SAME))
            abort();
        cli_trace_free(&b);
    }
    cli_trace_free(&a);
    return 0;
}
