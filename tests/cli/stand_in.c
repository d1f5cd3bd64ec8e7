/* Stand-in for libdetshim.so in command-line tests: the real policy and log, no CUDA. What it "sees" comes from
 * STAND_IN, e.g. "exact:grad:3,uncovered:racy:1"; it ends strict runs and writes the log as the library does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shim/log/log.h"
#include "shim/policy/policy.h"

static enum det_class class_of(const char *word)
{
    int cls = 0;
    while (cls < DET_N_CLASSES - 1 && strcmp(det_class_word(cls), word) != 0)
        cls++;
    return cls;
}

__attribute__((constructor)) static void start(void)
{
    const char *script = getenv("STAND_IN");
    if (!script || !det_policy_active())
        return;
    char *copy = strdup(script);
    for (char *one = strtok(copy, ","); one; one = strtok(NULL, ",")) {
        char cls[16], name[64];
        unsigned n = 0;
        if (sscanf(one, "%15[^:]:%63[^:]:%u", cls, name, &n) != 3)
            continue;
        const enum det_rule rule = strcmp(cls, "exact") == 0 ? DET_RULE_ATOMICS_EXACT : DET_N_RULES;
        struct det_ledger_row *row = det_ledger_row(
            "kernel", name, class_of(cls), rule, rule == DET_N_RULES ? "a reason" : "");
        while (n--)
            det_ledger_hit(row);
    }
    if (det_strict_pending())
        det_strict_end();
}

__attribute__((destructor)) static void stop(void)
{
    det_log_finish();
}
