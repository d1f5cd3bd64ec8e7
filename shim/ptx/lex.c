/* Characters, words, comments and the opcode table. One pass, no tokens are stored: the parser walks the text. */
#include "shim/ptx/parts.h"

#include <string.h>

#define I CH_IDENT
#define D (CH_IDENT | CH_DIGIT)
#define S CH_SPACE
#define E CH_STOP
const unsigned char det_ptx_class[256] = {
    [0] = CH_STOP | CH_SPACE,
    ['\t'] = S,
    ['\n'] = S,
    ['\v'] = S,
    ['\f'] = S,
    ['\r'] = S,
    [' '] = S,
    ['"'] = E,
    ['/'] = E,
    [';'] = E,
    ['{'] = E,
    ['}'] = E,
    ['%'] = E | I,
    ['$'] = I,
    ['_'] = I,
    ['0'] = D,
    ['1'] = D,
    ['2'] = D,
    ['3'] = D,
    ['4'] = D,
    ['5'] = D,
    ['6'] = D,
    ['7'] = D,
    ['8'] = D,
    ['9'] = D,
    ['a'] = I,
    ['b'] = I,
    ['c'] = I,
    ['d'] = I,
    ['e'] = I,
    ['f'] = I,
    ['g'] = I,
    ['h'] = I,
    ['i'] = I,
    ['j'] = I,
    ['k'] = I,
    ['l'] = I,
    ['m'] = I,
    ['n'] = I,
    ['o'] = I,
    ['p'] = I,
    ['q'] = I,
    ['r'] = I,
    ['s'] = I,
    ['t'] = I,
    ['u'] = I,
    ['v'] = I,
    ['w'] = I,
    ['x'] = I,
    ['y'] = I,
    ['z'] = I,
    ['A'] = I,
    ['B'] = I,
    ['C'] = I,
    ['D'] = I,
    ['E'] = I,
    ['F'] = I,
    ['G'] = I,
    ['H'] = I,
    ['I'] = I,
    ['J'] = I,
    ['K'] = I,
    ['L'] = I,
    ['M'] = I,
    ['N'] = I,
    ['O'] = I,
    ['P'] = I,
    ['Q'] = I,
    ['R'] = I,
    ['S'] = I,
    ['T'] = I,
    ['U'] = I,
    ['V'] = I,
    ['W'] = I,
    ['X'] = I,
    ['Y'] = I,
    ['Z'] = I,
};
#undef I
#undef D
#undef S
#undef E

uint32_t det_ptx_line_end(const struct det_ptx_module *module, uint32_t at)
{
    const char *nl = memchr(module->text + at, '\n', module->n_bytes - at);
    return nl ? (uint32_t)(nl - module->text) : module->n_bytes;
}

/* Past one comment that starts at `at`, or `at` itself when there is none. */
static uint32_t comment(const struct det_ptx_module *module, uint32_t at)
{
    const char *text = module->text;
    if (text[at] != '/')
        return at;
    if (text[at + 1] == '/')
        return det_ptx_line_end(module, at);
    if (text[at + 1] != '*')
        return at;
    for (uint32_t i = at + 2; i + 1 < module->n_bytes; i++)
        if (text[i] == '*' && text[i + 1] == '/')
            return i + 2;
    return module->n_bytes;
}

uint32_t det_ptx_skip(const struct det_ptx_module *module, uint32_t at)
{
    const char *text = module->text;
    for (;;) {
        while (at < module->n_bytes && (det_ptx_class[(unsigned char)text[at]] & CH_SPACE))
            at++;
        if (at >= module->n_bytes)
            return module->n_bytes;
        const uint32_t past = comment(module, at);
        if (past == at)
            return at;
        at = past;
    }
}

uint32_t det_ptx_word(const struct det_ptx_module *module, uint32_t at)
{
    /* The copy ends in NUL, which is no identifier character. */
    while (det_ptx_class[(unsigned char)module->text[at]] & CH_IDENT)
        at++;
    return at;
}

uint32_t det_ptx_quoted(const struct det_ptx_module *module, uint32_t at)
{
    const char *text = module->text;
    for (uint32_t i = at + 1; i < module->n_bytes; i++) {
        if (text[i] == '\\' && i + 1 < module->n_bytes)
            i++;
        else if (text[i] == '"')
            return i + 1;
        else if (text[i] == '\n')
            return i;
    }
    return module->n_bytes;
}

unsigned det_ptx_line(const struct det_ptx_module *module, uint32_t at)
{
    unsigned line = 1;
    const char *from = module->text;
    const char *to = module->text + (at < module->n_bytes ? at : module->n_bytes);
    while ((from = memchr(from, '\n', (size_t)(to - from))) != NULL) {
        line++;
        from++;
    }
    return line;
}

bool det_ptx_is(const struct det_ptx_module *module, uint32_t at, uint32_t len, const char *text)
{
    return strlen(text) == len && memcmp(module->text + at, text, len) == 0;
}

#define D OPF_D
#define M OPF_M
#define B OPF_B
#define S OPF_S
#define X OPF_X
const unsigned char det_ptx_op_flags[N_OPS] = {
#define DET_PTX_OP(id, name, flags) [OP_##id] = flags,
#include "shim/ptx/ops.def"
#undef DET_PTX_OP
    [OP_OPAQUE] = M | S | X,
};
#undef D
#undef M
#undef B
#undef S
#undef X

static const char *const op_names[N_OPS] = {
#define DET_PTX_OP(id, name, flags) [OP_##id] = name,
#include "shim/ptx/ops.def"
#undef DET_PTX_OP
};

static uint32_t op_hash(const char *at, uint32_t len)
{
    uint32_t hash = len;
    for (uint32_t i = 0; i < len; i++)
        hash = hash * 31 + (unsigned char)at[i];
    return (hash ^ (hash >> 9)) & 511;
}

void det_ptx_op_init(struct det_ptx_module *module)
{
    for (unsigned id = OP_NONE + 1; id < OP_OPAQUE; id++) {
        uint32_t slot = op_hash(op_names[id], (uint32_t)strlen(op_names[id]));
        while (module->op_table[slot])
            slot = (slot + 1) & 511;
        module->op_table[slot] = (uint16_t)id;
    }
}

enum op det_ptx_op(const struct det_ptx_module *module, uint32_t at, uint32_t len)
{
    if (len > 24)
        return OP_OPAQUE;
    for (uint32_t slot = op_hash(module->text + at, len);; slot = (slot + 1) & 511) {
        const unsigned id = module->op_table[slot];
        if (!id)
            return OP_OPAQUE;
        if (det_ptx_is(module, at, len, op_names[id]))
            return (enum op)id;
    }
}
