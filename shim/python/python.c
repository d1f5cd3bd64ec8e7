/* The audit hook and the bridge into Python: see python.h. The hook is used once, to run finder.py; after that it only watches for a
 * PYTHONHASHSEED set too late. Works under -I, -E, -S, -m and stdin, because it does not depend on site or the environment.
 * CPython 3.8+; on 3.7, which has no audit hooks, only the C part acts. Idea of the recognised draws and of one permanent finder:
 * measured, docs/SEEDS.md. */
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "shim/choices/choices.h"
#include "shim/core/bytes.h"
#include "shim/core/start.h"
#include "shim/entropy/entropy.h"
#include "shim/loader/call.h"
#include "shim/loader/libc.h"
#include "shim/log/log.h"
#include "shim/pins/pins.h"
#include "shim/python/python.h"

extern const char det_python_finder[], det_python_frameworks[];

/* The little of CPython's C API that we call, by name: its headers are not a build input. */
typedef void PyObject;
struct method {
    const char *name;
    PyObject *(*run)(PyObject *, PyObject *);
    int flags;
    const char *doc;
};
#define METH_VARARGS  1
#define PY_FILE_INPUT 257
#define PY(result, name, ...)                                                                      \
    result (*name)(__VA_ARGS__) = (result(*)(__VA_ARGS__))(uintptr_t)det_libc_default(#name)

bool det_python_present(void)
{
    static _Atomic int known;
    if (!atomic_load(&known) && det_libc_default("Py_IsInitialized"))
        atomic_store(&known, 1);
    return atomic_load(&known);
}

static enum det_rule rule_named(const char *slug)
{
    for (int i = 0; i < DET_N_RULES; i++)
        if (strcmp(det_rule_info((enum det_rule)i)->slug, slug) == 0)
            return (enum det_rule)i;
    return DET_N_RULES;
}

static enum det_purpose purpose_named(const char *word)
{
    for (int i = 0; i < DET_N_PURPOSES; i++)
        if (strcmp(det_purpose_word((enum det_purpose)i), word) == 0)
            return (enum det_purpose)i;
    return DET_PURPOSE_ALL;
}

static _Atomic unsigned drawn_in_python[DET_N_PURPOSES];

static uint64_t draw(const char *word)
{
    const enum det_purpose purpose = purpose_named(word);
    uint64_t ordinal = 0;
    const uint64_t value = det_stream_next(purpose, &ordinal);
    atomic_fetch_add(&drawn_in_python[purpose], 1);
    det_draw_log(word, true, 8, ordinal, (const void *)det_python_finder);
    return value;
}

/* _det(what, …) with a number for an answer: see the top of finder.py. Unknown words answer 0. */
static uint64_t answer(const char *what, const char *a, const char *b)
{
    const enum det_rule rule = rule_named(a);
    if (strcmp(what, "draw") == 0)
        return draw(a);
    if (strcmp(what, "seeded") == 0)
        return det_entropy_armed();
    if (strcmp(what, "drawn") == 0)
        return det_stream_drawn(purpose_named(a));
    if (strcmp(what, "rule") == 0)
        return rule < DET_N_RULES && det_rule_acts(rule);
    if (strcmp(what, "recording") == 0)
        return det_choices_recording() && !det_choices_replaying();
    if (strcmp(what, "pinned") == 0)
        return det_pins_known(a);
    if (strcmp(what, "symbol") == 0)
        return det_pins_torch_find(a) != NULL;
    if (strcmp(what, "note") == 0)
        det_log_note("%s", a);
    else if (strcmp(what, "override") == 0 && rule < DET_N_RULES)
        det_log_override_text(
            "import", rule, b, "unset", strncmp(a, "seed.", 5) == 0 ? "DET_SEED" : "pinned");
    else if (strcmp(what, "kept") == 0 && rule < DET_N_RULES)
        det_log_kept("import", rule, b, "set by the user");
    else if (strcmp(what, "choose") == 0)
        det_choices_note(a, b);
    else if (strcmp(what, "gone") == 0)
        det_choices_gone("triton.autotune", a);
    else if (strcmp(what, "fingerprint") == 0)
        det_log_event("fingerprint", a, b, 0, 0);
    return 0;
}

static PyObject *bridge(PyObject *self, PyObject *args)
{
    PY(int, PyArg_ParseTuple, PyObject *, const char *, ...);
    PY(PyObject *, PyLong_FromUnsignedLongLong, unsigned long long);
    const char *what = "", *a = "", *b = "";
    (void)self;
    PY(PyObject *, PyUnicode_FromString, const char *);
    if (!PyArg_ParseTuple(args, "s|ss", &what, &a, &b))
        return NULL;
    if (strcmp(what, "pins") == 0) {
        DET_LINE(set, 1024);
        det_line_text(&set, "");
        det_pins_module(a, &set);
        return PyUnicode_FromString(set.at);
    }
    if (strcmp(what, "frameworks") == 0)
        return PyUnicode_FromString(det_python_frameworks);
    if (strcmp(what, "choice") == 0) {
        char value[DET_CHOICES_VALUE] = "";
        const bool found = det_choices_replaying() && det_choices_find(a, value, sizeof value);
        return PyUnicode_FromString(found ? value : "");
    }
    return PyLong_FromUnsignedLongLong(answer(what, a, b));
}

/* Run finder.py in a namespace of its own; __main__ stays clean. */
static void install(void)
{
    static struct method method = { "_det", bridge, METH_VARARGS, NULL };
    PY(PyObject *, PyDict_New, void);
    PY(PyObject *, PyEval_GetBuiltins, void);
    PY(void, PyErr_Print, void);
    PY(int, PyDict_SetItemString, PyObject *, const char *, PyObject *);
    PY(PyObject *, PyCFunction_NewEx, struct method *, PyObject *, PyObject *);
    PY(PyObject *, PyRun_String, const char *, int, PyObject *, PyObject *);
    PyObject *names = PyDict_New();
    if (!names)
        return;
    PyDict_SetItemString(names, "__builtins__", PyEval_GetBuiltins());
    PyDict_SetItemString(names, "_det", PyCFunction_NewEx(&method, NULL, NULL));
    if (!PyRun_String(det_python_finder, PY_FILE_INPUT, names, names))
        PyErr_Print();
}

/* os.putenv's audit event carries (key, value) as bytes. */
static void watch_putenv(PyObject *args)
{
    PY(int, PyArg_ParseTuple, PyObject *, const char *, ...);
    PY(void, PyErr_Clear, void);
    const char *key = "", *value = "";
    static _Atomic int said;
    if (PyArg_ParseTuple(args, "yy", &key, &value)) {
        if (strcmp(key, "PYTHONHASHSEED") == 0 && !atomic_exchange(&said, 1))
            det_log_note("PYTHONHASHSEED set inside the program is too late for this process; it "
                         "was fixed at start");
    } else {
        PyErr_Clear();
    }
}

static int audit(const char *event, PyObject *args, void *unused)
{
    static int installed;
    static int (*initialized)(void);
    (void)unused;
    if (event[0] == 'o' && strcmp(event, "os.putenv") == 0 && installed)
        watch_putenv(args);
    if (installed || event[0] != 'i' || strcmp(event, "import") != 0)
        return 0;
    if (!initialized)
        initialized = (int (*)(void))(uintptr_t)det_libc_default("Py_IsInitialized");
    /* the first import after Py_Initialize: `site`, or the user's own under -S */
    if (initialized && initialized()) {
        installed = 1;
        install();
    }
    return 0; /* never veto */
}

static __attribute__((noinline)) void start(void)
{
    if (!det_policy_active() || !det_python_present())
        return;
    if (det_entropy_armed() && !getenv("PYTHONHASHSEED") &&
        det_rule_acts(DET_RULE_SEED_PYTHON_HASH)) {
        DET_LINE(text, 24);
        det_line_u64(&text, (uint32_t)det_stream_at(DET_PURPOSE_PYTHON_HASH, 1) | 1u);
        setenv("PYTHONHASHSEED", text.at, 1);
        det_log_override_text(
            "PYTHONHASHSEED", DET_RULE_SEED_PYTHON_HASH, "value", "unset", text.at);
    }
    PY(int, PySys_AddAuditHook, int (*)(const char *, PyObject *, void *), void *);
    if (PySys_AddAuditHook)
        PySys_AddAuditHook(audit, NULL);
}

DET_START_TEXT void det_python_start(void)
{
    DET_START_DATA static char name[] = "Py_IsInitialized";
    if (det_listed_symbol(name))
        start();
}
