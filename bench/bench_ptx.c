/* PTX: megabytes a second scanned (parse and classify of code without atomics), classified, rewritten; and the time of a
 * rewrite next to what ptxas needs for the same module. Texts: kernels of tests/unit/ptx, repeated under other names. */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"
#include "shim/core/io.h"
#include "shim/ptx/ptx.h"

struct job {
    struct det_bytes text;
    const struct det_ptx_module *module;
};

static void parse(long n, void *arg)
{
    const struct job *job = arg;
    for (long i = 0; i < n; i++) {
        struct det_ptx_module *module;
        if (det_ptx_parse(job->text.data, job->text.n_bytes, &module, NULL) != DET_OK)
            exit(1);
        bench_use(module);
        det_ptx_free(module);
    }
}

/* The control of a scan: touching every byte once, as memchr for a byte that does not occur. */
static void touch(long n, void *arg)
{
    const struct job *job = arg;
    for (long i = 0; i < n; i++)
        bench_use(memchr(job->text.data, 1, job->text.n_bytes));
}

static void rewrite(long n, void *arg)
{
    const struct job *job = arg;
    const struct det_ptx_twin_options options = { .identity = false };
    for (long i = 0; i < n; i++) {
        struct det_ptx_module *module;
        struct det_ptx_twin twin;
        if (det_ptx_parse(job->text.data, job->text.n_bytes, &module, NULL) != DET_OK)
            exit(1);
        if (det_ptx_make_twin(module, &options, &twin) == DET_OK)
            det_ptx_twin_free(&twin);
        det_ptx_free(module);
    }
}

/* nvcc output of one file, functions renamed so that the text can be repeated until it is `min_bytes` long. */
static void load(const char *path, size_t min_bytes, struct job *job)
{
    struct det_bytes one = { 0 };
    if (det_io_read_file(path, 1u << 28, &one) != DET_OK)
        exit(1);
    const char *first = strstr(one.data, ".visible .entry");
    if (!first)
        exit(1);
    det_bytes_append(&job->text, one.data, (size_t)(first - one.data));
    for (unsigned copy = 0; !copy || job->text.n_bytes < min_bytes; copy++) {
        const char *at = first;
        for (const char *next; (next = strstr(at, ".entry ")) != NULL; at = next + 7) {
            det_bytes_append(&job->text, at, (size_t)(next + 7 - at));
            det_bytes_printf(&job->text, "c%u_", copy);
        }
        det_bytes_text(&job->text, at);
    }
    det_bytes_free(&one);
}

static double ptxas_ns(const struct job *job, const char *home)
{
    char path[64], command[400];
    snprintf(path, sizeof path, "/tmp/bench_ptx_%d.ptx", (int)getpid());
    if (det_io_replace_file(path, job->text.data, job->text.n_bytes, 0600) != DET_OK)
        return 0;
    snprintf(command, sizeof command, "%s/bin/ptxas -arch=sm_90 -o /dev/null %s >/dev/null 2>&1",
        home, path);
    const double start = bench_now_ns();
    const int status = system(command);
    const double ns = bench_now_ns() - start;
    remove(path);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? ns : 0;
}

int main(void)
{
    const char *home = getenv("CUDA_HOME") ? getenv("CUDA_HOME") : "/usr/local/cuda";
    const char *const files[] = { "plain", "forms", "hazards" };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char source[256], path[128], command[900];
        snprintf(source, sizeof source, "tests/unit/ptx/kernels/%s.cu", files[i]);
        snprintf(path, sizeof path, "/tmp/bench_ptx_%s_%d.ptx", files[i], (int)getpid());
        snprintf(command, sizeof command, "%s/bin/nvcc -std=c++17 -w -ptx -arch=sm_90 -o %s %s",
            home, path, source);
        if (system(command) != 0)
            return 1;
        struct job job = { .module = NULL }, small = { .module = NULL };
        load(path, 4u << 20, &job);
        load(path, 1, &small);
        remove(path);
        char name[40];
        snprintf(name, sizeof name, "parse_%s", files[i]);
        const double scan =
            bench_pair("ptx", name, 1, (double)job.text.n_bytes, parse, touch, &job);
        snprintf(name, sizeof name, "parse_%s_rate", files[i]);
        bench_value("ptx", name, (double)job.text.n_bytes / scan * 1e3, "MB/s", 100);
        snprintf(name, sizeof name, "rewrite_%s", files[i]);
        const double twin =
            bench_pair("ptx", name, 4, (double)small.text.n_bytes, rewrite, NULL, &small);
        const double assembler = ptxas_ns(&small, home);
        snprintf(name, sizeof name, "rewrite_%s_of_ptxas", files[i]);
        if (assembler > 0)
            bench_value("ptx", name, twin / assembler * 100, "percent", 2);
        det_bytes_free(&job.text);
        det_bytes_free(&small.text);
    }
    return 0;
}
