/* Every kind of wrapped execution inside a stream capture, in the mode that forbids most: the capture survives, the graph has the nodes it
 * has without us, and its results repeat where they did not. Against the doubles; what wrappers do besides is counted, call by call, in
 * test_vendor_faults.sh. */
#include "bench_lib.h"

enum { MOST = 60 };
static const struct {
    const char *command, *value;
    bool differs; /* plain results do */
} rows[] = {
    { "use_cublas autotune 0", "bits", true },
    { "use_cublas autotune 1", "bits", true },
    { "use_cublas autotune 2", "bits", true },
    { "use_cublas autotune 3", "bits", true },
    { "use_cublas autotune 4", "bits", true },
    { "use_cublas autotune 5", "bits", true },
    { "use_cublas emulation 0", "bits", true },
    { "use_cublas atomics 0", "bits", true },
    { "use_cublas atomics 11", "bits", true },
    { "use_cublas single", "bits", false },
    { "use_cublaslt emulate 0", "bits", true },
    { "use_curand constant", "bits", false },
    { "use_cusolver allow", "bits", true },
    { "use_nccl 2 allreduce", "bits", false },
    { "use_nccl 3 reducescatter", "bits", true },
    { "use_tuners search", "bits", true },
    { "use_tuners incremental", "bits", true },
    { "sparse_calls spmv csr 0", "hash", true },
    { "sparse_calls spmv coo 0", "hash", true },
    { "sparse_calls spmm coo 0", "hash", true },
    { "dnn_calls data 0", "hash", true },
    { "dnn_calls filter 3", "hash", true },
    { "dnn_calls pool2d 0", "hash", true },
    { "dnn_calls ctc 1", "hash", true },
    { "dnn_calls ctc_v8 1", "hash", true },
    { "graph_calls first", "hash", true },
    { "graph_calls reduction", "hash", true },
};

static const char *const captured_plain[] = { "LD_PRELOAD", "CAPTURE=1", "DOUBLES_KERNELS=1",
    NULL };
static const char *const captured[] = { SHIM, "DETSHIM_LOG_LEVEL=off", "CAPTURE=1",
    "DOUBLES_KERNELS=1", NULL };

static int values(const char *command, const char *const env[], const char *name, int n)
{
    char *seen[MOST];
    int n_seen = 0;
    for (int i = 0; i < n; i++) {
        char *value = lib_value(command, with_next_seed(env), name);
        int at = 0;
        while (at < n_seen && strcmp(seen[at], value) != 0)
            at++;
        if (at == n_seen)
            seen[n_seen++] = value;
        else
            free(value);
    }
    return n_seen;
}

Test(vendor_capture, results_repeat, .timeout = 300)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const int n = values(rows[i].command, captured_plain, rows[i].value, 5);
        cr_expect(
            rows[i].differs ? n > 1 : n == 1, "%s: %d results without us", rows[i].command, n);
        cr_expect_eq(values(rows[i].command, captured, rows[i].value, 3), 1, "%s", rows[i].command);
    }
}

Test(vendor_capture, no_node_is_added, .timeout = 300)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strstr(rows[i].command, "nccl"))
            continue; /* the ranks are children: their graphs are not the parent's to count */
        char *before = lib_value(rows[i].command, captured_plain, "nodes"),
             *after = lib_value(rows[i].command, captured, "nodes");
        cr_expect_str_eq(before, after, "%s", rows[i].command);
        cr_expect_gt(atoi(before), 0, "%s: nothing was captured", rows[i].command);
        free(before);
        free(after);
    }
}

/* Our own kernels: not loaded inside a capture, so the program's choice runs, by name; loaded before, they are captured. */
Test(vendor_capture, own_kernels_are_not_loaded_in_a_capture)
{
    const char *const env[] = { SHIM, "DETSHIM_LOG=stderr", "CAPTURE=1", NULL };
    says("sparse_calls spmv csr 0 transposed", env, "ordered kernel: not loaded");
    says("sparse_calls spmm csr 0", env, "ordered kernel: not loaded");
}
