/* cuSPARSE under the shim, on the order-dependent double: rows that are pinned, rows that our kernels answer (launched by name and count,
 * compared with MPFR and, bit for bit, with their C twins), and rows that stay uncovered. */
#include <math.h>
#include <mpfr.h>
#include <unistd.h>

#include "bench_gpu.h"
#include "replacements/sparse.h"

#define CALLS  BUILD "/preload/sparse_calls"
#define DOUBLE "LD_LIBRARY_PATH=" BUILD "/doubles:" BUILD "/softgpu"
#define TRACE  BUILD "/sparse.trace"

static struct child run(const char *what, const char *const more[])
{
    const char *env[48] = { DOUBLE, "DETSHIM_CACHE=off", "DETSHIM_LOG", "DET_SEED",
        "SOFTGPU_SEED" };
    size_t n = 5;
    for (size_t i = 0; more && more[i] && n < 47; i++)
        env[n++] = more[i];
    struct child child = child_shell(env, 200, "exec " CALLS " %s", what);
    cr_assert_eq(
        child.exit_status, 0, "%s: %d %s%s", what, child.exit_status, child.out, child.err);
    return child;
}

static const char *const plain[] = { "LD_PRELOAD", NULL };
static const char *const preloaded[] = { SHIM, NULL };

static int distinct(const char *what, const char *const env[], int n, int status)
{
    char seen[16][40];
    int n_seen = 0;
    for (int i = 0; i < n; i++) {
        struct child child = run(what, with_next_seed(env));
        cr_expect_eq(atoi(child_result(child.out, "status")), status, "%s: %s", what, child.out);
        const char *hash = child_result(child.out, "hash");
        int at = 0;
        while (at < n_seen && strcmp(seen[at], hash) != 0)
            at++;
        if (at == n_seen)
            snprintf(seen[n_seen++], sizeof seen[0], "%s", hash);
        child_free(&child);
    }
    return n_seen;
}

static void covers(const char *what, const char *const env[], const char *log)
{
    cr_expect_gt(distinct(what, plain, 5, 0), 1, "%s: the double must bite", what);
    cr_expect_eq(distinct(what, env, 4, 0), 1, "%s", what);
    struct child child = run(what, env);
    cr_expect(strstr(child.err, log), "%s: %s", what, child.err);
    cr_expect(strstr(child.err, " 0 unknown, 0 uncovered"), "%s: %s", what, child.err);
    child_free(&child);
}

static void uncovered(const char *what, const char *const env[], const char *log)
{
    cr_expect_gt(distinct(what, env, 5, 0), 1, "%s", what);
    struct child child = run(what, env);
    cr_expect(strstr(child.err, log), "%s: %s", what, child.err);
    cr_expect(!strstr(child.err, " 0 uncovered"), "%s: %s", what, child.err);
    child_free(&child);
}

/* The program prepares by cusparseSpMV_preprocess, and the double insists on one algorithm throughout. */
Test(cusparse_double, spmv_takes_the_algorithm_documented_for_its_format)
{
    covers("spmv csr 0", preloaded, "cusparse.spmv cusparseSpMV alg 0 -> 3");
    covers("spmv csr 2", preloaded, "cusparse.spmv cusparseSpMV alg 2 -> 3");
    covers("spmv coo 0", preloaded, "cusparse.spmv cusparseSpMV alg 0 -> 4");
    covers("spmv coo 1", preloaded, "cusparse.spmv cusparseSpMV alg 1 -> 4");
}

Test(cusparse_double, spmm_of_coo_takes_algorithm_2)
{
    covers("spmm coo 0", preloaded, "cusparse.spmm cusparseSpMM alg 0 -> 2");
    covers("spmm coo 3", preloaded, "cusparse.spmm cusparseSpMM alg 3 -> 2");
}

Test(cusparse_double, spmm_of_csr_takes_algorithm_12_where_it_repeats)
{
    static const char *const newer[] = { SHIM, "DOUBLES_CUSPARSE_VERSION=12700", NULL };
    covers("spmm csr 0", newer, "cusparse.spmm cusparseSpMM alg 0 -> 12");
}

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Words of the line "NAME xxxxxxxx …"; returns how many. */
static int words(const char *text, const char *name, uint32_t **out)
{
    char start[40];
    snprintf(start, sizeof start, "\n%s ", name);
    const char *at =
        strncmp(text, start + 1, strlen(start) - 1) == 0 ? text - 1 : strstr(text, start);
    *out = calloc(4096, sizeof **out);
    if (!at)
        return 0;
    int n = 0, used = 0;
    for (at += strlen(start) - 1;
         n < 4096 && sscanf(at, " %8x%n", &(*out)[n], &used) == 1 && *at == ' '; at += used)
        n++;
    return n;
}

struct product {
    uint32_t *offsets, *columns, *values, *b, *c, *result;
    int n_offsets, nnz, n_b, n_c, n_result;
};

/* |result - exact| within the bound of a chain of fused multiply-adds. */
static void compare_exactly(const struct product *p, const struct det_sparse *how, bool transposed)
{
    mpfr_t sum, size, term;
    mpfr_inits2(400, sum, size, term, (mpfr_ptr)0);
    for (uint32_t out = 0; out < how->n_outputs; out++)
        for (uint32_t k = 0; k < how->n; k++) {
            int n_terms = 0;
            mpfr_set_zero(sum, 1), mpfr_set_zero(size, 1);
            for (int row = 0; row + 1 < p->n_offsets; row++)
                for (uint32_t i = p->offsets[row]; i < p->offsets[row + 1]; i++) {
                    const uint32_t to = transposed ? p->columns[i] : (uint32_t)row,
                                   from = transposed ? (uint32_t)row : p->columns[i];
                    if (to != out)
                        continue;
                    mpfr_set_flt(term, float_of(p->values[i]), MPFR_RNDN);
                    mpfr_mul_d(term, term, float_of(p->b[from * how->b_row + k * how->b_column]),
                        MPFR_RNDN);
                    mpfr_add(sum, sum, term, MPFR_RNDN), mpfr_abs(term, term, MPFR_RNDN),
                        mpfr_add(size, size, term, MPFR_RNDN);
                    n_terms++;
                }
            const int64_t at = out * how->c_row + k * how->c_column;
            mpfr_mul_d(sum, sum, how->alpha, MPFR_RNDN),
                mpfr_mul_d(size, size, how->alpha, MPFR_RNDN);
            mpfr_set_flt(term, float_of(p->c[at]), MPFR_RNDN),
                mpfr_mul_d(term, term, how->beta, MPFR_RNDN);
            mpfr_add(sum, sum, term, MPFR_RNDN), mpfr_abs(term, term, MPFR_RNDN),
                mpfr_add(size, size, term, MPFR_RNDN);
            mpfr_sub_d(sum, sum, float_of(p->result[at]), MPFR_RNDN);
            const double error = fabs(mpfr_get_d(sum, MPFR_RNDN)),
                         bound = (n_terms + 3) * ldexp(1, -24) * mpfr_get_d(size, MPFR_RNDN) * 1.01;
            cr_expect_leq(error, bound, "output %u,%u of %d terms: off by %g, allowed %g", out, k,
                n_terms, error, bound);
        }
    mpfr_clears(sum, size, term, (mpfr_ptr)0);
}

static void compare(const char *what, bool transposed, uint32_t n, int64_t b_row, int64_t b_column,
    const char *kernel)
{
    unlink(TRACE);
    static const char *const env[] = { SHIM, "SOFTGPU_TRACE=" TRACE, NULL };
    struct child child = run(what, env);
    struct product p;
    p.n_offsets = words(child.out, "offsets", &p.offsets),
    p.nnz = words(child.out, "columns", &p.columns);
    cr_assert_eq(words(child.out, "values", &p.values), p.nnz, "%s", child.out);
    p.n_b = words(child.out, "b", &p.b), p.n_c = words(child.out, "c", &p.c),
    p.n_result = words(child.out, "result_bits", &p.result);
    cr_assert_eq(p.n_offsets, 21);
    cr_assert_gt(p.nnz, 100);
    cr_assert_eq(p.n_result, p.n_c);
    const uint32_t n_outputs = transposed ? 16 : 20;
    cr_assert_eq((uint32_t)p.n_result, n_outputs * n);
    uint32_t *twin = malloc(4 * (size_t)p.n_c);
    memcpy(twin, p.c, 4 * (size_t)p.n_c);
    struct det_sparse how = { (uintptr_t)p.offsets, (uintptr_t)p.columns, (uintptr_t)p.values,
        (uintptr_t)p.b, (uintptr_t)twin, b_row, b_column, n, 1, 20, n_outputs, n, 1.5f, 0.5f, 0 };
    if (transposed)
        det_sparse_columns(&how);
    else
        det_sparse_rows(&how);
    cr_expect_arr_eq(twin, p.result, 4 * (size_t)p.n_c, "%s: the twin differs", what);
    compare_exactly(&p, &how, transposed);
    char pattern[200];
    snprintf(
        pattern, sizeof pattern, "grep -c '\"kernel\":\"%s\"' " TRACE "; wc -l < " TRACE, kernel);
    struct child count = child_shell(NULL, 10, "%s", pattern);
    cr_expect_str_eq(count.out, "1\n1\n", "%s: launched %s", what, count.out);
}

Test(cusparse_double, csr_spmm_runs_as_our_kernel_on_13_0)
{
    covers("spmm csr 0", preloaded, "exact cusparse.spmm-csr cusparseSpMM");
    covers("spmm csr 12", preloaded, "cusparse.spmm-csr cusparseSpMM kernel of cuSPARSE -> ours");
    covers("spmm csr 4 transposed", preloaded, "exact cusparse.spmm-csr cusparseSpMM");
}

Test(cusparse_double, transposed_csr_spmv_runs_as_our_kernel)
{
    covers("spmv csr 0 transposed", preloaded, "exact cusparse.spmv-transposed cusparseSpMV");
    covers("spmv csr 3 transposed", preloaded, "exact cusparse.spmv-transposed cusparseSpMV");
}

/* In one test: they share the trace file. */
Test(cusparse_double, our_kernels_are_launched_once_equal_their_twins_and_are_close_to_mpfr)
{
    compare("spmm csr 0 plain dump", false, 3, 1, 16, "det_k_csr_rows_f32");
    compare("spmm csr 0 transposed dump", true, 3, 1, 20, "det_k_csr_columns_f32");
    compare("spmv csr 0 transposed dump", true, 1, 1, 0, "det_k_csr_columns_f32");
}

/* A CSC matrix is the CSR form of its transpose. */
Test(cusparse_double, csc_spmv_runs_as_our_kernel_both_ways)
{
    covers("spmv csc 0", preloaded, "exact cusparse.spmv-transposed cusparseSpMV");
    covers("spmv csc 3 transposed", preloaded, "exact cusparse.spmv-transposed cusparseSpMV");
    static const char *const off[] = { SHIM, "DETSHIM_RULES=-cusparse.spmv-transposed", NULL };
    uncovered("spmv csc 3", off, "CSC: no document says that it repeats");
}

/* cusparseConstCsrGet cusparseConstCscGet cusparseConstDnVecGet cusparseConstDnMatGet cusparseGetStream cusparseGetPointerMode: asked in the
 * copy that the program called, or the second copy's handle would be refused and its product left to cuSPARSE. */
Test(cusparse_double, two_copies_in_one_process_are_kept_apart)
{
    const char *const env[] = { DOUBLE, SHIM, "DETSHIM_CACHE=off", "DETSHIM_LOG", NULL };
    const char *const bare[] = { DOUBLE, "LD_PRELOAD", NULL };
    const char *command =
        "mkdir -p " BUILD "/second && cp " BUILD "/doubles/libcusparse.so.12 " BUILD
        "/second/ && exec " BUILD "/preload/two_sparse " BUILD "/doubles/libcusparse.so.12 " BUILD
        "/second/libcusparse.so.12";
    char hashes[2][2][40];
    for (int i = 0; i < 2; i++) {
        struct child one = child_shell(with_next_seed(bare), 60, "%s", command);
        struct child two = child_shell(with_next_seed(env), 60, "%s", command);
        cr_assert_eq(one.exit_status, 0, "%s%s", one.out, one.err);
        cr_assert_eq(two.exit_status, 0, "%s%s", two.out, two.err);
        snprintf(hashes[0][i], 40, "%s", child_result(one.out, "hash"));
        snprintf(hashes[1][i], 40, "%s", child_result(two.out, "hash"));
        cr_expect(strstr(two.err, "exact cusparse.spmv-transposed cusparseSpMV 2x"), "%s", two.err);
        child_free(&one);
        child_free(&two);
    }
    cr_expect_str_neq(hashes[0][0], hashes[0][1], "negative control");
    cr_expect_str_eq(hashes[1][0], hashes[1][1]);
}

/* cusparseSpGEMM_workEstimation cusparseSpGEMM_compute cusparseSpGEMM_copy, and the reuse form */
Test(cusparse_double, spgemm_takes_the_default_algorithm)
{
    covers("spgemm csr 2", preloaded, "cusparse.spgemm cusparseSpGEMM_compute alg 2 -> 0");
    covers("reuse csr 2", preloaded, "cusparse.spgemm cusparseSpGEMMreuse_compute alg 2 -> 0");
    for (int alg = 0; alg < 4; alg += alg == 1 ? 2 : 1) {
        char what[40];
        snprintf(what, sizeof what, "spgemm csr %d", alg);
        cr_expect_eq(distinct(what, plain, 3, 0), 1, "%s: documented to repeat", what);
        cr_expect_eq(distinct(what, preloaded, 3, 0), 1, "%s", what);
    }
}

/* cusparseSpGEMM_estimateMemory belongs to these. */
Test(cusparse_double, spgemm_algorithms_without_a_document_are_unknown)
{
    for (int alg = 4; alg < 6; alg++) {
        char what[40];
        snprintf(what, sizeof what, "spgemm csr %d", alg);
        cr_expect_gt(distinct(what, preloaded, 5, 0), 1, "%s", what);
        struct child child = run(what, preloaded);
        cr_expect(strstr(child.err, "no document on this algorithm"), "%s", child.err);
        child_free(&child);
    }
}

Test(cusparse_double, what_nothing_can_order_is_uncovered_by_name)
{
    uncovered("spmv coo 0 transposed", preloaded, "transposed: no algorithm of cuSPARSE repeats");
    static const char *const off[] = { SHIM, "DETSHIM_RULES=-cusparse.spmm-csr", NULL };
    uncovered("spmm csr 0", off, "CSR: the documented algorithm does not repeat before CUDA 13.1");
    static const char *const refused[] = { SHIM, "DOUBLES_FAIL=cusparseSpMM_bufferSize:0:10",
        NULL };
    struct child child = run("spmm coo 0", refused);
    cr_expect_eq(
        atoi(child_result(child.out, "status")), 10, "the program sees the library's own answer");
    static const char *const observe[] = { SHIM, "DETSHIM_LEVEL=observe", NULL };
    uncovered("spmv csr 0", observe, "would be replaced");
}

/* The size getter is asked three times by a preloaded run of the program and once by a plain one: its last question is ours. */
Test(cusparse_double, an_unsupported_substitute_leaves_the_users_choice)
{
    static const char *const third[] = { SHIM, "DOUBLES_FAIL=cusparseSpMM_bufferSize:4:10", NULL };
    uncovered("spmm coo 0", third, "ordered algorithm is not supported for these arguments");
}

Test(cusparse_double, injected_failures_arrive_as_they_are)
{
    static const char *const fails[] = { "cusparseSpMV:1:7", "cusparseSpMV_preprocess:1:7",
        "cusparseSpMV_bufferSize:0:7" };
    for (int i = 0; i < 3; i++) {
        char fail[100];
        snprintf(fail, sizeof fail, "DOUBLES_FAIL=%s", fails[i]);
        const char *const full[] = { SHIM, fail, NULL };
        struct child child = run("spmv csr 0", full);
        cr_expect_eq(atoi(child_result(child.out, "status")), 7, "%s", fail);
        child_free(&child);
    }
}

Test(cusparse_double, random_calls_match, .timeout = 400)
{
    static const char *const kinds[] = { "random csr 1500", "random coo 1500", "random csc 1500" };
    for (int i = 0; i < 3; i++) {
        cr_expect_gt(distinct(kinds[i], plain, 2, 0), 1);
        cr_expect_eq(distinct(kinds[i], preloaded, 2, 0), 1);
        struct child child = run(kinds[i], preloaded);
        cr_expect(strstr(child.out, "failed 0 of 1500"), "%s", child.out);
        cr_expect(strstr(child.err, " 0 unknown, 0 uncovered"), "%s", child.err);
    }
}
