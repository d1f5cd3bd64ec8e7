/* Damaged images: cut at every offset, every bit of the headers flipped, random damage elsewhere. What is read from them may
 * be anything but a crash; each copy sits in its own exact allocation, so that ASan and valgrind see a byte too far. */
#include <stdlib.h>

#include "files.h"

static const char *const files[] = { "sm_90.fatbin", "mode-speed.fatbin", "mode-size.fatbin",
    "debug.fatbin", "rdc.fatbin", "lto.fatbin", "sm_90a.cubin", "plain.ptx" };
enum { N_FILES = sizeof files / sizeof *files };

static void nothing(const void *image, size_t n_bytes, void *arg)
{
    (void)image, (void)n_bytes, (void)arg;
}

static enum det_err try_all(const char *bytes, size_t n_bytes)
{
    char *exact = malloc(n_bytes + (n_bytes == 0));
    memcpy(exact, bytes, n_bytes);
    struct det_image image;
    const enum det_err err = det_image_read(exact, n_bytes, &image);
    for (size_t i = 0; i < image.n_entries; i++) {
        struct det_bytes out = { 0 };
        const struct det_image_entry *entry = &image.entries[i];
        const char *payload = (const char *)entry->payload;
        cr_assert(payload >= exact && payload + entry->payload_bytes <= exact + n_bytes);
        if (det_image_unpack(entry, &out) == DET_OK && entry->kind != DET_IMAGE_PTX)
            cr_assert_eq(out.n_bytes, entry->plain_bytes);
        det_bytes_free(&out);
    }
    const struct det_image_entry *ptx, *code;
    for (unsigned sm = 75; sm <= 120; sm += 15) {
        DET_LINE(line, 200);
        const enum det_image_voice voice = det_image_voice(&image, sm, &ptx, &code);
        det_image_voice_text(voice, ptx, code, &line);
    }
    det_image_scan_elf(exact, n_bytes, nothing, NULL);
    det_image_free(&image);
    free(exact);
    return err;
}

Test(image_broken, cut_anywhere_is_an_error_and_never_a_crash)
{
    for (size_t f = 0; f < N_FILES; f++) {
        struct det_bytes bytes = load(files[f]);
        const bool sized = strstr(files[f], ".fatbin") != NULL;
        for (size_t n = 0; n < bytes.n_bytes; n++) {
            const enum det_err err = try_all(bytes.data, n);
            if (sized)
                cr_assert_neq(err, DET_OK, "%s cut to %zu of %zu", files[f], n, bytes.n_bytes);
        }
        det_bytes_free(&bytes);
    }
}

Test(image_broken, the_entries_before_the_cut_are_kept)
{
    struct det_bytes bytes = load("sm_90.fatbin");
    struct det_image image;
    cr_expect_eq(det_image_read(bytes.data, bytes.n_bytes - 8, &image), DET_E_TRUNCATED);
    cr_expect_str_eq(describe(&image), "ELF 90");
    det_image_free(&image);
    det_bytes_free(&bytes);
}

Test(image_broken, flipped_bits_never_crash)
{
    for (size_t f = 0; f < N_FILES; f++) {
        struct det_bytes bytes = load(files[f]);
        for (size_t bit = 0; bit < bytes.n_bytes * 8; bit += bit < 400 * 8 ? 1 : 61) {
            bytes.data[bit / 8] ^= (char)(1 << bit % 8);
            try_all(bytes.data, bytes.n_bytes);
            bytes.data[bit / 8] ^= (char)(1 << bit % 8);
        }
        det_bytes_free(&bytes);
    }
}

Test(image_broken, random_damage_never_crashes)
{
    srand48(1);
    for (size_t f = 0; f < N_FILES; f++) {
        struct det_bytes bytes = load(files[f]);
        char *copy = malloc(bytes.n_bytes);
        for (int round = 0; round < 500; round++) {
            memcpy(copy, bytes.data, bytes.n_bytes);
            for (int i = 0; i < 8; i++)
                copy[lrand48() % (long)(i < 4 ? bytes.n_bytes : 256)] = (char)lrand48();
            try_all(copy, bytes.n_bytes);
        }
        free(copy);
        det_bytes_free(&bytes);
    }
}

Test(image_broken, what_is_no_image_is_refused)
{
    static const char *const texts[] = { "", "abc", "garbage that is no PTX", "// only a comment",
        "/* open", ".versio",
        "\x7f"
        "ELF" };
    struct det_image image;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        cr_expect_neq(det_image_read(texts[i], strlen(texts[i]), &image), DET_OK, "'%s'", texts[i]);
        cr_expect_eq(image.n_entries, 0u);
    }
}
