/* The twin: a module that holds only the rewritten kernels and what they need. Module variables that a host could write are
 * not copied: the twin addresses the original's, whose addresses the launcher puts behind the table. */
#include "shim/ptx/edit.h"
#include "shim/ptx/emit.h"
#include "shim/ptx/verdict.h"

#include <stdlib.h>
#include <string.h>

struct build {
    struct det_ptx_module *module;
    const struct det_ptx_twin_options *options;
    struct det_ptx_twin *out;
    unsigned shadow_types;                    /* fold functions printed so far */
    bool *need_func, *need_variable, *kernel; /* per function, variable, function */
    uint32_t *variable_slot;
    uint32_t *stack;
    size_t n_stack, n_missing;
};

static bool wanted(const struct build *build, const struct func *func)
{
    if (!func->entry || !func->body)
        return false;
    const struct det_ptx_kernel *kernel = &build->module->kernels[func->kernel];
    if (func->calls_variables)
        return false;
    if (build->options->identity)
        return kernel->cls != DET_CLASS_UNKNOWN && build->module->address64;
    return kernel->cls == DET_CLASS_EXACT;
}

/* Every word of a range that names a function or a variable of the module is needed. */
static void need_words(struct build *build, uint32_t from, uint32_t to)
{
    const struct det_ptx_module *module = build->module;
    for (uint32_t at = det_ptx_skip(module, from); at < to;) {
        const unsigned char c = (unsigned char)module->text[at];
        if (c == '"') {
            at = det_ptx_quoted(module, at);
        } else if (det_ptx_class[c] & CH_IDENT) {
            const uint32_t past = det_ptx_word(module, at);
            const struct symbol *symbol =
                c == '%' ? NULL : det_ptx_symbol(module, module->text + at, past - at);
            if (symbol && symbol->kind == SYM_VARIABLE && !build->need_variable[symbol->index]) {
                build->need_variable[symbol->index] = true;
                build->stack[build->n_stack++] = symbol->index * 2 + 1;
            } else if (symbol && symbol->kind == SYM_FUNC && !build->need_func[symbol->index]) {
                build->need_func[symbol->index] = true;
                build->stack[build->n_stack++] = symbol->index * 2;
            }
            at = past;
        } else {
            at++;
        }
        at = det_ptx_skip(module, at);
    }
}

static void close_needs(struct build *build)
{
    const struct det_ptx_module *module = build->module;
    for (size_t i = 0; i < module->n_funcs; i++) {
        const struct func *func = &module->funcs[i];
        build->kernel[i] = wanted(build, func);
        if (build->kernel[i])
            need_words(build, func->body, func->body_end);
    }
    while (build->n_stack) {
        const uint32_t item = build->stack[--build->n_stack];
        if (item & 1) {
            const struct variable *variable = &module->variables[item / 2];
            if (variable->compiler)
                need_words(build, variable->at, variable->end);
        } else if (module->funcs[item / 2].body) {
            need_words(build, module->funcs[item / 2].body, module->funcs[item / 2].body_end);
        }
    }
}

/* Which variables are addressed in the original, which are copied by the launcher, which simply stay. */
static enum det_err sort_variables(struct build *build)
{
    struct det_ptx_module *module = build->module;
    struct det_ptx_twin *out = build->out;
    out->variables = calloc(module->n_variables + 1, sizeof *out->variables);
    out->const_variables = calloc(module->n_variables + 1, sizeof *out->const_variables);
    if (!out->variables || !out->const_variables)
        return DET_E_NOMEM;
    for (size_t i = 0; i < module->n_variables; i++) {
        const struct variable *variable = &module->variables[i];
        if (!build->need_variable[i] || variable->compiler)
            continue;
        if (variable->space == SPACE_GLOBAL) {
            out->variables[out->n_variables++] = variable->name;
            build->variable_slot[i] = (uint32_t)out->n_variables;
        } else if (variable->space == SPACE_CONST) {
            out->const_variables[out->n_const_variables++] = variable->name;
        }
    }
    return DET_OK;
}

static void add_offset(uint32_t *offsets, size_t *n, uint32_t offset)
{
    for (size_t i = 0; i < *n; i++)
        if (offsets[i] == offset)
            return;
    offsets[(*n)++] = offset;
}

/* Roots as the launcher sees them: bits for plain pointer parameters, byte offsets for all of them. */
static uint64_t parameter_bits(
    const struct analysis *a, uint64_t roots, uint32_t *offsets, size_t *n)
{
    uint64_t bits = roots & (ROOT_UNKNOWN | ROOT_LOADED) ? (uint64_t)1 << 63 : 0;
    for (uint32_t r = 0; r < a->n_roots; r++) {
        if (!(roots >> (ROOT_FIRST + r) & 1) || a->roots[r].variable)
            continue;
        add_offset(offsets, n, a->roots[r].index);
        bool plain = false;
        for (uint32_t p = 0; p < a->func->n_params && p < 63; p++)
            if (a->func->params[p].pointer && a->func->params[p].offset == a->roots[r].index)
                bits |= (uint64_t)1 << p, plain = true;
        if (!plain)
            bits |= (uint64_t)1 << 63;
    }
    return bits;
}

static enum det_err describe(
    struct build *build, struct analysis *a, struct det_ptx_twin_kernel *kernel)
{
    struct verdict v = { 0 };
    struct targets t = { 0 };
    const enum det_err err = det_ptx_judge(&v, a, &t);
    free(v.sites);
    DET_TRY(err);
    kernel->name = a->func->name;
    kernel->table_offset = (a->func->param_bytes + 7u) & ~(size_t)7;
    kernel->shared_ratio = 1;
    kernel->target_offsets = calloc(ROOT_MAX + 1, sizeof(uint32_t));
    kernel->guard_offsets = calloc(ROOT_MAX + 1, sizeof(uint32_t));
    if (!kernel->target_offsets || !kernel->guard_offsets)
        return DET_E_NOMEM;
    if (build->options->identity)
        return DET_OK;
    const unsigned ratio = det_ptx_shared_ratio(&a->shared);
    if (ratio) {
        kernel->shared_extra = DET_PTX_SHARED_SLACK;
        kernel->shared_extra_scales = true;
        kernel->shared_ratio = ratio;
    }
    kernel->target_params =
        parameter_bits(a, t.roots, kernel->target_offsets, &kernel->n_target_offsets);
    kernel->guard_params =
        parameter_bits(a, t.guards, kernel->guard_offsets, &kernel->n_guard_offsets);
    kernel->target_variables = kernel->guard_variables = false;
    for (uint32_t r = 0; r < a->n_roots; r++) {
        if (!a->roots[r].variable)
            continue;
        kernel->target_variables |= (t.roots >> (ROOT_FIRST + r) & 1) != 0;
        kernel->guard_variables |= (t.guards >> (ROOT_FIRST + r) & 1) != 0;
    }
    return DET_OK;
}

static enum det_err print_kernel(struct build *build, struct func *func)
{
    const size_t index = build->out->n_kernels;
    const bool *without = build->options->without;
    struct analysis a;
    enum det_err err = det_ptx_analyse(build->module, func, &a);
    if (err == DET_OK)
        err = describe(build, &a, &build->out->kernels[build->out->n_kernels++]);
    if (err == DET_OK && a.broken)
        err = DET_E_UNSUPPORTED;
    struct rewrite rw = {
        .a = &a, .options = build->options, .variable_slot = build->variable_slot
    };
    const bool left_out = without && without[index];
    if (err == DET_OK && !left_out)
        err = det_ptx_rewrite(&rw);
    if (left_out ||
        err == DET_E_UNSUPPORTED) { /* one kernel must not cost the others their twins */
        build->out->kernels[index].missing = true;
        build->n_missing++;
        err = DET_OK;
    }
    const bool missing = build->out->kernels[index].missing;
    for (unsigned type = 0; type < DET_PTX_OTHER && err == DET_OK; type++) {
        const unsigned bit = 1u << type;
        if (!missing && (rw.shadow_types & ~build->shadow_types & bit))
            err = det_ptx_emit_shadow_function(&build->out->text, (enum det_ptx_type)type);
    }
    build->shadow_types |= missing ? 0 : rw.shadow_types;
    if (err == DET_OK && !missing) {
        det_edits_apply(&rw.edits, build->module->text, func->at, func->end, &build->out->text);
        det_bytes_text(&build->out->text, "\n");
    }
    det_edits_free(&rw.edits);
    det_ptx_analysis_free(&a);
    return err;
}

/* A function that kernels of the twin call: as it stands, without line information. */
static enum det_err print_func(struct build *build, struct func *func)
{
    struct stmts stmts = { 0 };
    struct edits edits = { 0 };
    enum det_err err = DET_OK;
    if (func->body) {
        const struct func keep = *func;
        err = det_ptx_scan_body(build->module, func, &stmts, NULL);
        *func = keep;
        for (size_t i = 0; i < stmts.n; i++)
            if (stmts.at[i].kind == STMT_DIRECTIVE &&
                det_ptx_is(build->module, stmts.at[i].op, stmts.at[i].op_len, ".loc"))
                det_edits_add(&edits, stmts.at[i].at, stmts.at[i].end, "");
    }
    det_edits_apply(&edits, build->module->text, func->at, func->end, &build->out->text);
    det_bytes_text(&build->out->text, "\n");
    if (edits.failed)
        err = DET_E_NOMEM;
    det_edits_free(&edits);
    free(stmts.at);
    return err;
}

static void print_head(struct build *build)
{
    const struct det_ptx_module *module = build->module;
    struct det_bytes *text = &build->out->text;
    det_bytes_append(
        text, module->text + module->version_at, module->version_end - module->version_at);
    if (module->suffix)
        det_bytes_printf(text, "\n.target sm_%u%c\n", module->target, module->suffix);
    else
        det_bytes_printf(text, "\n.target sm_%u\n", module->target);
    det_bytes_append(
        text, module->text + module->address_at, module->address_end - module->address_at);
    det_bytes_text(text, "\n");
}

/* Is any function of this name needed? Declarations and the definition go together. */
static bool func_needed(const struct build *build, const struct func *func)
{
    const struct symbol *symbol = det_ptx_symbol(build->module, func->name, strlen(func->name));
    return symbol && symbol->kind == SYM_FUNC && build->need_func[symbol->index] && !func->entry;
}

static enum det_err print_all(struct build *build)
{
    struct det_ptx_module *module = build->module;
    const bool beside = build->options->beside;
    if (!beside)
        print_head(build);
    size_t v = 0;
    for (size_t f = 0; f <= module->n_funcs; f++) {
        const uint32_t until = f < module->n_funcs ? module->funcs[f].at : module->n_bytes;
        for (; v < module->n_variables && module->variables[v].at < until; v++) {
            const struct variable *variable = &module->variables[v];
            if (beside || !build->need_variable[v] || build->variable_slot[v])
                continue;
            det_bytes_append(
                &build->out->text, module->text + variable->at, variable->end - variable->at);
            det_bytes_text(&build->out->text, "\n");
        }
        if (f == module->n_funcs)
            break;
        if (build->kernel[f])
            DET_TRY(print_kernel(build, &module->funcs[f]));
        else if (!beside && func_needed(build, &module->funcs[f]))
            DET_TRY(print_func(build, &module->funcs[f]));
    }
    return det_bytes_check(&build->out->text);
}

static enum det_err run(struct build *build)
{
    struct det_ptx_module *module = build->module;
    const size_t n_funcs = module->n_funcs + 1, n_variables = module->n_variables + 1;
    build->need_func = calloc(n_funcs, sizeof *build->need_func);
    build->kernel = calloc(n_funcs, sizeof *build->kernel);
    build->need_variable = calloc(n_variables, sizeof *build->need_variable);
    build->variable_slot = calloc(n_variables, sizeof *build->variable_slot);
    build->stack = calloc(n_funcs + n_variables, sizeof *build->stack);
    if (!build->need_func || !build->kernel || !build->need_variable || !build->variable_slot ||
        !build->stack)
        return DET_E_NOMEM;
    close_needs(build);
    size_t n_kernels = 0;
    for (size_t i = 0; i < module->n_funcs; i++)
        n_kernels += build->kernel[i];
    if (!n_kernels)
        return DET_E_NOT_FOUND;
    build->out->kernels = calloc(n_kernels, sizeof *build->out->kernels);
    if (!build->out->kernels)
        return DET_E_NOMEM;
    DET_TRY(sort_variables(build));
    DET_TRY(print_all(build));
    return build->n_missing == n_kernels ? DET_E_UNSUPPORTED : DET_OK;
}

enum det_err det_ptx_make_twin(const struct det_ptx_module *module,
    const struct det_ptx_twin_options *options, struct det_ptx_twin *out)
{
    *out = (struct det_ptx_twin){ 0 };
    /* analysing takes memory from the module's arena; nothing a reader of the module sees changes */
    struct build build = {
        .module = (struct det_ptx_module *)(uintptr_t)module, .options = options, .out = out
    };
    const enum det_err err = run(&build);
    free(build.need_func);
    free(build.kernel);
    free(build.need_variable);
    free(build.variable_slot);
    free(build.stack);
    if (err != DET_OK)
        det_ptx_twin_free(out);
    return err;
}

void det_ptx_twin_free(struct det_ptx_twin *twin)
{
    for (size_t i = 0; i < twin->n_kernels; i++) {
        free(twin->kernels[i].target_offsets);
        free(twin->kernels[i].guard_offsets);
    }
    det_bytes_free(&twin->text);
    free(twin->kernels);
    free(twin->variables);
    free(twin->const_variables);
    *twin = (struct det_ptx_twin){ 0 };
}
