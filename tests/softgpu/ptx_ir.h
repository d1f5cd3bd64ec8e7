/* What the PTX front end hands to the decoder: symbols, functions and raw instructions, all in one arena owned by the
 * module. Names and words point into the module's own copy of the source. */
#ifndef SOFTGPU_PTX_IR_H
#define SOFTGPU_PTX_IR_H

#include <setjmp.h>
#include "tests/softgpu/softgpu.h"

enum ptx_type {
    PT_NONE,
    PT_PRED,
    PT_B8,
    PT_B16,
    PT_B32,
    PT_B64,
    PT_B128,
    PT_U8,
    PT_U16,
    PT_U32,
    PT_U64,
    PT_S8,
    PT_S16,
    PT_S32,
    PT_S64,
    PT_F16,
    PT_BF16,
    PT_F32,
    PT_F64,
    PT_F16X2,
    PT_BF16X2,
    PT_F32X2,
    PT_TF32,
    PT_E4M3X2,
    PT_E5M2X2,
    PT_U16X2,
    PT_S16X2,
    PT_COUNT
};

enum ptx_space {
    PS_GENERIC,
    PS_REG,
    PS_GLOBAL,
    PS_SHARED,
    PS_LOCAL,
    PS_CONST,
    PS_PARAM,
    PS_FUNCTION
};

struct ptx_function;

struct ptx_symbol {
    const char *name;
    unsigned name_len;
    enum ptx_space space;
    enum ptx_type type;
    bool
        dynamic; /* extern .shared array without a size: starts where the static part of the kernel ends */
    bool formal;      /* parameter or result of a .func */
    unsigned n_range; /* registers `%r<n>`: how many, 0 for a single one */
    unsigned reg;     /* first register index */
    size_t bytes, align;
    uint64_t at;                   /* global, const: host address; shared, local, param: offset */
    struct ptx_function *owner;    /* shared variable of one entry, or NULL */
    struct ptx_function *function; /* PS_FUNCTION */
    struct ptx_symbol *next;       /* module list */
};

enum ptx_operand_kind {
    PO_NONE,
    PO_REG,
    PO_IMM,
    PO_SYMBOL,
    PO_ADDRESS,
    PO_LIST,
    PO_SPECIAL,
    PO_NAME,
    PO_SINK
};
enum ptx_imm_kind { PI_INT, PI_F32, PI_F64 };

struct ptx_operand {
    enum ptx_operand_kind kind;
    enum ptx_imm_kind imm_kind;
    bool negated;  /* !%p */
    bool has_base; /* PO_ADDRESS: a register or symbol is added to imm */
    bool base_is_symbol;
    unsigned reg;
    int reg_pair; /* q of `p|q`, or -1 */
    unsigned special;
    uint64_t imm; /* value, or byte offset */
    struct ptx_symbol *symbol;
    const char *name;
    unsigned name_len;
    unsigned n; /* PO_LIST */
    struct ptx_operand *list;
};

enum { PTX_MAX_WORDS = 20, PTX_MAX_OPERANDS = 10 };

struct ptx_word {
    const char *at;
    unsigned n;
};

struct ptx_raw {
    struct ptx_word word[PTX_MAX_WORDS]; /* [0] is the opcode, then its modifiers */
    unsigned n_words, n_operands;
    struct ptx_operand operand[PTX_MAX_OPERANDS];
    int guard; /* register or -1 */
    bool guard_negated;
    unsigned scope, line;
    const char *text;
    unsigned text_len;
};

struct ptx_label {
    struct ptx_word name;
    unsigned scope, at;       /* index of the raw instruction that follows */
    struct ptx_word *targets; /* .branchtargets */
    unsigned n_targets;
};

struct ptx_function {
    const char *name;
    bool entry, defined;
    struct ptx_symbol **params;
    unsigned n_params;
    struct ptx_symbol **results;
    unsigned n_results;
    struct sg_param *layout; /* entries: offsets in the parameter block */
    size_t param_bytes;
    enum ptx_type *reg_type;
    unsigned n_regs, cap_regs;
    struct ptx_raw *raw;
    unsigned n_raw, cap_raw;
    struct ptx_label *label;
    unsigned n_labels, cap_labels;
    unsigned *scope_parent;
    unsigned n_scopes, cap_scopes;
    size_t local_bytes, shared_bytes; /* shared: variables declared inside an entry */
    struct ptx_symbol **uses; /* module level shared variables and functions named in the body */
    unsigned n_uses, cap_uses;
    unsigned max_threads;
    /* filled by the decoder */
    unsigned index, first_pc, n_units, cc_reg;
    unsigned *reg_unit; /* register -> its first 128 bytes in a frame */
    size_t shared_base, static_shared;
    bool visited;
    struct ptx_function *next;
};

struct ptx_fixup { /* a symbol's address inside an initialiser */
    unsigned char *at;
    unsigned bytes;
    int64_t addend;
    unsigned shift; /* bits: `0xff00(sym)` */
    bool generic;
    struct ptx_word name;
    struct ptx_fixup *next;
};

struct ptx_chunk;

struct sg_module {
    char *source;
    struct ptx_chunk *arena, *storage;
    struct ptx_symbol *symbols;
    struct ptx_symbol **buckets;
    unsigned n_buckets, n_symbols;
    struct ptx_function *functions, *last_function;
    unsigned n_functions;
    struct ptx_fixup *fixups;
    size_t shared_bytes; /* module level .shared */
    size_t const_bytes;
    struct sg_kernel *kernels;
    size_t n_kernels;
    void *code; /* the decoder's */
};

void *ptx_alloc(struct sg_module *module,
    size_t n_bytes); /* zeroed; never NULL: longjmps or aborts on exhaustion */
void *ptx_alloc_storage(struct sg_module *module, size_t n_bytes, size_t align);
void ptx_free_arena(struct sg_module *module);
struct ptx_symbol *ptx_module_find(const struct sg_module *module, const char *name, unsigned n);
void ptx_module_add(struct sg_module *module, struct ptx_symbol *symbol);
size_t ptx_type_bytes(enum ptx_type type);
enum ptx_type ptx_type_named(const char *at, unsigned n);
bool ptx_word_is(struct ptx_word word, const char *text);
unsigned ptx_special_named(const char *at, unsigned n); /* 0 when unknown */

/* Special registers; see PTX ISA "Special Registers". */
enum ptx_special {
    SR_NONE,
    SR_TID_X,
    SR_TID_Y,
    SR_TID_Z,
    SR_NTID_X,
    SR_NTID_Y,
    SR_NTID_Z,
    SR_CTAID_X,
    SR_CTAID_Y,
    SR_CTAID_Z,
    SR_NCTAID_X,
    SR_NCTAID_Y,
    SR_NCTAID_Z,
    SR_LANEID,
    SR_WARPID,
    SR_NWARPID,
    SR_SMID,
    SR_NSMID,
    SR_GRIDID,
    SR_LANEMASK_EQ,
    SR_LANEMASK_LE,
    SR_LANEMASK_LT,
    SR_LANEMASK_GE,
    SR_LANEMASK_GT,
    SR_CLOCK,
    SR_CLOCK_HI,
    SR_CLOCK64,
    SR_GLOBALTIMER,
    SR_GLOBALTIMER_LO,
    SR_GLOBALTIMER_HI,
    SR_ENVREG1,
    SR_ENVREG2,
    SR_ZERO,
    SR_ONE,
    SR_WARP_SIZE,
    SR_DYNAMIC_SHARED_SIZE,
    SR_TOTAL_SHARED_SIZE,
    SR_DYNAMIC_SHARED,
    SR_FRAME
};

/* --- parser internals, shared by ptx_parse.c and ptx_body.c --- */
enum ptx_token_kind { TK_END, TK_WORD, TK_DOT, TK_NUMBER, TK_STRING, TK_PUNCT };
struct ptx_token {
    enum ptx_token_kind kind;
    const char *at; /* TK_DOT: after the dot */
    unsigned n, line;
};
struct ptx_parser {
    struct sg_module *module;
    const char *p, *end;
    unsigned line;
    struct ptx_token token;
    jmp_buf fail;
    char *error;
    size_t error_cap;
    struct ptx_function *function;
    struct ptx_symbol **local;
    unsigned n_local, cap_local;
    unsigned scope;
    unsigned depth; /* of nested braces: bounds recursion */
};
_Noreturn void ptx_fail(struct ptx_parser *parser, const char *what);
void ptx_next(struct ptx_parser *parser);
bool ptx_is(const struct ptx_parser *parser, char punct);
bool ptx_is_dot(const struct ptx_parser *parser, const char *word);
bool ptx_take(struct ptx_parser *parser, char punct);
void ptx_expect(struct ptx_parser *parser, char punct);
void ptx_skip_statement(struct ptx_parser *parser);
uint64_t ptx_number(struct ptx_parser *parser, enum ptx_imm_kind *kind);
void *ptx_grow(
    struct ptx_parser *parser, void *array, unsigned n, unsigned *cap, size_t item_bytes);
void ptx_parse_variables(struct ptx_parser *parser, enum ptx_space space, bool is_extern);
void ptx_parse_body(struct ptx_parser *parser);
struct ptx_symbol *ptx_local_add(struct ptx_parser *parser, const char *name, unsigned n);
void ptx_declare_registers(struct ptx_parser *parser);

/** Layout, then code for every function; false with one line in `error`. exec_decode.c. */
bool exec_decode_module(struct sg_module *module, char *error, size_t error_cap);
void exec_free_code(struct sg_module *module);

#endif
