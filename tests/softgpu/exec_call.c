/* Calls: a frame holds the registers of the lanes that called together; parameters are copied between the caller's and the
 * callee's local memory. */
#include <stdio.h>
#include <stdlib.h>
#include "tests/softgpu/exec_ops.h"

static void *must(void *memory)
{
    if (!memory) {
        fputs("softgpu: out of memory\n", stderr);
        abort();
    }
    return memory;
}

static bool grow_local(struct warp *w, const struct ins *i, size_t need)
{
    enum { MOST = 512 << 10 }; /* what hardware allows a thread */
    if (need <= w->local_cap)
        return true;
    if (need > MOST) {
        exec_fault(w, i, SG_ILLEGAL_ADDRESS, "stack overflow");
        return false;
    }
    size_t cap = w->local_cap ? w->local_cap : 256;
    while (cap < need)
        cap *= 2;
    unsigned char *larger = must(malloc(cap * LANES));
    memset(larger, 0xA5, cap * LANES);
    for (unsigned l = 0; l < LANES && w->local; l++)
        memcpy(larger + l * cap, w->local + l * w->local_cap, w->local_cap);
    free(w->local);
    w->local = larger;
    w->local_cap = cap;
    return true;
}

static unsigned char *local_at(
    const struct warp *w, unsigned l, const struct frame *f, const struct ptx_symbol *s)
{
    return w->local + l * w->local_cap + f->local_base + s->at;
}

/* Register of a frame by number. */
static void *frame_register(const struct frame *f, unsigned reg)
{
    return f->registers + (size_t)f->function->reg_unit[reg] * UNIT;
}

static void put_register(void *lanes, unsigned l, enum ptx_type type, uint64_t v)
{
    if (ptx_type_bytes(type) == 8)
        ((lane64 *)lanes)[l] = v;
    else
        ((lane32 *)lanes)[l] = (uint32_t)v;
}

static uint64_t get_register(const void *lanes, unsigned l, enum ptx_type type)
{
    return ptx_type_bytes(type) == 8 ? ((const lane64 *)lanes)[l] : ((const lane32 *)lanes)[l];
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Argument k of lane l, as 64 bits: for the built-in functions. */
uint64_t exec_call_argument(struct warp *w, const struct ins *i, unsigned l, unsigned k)
{
    const struct exec_call *c = i->more->call;
    uint64_t v = 0;
    if (k >= c->n_args)
        return 0;
    const struct ptx_operand *a = &c->args[k];
    if (a->kind == PO_SYMBOL && a->symbol->space == PS_LOCAL)
        memcpy(&v, local_at(w, l, w->frame, a->symbol), smaller(8, a->symbol->bytes));
    else if (a->kind == PO_REG || a->kind == PO_IMM)
        v = get_register((const void *)(w->base[c->arg_base[k]] + c->arg_at[k]), l,
            a->kind == PO_REG ? c->caller->reg_type[a->reg] : PT_B64);
    return v;
}

static void pass_argument(
    struct warp *w, const struct ins *i, const struct frame *to, unsigned l, unsigned k)
{
    const struct exec_call *c = i->more->call;
    const struct ptx_symbol *formal = to->function->params[k];
    const struct ptx_operand *a = &c->args[k];
    if (a->kind == PO_SYMBOL && a->symbol->space == PS_LOCAL && formal->space == PS_LOCAL) {
        memcpy(local_at(w, l, to, formal), local_at(w, l, w->frame, a->symbol),
            smaller(formal->bytes, a->symbol->bytes));
        return;
    }
    const uint64_t v = exec_call_argument(w, i, l, k);
    if (formal->space == PS_LOCAL)
        memcpy(local_at(w, l, to, formal), &v, smaller(8, formal->bytes));
    else
        put_register(frame_register(to, formal->reg), l, formal->type, v);
}

static struct frame *new_frame(
    struct warp *w, const struct ins *i, struct ptx_function *f, uint32_t lanes)
{
    struct frame *up = w->frame;
    const size_t base = (up->local_base + up->function->local_bytes + 15) / 16 * 16;
    if (up->depth > 4000 || !grow_local(w, i, base + f->local_bytes))
        return NULL;
    struct frame *n = must(calloc(1, sizeof *n));
    void *registers = NULL;
    if (posix_memalign(&registers, 64, (size_t)f->n_units * UNIT) != 0)
        registers = NULL;
    n->registers = must(registers);
    memset(n->registers, 0, (size_t)f->n_units * UNIT);
    n->up = up;
    n->function = f;
    n->call = i->more->call;
    n->return_pc = w->pc + 1;
    n->lanes = lanes;
    n->local_base = (uint32_t)base;
    n->depth = up->depth + 1;
    return n;
}

static void call_function(
    struct warp *w, const struct ins *i, struct ptx_function *f, uint32_t lanes)
{
    const struct exec_call *c = i->more->call;
    if (c->n_args < f->n_params || c->n_results > f->n_results) {
        exec_fault(w, i, SG_ILLEGAL_INSTRUCTION, "call does not match the function");
        return;
    }
    struct frame *n = new_frame(w, i, f, lanes);
    if (!n)
        return;
    for (unsigned k = 0; k < f->n_params; k++)
        FOR_LANES(l, lanes) pass_argument(w, i, n, l, k);
    FOR_LANES(l, lanes) w->lane_frame[l] = n;
    w->frame = n;
    w->base[0] = n->registers;
    w->group = lanes;
    w->pc = f->first_pc;
}

static void return_zero(struct warp *w, const struct exec_call *c, unsigned l)
{
    const uint64_t zero = 0;
    for (unsigned k = 0; k < c->n_results; k++)
        if (c->results[k].kind == PO_SYMBOL && c->results[k].symbol->space == PS_LOCAL)
            memcpy(local_at(w, l, w->frame, c->results[k].symbol), &zero,
                smaller(8, c->results[k].symbol->bytes));
}

static struct ptx_function *indirect_target(struct warp *w, const struct ins *i, uint32_t *lanes)
{
    const struct exec_code *code = w->grid->code;
    const lane64 *address = lanes_of(w, i, 1);
    const uint64_t first = address[lowest_lane(*lanes)];
    const uint64_t index = (first - FUNCTION_WINDOW) / 16;
    FOR_LANES(l, *lanes)
    if (address[l] != first)
        *lanes &= ~(1u << l);
    if (first < FUNCTION_WINDOW || index == 0 || index > code->n_functions ||
        !code->by_index[index]->defined)
        return NULL;
    return code->by_index[index];
}

void exec_call(struct warp *w, const struct ins *i, uint32_t lanes)
{
    const struct exec_call *c = i->more->call;
    struct ptx_function *f = c->function;
    const uint32_t asked = lanes;
    if (c->how == CALL_INDIRECT)
        f = indirect_target(w, i, &lanes);
    FOR_LANES(l, w->group)
    w->lane_pc[l] = asked >> l & 1 ? w->pc : w->pc + 1; /* not called yet; guard false */
    if (c->how == CALL_PTX || (c->how == CALL_INDIRECT && f)) {
        call_function(w, i, f, lanes);
        return;
    }
    FOR_LANES(l, lanes)
    {
        return_zero(w, c, l);
        if (c->how == CALL_PRINT)
            exec_print(w, i, l);
        else if (c->how == CALL_ASSERT)
            exec_assert_fail(w, i, l);
        else
            exec_fault(w, i, SG_ILLEGAL_INSTRUCTION, "call of a function that has no code here");
        if (w->grid->fault != SG_OK)
            return;
        w->lane_pc[l] = w->pc + 1;
    }
    w->group = 0;
}

static void release(struct frame *f, uint32_t lanes)
{
    f->lanes &= ~lanes;
    if (f->lanes == 0 && f->up) {
        free(f->registers);
        free(f);
    }
}

static void hand_back(struct warp *w, const struct frame *from, unsigned l, unsigned k)
{
    const struct exec_call *c = from->call;
    const struct ptx_symbol *result = from->function->results[k];
    const struct ptx_operand *to = &c->results[k];
    uint64_t v = 0;
    if (result->space == PS_REG)
        v = get_register(frame_register(from, result->reg), l, result->type);
    if (to->kind == PO_SYMBOL && to->symbol->space == PS_LOCAL) {
        const void *source =
            result->space == PS_REG ? (const void *)&v : local_at(w, l, from, result);
        memcpy(local_at(w, l, from->up, to->symbol), source,
            smaller(result->bytes, to->symbol->bytes));
    } else if (to->kind == PO_REG) {
        if (result->space != PS_REG)
            memcpy(&v, local_at(w, l, from, result), smaller(8, result->bytes));
        put_register(from->up->registers + c->result_at[k], l, c->caller->reg_type[to->reg], v);
    }
}

void exec_return(struct warp *w, const struct ins *i, uint32_t lanes)
{
    (void)i;
    struct frame *from = w->frame;
    FOR_LANES(l, w->group) w->lane_pc[l] = w->pc + 1;
    FOR_LANES(l, lanes)
    {
        for (unsigned k = 0; k < from->call->n_results; k++)
            hand_back(w, from, l, k);
        w->lane_pc[l] = from->return_pc;
        w->lane_frame[l] = from->up;
    }
    release(from, lanes);
    w->group = 0;
}

void exec_leave_frames(struct warp *w, uint32_t lanes)
{
    FOR_LANES(l, lanes)
    {
        struct frame *up;
        for (struct frame *f = w->lane_frame[l]; f; f = up) {
            up = f->up;
            release(f, 1u << l);
        }
        w->lane_frame[l] = &w->root;
    }
}
