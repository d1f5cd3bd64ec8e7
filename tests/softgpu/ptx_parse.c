/* PTX at module level: directives, variables with initialisers, functions and their parameter lists. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/softgpu/ptx_ir.h"

static size_t align_up(size_t n, size_t align)
{
    return (n + align - 1) / align * align;
}

struct ptx_symbol *ptx_local_add(struct ptx_parser *parser, const char *name, unsigned n)
{
    struct ptx_symbol *s = ptx_alloc(parser->module, sizeof *s);
    s->name = name;
    s->name_len = n;
    parser->local =
        ptx_grow(parser, parser->local, parser->n_local, &parser->cap_local, sizeof *parser->local);
    parser->local[parser->n_local++] = s;
    return s;
}

/* --- one declarator: `.align 8 .v2 .b32 name[4][2]` --- */
struct declarator {
    enum ptx_type type;
    size_t align, count;
    bool open_array, is_reg;
    struct ptx_word name;
};

static uint64_t small_number(struct ptx_parser *parser)
{
    enum ptx_imm_kind kind;
    const uint64_t n = ptx_number(parser, &kind);
    if (n > 1u << 31)
        ptx_fail(parser, "number out of range before");
    return n;
}

static void declarator_words(struct ptx_parser *parser, struct declarator *d)
{
    unsigned vec = 1;
    bool pointer = false; /* `.ptr .align 1`: what it points to, not the parameter */
    while (parser->token.kind == TK_DOT) {
        const struct ptx_token t = parser->token;
        const enum ptx_type type = ptx_type_named(t.at, t.n);
        ptx_next(parser);
        if (type != PT_NONE)
            d->type = type;
        else if (ptx_word_is((struct ptx_word){ t.at, t.n }, "align"))
            d->align = pointer ? (small_number(parser), d->align) : small_number(parser);
        else if (ptx_word_is((struct ptx_word){ t.at, t.n }, "ptr"))
            pointer = true;
        else if (ptx_word_is((struct ptx_word){ t.at, t.n }, "v2"))
            vec = 2;
        else if (ptx_word_is((struct ptx_word){ t.at, t.n }, "v4"))
            vec = 4;
        else if (ptx_word_is((struct ptx_word){ t.at, t.n }, "reg"))
            d->is_reg = true;
        else if (ptx_word_is((struct ptx_word){ t.at, t.n }, "attribute") && ptx_is(parser, '('))
            while (!ptx_take(parser, ')') && parser->token.kind != TK_END)
                ptx_next(parser);
        /* .param, .ptr, .global, .const, .shared, .local, .surfref ... : no effect on the layout */
    }
    if (d->align == 0)
        d->align = ptx_type_bytes(d->type) * vec;
    d->count *= vec;
}

static void declarator_name(struct ptx_parser *parser, struct declarator *d)
{
    if (parser->token.kind != TK_WORD)
        ptx_fail(parser, "name expected");
    if (d->type == PT_NONE)
        ptx_fail(parser, "type expected before");
    d->name = (struct ptx_word){ parser->token.at, parser->token.n };
    ptx_next(parser);
    while (ptx_take(parser, '[')) {
        if (ptx_is(parser, ']')) {
            d->open_array = true;
        } else {
            d->count *= small_number(parser);
            if (d->count > (size_t)1 << 34)
                ptx_fail(parser, "array too large");
        }
        ptx_expect(parser, ']');
    }
    if (d->align == 0 || (d->align & (d->align - 1)) != 0 || d->align > 1u << 20)
        ptx_fail(parser, "bad alignment");
}

/* --- initialisers --- */
static void symbol_value(struct ptx_parser *parser, unsigned char *at, size_t bytes, unsigned shift)
{
    struct ptx_fixup *f = ptx_alloc(parser->module, sizeof *f);
    f->name = (struct ptx_word){ parser->token.at, parser->token.n };
    ptx_next(parser);
    if (ptx_word_is(f->name, "generic") && ptx_take(parser, '(')) {
        f->generic = true;
        f->name = (struct ptx_word){ parser->token.at, parser->token.n };
        ptx_next(parser);
        ptx_expect(parser, ')');
    }
    while (ptx_is(parser, '+') || ptx_is(parser, '-')) {
        const bool minus = ptx_take(parser, '-');
        if (!minus)
            ptx_expect(parser, '+');
        const int64_t n = (int64_t)small_number(parser);
        f->addend += minus ? -n : n;
    }
    f->at = at;
    f->bytes = (unsigned)bytes;
    f->shift = shift;
    f->next = parser->module->fixups;
    parser->module->fixups = f;
}

static uint64_t as_type(uint64_t bits, enum ptx_imm_kind kind, enum ptx_type type)
{
    if (kind == PI_F64 && type == PT_F32) {
        double d;
        memcpy(&d, &bits, 8);
        const float f = (float)d;
        uint32_t u;
        memcpy(&u, &f, 4);
        return u;
    }
    if (kind == PI_F32 && type == PT_F64) {
        const uint32_t u = (uint32_t)bits;
        float f;
        memcpy(&f, &u, 4);
        const double d = f;
        memcpy(&bits, &d, 8);
    }
    return bits;
}

static void one_value(
    struct ptx_parser *parser, struct ptx_symbol *s, unsigned char *at, size_t bytes)
{
    const bool minus = ptx_take(parser, '-');
    if (parser->token.kind == TK_WORD) {
        symbol_value(parser, at, bytes, 0);
        return;
    }
    enum ptx_imm_kind kind;
    const uint64_t number = ptx_number(parser, &kind); /* sets kind: not inside the next call */
    uint64_t v = as_type(number, kind, s->type);
    if (kind == PI_INT && ptx_take(parser, '(')) { /* mask operator: one byte of an address */
        unsigned shift = 0;
        while (shift < 56 && v > 0xff) {
            v >>= 8;
            shift += 8;
        }
        symbol_value(parser, at, 1, shift);
        ptx_expect(parser, ')');
        return;
    }
    if (minus)
        v = kind == PI_INT ? 0 - v : v ^ (s->type == PT_F64 ? 1ull << 63 : 1ull << 31);
    memcpy(at, &v, bytes < 8 ? bytes : 8);
}

static void initialiser(struct ptx_parser *parser, struct ptx_symbol *s, size_t *at)
{
    const size_t bytes = ptx_type_bytes(s->type);
    if (ptx_take(parser, '{')) {
        if (++parser->depth > 32)
            ptx_fail(parser, "initialiser nested too deep");
        while (!ptx_is(parser, '}')) {
            initialiser(parser, s, at);
            if (!ptx_take(parser, ','))
                break;
        }
        parser->depth--;
        ptx_expect(parser, '}');
        return;
    }
    if (*at + bytes > s->bytes)
        ptx_fail(parser, "too many initialisers");
    one_value(parser, s, (unsigned char *)(uintptr_t)s->at + *at, bytes);
    *at += bytes;
}

static void place_shared(struct ptx_parser *parser, struct ptx_symbol *s)
{
    struct ptx_function *f = parser->function;
    const bool private_to_entry = f && f->entry && !s->dynamic;
    size_t *used = private_to_entry ? &f->shared_bytes : &parser->module->shared_bytes;
    s->owner = private_to_entry ? f : NULL;
    if (s->dynamic)
        return;
    *used = align_up(*used, s->align);
    s->at = *used;
    *used += s->bytes;
}

static void place(struct ptx_parser *parser, struct ptx_symbol *s)
{
    struct ptx_function *f = parser->function;
    if (s->space == PS_SHARED) {
        place_shared(parser, s);
    } else if (s->space == PS_LOCAL || (s->space == PS_PARAM && f)) {
        if (!f)
            ptx_fail(parser, "local variable outside a function:");
        s->space = PS_LOCAL;
        f->local_bytes = align_up(f->local_bytes, s->align);
        s->at = f->local_bytes;
        f->local_bytes += s->bytes;
    } else {
        s->at = (uintptr_t)ptx_alloc_storage(parser->module, s->bytes, s->align);
        if (s->space == PS_CONST)
            parser->module->const_bytes += s->bytes;
    }
}

/* The space word was taken; reads up to and with the semicolon. */
void ptx_parse_variables(struct ptx_parser *parser, enum ptx_space space, bool is_extern)
{
    struct declarator words = { .count = 1 };
    declarator_words(parser, &words);
    do {
        struct declarator d = words;
        declarator_name(parser, &d);
        struct ptx_symbol *s;
        const bool global = !parser->function || (is_extern && space == PS_SHARED);
        struct ptx_symbol *known =
            global ? ptx_module_find(parser->module, d.name.at, d.name.n) : NULL;
        if (known) {
            s = known;
        } else if (global) {
            s = ptx_alloc(parser->module, sizeof *s);
            s->name = d.name.at;
            s->name_len = d.name.n;
            ptx_module_add(parser->module, s);
        } else {
            s = ptx_local_add(parser, d.name.at, d.name.n);
        }
        if (!known || known->bytes == 0) {
            s->space = space;
            s->type = d.type;
            s->align = d.align;
            s->bytes = d.open_array ? 0 : d.count * ptx_type_bytes(d.type);
            s->dynamic = space == PS_SHARED && d.open_array;
            if (d.open_array && space != PS_SHARED)
                s->bytes =
                    is_extern ? 0 : 1 << 16; /* open initialised array: not emitted by nvcc */
            place(parser, s);
        }
        size_t at = 0;
        if (ptx_take(parser, '=')) {
            if (s->space != PS_GLOBAL && s->space != PS_CONST)
                ptx_fail(parser, "only .global and .const take an initialiser");
            initialiser(parser, s, &at);
        }
    } while (ptx_take(parser, ','));
    ptx_expect(parser, ';');
}

/* --- functions --- */
static struct ptx_symbol *formal(struct ptx_parser *parser, bool entry)
{
    struct ptx_function *f = parser->function;
    struct declarator d = { .count = 1 };
    declarator_words(parser, &d);
    declarator_name(parser, &d);
    struct ptx_symbol *s = ptx_local_add(parser, d.name.at, d.name.n);
    s->type = d.type;
    s->align = d.align;
    s->bytes = d.open_array ? 0 : d.count * ptx_type_bytes(d.type);
    s->formal = !entry;
    s->space = PS_PARAM;
    if (d.is_reg) {
        s->space = PS_REG;
        f->reg_type = ptx_grow(parser, f->reg_type, f->n_regs, &f->cap_regs, sizeof *f->reg_type);
        f->reg_type[f->n_regs] = d.type;
        s->reg = f->n_regs++;
    } else if (entry) {
        f->param_bytes = align_up(f->param_bytes, s->align);
        s->at = f->param_bytes;
        f->param_bytes += s->bytes;
    } else {
        place(parser, s);
    }
    return s;
}

static void formals(struct ptx_parser *parser, struct ptx_symbol ***list, unsigned *n, bool entry)
{
    unsigned cap = 0;
    *list = NULL;
    *n = 0;
    while (!ptx_is(parser, ')')) {
        struct ptx_symbol *s = formal(parser, entry);
        *list = ptx_grow(parser, *list, *n, &cap, sizeof **list);
        (*list)[(*n)++] = s;
        if (!ptx_take(parser, ','))
            break;
    }
    ptx_expect(parser, ')');
}

static char *copy_name(struct ptx_parser *parser, struct ptx_word word)
{
    char *name = ptx_alloc(parser->module, word.n + 1);
    memcpy(name, word.at, word.n);
    return name;
}

/* The symbol of a function; the first declaration makes it. */
static struct ptx_function *function_named(
    struct ptx_parser *parser, struct ptx_word name, bool entry)
{
    struct sg_module *m = parser->module;
    struct ptx_symbol *s = ptx_module_find(m, name.at, name.n);
    if (s && s->space != PS_FUNCTION)
        ptx_fail(parser, "name used twice before");
    if (!s) {
        s = ptx_alloc(m, sizeof *s);
        s->name = name.at;
        s->name_len = name.n;
        s->space = PS_FUNCTION;
        s->function = ptx_alloc(m, sizeof *s->function);
        s->function->name = copy_name(parser, name);
        s->function->index = ++m->n_functions;
        if (m->last_function)
            m->last_function->next = s->function;
        else
            m->functions = s->function;
        m->last_function = s->function;
        ptx_module_add(m, s);
    }
    s->function->entry = entry;
    return s->function;
}

static void performance_directives(struct ptx_parser *parser, struct ptx_function *f)
{
    while (parser->token.kind == TK_DOT) {
        const bool threads = ptx_is_dot(parser, "maxntid") || ptx_is_dot(parser, "reqntid");
        ptx_next(parser);
        uint64_t product = 1;
        while (parser->token.kind == TK_NUMBER) {
            product *= small_number(parser);
            ptx_take(parser, ',');
        }
        if (threads && product > 0 && product <= 1024)
            f->max_threads = (unsigned)product;
        if (parser->token.kind == TK_STRING) { /* .pragma "..." ; */
            ptx_next(parser);
            ptx_take(parser, ';');
        }
    }
}

static void parse_function(struct ptx_parser *parser, bool entry)
{
    struct ptx_function scratch = { .entry = entry, .max_threads = 1024 };
    parser->function = &scratch;
    parser->n_local = 0;
    if (ptx_take(parser, '('))
        formals(parser, &scratch.results, &scratch.n_results, entry);
    const struct ptx_word name = { parser->token.at, parser->token.n };
    if (parser->token.kind != TK_WORD)
        ptx_fail(parser, "function name expected");
    ptx_next(parser);
    if (ptx_take(parser, '('))
        formals(parser, &scratch.params, &scratch.n_params, entry);
    performance_directives(parser, &scratch);
    struct ptx_function *f = function_named(parser, name, entry);
    if (!f->defined) {
        struct ptx_function *next = f->next;
        scratch.name = f->name;
        scratch.index = f->index;
        *f = scratch;
        f->next = next;
    }
    parser->function = f;
    if (ptx_take(parser, '{')) {
        if (f->defined)
            ptx_fail(parser, "function defined twice, before");
        f->defined = true;
        ptx_parse_body(parser);
    } else {
        ptx_expect(parser, ';');
    }
    parser->function = NULL;
}

static void skip_section(struct ptx_parser *parser)
{
    while (!ptx_is(parser, '{') && parser->token.kind != TK_END)
        ptx_next(parser);
    while (!ptx_is(parser, '}') && parser->token.kind != TK_END)
        ptx_next(parser);
    ptx_expect(parser, '}');
}

static void module_statement(struct ptx_parser *parser)
{
    bool is_extern = false;
    while (ptx_is_dot(parser, "visible") || ptx_is_dot(parser, "extern") ||
           ptx_is_dot(parser, "weak") || ptx_is_dot(parser, "common")) {
        is_extern |= ptx_is_dot(parser, "extern");
        ptx_next(parser);
    }
    static const struct {
        const char *word;
        enum ptx_space space;
    } spaces[] = { { "global", PS_GLOBAL }, { "const", PS_CONST }, { "shared", PS_SHARED } };
    for (unsigned i = 0; i < 3; i++)
        if (ptx_is_dot(parser, spaces[i].word)) {
            ptx_next(parser);
            ptx_parse_variables(parser, spaces[i].space, is_extern);
            return;
        }
    if (ptx_is_dot(parser, "entry") || ptx_is_dot(parser, "func")) {
        const bool entry = ptx_is_dot(parser, "entry");
        ptx_next(parser);
        while (parser->token.kind == TK_DOT) /* .noreturn, .unique */
            ptx_next(parser);
        parse_function(parser, entry);
    } else if (ptx_is_dot(parser, "section")) {
        skip_section(parser);
    } else if (ptx_is_dot(parser, "version") || ptx_is_dot(parser, "target") ||
               ptx_is_dot(parser, "address_size") || ptx_is_dot(parser, "file") ||
               ptx_is_dot(parser, "loc") || ptx_is_dot(parser, "pragma") ||
               ptx_is_dot(parser, "alias")) {
        ptx_skip_statement(parser);
    } else if (!ptx_take(parser, ';')) {
        ptx_fail(parser, "unknown directive");
    }
}

static uint64_t symbol_address(const struct ptx_symbol *s)
{
    return s->space == PS_FUNCTION ? 0x830000000000ull + s->function->index * 16ull : s->at;
}

static void apply_fixups(struct ptx_parser *parser)
{
    for (struct ptx_fixup *f = parser->module->fixups; f; f = f->next) {
        const struct ptx_symbol *s = ptx_module_find(parser->module, f->name.at, f->name.n);
        if (!s) {
            parser->token = (struct ptx_token){ TK_WORD, f->name.at, f->name.n, parser->line };
            ptx_fail(parser, "unknown symbol in an initialiser");
        }
        const uint64_t v = (symbol_address(s) + (uint64_t)f->addend) >> f->shift;
        memcpy(f->at, &v, f->bytes < 8 ? f->bytes : 8);
    }
}

static bool parse(struct ptx_parser *parser)
{
    if (setjmp(parser->fail) != 0)
        return false;
    ptx_next(parser);
    if (!ptx_is_dot(parser, "version"))
        ptx_fail(parser, "no .version");
    while (parser->token.kind != TK_END)
        module_statement(parser);
    apply_fixups(parser);
    return true;
}

struct sg_module *sg_module_load(const char *ptx, size_t n_bytes, char *error, size_t error_cap)
{
    struct sg_module *m = calloc(1, sizeof *m);
    struct ptx_parser *parser = calloc(1, sizeof *parser);
    char *source = malloc(n_bytes + 1);
    if (!m || !parser || !source) {
        snprintf(error, error_cap, "out of memory");
        free(m);
        free(parser);
        free(source);
        return NULL;
    }
    memcpy(source, ptx, n_bytes);
    source[n_bytes] = 0;
    m->source = source;
    *parser = (struct ptx_parser){ .module = m,
        .p = source,
        .end = source + n_bytes,
        .line = 1,
        .error = error,
        .error_cap = error_cap };
    const bool good = parse(parser) && exec_decode_module(m, error, error_cap);
    free(parser);
    if (good)
        return m;
    sg_module_free(m);
    return NULL;
}

void sg_module_free(struct sg_module *module)
{
    if (!module)
        return;
    exec_free_code(module);
    ptx_free_arena(module);
    free(module->source);
    free(module);
}

bool sg_module_global(struct sg_module *module, const char *name, void **at, size_t *n_bytes)
{
    const struct ptx_symbol *s = ptx_module_find(module, name, (unsigned)strlen(name));
    if (!s || (s->space != PS_GLOBAL && s->space != PS_CONST))
        return false;
    *at = (void *)(uintptr_t)s->at;
    *n_bytes = s->bytes;
    return true;
}
