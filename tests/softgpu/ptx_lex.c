/* PTX words: tokens, numbers, types, special registers, and the arena they are kept in. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/softgpu/ptx_ir.h"

struct ptx_chunk {
    struct ptx_chunk *next;
    size_t used, cap;
};

void *ptx_alloc(struct sg_module *module, size_t n_bytes)
{
    n_bytes = (n_bytes + 63) & ~(size_t)63;
    struct ptx_chunk *chunk = module->arena;
    if (!chunk || chunk->cap - chunk->used < n_bytes) {
        const size_t cap = n_bytes > (1u << 16) ? n_bytes : 1u << 16;
        void *memory = NULL;
        if (posix_memalign(&memory, 64, cap + 64) != 0) {
            fputs("softgpu: out of memory\n", stderr);
            abort();
        }
        memset(memory, 0, cap + 64);
        chunk = memory;
        chunk->cap = cap;
        chunk->next = module->arena;
        module->arena = chunk;
    }
    void *at = (char *)chunk + 64 + chunk->used;
    chunk->used += n_bytes;
    return at;
}

/* Copies: an outgrown array stays in the arena until the module goes. */
void *ptx_grow(struct ptx_parser *parser, void *array, unsigned n, unsigned *cap, size_t item_bytes)
{
    if (n < *cap)
        return array;
    const unsigned larger = *cap ? *cap * 2 : 8;
    void *copy = ptx_alloc(parser->module, larger * item_bytes);
    if (n > 0)
        memcpy(copy, array, n * item_bytes);
    *cap = larger;
    return copy;
}

void ptx_fail(struct ptx_parser *parser, const char *what)
{
    const struct ptx_token *t = &parser->token;
    const int shown = t->n < 40 ? (int)t->n : 40;
    if (parser->error && parser->error_cap > 0)
        snprintf(parser->error, parser->error_cap, "line %u: %s near '%.*s'", t->line, what, shown,
            t->kind == TK_END ? "" : t->at);
    longjmp(parser->fail, 1);
}

static bool is_word_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$' || c == '%';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
    return is_word_start(c) || is_digit(c);
}

static void skip_blank(struct ptx_parser *parser)
{
    const char *p = parser->p;
    for (; p < parser->end; p++) {
        if (*p == '\n') {
            parser->line++;
        } else if (*p == '/' && p + 1 < parser->end && p[1] == '/') {
            while (p + 1 < parser->end && p[1] != '\n')
                p++;
        } else if (*p == '/' && p + 1 < parser->end && p[1] == '*') {
            for (p += 2; p + 1 < parser->end && !(p[0] == '*' && p[1] == '/'); p++)
                parser->line += *p == '\n';
            p++;
        } else if (*p != ' ' && *p != '\t' && *p != '\r' && *p != '\f' && *p != '\v' &&
                   *p != '\0') {
            break;
        }
    }
    parser->p = p < parser->end ? p : parser->end;
}

static const char *number_end(const char *p, const char *end)
{
    const bool hex = p + 1 < end && p[0] == '0' && (p[1] | 32) != 'e' && is_word(p[1]);
    while (p < end &&
           (is_word(*p) || *p == '.' || ((*p == '+' || *p == '-') && !hex && (p[-1] | 32) == 'e')))
        p++;
    return p;
}

/* `.L1::no_allocate` and `.shared::cta` are one word. */
static const char *dot_end(const char *p, const char *end)
{
    while (p < end && (is_word(*p) || (p + 2 < end && p[0] == ':' && p[1] == ':' && is_word(p[2]))))
        p += *p == ':' ? 2 : 1;
    return p;
}

void ptx_next(struct ptx_parser *parser)
{
    skip_blank(parser);
    const char *p = parser->p, *q = p, *end = parser->end;
    struct ptx_token *t = &parser->token;
    t->line = parser->line;
    t->at = p;
    if (p >= end) {
        t->kind = TK_END;
    } else if (is_word_start(*p)) {
        t->kind = TK_WORD;
        for (q = p + 1; q < end && is_word(*q); q++)
            continue;
    } else if (*p == '.' && p + 1 < end && is_word(p[1])) {
        t->kind = TK_DOT;
        t->at = p + 1;
        q = dot_end(p + 1, end);
    } else if (is_digit(*p)) {
        t->kind = TK_NUMBER;
        q = number_end(p, end);
    } else if (*p == '"') {
        t->kind = TK_STRING;
        for (q = p + 1; q < end && *q != '"' && *q != '\n'; q++)
            continue;
        q += q < end;
    } else {
        t->kind = TK_PUNCT;
        q = p + 1;
    }
    t->n = (unsigned)(q - t->at);
    parser->p = q;
}

bool ptx_is(const struct ptx_parser *parser, char punct)
{
    return parser->token.kind == TK_PUNCT && *parser->token.at == punct;
}

bool ptx_word_is(struct ptx_word word, const char *text)
{
    return strlen(text) == word.n && memcmp(word.at, text, word.n) == 0;
}

bool ptx_is_dot(const struct ptx_parser *parser, const char *word)
{
    const struct ptx_token *t = &parser->token;
    return t->kind == TK_DOT && ptx_word_is((struct ptx_word){ t->at, t->n }, word);
}

bool ptx_take(struct ptx_parser *parser, char punct)
{
    if (!ptx_is(parser, punct))
        return false;
    ptx_next(parser);
    return true;
}

void ptx_expect(struct ptx_parser *parser, char punct)
{
    const char what[] = { 'e', 'x', 'p', 'e', 'c', 't', 'e', 'd', ' ', '\'', punct, '\'', 0 };
    if (!ptx_take(parser, punct))
        ptx_fail(parser, what);
}

/* To the end of the line's statement: directives without a terminator end with their line. */
void ptx_skip_statement(struct ptx_parser *parser)
{
    const unsigned line = parser->token.line;
    while (parser->token.kind != TK_END && parser->token.line == line)
        ptx_next(parser);
}

static uint64_t digits(const char *p, const char *end, unsigned radix)
{
    uint64_t value = 0;
    for (; p < end; p++) {
        const unsigned d = is_digit(*p) ? (unsigned)(*p - '0') : (unsigned)((*p | 32) - 'a' + 10);
        if (d >= radix)
            break; /* suffix U */
        value = value * radix + d;
    }
    return value;
}

uint64_t ptx_number(struct ptx_parser *parser, enum ptx_imm_kind *kind)
{
    const struct ptx_token t = parser->token;
    if (t.kind != TK_NUMBER)
        ptx_fail(parser, "number expected");
    const char *end = t.at + t.n;
    const char second = t.n > 1 ? (char)(t.at[1] | 32) : ' ';
    uint64_t value = 0;
    *kind = PI_INT;
    if (*t.at == '0' && (second == 'f' || second == 'd')) {
        *kind = second == 'f' ? PI_F32 : PI_F64;
        value = digits(t.at + 2, end, 16);
    } else if (*t.at == '0' && second == 'x') {
        value = digits(t.at + 2, end, 16);
    } else if (*t.at == '0' && second == 'b') {
        value = digits(t.at + 2, end, 2);
    } else if (memchr(t.at, '.', t.n) || memchr(t.at, 'e', t.n) || memchr(t.at, 'E', t.n)) {
        char copy[64];
        snprintf(copy, sizeof copy, "%.*s", t.n < 60 ? (int)t.n : 60, t.at);
        const double x = strtod(copy, NULL);
        memcpy(&value, &x, 8);
        *kind = PI_F64;
    } else {
        value = digits(t.at, end, *t.at == '0' ? 8 : 10);
    }
    ptx_next(parser);
    return value;
}

static const struct {
    const char *name;
    unsigned char bytes;
} types[PT_COUNT] = { [PT_NONE] = { "", 0 },
    [PT_PRED] = { "pred", 1 },
    [PT_B8] = { "b8", 1 },
    [PT_B16] = { "b16", 2 },
    [PT_B32] = { "b32", 4 },
    [PT_B64] = { "b64", 8 },
    [PT_B128] = { "b128", 16 },
    [PT_U8] = { "u8", 1 },
    [PT_U16] = { "u16", 2 },
    [PT_U32] = { "u32", 4 },
    [PT_U64] = { "u64", 8 },
    [PT_S8] = { "s8", 1 },
    [PT_S16] = { "s16", 2 },
    [PT_S32] = { "s32", 4 },
    [PT_S64] = { "s64", 8 },
    [PT_F16] = { "f16", 2 },
    [PT_BF16] = { "bf16", 2 },
    [PT_F32] = { "f32", 4 },
    [PT_F64] = { "f64", 8 },
    [PT_F16X2] = { "f16x2", 4 },
    [PT_BF16X2] = { "bf16x2", 4 },
    [PT_F32X2] = { "f32x2", 8 },
    [PT_TF32] = { "tf32", 4 },
    [PT_E4M3X2] = { "e4m3x2", 2 },
    [PT_E5M2X2] = { "e5m2x2", 2 },
    [PT_U16X2] = { "u16x2", 4 },
    [PT_S16X2] = { "s16x2", 4 } };

size_t ptx_type_bytes(enum ptx_type type)
{
    return types[type].bytes;
}

enum ptx_type ptx_type_named(const char *at, unsigned n)
{
    for (unsigned t = 1; t < PT_COUNT; t++)
        if (ptx_word_is((struct ptx_word){ at, n }, types[t].name))
            return (enum ptx_type)t;
    return PT_NONE;
}

unsigned ptx_special_named(const char *at, unsigned n)
{
    static const struct {
        const char *name;
        enum ptx_special id;
    } names[] = { { "%tid.x", SR_TID_X }, { "%tid.y", SR_TID_Y }, { "%tid.z", SR_TID_Z },
        { "%ntid.x", SR_NTID_X }, { "%ntid.y", SR_NTID_Y }, { "%ntid.z", SR_NTID_Z },
        { "%ctaid.x", SR_CTAID_X }, { "%ctaid.y", SR_CTAID_Y }, { "%ctaid.z", SR_CTAID_Z },
        { "%nctaid.x", SR_NCTAID_X }, { "%nctaid.y", SR_NCTAID_Y }, { "%nctaid.z", SR_NCTAID_Z },
        { "%laneid", SR_LANEID }, { "%warpid", SR_WARPID }, { "%nwarpid", SR_NWARPID },
        { "%smid", SR_SMID }, { "%nsmid", SR_NSMID }, { "%gridid", SR_GRIDID },
        { "%lanemask_eq", SR_LANEMASK_EQ }, { "%lanemask_le", SR_LANEMASK_LE },
        { "%lanemask_lt", SR_LANEMASK_LT }, { "%lanemask_ge", SR_LANEMASK_GE },
        { "%lanemask_gt", SR_LANEMASK_GT }, { "%clock", SR_CLOCK }, { "%clock_hi", SR_CLOCK_HI },
        { "%clock64", SR_CLOCK64 }, { "%globaltimer", SR_GLOBALTIMER },
        { "%globaltimer_lo", SR_GLOBALTIMER_LO }, { "%globaltimer_hi", SR_GLOBALTIMER_HI },
        { "%envreg1", SR_ENVREG1 }, { "%envreg2", SR_ENVREG2 }, { "WARP_SZ", SR_WARP_SIZE },
        { "%dynamic_smem_size", SR_DYNAMIC_SHARED_SIZE },
        { "%total_smem_size", SR_TOTAL_SHARED_SIZE }, { "%aggr_smem_size", SR_TOTAL_SHARED_SIZE },
        { "%is_explicit_cluster", SR_ZERO }, { "%cluster_ctarank", SR_ZERO },
        { "%cluster_nctarank", SR_ONE }, { "%cluster_ctaid.x", SR_ZERO },
        { "%cluster_ctaid.y", SR_ZERO }, { "%cluster_ctaid.z", SR_ZERO },
        { "%cluster_nctaid.x", SR_ONE }, { "%cluster_nctaid.y", SR_ONE },
        { "%cluster_nctaid.z", SR_ONE }, { "%clusterid.x", SR_CTAID_X },
        { "%clusterid.y", SR_CTAID_Y }, { "%clusterid.z", SR_CTAID_Z },
        { "%nclusterid.x", SR_NCTAID_X }, { "%nclusterid.y", SR_NCTAID_Y },
        { "%nclusterid.z", SR_NCTAID_Z } };
    const struct ptx_word word = { at, n };
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (ptx_word_is(word, names[i].name))
            return names[i].id;
    if (n > 7 && n <= 9 && memcmp(at, "%envreg", 7) == 0)
        return SR_ZERO;
    if (n > 3 && memcmp(at, "%pm", 3) == 0)
        return SR_ZERO;
    return SR_NONE;
}

static unsigned hash_name(const char *name, unsigned n)
{
    unsigned h = 2166136261u;
    for (unsigned i = 0; i < n; i++)
        h = (h ^ (unsigned char)name[i]) * 16777619u;
    return h;
}

struct ptx_symbol *ptx_module_find(const struct sg_module *module, const char *name, unsigned n)
{
    if (module->n_buckets == 0)
        return NULL;
    struct ptx_symbol *s = module->buckets[hash_name(name, n) % module->n_buckets];
    while (s && (s->name_len != n || memcmp(s->name, name, n) != 0))
        s = s->next;
    return s;
}

void ptx_module_add(struct sg_module *module, struct ptx_symbol *symbol)
{
    if (module->n_buckets == 0) {
        module->n_buckets = 1021;
        module->buckets = ptx_alloc(module, module->n_buckets * sizeof *module->buckets);
    }
    struct ptx_symbol **head =
        &module->buckets[hash_name(symbol->name, symbol->name_len) % module->n_buckets];
    symbol->next = *head;
    *head = symbol;
    module->n_symbols++;
}

/* Variables stand apart from the parser's data, in chunks the memory check knows. */
void *ptx_alloc_storage(struct sg_module *module, size_t n_bytes, size_t align)
{
    struct ptx_chunk *before = module->storage, *mine = module->arena;
    n_bytes = (n_bytes ? n_bytes : 1) + (align > 64 ? align : 0);
    module->arena = before;
    uintptr_t at = (uintptr_t)ptx_alloc(module, n_bytes);
    module->storage = module->arena;
    module->arena = mine;
    if (module->storage != before)
        sg_memory_add_range((char *)module->storage + 64, module->storage->cap);
    if (align > 64)
        at = (at + align - 1) / align * align;
    return (void *)at;
}

void ptx_free_arena(struct sg_module *module)
{
    struct ptx_chunk *next, *chunk;
    for (chunk = module->storage; chunk; chunk = next) {
        next = chunk->next;
        sg_memory_remove_range((char *)chunk + 64);
        free(chunk);
    }
    for (chunk = module->arena; chunk; chunk = next) {
        next = chunk->next;
        free(chunk);
    }
    module->arena = module->storage = NULL;
}
