/* Any text as the value of every setting, as a pattern, a list, a name: one line at most, and nothing breaks. */
#include <stdlib.h>
#include <string.h>

#include "shim/core/text.h"
#include "shim/log/summary.h"
#include "shim/policy/place.h"
#include "shim/policy/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

struct one {
    enum det_option option;
    const char *text;
    unsigned n_lines;
};

static const char *get(const char *name, void *arg)
{
    const struct one *one = arg;
    return strcmp(name, det_option_info(one->option)->variable) == 0 ? one->text : NULL;
}

static void complain(const char *line, void *arg)
{
    if (strchr(line, '\n') || strchr(line, '\033') || strlen(line) > 511)
        abort();
    ((struct one *)arg)->n_lines++;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
    char *text = malloc(n_bytes + 1);
    memcpy(text, bytes, n_bytes);
    text[n_bytes] = 0;
    for (int i = 0; i < DET_N_OPTIONS; i++) {
        struct one one = { (enum det_option)i, text, 0 };
        struct det_policy policy;
        det_policy_parse(&policy, get, &one, complain);
        if (one.n_lines > 1)
            abort();
    }
    char *environment[] = { text, NULL };
    struct one none = { DET_OPT_SEED, "", 0 };
    det_policy_unknown(environment, complain, &none);
    const struct det_place place = { .host = "h", .exe = "x" };
    DET_LINE(line, 64);
    det_place_expand(&place, text, 1, 2, &line);
    DET_LINE(name, 64);
    det_summary_name(text, 30, &name);
    (void)det_text_in_list(text, text);
    (void)det_text_distance(text, "DETSHIM_LOG");
    free(text);
    return 0;
}
