/* What is parsed prints back byte for byte; what is broken is refused with a line, never with a crash. */
#include "compiled.h"

static void same_bytes(const char *path)
{
    struct det_bytes text = read_text(path), out = { 0 };
    struct det_ptx_module *module = parse_file(path);
    cr_assert_eq(det_ptx_print(module, &out), DET_OK);
    cr_assert_eq(out.n_bytes, text.n_bytes);
    cr_assert_eq(memcmp(out.data, text.data, text.n_bytes), 0, "%s", path);
    cr_assert_gt(det_ptx_n_kernels(module), 10);
    det_ptx_free(module);
    det_bytes_free(&text);
    det_bytes_free(&out);
}

Test(ptx_parse, nvcc_output_prints_back)
{
    static const unsigned archs[] = { 75, 80, 90, 100, 120 };
    for (size_t i = 0; i < sizeof archs / sizeof *archs; i++)
        same_bytes(compiled("forms", archs[i], ""));
    same_bytes(compiled("hazards", 90, ""));
}

Test(ptx_parse, debug_information_prints_back)
{
    same_bytes(compiled("forms", 90, "-G"));
    same_bytes(compiled("forms", 80, "-lineinfo"));
    same_bytes(compiled("hazards", 90, "-lineinfo"));
}

Test(ptx_parse, rare_forms_print_back)
{
    static const char text[] =
        "// comment ; { \" not a string\n.version 8.5\n.target sm_90a, "
        "texmode_independent\n.address_size 64\n"
        ".file 1 \"a;b{.cu\"\n.global .align 8 .u64 table[2] = {f, generic(v)+8};\n.global "
        ".attribute(.managed) .b32 v;\n"
        ".section .debug_str { info: .b8 65,59,125,0 }\n@@DWARF .byte 1\n.weak .func (.param .b32 "
        "r) f (.param .b64 a) .noreturn\n"
        "{ .reg .b32 %r<3>; .loc 1 2 3, function_name info, inlined_at 1 2 3\n ret; }\n.alias g, "
        "f;\n"
        ".visible .entry k .maxntid 256, 1, 1 .minnctapersm 2\n{\n.reg .b32 %r<5>;\n"
        "/* ; } */ ts: .branchtargets L1, L2;\nbrx.idx %r1, ts;\nL1: L2:\n"
        "proto: .callprototype (.param .b32 _) _ (.param .b64 _);\n.pragma \"nounroll ; }\";\n"
        "mov.b64 {%r1, %r2}, 0x1; @!%p1 add.s32 %r1, %r2, -1;;\n{ .reg .b16 x; { mov.b16 x, 1; } "
        "}\nret;\n}\n\n";
    struct det_ptx_module *module = parse_text(text);
    struct det_bytes out = { 0 };
    cr_assert_eq(det_ptx_print(module, &out), DET_OK);
    cr_assert_str_eq(out.data, text);
    char suffix;
    cr_assert_eq(det_ptx_version(module), 85);
    cr_assert_eq(det_ptx_target(module, &suffix), 90);
    cr_assert_eq(suffix, 'a');
    cr_assert_eq(det_ptx_n_kernels(module), 1);
    det_bytes_free(&out);
    det_ptx_free(module);
}

Test(ptx_parse, parameters_are_laid_out_as_the_driver_does)
{
    struct det_ptx_module *module =
        parse_text(PTX_HEAD ".entry k(.param .u32 a, .param .u64 .ptr .global .align 1 b, .param "
                            ".align 16 .b8 c[20], .param .u8 d)\n"
                            "{ .shared .align 4 .b8 s[10]; .shared .f64 t; ret; }\n");
    const struct det_ptx_kernel *kernel = det_ptx_kernel(module, 0);
    cr_assert_eq(kernel->n_params, 4);
    cr_assert_eq(kernel->param_bytes, 37, "%zu", kernel->param_bytes);
    cr_assert_eq(kernel->shared_bytes, 24, "%zu", kernel->shared_bytes);
    cr_assert_not_null(det_ptx_kernel_named(module, "k"));
    cr_assert_null(det_ptx_kernel_named(module, "l"));
    det_ptx_free(module);
}

struct bad {
    const char *text;
    unsigned line;
};

Test(ptx_parse, broken_text_is_refused_with_its_line)
{
    static const struct bad rows[] = {
        { "", 1 },
        { "hello", 1 },
        { ".target sm_90\n", 1 },
        { ".version 8.0\n", 1 },
        { PTX_HEAD "\n.entry k() {\n", 5 },
        { PTX_HEAD ".entry k() { add.f32 %f1, %f2 }\n", 4 },
        { PTX_HEAD ".entry k() { ret; }\n}\n", 5 },
        { PTX_HEAD ".entry k(.param .u64 a { ret; }\n", 4 },
        { PTX_HEAD ".entry () { ret; }\n", 4 },
        { PTX_HEAD ".entry k(.param .frob a) { ret; }\n", 4 },
        { PTX_HEAD ".global .u32 x = { 1, 2\n", 4 },
        { PTX_HEAD ".section .debug_str { \n", 4 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct det_ptx_module *module = (void *)1;
        struct det_ptx_where where;
        cr_expect_eq(det_ptx_parse(rows[i].text, strlen(rows[i].text), &module, &where),
            DET_E_SYNTAX, "row %zu", i);
        cr_expect_null(module);
        cr_expect_eq(where.line, rows[i].line, "row %zu: line %u %s", i, where.line, where.text);
    }
}

Test(ptx_parse, every_truncation_is_survived)
{
    struct det_bytes text = read_text(compiled("hazards", 90, ""));
    const size_t n = text.n_bytes < 6000 ? text.n_bytes : 6000;
    for (size_t cut = 0; cut < n; cut++) {
        char *copy = malloc(cut + 1); /* exactly as long, so that valgrind sees a read past it */
        memcpy(copy, text.data, cut);
        struct det_ptx_module *module;
        if (det_ptx_parse(copy, cut, &module, NULL) == DET_OK)
            det_ptx_free(module);
        free(copy);
    }
    det_bytes_free(&text);
}
