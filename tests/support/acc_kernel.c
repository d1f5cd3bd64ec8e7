/* The kernel of acc_kernel.h as text. */
#include "tests/support/acc_kernel.h"

#include <stdio.h>

static const char *const register_types[] = { "f32", "f64", "b16", "b16" };
static const char *const add_types[] = { "f32", "f64", "noftz.f16", "noftz.bf16" };
static const unsigned element_bytes[] = { 4, 8, 2, 2 };

static void head(struct det_bytes *out, const struct acc_kernel *k)
{
    det_bytes_printf(out, ".version %u.%u\n.target sm_%u\n.address_size 64\n",
        (k->version ? k->version : 78) / 10, (k->version ? k->version : 78) % 10,
        k->target ? k->target : 90);
    det_bytes_printf(out,
        ".visible .entry " ACC_KERNEL
        "(.param .u64 p0, .param .u64 p1, .param .u64 p2, .param .u64 p3)\n{\n"
        "\t.reg .pred %%p<4>;\n\t.reg .b32 %%r<9>;\n\t.reg .b64 %%rd<20>;\n\t.reg .b16 "
        "%%h<4>;\n\t.reg .%s %%v;\n"
        "\tld.param.u64 %%rd1, [p0];\n\tld.param.u64 %%rd2, [p1];\n\tld.param.u64 %%rd3, [p2];\n"
        "\tld.param.u64 %%rd4, [p3];\n\tcvta.to.global.u64 %%rd2, %%rd2;\n"
        "\tmov.u32 %%r1, %%ctaid.x;\n\tmov.u32 %%r2, %%ntid.x;\n\tmov.u32 %%r3, %%tid.x;\n"
        "\tmov.u32 %%r4, %%nctaid.x;\n\tmad.lo.s32 %%r5, %%r1, %%r2, %%r3;\n\tcvt.u64.u32 %%rd5, "
        "%%r5;\n"
        "\tmul.wide.u32 %%rd6, %%r2, %%r4;\n\tmov.u64 %%rd7, 0;\n",
        k->packed ? "b32" : register_types[k->type]);
    if (!k->generic)
        det_bytes_text(out, "\tcvta.to.global.u64 %rd1, %rd1;\n");
    det_bytes_printf(out,
        "LOOP:\n\tsetp.ge.u64 %%p1, %%rd5, %%rd3;\n\t@%%p1 bra END;\n\tshl.b64 %%rd8, %%rd5, 4;\n"
        "\tadd.s64 %%rd8, %%rd8, %%rd2;\n\tld.global.v2.u64 {%%rd9, %%rd10}, [%%rd8];\n"
        "\tmul.lo.u64 %%rd11, %%rd9, %u;\n\tadd.s64 %%rd11, %%rd1, %%rd11;\n\tsub.s64 %%rd11, "
        "%%rd11, 8;\n",
        k->lanes * element_bytes[k->type]);
    if (k->packed || element_bytes[k->type] == 4)
        det_bytes_text(out, "\tcvt.u32.u64 %r6, %rd10;\n\tmov.b32 %v, %r6;\n");
    else if (element_bytes[k->type] == 8)
        det_bytes_text(out, "\tmov.b64 %v, %rd10;\n");
    else
        det_bytes_text(out, "\tcvt.u16.u64 %v, %rd10;\n");
    /* a guard that is true for all; and one that is false for a second copy of the same add, which must not run */
    det_bytes_text(out, "\tsetp.ge.u64 %p2, %rd9, 0;\n");
}

static void tail(struct det_bytes *out, const struct acc_kernel *k)
{
    det_bytes_text(out, "\tadd.s64 %rd5, %rd5, %rd6;\n\tbra LOOP;\nEND:\n");
    if (k->counted)
        det_ptx_emit_count(out, "%rd4", "%rd7");
    det_bytes_text(out, "\tret;\n}\n");
}

enum det_err acc_kernel_write(struct det_bytes *out, const struct acc_kernel *k)
{
    const char *addend[8] = { "%v", "%v", "%v", "%v", "%v", "%v", "%v", "%v" };
    struct det_bytes original = { 0 };
    head(out, k);
    det_bytes_printf(&original, "red%s.add.%s%s [%%rd11+8], %%v;", k->generic ? "" : ".global",
        add_types[k->type], k->packed ? "x2" : "");
    if (k->plain) {
        for (unsigned lane = 0; lane < (k->packed ? 1 : k->lanes); lane++)
            det_bytes_printf(out, "\tred.global.add.%s%s [%%rd11+%u], %%v;\n", add_types[k->type],
                k->packed ? "x2" : "", 8 + lane * element_bytes[k->type]);
    } else {
        struct det_ptx_add add = { .type = k->type,
            .n_lanes = k->lanes,
            .packed = k->packed,
            .address = "%rd11+8",
            .generic = k->generic,
            .addend = addend,
            .negate = k->negate,
            .table = "%rd4",
            .count = k->counted ? "%rd7" : NULL,
            .original = original.data,
            .guard = k->guarded ? "@%p2" : NULL,
            .serial = 1,
            .version = k->version ? k->version : 78,
            .target = k->target ? k->target : 90 };
        const enum det_err err = det_ptx_emit_add(out, &add);
        if (err != DET_OK)
            return err;
        add.guard = "@!%p2";
        add.serial = 2;
        if (k->guarded)
            det_ptx_emit_add(out, &add);
    }
    tail(out, k);
    det_bytes_free(&original);
    return det_bytes_check(out);
}

/* Copy the array from (or to) global memory, a thread per element and turn. */
static void put_copy(struct det_bytes *out, const struct acc_kernel *k, unsigned n_elems,
    const char *base, bool back)
{
    const unsigned bits = 8 * element_bytes[k->type];
    det_bytes_printf(out,
        "\tmov.u32 %%r6, %%r3;\nCOPY%d:\n\tsetp.ge.u32 %%p1, %%r6, %u;\n\t@%%p1 bra COPIED%d;\n",
        back, n_elems, back);
    det_bytes_printf(
        out, "\tmul.wide.u32 %%rd8, %%r6, %u;\n\tadd.s64 %%rd8, %%rd8, %s;\n", bits / 8, base);
    det_bytes_printf(out, "\tmov.u32 %%r7, array;\n\tmad.lo.u32 %%r7, %%r6, %u, %%r7;\n", bits / 8);
    if (back)
        det_bytes_printf(
            out, "\tld.shared.b%u %%v, [%%r7];\n\tst.global.b%u [%%rd8], %%v;\n", bits, bits);
    else
        det_bytes_printf(
            out, "\tld.global.b%u %%v, [%%rd8];\n\tst.shared.b%u [%%r7], %%v;\n", bits, bits);
    det_bytes_printf(out, "\tadd.u32 %%r6, %%r6, %%r2;\n\tbra COPY%d;\nCOPIED%d:\n", back, back);
}

static void put_shared_adds(
    struct det_bytes *out, const struct acc_kernel *k, const struct det_ptx_shadow *shadow)
{
    const char *addend[] = { "%v" };
    struct det_bytes original = { 0 };
    det_bytes_text(out,
        "\tcvt.u64.u32 %rd5, %r3;\nLOOP:\n\tsetp.ge.u64 %p1, %rd5, %rd3;\n\t@%p1 bra END;\n"
        "\tshl.b64 %rd8, %rd5, 4;\n\tadd.s64 %rd8, %rd8, %rd2;\n"
        "\tld.global.v2.u64 {%rd9, %rd10}, [%rd8];\n\tcvt.u32.u64 %r6, %rd9;\n");
    det_bytes_printf(out,
        "\tmov.u32 %%r7, array;\n\tmad.lo.u32 %%r7, %%r6, %u, %%r7;\n\tsub.u32 %%r7, %%r7, 8;\n",
        element_bytes[k->type]);
    det_bytes_text(out, "\tcvt.u64.u32 %rd11, %r7;\n\tcvta.shared.u64 %rd12, %rd11;\n");
    if (element_bytes[k->type] == 4)
        det_bytes_text(out, "\tcvt.u32.u64 %r8, %rd10;\n\tmov.b32 %v, %r8;\n");
    else
        det_bytes_text(out,
            element_bytes[k->type] == 8 ? "\tmov.b64 %v, %rd10;\n" : "\tcvt.u16.u64 %v, %rd10;\n");
    const char *address = k->generic ? "%rd12+8" : "%r7+8";
    det_bytes_printf(&original, "%s.add.%s %s[%s], %%v;", k->generic ? "atom" : "red.shared",
        add_types[k->type], k->generic ? "%v, " : "", address);
    const struct det_ptx_add add = { .type = k->type,
        .n_lanes = 1,
        .address = address,
        .generic = k->generic,
        .addend = addend,
        .table = "%rd4",
        .original = original.data,
        .serial = 3,
        .version = 78,
        .target = 90 };
    if (k->plain)
        det_bytes_printf(out, "\t%s\n", original.data);
    else
        det_ptx_emit_add_shared(out, &add, 32, shadow);
    det_bytes_text(out, "\tcvt.u64.u32 %rd8, %r2;\n\tadd.s64 %rd5, %rd5, %rd8;\n\tbra "
                        "LOOP;\nEND:\n\tbar.sync 0;\n");
    det_bytes_free(&original);
}

enum det_err acc_kernel_write_shared(
    struct det_bytes *out, const struct acc_kernel *k, unsigned n_elems)
{
    char n_text[16];
    snprintf(n_text, sizeof n_text, "%u", n_elems);
    const struct det_ptx_shadow shadow = { k->type, "array", n_text, "shadow" };
    det_bytes_text(out, ".version 7.8\n.target sm_90\n.address_size 64\n");
    if (!k->plain)
        DET_TRY(det_ptx_emit_shadow_function(out, k->type));
    det_bytes_printf(out,
        ".visible .entry " ACC_KERNEL
        "(.param .u64 p0, .param .u64 p1, .param .u64 p2, .param .u64 p3, .param .u64 p4)\n{\n"
        "\t.shared .align 8 .b8 array[%u];\n\t.shared .align 8 .b8 shadow[%zu];\n"
        "\t.reg .pred %%p<4>;\n\t.reg .b32 %%r<12>;\n\t.reg .b64 %%rd<20>;\n\t.reg .%s %%v;\n",
        n_elems * element_bytes[k->type], det_ptx_shadow_bytes(k->type, n_elems),
        register_types[k->type]);
    for (unsigned i = 0; i < 5; i++)
        det_bytes_printf(out,
            "\tld.param.u64 %%rd%u, [p%u];\n\tcvta.to.global.u64 %%rd%u, %%rd%u;\n", i + 1, i,
            i + 1, i + 1);
    det_bytes_printf(out,
        "\tmov.u64 %%rd13, %%rd5;\n\tmov.u32 %%r1, %%ctaid.x;\n\tmov.u32 %%r2, "
        "%%ntid.x;\n\tmov.u32 %%r3, %%tid.x;\n"
        "\tmul.wide.u32 %%rd14, %%r1, %u;\n\tadd.s64 %%rd1, %%rd1, %%rd14;\n",
        n_elems * element_bytes[k->type]);
    if (!k->plain)
        det_ptx_emit_shadow_clear(out, &shadow, 1);
    put_copy(out, k, n_elems, "%rd13", false);
    det_bytes_text(out, "\tbar.sync 0;\n");
    put_shared_adds(out, k, &shadow);
    if (!k->plain)
        det_ptx_emit_shadow_fold(out, &shadow, 2);
    put_copy(out, k, n_elems, "%rd1", true);
    det_bytes_text(out, "\tret;\n}\n");
    return det_bytes_check(out);
}
