/* The steps of an exact add that do not depend on where its target lies: see emit_parts.h. */
#include "shim/ptx/emit_parts.h"

#include <stdarg.h>
#include <stdio.h>

const struct det_emit_format det_emit_formats[] = {
    [DET_PTX_F32] = { DET_ACC_F32, 32, 23, 2, 31, 256, 128, offsetof(struct det_acc_head, f32_base),
        36, DET_ACC_F32_STEP, 57, 9 },
    [DET_PTX_F64] = { DET_ACC_F64, 64, 52, 3, 3, 32, 32, 0, 0, 0, 0, 0 },
    [DET_PTX_F16] = { DET_ACC_F16, 16, 10, 1, 31, 256, 64, 0, 0, 16, 1, 4 },
    [DET_PTX_BF16] = { DET_ACC_BF16, 16, 7, 1, 31, 256, 64,
        offsetof(struct det_acc_head, bf16_base), 96, DET_ACC_BF16_STEP, 171, 12 },
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
    put(s, ".reg .pred ~p, ~neg;");
    put(s, ".reg .b16 ~lo, ~hi;");
    put(s, ".reg .f32 ~f;");
    put(s, ".reg .b32 ~s, ~h, ~n, ~i, ~q, ~r, ~u, ~shift, ~mask, ~base;");
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

/* Zero, Inf, NaN (f32: subnormals too) leave for `special`; the others become m * 2^s. */
void det_emit_split(const struct det_emit_site *s)
{
    const struct det_emit_format *f = s->f;
    const unsigned w = f->bits == 64 ? 64 : 32;
    const uint64_t hidden = UINT64_C(1) << f->fraction_bits, inf = inf_of(f);
    put(s, "and.b%u ~t, ~b, 0x%llx;", w, (1ull << (f->bits - 1)) - 1);
    if (f->code == DET_ACC_F32) {
        put(s, "sub.u32 ~u, ~t, 0x800000;");
        put(s, "setp.ge.u32 ~p, ~u, 0x7f000000;");
        put(s, "@~p bra det_special#;");
        put(s, "shr.u32 ~s, ~u, 23;");
        put(s, "and.b32 ~m, ~t, 0x7fffff;");
        put(s, "or.b32 ~m, ~m, 0x800000;");
        put_label(s, "finite");
        return;
    }
    put(s, "sub.u%u ~m, ~t, 1;", w);
    put(s, "setp.ge.u%u ~p, ~m, 0x%llx;", w, (unsigned long long)inf - 1);
    put(s, "@~p bra det_special#;");
    put(s, "shr.u%u ~m, ~t, %u;", w, f->fraction_bits);
    put(s, w == 64 ? "cvt.u32.u64 ~s, ~m;" : "mov.u32 ~s, ~m;");
    put(s, "min.u32 ~u, ~s, 1;");
    put(s, "sub.u32 ~s, ~s, ~u;");
    put(s, "and.b%u ~m, ~t, 0x%llx;", w, (unsigned long long)hidden - 1);
    if (w == 64) {
        put(s, "cvt.u64.u32 ~x, ~u;");
        put(s, "shl.b64 ~x, ~x, %u;", f->fraction_bits);
        put(s, "or.b64 ~m, ~m, ~x;");
    } else {
        put(s, "shl.b32 ~u, ~u, %u;", f->fraction_bits);
        put(s, "or.b32 ~m, ~m, ~u;");
    }
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
    put_label(s, "special");
    if (s->f->code == DET_ACC_F32) {
        put(s, "sub.u32 ~u, ~t, 1;");
        put(s, "setp.ge.u32 ~p, ~u, 0x7fffff;");
        put(s, "@~p bra det_absorb#;");
        if (!s->shared)
            put_flush(s);
        put(s, "mov.u32 ~s, 0;");
        put(s, "mov.u32 ~m, ~t;");
        put(s, "bra det_finite#;");
        put_label(s, "absorb");
    }
    put(s, "setp.le.u%u ~p, ~t, 0x%llx;", w, (unsigned long long)inf_of(s->f));
    put(s, "@~p bra det_skip#;");
    put(s, "mov.u%u ~m, 0;", w);
    if (s->f->base_at && !s->shared)
        put(s, "ld.global.nc.u32 ~s, [%s+%u];", s->add->table, s->f->base_at);
    else
        put(s, "mov.u32 ~s, 0;");
    put(s, "bra det_finite#;");
}
