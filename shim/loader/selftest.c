/* At process end: was the GPU used without a single hook firing? Then the promise would be silence; say why instead. */
#include <dlfcn.h>
#include <unistd.h>

#include "shim/core/bytes.h"
#include "shim/core/start.h"
#include "shim/loader/internal.h"
#include "shim/loader/loader.h"
#include "shim/log/log.h"

DET_START_DATA _Atomic unsigned det_loader_seen;

/* An open descriptor on a GPU device node is what using the driver leaves behind; no CUDA call is allowed here. */
static __attribute__((noinline)) bool gpu_is_open(void)
{
    char target[128];
    for (int fd = 0; fd < 256; fd++) {
        DET_LINE(line, 64);
        det_line_printf(&line, "/proc/self/fd/%d", fd);
        const ssize_t n = readlink(line.at, target, sizeof target - 1);
        if (n <= 0)
            continue;
        target[n] = 0;
        for (const char *at = target; *at; at++)
            if (det_starts(at, "/dev/nvidia") || det_starts(at, "/dev/dxg"))
                return true;
    }
    return false;
}

bool det_loader_is_first(void)
{
    const struct det_libc *libc = det_libc();
    return !libc->dlsym || det_is_ours(libc->dlsym(RTLD_DEFAULT, "dlsym"));
}

DET_START_TEXT void det_loader_self_test(void)
{
    DET_START_DATA static char driver[] = "libcuda.";
    const unsigned now = atomic_load(&det_loader_seen);
    /* Nearly every process ends here: nothing but the list of objects was looked at. */
    if ((now & DET_SEEN_WRAPPER) || !det_object_is_listed(driver))
        return;
    if (!det_instance_first(DET_FAMILY_CUDA) || !det_loader_on() || !gpu_is_open())
        return;
    const char *reason = "the CUDA library is linked statically or looked up without dlsym";
    if (!det_loader_is_first())
        reason = "another library in LD_PRELOAD answers dlsym before us; put libdetshim.so first";
    else if (now & DET_SEEN_DEEPBIND)
        reason = "a library was opened with RTLD_DEEPBIND; try DETSHIM_STRIP_DEEPBIND=1";
    det_log_note("the GPU was used but no hook fired, nothing is repeatable by us: %s", reason);
}
