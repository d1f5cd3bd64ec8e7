/* PTX function bodies: scopes, labels, registers, instructions and their operands, to raw form. */
#include <string.h>
#include "tests/softgpu/ptx_ir.h"

static struct ptx_symbol *find_local(
    const struct ptx_parser *parser, const char *name, unsigned n, unsigned *nth)
{
    unsigned stem = n, number = 0, scale = 1;
    while (stem > 1 && name[stem - 1] >= '0' && name[stem - 1] <= '9' && scale < 1000000000u) {
        number += scale * (unsigned)(name[--stem] - '0');
        scale *= 10;
    }
    *nth = 0;
    for (unsigned i = parser->n_local; i-- > 0;) {
        struct ptx_symbol *s = parser->local[i];
        if (s->n_range == 0 && s->name_len == n && memcmp(s->name, name, n) == 0)
            return s;
        if (s->n_range > 0 && stem < n && s->name_len <= n &&
            memcmp(s->name, name, s->name_len) == 0) {
            unsigned k = 0, at = s->name_len; /* the stem itself may end in a digit: `%r1<4>` */
            for (; at < n && name[at] >= '0' && name[at] <= '9' && k < 100000000u; at++)
                k = k * 10 + (unsigned)(name[at] - '0');
            if (at == n && s->name_len < n && k < s->n_range) {
                *nth = k;
                return s;
            }
        }
    }
    return NULL;
}

static void note_use(struct ptx_parser *parser, struct ptx_symbol *s)
{
    struct ptx_function *f = parser->function;
    for (unsigned i = 0; i < f->n_uses; i++)
        if (f->uses[i] == s)
            return;
    f->uses = ptx_grow(parser, f->uses, f->n_uses, &f->cap_uses, sizeof *f->uses);
    f->uses[f->n_uses++] = s;
}

/* A word with an optional `.x` after a special register. */
static void word_operand(struct ptx_parser *parser, struct ptx_operand *o)
{
    struct ptx_token t = parser->token;
    unsigned nth;
    struct ptx_symbol *s = find_local(parser, t.at, t.n, &nth);
    ptx_next(parser);
    if (!s && *t.at == '%' && parser->token.kind == TK_DOT) {
        t.n = (unsigned)(parser->token.at + parser->token.n - t.at);
        ptx_next(parser);
    }
    if (!s && (o->special = ptx_special_named(t.at, t.n)) != SR_NONE) {
        o->kind = PO_SPECIAL;
        return;
    }
    if (!s)
        s = ptx_module_find(parser->module, t.at, t.n);
    o->name = t.at;
    o->name_len = t.n;
    if (s && s->space == PS_REG) {
        o->kind = PO_REG;
        o->reg = s->reg + nth;
    } else if (s) {
        o->kind = PO_SYMBOL;
        o->symbol = s;
        if (s->space == PS_SHARED || s->space == PS_FUNCTION)
            note_use(parser, s);
    } else if (*t.at == '%') {
        parser->token = t;
        ptx_fail(parser, "unknown register");
    } else if (t.n == 1 && *t.at == '_') {
        o->kind = PO_SINK;
    } else {
        o->kind = PO_NAME;
    }
}

static void add_offset(struct ptx_parser *parser, struct ptx_operand *o)
{
    enum ptx_imm_kind kind;
    while (ptx_is(parser, '+') || ptx_is(parser, '-')) {
        bool minus = ptx_take(parser, '-');
        if (!minus)
            ptx_expect(parser, '+');
        minus ^= ptx_take(parser, '-');
        const uint64_t n = ptx_number(parser, &kind);
        o->imm += minus ? 0 - n : n;
    }
}

static void address_operand(struct ptx_parser *parser, struct ptx_operand *o)
{
    struct ptx_operand base = { .reg_pair = -1 };
    o->kind = PO_ADDRESS;
    if (parser->token.kind == TK_WORD) {
        word_operand(parser, &base);
        if (base.kind == PO_REG) {
            o->has_base = true;
            o->reg = base.reg;
        } else if (base.kind == PO_SYMBOL) {
            o->has_base = o->base_is_symbol = true;
            o->symbol = base.symbol;
        } else {
            ptx_fail(parser, "bad address before");
        }
    } else {
        enum ptx_imm_kind kind;
        const bool minus = ptx_take(parser, '-');
        o->imm = ptx_number(parser, &kind);
        if (minus)
            o->imm = 0 - o->imm;
    }
    add_offset(parser, o);
    ptx_expect(parser, ']');
}

static void operand(struct ptx_parser *parser, struct ptx_operand *o);

static void list_operand(struct ptx_parser *parser, struct ptx_operand *o, char close)
{
    unsigned cap = 0;
    o->kind = PO_LIST;
    if (++parser->depth > 8)
        ptx_fail(parser, "operands nested too deep");
    while (!ptx_is(parser, close)) {
        o->list = ptx_grow(parser, o->list, o->n, &cap, sizeof *o->list);
        operand(parser, &o->list[o->n++]);
        if (!ptx_take(parser, ','))
            break;
    }
    parser->depth--;
    ptx_expect(parser, close);
}

static void operand(struct ptx_parser *parser, struct ptx_operand *o)
{
    memset(o, 0, sizeof *o);
    o->reg_pair = -1;
    if (ptx_take(parser, '[')) {
        address_operand(parser, o);
    } else if (ptx_take(parser, '{')) {
        list_operand(parser, o, '}');
    } else if (ptx_take(parser, '(')) {
        list_operand(parser, o, ')');
    } else if (parser->token.kind == TK_WORD || ptx_is(parser, '!')) {
        o->negated = ptx_take(parser, '!');
        if (parser->token.kind != TK_WORD)
            ptx_fail(parser, "predicate expected");
        word_operand(parser, o);
        if (ptx_take(parser, '|')) {
            struct ptx_operand q = { .reg_pair = -1 };
            if (parser->token.kind != TK_WORD)
                ptx_fail(parser, "register expected after '|'");
            word_operand(parser, &q);
            if (q.kind == PO_REG)
                o->reg_pair = (int)q.reg;
        }
        if (o->kind == PO_SYMBOL)
            add_offset(parser, o);
    } else {
        const bool minus = ptx_take(parser, '-');
        o->kind = PO_IMM;
        o->imm = ptx_number(parser, &o->imm_kind);
        if (minus)
            o->imm = o->imm_kind == PI_INT   ? 0 - o->imm
                     : o->imm_kind == PI_F32 ? o->imm ^ 1ull << 31
                                             : o->imm ^ 1ull << 63;
    }
}

static void guard(struct ptx_parser *parser, struct ptx_raw *raw)
{
    raw->guard = -1;
    if (!ptx_take(parser, '@'))
        return;
    raw->guard_negated = ptx_take(parser, '!');
    struct ptx_operand o = { .reg_pair = -1 };
    if (parser->token.kind != TK_WORD)
        ptx_fail(parser, "predicate expected");
    word_operand(parser, &o);
    if (o.kind != PO_REG)
        ptx_fail(parser, "predicate register expected before");
    raw->guard = (int)o.reg;
}

static void instruction(struct ptx_parser *parser)
{
    struct ptx_function *f = parser->function;
    f->raw = ptx_grow(parser, f->raw, f->n_raw, &f->cap_raw, sizeof *f->raw);
    struct ptx_raw *raw = &f->raw[f->n_raw];
    memset(raw, 0, sizeof *raw);
    raw->text = parser->token.at;
    raw->line = parser->token.line;
    raw->scope = parser->scope;
    guard(parser, raw);
    if (parser->token.kind != TK_WORD)
        ptx_fail(parser, "instruction expected");
    do {
        if (raw->n_words == PTX_MAX_WORDS)
            ptx_fail(parser, "too many modifiers");
        raw->word[raw->n_words++] = (struct ptx_word){ parser->token.at, parser->token.n };
        ptx_next(parser);
    } while (parser->token.kind == TK_DOT);
    while (!ptx_is(parser, ';')) {
        if (raw->n_operands == PTX_MAX_OPERANDS)
            ptx_fail(parser, "too many operands");
        operand(parser, &raw->operand[raw->n_operands++]);
        if (!ptx_take(parser, ','))
            break;
    }
    raw->text_len = (unsigned)(parser->token.at - raw->text);
    ptx_expect(parser, ';');
    f->n_raw++;
}

void ptx_declare_registers(struct ptx_parser *parser)
{
    struct ptx_function *f = parser->function;
    enum ptx_type type = PT_NONE;
    for (; parser->token.kind == TK_DOT; ptx_next(parser)) {
        const enum ptx_type t = ptx_type_named(parser->token.at, parser->token.n);
        type = t != PT_NONE ? t : type;
    }
    if (type == PT_NONE)
        ptx_fail(parser, "register type expected before");
    do {
        if (parser->token.kind != TK_WORD)
            ptx_fail(parser, "register name expected");
        struct ptx_symbol *s = ptx_local_add(parser, parser->token.at, parser->token.n);
        unsigned count = 1;
        enum ptx_imm_kind kind;
        ptx_next(parser);
        if (ptx_take(parser, '<')) {
            const uint64_t n = ptx_number(parser, &kind);
            if (n == 0 || n > 1u << 20)
                ptx_fail(parser, "bad register count before");
            count = s->n_range = (unsigned)n;
            ptx_expect(parser, '>');
        }
        s->space = PS_REG;
        s->type = type;
        s->reg = f->n_regs;
        for (unsigned i = 0; i < count; i++) {
            f->reg_type =
                ptx_grow(parser, f->reg_type, f->n_regs, &f->cap_regs, sizeof *f->reg_type);
            f->reg_type[f->n_regs++] = type;
        }
    } while (ptx_take(parser, ','));
    ptx_expect(parser, ';');
}

static unsigned new_scope(struct ptx_parser *parser, unsigned parent)
{
    struct ptx_function *f = parser->function;
    f->scope_parent =
        ptx_grow(parser, f->scope_parent, f->n_scopes, &f->cap_scopes, sizeof *f->scope_parent);
    f->scope_parent[f->n_scopes] = parent;
    return f->n_scopes++;
}

static void directive(struct ptx_parser *parser, struct ptx_label *label)
{
    const struct ptx_word w = { parser->token.at, parser->token.n };
    if (ptx_word_is(w, "loc") || ptx_word_is(w, "file")) {
        ptx_skip_statement(parser);
        return;
    }
    const bool is_extern = ptx_word_is(w, "extern");
    ptx_next(parser);
    static const struct {
        const char *word;
        enum ptx_space space;
    } spaces[] = { { "local", PS_LOCAL }, { "shared", PS_SHARED }, { "param", PS_PARAM },
        { "global", PS_GLOBAL }, { "const", PS_CONST } };
    struct ptx_word space = w;
    if (is_extern && parser->token.kind == TK_DOT) {
        space = (struct ptx_word){ parser->token.at, parser->token.n };
        ptx_next(parser);
    }
    for (unsigned i = 0; i < 5; i++)
        if (ptx_word_is(space, spaces[i].word)) {
            ptx_parse_variables(parser, spaces[i].space, is_extern);
            return;
        }
    if (ptx_word_is(w, "reg")) {
        ptx_declare_registers(parser);
        return;
    }
    unsigned cap = 0;
    const bool targets =
        label && (ptx_word_is(w, "branchtargets") || ptx_word_is(w, "calltargets"));
    while (!ptx_is(parser, ';') && parser->token.kind != TK_END) {
        if (targets && parser->token.kind == TK_WORD) {
            label->targets =
                ptx_grow(parser, label->targets, label->n_targets, &cap, sizeof *label->targets);
            label->targets[label->n_targets++] =
                (struct ptx_word){ parser->token.at, parser->token.n };
        }
        ptx_next(parser);
    }
    ptx_expect(parser, ';'); /* .pragma, .callprototype, ... */
}

/* A label is a word and a colon: looked at without consuming when it is an instruction after all. */
static struct ptx_label *label(struct ptx_parser *parser)
{
    struct ptx_function *f = parser->function;
    const struct ptx_parser before = *parser;
    if (parser->token.kind != TK_WORD)
        return NULL;
    ptx_next(parser);
    if (!ptx_is(parser, ':')) {
        parser->p = before.p;
        parser->line = before.line;
        parser->token = before.token;
        return NULL;
    }
    ptx_next(parser);
    f->label = ptx_grow(parser, f->label, f->n_labels, &f->cap_labels, sizeof *f->label);
    struct ptx_label *l = &f->label[f->n_labels++];
    *l = (struct ptx_label){
        .name = { before.token.at, before.token.n }, .scope = parser->scope, .at = f->n_raw
    };
    return l;
}

/* After `{`; up to and with its `}`. */
void ptx_parse_body(struct ptx_parser *parser)
{
    enum { MAX_DEPTH = 64 };
    unsigned saved_locals[MAX_DEPTH], depth = 0;
    parser->scope = new_scope(parser, 0);
    for (;;) {
        if (parser->token.kind == TK_END)
            ptx_fail(parser, "end of text inside a function");
        if (ptx_take(parser, '}')) {
            if (depth == 0)
                return;
            parser->n_local = saved_locals[--depth];
            parser->scope = parser->function->scope_parent[parser->scope];
        } else if (ptx_take(parser, '{')) {
            if (depth == MAX_DEPTH)
                ptx_fail(parser, "scopes nested too deep");
            saved_locals[depth++] = parser->n_local;
            parser->scope = new_scope(parser, parser->scope);
        } else if (parser->token.kind == TK_DOT) {
            directive(parser, NULL);
        } else if (!ptx_take(parser, ';')) {
            struct ptx_label *l = label(parser);
            if (!l)
                instruction(parser);
            else if (parser->token.kind == TK_DOT && !ptx_is_dot(parser, "loc") &&
                     !ptx_is_dot(parser, "reg"))
                directive(parser, l);
        }
    }
}
