/* Writes the PTX of one exact add to global memory, scalar by scalar. replacements/reference/accumulator.c is its plain C twin,
 * step by step; what the steps are for is said in replacements/accumulator.h. Integer operations only, PTX 6.0 and sm_60. */
#include "shim/ptx/emit_parts.h"

#include <stdio.h>
#include <string.h>

/* a = global address of the first lane. */
static void put_address(const struct det_emit_site *s)
{
    const char *text = s->add->address;
    const char *sign = strpbrk(text + 1, "+-");
    const int n = sign ? (int)(sign - text) : (int)strlen(text);
    if (*text != '%')
        det_bytes_printf(s->out, "\tmov.u64 %%det_a, %s;\n", text);
    else if (s->add->generic) {
        det_bytes_printf(s->out, "\tcvta.to.global.u64 %%det_a, %.*s;\n", n, text);
        if (sign)
            det_bytes_printf(s->out, "\tadd.s64 %%det_a, %%det_a, %s;\n", sign + (*sign == '+'));
    } else if (sign)
        det_bytes_printf(s->out, "\tadd.s64 %%det_a, %.*s, %s;\n", n, text, sign + (*sign == '+'));
    else
        det_bytes_printf(s->out, "\tmov.u64 %%det_a, %s;\n", text);
}

/* low = lower half of the address, want = key of its block, and what the head says; once for all lanes, which share a block:
 * vectors are aligned to their own size. */
static void put_block(const struct det_emit_site *s)
{
    const char *table = s->add->table;
    put(s, "mov.b64 {~low, ~high}, ~a;");
    put(s, "lop3.b32 ~u, ~low, -%u, %d, 0xea;", s->f->block_bytes, (int)s->f->code + 1);
    put(s, "mov.b64 ~want, {~u, ~high};");
    put(s, "shf.r.wrap.b32 ~hash, ~u, ~high, 5;");
    put(s, "ld.global.nc.v2.u64 {~entries, ~bins}, [%s];", table);
    put(s, "ld.global.nc.v4.u32 {~shift, ~mask, ~limit, ~base}, [%s+%zu];", table,
        offsetof(struct det_acc_head, hash_shift));
    if (s->f->code == DET_ACC_BF16)
        put(s, "ld.global.nc.u32 ~base, [%s+%u];", table, s->f->base_at);
    put(s, "mul.lo.u32 ~hash, ~hash, 0x%x;", DET_ACC_HASH);
    put(s, "shr.u32 ~%s, ~hash, ~shift;", s->add->n_lanes > 1 ? "hash" : "h");
    if (s->add->n_lanes > 1)
        put(s, "mov.u64 ~key, 0;");
}

/* entry, h = the slot of the block, or off to `miss`, which comes back to `have` or ends in `full`. i = element. */
static void put_lookup(const struct det_emit_site *s)
{
    if (s->lane > 0) { /* an earlier lane has found it */
        put(s, "setp.eq.u64 ~p, ~key, ~want;");
        put(s, "@~p bra det_have#;");
    }
    if (s->add->n_lanes > 1)
        put(s, "mov.u32 ~h, ~hash;");
    put(s, "mad.wide.u32 ~entry, ~h, 16, ~entries;");
    put(s, "ld.global.v2.u64 {~key, ~state}, [~entry];");
    put(s, "setp.ne.u64 ~p, ~key, ~want;");
    put(s, "@~p bra det_miss#;");
    put_label(s, "have");
    put(s, "bfe.u32 ~i, ~low, %u, %u;", s->f->log2_bytes, s->f->element_mask == 3 ? 2u : 5u);
    if (s->lane > 0)
        put(s, "add.u32 ~i, ~i, %u;", s->lane);
    put(s, "mad.wide.u32 ~at, ~h, %u, ~bins;", DET_ACC_SLOT_WORDS * 8);
    put(s, "mad.wide.u32 ~at, ~i, 8, ~at;");
}

/* One integer add into one plane; u = group of the plane as a bit. */
static void put_window(const struct det_emit_site *s)
{
    const struct det_emit_format *f = s->f;
    if (f->base_at) {
        put(s, "sub.u32 ~r, ~s, ~base;");
        put(s, "setp.ge.u32 ~p, ~r, %u;", f->window);
        put(s, "@~p bra det_wide#;");
        put(s, "mul.hi.u32 ~q, ~r, %u;", f->magic);
        put(s, "mad.lo.s32 ~r, ~q, -%u, ~r;", f->step);
    } else {
        put(s, "shr.u32 ~q, ~s, 4;");
        put(s, "and.b32 ~r, ~s, %u;", f->step - 1);
    }
    put(s, "shl.b32 ~u, ~m, ~r;");
    put(s, "cvt.u64.u32 ~x, ~u;");
    put(s, "setp.ge.u32 ~neg, ~b, 0x%x;", 1u << (f->bits - 1));
    put(s, "@~neg neg.s64 ~x, ~x;");
    put(s, "mad.wide.u32 ~at, ~q, %u, ~at;", f->plane_bytes);
    put(s, "red.global.add.u64 [~at], ~x;");
    put(s, "shl.b32 ~u, 1, ~q;");
}

/* f64: up to three digits of 32 bits; u = groups of the planes as bits. */
static void put_digits(const struct det_emit_site *s)
{
    const unsigned stride = s->f->plane_bytes;
    put(s, "shr.u32 ~q, ~s, 5;");
    put(s, "and.b32 ~r, ~s, 31;");
    put(s, "mad.wide.u32 ~at, ~q, %u, ~at;", stride);
    put(s, "shl.b64 ~x, ~m, ~r;");
    put(s, "and.b64 ~x, ~x, 0xffffffff;");
    put(s, "sub.u32 ~u, 32, ~r;");
    put(s, "shr.u64 ~y, ~m, ~u;");
    put(s, "and.b64 ~y, ~y, 0xffffffff;");
    put(s, "sub.u32 ~u, 64, ~r;"); /* 64 shifts everything out */
    put(s, "shr.u64 ~z, ~m, ~u;");
    put(s, "setp.lt.s64 ~neg, ~b, 0;");
    for (unsigned i = 0; i < 3; i++) {
        const char digit = "xyz"[i];
        put(s, "@~neg neg.s64 ~%c, ~%c;", digit, digit);
        put(s, "setp.ne.s64 ~p, ~%c, 0;", digit);
        put(s, "@~p red.global.add.u64 [~at+%u], ~%c;", i * stride, digit);
    }
    put(s, "shr.u32 ~u, ~q, 2;");
    put(s, "shl.b32 ~u, 1, ~u;");
    put(s, "add.u32 ~q, ~q, 2;");
    put(s, "shr.u32 ~q, ~q, 2;");
    put(s, "shl.b32 ~q, 1, ~q;");
    put(s, "or.b32 ~u, ~u, ~q;");
}

/* Touched element and used groups into the state word, when they are not there yet: the state is never hot. */
static void put_mark(const struct det_emit_site *s)
{
    put_label(s, "mark");
    put(s, "shl.b32 ~i, 1, ~i;");
    put(s, "mov.b64 ~x, {~i, ~u};");
    put(s, "or.b64 ~y, ~state, ~x;");
    if (s->add->count)
        put(s, "add.s64 %s, %s, 1;", s->add->count, s->add->count);
    put(s, "setp.eq.u64 ~p, ~y, ~state;");
    put(s, "@~p bra det_done#;");
    put(s, "red.global.or.b64 [~entry+8], ~x;");
    put(s, "bra det_done#;");
}

static void put_bump(const struct det_emit_site *s, const char *counter_at)
{
    put(s, "ld.global.nc.u64 ~v, [%s+%zu];", s->add->table,
        offsetof(struct det_acc_head, counters));
    put(s, "add.s64 ~v, ~v, %s;", counter_at);
    put(s, "ld.volatile.global.u64 ~w, [~v];");
    put(s, "setp.lt.u64 ~p, ~w, %u;", DET_ACC_COUNT_CAP);
    put(s, "@~p red.global.add.u64 [~v], 1;");
}

/* A red of our own for one lane: the form without a result of what stood there, the other half of a pair -0. */
static void put_own_red(const struct det_emit_site *s)
{
    if (s->f->bits == 32) {
        put(s, "mov.b32 ~f, ~b;");
        put(s, "red.global.add.f32 [~a], ~f;");
    } else if (s->f->bits == 64)
        put(s, "{ .reg .f64 ~d; mov.b64 ~d, ~b; red.global.add.f64 [~a], ~d; }");
    else {
        put(s, "and.b64 ~x, ~a, 2;");
        put(s, "setp.ne.u64 ~p, ~x, 0;");
        put(s, "shl.b32 ~r, ~b, 16;");
        put(s, "or.b32 ~r, ~r, 0x8000;");
        put(s, "or.b32 ~u, ~b, 0x80000000;");
        put(s, "selp.b32 ~u, ~r, ~u, ~p;");
        put(s, "and.b64 ~z, ~a, -4;");
        put(s, "red.global.add.noftz.%s [~z], ~u;", s->f->code == DET_ACC_F16 ? "f16x2" : "bf16x2");
    }
}

static void put_original(const struct det_emit_site *s)
{
    put_label(s, "skip");
    put(s, "mov.u64 ~y, %zu;", offsetof(struct det_acc_counters, specials));
    put_label(s, "count");
    put_bump(s, "~y");
    if (s->add->original && s->add->n_lanes == 1)
        det_bytes_printf(s->out, "\t%s\n", s->add->original);
    else
        put_own_red(s);
    put(s, "@~nan bra det_finite#;");
    put(s, "bra det_done#;");
    put_label(s, "full");
    put(s, "setp.ne.u32 ~nan, ~n, ~n;"); /* a NaN has run already: it must not come back */
    put(s, "mov.u64 ~y, %zu;", offsetof(struct det_acc_counters, overflow));
    put(s, "bra det_count#;");
}

/* An entry is ours, somebody's, or free, and one compare-and-swap decides: nobody waits. */
static void put_probe(const struct det_emit_site *s)
{
    put_label(s, "miss");
    put(s, "mov.u32 ~n, ~limit;");
    put_label(s, "probe");
    put(s, "setp.ne.u64 ~p, ~key, 0;");
    put(s, "@~p bra det_next#;");
    put(s, "atom.global.cas.b64 ~key, [~entry], 0, ~want;");
    put(s, "mov.u64 ~state, 0;");
    put(s, "setp.eq.u64 ~p, ~key, ~want;");
    put(s, "@~p bra det_have#;");
    put(s, "setp.ne.u64 ~p, ~key, 0;");
    put(s, "@~p bra det_next#;");
    put(s, "ld.global.nc.v2.u64 {~x, ~y}, [%s+%zu];", s->add->table,
        offsetof(struct det_acc_head, dirty));
    put(s, "atom.global.add.u64 ~z, [~y], 1;");
    put(s, "shl.b64 ~z, ~z, 2;");
    put(s, "add.s64 ~x, ~x, ~z;");
    put(s, "st.global.u32 [~x], ~h;");
    put(s, "ld.volatile.global.u64 ~z, [~y+%zu];", offsetof(struct det_acc_counters, types));
    put(s, "and.b64 ~z, ~z, %u;", 1u << s->f->code);
    put(s, "setp.eq.u64 ~p, ~z, 0;");
    put(s, "@~p red.global.or.b64 [~y+%zu], %u;", offsetof(struct det_acc_counters, types),
        1u << s->f->code);
    put(s, "bra det_have#;");
    put_label(s, "next");
    put(s, "sub.u32 ~n, ~n, 1;");
    put(s, "setp.eq.u32 ~p, ~n, 0;");
    put(s, "@~p bra det_full#;");
    put(s, "add.u32 ~h, ~h, 1;");
    put(s, "and.b32 ~h, ~h, ~mask;");
    put(s, "mad.wide.u32 ~entry, ~h, 16, ~entries;");
    put(s, "ld.global.v2.u64 {~key, ~state}, [~entry];");
    put(s, "setp.eq.u64 ~p, ~key, ~want;");
    put(s, "@~p bra det_have#;");
    put(s, "bra det_probe#;");
}

/* One more promotion of this scale, by which the fold moves the window; v = its counter of promotions. */
static void put_scale(const struct det_emit_site *s)
{
    const size_t at = offsetof(struct det_acc_counters, scales) -
                      offsetof(struct det_acc_counters, promotions) +
                      (s->f->code == DET_ACC_BF16 ? 32 * sizeof(uint32_t) : 0);
    put(s, "shr.u32 ~u, ~s, 3;");
    put(s, "mad.wide.u32 ~v, ~u, 4, ~v;");
    put(s, "ld.volatile.global.u32 ~u, [~v+%zu];", at);
    put(s, "setp.lt.u32 ~p, ~u, %u;", DET_ACC_COUNT_CAP);
    put(s, "@~p red.global.add.u32 [~v+%zu], 1;", at);
}

/* m * 2^s into the 320-bit integer, carry by carry: see into_wide in the C twin. */
static void put_wide(const struct det_emit_site *s)
{
    char at[24];
    snprintf(at, sizeof at, "%zu", offsetof(struct det_acc_counters, promotions));
    put_label(s, "wide");
    put_bump(s, at);
    put_scale(s);
    put(s, "and.b32 ~r, ~s, 63;");
    put(s, "shr.u32 ~q, ~s, 6;");
    put(s, "cvt.u64.u32 ~x, ~m;");
    put(s, "sub.u32 ~u, 64, ~r;");
    put(s, "shr.u64 ~y, ~x, ~u;");
    put(s, "shl.b64 ~x, ~x, ~r;");
    put(s, "sub.u32 ~u, 5, ~q;");
    put(s, "add.u32 ~q, ~q, %u;", DET_ACC_WIDE_PLANE);
    put(s, "mad.wide.u32 ~at, ~q, %u, ~at;", s->f->plane_bytes);
    put(s, "setp.ge.u32 ~neg, ~b, 0x%x;", 1u << (s->f->bits - 1));
    put_label(s, "carry");
    put(s, "neg.s64 ~z, ~x;");
    put(s, "selp.b64 ~z, ~z, ~x, ~neg;");
    put(s, "atom.global.add.u64 ~w, [~at], ~z;");
    put(s,
        "selp.b64 ~z, 0, ~x, ~neg;"); /* minus: a borrow if old < x; plus: a carry if old + x wraps below x */
    put(s, "add.s64 ~w, ~w, ~z;");
    put(s, "setp.lt.u64 ~p, ~w, ~x;");
    put(s, "selp.b64 ~x, 1, 0, ~p;");
    put(s, "add.s64 ~x, ~x, ~y;");
    put(s, "mov.u64 ~y, 0;");
    put(s, "add.s64 ~at, ~at, %u;", s->f->plane_bytes);
    put(s, "sub.u32 ~u, ~u, 1;");
    put(s, "setp.eq.u64 ~p, ~x, 0;");
    put(s, "@~p bra det_carried#;");
    put(s, "setp.ne.u32 ~p, ~u, 0;");
    put(s, "@~p bra det_carry#;");
    put_label(s, "carried");
    put(s, "mov.u32 ~u, %u;", 1u << DET_ACC_WIDE_PLANE);
    put(s, "bra det_mark#;");
}

/* d = the number in `bits`, a 32-bit register (f64: 64-bit). */
static void put_double(const struct det_emit_site *s, const char *bits)
{
    switch (s->f->code) {
    case DET_ACC_F64:
        put(s, "mov.b64 ~c_d, %s;", bits);
        return;
    case DET_ACC_F32:
        put(s, "mov.b32 ~c_f, %s;", bits);
        break;
    case DET_ACC_BF16:
        put(s, "shl.b32 ~c_u, %s, 16;", bits);
        put(s, "mov.b32 ~c_f, ~c_u;");
        break;
    default:
        put(s, "cvt.u16.u32 ~c_h, %s;", bits);
        put(s, "cvt.f32.f16 ~c_f, ~c_h;");
        break;
    }
    put(s, "cvt.f64.f32 ~c_d, ~c_f;");
}

/* The ordinary sum beside the exact one, for a target that has an entry or finds its entry free. */
static void put_check(const struct det_emit_site *s)
{
    const unsigned bits = s->f->bits;
    put(s, "{ .reg .pred ~c_p; .reg .b16 ~c_h; .reg .b32 ~c_u; .reg .f32 ~c_f; .reg .f64 ~c_d;");
    put(s, ".reg .b64 ~c_key, ~c_entry, ~c_old; .reg .b%u ~c_b;", bits < 64 ? 32 : 64);
    put(s, "shl.b64 ~c_key, ~a, 3;");
    put(s, "or.b64 ~c_key, ~c_key, %d;", (int)s->f->code + 1);
    put(s, "shr.u64 ~c_old, ~a, %u;", s->f->log2_bytes);
    put(s, "cvt.u32.u64 ~c_u, ~c_old;");
    put(s, "mul.lo.u32 ~c_u, ~c_u, 0x%x;", DET_ACC_HASH);
    put(s, "shr.u32 ~c_u, ~c_u, %d;", __builtin_clz(DET_ACC_CHECKS) + 1);
    put(s, "ld.global.nc.u64 ~c_entry, [%s+%zu];", s->add->table,
        offsetof(struct det_acc_head, counters));
    put(s, "mad.wide.u32 ~c_entry, ~c_u, %zu, ~c_entry;", sizeof(struct det_acc_check));
    put(s, "add.s64 ~c_entry, ~c_entry, %u;", DET_ACC_CHECK_AT);
    put(s, "atom.global.cas.b64 ~c_old, [~c_entry], 0, ~c_key;");
    put(s, "setp.ne.u64 ~c_p, ~c_old, 0;");
    put(s, "@~c_p bra det_claimed#;");
    put(s, "ld.volatile.global.u%u ~c_b, [~a];", bits);
    put(s, "st.global.u%u [~c_entry+%zu], ~c_b;", bits, offsetof(struct det_acc_check, before));
    put(s, "mov.u64 ~c_old, ~c_key;");
    put_label(s, "claimed");
    put(s, "setp.ne.u64 ~c_p, ~c_old, ~c_key;");
    put(s, "@~c_p bra det_unchecked#;");
    put_double(s, "%det_b");
    put(s, "red.global.add.f64 [~c_entry+%zu], ~c_d;", offsetof(struct det_acc_check, sum));
    put(s, "abs.f64 ~c_d, ~c_d;");
    put(s, "red.global.add.f64 [~c_entry+%zu], ~c_d;", offsetof(struct det_acc_check, absolute));
    put(s, "red.global.add.u64 [~c_entry+%zu], 1;", offsetof(struct det_acc_check, n));
    put_label(s, "unchecked");
    put(s, "}");
}

static void put_lane(const struct det_emit_site *s)
{
    if (s->lane > 0)
        put(s, "add.s64 ~a, ~a, %u;", 1u << s->f->log2_bytes);
    det_emit_bits(s);
    if (s->add->check)
        put_check(s);
    det_emit_split(s);
    put_lookup(s);
    if (s->f->code == DET_ACC_F64)
        put_digits(s);
    else
        put_window(s);
    put_mark(s);
    put_original(s);
    det_emit_special(s);
    put_probe(s);
    if (s->f->base_at)
        put_wide(s);
    put_label(s, "done");
}

enum det_err det_ptx_emit_add(struct det_bytes *out, const struct det_ptx_add *add)
{
    enum { MAX_LANES = 16 };
    const bool odd = add->packed && add->n_lanes % 2 != 0;
    if (add->version < 60 || add->target < 60 || add->type == DET_PTX_OTHER)
        return DET_E_UNSUPPORTED;
    if (add->n_lanes == 0 || add->n_lanes > MAX_LANES || odd)
        return DET_E_UNSUPPORTED;
    struct det_emit_site site = { out, add, &det_emit_formats[add->type], add->n_lanes - 1, false };
    det_bytes_text(out, "\t{\n");
    det_emit_registers(&site);
    det_emit_guard(&site); /* past the last lane */
    put_address(&site);
    put_block(&site);
    for (site.lane = 0; site.lane < add->n_lanes; site.lane++)
        put_lane(&site);
    det_bytes_text(out, "\t}\n");
    return det_bytes_check(out);
}

enum det_err det_ptx_emit_count(struct det_bytes *out, const char *table, const char *count)
{
    det_bytes_text(out, "\t{\n\t.reg .b64 %det_v;\n");
    det_bytes_printf(out, "\tld.global.nc.u64 %%det_v, [%s+%zu];\n", table,
        offsetof(struct det_acc_head, counters));
    det_bytes_printf(out, "\tred.global.add.u64 [%%det_v+%zu], %s;\n\t}\n",
        offsetof(struct det_acc_counters, adds), count);
    return det_bytes_check(out);
}
