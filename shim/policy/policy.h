/* The environment, read once into one constant struct. Judged at the first hooked CUDA or entropy call, never in
 * a process that makes none: a bad value exported cluster-wide must not disturb `bash`. Reads only the
 * environment; decides nothing about calls. */
#ifndef DET_POLICY_POLICY_H
#define DET_POLICY_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "detshim/classes.h"

enum det_level { DET_LEVEL_OFF, DET_LEVEL_OBSERVE, DET_LEVEL_RUN_TO_RUN };
enum det_log_level { DET_LOG_OFF, DET_LOG_SUMMARY, DET_LOG_OVERRIDE, DET_LOG_CALL };
enum det_trace { DET_TRACE_OFF, DET_TRACE_CHOICES, DET_TRACE_DIGESTS, DET_TRACE_STACKS };
enum det_entropy { DET_ENTROPY_OFF, DET_ENTROPY_ML, DET_ENTROPY_ALL };
enum det_rule {
#define DET_RULE(id, slug, library, on, cls, sentence, effects, source) DET_RULE_##id,
#include "shim/policy/rules.def"
#undef DET_RULE
    DET_N_RULES
};
enum det_option {
#define DET_OPTION(id, variable, type, standard, values, help) DET_OPT_##id,
#include "shim/policy/options.def"
#undef DET_OPTION
    DET_N_OPTIONS
};

struct det_policy {
    enum det_level level;
    int strict; /* 0, 1, 2 */
    bool has_seed;
    uint64_t seed;
    enum det_log_level log_level;
    enum det_trace trace;
    enum det_entropy entropy;
    uint64_t cross_check; /* every so many launches of a kernel; 0: none */
    uint64_t scratch_mib; /* 0: the default share of device memory */
    const char *log, *skip_kernels, *choices,
        *cache; /* "" when unset; live as long as the process */
    bool rule_on[DET_N_RULES];
};

/** The settings of this process. First call parses the environment and reports bad values, one line each per
 *  process tree; later calls are one load. Thread-safe, no lock, never NULL. */
const struct det_policy *det_policy(void);
/** Pure form for tests: parse from `get(name)`; appends one line per bad value through `complain`. */
void det_policy_parse(struct det_policy *out, const char *(*get)(const char *name, void *arg),
    void *arg, void (*complain)(const char *line, void *arg));
/** One line per variable of `environment` ("NAME=value", NULL-terminated) that starts with DETSHIM_ and is no option. */
void det_policy_unknown(
    char *const *environment, void (*complain)(const char *line, void *arg), void *arg);
/** Value of a variable of this process by scanning `environ` itself: some programs (bash) export a getenv of
 *  their own. NULL when unset. */
const char *det_policy_env(const char *name, void *unused);
/** Were the settings judged, i.e. did anything of ours do or decide anything in this process? */
bool det_policy_was_read(void);
/** Cheap, before anything is judged: false when every hook must be a plain jump (level off, DETSHIM_PROCS excludes
 *  this program, or AT_SECURE). Result cached. */
bool det_policy_active(void);

/** Is the rule switched on, and the level one that acts? observe: false. */
bool det_rule_acts(enum det_rule rule);

struct det_rule_info {
    const char *slug, *library, *sentence, *effects, *source;
    bool standard;
    enum det_class cls;
};
const struct det_rule_info *det_rule_info(enum det_rule rule);
struct det_option_info {
    const char *variable, *standard, *values, *help;
};
const struct det_option_info *det_option_info(enum det_option option);

#endif
