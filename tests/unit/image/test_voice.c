/* The rule of design section 6.2 on real images, and each compatibility clause on made-up ones. */
#include "files.h"
#include <criterion/parameterized.h>

struct verdict {
    char file[32];
    unsigned sm;
    char text[160];
};

ParameterizedTestParameters(image_voice, of_real_images)
{
    static struct verdict cases[] = {
        { "sm_90.fatbin", 90, "PTX speaks for its kernels (compute_90)" },
        { "sm_90.fatbin", 100, "PTX speaks for its kernels (compute_90)" },
        { "sm_90.fatbin", 89, "nothing in the image runs on this device" },
        { "sm_90a.fatbin", 90, "PTX speaks for its kernels (compute_90a)" },
        { "sm_90a.fatbin", 100, "PTX speaks for its kernels (compute_90)" },
        { "sm_100f.fatbin", 103, "PTX speaks for its kernels (compute_100f)" },
        { "sm_100f.fatbin", 120, "nothing in the image runs on this device" },
        { "default.fatbin", 80, "PTX speaks for its kernels (compute_75)" },
        { "all-major.fatbin", 90,
            "PTX of another architecture (compute_120 beside sm_90); build with code=compute_90" },
        { "all-major.fatbin", 120, "PTX speaks for its kernels (compute_120)" },
        { "other-arch.fatbin", 90,
            "PTX of another architecture (compute_80 beside sm_90); build with code=compute_90" },
        { "other-arch.fatbin", 86, "PTX speaks for its kernels (compute_80)" },
        { "ptx-only.fatbin", 90, "PTX speaks for its kernels (compute_90)" },
        { "sass-only.fatbin", 90, "machine code only (sm_90); build with code=compute_90" },
        { "rdc.fatbin", 90, "linked: kernels are made by a device link (-rdc or LTO)" },
        { "lto.fatbin", 90, "linked: kernels are made by a device link (-rdc or LTO)" },
        { "sm_90.cubin", 90, "machine code only (sm_90); build with code=compute_90" },
        { "plain.ptx", 90, "PTX speaks for its kernels (compute_90a)" },
        { "plain.ptx", 100, "nothing in the image runs on this device" },
    };
    return cr_make_param_array(struct verdict, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct verdict *expect, image_voice, of_real_images)
{
    struct det_bytes bytes = load(expect->file);
    struct det_image image;
    const struct det_image_entry *ptx, *code;
    cr_assert_eq(det_image_read(bytes.data, bytes.n_bytes, &image), DET_OK);
    DET_LINE(line, 200);
    const enum det_image_voice voice = det_image_voice(&image, expect->sm, &ptx, &code);
    det_image_voice_text(voice, ptx, code, &line);
    cr_expect_str_eq(line.at, expect->text, "%s on %u: %s", expect->file, expect->sm, line.at);
    det_image_free(&image);
    det_bytes_free(&bytes);
}

static enum det_image_voice voice_of(struct det_image_entry *entries, size_t n, unsigned sm)
{
    const struct det_image image = { entries, n };
    const struct det_image_entry *ptx, *code;
    return det_image_voice(&image, sm, &ptx, &code);
}
#define PTX(number, letter)                                                                        \
    {                                                                                              \
        .kind = DET_IMAGE_PTX, .sm = number, .suffix = letter                                      \
    }
#define ELF(number, letter)                                                                        \
    {                                                                                              \
        .kind = DET_IMAGE_ELF, .sm = number, .suffix = letter                                      \
    }
#define VOICE(sm, ...)                                                                             \
    voice_of((struct det_image_entry[]){ __VA_ARGS__ },                                            \
        sizeof((struct det_image_entry[]){ __VA_ARGS__ }) / sizeof(struct det_image_entry), sm)

Test(image_voice, machine_code_of_the_same_major_is_picked)
{
    cr_expect_eq(VOICE(86, ELF(80, 0), PTX(80, 0)), DET_VOICE_PTX);
    cr_expect_eq(VOICE(86, ELF(80, 0), PTX(75, 0)), DET_VOICE_OTHER_ARCH);
    cr_expect_eq(VOICE(89, ELF(80, 0), ELF(86, 0), PTX(80, 0)), DET_VOICE_OTHER_ARCH);
    cr_expect_eq(VOICE(90, ELF(80, 0), PTX(80, 0)), DET_VOICE_PTX);
    cr_expect_eq(VOICE(80, ELF(86, 0), PTX(86, 0)), DET_VOICE_NOTHING);
}

Test(image_voice, the_suffix_counts)
{
    cr_expect_eq(VOICE(90, ELF(90, 'a'), PTX(90, 0)), DET_VOICE_OTHER_ARCH);
    cr_expect_eq(VOICE(90, ELF(90, 0), PTX(90, 'a')), DET_VOICE_OTHER_ARCH);
    cr_expect_eq(VOICE(90, ELF(90, 'a'), PTX(90, 0), PTX(90, 'a')), DET_VOICE_PTX);
    cr_expect_eq(VOICE(103, ELF(100, 'f'), PTX(100, 0)), DET_VOICE_OTHER_ARCH);
    cr_expect_eq(VOICE(103, ELF(100, 'a'), PTX(100, 0)), DET_VOICE_PTX);
    cr_expect_eq(VOICE(120, ELF(100, 'f')), DET_VOICE_NOTHING);
}

Test(image_voice, relocatable_code_is_linked_later)
{
    cr_expect_eq(VOICE(90, { .kind = DET_IMAGE_ELF, .sm = 90, .relocatable = true }, PTX(90, 0)),
        DET_VOICE_LINKED);
    cr_expect_eq(VOICE(90, { .kind = DET_IMAGE_ELF, .sm = 90, .linked = true }), DET_VOICE_LINKED);
    cr_expect_eq(
        VOICE(90, { .kind = DET_IMAGE_PTX, .sm = 80, .relocatable = true }), DET_VOICE_LINKED);
}
