/* Environment text to struct det_policy; pure. Each option has one reader by its type; a reader that refuses its
 * text leaves the default in place, and one line says so. */
#include "shim/policy/policy.h"

#include <string.h>

#include "shim/core/bytes.h"
#include "shim/core/text.h"
#include "shim/policy/place.h"

struct reading {
    struct det_policy *out;
    void (*complain)(const char *line, void *arg);
    void *arg;
};

/* A foreign text in one line of ours: cut, and nothing that ends the line or moves a terminal's cursor. */
static void quote(struct det_line *line, const char *text, size_t n)
{
    det_line_bytes(line, "'", 1);
    for (size_t i = 0; i < n && i < 60; i++) {
        const bool plain = (unsigned char)text[i] >= 32 && text[i] != 127;
        det_line_bytes(line, plain ? &text[i] : "?", 1);
    }
    det_line_text(line, n > 60 ? "...'" : "'");
}

/* Place of `text` in a list of words, −1 when it is none of them. */
static int word_index(const char *text, const char *const words[])
{
    for (int i = 0; words[i]; i++) {
        if (strcmp(text, words[i]) == 0)
            return i;
    }
    return -1;
}

static bool read_seed(struct det_policy *out, const char *text)
{
    uint64_t seed;
    if (!det_text_u64(text, &seed))
        return false;
    out->seed = seed;
    out->has_seed = true;
    return true;
}

static bool read_level(struct det_policy *out, const char *text)
{
    static const char *const words[] = { "off", "observe", "run_to_run", "gpu_to_gpu", NULL };
    const int level = word_index(text, words);
    if (level < 0)
        return false;
    out->level = level > DET_LEVEL_RUN_TO_RUN ? DET_LEVEL_RUN_TO_RUN : (enum det_level)level;
    return true;
}

static bool read_small(const char *text, int most, int *value)
{
    if (text[0] < '0' || text[0] > '0' + most || text[1])
        return false;
    *value = text[0] - '0';
    return true;
}

static bool read_log_level(struct det_policy *out, const char *text)
{
    static const char *const words[] = { "off", "summary", "override", "call", NULL };
    const int level = word_index(text, words);
    if (level >= 0)
        out->log_level = (enum det_log_level)level;
    return level >= 0;
}

static bool read_trace(struct det_policy *out, const char *text)
{
    static const char *const words[] = { "off", "choices", "digests", "stacks", NULL };
    const int trace = word_index(text, words);
    if (trace >= 0)
        out->trace = (enum det_trace)trace;
    return trace >= 0;
}

static bool read_entropy(struct det_policy *out, const char *text)
{
    static const char *const words[] = { "off", "ml", "all", NULL };
    const int entropy = word_index(text, words);
    if (entropy >= 0)
        out->entropy = (enum det_entropy)entropy;
    return entropy >= 0;
}

static bool read_choices(struct det_policy *out, const char *text)
{
    const char *colon = strchr(text, ':');
    if (!colon || !colon[1] || !det_place_pattern_ok(colon + 1))
        return false;
    const size_t n = (size_t)(colon - text);
    if (!(n == 6 && !memcmp(text, "record", n)) && !(n == 6 && !memcmp(text, "replay", n)) &&
        !(n == 4 && !memcmp(text, "auto", n)))
        return false;
    out->choices = text;
    return true;
}

static int rule_by_slug(const char *slug, size_t n)
{
    for (int rule = 0; rule < DET_N_RULES; rule++) {
        const char *known = det_rule_info((enum det_rule)rule)->slug;
        if (strlen(known) == n && memcmp(known, slug, n) == 0)
            return rule;
    }
    return -1;
}

static void nearest_rule(struct det_line *line, const char *slug, size_t n)
{
    DET_LINE(wanted, 64);
    det_line_bytes(&wanted, slug, n);
    unsigned best = 255;
    const char *name = "";
    for (int rule = 0; rule < DET_N_RULES; rule++) {
        const char *known = det_rule_info((enum det_rule)rule)->slug;
        const unsigned distance = det_text_distance(wanted.at, known);
        if (distance < best) {
            best = distance;
            name = known;
        }
    }
    det_line_text(line, "no rule ");
    quote(line, slug, n);
    det_line_printf(line, "; the nearest is '%s'", name);
}

/* "-rule,+rule": whole or not at all, so that a typing error cannot leave half of a list in force. */
static bool read_rules(struct det_policy *out, const char *text, struct det_line *why)
{
    bool on[DET_N_RULES];
    memcpy(on, out->rule_on, sizeof on);
    while (*text) {
        const size_t n = strcspn(text, ", ");
        if (n) {
            if (*text != '+' && *text != '-') {
                quote(why, text, n);
                det_line_text(why, " starts with neither + nor -");
                return false;
            }
            const int rule = rule_by_slug(text + 1, n - 1);
            if (rule < 0) {
                nearest_rule(why, text + 1, n - 1);
                return false;
            }
            on[rule] = *text == '+';
        }
        text += n + (text[n] != 0);
    }
    memcpy(out->rule_on, on, sizeof on);
    return true;
}

static bool read_one(
    struct det_policy *out, enum det_option option, const char *text, struct det_line *why)
{
    int disable = 0;
    switch (option) {
    case DET_OPT_SEED:
        return read_seed(out, text);
    case DET_OPT_LEVEL:
        return read_level(out, text);
    case DET_OPT_DISABLE: /* after LEVEL in the table, so it has the last word */
        if (!read_small(text, 1, &disable))
            return false;
        out->level = disable ? DET_LEVEL_OFF : out->level;
        return true;
    case DET_OPT_STRICT:
        return read_small(text, 2, &out->strict);
    case DET_OPT_LOG:
        if (!det_place_pattern_ok(text))
            return false;
        out->log = text;
        return true;
    case DET_OPT_LOG_LEVEL:
        return read_log_level(out, text);
    case DET_OPT_TRACE:
        return read_trace(out, text);
    case DET_OPT_RULES:
        return read_rules(out, text, why);
    case DET_OPT_SKIP:
        out->skip_kernels = text;
        return true;
    case DET_OPT_CHOICES:
        return read_choices(out, text);
    case DET_OPT_CACHE:
        out->cache = text;
        return true;
    case DET_OPT_ENTROPY:
        return read_entropy(out, text);
    case DET_OPT_SCRATCH:
        return det_text_u64(text, &out->scratch_mib);
    case DET_OPT_CROSS:
        return det_text_u64(text, &out->cross_check);
    case DET_OPT_DEEPBIND: /* read by the loader, before anything is judged; here only whether it is a value */
        return read_small(text, 1, &disable);
    default: /* DETSHIM_PROCS and settings that other modules read themselves */
        return true;
    }
}

static void refuse(
    const struct reading *to, enum det_option option, const char *text, const struct det_line *why)
{
    const struct det_option_info *info = det_option_info(option);
    DET_LINE(line, 512);
    det_line_printf(&line, "%s: ", info->variable);
    quote(&line, text, strlen(text));
    if (why->n)
        det_line_printf(&line, ": %s", why->at);
    else
        det_line_printf(&line, " is none of: %s", info->values);
    det_line_printf(&line, "; using %s", info->standard[0] ? info->standard : "the default, unset");
    to->complain(line.at, to->arg);
}

void det_policy_parse(struct det_policy *out, const char *(*get)(const char *name, void *arg),
    void *arg, void (*complain)(const char *line, void *arg))
{
    const struct reading to = { out, complain, arg };
    *out = (struct det_policy){ .level = DET_LEVEL_RUN_TO_RUN,
        .log_level = DET_LOG_SUMMARY,
        .entropy = DET_ENTROPY_ML,
        .log = "",
        .skip_kernels = "",
        .choices = "",
        .cache = "" };
    for (int rule = 0; rule < DET_N_RULES; rule++)
        out->rule_on[rule] = det_rule_info((enum det_rule)rule)->standard;
    for (int i = 0; i < DET_N_OPTIONS; i++) {
        const enum det_option option = (enum det_option)i;
        const char *text = get(det_option_info(option)->variable, arg);
        DET_LINE(why, 256);
        if (!text || !*text)
            continue;
        if (!read_one(out, option, text, &why))
            refuse(&to, option, text, &why);
        else if (option == DET_OPT_LEVEL && strcmp(text, "gpu_to_gpu") == 0)
            complain("DETSHIM_LEVEL: 'gpu_to_gpu' is not offered yet; running as run_to_run", arg);
    }
}

static void complain_unknown(
    const char *name, size_t n, void (*complain)(const char *line, void *arg), void *arg)
{
    DET_LINE(wanted, 64);
    det_line_bytes(&wanted, name, n);
    const char *nearest = "";
    unsigned best = 256;
    for (int i = 0; i < DET_N_OPTIONS; i++) {
        const char *known = det_option_info((enum det_option)i)->variable;
        const unsigned distance = det_text_distance(wanted.at, known);
        if (distance < best) {
            best = distance;
            nearest = known;
        }
    }
    DET_LINE(line, 256);
    quote(&line, name, n);
    det_line_printf(&line, ": no such setting; the nearest is %s; ignored", nearest);
    complain(line.at, arg);
}

void det_policy_unknown(
    char *const *environment, void (*complain)(const char *line, void *arg), void *arg)
{
    /* Not options: the command line's own, and what it hands to the library. */
    static const char *const internal[] = { "DETSHIM_LIBRARY", "DETSHIM_KEEP", "DETSHIM_QUIET",
        "DETSHIM_PATH", NULL };
    for (; environment && *environment; environment++) {
        const char *name = *environment;
        const size_t n = strcspn(name, "=");
        if (strncmp(name, "DETSHIM_", 8) != 0)
            continue;
        bool known = false;
        for (int i = 0; i < DET_N_OPTIONS && !known; i++) {
            const char *variable = det_option_info((enum det_option)i)->variable;
            known = strlen(variable) == n && memcmp(variable, name, n) == 0;
        }
        for (int i = 0; internal[i] && !known; i++)
            known = strlen(internal[i]) == n && memcmp(internal[i], name, n) == 0;
        if (!known)
            complain_unknown(name, n, complain, arg);
    }
}
