/* Software GPU: settings, the lock around every entry point, fault injection, report and trace, and the calls that need no
 * device. Everything a run depends on comes from the environment once, at the first call. See README.md. */
#include "tests/softgpu/driver.h"

#include <cudaProfiler.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

struct sg_options sg_options;
static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static __thread unsigned lock_depth;
static bool initialised, in_child;
static pid_t init_pid;
static FILE *trace_file;
static const char *report_path;
static uint64_t n_launches, n_calls;
static char first_fault[256];

struct failure {
    char name[64];
    unsigned long ordinal, seen;
    CUresult code;
};
static struct failure failures[32];
static size_t n_failures;

void *sg_calloc(size_t n, size_t bytes)
{
    void *at = calloc(n ? n : 1, bytes ? bytes : 1);
    if (!at) {
        fputs("softgpu: out of host memory\n", stderr);
        abort();
    }
    return at;
}

void *sg_copy(const void *from, size_t n_bytes)
{
    void *to = sg_calloc(1, n_bytes);
    if (n_bytes)
        memcpy(to, from, n_bytes);
    return to;
}

/* --- settings --- */

static long number_of(const char *name, long otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtol(text, NULL, 0) : otherwise;
}

static void read_failures(const char *text)
{
    while (text && *text && n_failures < sizeof failures / sizeof *failures) {
        struct failure *f = &failures[n_failures];
        int code = 0, used = 0;
        if (sscanf(text, "%63[^:]:%lu:%d%n", f->name, &f->ordinal, &code, &used) != 3) {
            fprintf(stderr, "softgpu: SOFTGPU_FAIL wants NAME:ORDINAL:CODE, not '%s'\n", text);
            return;
        }
        f->code = (CUresult)code;
        n_failures++;
        text += used;
        text += *text == ',';
    }
}

static FILE *open_output(const char *path)
{
    if (!path || !*path)
        return NULL;
    if (!strcmp(path, "stderr"))
        return stderr;
    FILE *file = fopen(path, "ae");
    if (file)
        setvbuf(file, NULL, _IOLBF, 0);
    return file;
}

static void seed_schedule(void)
{
    const char *text = getenv("SOFTGPU_SEED"), *mode = getenv("SOFTGPU_MODE");
    uint64_t seed = 0;
    if (text && *text)
        seed = strtoull(text, NULL, 0);
    else if (getrandom(&seed, sizeof seed, 0) != sizeof seed)
        seed = (uint64_t)getpid() * 0x9e3779b97f4a7c15u;
    sg_schedule_seed(&sg_options.schedule, seed);
    sg_options.schedule.in_order = mode && !strcmp(mode, "in_order");
}

static void read_options(void)
{
    const char *ptx = getenv("SOFTGPU_MAX_PTX");
    int major = 0, minor = 0;
    sg_options.sm = (int)number_of("SOFTGPU_SM", 90);
    sg_options.n_devices = (int)number_of("SOFTGPU_DEVICES", 1);
    if (sg_options.n_devices < 0 || sg_options.n_devices > 16)
        sg_options.n_devices = 1;
    sg_options.memory_bytes = (size_t)number_of("SOFTGPU_MEM_MIB", 1024) << 20;
    if (ptx && sscanf(ptx, "%d.%d", &major, &minor) >= 1)
        sg_options.max_ptx = 10 * major + minor;
    sg_options.strict_code = number_of("SOFTGPU_STRICT_CODE", 0) != 0;
    sg_options.verbose = number_of("SOFTGPU_VERBOSE", 0) != 0;
    report_path = getenv("SOFTGPU_REPORT");
    trace_file = open_output(getenv("SOFTGPU_TRACE"));
    read_failures(getenv("SOFTGPU_FAIL"));
    seed_schedule();
}

static void child_of_fork(void)
{
    /* As with a real driver, a context does not survive fork: the child gets CUDA_ERROR_NOT_INITIALIZED. */
    in_child = initialised;
    pthread_mutex_t fresh = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
    lock = fresh;
    lock_depth = 0;
}

static void read_options_once(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, read_options);
}

/* --- the lock, around every entry point --- */

/* cuMemcpyHtoD_v2 and cuMemcpyHtoD name the same call in SOFTGPU_FAIL. */
static bool same_call(const char *asked, const char *function)
{
    const size_t n = strlen(asked);
    if (strncmp(asked, function, n))
        return false;
    function += n;
    return !*function || (function[0] == '_' && function[1] == 'v' && function[2] <= '9');
}

static CUresult injected(const char *function)
{
    for (size_t i = 0; i < n_failures; i++)
        if (same_call(failures[i].name, function) && ++failures[i].seen == failures[i].ordinal)
            return failures[i].code;
    return CUDA_SUCCESS;
}

CUresult sg_scope_begin(struct sg_scope *scope, const char *function, bool needs_init)
{
    read_options_once();
    pthread_mutex_lock(&lock);
    scope->locked = true;
    n_calls++;
    const bool outermost = !lock_depth++;
    if (needs_init && (!initialised || in_child))
        return CUDA_ERROR_NOT_INITIALIZED;
    return outermost && n_failures ? injected(function) : CUDA_SUCCESS;
}

void sg_scope_end(struct sg_scope *scope)
{
    if (!scope->locked)
        return;
    lock_depth--;
    pthread_mutex_unlock(&lock);
}

void sg_unlock_all(unsigned *depth)
{
    *depth = lock_depth;
    for (; lock_depth; lock_depth--)
        pthread_mutex_unlock(&lock);
}

void sg_lock_again(unsigned depth)
{
    for (; lock_depth < depth; lock_depth++)
        pthread_mutex_lock(&lock);
}

/* --- output --- */

void sg_verbose(const char *format, ...)
{
    va_list arguments;
    if (!sg_options.verbose)
        return;
    va_start(arguments, format);
    fputs("softgpu: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

bool sg_trace_wanted(void)
{
    return trace_file != NULL;
}

void sg_trace(const char *format, ...)
{
    va_list arguments;
    if (!trace_file)
        return;
    va_start(arguments, format);
    vfprintf(trace_file, format, arguments);
    va_end(arguments);
}

void sg_note_launch(void)
{
    n_launches++;
}

void sg_note_fault(const char *text)
{
    sg_verbose("fault: %s", text);
    if (!first_fault[0])
        snprintf(first_fault, sizeof first_fault, "%s", text);
    for (char *c = first_fault; *c; c++)
        if (*c == '"' || *c == '\\' || (unsigned char)*c < 32)
            *c = '\'';
}

__attribute__((destructor)) static void write_report(void)
{
    FILE *file = initialised && !in_child ? open_output(report_path) : NULL;
    if (!file)
        return;
    fprintf(file,
        "{\"schedule\":\"%016llx\",\"launches\":%llu,\"instructions\":%llu,\"atomics\":%llu,"
        "\"calls\":%llu,"
        "\"fault\":\"%s\"}\n",
        (unsigned long long)sg_options.schedule.hash, (unsigned long long)n_launches,
        (unsigned long long)sg_count_instructions(), (unsigned long long)sg_count_atomics(),
        (unsigned long long)n_calls, first_fault);
    fflush(file);
}

/* --- calls that need no device --- */

SG_API(cuInit, unsigned flags)
{
    SG_ENTER_IF(false);
    SG_CHECK(!flags, CUDA_ERROR_INVALID_VALUE);
    SG_CHECK(!in_child, CUDA_ERROR_NOT_INITIALIZED);
    SG_CHECK(sg_options.n_devices > 0, CUDA_ERROR_NO_DEVICE);
    if (!initialised) {
        initialised = true;
        init_pid = getpid();
        pthread_atfork(NULL, NULL, child_of_fork);
        sg_memory_start();
    }
    return CUDA_SUCCESS;
}

SG_API(cuDriverGetVersion, int *version)
{
    SG_ENTER_IF(false);
    SG_CHECK(version, CUDA_ERROR_INVALID_VALUE);
    *version = CUDA_VERSION;
    return CUDA_SUCCESS;
}

/* Private tables, the integrity check among them, are never offered: see README.md, "The gate". */
SG_API(cuGetExportTable, const void **table, const CUuuid *id)
{
    SG_ENTER_IF(false);
    SG_CHECK(table && id, CUDA_ERROR_INVALID_VALUE);
    *table = NULL;
    return CUDA_ERROR_NOT_FOUND;
}

static const struct {
    CUresult code;
    const char *name, *text;
} errors[] = {
#define SG_ERROR(name, text) { name, #name, text },
#include "tests/softgpu/driver_errors.def"
#undef SG_ERROR
};

SG_API(cuGetErrorName, CUresult error, const char **text)
{
    SG_CHECK(text, CUDA_ERROR_INVALID_VALUE);
    *text = NULL;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (errors[i].code == error)
            *text = errors[i].name;
    return *text ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

SG_API(cuGetErrorString, CUresult error, const char **text)
{
    SG_CHECK(text, CUDA_ERROR_INVALID_VALUE);
    *text = NULL;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (errors[i].code == error)
            *text = errors[i].text;
    return *text ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

SG_API(cuProfilerStart, void)
{
    SG_ENTER();
    return CUDA_SUCCESS;
}

SG_API(cuProfilerStop, void)
{
    SG_ENTER();
    return CUDA_SUCCESS;
}
