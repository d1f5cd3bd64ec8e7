/* Inside of the PTX module: arena, statements, functions, variables. Only files of this folder include it.
 * Positions are byte offsets into the module's own copy of the text; nothing is copied out unless it is asked for. */
#ifndef DET_PTX_PARTS_H
#define DET_PTX_PARTS_H

#include "shim/ptx/ptx.h"

enum op {
    OP_NONE,
#define DET_PTX_OP(id, name, flags) OP_##id,
#include "shim/ptx/ops.def"
#undef DET_PTX_OP
    OP_OPAQUE,
    N_OPS
};
#define OPF_D 1u  /* first operand is written */
#define OPF_M 2u  /* touches memory */
#define OPF_B 4u  /* ends a basic block */
#define OPF_S 8u  /* an effect of its own: never dead code */
#define OPF_X 16u /* the classifier must look at the function */
extern const unsigned char det_ptx_op_flags[N_OPS];

/* --- arena: everything of one module is freed at once */
struct arena_block;
struct arena {
    struct arena_block *blocks;
    char *at, *end;
};
/** Zeroed, 16-byte aligned; NULL on out of memory or when n_bytes is absurd. */
void *det_arena_take(struct arena *arena, size_t n_bytes);
char *det_arena_text(struct arena *arena, const char *from, size_t n_bytes);
void det_arena_free(struct arena *arena);

/* --- statements of a body */
enum stmt_kind { STMT_OP, STMT_LABEL, STMT_DIRECTIVE, STMT_OPEN, STMT_CLOSE };
struct stmt {
    uint32_t at, end; /* whole statement, ';' or ':' included */
    uint32_t op;      /* opcode, label or directive word */
    uint32_t args;    /* first byte after that word */
    uint32_t guard;   /* offset of the predicate's name, 0 when none */
    uint16_t op_len;
    uint8_t kind, id; /* enum stmt_kind, enum op */
    bool guard_not;
};
struct stmts {
    struct stmt *at;
    size_t n, cap;
};

enum space {
    SPACE_GENERIC,
    SPACE_GLOBAL,
    SPACE_SHARED,
    SPACE_LOCAL,
    SPACE_CONST,
    SPACE_PARAM,
    SPACE_TEX
};

struct param {
    const char *name;
    uint32_t offset, n_bytes, align;
    bool pointer; /* an 8-byte scalar: may hold an address */
};
struct variable {
    const char *name;
    uint32_t at, end; /* the declaration, ';' included */
    uint64_t n_bytes;
    enum space space;
    bool external, initialised, compiler; /* compiler: a name no host code can ask for */
};

#define FUNC_ATTENTION 1u /* holds an operation flagged X, a strong load or a special register */
#define FUNC_OPAQUE    2u /* an opcode we do not know */
#define FUNC_MEMORY    4u
struct func {
    const char *name;
    uint32_t at, end;               /* linkage word to '}' or ';' */
    uint32_t name_end;              /* just after the name */
    uint32_t params_at, params_end; /* inside the parentheses; both 0 when there are none */
    uint32_t rets_at, rets_end;
    uint32_t body, body_end; /* just after '{', at its '}'; 0 for a declaration */
    struct param *params;
    uint32_t n_params, param_bytes, shared_bytes, n_instructions, flags;
    bool entry, external;
    struct verdict *verdict; /* filled on demand */
    uint32_t kernel;         /* index into kernels, for entries with a body */
    bool calls_variables;    /* a function it calls names a variable that a host may write */
};

enum symbol_kind { SYM_NONE, SYM_FUNC, SYM_VARIABLE, SYM_ALIAS };
struct symbol {
    uint32_t at, len; /* name in the text */
    uint32_t kind, index;
};

struct det_ptx_module {
    struct arena arena;
    char *text;
    uint32_t n_bytes;
    unsigned version, target;
    char suffix;
    bool address64, linked_debug;
    uint32_t version_at, version_end, target_at, target_end, address_at, address_end;
    struct func *funcs;
    size_t n_funcs, cap_funcs;
    struct variable *variables;
    size_t n_variables, cap_variables;
    struct symbol *symbols; /* open addressing */
    size_t n_symbols, cap_symbols;
    struct det_ptx_kernel *kernels;
    size_t n_kernels;
    uint16_t op_table[512]; /* enum op by hash of the first component */
    struct stmts scratch;
};

/* --- lexer (lex.c) */
extern const unsigned char det_ptx_class[256];
#define CH_SPACE 1u
#define CH_IDENT 2u /* letter, digit, _ $ % */
#define CH_DIGIT 4u
#define CH_STOP  8u /* ends the fast walk through operands: ; / " { } % and NUL */
/** Past white space and comments; stays within n_bytes. */
uint32_t det_ptx_skip(const struct det_ptx_module *module, uint32_t at);
/** Past letters, digits, _ $ %. */
uint32_t det_ptx_word(const struct det_ptx_module *module, uint32_t at);
/** Past a quoted string that starts at `at`; to the end of the line when it never closes. */
uint32_t det_ptx_quoted(const struct det_ptx_module *module, uint32_t at);
uint32_t det_ptx_line_end(const struct det_ptx_module *module, uint32_t at);
/** 1-based line of a position. */
unsigned det_ptx_line(const struct det_ptx_module *module, uint32_t at);
bool det_ptx_is(const struct det_ptx_module *module, uint32_t at, uint32_t len, const char *text);
void det_ptx_op_init(struct det_ptx_module *module);
enum op det_ptx_op(const struct det_ptx_module *module, uint32_t at, uint32_t len);

/* --- body scanner (body.c): statements of func->body into `out` (may be NULL: only the summary) */
enum det_err det_ptx_scan_body(struct det_ptx_module *module, struct func *func, struct stmts *out,
    struct det_ptx_where *where);
enum det_err det_ptx_fail(const struct det_ptx_module *module, uint32_t at, const char *text,
    struct det_ptx_where *where);

/* --- header.c: parameters of a function */
enum det_err det_ptx_params(struct det_ptx_module *module, struct func *func);
/** Bytes, alignment and element count of `.align 8 .b8 name[16]`; `name` is where the name stands. */
struct decl {
    uint32_t name, name_len, align, elem_bytes;
    uint64_t n_elems;
};
bool det_ptx_decl(const struct det_ptx_module *module, uint32_t at, uint32_t end, struct decl *out);

/* --- symbols */
bool det_ptx_symbol_add(struct det_ptx_module *module, uint32_t at, uint32_t len,
    enum symbol_kind kind, uint32_t index);
const struct symbol *det_ptx_symbol(
    const struct det_ptx_module *module, const char *name, size_t len);

/* --- classify.c */
enum det_err det_ptx_classify(struct det_ptx_module *module);

#endif
