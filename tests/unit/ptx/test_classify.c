/* Class and hazard of every kernel in kernels/, and small texts for what nvcc does not emit. */
#include "compiled.h"

struct row {
    const char *kernel;
    enum det_class cls;
    const char *hazard; /* a site of this slug must be there; NULL: no site at all */
};

static void check_rows(const char *name, unsigned arch, const struct row *rows, size_t n)
{
    struct det_ptx_module *module = parse_file(compiled(name, arch, ""));
    for (size_t i = 0; i < n; i++) {
        const struct det_ptx_kernel *kernel = det_ptx_kernel_named(module, rows[i].kernel);
        cr_assert_not_null(kernel, "no kernel %s", rows[i].kernel);
        cr_expect_eq(kernel->cls, rows[i].cls, "%s is %s: %s", rows[i].kernel,
            det_class_word(kernel->cls), kernel->reason);
        cr_expect_eq(*kernel->reason == '\0',
            kernel->cls == DET_CLASS_EXACT || kernel->cls == DET_CLASS_ORDERED);
        bool found = rows[i].hazard == NULL && kernel->n_sites == 0;
        for (size_t s = 0; s < kernel->n_sites && rows[i].hazard; s++)
            found |= strcmp(kernel->sites[s].hazard, rows[i].hazard) == 0;
        cr_expect(found, "%s lacks hazard %s", rows[i].kernel,
            rows[i].hazard ? rows[i].hazard : "(none)");
        for (size_t s = 0; s < kernel->n_sites; s++) {
            const bool adds = strcmp(kernel->sites[s].hazard, "float-add") == 0 ||
                              strcmp(kernel->sites[s].hazard, "cas-add") == 0 ||
                              strcmp(kernel->sites[s].hazard, "shared-fold") == 0;
            cr_expect_eq(kernel->sites[s].rewritten, adds && kernel->cls == DET_CLASS_EXACT,
                "%s site %zu", rows[i].kernel, s);
        }
    }
    det_ptx_free(module);
}

static const struct row forms[] = {
    { "add_f32", DET_CLASS_EXACT, "float-add" },
    { "add_f64", DET_CLASS_EXACT, "float-add" },
    { "add_f16", DET_CLASS_EXACT, "float-add" },
    { "add_f16x2", DET_CLASS_EXACT, "float-add" },
    { "add_bf16", DET_CLASS_EXACT, "float-add" },
    { "add_bf16x2", DET_CLASS_EXACT, "float-add" },
    { "add_f32x4", DET_CLASS_EXACT, "float-add" },
    { "add_block_scope", DET_CLASS_EXACT, "float-add" },
    { "add_system_scope", DET_CLASS_EXACT, "float-add" },
    { "add_constant", DET_CLASS_EXACT, "float-add" },
    { "add_predicated", DET_CLASS_EXACT, "float-add" },
    { "add_acq_rel", DET_CLASS_EXACT, "float-add" },
    { "add_into_variable", DET_CLASS_EXACT, "float-add" },
    { "add_at_variable_offset", DET_CLASS_EXACT, "float-add" },
    { "add_through_struct", DET_CLASS_EXACT, "float-add" },
    { "add_grid_stride", DET_CLASS_EXACT, "float-add" },
    { "add_early_exit", DET_CLASS_EXACT, "float-add" },
    { "add_sine", DET_CLASS_EXACT, "float-add" },
    { "add_power", DET_CLASS_EXACT, "float-add" },
    { "add_and_print", DET_CLASS_EXACT, "float-add" },
    { "add_no_parameters", DET_CLASS_EXACT, "float-add" },
    { "read_before_add", DET_CLASS_EXACT, "float-add" },
    { "loop_f64", DET_CLASS_EXACT, "cas-add" },
    { "loop_f32", DET_CLASS_EXACT, "cas-add" },
    { "loop_f32_minus", DET_CLASS_EXACT, "cas-add" },
    { "shared_dynamic", DET_CLASS_EXACT, "shared-fold" },
    { "plain", DET_CLASS_ORDERED, NULL },
    { "histogram", DET_CLASS_ORDERED, "integer" },
    { "flags", DET_CLASS_ORDERED, "integer" },
    { "loop_integer", DET_CLASS_ORDERED, "integer" },
    { "maximum", DET_CLASS_ORDERED, "minmax" },
    { "last_block", DET_CLASS_ORDERED, "last-block" },
    { "dead_clock", DET_CLASS_ORDERED, NULL },
};

Test(ptx_classify, forms_are_rewritten_or_harmless_sm_90)
{
    check_rows("forms", 90, forms, sizeof forms / sizeof *forms);
}

Test(ptx_classify, forms_are_rewritten_or_harmless_sm_120)
{
    check_rows("forms", 120, forms, sizeof forms / sizeof *forms);
}

static const struct row hazards[] = {
    { "used_result", DET_CLASS_UNCOVERED, "result-used" },
    { "read_after", DET_CLASS_UNCOVERED, "read-of-target" },
    { "read_by_loaded_pointer", DET_CLASS_UNCOVERED, "read-without-proof" },
    { "store_to_target", DET_CLASS_UNCOVERED, "store-to-target" },
    { "store_by_loaded_pointer", DET_CLASS_UNCOVERED, "store-without-proof" },
    { "last_block_adds", DET_CLASS_UNCOVERED, "last-block-add" },
    { "grid_sync", DET_CLASS_UNCOVERED, "grid-sync" },
    { "locked", DET_CLASS_UNCOVERED, "lock" },
    { "loop_integer_shift", DET_CLASS_UNCOVERED, "cas-operator" },
    { "loop_integer_and_xor", DET_CLASS_UNCOVERED, "mixed-operators" },
    { "loop_integer_result_used", DET_CLASS_UNCOVERED, "cas-operator" },
    { "loop_multiply", DET_CLASS_UNCOVERED, "cas-operator" },
    { "loop_result_used", DET_CLASS_UNCOVERED, "result-used" },
    { "loop_toward_zero", DET_CLASS_UNCOVERED, "rounding" },
    { "exchange", DET_CLASS_UNCOVERED, "exchange" },
    { "bulk_reduce", DET_CLASS_UNCOVERED, "bulk-reduce" },
    { "early_start", DET_CLASS_EXACT, "early-start" },
    { "shared_add", DET_CLASS_EXACT, "shared-fold" },
    { "shared_add_loop", DET_CLASS_EXACT, "shared-fold" },
    { "shared_read_without_barrier", DET_CLASS_UNCOVERED, "shared-read" },
    { "shared_through_generic", DET_CLASS_UNCOVERED, "shared-add" },
    { "cluster_add", DET_CLASS_UNCOVERED, "cluster-add" },
    { "shared_add_and_max", DET_CLASS_UNCOVERED, "mixed-operators" },
    { "last_block_own", DET_CLASS_UNCOVERED, "slot-allocation" },
    { "publish", DET_CLASS_UNCOVERED, "publication" },
    { "spin", DET_CLASS_UNCOVERED, "spin" },
    { "mixed_types", DET_CLASS_UNCOVERED, "mixed-types" },
    { "mixed_integer", DET_CLASS_UNCOVERED, "mixed-types" },
    { "slots", DET_CLASS_UNCOVERED, "slot-allocation" },
    { "reads_clock", DET_CLASS_UNCOVERED, "clock" },
    { "reads_sm", DET_CLASS_UNCOVERED, "clock" },
    { "active_lanes", DET_CLASS_UNCOVERED, "active-mask" },
    { "racing_read", DET_CLASS_UNCOVERED, "racing-read" },
    { "mixed_operators", DET_CLASS_UNCOVERED, "mixed-operators" },
    { "acquire_flag", DET_CLASS_UNCOVERED, "racing-read" },
    { "indirect", DET_CLASS_UNKNOWN, "indirect-call" },
};

Test(ptx_classify, hazards_are_named_sm_90)
{
    check_rows("hazards", 90, hazards, sizeof hazards / sizeof *hazards);
}

/* --- what a text says, without nvcc */
#define KERNEL(body)                                                                               \
    PTX_HEAD ".visible .entry k(.param .u64 k_0, .param .u64 k_1)\n{\n.reg .b64 %rd<9>;\n.reg "    \
             ".f32 %f<9>;\n"                                                                       \
             ".reg .b32 %r<9>;\n.reg .pred %p<9>;\nld.param.u64 %rd1, [k_0];\nld.param.u64 %rd2, " \
             "[k_1];\n" body "\nret;\n}\n"

static enum det_class class_of(const char *text)
{
    struct det_ptx_module *module = parse_text(text);
    const enum det_class cls = det_ptx_kernel(module, 0)->cls;
    det_ptx_free(module);
    return cls;
}

Test(ptx_classify, an_unknown_opcode_is_unknown)
{
    cr_assert_eq(class_of(KERNEL("frobnicate.global.f32 [%rd1], %f1;")), DET_CLASS_UNKNOWN);
}

Test(ptx_classify, a_sink_destination_is_dead)
{
    cr_assert_eq(class_of(KERNEL("atom.global.add.f32 _, [%rd1], %f1;")), DET_CLASS_EXACT);
}

Test(ptx_classify, a_result_used_only_by_dead_code_is_dead)
{
    cr_assert_eq(class_of(KERNEL("atom.global.add.f32 %f2, [%rd1], %f1; add.f32 %f3, %f2, %f2;")),
        DET_CLASS_EXACT);
}

Test(ptx_classify, a_result_stored_is_used)
{
    cr_assert_eq(
        class_of(KERNEL("atom.global.add.f32 %f2, [%rd1], %f1; st.global.f32 [%rd2], %f2;")),
        DET_CLASS_UNCOVERED);
}

Test(ptx_classify, a_name_declared_again_inside_a_scope_is_another_register)
{
    cr_assert_eq(class_of(KERNEL("{.reg .f32 t; atom.global.add.f32 t, [%rd1], %f1;}\n"
                                 "{.reg .f32 t; mov.f32 t, %f1; st.global.f32 [%rd2], t;}")),
        DET_CLASS_EXACT);
}

Test(ptx_classify, read_only_loads_need_no_proof)
{
    cr_assert_eq(class_of(KERNEL("red.global.add.f32 [%rd1], %f1; ld.global.u64 %rd3, [%rd2]; "
                                 "ld.global.nc.f32 %f2, [%rd3];"
                                 "st.shared.f32 [%r1], %f2;")),
        DET_CLASS_EXACT);
}

Test(ptx_classify, a_load_by_a_loaded_pointer_after_an_add_is_not_proven)
{
    cr_assert_eq(
        class_of(KERNEL(
            "red.global.add.f32 [%rd1], %f1; ld.global.u64 %rd3, [%rd2]; ld.global.f32 %f2, [%rd3];"
            "st.shared.f32 [%r1], %f2;")),
        DET_CLASS_UNCOVERED);
}

Test(ptx_classify, a_generic_address_read_from_memory_may_not_be_global)
{
    cr_assert_eq(class_of(KERNEL("ld.global.u64 %rd3, [%rd2]; red.add.f32 [%rd3], %f1;")),
        DET_CLASS_UNCOVERED);
}

Test(ptx_classify, multimem_is_named)
{
    cr_assert_eq(class_of(KERNEL("multimem.red.relaxed.sys.global.add.f32 [%rd1], %f1;")),
        DET_CLASS_UNCOVERED);
}

Test(ptx_classify, child_launches_are_named)
{
    cr_assert_eq(
        class_of(PTX_HEAD
            ".extern .func (.param .b32 r) cudaLaunchDeviceV2(.param .b64 a, .param .b64 b);\n"
            ".entry k() { { .param .b32 q; .param .b64 a; .param .b64 b;\n"
            "call.uni (q), cudaLaunchDeviceV2, (a, b);\n } ret; }\n"),
        DET_CLASS_UNCOVERED);
}

Test(ptx_classify, code_that_is_elsewhere_is_unknown)
{
    cr_assert_eq(class_of(PTX_HEAD ".extern .func foo();\n.entry k() { call.uni foo; ret; }\n"),
        DET_CLASS_UNKNOWN);
}

Test(ptx_classify, a_function_that_calls_itself_is_followed)
{
    cr_assert_eq(class_of(PTX_HEAD
                     ".func foo() { call.uni foo; ret; }\n.entry k() { call.uni foo; ret; }\n"),
        DET_CLASS_ORDERED);
}

Test(ptx_classify, functions_that_call_each_other_are_unknown)
{
    cr_assert_eq(
        class_of(PTX_HEAD
            ".func bar();\n.func foo() { call.uni bar; ret; }\n.func bar() { call.uni foo; ret; }\n"
            ".entry k() { call.uni foo; ret; }\n"),
        DET_CLASS_UNKNOWN);
}

/* A kernel that adds and calls: what the function does decides. */
#define CALLER(variable, body)                                                                     \
    PTX_HEAD variable ".func foo()\n{\n.reg .b32 %r<3>;\n" body "\n}\n"                            \
                      ".visible .entry k(.param .u64 p)\n{\n.reg .b64 %rd<3>;\n"                   \
                      "ld.param.u64 %rd1, [p];\ncall.uni foo;\n"                                   \
                      "red.global.add.f32 [%rd1], 0f3F800000;\nret;\n}\n"

Test(ptx_classify, a_function_that_only_returns_is_no_matter)
{
    cr_assert_eq(class_of(CALLER("", "ret;")), DET_CLASS_EXACT);
}

Test(ptx_classify, a_function_that_ends_the_thread_keeps_the_original)
{
    cr_assert_eq(class_of(CALLER("", "exit;")), DET_CLASS_UNCOVERED);
}

Test(ptx_classify, a_function_with_a_variable_of_the_module_keeps_the_original)
{
    cr_assert_eq(class_of(CALLER(".global .u32 n;\n", "ld.global.u32 %r1, [n];\nret;")),
        DET_CLASS_UNCOVERED);
}

#define SHARED_PAIR(between)                                                                       \
    KERNEL(".shared .align 4 .b8 s[64];\natom.shared.add.u32 %r2, [s], 1;\n" between               \
           "atom.shared.max.u32 %r3, [s], 7;\n")

Test(ptx_classify, two_operators_in_shared_memory_want_a_barrier)
{
    cr_assert_eq(class_of(SHARED_PAIR("")), DET_CLASS_UNCOVERED);
    cr_assert_eq(class_of(SHARED_PAIR("bar.warp.sync -1;\n")), DET_CLASS_UNCOVERED);
    cr_assert_eq(class_of(SHARED_PAIR("bar.sync 0;\n")), DET_CLASS_ORDERED);
}

Test(ptx_classify, work_stealing_is_named)
{
    cr_assert_eq(class_of(KERNEL("clusterlaunchcontrol.try_cancel.async.shared::cta.mbarrier::"
                                 "complete_tx::bytes.b128 [%r1], [%r2];")),
        DET_CLASS_UNCOVERED);
}

Test(ptx_classify, lines_are_those_of_the_text)
{
    struct det_ptx_module *module = parse_text(KERNEL("\n\nred.global.add.f32 [%rd1], %f1;"));
    const struct det_ptx_kernel *kernel = det_ptx_kernel(module, 0);
    cr_assert_eq(kernel->n_sites, 1);
    cr_assert_eq(kernel->sites[0].line, 14, "line %u", kernel->sites[0].line);
    cr_assert_str_eq(kernel->sites[0].opcode, "red.global.add.f32");
    det_ptx_free(module);
}

Test(ptx_classify, no_room_for_a_parameter)
{
    cr_assert_eq(class_of(".version 7.0\n.target sm_70\n.address_size 64\n"
                          ".entry k(.param .u64 p, .param .align 8 .b8 q[4088])\n{.reg .b64 "
                          "%rd<3>; .reg .f32 %f<3>;\n"
                          "ld.param.u64 %rd1, [p]; red.global.add.f32 [%rd1], %f1; ret;}\n"),
        DET_CLASS_UNCOVERED);
}
