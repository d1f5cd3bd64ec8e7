/* Module level: directives, variables, functions. Bodies are scanned for their summary only (body.c). */
#include "shim/ptx/parts.h"

#include <stdlib.h>
#include <string.h>

enum det_err det_ptx_fail(
    const struct det_ptx_module *module, uint32_t at, const char *text, struct det_ptx_where *where)
{
    if (where) {
        where->line = det_ptx_line(module, at);
        const size_t n =
            strlen(text) < sizeof where->text - 1 ? strlen(text) : sizeof where->text - 1;
        memcpy(where->text, text, n);
        where->text[n] = '\0';
    }
    return DET_E_SYNTAX;
}

static void *grow(void *array, size_t *cap, size_t n, size_t elem)
{
    if (n < *cap)
        return array;
    const size_t more = *cap ? *cap * 2 : 16;
    void *grown = realloc(array, more * elem);
    if (grown) {
        memset((char *)grown + *cap * elem, 0, (more - *cap) * elem);
        *cap = more;
    }
    return grown;
}

static uint32_t name_hash(const char *name, size_t len)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)name[i]) * 16777619u;
    return hash;
}

const struct symbol *det_ptx_symbol(
    const struct det_ptx_module *module, const char *name, size_t len)
{
    if (!module->cap_symbols)
        return NULL;
    const size_t mask = module->cap_symbols - 1;
    for (size_t slot = name_hash(name, len) & mask;; slot = (slot + 1) & mask) {
        const struct symbol *symbol = &module->symbols[slot];
        if (!symbol->kind)
            return NULL;
        if (symbol->len == len && memcmp(module->text + symbol->at, name, len) == 0)
            return symbol;
    }
}

bool det_ptx_symbol_add(
    struct det_ptx_module *module, uint32_t at, uint32_t len, enum symbol_kind kind, uint32_t index)
{
    if (module->n_symbols * 2 >= module->cap_symbols) {
        const size_t cap = module->cap_symbols ? module->cap_symbols * 2 : 64;
        struct symbol *old = module->symbols;
        const size_t n_old = module->cap_symbols;
        struct symbol *fresh = calloc(cap, sizeof *fresh);
        if (!fresh)
            return false;
        module->symbols = fresh;
        module->cap_symbols = cap;
        for (size_t i = 0; i < n_old; i++) {
            if (!old[i].kind)
                continue;
            size_t slot = name_hash(module->text + old[i].at, old[i].len) & (cap - 1);
            while (fresh[slot].kind)
                slot = (slot + 1) & (cap - 1);
            fresh[slot] = old[i];
        }
        free(old);
    }
    size_t slot = name_hash(module->text + at, len) & (module->cap_symbols - 1);
    while (module->symbols[slot].kind) {
        struct symbol *have = &module->symbols[slot];
        if (have->len == len && memcmp(module->text + have->at, module->text + at, len) == 0) {
            have->kind = kind; /* a definition after its declaration wins */
            have->index = index;
            return true;
        }
        slot = (slot + 1) & (module->cap_symbols - 1);
    }
    module->symbols[slot] = (struct symbol){ .at = at, .len = len, .kind = kind, .index = index };
    module->n_symbols++;
    return true;
}

/* `{ … }` of a section or an initialiser, from its '{' to just after its '}'. */
static enum det_err braces(struct det_ptx_module *module, uint32_t *at, struct det_ptx_where *where)
{
    const char *text = module->text;
    const uint32_t from = *at;
    unsigned depth = 0;
    for (uint32_t i = from; i < module->n_bytes;) {
        if (text[i] == '"') {
            i = det_ptx_quoted(module, i);
        } else if (text[i] == '/') {
            const uint32_t past = det_ptx_skip(module, i);
            i = past == i ? i + 1 : past;
        } else {
            if (text[i] == '{')
                depth++;
            else if (text[i] == '}' && --depth == 0) {
                *at = i + 1;
                return DET_OK;
            }
            i++;
        }
    }
    return det_ptx_fail(module, from, "'{' without '}'", where);
}

/* `.version 8.8`, `.target sm_90a, debug`, `.address_size 64`, `.file …`: one line each. */
static void line_directive(struct det_ptx_module *module, uint32_t at, uint32_t word_end)
{
    const char *text = module->text;
    uint32_t arg = word_end;
    while (text[arg] == ' ' || text[arg] == '\t')
        arg++;
    const uint32_t end = det_ptx_line_end(module, word_end);
    if (det_ptx_is(module, at, word_end - at, ".version")) {
        unsigned major = 0, minor = 0;
        for (; text[arg] >= '0' && text[arg] <= '9' && major < 1000; arg++)
            major = major * 10 + (unsigned)(text[arg] - '0');
        if (text[arg] == '.')
            for (arg++; text[arg] >= '0' && text[arg] <= '9' && minor < 1000; arg++)
                minor = minor * 10 + (unsigned)(text[arg] - '0');
        module->version = major * 10 + minor;
        module->version_at = at, module->version_end = end;
    } else if (det_ptx_is(module, at, word_end - at, ".target")) {
        module->target_at = at, module->target_end = end;
        for (; arg < end; arg++) {
            if (memcmp(text + arg, "sm_", 3) != 0)
                continue;
            unsigned target = 0;
            for (arg += 3; text[arg] >= '0' && text[arg] <= '9' && target < 10000; arg++)
                target = target * 10 + (unsigned)(text[arg] - '0');
            module->target = target;
            module->suffix = '\0';
            if (text[arg] == 'a' || text[arg] == 'f')
                module->suffix = text[arg];
            break;
        }
        module->linked_debug = memmem(text + at, end - at, "debug", 5) != NULL;
    } else if (det_ptx_is(module, at, word_end - at, ".address_size")) {
        module->address64 = text[arg] == '6';
        module->address_at = at, module->address_end = end;
    }
}

static bool is_line_directive(const struct det_ptx_module *module, uint32_t at, uint32_t len)
{
    return det_ptx_is(module, at, len, ".version") || det_ptx_is(module, at, len, ".target") ||
           det_ptx_is(module, at, len, ".address_size") || det_ptx_is(module, at, len, ".file") ||
           det_ptx_is(module, at, len, ".loc");
}

/* What the words of a module-level statement said before its name. */
struct head {
    bool entry, func, external, space_set;
    enum space space;
};

static void head_word(
    const struct det_ptx_module *module, uint32_t at, uint32_t len, struct head *head)
{
    static const struct {
        const char *word;
        enum space space;
    } spaces[] = { { ".global", SPACE_GLOBAL }, { ".const", SPACE_CONST },
        { ".shared", SPACE_SHARED }, { ".local", SPACE_LOCAL }, { ".tex", SPACE_TEX },
        { ".texref", SPACE_TEX }, { ".surfref", SPACE_TEX }, { ".samplerref", SPACE_TEX } };
    head->entry |= det_ptx_is(module, at, len, ".entry");
    head->func |= det_ptx_is(module, at, len, ".func");
    head->external |= det_ptx_is(module, at, len, ".extern");
    for (size_t i = 0; i < sizeof spaces / sizeof *spaces; i++) {
        if (det_ptx_is(module, at, len, spaces[i].word)) {
            head->space = spaces[i].space;
            head->space_set = true;
        }
    }
}

/* '(' at `at` to just after its ')'. */
static enum det_err parens(struct det_ptx_module *module, uint32_t *at, struct det_ptx_where *where)
{
    for (uint32_t i = *at + 1; i < module->n_bytes; i++) {
        const char c = module->text[i];
        if (c == ')') {
            *at = i + 1;
            return DET_OK;
        }
        if (c == '(' || c == '{' || c == '}' || c == ';')
            break;
    }
    return det_ptx_fail(module, *at, "'(' without ')'", where);
}

/* Names no host code can look up: the compiler made them. */
static bool compiler_name(const char *name)
{
    return name[0] == '$' || strncmp(name, "__unnamed_", 10) == 0 ||
           strncmp(name, "__cudart_", 9) == 0 || strncmp(name, "__internal_", 11) == 0 ||
           strncmp(name, "vprintfBuffer", 13) == 0;
}

static enum det_err add_variable(struct det_ptx_module *module, uint32_t at, uint32_t end,
    uint32_t head_end, const struct head *head, bool init)
{
    struct decl decl;
    if (!det_ptx_decl(module, at, head_end, &decl))
        return DET_OK; /* not a form we know; using its name is opaque, keeping its text is not */
    void *grown = grow(
        module->variables, &module->cap_variables, module->n_variables, sizeof *module->variables);
    if (!grown)
        return DET_E_NOMEM;
    module->variables = grown;
    struct variable *variable = &module->variables[module->n_variables];
    *variable = (struct variable){ .at = at,
        .end = end,
        .n_bytes = decl.n_elems * decl.elem_bytes,
        .space = head->space,
        .external = head->external,
        .initialised = init };
    variable->name = det_arena_text(&module->arena, module->text + decl.name, decl.name_len);
    if (!variable->name)
        return DET_E_NOMEM;
    variable->compiler = compiler_name(variable->name);
    if (!det_ptx_symbol_add(
            module, decl.name, decl.name_len, SYM_VARIABLE, (uint32_t)module->n_variables))
        return DET_E_NOMEM;
    module->n_variables++;
    return DET_OK;
}

static enum det_err add_func(struct det_ptx_module *module, struct func *func, uint32_t name,
    uint32_t *at, struct det_ptx_where *where)
{
    if (func->name_end == name)
        return det_ptx_fail(module, *at, "function without a name", where);
    void *grown = grow(module->funcs, &module->cap_funcs, module->n_funcs, sizeof *module->funcs);
    if (!grown)
        return DET_E_NOMEM;
    module->funcs = grown;
    func->name = det_arena_text(&module->arena, module->text + name, func->name_end - name);
    if (!func->name)
        return DET_E_NOMEM;
    const enum det_err err = det_ptx_params(module, func);
    if (err != DET_OK)
        return err == DET_E_SYNTAX ? det_ptx_fail(module, func->at, "parameter list", where) : err;
    if (func->body) {
        DET_TRY(det_ptx_scan_body(module, func, NULL, where));
        *at = func->end = func->body_end + 1;
    }
    const struct symbol *have = det_ptx_symbol(module, func->name, func->name_end - name);
    const bool defined = have && have->kind == SYM_FUNC && module->funcs[have->index].body;
    if (!defined && !det_ptx_symbol_add(
                        module, name, func->name_end - name, SYM_FUNC, (uint32_t)module->n_funcs))
        return DET_E_NOMEM;
    module->funcs[module->n_funcs++] = *func;
    return DET_OK;
}

/* Past the values behind '=', up to the ';' of the declaration. */
static enum det_err initialiser(
    struct det_ptx_module *module, uint32_t *pos, struct det_ptx_where *where)
{
    const char *text = module->text;
    uint32_t at = det_ptx_skip(module, *pos);
    while (at < module->n_bytes && text[at] != ';') {
        if (text[at] == '{')
            DET_TRY(braces(module, &at, where));
        else
            at = text[at] == '"' ? det_ptx_quoted(module, at) : at + 1;
        at = det_ptx_skip(module, at);
    }
    *pos = at;
    return DET_OK;
}

/* `.visible .entry f ( … ) .maxntid 256 {` or `.global .align 4 .u32 x[3] = { … };` */
static enum det_err statement(
    struct det_ptx_module *module, uint32_t *pos, struct det_ptx_where *where)
{
    const char *text = module->text;
    const uint32_t from = *pos;
    uint32_t at = from, name = 0, head_end = 0;
    struct head head = { 0 };
    struct func func = { .at = from };
    for (;;) {
        at = det_ptx_skip(module, at);
        if (at >= module->n_bytes)
            return det_ptx_fail(module, from, "statement without ';'", where);
        const char c = text[at];
        if (c == ';') {
            *pos = func.end = at + 1;
            break;
        }
        if (c == '.') {
            const uint32_t past = det_ptx_word(module, at + 1);
            head_word(module, at, past - at, &head);
            at = past;
        } else if (c == '(') {
            const uint32_t open = at;
            DET_TRY(parens(module, &at, where));
            if (func.name_end)
                func.params_at = open + 1, func.params_end = at - 1;
            else if (head.func)
                func.rets_at = open + 1, func.rets_end = at - 1;
        } else if (c == '"') {
            at = det_ptx_quoted(module, at);
        } else if (c == '{') {
            if (!head.entry && !head.func)
                return det_ptx_fail(module, at, "'{' outside a function", where);
            func.body = at + 1;
            break;
        } else if (c == '=') {
            head_end = at++;
            DET_TRY(initialiser(module, &at, where));
        } else if (det_ptx_class[(unsigned char)c] & CH_IDENT) {
            const uint32_t past = det_ptx_word(module, at);
            if ((head.entry || head.func) && !func.name_end)
                name = at, func.name_end = past;
            at = past;
        } else if (c == '}') {
            return det_ptx_fail(module, at, "'}' outside a function", where);
        } else {
            at++;
        }
    }
    if (head.entry || head.func) {
        func.entry = head.entry;
        func.external = head.external;
        return add_func(module, &func, name, pos, where);
    }
    if (head.space_set)
        return add_variable(
            module, from, *pos, head_end ? head_end : *pos - 1, &head, head_end != 0);
    return DET_OK;
}

static enum det_err alias(
    struct det_ptx_module *module, uint32_t *pos, uint32_t word_end, struct det_ptx_where *where)
{
    const uint32_t name = det_ptx_skip(module, word_end);
    const uint32_t len = det_ptx_word(module, name) - name;
    if (len && !det_ptx_symbol_add(module, name, len, SYM_ALIAS, 0))
        return DET_E_NOMEM;
    const char *semicolon = memchr(module->text + word_end, ';', module->n_bytes - word_end);
    if (!semicolon)
        return det_ptx_fail(module, *pos, "alias without ';'", where);
    *pos = (uint32_t)(semicolon - module->text) + 1;
    return DET_OK;
}

static enum det_err module_level(struct det_ptx_module *module, struct det_ptx_where *where)
{
    const char *text = module->text;
    for (uint32_t at = det_ptx_skip(module, 0); at < module->n_bytes;
         at = det_ptx_skip(module, at)) {
        if (text[at] == ';') {
            at++;
            continue;
        }
        if (text[at] == '@' && text[at + 1] == '@') {
            at = det_ptx_line_end(module, at);
            continue;
        }
        if (text[at] != '.')
            return det_ptx_fail(module, at, "not a module-level directive", where);
        const uint32_t word_end = det_ptx_word(module, at + 1);
        if (is_line_directive(module, at, word_end - at)) {
            line_directive(module, at, word_end);
            at = det_ptx_line_end(module, word_end);
        } else if (det_ptx_is(module, at, word_end - at, ".section")) {
            const char *open = memchr(text + word_end, '{', module->n_bytes - word_end);
            if (!open)
                return det_ptx_fail(module, at, "section without '{'", where);
            at = (uint32_t)(open - text);
            DET_TRY(braces(module, &at, where));
        } else if (det_ptx_is(module, at, word_end - at, ".alias")) {
            DET_TRY(alias(module, &at, word_end, where));
        } else {
            DET_TRY(statement(module, &at, where));
        }
    }
    return DET_OK;
}

enum det_err det_ptx_parse(
    const char *text, size_t n_bytes, struct det_ptx_module **out, struct det_ptx_where *where)
{
    *out = NULL;
    if (where)
        *where = (struct det_ptx_where){ 0 };
    if (n_bytes > 0x7fffffff)
        return DET_E_LIMIT;
    struct det_ptx_module *module = calloc(1, sizeof *module);
    if (!module)
        return DET_E_NOMEM;
    /* Eight bytes of NUL so that fixed look-ahead never leaves the copy. */
    module->text = calloc(1, n_bytes + 24);
    enum det_err err = module->text ? DET_OK : DET_E_NOMEM;
    if (err == DET_OK) {
        memcpy(module->text, text, n_bytes);
        module->n_bytes = (uint32_t)n_bytes;
        det_ptx_op_init(module);
        err = module_level(module, where);
    }
    if (err == DET_OK && !module->version_end)
        err = det_ptx_fail(module, 0, "no .version", where);
    if (err == DET_OK && !module->target)
        err = det_ptx_fail(module, 0, "no .target sm_NN", where);
    if (err == DET_OK)
        err = det_ptx_classify(module);
    if (err != DET_OK) {
        det_ptx_free(module);
        return err;
    }
    *out = module;
    return DET_OK;
}

void det_ptx_free(struct det_ptx_module *module)
{
    if (!module)
        return;
    det_arena_free(&module->arena);
    free(module->text);
    free(module->funcs);
    free(module->variables);
    free(module->symbols);
    free(module->scratch.at);
    free(module);
}

enum det_err det_ptx_print(const struct det_ptx_module *module, struct det_bytes *out)
{
    det_bytes_append(out, module->text, module->n_bytes);
    return det_bytes_check(out);
}

unsigned det_ptx_version(const struct det_ptx_module *module)
{
    return module->version;
}

unsigned det_ptx_target(const struct det_ptx_module *module, char *suffix)
{
    if (suffix)
        *suffix = module->suffix;
    return module->target;
}

size_t det_ptx_n_kernels(const struct det_ptx_module *module)
{
    return module->n_kernels;
}

const struct det_ptx_kernel *det_ptx_kernel(const struct det_ptx_module *module, size_t i)
{
    return i < module->n_kernels ? &module->kernels[i] : NULL;
}

const struct det_ptx_kernel *det_ptx_kernel_named(
    const struct det_ptx_module *module, const char *name)
{
    const struct symbol *symbol = det_ptx_symbol(module, name, strlen(name));
    if (!symbol || symbol->kind != SYM_FUNC)
        return NULL;
    const struct func *func = &module->funcs[symbol->index];
    return func->entry && func->body ? &module->kernels[func->kernel] : NULL;
}
