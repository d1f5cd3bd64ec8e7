/* Variables set before a framework's import, for frameworks without a wheel in `make test-frameworks`: a module of that name prints
 * its environment. Stands on the real CPython; the frameworks themselves are not run here. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/child.h"

#define LIBRARY "LD_PRELOAD=" BUILD "/libdetshim.so"

struct pin {
    const char *module, *variable, *value, *other;
};
static const struct pin pins[] = {
    { "mxnet", "MXNET_CUDNN_AUTOTUNE_DEFAULT", "0", "1" },
    { "paddle", "FLAGS_cudnn_deterministic", "1", "0" },
    { "paddle", "FLAGS_embedding_deterministic", "1", "0" },
    { "paddle", "FLAGS_cudnn_exhaustive_search", "0", "1" },
    { "flash_attn", "FLASH_ATTENTION_DETERMINISTIC", "1", "0" },
    { "transformer_engine", "NVTE_ALLOW_NONDETERMINISTIC_ALGO", "0", "1" },
    { "mamba_ssm", "MAMBA_DETERMINISTIC", "1", "0" },
    { "causal_conv1d", "CAUSAL_CONV1D_DETERMINISTIC", "1", "0" },
    { "torch", "TORCHINDUCTOR_DETERMINISTIC", "1", "0" },
    { "torch", "PYTORCH_TUNABLEOP_ENABLED", "0", "1" },
    { "torch", "CUBLAS_WORKSPACE_CONFIG", ":4096:8", ":0:0" },
};
#define N_PINS (sizeof pins / sizeof *pins)

/* The module prints what os.environ and the C environment hold; "None" where the variable is unset. */
static struct child imported(const struct pin *pin, const char *const *env, const char *set)
{
    return child_shell(env, 30,
        "d=$(mktemp -d); mkdir $d/%s; "
        "echo \"import os, ctypes; g = ctypes.CDLL(None).getenv; g.restype = ctypes.c_char_p; "
        "print(os.environ.get('%s'), (g(b'%s') or b'None').decode())\" >$d/%s/__init__.py; "
        "%s PYTHONPATH=$d /usr/bin/python3 -c 'import %s'; rm -r $d",
        pin->module, pin->variable, pin->variable, pin->module, set, pin->module);
}

static void expect(
    const struct pin *pin, const char *const *env, const char *set, const char *value)
{
    char want[64];
    snprintf(want, sizeof want, "%s %s\n", value, value);
    struct child child = imported(pin, env, set);
    cr_expect_str_eq(child.out, want, "%s %s: %s", pin->variable, set, child.err);
    child_free(&child);
}

Test(pins, are_set_before_the_import_and_the_users_value_wins, .timeout = 120)
{
    const char *const plain[] = { "LD_PRELOAD", NULL };
    const char *const ours[] = { LIBRARY, "DETSHIM_LOG_LEVEL=off", NULL };
    const char *const off[] = { LIBRARY, "DETSHIM_LEVEL=off", NULL };
    for (size_t i = 0; i < N_PINS; i++) {
        char set[96];
        expect(&pins[i], plain, "", "None");
        expect(&pins[i], ours, "", pins[i].value);
        expect(&pins[i], off, "", "None");
        snprintf(set, sizeof set, "%s=%s", pins[i].variable, pins[i].other);
        expect(&pins[i], ours, set, pins[i].other);
    }
}

Test(pins, a_value_that_breaks_the_promise_is_named, .timeout = 60)
{
    const char *const ours[] = { LIBRARY, NULL };
    for (size_t i = 0; i < N_PINS; i++) {
        char set[96];
        snprintf(set, sizeof set, "%s=%s", pins[i].variable, pins[i].other);
        struct child child = imported(&pins[i], ours, set);
        cr_expect(strstr(child.err, pins[i].variable), "%s: '%s'", set, child.err);
        child_free(&child);
    }
}
