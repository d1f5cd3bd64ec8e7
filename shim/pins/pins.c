/* See pins.h. The table is pins.def; nothing else decides. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "shim/core/text.h"
#include "shim/log/log.h"
#include "shim/pins/pins.h"
#include "shim/policy/policy.h"

static const struct {
    enum det_rule rule;
    const char *modules, *variable, *value, *also;
} pins[] = {
#define DET_PIN(id, where, name, text, good)                                                       \
    { .rule = DET_RULE_##id,                                                                       \
        .modules = (where),                                                                        \
        .variable = (name),                                                                        \
        .value = (text),                                                                           \
        .also = (good) },
#include "shim/pins/pins.def"
#undef DET_PIN
};
#define N_PINS (sizeof pins / sizeof *pins)

/* `*` in the modules column is a name of its own here, not a pattern. */
static bool listed(const char *list, const char *module)
{
    const size_t n = strlen(module);
    for (const char *at = list; *at; at += strspn(at, " ")) {
        const size_t word = strcspn(at, " ");
        if (word == n && strncmp(at, module, n) == 0)
            return true;
        at += word;
    }
    return false;
}

bool det_pins_known(const char *module)
{
    for (size_t i = 0; i < N_PINS; i++)
        if (listed(pins[i].modules, module))
            return true;
    return false;
}

void det_pins_module(const char *module, struct det_line *set)
{
    static _Atomic bool done[N_PINS];
    if (!det_policy_active())
        return;
    for (size_t i = 0; i < N_PINS; i++) {
        if (!listed(pins[i].modules, module) || !det_rule_acts(pins[i].rule) ||
            atomic_exchange(&done[i], true))
            continue;
        const char *now = getenv(pins[i].variable);
        if (!now) {
            setenv(pins[i].variable, pins[i].value, 0);
            if (set)
                det_line_printf(set, "%s=%s\n", pins[i].variable, pins[i].value);
            det_log_override_text(
                "environment", pins[i].rule, pins[i].variable, "unset", pins[i].value);
        } else if (det_text_in_list(pins[i].also, now) || strcmp(pins[i].value, now) == 0) {
            det_log_kept("environment", pins[i].rule, pins[i].variable, now);
        } else {
            det_log_conflict("environment", pins[i].rule, pins[i].variable, now);
        }
    }
}

void det_pins_vendor(void)
{
    static _Atomic bool done;
    if (!atomic_load_explicit(&done, memory_order_relaxed) && !atomic_exchange(&done, true))
        det_pins_module("*", NULL);
}
