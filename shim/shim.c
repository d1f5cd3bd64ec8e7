/* Start, fork and end of the library in a process. The constructor is an accelerator only: libraries of the program may have
 * called us before it ran, and everything works without it. The destructor makes no CUDA call and frees nothing, since
 * other libraries' destructors may still come through our wrappers. */
#include <stddef.h>

#include "detshim/detshim.h"
#include "shim/choices/choices.h"
#include "shim/core/start.h"
#include "shim/cuda/cuda_shim.h"
#include "shim/entropy/entropy.h"
#include "shim/image/known.h"
#include "shim/image/registry.h"
#include "shim/loader/call.h"
#include "shim/loader/loader.h"
#include "shim/log/ledger.h"
#include "shim/log/log.h"
#include "shim/policy/policy.h"
#include "shim/python/python.h"

/* pthread_atfork lives in a static archive before glibc 2.34; this is what it calls. Absent in musl, hence weak. */
extern int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void),
    void *dso) __attribute__((weak));
/* of this library for libc; ours, since the start files that usually hold it are not linked */
extern void *__dso_handle __attribute__((visibility("hidden")));
void *__dso_handle = &__dso_handle;

DET_EXPORT const char *detshim_version(void)
{
    return DETSHIM_VERSION;
}

static void before_fork(void)
{
    if (det_entropy_armed())
        det_path_fork_prepare();
}

static void in_fork_child(void)
{
    det_cuda_fork_child();
    det_registry_fork_child();
    det_known_fork_child();
    det_log_fork_child();
    if (det_entropy_armed()) {
        det_path_fork_child();
        det_rand_fork_child();
    }
}

__attribute__((constructor)) DET_START_TEXT static void start(void)
{
    if (__register_atfork)
        __register_atfork(before_fork, NULL, in_fork_child, &__dso_handle);
    det_python_start();
}

/* Lets a log be compared with the sections of the libraries that were loaded: did the hooks see every one? */
static void count_images(void)
{
    const size_t n = det_registry_n_images();
    if (n != 0 && det_policy()->log[0])
        det_log_counter("fat binaries", n);
}

static __attribute__((noinline)) void finish(void)
{
    count_images();
    det_choices_finish();
    det_cuda_finish();
    det_log_finish();
}

/* Nearly every process ends without having asked for its settings: then no hook did anything. */
__attribute__((destructor)) DET_START_TEXT static void end(void)
{
    det_loader_self_test();
    if (det_policy_was_read() || det_ledger_newest())
        finish();
}
