/* Between the files that execute instructions: what the decoder looks up, and values they share. */
#ifndef SOFTGPU_EXEC_OPS_H
#define SOFTGPU_EXEC_OPS_H

#include "tests/softgpu/exec_ir.h"

struct exec_row {
    const char *op;
    enum ptx_type type;
    ins_fn fn;
};
ins_fn exec_find_row(const struct exec_row *row, size_t n, const char *op, enum ptx_type type);
/* Each gives NULL or false when it has no such instruction. */
ins_fn exec_find_int(const char *op, enum ptx_type type);
ins_fn exec_find_bits(const char *op, enum ptx_type type);
ins_fn exec_find_cvt(enum ptx_type to, enum ptx_type from, uint32_t flags, unsigned n_sources);
ins_fn exec_find_int_cmp(int cmp, enum ptx_type type);
ins_fn exec_find_float_cmp(int cmp, enum ptx_type type, uint32_t flags);
/* These also set sub and n_vec. */
bool exec_set_float(struct ins *i, const char *op, enum ptx_type type, uint32_t flags);
bool exec_set_simd(struct ins *i, const char *op);
bool exec_set_half(struct ins *i, const char *op, enum ptx_type type);

void exec_finish_cmp(struct warp *w, const struct ins *i, uint32_t r[LANES]);
bool exec_compare_float(int cmp, float x, float y);
float exec_approximate(unsigned op, float x);
uint32_t exec_min_f32(uint32_t a, uint32_t b, bool max);
uint64_t exec_min_f64(uint64_t a, uint64_t b, bool max);
uint16_t exec_half_add(bool bf16, uint16_t a, uint16_t b);
uint16_t exec_half_min(bool bf16, bool max, uint16_t a, uint16_t b);

/* exec_mem.c, exec_atom.c, exec_warp.c, exec_special.c */
void exec_load(struct warp *w, const struct ins *i);
void exec_store(struct warp *w, const struct ins *i);
void exec_atomic(struct warp *w, const struct ins *i);
void exec_copy_async(struct warp *w, const struct ins *i);
void exec_special(struct warp *w, const struct ins *i);
void exec_pack(struct warp *w, const struct ins *i);
void exec_unpack(struct warp *w, const struct ins *i);
void exec_to_generic(struct warp *w, const struct ins *i);
void exec_from_generic(struct warp *w, const struct ins *i);
void exec_is_space(struct warp *w, const struct ins *i);
void exec_shuffle(struct warp *w, const struct ins *i);
void exec_vote(struct warp *w, const struct ins *i);
void exec_match(struct warp *w, const struct ins *i);
void exec_redux(struct warp *w, const struct ins *i);
void exec_elect(struct warp *w, const struct ins *i);
void exec_warp_barrier(struct warp *w, const struct ins *i);
void exec_active_mask(struct warp *w, const struct ins *i);
enum mbarrier_op {
    MB_INIT,
    MB_ARRIVE,
    MB_ARRIVE_DROP,
    MB_ARRIVE_EXPECT,
    MB_EXPECT,
    MB_COMPLETE,
    MB_INVAL,
    MB_WAIT,
    MB_WAIT_PARITY
};
void exec_mbarrier(struct warp *w, const struct ins *i);
/** Host address behind lane l's address, or NULL after raising a fault. */
void *exec_resolve(struct warp *w, const struct ins *i, unsigned l, uint64_t address,
    enum ptx_space space, size_t n);
uint64_t exec_atom_combine(
    unsigned op, enum ptx_type type, uint64_t old, uint64_t value, uint64_t other);
uint32_t exec_operand32(const struct warp *w, const struct ins *i, unsigned k, unsigned l);
void exec_set_result32(const struct warp *w, const struct ins *i, unsigned l, uint32_t value);
/** exec_call.c: the group becomes `lanes` in the new frame; lanes that call another function stay at this instruction. */
void exec_call(struct warp *w, const struct ins *i, uint32_t lanes);
void exec_return(struct warp *w, const struct ins *i, uint32_t lanes);
void exec_leave_frames(struct warp *w, uint32_t lanes); /* lanes that exit */
/** exec_print.c */
void exec_print(struct warp *w, const struct ins *i, unsigned l);
void exec_assert_fail(struct warp *w, const struct ins *i, unsigned l);
uint64_t exec_call_argument(struct warp *w, const struct ins *i, unsigned l, unsigned k);
/** exec_run.c: up to `quantum` warp instructions; false when no lane could run. */
bool exec_run_warp(struct warp *w, unsigned quantum);

#endif
