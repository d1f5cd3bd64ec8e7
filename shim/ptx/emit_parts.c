/* The steps of an exact add that do not depend on where its target lies: see emit_parts.h. */
#include "shim/ptx/emit_parts.h"

#include <stdarg.h>
#include <stdio.h>

const struct det_emit_format det_emit_formats[] = {
    [DET_PTX_F32] = { DET_ACC_F32, 32, 23, 2, 31, 256, 128, offsetof(struct det_acc_head, f32_base),
        36, DET_ACC_F32_STEP, UINT32_MAX / DET_ACC_F32_STEP + 1 },
    [DET_PTX_F64] = { DET_ACC_F64, 64, 52, 3, 3, 32, 32, 0, 0, 0, 0 },
    [DET_PTX_F16] = { DET_ACC_F16, 16, 10, 1, 31, 256, 64, 0, 0, 16, 0 },
    [DET_PTX_BF16] = { DET_ACC_BF16, 16, 7, 1, 31, 256, 64,
        offsetof(struct det_acc_head, bf16_base), 96, DET_ACC_BF16_STEP,
        UINT32_MAX / DET_ACC_BF16_STEP + 1 },
};

/* One line: printf, then ~ becomes the register prefix and # the site's label suffix. */
void det_emit_put(const struct det_emit_site *s, const char *format, ...)
{
    char line[256];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    det_bytes_text(s->out, "\t");
    for (const char *at = line; *at; at++)
        if (*at == '~')
            det_bytes_text(s->out, "%det_");
        else if (*at == '#')
            det_bytes_printf(s->out, "_%u_%u", s->add->serial, s->lane);
        else
            det_bytes_append(s->out, at, 1);
    det_bytes_text(s->out, "\n");
}

void det_emit_label(const struct det_emit_site *s, const char *name)
{
    det_bytes_printf(s->out, "det_%s_%u_%u:\n", name, s->add->serial, s->lane);
}

static uint64_t inf_of(const struct det_emit_format *f)
{
    const unsigned exponent_bits = f->bits - 1 - f->fraction_bits;
    return ((UINT64_C(1) << exponent_bits) - 1) << f->fraction_bits;
}

void det_emit_registers(const struct det_emit_site *s)
{
    const bool f64 = s->f->bits == 64;
    put(s, ".reg .pred ~p, ~neg, ~nan;");
    put(s, ".reg .b16 ~lo, ~hi;");
    put(s, ".reg .f32 ~f;");
    put(s,
        ".reg .b32 ~s, ~h, ~hash, ~n, ~i, ~q, ~r, ~u, ~low, ~high, ~shift, ~mask, ~limit, ~base;");
    put(s, ".reg .b%d ~b, ~t, ~m;", f64 ? 64 : 32);
    put(s, ".reg .b64 ~a, ~want, ~entries, ~bins, ~entry, ~key, ~state, ~at, ~v, ~w, ~x, ~y, ~z;");
}

void det_emit_guard(const struct det_emit_site *s)
{
    const char *guard = s->add->guard;
    if (!guard)
        return;
    const bool inverted = guard[1] == '!';
    put(s, "@%s%s bra det_done#;", inverted ? "" : "!", guard + 1 + inverted);
}

/* b = bits of the addend, as an integer. Immediates keep their float type on the way. */
void det_emit_bits(const struct det_emit_site *s)
{
    const struct det_ptx_add *add = s->add;
    const char *operand = add->addend[add->packed ? s->lane / 2 : s->lane];
    const bool immediate = (*operand >= '0' && *operand <= '9') || *operand == '-';
    if (add->packed) {
        det_bytes_printf(s->out, "\tmov.b32 {%%det_lo, %%det_hi}, %s;\n", operand);
        put(s, "cvt.u32.u16 ~b, ~%s;", s->lane & 1 ? "hi" : "lo");
    } else if (s->f->bits == 16) {
        det_bytes_printf(s->out, "\tmov.b16 %%det_lo, %s;\n", operand);
        put(s, "cvt.u32.u16 ~b, ~lo;");
    } else if (immediate && s->f->bits == 32) {
        det_bytes_printf(s->out, "\tmov.f32 %%det_f, %s;\n", operand);
        put(s, "mov.b32 ~b, ~f;");
    } else if (immediate) {
        det_bytes_printf(s->out,
            "\t{ .reg .f64 %%det_d; mov.f64 %%det_d, %s; mov.b64 %%det_b, %%det_d; }\n", operand);
    } else
        det_bytes_printf(s->out, "\tmov.b%u %%det_b, %s;\n", s->f->bits, operand);
    if (add->negate)
        put(s, "xor.b%u ~b, ~b, 0x%llx;", s->f->bits == 64 ? 64u : 32u, 1ull << (s->f->bits - 1));
}

/* Normal numbers become m * 2^s; the others leave for `special`. */
void det_emit_split(const struct det_emit_site *s)
{
    const struct det_emit_format *f = s->f;
    const unsigned exponent_bits = f->bits - 1 - f->fraction_bits;
    const uint64_t hidden = UINT64_C(1) << f->fraction_bits;
    if (f->bits == 64) {
        put(s, "mov.b64 {~u, ~s}, ~b;");
        put(s, "bfe.u32 ~s, ~s, %u, %u;", f->fraction_bits - 32, exponent_bits);
    } else
        put(s, "bfe.u32 ~s, ~b, %u, %u;", f->fraction_bits, exponent_bits);
    put(s, "sub.u32 ~s, ~s, 1;");
    put(s, "setp.ge.u32 ~p, ~s, %u;", (1u << exponent_bits) - 2);
    put(s, "@~p bra det_special#;");
    if (f->bits == 64) {
        put(s, "and.b64 ~m, ~b, 0x%llx;", (unsigned long long)hidden - 1);
        put(s, "or.b64 ~m, ~m, 0x%llx;", (unsigned long long)hidden);
    } else /* (b & fraction) | hidden */
        put(s, "lop3.b32 ~m, ~b, 0x%x, 0x%x, 0xea;", (unsigned)hidden - 1, (unsigned)hidden);
    put_label(s, "finite");
}

/* A subnormal f32 counts as a zero where global float atomics flush; atomics in shared memory do not. */
static void put_flush(const struct det_emit_site *s)
{
    put(s, "ld.global.nc.u32 ~u, [%s+%zu];", s->add->table, offsetof(struct det_acc_head, flags));
    put(s, "and.b32 ~u, ~u, %u;", DET_ACC_FLUSH_F32);
    put(s, "setp.ne.u32 ~p, ~u, 0;");
    put(s, "@~p bra det_skip#;");
}

void det_emit_special(const struct det_emit_site *s)
{
    const unsigned w = s->f->bits == 64 ? 64 : 32;
    const unsigned long long hidden = 1ull << s->f->fraction_bits;
    put_label(s, "special");
    put(s, "and.b%u ~t, ~b, 0x%llx;", w, (1ull << (s->f->bits - 1)) - 1);
    put(s, "setp.gt.u%u ~nan, ~t, 0x%llx;", w, (unsigned long long)inf_of(s->f));
    put(s, "sub.u%u ~m, ~t, 1;", w);
    put(s, "setp.ge.u%u ~p, ~m, 0x%llx;", w, hidden - 1);
    put(s, "mov.u%u ~m, 0;", w);
    put(s, "mov.u32 ~s, 0;");
    if (s->f->base_at && !s->shared)
        put(s, "@~p ld.global.nc.u32 ~s, [%s+%u];", s->add->table, s->f->base_at);
    put(s, "@~p bra det_skip#;");
    if (s->f->code == DET_ACC_F32 && !s->shared)
        put_flush(s);
    put(s, "mov.u%u ~m, ~t;", w);
    put(s, "bra det_finite#;");
}
