/* See settings.h. */
#include "cli/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "shim/policy/policy.h"

/* Settings with which a vendor or framework documents varying results. */
static const struct conflict {
    const char *name;
    enum {
        IS,
        HOLDS,
        IS_NOT
    } how; /* the value is one of `words`, holds one of them, is none of them */
    const char *words[2];
    const char *why;
} conflicts[] = {
    { "CUBLAS_WORKSPACE_CONFIG", IS_NOT, { ":4096:8", ":16:8" },
        "cuBLAS repeats on several streams only with :4096:8 or :16:8 (its guide, Results "
        "Reproducibility)" },
    { "TF_DETERMINISTIC_OPS", IS, { "0", "false" }, "switches TensorFlow's ordered kernels off" },
    { "TF_CUDNN_DETERMINISTIC", IS, { "0", "false" }, "lets cuDNN choose unordered convolutions" },
    { "XLA_FLAGS", HOLDS,
        { "--xla_gpu_deterministic_ops=false", "--xla_gpu_exclude_nondeterministic_ops=false" },
        "lets XLA choose unordered kernels" },
    { "NVTE_ALLOW_NONDETERMINISTIC_ALGO", IS, { "1", "true" },
        "lets Transformer Engine choose unordered kernels" },
    { "NCCL_ALGO", HOLDS, { "Tree", "NVLS" },
        "the order of its sums depends on the topology found at start" },
};
enum { N_CONFLICTS = sizeof conflicts / sizeof *conflicts };

static bool breaks(const struct conflict *row, const char *value)
{
    bool hit = false;
    if (row->how == HOLDS && value[0] == '^') /* NCCL: everything but these */
        return false;
    for (int i = 0; i < 2; i++)
        hit |= row->how == HOLDS ? strstr(value, row->words[i]) != NULL
                                 : strcmp(value, row->words[i]) == 0;
    return row->how == IS_NOT ? !hit : hit;
}

size_t cli_conflicts(
    void (*each)(const char *name, const char *value, const char *why, void *arg), void *arg)
{
    size_t n = 0;
    for (int i = 0; i < N_CONFLICTS; i++) {
        const char *value = getenv(conflicts[i].name);
        if (value && *value && breaks(&conflicts[i], value)) {
            each(conflicts[i].name, value, conflicts[i].why, arg);
            n++;
        }
    }
    return n;
}

/* "…; using run_to_run" is what the library would do; we do not start. */
static void refuse(const char *line, void *arg)
{
    const char *tail = strrchr(line, ';');
    ++*(unsigned *)arg;
    cli_say("%.*s; refused", (int)(tail ? tail - line : (long)strlen(line)), line);
}

static void refuse_conflict(const char *name, const char *value, const char *why, void *arg)
{
    (void)arg;
    cli_say("%s=%s: %s; refused under DETSHIM_STRICT", name, value, why);
}

void cli_settings_or_refuse(void)
{
    const char *level = getenv("DETSHIM_LEVEL");
    if (level && strcmp(level, "gpu_to_gpu") == 0) {
        cli_say("level gpu_to_gpu is not offered yet; running as run_to_run");
        setenv("DETSHIM_LEVEL", "run_to_run", 1);
    }
    unsigned n_refused = 0;
    struct det_policy policy;
    det_policy_parse(&policy, det_policy_env, &n_refused, refuse);
    det_policy_unknown(environ, refuse, &n_refused);
    if (policy.strict && policy.level == DET_LEVEL_RUN_TO_RUN)
        n_refused += (unsigned)cli_conflicts(refuse_conflict, NULL);
    if (n_refused)
        exit(CLI_REFUSED);
}
