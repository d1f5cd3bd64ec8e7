/* The choice of a matmul algorithm. A list of candidates is cut to its best one, so that no timing can choose between them; with
 * DETSHIM_CHOICES the program tunes once over the full list, and later runs get what it ended with. Every algorithm cuBLASLt
 * offers is documented as repeatable (cuBLAS guide, "Results Reproducibility" and split-K); only changing between them is not. */
#include <cublasLt.h>

#include <string.h>

#include "shim/choices/choices.h"
#include "shim/core/hash.h"
#include "shim/core/kept.h"
#include "shim/core/seen.h"
#include "shim/cublaslt/cublaslt_decide.h"
#include "shim/cublaslt/cublaslt_problem.h"
#include "shim/loader/call.h"
#include "shim/log/log.h"
#include "shim/pins/pins.h"

/* Workspace limit of the last query for a problem, by the hash of its text: a matmul may bring more or less than it asked for. */
static struct det_kept limits;

/* Algorithms that were the only answer to a query: no timing chose them. */
static struct det_seen given;

struct query {
    cublasLtHandle_t handle;
    struct det_cublaslt_problem problem;
    cublasLtMatmulPreference_t preference;
    int n_asked;
    cublasLtMatmulHeuristicResult_t *results;
    int *n_found;
};

static cublasStatus_t ask(const struct query *q, cublasLtMatmulPreference_t preference)
{
    const struct det_cublaslt_problem *p = &q->problem;
    return DET_REAL(cublasLtMatmulAlgoGetHeuristic)(
        q->handle, p->desc, p->a, p->b, p->c, p->d, preference, q->n_asked, q->results, q->n_found);
}

static bool preference_get(
    const struct query *q, cublasLtMatmulPreferenceAttributes_t name, void *to, size_t n_bytes)
{
    typedef cublasStatus_t (*get_fn)(
        cublasLtMatmulPreference_t, cublasLtMatmulPreferenceAttributes_t, void *, size_t, size_t *);
    const get_fn get = (get_fn)(uintptr_t)det_family_symbol(
        DET_FAMILY_CUBLASLT, "cublasLtMatmulPreferenceGetAttribute");
    size_t n_written = 0;
    return get && q->preference &&
           get(q->preference, name, to, n_bytes, &n_written) == CUBLAS_STATUS_SUCCESS;
}

/* The caller's preference stays as it is; a copy of its words carries the mask. */
static cublasStatus_t ask_schemes(const struct query *q)
{
    uint32_t asked = CUBLASLT_REDUCTION_SCHEME_MASK, allowed = 0;
    if (!preference_get(q, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &asked, sizeof asked))
        return ask(q, q->preference);
    cublasStatus_t status = CUBLAS_STATUS_NOT_SUPPORTED;
    for (int i = 0; det_cublaslt_schemes(i, asked, &allowed); i++) {
        cublasLtMatmulPreferenceOpaque_t copy = *q->preference;
        const bool changed =
            allowed != asked && DET_REAL(cublasLtMatmulPreferenceSetAttribute)(&copy,
                                    CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &allowed,
                                    sizeof allowed) == CUBLAS_STATUS_SUCCESS;
        *q->n_found = 0;
        status = ask(q, changed ? &copy : q->preference);
        if (status == CUBLAS_STATUS_SUCCESS && det_cublaslt_first(q->results, *q->n_found) >= 0) {
            if (changed)
                det_log_override(DET_NAME(cublasLtMatmulAlgoGetHeuristic), DET_RULE_CUBLASLT_SCHEME,
                    "reduction schemes", asked, allowed);
            return status;
        }
    }
    return status;
}

/* The recorded algorithm, when the library still offers it for this problem and workspace. */
static bool replay(const struct query *q, const char *key, uint64_t workspace_bytes)
{
    char value[DET_CHOICES_VALUE];
    if (!det_choices_find(key, value, sizeof value))
        return false;
    typedef __typeof__(&cublasLtMatmulAlgoCheck) check_fn;
    const check_fn check =
        (check_fn)(uintptr_t)det_family_symbol(DET_FAMILY_CUBLASLT, "cublasLtMatmulAlgoCheck");
    const struct det_cublaslt_problem *p = &q->problem;
    cublasLtMatmulAlgo_t algo;
    cublasLtMatmulHeuristicResult_t result = { 0 };
    if (check && det_cublaslt_algo_parse(value, &algo) &&
        check(q->handle, p->desc, p->a, p->b, p->c, p->d, &algo, &result) ==
            CUBLAS_STATUS_SUCCESS &&
        result.workspaceSize <= workspace_bytes) {
        result.algo = algo;
        result.state = CUBLAS_STATUS_SUCCESS;
        q->results[0] = result;
        *q->n_found = 1;
        DET_LINE(words, 160);
        det_line_text(&words, "");
        det_cublaslt_algo_words(&algo, &words);
        det_log_override_text(
            DET_NAME(cublasLtMatmulAlgoGetHeuristic), DET_RULE_CHOICES, "algo", "tuned", words.at);
        return true;
    }
    det_choices_gone(DET_NAME(cublasLtMatmulAlgoGetHeuristic), key);
    return false;
}

/* Leave the best usable one. */
static void cut(const struct query *q)
{
    const int first = det_cublaslt_first(q->results, *q->n_found);
    if (first < 0 || *q->n_found <= 1)
        return;
    if (first > 0)
        q->results[0] = q->results[first];
    if (q->n_asked > 1)
        det_log_override(DET_NAME(cublasLtMatmulAlgoGetHeuristic), DET_RULE_CUBLASLT_HEURISTIC,
            "returnAlgoCount", q->n_asked, 1);
    *q->n_found = 1;
}

static cublasStatus_t choose(const struct query *q)
{
    const bool recording = det_choices_recording(), replaying = det_choices_replaying();
    if (recording || replaying) {
        DET_LINE(problem, DET_CHOICES_KEY);
        DET_LINE(key, DET_CHOICES_KEY);
        uint64_t workspace_bytes = 0;
        preference_get(
            q, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace_bytes, sizeof workspace_bytes);
        det_cublaslt_problem_text(&q->problem, &problem);
        det_cublaslt_key(problem.at, workspace_bytes, &key);
        const uint64_t hash = det_hash(problem.at, problem.n, 0);
        det_kept_set(&limits, (const void *)(uintptr_t)hash, 0, (int64_t)workspace_bytes);
        if (replaying && replay(q, key.at, workspace_bytes))
            return CUBLAS_STATUS_SUCCESS;
    }
    const cublasStatus_t status = ask_schemes(q);
    if (status == CUBLAS_STATUS_SUCCESS && !recording)
        cut(q);
    return status;
}

DET_EXPORT cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle,
    cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
    cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d, cublasLtMatmulPreference_t preference,
    int n_asked, cublasLtMatmulHeuristicResult_t results[], int *n_found)
{
    if (!det_enter(DET_ID_cublasLtMatmulAlgoGetHeuristic))
        return DET_REAL(cublasLtMatmulAlgoGetHeuristic)(
            handle, desc, a, b, c, d, preference, n_asked, results, n_found);
    const struct query q = { handle, { desc, a, b, c, d }, preference, n_asked, results, n_found };
    cublasStatus_t status;
    if (n_asked > 0 && results && n_found && desc && det_rule_acts(DET_RULE_CUBLASLT_HEURISTIC) &&
        !det_caller_is_vendor(__builtin_return_address(0)))
        status = choose(&q);
    else
        status = ask(&q, preference);
    if (status == CUBLAS_STATUS_SUCCESS && results && n_found && *n_found == 1)
        det_seen_first(&given, det_hash(&results[0].algo, sizeof results[0].algo, 0));
    det_leave(DET_ID_cublasLtMatmulAlgoGetHeuristic);
    return status;
}

/* Recording: what the program used last for a problem is what its tuning ended with. */
static void note_choice(const struct det_cublaslt_problem *p, const cublasLtMatmulAlgo_t *algo,
    uint64_t workspace_bytes)
{
    DET_LINE(problem, DET_CHOICES_KEY);
    DET_LINE(key, DET_CHOICES_KEY);
    DET_LINE(value, DET_CHOICES_VALUE);
    int64_t limit = (int64_t)workspace_bytes;
    det_cublaslt_problem_text(p, &problem);
    det_kept_get(&limits, (const void *)(uintptr_t)det_hash(problem.at, problem.n, 0), 0, &limit);
    det_cublaslt_key(problem.at, (uint64_t)limit, &key);
    det_cublaslt_algo_text(algo, &value);
    det_choices_note(key.at, value.at);
}

/* Once per algorithm and sizes: what ran. */
static void log_config(const struct det_cublaslt_problem *p, const cublasLtMatmulAlgo_t *algo)
{
    static struct det_seen seen;
    uint64_t hash = algo ? det_hash(algo, sizeof *algo, 1) : 1;
    if (p->a)
        hash = det_hash(p->a, sizeof *p->a, hash);
    if (p->b)
        hash = det_hash(p->b, sizeof *p->b, hash);
    if (!det_seen_first(&seen, hash))
        return;
    DET_LINE(words, 160);
    det_line_text(&words, "");
    DET_LINE(problem, DET_CHOICES_KEY);
    if (algo)
        det_cublaslt_algo_words(algo, &words);
    det_cublaslt_problem_text(p, &problem);
    det_log_event("choice", DET_NAME(cublasLtMatmul), algo ? words.at : "heuristic", 0, 0);
    det_log_event("problem", DET_NAME(cublasLtMatmul), problem.at, 0, 0);
}

/* Does the descriptor still say fixed-point emulation: the rule is off, or we only observe? */
static bool emulates(cublasLtMatmulDesc_t desc)
{
    cublasComputeType_t type = CUBLAS_COMPUTE_32F;
    size_t n_written = 0;
    return !det_rule_acts(DET_RULE_CUBLAS_EMULATION) && desc &&
           DET_REAL(cublasLtMatmulDescGetAttribute)(desc, CUBLASLT_MATMUL_DESC_COMPUTE_TYPE, &type,
               sizeof type, &n_written) == CUBLAS_STATUS_SUCCESS &&
           (int)type == DET_CUBLASLT_FIXED_POINT;
}

enum origin { EMULATED, PROGRAMS_OWN, GIVEN, N_ORIGINS };

static void count(enum origin origin)
{
    static _Atomic(struct det_ledger_row *) rows[N_ORIGINS];
    struct det_ledger_row *row = rows[origin];
    if (!row) {
        const char *name = DET_NAME(cublasLtMatmul);
        if (origin == EMULATED)
            row = det_ledger_row("call", name, DET_CLASS_UNCOVERED, DET_RULE_CUBLAS_EMULATION,
                "fixed-point emulation falls back when memory is short");
        else if (origin == PROGRAMS_OWN)
            row = det_ledger_row("call", name, DET_CLASS_UNKNOWN, DET_RULE_CUBLASLT_HEURISTIC,
                det_choices_recording() ? "recording: the program times algorithms"
                                        : "the program chose the algorithm, perhaps by time");
        else
            row = det_ledger_row("call", name, DET_CLASS_VOUCHED, DET_RULE_CUBLASLT_HEURISTIC, "");
        rows[origin] = row;
    }
    det_ledger_hit(row);
}

static enum origin origin_of(cublasLtMatmulDesc_t desc, const cublasLtMatmulAlgo_t *algo)
{
    if (emulates(desc))
        return EMULATED;
    return !algo || det_seen_has(&given, det_hash(algo, sizeof *algo, 0)) ? GIVEN : PROGRAMS_OWN;
}

DET_EXPORT cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc,
    const void *alpha, const void *A, cublasLtMatrixLayout_t a, const void *B,
    cublasLtMatrixLayout_t b, const void *beta, const void *C, cublasLtMatrixLayout_t c, void *D,
    cublasLtMatrixLayout_t d, const cublasLtMatmulAlgo_t *algo, void *workspace,
    size_t workspace_bytes, cudaStream_t stream)
{
    if (!det_enter(DET_ID_cublasLtMatmul))
        return DET_REAL(cublasLtMatmul)(handle, desc, alpha, A, a, B, b, beta, C, c, D, d, algo,
            workspace, workspace_bytes, stream);
    const struct det_cublaslt_problem problem = { desc, a, b, c, d };
    const bool vendor = det_caller_is_vendor(__builtin_return_address(0));
    if (!vendor) { /* a call from inside cuBLAS or cuDNN is theirs, and counted there */
        count(origin_of(desc, algo));
        log_config(&problem, algo);
    }
    const cublasStatus_t status = DET_REAL(cublasLtMatmul)(handle, desc, alpha, A, a, B, b, beta, C,
        c, D, d, algo, workspace, workspace_bytes, stream);
    if (status == CUBLAS_STATUS_SUCCESS && algo && !vendor && det_choices_recording())
        note_choice(&problem, algo, workspace_bytes);
    det_leave(DET_ID_cublasLtMatmul);
    return status;
}

DET_EXPORT cublasStatus_t cublasLtMatmulAlgoConfigSetAttribute(cublasLtMatmulAlgo_t *algo,
    cublasLtMatmulAlgoConfigAttributes_t name, const void *from, size_t n_bytes)
{
    if (!det_enter(DET_ID_cublasLtMatmulAlgoConfigSetAttribute))
        return DET_REAL(cublasLtMatmulAlgoConfigSetAttribute)(algo, name, from, n_bytes);
    det_log_counter("matmul algorithms configured by the program", 1);
    const cublasStatus_t status =
        DET_REAL(cublasLtMatmulAlgoConfigSetAttribute)(algo, name, from, n_bytes);
    det_leave(DET_ID_cublasLtMatmulAlgoConfigSetAttribute);
    return status;
}

/* A workspace limit that follows free memory changes algorithms from run to run: every value is written down once. */
DET_EXPORT cublasStatus_t cublasLtMatmulPreferenceSetAttribute(
    cublasLtMatmulPreference_t preference, cublasLtMatmulPreferenceAttributes_t name,
    const void *from, size_t n_bytes)
{
    if (!det_enter(DET_ID_cublasLtMatmulPreferenceSetAttribute))
        return DET_REAL(cublasLtMatmulPreferenceSetAttribute)(preference, name, from, n_bytes);
    static struct det_seen seen;
    uint64_t value = 0;
    if (from && n_bytes <= sizeof value) {
        memcpy(&value, from, n_bytes);
        if (det_seen_first(&seen, det_mix(value * 64 + (unsigned)name)))
            det_log_event("observe", DET_NAME(cublasLtMatmulPreferenceSetAttribute), "attribute",
                (uint64_t)name, value);
    }
    const cublasStatus_t status =
        DET_REAL(cublasLtMatmulPreferenceSetAttribute)(preference, name, from, n_bytes);
    det_leave(DET_ID_cublasLtMatmulPreferenceSetAttribute);
    return status;
}
