/* /dev/urandom opened by a machine-learning library for its seeds. Only libraries on the list below get a stream; every other
 * caller gets the device. The answer is a memory file, long enough for any seed and then at its end. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shim/entropy/entropy.h"
#include "shim/entropy/next.h"
#include "shim/loader/call.h"
#include "shim/log/log.h"

#define STREAM_BYTES (1 << 20)

static bool seeds_from_here(const void *caller)
{
    static const char *const names[] = { "libc10", "libtorch", "libtensorflow",
        "_pywrap_tensorflow", "libcaffe", "libmxnet", "libpaddle", "libxgboost", "lib_lightgbm",
        "libggml", "libllama", "xla_", "libjax", "darknet", "libdarknet", "libfaiss",
        "libonnxruntime" };
    char name[128];
    det_caller_name(caller, name, sizeof name);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strncmp(name, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

static bool is_device(const char *path)
{
    return path && path[0] == '/' && path[1] == 'd' &&
           (strcmp(path, "/dev/urandom") == 0 || strcmp(path, "/dev/random") == 0);
}

/* Descriptor of a stream for this caller, or -1 to open the device. */
static int stream_for(const char *path, const void *caller)
{
    if (!is_device(path) || !det_entropy_armed() || !det_rule_acts(DET_RULE_SEED_URANDOM))
        return -1;
    const int saved = errno;
    if (!det_entropy_all() && !seeds_from_here(caller)) {
        det_draw_log("urandom", false, 0, 0, caller);
        errno = saved;
        return -1;
    }
    const int fd = (int)syscall(SYS_memfd_create, "urandom", 1u /* MFD_CLOEXEC */);
    uint64_t ordinal = 0, value = det_stream_next(DET_PURPOSE_URANDOM, &ordinal);
    char part[4096];
    for (int done = 0; fd >= 0 && done < STREAM_BYTES; done += (int)sizeof part) {
        det_stream_expand(value + (uint64_t)done, part, sizeof part);
        if (write(fd, part, sizeof part) != (ssize_t)sizeof part)
            break;
    }
    if (fd >= 0) {
        lseek(fd, 0, SEEK_SET);
        det_log_override_text("open", DET_RULE_SEED_URANDOM, "/dev/urandom", "entropy", "DET_SEED");
        det_draw_log("urandom", true, 0, ordinal, caller);
    }
    errno = saved;
    return fd;
}

#define MODE_OF(flags)                                                                             \
    mode_t mode = 0;                                                                               \
    if ((flags) & (O_CREAT | __O_TMPFILE)) {                                                       \
        va_list args;                                                                              \
        va_start(args, flags);                                                                     \
        mode = va_arg(args, mode_t);                                                               \
        va_end(args);                                                                              \
    }

DET_EXPORT int open(const char *path, int flags, ...)
{
    MODE_OF(flags)
    const int fd = stream_for(path, __builtin_return_address(0));
    return fd >= 0 ? fd : DET_NEXT(open)(path, flags, mode);
}

DET_EXPORT int open64(const char *path, int flags, ...)
{
    MODE_OF(flags)
    const int fd = stream_for(path, __builtin_return_address(0));
    return fd >= 0 ? fd : DET_NEXT(open64)(path, flags, mode);
}

DET_EXPORT FILE *fopen(const char *restrict path, const char *restrict mode)
{
    const int fd = stream_for(path, __builtin_return_address(0));
    return fd >= 0 ? fdopen(fd, "r") : DET_NEXT(fopen)(path, mode);
}

DET_EXPORT FILE *fopen64(const char *restrict path, const char *restrict mode)
{
    const int fd = stream_for(path, __builtin_return_address(0));
    return fd >= 0 ? fdopen(fd, "r") : DET_NEXT(fopen64)(path, mode);
}
