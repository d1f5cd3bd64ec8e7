/* Writes the PTX of exact adds to shared memory, where sums are read after a barrier of the same kernel: a shadow of wide
 * integers beside the array, and a fold by all threads of the block. No hash, no window: shared memory is small and near.
 * The rounding is that of the fold kernel, copied from its text, so that it stands in one place. */
#include "shim/ptx/emit_parts.h"

#include <stdio.h>
#include <string.h>

/* Words of the integer: the largest number and 2^42 adds fit (f16: 128 bits for 40). */
static const unsigned words_of[] = {
    [DET_PTX_F32] = 5, [DET_PTX_F64] = 34, [DET_PTX_F16] = 2, [DET_PTX_BF16] = 5
};
static const char *const names[] = { "f32", "f64", "f16", "bf16" };

size_t det_ptx_shadow_bytes(enum det_ptx_type type, size_t n_elems)
{
    if (type >= DET_PTX_OTHER)
        return 0;
    return n_elems * words_of[type] * 8 + (n_elems + 31) / 32 * 4;
}

/* i = number of this thread in its block, n = threads of the block. */
static void put_thread(struct det_bytes *out)
{
    det_bytes_text(out,
        "\tmov.u32 %det_i, %tid.z;\n\tmov.u32 %det_u, %ntid.y;\n\tmov.u32 %det_n, %tid.y;\n"
        "\tmad.lo.u32 %det_i, %det_i, %det_u, %det_n;\n\tmov.u32 %det_n, %ntid.x;\n"
        "\tmov.u32 %det_q, %tid.x;\n\tmad.lo.u32 %det_i, %det_i, %det_n, %det_q;\n"
        "\tmul.lo.u32 %det_n, %det_n, %det_u;\n\tmov.u32 %det_u, %ntid.z;\n"
        "\tmul.lo.u32 %det_n, %det_n, %det_u;\n");
}

enum det_err det_ptx_emit_shadow_clear(
    struct det_bytes *out, const struct det_ptx_shadow *shadow, unsigned serial)
{
    if (shadow->type >= DET_PTX_OTHER)
        return DET_E_UNSUPPORTED;
    det_bytes_text(
        out, "\t{\n\t.reg .pred %det_p;\n\t.reg .b32 %det_i, %det_n, %det_q, %det_u, %det_a;\n");
    put_thread(out);
    det_bytes_printf(out,
        "\tmov.u32 %%det_a, %s;\n\tadd.u32 %%det_u, %%det_a, 31;\n\tshr.u32 %%det_u, %%det_u, 5;\n",
        shadow->n_elems);
    det_bytes_printf(
        out, "\tmad.lo.u32 %%det_u, %%det_a, %u, %%det_u;\n", 2 * words_of[shadow->type]);
    det_bytes_printf(out, "\tmov.u32 %%det_a, %s;\n\tmad.lo.u32 %%det_a, %%det_i, 4, %%det_a;\n",
        shadow->shadow);
    det_bytes_printf(out,
        "det_clear_%u:\n\tsetp.ge.u32 %%det_p, %%det_i, %%det_u;\n\t@%%det_p bra det_cleared_%u;\n"
        "\tst.shared.u32 [%%det_a], 0;\n\tmad.lo.u32 %%det_a, %%det_n, 4, %%det_a;\n"
        "\tadd.u32 %%det_i, %%det_i, %%det_n;\n\tbra det_clear_%u;\ndet_cleared_%u:\n\tbar.sync "
        "0;\n\t}\n",
        serial, serial, serial, serial);
    return det_bytes_check(out);
}

/* h = shared address of the target. */
static void put_target(const struct det_emit_site *s, unsigned bits)
{
    const char *text = s->add->address, *sign = strpbrk(text + 1, "+-");
    if (*text != '%') {
        det_bytes_printf(s->out, "\tmov.u32 %%det_h, %s;\n", text);
        return;
    }
    const int n = sign ? (int)(sign - text) : (int)strlen(text);
    if (s->add->generic) {
        det_bytes_printf(s->out, "\tcvta.to.shared.u64 %%det_a, %.*s;\n", n, text);
        put(s, "cvt.u32.u64 ~h, ~a;");
    } else
        det_bytes_printf(
            s->out, "\t%s %%det_h, %.*s;\n", bits == 64 ? "cvt.u32.u64" : "mov.b32", n, text);
    if (sign)
        det_bytes_printf(s->out, "\tadd.s32 %%det_h, %%det_h, %s;\n", sign + (*sign == '+'));
}

/* i = element; into its integer, carry by carry, as put_wide of emit_add.c does in global memory. */
static void put_carries(const struct det_emit_site *s, const struct det_ptx_shadow *shadow)
{
    const unsigned words = words_of[shadow->type];
    det_bytes_printf(s->out, "\tmov.u32 %%det_shift, %s;\n\tmov.u32 %%det_base, %s;\n",
        shadow->n_elems, shadow->shadow);
    det_bytes_printf(
        s->out, "\tmov.u32 %%det_q, %s;\n\tsub.u32 %%det_i, %%det_h, %%det_q;\n", shadow->array);
    put(s, "shr.u32 ~i, ~i, %u;", s->f->log2_bytes);
    put(s, "setp.ge.u32 ~p, ~i, ~shift;");
    put(s, "@~p bra det_full#;");
    put(s, "and.b32 ~r, ~s, 63;");
    put(s, "shr.u32 ~q, ~s, 6;");
    put(s, s->f->bits == 64 ? "mov.u64 ~x, ~m;" : "cvt.u64.u32 ~x, ~m;");
    put(s, "sub.u32 ~u, 64, ~r;");
    put(s, "shr.u64 ~y, ~x, ~u;");
    put(s, "shl.b64 ~x, ~x, ~r;");
    put(s, "sub.u32 ~u, %u, ~q;", words);
    put(s, "mad.lo.u32 ~q, ~q, ~shift, ~i;");
    put(s, "mad.lo.u32 ~h, ~q, 8, ~base;");
    if (s->f->bits == 64)
        put(s, "setp.lt.s64 ~neg, ~b, 0;");
    else {
        put(s, "and.b32 ~q, ~b, 0x%x;", 1u << (s->f->bits - 1));
        put(s, "setp.ne.u32 ~neg, ~q, 0;");
    }
    put_label(s, "carry");
    put(s, "neg.s64 ~z, ~x;");
    put(s, "selp.b64 ~z, ~z, ~x, ~neg;");
    put(s, "atom.shared.add.u64 ~w, [~h], ~z;");
    put(s, "selp.b64 ~z, 0, ~x, ~neg;");
    put(s, "add.s64 ~w, ~w, ~z;");
    put(s, "setp.lt.u64 ~p, ~w, ~x;");
    put(s, "selp.b64 ~x, 1, 0, ~p;");
    put(s, "add.s64 ~x, ~x, ~y;");
    put(s, "mov.u64 ~y, 0;");
    put(s, "mad.lo.u32 ~h, ~shift, 8, ~h;");
    put(s, "sub.u32 ~u, ~u, 1;");
    put(s, "setp.eq.u64 ~p, ~x, 0;");
    put(s, "@~p bra det_carried#;");
    put(s, "setp.ne.u32 ~p, ~u, 0;");
    put(s, "@~p bra det_carry#;");
    put_label(s, "carried");
    put(s, "mad.lo.u32 ~h, ~shift, %u, ~base;", 8 * words);
    put(s, "shr.u32 ~q, ~i, 5;");
    put(s, "mad.lo.u32 ~h, ~q, 4, ~h;");
    put(s, "and.b32 ~i, ~i, 31;");
    put(s, "shl.b32 ~q, 1, ~i;");
    put(s, "ld.volatile.shared.u32 ~u, [~h];");
    put(s, "and.b32 ~u, ~u, ~q;");
    put(s, "setp.eq.u32 ~p, ~u, 0;");
    put(s, "@~p red.shared.or.b32 [~h], ~q;");
}

static void put_count(const struct det_emit_site *s, size_t counter_at)
{
    if (!s->add->table)
        return;
    put(s, "ld.global.nc.u64 ~v, [%s+%zu];", s->add->table,
        offsetof(struct det_acc_head, counters));
    put(s, "ld.volatile.global.u64 ~w, [~v+%zu];", counter_at);
    put(s, "setp.lt.u64 ~p, ~w, %u;", DET_ACC_COUNT_CAP);
    put(s, "@~p red.global.add.u64 [~v+%zu], 1;", counter_at);
}

enum det_err det_ptx_emit_add_shared(struct det_bytes *out, const struct det_ptx_add *add,
    unsigned bits, const struct det_ptx_shadow *shadow)
{
    if (add->version < 60 || add->target < 60 || add->type >= DET_PTX_OTHER ||
        add->type != shadow->type)
        return DET_E_UNSUPPORTED;
    if (add->n_lanes != 1 || add->packed || !add->original)
        return DET_E_UNSUPPORTED;
    const struct det_emit_site site = { out, add, &det_emit_formats[add->type], 0, true },
                               *s = &site;
    det_bytes_text(out, "\t{\n");
    det_emit_registers(s);
    det_emit_guard(s);
    put_target(s, bits);
    det_emit_bits(s);
    det_emit_split(s);
    put_carries(s, shadow);
    if (add->count)
        put(s, "add.s64 %s, %s, 1;", add->count, add->count);
    put(s, "bra det_done#;");
    put_label(s, "skip");
    put_count(s, offsetof(struct det_acc_counters, specials));
    put_label(s, "original");
    det_bytes_printf(out, "\t%s\n", add->original);
    put(s, "@~nan bra det_finite#;");
    put(s, "bra det_done#;");
    put_label(s, "full");
    put(s, "setp.ne.u32 ~nan, ~i, ~i;"); /* a NaN has run already: it must not come back */
    put_count(s, offsetof(struct det_acc_counters, overflow));
    put(s, "bra det_original#;");
    det_emit_special(s);
    put_label(s, "done");
    det_bytes_text(out, "\t}\n");
    return det_bytes_check(out);
}

enum det_err det_ptx_emit_shadow_fold(
    struct det_bytes *out, const struct det_ptx_shadow *shadow, unsigned serial)
{
    (void)serial;
    if (shadow->type >= DET_PTX_OTHER)
        return DET_E_UNSUPPORTED;
    det_bytes_text(out, "\t{\n\t.param .b32 det_p0;\n\t.param .b32 det_p1;\n\t.param .b32 "
                        "det_p2;\n\t.reg .b32 %det_u;\n");
    const char *const operands[] = { shadow->array, shadow->n_elems, shadow->shadow };
    for (unsigned i = 0; i < 3; i++)
        det_bytes_printf(
            out, "\tmov.u32 %%det_u, %s;\n\tst.param.b32 [det_p%u], %%det_u;\n", operands[i], i);
    det_bytes_printf(out,
        "\tcall.uni det_shadow_fold_%s, (det_p0, det_p1, det_p2);\n\tbar.sync 0;\n\t}\n",
        names[shadow->type]);
    return det_bytes_check(out);
}

/* The lines of the fold kernel between `//begin NAME` and `//end NAME`. */
static bool copy_part(struct det_bytes *out, const char *name)
{
    char mark[64];
    snprintf(mark, sizeof mark, "//begin %s", name);
    const char *from = strstr(det_acc_fold_ptx, mark);
    snprintf(mark, sizeof mark, "//end %s", name);
    const char *until = strstr(det_acc_fold_ptx, mark);
    if (!from || !until)
        return false;
    from = strchr(from, '\n') + 1;
    det_bytes_append(out, from, (size_t)(until - from));
    det_bytes_text(out, "\n");
    return true;
}

/* What the rounding wants to know of the type; names as in the fold kernel. */
static void put_constants(struct det_bytes *out, enum det_ptx_type type)
{
    const struct det_emit_format *f = &det_emit_formats[type];
    const uint64_t sign = UINT64_C(1) << (f->bits - 1), hidden = UINT64_C(1) << f->fraction_bits;
    det_bytes_printf(out, "\tmov.u32 %%p_bits, %u;\n\tmov.u32 %%n_digits, %u;\n",
        f->fraction_bits + 1, 2 * words_of[type]);
    det_bytes_text(out, "\tmov.u32 %lo, 0;\n\tmov.u32 %hi, %n_digits;\n"
                        "\tadd.u32 %cleared, %n_digits, 4;\n"); /* all digits are walked */
    det_bytes_printf(out,
        "\tmov.u64 %%sign, 0x%llx;\n\tmov.u64 %%hidden, 0x%llx;\n\tmov.u64 %%inf, 0x%llx;\n",
        (unsigned long long)sign, (unsigned long long)hidden, (unsigned long long)(sign - hidden));
    det_bytes_text(
        out, "\tsetp.ne.u32 %flush, %p_bits, %p_bits;\n"); /* shared memory keeps subnormals */
}

static void put_lines(struct det_bytes *out, const char *const *lines, size_t n)
{
    for (size_t i = 0; i < n; i++)
        det_bytes_printf(out, "\t%s\n", lines[i]);
}
#define PUT_LINES(out, lines) put_lines(out, lines, sizeof(lines) / sizeof *(lines))

/* The next touched element of this thread; after those, what threads that have left the kernel would have taken. Who clears
 * the element's bit folds it. */
static void put_next_element(struct det_bytes *out, unsigned words)
{
    static const char *const sweep[] = {
        "mad.lo.u32 %bits_at, %det_sweep, 4, %bits_base;",
        "ld.volatile.shared.u32 %u, [%bits_at];",
        "setp.ne.u32 %p, %u, 0;",
        "@%p bra found;",
        "add.u32 %det_sweep, %det_sweep, 1;",
        "bra sweep;",
    };
    static const char *const claim[] = {
        "shr.u32 %u, %det_i, 5;",
        "mad.lo.u32 %bits_at, %u, 4, %bits_base;",
        "and.b32 %u, %det_i, 31;",
        "shl.b32 %bit, 1, %u;",
        "ld.volatile.shared.u32 %u, [%bits_at];",
        "and.b32 %u, %u, %bit;",
        "setp.eq.u32 %p, %u, 0;",
        "@%p bra swapped;",
        "not.b32 %det_u, %bit;",
        "atom.shared.and.b32 %u, [%bits_at], %det_u;",
        "and.b32 %u, %u, %bit;",
        "setp.eq.u32 %p, %u, 0;",
        "@%p bra swapped;",
    };
    det_bytes_printf(out, "\tmad.lo.u32 %%bits_base, %%n_elems, %u, %%shadow;\n", 8 * words);
    det_bytes_text(out, "\tmov.u32 %det_next, %det_i;\n\tmov.u32 %det_sweep, 0;\nswapped:\n");
    det_bytes_text(out, "\tmov.u32 %det_i, %det_next;\n\tadd.u32 %det_next, %det_next, %det_n;\n");
    det_bytes_text(out, "\tsetp.lt.u32 %p, %det_i, %n_elems;\n\t@%p bra claim;\nsweep:\n");
    det_bytes_text(out, "\tmul.lo.u32 %u, %det_sweep, 32;\n\tsetp.ge.u32 %p, %u, %n_elems;\n");
    det_bytes_text(out, "\t@%p bra done;\n");
    PUT_LINES(out, sweep);
    det_bytes_text(out, "found:\n\tbrev.b32 %u, %u;\n\tclz.b32 %det_i, %u;\n");
    det_bytes_text(out, "\tmad.lo.u32 %det_i, %det_sweep, 32, %det_i;\nclaim:\n");
    PUT_LINES(out, claim);
}

/* digits = the halves of the element's words, the last one signed; the words become zero. */
static void put_gather(struct det_bytes *out, unsigned words)
{
    static const char *const word[] = {
        "ld.shared.u64 %bin, [%word_at];",
        "st.shared.u64 [%word_at], 0;",
        "and.b64 %low, %bin, 0xffffffff;",
        "st.local.u64 [%digit_at], %low;",
        "setp.eq.u32 %p, %n, 1;",
        "shr.u64 %high, %bin, 32;",
        "@%p shr.s64 %high, %bin, 32;",
        "st.local.u64 [%digit_at+8], %high;",
        "add.s64 %digit_at, %digit_at, 16;",
        "mad.lo.u32 %word_at, %n_elems, 8, %word_at;",
        "sub.u32 %n, %n, 1;",
        "setp.ne.u32 %p, %n, 0;",
        "@%p bra gather;",
    };
    det_bytes_text(
        out, "\tmad.lo.u32 %word_at, %det_i, 8, %shadow;\n\tmov.u64 %digit_at, digits;\n");
    det_bytes_printf(out, "\tmov.u32 %%n, %u;\ngather:\n", words);
    PUT_LINES(out, word);
}

/* old = the element, or the element = new. */
static void put_element(struct det_bytes *out, unsigned bits, bool store)
{
    const char *const width = bits == 64 ? "u64" : bits == 32 ? "u32" : "u16";
    const char *const narrow = bits == 32 ? "%u" : "%half_word";
    if (store) {
        if (bits != 64)
            det_bytes_printf(out, "\tcvt.%s.u64 %s, %%new;\n", width, narrow);
        det_bytes_printf(
            out, "\tst.shared.%s [%%element_at], %s;\n", width, bits == 64 ? "%new" : narrow);
        return;
    }
    det_bytes_printf(out, "\tmad.lo.u32 %%element_at, %%det_i, %u, %%array;\n", bits / 8);
    det_bytes_printf(
        out, "\tld.shared.%s %s, [%%element_at];\n", width, bits == 64 ? "%old" : narrow);
    if (bits != 64)
        det_bytes_printf(out, "\tcvt.u64.%s %%old, %s;\n", width, narrow);
}

enum det_err det_ptx_emit_shadow_function(struct det_bytes *out, enum det_ptx_type type)
{
    static const char *const registers[] = {
        ".reg .b32 %det_i, %det_n, %det_u, %det_q, %det_next, %det_sweep;",
        ".reg .b32 %n_elems, %shadow, %array, %element_at, %bits_base, %bits_at, %bit, %word_at;",
        ".reg .b16 %half_word;",
        "ld.param.b32 %array, [p0];",
        "ld.param.b32 %n_elems, [p1];",
        "ld.param.b32 %shadow, [p2];",
    };
    if (type >= DET_PTX_OTHER)
        return DET_E_UNSUPPORTED;
    const unsigned bits = det_emit_formats[type].bits, words = words_of[type];
    det_bytes_printf(out,
        ".func det_shadow_fold_%s(.param .b32 p0, .param .b32 p1, .param .b32 p2)\n{\n",
        names[type]);
    det_bytes_printf(out, "\t.local .align 8 .b64 digits[%u];\n", 2 * words + 4);
    if (!copy_part(out, "registers"))
        return DET_E_FORMAT;
    PUT_LINES(out, registers);
    put_thread(out);
    put_constants(out, type);
    put_next_element(out, words);
    put_gather(out, words);
    put_element(out, bits, false);
    if (!copy_part(out, "rounding"))
        return DET_E_FORMAT;
    det_bytes_text(out, "swap:\n");
    put_element(out, bits, true);
    det_bytes_text(out, "\tbra swapped;\ndone:\n\tret;\n}\n");
    return det_bytes_check(out);
}
