/* Decoded code and the state of a running grid. A register is an array of 32 lanes (4, 8 or 16 bytes each); an operand is a
 * byte offset from the frame's registers or an absolute address in the module's pool of broadcast constants. */
#ifndef SOFTGPU_EXEC_IR_H
#define SOFTGPU_EXEC_IR_H

#include <string.h>
#include "tests/softgpu/ptx_ir.h"

enum { LANES = 32, UNIT = 128 /* bytes of a 32-bit register */ };
#define ALL_LANES 0xffffffffu

/* Windows of generic addresses: above what an x86-64 process can map. */
#define SHARED_WINDOW   0x800000000000ull
#define LOCAL_WINDOW    0x810000000000ull
#define PARAM_WINDOW    0x820000000000ull
#define FUNCTION_WINDOW 0x830000000000ull
#define WINDOW_BYTES    0x10000000000ull

struct warp;
struct ins;
typedef void (*ins_fn)(struct warp *, const struct ins *);

enum ins_kind {
    IK_PLAIN, /* fn does it for the active lanes */
    IK_NOP,
    IK_BRANCH,
    IK_BRANCH_TABLE,
    IK_EXIT,
    IK_RETURN,
    IK_CALL,
    IK_SYNC, /* fn runs once all lanes of the mask operand have come */
    IK_BARRIER,
    IK_YIELD, /* nanosleep, fence: gives up the turn */
    IK_BAD
};

enum ins_flag {
    IF_FTZ = 1 << 0,
    IF_SAT = 1 << 1,
    IF_RZ = 1 << 2,
    IF_RM = 1 << 3,
    IF_RP = 1 << 4,
    IF_RNI = 1 << 5,
    IF_RZI = 1 << 6,
    IF_RMI = 1 << 7,
    IF_RPI = 1 << 8,
    IF_HI = 1 << 9,
    IF_WIDE = 1 << 10,
    IF_CC = 1 << 11,
    IF_CARRY_IN = 1 << 12,
    IF_NAN = 1 << 13,
    IF_XORSIGN = 1 << 14,
    IF_ABS = 1 << 15,
    IF_RELU = 1 << 16,
    IF_WRAP = 1 << 17,
    IF_SHIFTAMT = 1 << 18,
    IF_FRAME = 1 << 19,
    IF_STORE = 1 << 20,
    IF_WIDE_BASE = 1 << 21,
    IF_NO_RESULT = 1 << 22,
    IF_LO = 1 << 23,
    IF_APPROX = 1 << 24,
    IF_RN = 1 << 25,
    IF_SATFINITE = 1 << 26,
    IF_RNA = 1 << 27,
    IF_UNI = 1 << 28,
    IF_VOLATILE = 1 << 29,
    IF_LEFT = 1 << 30
};
#define IF_DIRECTED (IF_RZ | IF_RM | IF_RP)

enum { SRC_MAX = 5 };

struct ins {
    ins_fn fn;
    intptr_t at[SRC_MAX]; /* [0] the result, [1..] sources */
    intptr_t guard;       /* register offset or -1 */
    uint64_t imm;
    uint32_t flags, target;
    uint16_t raw_line;
    uint8_t kind, lanes_count; /* 1 when it counts as an instruction */
    uint8_t base[SRC_MAX];     /* 0 registers, 1 absolute */
    uint8_t guard_negated;
    uint8_t type, type2, bytes, space, n_vec, sub;
    struct ins_more *more;
};

/* Rarely needed parts. */
struct ins_more {
    const char *text;
    unsigned text_len, line;
    intptr_t vec[2][8]; /* element registers or constants: [0] results, [1] sources */
    uint8_t vec_base[2][8];
    intptr_t pair; /* q of `p|q`, or -1 */
    struct exec_call *call;
    uint32_t *targets;
    unsigned n_targets;
};

struct exec_call {
    struct ptx_function *function; /* NULL: indirect, or a built-in named below */
    enum { CALL_PTX, CALL_INDIRECT, CALL_PRINT, CALL_ASSERT, CALL_UNKNOWN } how;
    struct ptx_operand *args, *results; /* registers or local symbols of the caller */
    unsigned n_args, n_results;
    intptr_t arg_at[64], result_at[4];
    uint8_t arg_base[64];
    struct ptx_function *caller;
};

struct exec_pool;
struct exec_code {
    struct ins *ins;
    unsigned n, cap;
    struct exec_pool *pool;
    struct ptx_function **by_index; /* 1-based */
    unsigned n_functions;
};

struct sg_kernel {
    struct sg_module *module;
    struct ptx_function *function;
};

struct frame {
    struct frame *up;
    unsigned char *registers;
    struct ptx_function *function;
    const struct exec_call *call;
    uint32_t return_pc, lanes; /* lanes inside this frame or deeper */
    uint32_t local_base, depth;
};

enum lane_state { LANE_RUN, LANE_SYNC, LANE_BARRIER, LANE_DONE };

struct block;
struct warp {
    unsigned char *base[2];
    uint32_t active;    /* lanes the running instruction applies to */
    uint32_t group, pc; /* lanes in step, and where; group 0: choose one */
    struct frame *frame;
    uint32_t alive, runnable; /* not exited; and not waiting */
    uint32_t merge_pc;        /* lowest pc of other runnable lanes in the same frame */
    uint32_t lane_pc[LANES];
    struct frame *lane_frame[LANES];
    uint8_t lane_state[LANES];
    uint32_t tid[3][LANES];
    unsigned char *local; /* LANES x local_cap bytes */
    size_t local_cap;
    struct frame root;
    struct block *block;
    struct sg_grid *grid;
    unsigned index;
    unsigned spins; /* backward jumps with the warp apart */
    int preferred;  /* lane whose group goes first in this turn, or -1 */
    uint8_t barrier_id[LANES];
};

struct barrier {
    unsigned arrived, expected;
    uint32_t popc; /* of bar.red */
};

struct block {
    struct sg_grid *grid;
    struct warp *warp;
    unsigned n_warps, alive_warps;
    uint64_t linear;
    unsigned id[3];
    unsigned alive_threads;
    unsigned char *shared;
    struct barrier barrier[16];
    bool used;
};

struct sg_grid {
    struct sg_kernel *kernel;
    const struct exec_code *code;
    struct sg_dim grid, block;
    unsigned char *params;
    size_t param_bytes, shared_bytes, dynamic_bytes, static_bytes;
    bool cooperative, ended, drawn;
    uint64_t n_blocks, next_block;
    struct block *slot;
    unsigned n_slots, n_live, n_threads, turn, round;
    uint32_t *sync_area; /* for grid.sync() of cooperative groups */
    uint64_t clock, id;
    enum sg_fault fault;
    char text[256];
    struct sg_schedule *schedule; /* while stepping */
};

extern uint64_t exec_instructions, exec_atomics;

void exec_fault(struct warp *warp, const struct ins *ins, enum sg_fault fault, const char *what);
/* Lanes that are active take the new value, the others keep theirs. */
typedef uint32_t __attribute__((may_alias)) lane32;
typedef int32_t __attribute__((may_alias)) lane_s32;
typedef uint64_t __attribute__((may_alias)) lane64;
typedef int64_t __attribute__((may_alias)) lane_s64;
typedef float __attribute__((may_alias)) lane_f32;
typedef double __attribute__((may_alias)) lane_f64;

static inline void *lanes_of(const struct warp *w, const struct ins *i, unsigned k)
{
    return (void *)(w->base[i->base[k]] + i->at[k]);
}

static inline void put32(const struct warp *w, const struct ins *i, const uint32_t r[LANES])
{
    lane32 *d = lanes_of(w, i, 0);
    if (w->active == ALL_LANES) {
        memcpy(d, r, UNIT);
        return;
    }
    for (unsigned l = 0; l < LANES; l++)
        d[l] = w->active >> l & 1 ? r[l] : d[l];
}

static inline void put64(const struct warp *w, const struct ins *i, const uint64_t r[LANES])
{
    lane64 *d = lanes_of(w, i, 0);
    if (w->active == ALL_LANES) {
        memcpy(d, r, (size_t)2 * UNIT);
        return;
    }
    for (unsigned l = 0; l < LANES; l++)
        d[l] = w->active >> l & 1 ? r[l] : d[l];
}

static inline uint32_t lowest_lane(uint32_t mask)
{
    return mask ? (uint32_t)__builtin_ctz(mask) : 0;
}
#define FOR_LANES(l, mask)                                                                         \
    for (uint32_t l##_left = (mask), l = lowest_lane(l##_left); l##_left != 0;                     \
         l##_left &= l##_left - 1, l = lowest_lane(l##_left))

/* Words that select: order is relied on by exec_int.c and exec_float.c. */
enum exec_cmp {
    CMP_EQ,
    CMP_NE,
    CMP_LT,
    CMP_LE,
    CMP_GT,
    CMP_GE,
    CMP_LO,
    CMP_LS,
    CMP_HI,
    CMP_HS,
    CMP_EQU,
    CMP_NEU,
    CMP_LTU,
    CMP_LEU,
    CMP_GTU,
    CMP_GEU,
    CMP_NUM,
    CMP_NAN
};
enum exec_atom {
    ATOM_ADD,
    ATOM_MIN,
    ATOM_MAX,
    ATOM_AND,
    ATOM_OR,
    ATOM_XOR,
    ATOM_EXCH,
    ATOM_CAS,
    ATOM_INC,
    ATOM_DEC
};
enum exec_mode {
    MODE_UP,
    MODE_DOWN,
    MODE_BFLY,
    MODE_IDX,
    MODE_ALL,
    MODE_ANY,
    MODE_UNI,
    MODE_BALLOT,
    MODE_POPC,
    MODE_SYNC,
    MODE_ARRIVE,
    MODE_RED
};

#endif
