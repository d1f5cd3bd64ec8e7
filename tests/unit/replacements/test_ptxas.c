/* The vendor's own assembler must take the fold and every emitted form, for every architecture it still knows (the 13.0 one
 * starts at sm_75; our sm_60 and sm_70 claims rest on the PTX manual). */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "replacements/accumulator.h"
#include "tests/support/acc_kernel.h"

static const unsigned architectures[] = { 75, 80, 90, 100, 120 };

static const char *ptxas(void)
{
    static char path[4096];
    const char *home = getenv("CUDA_HOME");
    snprintf(path, sizeof path, "%s/bin/ptxas", home ? home : "/usr/local/cuda");
    if (access(path, X_OK) != 0)
        cr_skip_test("no ptxas at %s", path);
    return path;
}

/* Empty when it was accepted, else what it said. */
static const char *refused(const char *text, size_t n_bytes, unsigned architecture)
{
    static char said[2048];
    char name[] = "/tmp/det_ptxas_XXXXXX", command[8192];
    const int fd = mkstemp(name);
    cr_assert(fd >= 0 && write(fd, text, n_bytes) == (ssize_t)n_bytes);
    close(fd);
    snprintf(command, sizeof command, "%s -arch=sm_%u %s -o /dev/null 2>&1", ptxas(), architecture,
        name);
    FILE *pipe = popen(command, "r");
    said[fread(said, 1, sizeof said - 1, pipe)] = 0;
    const bool failed = pclose(pipe) != 0;
    unlink(name);
    return failed ? said : "";
}

Test(acc_ptxas, the_fold_is_accepted, .timeout = 60)
{
    for (size_t i = 0; i < sizeof architectures / sizeof *architectures; i++)
        cr_assert_str_empty(refused(det_acc_fold_ptx, strlen(det_acc_fold_ptx), architectures[i]));
}

Test(acc_ptxas, every_form_is_accepted, .timeout = 300)
{
    static const struct acc_kernel forms[] = {
        { .type = DET_PTX_F32, .lanes = 1, .version = 60, .target = 60 },
        { .type = DET_PTX_F32,
            .lanes = 1,
            .generic = true,
            .guarded = true,
            .counted = true,
            .version = 70,
            .target = 70 },
        { .type = DET_PTX_F32, .lanes = 4, .version = 81, .target = 90 },
        { .type = DET_PTX_F64, .lanes = 1, .guarded = true, .version = 60, .target = 60 },
        { .type = DET_PTX_F64,
            .lanes = 1,
            .negate = true,
            .counted = true,
            .version = 64,
            .target = 75 },
        { .type = DET_PTX_F16, .lanes = 1, .version = 63, .target = 70 },
        { .type = DET_PTX_F16,
            .lanes = 2,
            .packed = true,
            .generic = true,
            .version = 62,
            .target = 60 },
        { .type = DET_PTX_F16, .lanes = 8, .packed = true, .version = 81, .target = 90 },
        { .type = DET_PTX_BF16, .lanes = 1, .guarded = true, .version = 78, .target = 90 },
        { .type = DET_PTX_BF16,
            .lanes = 2,
            .packed = true,
            .negate = true,
            .version = 78,
            .target = 90 },
    };
    for (size_t f = 0; f < sizeof forms / sizeof *forms; f++) {
        struct det_bytes text = { 0 };
        cr_assert_eq(acc_kernel_write(&text, &forms[f]), DET_OK);
        for (size_t i = 0; i < sizeof architectures / sizeof *architectures; i++)
            if (architectures[i] >= forms[f].target)
                cr_assert_str_empty(refused(text.data, text.n_bytes, architectures[i]),
                    "form %zu sm_%u", f, architectures[i]);
        det_bytes_free(&text);
    }
}

Test(acc_ptxas, symbols_offsets_and_immediates_are_accepted, .timeout = 60)
{
    static const struct {
        enum det_ptx_type type;
        const char *address, *addend, *original;
    } cases[] = {
        { DET_PTX_F32, "counts+4", "0f3F800000", "red.global.add.f32 [counts+4], 0f3F800000;" },
        { DET_PTX_F32, "counts", "1.0", "red.global.add.f32 [counts], 1.0;" },
        { DET_PTX_F32, "%rd1+-8", "-1.5", "red.global.add.f32 [%rd1+-8], -1.5;" },
        { DET_PTX_F32, "%rd1+8", "%r1", "red.global.add.f32 [%rd1+8], %r1;" },
        { DET_PTX_F64, "counts+8", "0d3FF0000000000000",
            "red.global.add.f64 [counts+8], 0d3FF0000000000000;" },
        { DET_PTX_F64, "%rd1", "%rd1", "red.global.add.f64 [%rd1], %rd1;" },
    };
    struct det_bytes text = { 0 };
    det_bytes_text(&text,
        ".version 6.0\n.target sm_60\n.address_size 64\n.global .align 8 .b8 counts[64];\n"
        ".visible .entry k(.param .u64 p0, .param .u64 p1)\n{\n\t.reg .b64 %rd<3>;\n\t.reg .b32 "
        "%r<2>;\n"
        "\tld.param.u64 %rd1, [p0];\n\tld.param.u64 %rd2, [p1];\n\tmov.u32 %r1, 0;\n");
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct det_ptx_add add = { .type = cases[i].type,
            .n_lanes = 1,
            .address = cases[i].address,
            .addend = &cases[i].addend,
            .table = "%rd2",
            .original = cases[i].original,
            .serial = i,
            .version = 60,
            .target = 60 };
        cr_assert_eq(det_ptx_emit_add(&text, &add), DET_OK);
    }
    det_bytes_text(&text, "\tret;\n}\n");
    cr_assert_str_empty(refused(text.data, text.n_bytes, 80));
}

Test(acc_ptxas, control_a_broken_form_is_refused, .timeout = 60)
{
    const char text[] = ".version 6.0\n.target sm_60\n.address_size 64\n.visible .entry "
                        "k()\n{\n\tadd.s64 %rd1, %rd2, 1;\n}\n";
    cr_assert_neq(*refused(text, sizeof text - 1, 80), 0);
}

Test(acc_emit, older_modules_and_odd_lanes_are_unsupported)
{
    struct det_bytes text = { 0 };
    const char *addend[] = { "%f1", "%f2" };
    struct det_ptx_add add = { .type = DET_PTX_F32,
        .n_lanes = 1,
        .address = "%rd1",
        .addend = addend,
        .table = "%rd2",
        .version = 50,
        .target = 60 };
    cr_assert_eq(det_ptx_emit_add(&text, &add), DET_E_UNSUPPORTED);
    add.version = 60, add.target = 52;
    cr_assert_eq(det_ptx_emit_add(&text, &add), DET_E_UNSUPPORTED);
    add.target = 60, add.packed = true;
    cr_assert_eq(det_ptx_emit_add(&text, &add), DET_E_UNSUPPORTED);
    add.packed = false, add.n_lanes = 0;
    cr_assert_eq(det_ptx_emit_add(&text, &add), DET_E_UNSUPPORTED);
    cr_assert_eq(text.n_bytes, 0);
}
