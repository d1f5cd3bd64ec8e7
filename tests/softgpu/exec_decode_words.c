/* The modifiers of an instruction, sorted into kinds. What changes nothing here (cache hints, scopes, memory order: execution
 * is sequentially consistent) is accepted and dropped. */
#include "tests/softgpu/exec_decode.h"

const char *decode_op(const struct exec_decoder *d, char copy[32])
{
    const struct ptx_word w = d->raw->word[0];
    const unsigned n = w.n < 31 ? w.n : 31;
    memcpy(copy, w.at, n);
    copy[n] = 0;
    return copy;
}

bool decode_has(const struct exec_decoder *d, const char *word)
{
    for (unsigned k = 1; k < d->raw->n_words; k++)
        if (ptx_word_is(d->raw->word[k], word))
            return true;
    return false;
}

struct named {
    const char *word;
    uint32_t value;
};
static const struct named flag_words[] = { { "ftz", IF_FTZ }, { "sat", IF_SAT }, { "rz", IF_RZ },
    { "rm", IF_RM }, { "rp", IF_RP }, { "rn", IF_RN }, { "rni", IF_RNI }, { "rzi", IF_RZI },
    { "rmi", IF_RMI }, { "rpi", IF_RPI }, { "hi", IF_HI }, { "lo", IF_LO }, { "wide", IF_WIDE },
    { "cc", IF_CC }, { "NaN", IF_NAN }, { "xorsign", IF_XORSIGN }, { "abs", IF_ABS },
    { "relu", IF_RELU }, { "wrap", IF_WRAP }, { "shiftamt", IF_SHIFTAMT }, { "l", IF_LEFT },
    { "approx", IF_APPROX }, { "full", IF_APPROX }, { "satfinite", IF_SATFINITE },
    { "rna", IF_RNA }, { "uni", IF_UNI }, { "volatile", IF_VOLATILE } };
static const struct named space_words[] = { { "global", PS_GLOBAL }, { "shared", PS_SHARED },
    { "shared::cta", PS_SHARED }, { "shared::cluster", PS_SHARED }, { "local", PS_LOCAL },
    { "const", PS_CONST }, { "param", PS_PARAM }, { "param::entry", PS_PARAM },
    { "param::func", PS_PARAM } };
static const struct named cmp_words[] = { { "eq", CMP_EQ }, { "ne", CMP_NE }, { "lt", CMP_LT },
    { "le", CMP_LE }, { "gt", CMP_GT }, { "ge", CMP_GE }, { "lo", CMP_LO }, { "ls", CMP_LS },
    { "hi", CMP_HI }, { "hs", CMP_HS }, { "equ", CMP_EQU }, { "neu", CMP_NEU }, { "ltu", CMP_LTU },
    { "leu", CMP_LEU }, { "gtu", CMP_GTU }, { "geu", CMP_GEU }, { "num", CMP_NUM },
    { "nan", CMP_NAN } };
static const struct named boolean_words[] = { { "and", 1 }, { "or", 2 }, { "xor", 3 } };
static const struct named atomic_words[] = { { "add", ATOM_ADD }, { "min", ATOM_MIN },
    { "max", ATOM_MAX }, { "and", ATOM_AND }, { "or", ATOM_OR }, { "xor", ATOM_XOR },
    { "exch", ATOM_EXCH }, { "cas", ATOM_CAS }, { "inc", ATOM_INC }, { "dec", ATOM_DEC } };
static const struct named mode_words[] = { { "up", MODE_UP }, { "down", MODE_DOWN },
    { "bfly", MODE_BFLY }, { "idx", MODE_IDX }, { "all", MODE_ALL }, { "any", MODE_ANY },
    { "uni", MODE_UNI }, { "ballot", MODE_BALLOT }, { "popc", MODE_POPC },
    { "arrive", MODE_ARRIVE }, { "red", MODE_RED } };
#define LOOK(table, word) look(table, sizeof table / sizeof *table, word)

static int look(const struct named *table, size_t n, struct ptx_word word)
{
    for (size_t k = 0; k < n; k++)
        if (ptx_word_is(word, table[k].word))
            return (int)table[k].value;
    return -1;
}

void decode_words(struct exec_decoder *d)
{
    const struct ptx_word op = d->raw->word[0];
    const bool compares = ptx_word_is(op, "setp") || ptx_word_is(op, "set");
    d->flags = 0;
    d->n_types = d->n_vec = 0;
    d->type[0] = d->type[1] = d->type[2] = d->type[3] = PT_NONE;
    d->space = PS_GENERIC;
    d->has_space = d->to = false;
    d->cmp = d->boolean = d->atomic = d->mode = -1;
    for (unsigned k = 1; k < d->raw->n_words; k++) {
        const struct ptx_word w = d->raw->word[k];
        const enum ptx_type type = ptx_type_named(w.at, w.n);
        int v;
        if (type != PT_NONE) {
            if (d->n_types < 4)
                d->type[d->n_types++] = type;
        } else if (compares && d->cmp < 0 && (v = LOOK(cmp_words, w)) >= 0) {
            d->cmp = v;
        } else if (compares && (v = LOOK(boolean_words, w)) >= 0) {
            d->boolean = v;
        } else if ((v = LOOK(space_words, w)) >= 0) {
            if (!d->has_space)
                d->space = (enum ptx_space)v;
            d->has_space = true;
        } else if (w.n == 2 && *w.at == 'v' && w.at[1] >= '2' && w.at[1] <= '8') {
            d->n_vec = (unsigned)(w.at[1] - '0');
        } else if (ptx_word_is(w, "to")) {
            d->to = true;
        } else {
            if ((v = LOOK(atomic_words, w)) >= 0)
                d->atomic = v;
            if ((v = LOOK(mode_words, w)) >= 0)
                d->mode = v;
            if ((v = LOOK(flag_words, w)) >= 0)
                d->flags |= (uint32_t)v;
        }
    }
}
