/* Twins: accepted by the real ptxas for five architectures, and saying the right things to the launcher. */
#include "compiled.h"

static void twin_assembles(const char *name, unsigned arch, const char *flags, bool identity)
{
    struct det_ptx_module *module = parse_file(compiled(name, arch, flags));
    const struct det_ptx_twin_options options = { .identity = identity };
    struct det_ptx_twin twin;
    cr_assert_eq(det_ptx_make_twin(module, &options, &twin), DET_OK);
    cr_expect_eq(ptxas(twin.text.data, twin.text.n_bytes, arch), 0, "%s sm_%u", name, arch);
    size_t exact = 0;
    for (size_t i = 0; i < det_ptx_n_kernels(module); i++)
        exact += det_ptx_kernel(module, i)->cls == DET_CLASS_EXACT;
    if (!identity)
        cr_expect_eq(twin.n_kernels, exact);
    det_ptx_twin_free(&twin);
    det_ptx_free(module);
}

/* The forms for the cross-check and with guarded accesses: the same kernels, more text. */
static void other_forms_assemble(unsigned arch)
{
    struct det_ptx_module *module = parse_file(compiled("forms", arch, ""));
    struct det_ptx_twin plain, other;
    cr_assert_eq(det_ptx_make_twin(module, &(struct det_ptx_twin_options){ 0 }, &plain), DET_OK);
    for (unsigned form = 1; form < 4; form++) {
        const struct det_ptx_twin_options options = { .check = form & 1, .guard = form >> 1 };
        cr_assert_eq(det_ptx_make_twin(module, &options, &other), DET_OK);
        cr_expect_eq(ptxas(other.text.data, other.text.n_bytes, arch), 0, "form %u", form);
        cr_expect_gt(other.text.n_bytes, plain.text.n_bytes, "form %u", form);
        cr_assert_eq(other.n_kernels, plain.n_kernels);
        for (size_t i = 0; i < plain.n_kernels; i++) {
            cr_expect_eq(other.kernels[i].table_offset, plain.kernels[i].table_offset);
            cr_expect_eq(other.kernels[i].missing, plain.kernels[i].missing);
        }
        det_ptx_twin_free(&other);
    }
    det_ptx_twin_free(&plain);
    det_ptx_free(module);
}
Test(ptx_twin, other_forms_assemble_for_sm_75)
{
    other_forms_assemble(75);
}
Test(ptx_twin, other_forms_assemble_for_sm_120)
{
    other_forms_assemble(120);
}

Test(ptx_twin, assembles_for_sm_75)
{
    twin_assembles("forms", 75, "", false);
}
Test(ptx_twin, assembles_for_sm_80)
{
    twin_assembles("forms", 80, "", false);
}
Test(ptx_twin, assembles_for_sm_90)
{
    twin_assembles("forms", 90, "", false);
}
Test(ptx_twin, assembles_for_sm_100)
{
    twin_assembles("forms", 100, "", false);
}
Test(ptx_twin, assembles_for_sm_120)
{
    twin_assembles("forms", 120, "", false);
}
Test(ptx_twin, assembles_with_line_information)
{
    twin_assembles("forms", 80, "-lineinfo", false);
}
Test(ptx_twin, identity_assembles)
{
    twin_assembles("forms", 90, "", true);
}
Test(ptx_twin, identity_of_debug_code_assembles)
{
    twin_assembles("forms", 90, "-G", true);
}

Test(ptx_twin, shared_sums_assemble_for_sm_75)
{
    twin_assembles("hazards", 75, "", false);
}
Test(ptx_twin, shared_sums_assemble_for_sm_120)
{
    twin_assembles("hazards", 120, "", false);
}

static const struct det_ptx_twin_kernel *kernel_of(
    const struct det_ptx_twin *twin, const char *name)
{
    for (size_t i = 0; i < twin->n_kernels; i++)
        if (strcmp(twin->kernels[i].name, name) == 0)
            return &twin->kernels[i];
    cr_assert_fail("no twin of %s", name);
    return NULL;
}

Test(ptx_twin, tells_the_launcher_about_parameters)
{
    struct det_ptx_module *module = parse_file(compiled("forms", 90, ""));
    const struct det_ptx_twin_options options = { 0 };
    struct det_ptx_twin twin;
    cr_assert_eq(det_ptx_make_twin(module, &options, &twin), DET_OK);
    const struct det_ptx_twin_kernel *k = kernel_of(&twin, "add_f32");
    cr_expect_eq(k->table_offset, 32); /* 28 bytes, then 8-byte aligned */
    cr_expect_eq(k->target_params, 1);
    cr_expect_eq(k->guard_params, 0); /* everything is read before the only add */
    k = kernel_of(&twin, "add_grid_stride");
    cr_expect_eq(k->target_params, 1);
    cr_expect_eq(k->guard_params, 2);
    k = kernel_of(&twin, "add_through_struct");
    cr_expect_eq(k->target_params, 1ull << 63);
    cr_assert_eq(k->n_target_offsets, 1);
    cr_expect_eq(k->target_offsets[0], 0);
    k = kernel_of(&twin, "add_no_parameters");
    cr_expect_eq(k->table_offset, 0);
    cr_expect_eq(k->target_params, 0);
    cr_expect(k->target_variables);
    cr_assert_eq(twin.n_variables, 1);
    cr_expect_str_eq(twin.variables[0], "sums");
    cr_assert_eq(twin.n_const_variables, 1);
    cr_expect_str_eq(twin.const_variables[0], "weights");
    cr_expect_null(strstr(twin.text.data, ".global .align 4 .b8 sums"));
    det_ptx_twin_free(&twin);
    det_ptx_free(module);
}

Test(ptx_twin, keeps_what_it_does_not_change)
{
    struct det_ptx_module *module = parse_text(PTX_HEAD
        ".visible .entry k(.param .u64 p)\n.maxntid 128, 1, 1\n.minnctapersm 4\n{\n\t.reg .b64 "
        "%rd<3>; // kept ;\n\t.reg .f32 "
        "%f<3>;\n\tld.param.u64 %rd1, [p];\n\tred.global.add.f32 [%rd1], 0f3F800000;\n\tret;\n}\n"
        ".entry other() { ret; }\n");
    const struct det_ptx_twin_options options = { .keep_name_suffix = true };
    struct det_ptx_twin twin;
    cr_assert_eq(det_ptx_make_twin(module, &options, &twin), DET_OK);
    cr_expect_not_null(strstr(twin.text.data, ".entry k$detshim(.param .u64 p,"));
    cr_expect_not_null(strstr(twin.text.data, ".maxntid 128, 1, 1\n.minnctapersm 4\n"));
    cr_expect_not_null(strstr(twin.text.data, "// kept ;"));
    cr_expect_null(strstr(twin.text.data, "other"));
    cr_expect_eq(ptxas(twin.text.data, twin.text.n_bytes, 90), 0);
    det_ptx_twin_free(&twin);
    det_ptx_free(module);
}

Test(ptx_twin, keeps_the_fence_an_atomic_stood_for)
{
    struct det_ptx_module *module = parse_text(PTX_HEAD
        ".entry k(.param .u64 p)\n{.reg .b64 %rd<3>; .reg .f32 %f<3>;\nld.param.u64 %rd1, [p];\n"
        "atom.global.acq_rel.sys.add.f32 %f1, [%rd1], 0f3F800000;\nret;}\n");
    const struct det_ptx_twin_options options = { 0 };
    struct det_ptx_twin twin;
    cr_assert_eq(det_ptx_make_twin(module, &options, &twin), DET_OK);
    const char *first = strstr(twin.text.data, "fence.acq_rel.sys;");
    cr_assert_not_null(first);
    cr_expect_not_null(strstr(first + 1, "fence.acq_rel.sys;"));
    det_ptx_twin_free(&twin);
    det_ptx_free(module);
}

/* Parses, expects one kernel of class exact, and hands its twin to ptxas. */
static void text_assembles(const char *text, unsigned arch)
{
    struct det_ptx_module *module = parse_text(text);
    const struct det_ptx_kernel *kernel = det_ptx_kernel(module, 0);
    cr_assert_eq(kernel->cls, DET_CLASS_EXACT, "%s", kernel->reason);
    const struct det_ptx_twin_options options = { 0 };
    struct det_ptx_twin twin;
    cr_assert_eq(det_ptx_make_twin(module, &options, &twin), DET_OK);
    cr_expect_eq(ptxas(twin.text.data, twin.text.n_bytes, arch), 0);
    det_ptx_twin_free(&twin);
    det_ptx_free(module);
}

#define ENTRY                                                                                      \
    PTX_HEAD ".visible .entry k(.param .u64 .ptr .global .align 1 a, .param .u64 .ptr .global "    \
             ".align 1 b)\n"                                                                       \
             ".reqntid 128\n{\n.reg .pred %p<9>;\n.reg .b16 %rs<9>;\n.reg .b32 %r<9>;\n.reg .f32 " \
             "%f<9>;\n"                                                                            \
             ".reg .b64 %rd<9>;\nld.param.u64 %rd1, [a];\nld.param.u64 %rd2, [b];\n"

Test(ptx_twin, triton_predicated_acq_rel_on_untyped_registers)
{
    text_assembles(ENTRY
        "ld.global.b32 %r2, [ %rd2 + 0 ];\nmov.u32 %r1, %tid.x;\nsetp.lt.u32 %p1, %r1, 7;\n"
        "mov.u32 %r3, 0x0;\n@%p1 atom.global.gpu.acq_rel.add.f32 %r3, [ %rd1 + 4 ], "
        "%r2;\nret;\n}\n",
        90);
}

Test(ptx_twin, triton_half_pair_with_cache_hint)
{
    text_assembles(ENTRY ".reg .b64 pol; createpolicy.fractional.L2::evict_last.b64 pol, "
                         "1.0;\nld.global.b32 %r2, [%rd2];\n"
                         "@!%p1 red.global.gpu.relaxed.add.noftz.L2::cache_hint.f16x2 [%rd1+0], "
                         "%r2, pol;\nret;\n}\n",
        90);
}

Test(ptx_twin, vectors_of_half_pairs)
{
    text_assembles(".version 8.3\n.target sm_90\n.address_size 64\n.entry k(.param .u64 a)\n{ .reg "
                   ".b64 %rd<3>; .reg .b32 %r<5>;\n"
                   "ld.param.u64 %rd1, [a]; mov.u32 %r1, %tid.x;\nred.global.v2.f16x2.add.noftz "
                   "[%rd1], {%r1, %r2};\nret;\n}\n",
        90);
}

Test(ptx_twin, xla_loop_that_leaves_in_the_middle)
{
    text_assembles(ENTRY
        "ld.global.f32 %f1, [%rd2];\nld.global.u32 %r1, [%rd1];\n$L1:\nmov.b32 %f2, %r1;\n"
        "add.rn.f32 %f3, %f2, %f1;\nmov.b32 %r2, %f3;\n"
        "atom.relaxed.sys.global.cas.b32 %r3, [%rd1], %r1, %r2;\nsetp.eq.b32 %p1, %r3, %r1;\n"
        "mov.b32 %r1, %r3;\n@%p1 bra $L2;\nbra.uni $L1;\n$L2:\nret;\n}\n",
        90);
}

Test(ptx_twin, loop_inside_a_grid_stride_loop)
{
    text_assembles(ENTRY
        "mov.u32 %r5, 0;\n$L0:\nld.global.nc.f32 %f1, [%rd2];\nld.global.u32 %r1, [%rd1];\n$L1:\n"
        "mov.b32 %f2, %r1;\nsub.f32 %f3, %f2, %f1;\nmov.b32 %r2, %f3;\n"
        "atom.global.cas.b32 %r3, [%rd1], %r1, %r2;\nsetp.ne.s32 %p1, %r3, %r1;\n"
        "mov.u32 %r1, %r3;\n@%p1 bra $L1;\nadd.s32 %r5, %r5, 1;\nadd.s64 %rd1, %rd1, 4;\n"
        "setp.lt.s32 %p2, %r5, 9;\n@%p2 bra $L0;\nret;\n}\n",
        90);
}

Test(ptx_twin, dynamic_shared_memory_tells_the_launcher)
{
    struct det_ptx_module *module = parse_text(
        PTX_HEAD ".extern .shared .align 16 .b8 dyn[];\n.entry k(.param .u64 a)\n{ .reg .b64 "
                 "%rd<3>; .reg .b32 %r<5>; .reg .f32 %f<3>;\n"
                 "ld.param.u64 %rd1, [a]; mov.u32 %r1, dyn; mov.u32 %r2, %tid.x; shl.b32 %r2, %r2, "
                 "2; add.u32 %r1, %r1, %r2;\n"
                 "mov.f32 %f1, 0f00000000; st.shared.f32 [%r1], %f1; bar.sync 0; "
                 "atom.shared.add.f32 %f2, [%r1], 0f3F800000;\n"
                 "barrier.sync 0; ld.shared.f32 %f1, [dyn]; st.global.f32 [%rd1], %f1; ret; }\n");
    const struct det_ptx_twin_options options = { 0 };
    struct det_ptx_twin twin;
    cr_assert_eq(det_ptx_make_twin(module, &options, &twin), DET_OK);
    cr_expect(twin.kernels[0].shared_extra_scales);
    cr_expect_eq(twin.kernels[0].shared_ratio, 11);
    cr_expect_eq(twin.kernels[0].shared_extra, 16);
    cr_expect_not_null(strstr(twin.text.data, "%dynamic_smem_size"));
    cr_expect_eq(ptxas(twin.text.data, twin.text.n_bytes, 90), 0);
    det_ptx_twin_free(&twin);
    det_ptx_free(module);
}

Test(ptx_twin, there_is_none_without_an_exact_kernel)
{
    struct det_ptx_module *module = parse_text(PTX_HEAD ".entry k() { ret; }\n");
    const struct det_ptx_twin_options options = { 0 };
    struct det_ptx_twin twin;
    cr_assert_eq(det_ptx_make_twin(module, &options, &twin), DET_E_NOT_FOUND);
    det_ptx_free(module);
}

Test(ptx_twin, one_kernel_left_out_changes_nothing_for_the_others)
{
    struct det_ptx_module *module = parse_file(compiled("forms", 90, ""));
    struct det_ptx_twin_options options = { 0 };
    struct det_ptx_twin whole, part;
    cr_assert_eq(det_ptx_make_twin(module, &options, &whole), DET_OK);
    bool *without = calloc(whole.n_kernels, sizeof *without);
    without[0] = true;
    options.without = without;
    cr_assert_eq(det_ptx_make_twin(module, &options, &part), DET_OK);
    cr_assert_eq(part.n_kernels, whole.n_kernels);
    cr_expect(part.kernels[0].missing);
    cr_expect_not(part.kernels[1].missing);
    cr_expect_str_eq(part.kernels[1].name, whole.kernels[1].name);
    cr_expect_eq(part.n_variables, whole.n_variables);
    char entry[128];
    snprintf(entry, sizeof entry, ".entry %s(", whole.kernels[0].name);
    cr_expect_not_null(strstr(whole.text.data, entry));
    cr_expect_null(strstr(part.text.data, entry));
    cr_expect_eq(ptxas(part.text.data, part.text.n_bytes, 90), 0);
    memset(without, 1, whole.n_kernels);
    struct det_ptx_twin none;
    cr_expect_neq(det_ptx_make_twin(module, &options, &none), DET_OK);
    free(without);
    det_ptx_twin_free(&whole);
    det_ptx_twin_free(&part);
    det_ptx_free(module);
}
