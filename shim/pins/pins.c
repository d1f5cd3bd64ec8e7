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

static _Atomic bool broken[DET_N_RULES];

bool det_pins_hold(enum det_rule rule)
{
    return det_rule_acts(rule) && !atomic_load(&broken[rule]);
}

/* One of the words of the last column? They may hold commas and colons. */
static bool keeps_promise(size_t i, const char *now)
{
    if (pins[i].value && strcmp(pins[i].value, now) == 0)
        return true;
    for (const char *at = pins[i].also; *at; at += strspn(at, " ")) {
        char word[64];
        const size_t n = strcspn(at, " ");
        if (n < sizeof word) {
            memcpy(word, at, n);
            word[n] = 0;
            if (det_text_glob(word, now))
                return true;
        }
        at += n;
    }
    return false;
}

static void set_one(size_t i, struct det_line *set)
{
    const char *name = pins[i].variable, *value = pins[i].value, *now = getenv(name);
    if (!value) {
        if (!now)
            return;
        det_log_override_text("environment", pins[i].rule, name, now, "unset");
        unsetenv(name);
    } else if (!now) {
        setenv(name, value, 0);
        if (set)
            det_line_printf(set, "%s=%s\n", name, value);
        det_log_override_text("environment", pins[i].rule, name, "unset", value);
    } else if (keeps_promise(i, now)) {
        det_log_kept("environment", pins[i].rule, name, now);
    } else {
        atomic_store(&broken[pins[i].rule], true);
        det_log_conflict("environment", pins[i].rule, name, now);
    }
}

void det_pins_module(const char *module, struct det_line *set)
{
    static _Atomic bool done[N_PINS];
    if (!det_policy_active())
        return;
    for (size_t i = 0; i < N_PINS; i++)
        if (listed(pins[i].modules, module) && det_rule_acts(pins[i].rule) &&
            !atomic_exchange(&done[i], true))
            set_one(i, set);
}

void det_pins_library(const char *name)
{
    det_pins_vendor();
    det_pins_module(name, NULL);
}

void det_pins_vendor(void)
{
    static _Atomic bool done;
    if (!atomic_load_explicit(&done, memory_order_relaxed) && !atomic_exchange(&done, true))
        det_pins_module("*", NULL);
}
