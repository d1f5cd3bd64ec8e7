/* Verdicts per kernel: what is order-dependent in it and whether a twin removes it. Bodies without anything remarkable are
 * decided by the scan's summary alone; the rest is analysed and judged (judge.c) together with the functions it calls. */
#include "shim/ptx/verdict.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Reads or writes global memory that is not provably constant? */
static void summarise_memory(const struct analysis *a, struct verdict *v)
{
    for (uint32_t i = 0; i < a->n_accesses; i++) {
        const struct access *access = &a->accesses[i];
        uint64_t roots = access->roots & ~(uint64_t)(ROOT_SHARED | ROOT_CLUSTER | ROOT_LOCAL |
                                                     ROOT_CONST | ROOT_BARRIER);
        for (uint32_t r = 0; r < a->n_roots; r++)
            if (a->roots[r].variable && a->module->variables[a->roots[r].index].compiler)
                roots &= ~((uint64_t)1 << (ROOT_FIRST + r));
        if (!roots || access->proven)
            continue;
        v->reads |= access->kind == ACC_LOAD;
        v->writes |= access->kind != ACC_LOAD;
        v->adds |= access->kind == ACC_ADD;
    }
}

/* A twin addresses variables of the original module from the kernel's own body only. */
static bool host_variable(const struct variable *variable)
{
    return variable->space == SPACE_GLOBAL && !variable->compiler;
}

static void summarise_names(const struct analysis *a, struct verdict *v)
{
    for (uint32_t i = 0; i < a->n_refs; i++) {
        const struct ref *ref = &a->refs[i];
        const struct symbol *symbol =
            ref->kind == REF_SYMBOL ? det_ptx_symbol(a->module, a->module->text + ref->at, ref->len)
                                    : NULL;
        v->variables |= symbol && symbol->kind == SYM_VARIABLE &&
                        host_variable(&a->module->variables[symbol->index]);
    }
    for (uint32_t i = 0; i < a->n_insts; i++)
        v->exits |= stmt_of(a, i)->id == OP_EXIT;
}

/* --- calls */
static bool device_launch(const char *name)
{
    return strncmp(name, "__cudaCDP", 9) == 0 || strncmp(name, "cudaLaunchDevice", 16) == 0 ||
           strncmp(name, "cudaGetParameterBuffer", 22) == 0 || strncmp(name, "cudaGraph", 9) == 0 ||
           strncmp(name, "cudaDeviceSynchronize", 21) == 0;
}

static bool harmless_external(const char *name)
{
    return strcmp(name, "vprintf") == 0 || strcmp(name, "__assertfail") == 0 ||
           strcmp(name, "malloc") == 0 || strcmp(name, "free") == 0;
}

int det_ptx_callee(const struct analysis *a, uint32_t inst, bool *indirect)
{
    *indirect = false;
    for (uint32_t r = 0; r < a->insts[inst].n_refs; r++) {
        const struct ref *ref = &a->refs[a->insts[inst].ref + r];
        if (ref->slot > 1)
            break;
        if (ref->kind == REF_REG)
            *indirect = true;
        if (ref->kind != REF_SYMBOL)
            continue;
        const struct symbol *symbol =
            det_ptx_symbol(a->module, a->module->text + ref->at, ref->len);
        if (symbol && symbol->kind == SYM_FUNC)
            return (int)symbol->index;
        if (symbol && symbol->kind == SYM_ALIAS)
            *indirect = true;
    }
    *indirect = true; /* a name this module does not have */
    return -1;
}

static enum det_err judge_calls(
    struct verdict *v, struct analysis *a, const struct targets *t, unsigned depth);

/* What a called function is, worked out once and kept. */
static enum det_err summary_of(
    struct det_ptx_module *module, struct func *func, unsigned depth, const struct verdict **out)
{
    if (!func->verdict) {
        func->verdict = det_arena_take(&module->arena, sizeof *func->verdict);
        if (!func->verdict)
            return DET_E_NOMEM;
        struct verdict *v = func->verdict;
        v->opaque = "recursive call"; /* what a call back into this function sees */
        v->opaque_at = func->at;
        struct verdict fresh = { 0 };
        struct analysis a;
        struct targets t = { 0 };
        enum det_err err = det_ptx_analyse(module, func, &a);
        if (err == DET_OK)
            err = det_ptx_judge(&fresh, &a, &t);
        if (err == DET_OK && !a.broken) {
            summarise_memory(&a, &fresh);
            summarise_names(&a, &fresh);
            err = judge_calls(&fresh, &a, &t, depth + 1);
        }
        det_ptx_analysis_free(&a);
        free(fresh.sites);
        fresh.sites = NULL;
        fresh.n_sites = fresh.cap_sites = 0;
        *v = fresh;
        DET_TRY(err);
    }
    *out = func->verdict;
    return DET_OK;
}

static void take_over(struct verdict *v, const struct verdict *from)
{
    if (from->opaque && !v->opaque)
        v->opaque = from->opaque, v->opaque_at = from->opaque_at;
    if (from->stays && !v->stays)
        v->stays = from->stays, v->stays_at = from->stays_at;
    v->cooperative |= from->cooperative;
    v->reads |= from->reads;
    v->writes |= from->writes;
    v->adds |= from->adds;
    v->exits |= from->exits;
    v->variables |= from->variables;
}

static enum det_err judge_call(
    struct verdict *v, struct analysis *a, const struct targets *t, uint32_t inst, unsigned depth)
{
    bool indirect;
    const int callee = det_ptx_callee(a, inst, &indirect);
    if (callee < 0)
        return det_ptx_site(v, a, inst, indirect ? HAZARD_INDIRECT : HAZARD_EXTERNAL, NULL);
    struct func *func = &a->module->funcs[callee];
    if (func == a->func)
        return DET_OK; /* what it does is said by the rest of its body */
    if (device_launch(func->name))
        return det_ptx_site(v, a, inst, HAZARD_CHILD_LAUNCH, NULL);
    if (!func->body)
        return harmless_external(func->name) ? DET_OK
                                             : det_ptx_site(v, a, inst, HAZARD_EXTERNAL, NULL);
    if (depth > 48)
        return det_ptx_site(v, a, inst, HAZARD_EXTERNAL, NULL);
    const struct verdict *sub;
    DET_TRY(summary_of(a->module, func, depth, &sub));
    take_over(v, sub);
    if (sub->adds)
        DET_TRY(det_ptx_site(v, a, inst, HAZARD_IN_FUNCTION, NULL));
    if (v->rewrites && sub->variables)
        DET_TRY(det_ptx_site(v, a, inst, HAZARD_FUNCTION_VARIABLE, NULL));
    if (t->n && sub->exits)
        DET_TRY(det_ptx_site(v, a, inst, HAZARD_EXIT_IN_FUNCTION, NULL));
    if (t->n && sub->writes)
        DET_TRY(det_ptx_site(v, a, inst, HAZARD_STORE_UNPROVEN, NULL));
    else if (t->n && sub->reads && det_ptx_after_add(a, t, inst))
        DET_TRY(det_ptx_site(v, a, inst, HAZARD_READ_UNPROVEN, NULL));
    return DET_OK;
}

static enum det_err judge_calls(
    struct verdict *v, struct analysis *a, const struct targets *t, unsigned depth)
{
    for (uint32_t i = 0; i < a->n_insts; i++)
        if (stmt_of(a, i)->id == OP_CALL)
            DET_TRY(judge_call(v, a, t, i, depth));
    return DET_OK;
}

/* --- the kernel */
static int by_position(const void *x, const void *y)
{
    const struct det_ptx_site *p = x, *q = y;
    return p->line < q->line ? -1 : p->line > q->line;
}

/* Sites carried text positions so far: sort them, turn them into lines in one walk. */
static enum det_err settle_sites(struct det_ptx_module *module, struct func *func,
    struct verdict *v, struct det_ptx_kernel *kernel)
{
    if (!v->n_sites)
        return DET_OK;
    qsort(v->sites, v->n_sites, sizeof *v->sites, by_position);
    struct det_ptx_site *sites = det_arena_take(&module->arena, v->n_sites * sizeof *sites);
    if (!sites)
        return DET_E_NOMEM;
    memcpy(sites, v->sites, v->n_sites * sizeof *sites);
    unsigned line = det_ptx_line(module, func->at);
    uint32_t at = func->at;
    for (size_t i = 0; i < v->n_sites; i++) {
        for (; at < sites[i].line; at++)
            line += module->text[at] == '\n';
        sites[i].line = line;
        if (kernel->cls != DET_CLASS_EXACT && sites[i].rewritten) {
            sites[i].rewritten = false;
            sites[i].reason = kernel->reason;
        }
    }
    kernel->sites = sites;
    kernel->n_sites = v->n_sites;
    return DET_OK;
}

static const char *reason_text(struct det_ptx_module *module, const char *sentence, uint32_t at)
{
    const size_t n_bytes = strlen(sentence) + 32;
    char *text = det_arena_take(&module->arena, n_bytes);
    if (!text)
        return sentence;
    snprintf(text, n_bytes, "%s, line %u", sentence, det_ptx_line(module, at));
    return text;
}

/* The driver's limit on kernel parameters; ours is 8 bytes more than the original's. */
static bool room_for_parameter(const struct det_ptx_module *module, const struct func *func)
{
    const uint32_t limit = module->version >= 81 && module->target >= 70 ? 32764 : 4096;
    return ((func->param_bytes + 7u) & ~7u) + 8u <= limit;
}

static void settle(struct det_ptx_module *module, const struct func *func, struct verdict *v,
    struct det_ptx_kernel *kernel)
{
    if (v->rewrites && !v->stays && !room_for_parameter(module, func))
        v->stays = det_ptx_hazards[HAZARD_PARAM_SPACE].sentence, v->stays_at = func->at;
    if (v->rewrites && !v->stays && !module->address64)
        v->stays = "32-bit addresses", v->stays_at = func->at;
    kernel->cooperative = v->cooperative;
    if (v->opaque) {
        kernel->cls = DET_CLASS_UNKNOWN;
        kernel->reason = reason_text(module, v->opaque, v->opaque_at);
    } else if (v->stays) {
        kernel->cls = DET_CLASS_UNCOVERED;
        kernel->reason = reason_text(module, v->stays, v->stays_at);
    } else {
        kernel->cls = v->rewrites ? DET_CLASS_EXACT : DET_CLASS_ORDERED;
    }
}

static enum det_err classify_kernel(
    struct det_ptx_module *module, struct func *func, struct det_ptx_kernel *kernel)
{
    if (!(func->flags & (FUNC_ATTENTION | FUNC_OPAQUE)))
        return DET_OK;
    struct verdict v = { 0 };
    struct targets t = { 0 };
    struct analysis a;
    enum det_err err = det_ptx_analyse(module, func, &a);
    if (err == DET_OK)
        err = det_ptx_judge(&v, &a, &t);
    if (err == DET_OK && !a.broken)
        err = judge_calls(&v, &a, &t, 0);
    if (err == DET_OK) {
        func->calls_variables = v.variables;
        settle(module, func, &v, kernel);
        err = settle_sites(module, func, &v, kernel);
    }
    det_ptx_analysis_free(&a);
    free(v.sites);
    return err;
}

enum det_err det_ptx_classify(struct det_ptx_module *module)
{
    size_t n = 0;
    for (size_t i = 0; i < module->n_funcs; i++)
        n += module->funcs[i].entry && module->funcs[i].body;
    module->kernels = det_arena_take(&module->arena, n * sizeof *module->kernels);
    if (!module->kernels)
        return DET_E_NOMEM;
    for (size_t i = 0; i < module->n_funcs; i++) {
        struct func *func = &module->funcs[i];
        if (!func->entry || !func->body)
            continue;
        func->kernel = (uint32_t)module->n_kernels;
        struct det_ptx_kernel *kernel = &module->kernels[module->n_kernels++];
        *kernel = (struct det_ptx_kernel){ .name = func->name,
            .cls = DET_CLASS_ORDERED,
            .reason = "",
            .n_params = func->n_params,
            .param_bytes = func->param_bytes,
            .shared_bytes = func->shared_bytes,
            .n_instructions = func->n_instructions };
        uint32_t *const layout =
            det_arena_take(&module->arena, (2 * (size_t)func->n_params + 1) * sizeof *layout);
        if (!layout)
            return DET_E_NOMEM;
        for (uint32_t p = 0; p < func->n_params; p++) {
            layout[p] = func->params[p].offset;
            layout[func->n_params + p] = func->params[p].n_bytes;
        }
        kernel->param_offsets = layout;
        kernel->param_sizes = layout + func->n_params;
        DET_TRY(classify_kernel(module, func, kernel));
    }
    return DET_OK;
}
