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

Test(ptx_twin, there_is_none_without_an_exact_kernel)
{
    struct det_ptx_module *module = parse_text(PTX_HEAD ".entry k() { ret; }\n");
    const struct det_ptx_twin_options options = { 0 };
    struct det_ptx_twin twin;
    cr_assert_eq(det_ptx_make_twin(module, &options, &twin), DET_E_NOT_FOUND);
    det_ptx_free(module);
}
