/* Containers as nvcc writes them: what is inside, and that it unpacks to what an uncompressed build holds. */
#include <sys/mman.h>

#include "files.h"
#include <criterion/parameterized.h>

struct expectation {
    char file[32], entries[200];
};

ParameterizedTestParameters(image_read, lists_the_entries_of)
{
    static struct expectation cases[] = {
        { "default.fatbin", "ELF 75, PTX 75 zstd" },
        { "sm_90.fatbin", "ELF 90, PTX 90 zstd" },
        { "sm_90a.fatbin", "PTX 90 zstd, ELF 90a, PTX 90a zstd" },
        { "sm_120.fatbin", "ELF 120, PTX 120 zstd" },
        { "sm_100f.fatbin", "ELF 100f, PTX 100f zstd" },
        { "no-compress.fatbin", "ELF 90, PTX 90" },
        { "mode-none.fatbin", "ELF 90, PTX 90" },
        { "mode-speed.fatbin", "ELF 90, PTX 90 lz4" },
        { "mode-balance.fatbin", "ELF 90, PTX 90 zstd" },
        { "mode-size.fatbin", "ELF 90 zstd, PTX 90 zstd" },
        { "debug.fatbin", "ELF 90 zstd, PTX 90 zstd" },
        { "all-major.fatbin", "ELF 75, ELF 80, ELF 90, ELF 100, ELF 110, PTX 120 zstd, ELF 120" },
        { "ptx-only.fatbin", "PTX 90 zstd" },
        { "sass-only.fatbin", "ELF 90" },
        { "other-arch.fatbin", "PTX 80 zstd, ELF 90" },
        { "rdc.fatbin", "ELF 90 zstd rel, PTX 90 zstd rel" },
        { "lto.fatbin", "OTHER 90 zstd lto" },
        { "sm_75.cubin", "ELF 75" },
        { "sm_90.cubin", "ELF 90" },
        { "sm_90a.cubin", "ELF 90a" },
        { "sm_100f.cubin", "ELF 100f" },
        { "rdc.cubin", "ELF 90 rel" },
        { "plain.ptx", "PTX 90a" },
    };
    return cr_make_param_array(struct expectation, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct expectation *expect, image_read, lists_the_entries_of)
{
    struct det_bytes bytes = load(expect->file);
    struct det_image image;
    cr_assert_eq(det_image_read(bytes.data, bytes.n_bytes, &image), DET_OK, "%s", expect->file);
    cr_expect_str_eq(describe(&image), expect->entries, "%s: %s", expect->file, describe(&image));
    det_image_free(&image);
    det_bytes_free(&bytes);
}

static struct det_bytes unpack_kind(const char *file, enum det_image_kind kind)
{
    struct det_bytes bytes = load(file), plain = { 0 };
    struct det_image image;
    cr_assert_eq(det_image_read(bytes.data, bytes.n_bytes, &image), DET_OK);
    for (size_t i = 0; i < image.n_entries; i++)
        if (image.entries[i].kind == kind)
            cr_assert_eq(det_image_unpack(&image.entries[i], &plain), DET_OK, "%s", file);
    det_image_free(&image);
    det_bytes_free(&bytes);
    return plain;
}

Test(image_unpack, every_compression_gives_the_text_of_the_uncompressed_build)
{
    static const char *const files[] = { "mode-none.fatbin", "mode-speed.fatbin",
        "mode-balance.fatbin", "mode-size.fatbin", "sm_90.fatbin", "ptx-only.fatbin" };
    struct det_bytes plain = unpack_kind("no-compress.fatbin", DET_IMAGE_PTX);
    cr_assert(strstr(plain.data, ".target sm_90"));
    cr_assert(strstr(plain.data, ".entry add_all"));
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct det_bytes other = unpack_kind(files[i], DET_IMAGE_PTX);
        cr_assert_eq(other.n_bytes, plain.n_bytes, "%s", files[i]);
        cr_expect_arr_eq(other.data, plain.data, plain.n_bytes, "%s", files[i]);
        det_bytes_free(&other);
    }
    det_bytes_free(&plain);
}

Test(image_unpack, compressed_machine_code_equals_the_plain_one)
{
    struct det_bytes plain = unpack_kind("no-compress.fatbin", DET_IMAGE_ELF);
    struct det_bytes packed = unpack_kind("mode-size.fatbin", DET_IMAGE_ELF);
    /* Stored plain, it is padded to eight bytes. */
    cr_assert(packed.n_bytes <= plain.n_bytes && plain.n_bytes - packed.n_bytes < 8);
    cr_expect_arr_eq(packed.data, plain.data, packed.n_bytes);
    det_bytes_free(&plain);
    det_bytes_free(&packed);
}

Test(image_unpack, unknown_compression_is_named)
{
    struct det_bytes bytes = load("ptx-only.fatbin"), out = { 0 };
    static const uint64_t unknown[] = { 0x11, 0xa011 };
    for (size_t i = 0; i < 2; i++) {
        memcpy(bytes.data + 16 + 40, &unknown[i], 8);
        struct det_image image;
        cr_assert_eq(det_image_read(bytes.data, bytes.n_bytes, &image), DET_OK);
        cr_expect_eq(image.entries[0].pack, DET_PACK_UNKNOWN);
        cr_expect_eq(det_image_unpack(&image.entries[0], &out), DET_E_COMPRESSION);
        det_image_free(&image);
    }
    det_bytes_free(&bytes);
    det_bytes_free(&out);
}

static void count(const void *image, size_t n_bytes, void *arg)
{
    struct det_image read;
    cr_expect_eq(det_image_read(image, n_bytes, &read), DET_OK);
    char *list = arg;
    strcat(strcat(list, *list ? "; " : ""), describe(&read));
    det_image_free(&read);
}

Test(image_scan, finds_the_images_of_host_objects_and_executables)
{
    static const struct expectation cases[] = { { "host.o", "ELF 90, PTX 90 zstd" },
        { "static.exe", "ELF 90 linked; ELF 90, PTX 90 zstd; ELF 90, PTX 90 zstd" },
        { "host-rdc.o", "ELF 90 zstd rel, PTX 90 zstd rel" },
        { "linked.exe", "ELF 90 linked" }, /* the link's inputs stay in the file, never loaded */
        { "sm_90.cubin", "ELF 90" }, { "plain.ptx", "" } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char list[4096] = "";
        struct det_bytes bytes = load(cases[i].file);
        det_image_scan_elf(bytes.data, bytes.n_bytes, count, list);
        cr_expect_str_eq(list, cases[i].entries, "%s: %s", cases[i].file, list);
        det_bytes_free(&bytes);
    }
}

Test(image_scan, finds_them_without_section_headers)
{
    struct det_bytes bytes = load("static.exe");
    memset(bytes.data + 40, 0, 8); /* e_shoff */
    memset(bytes.data + 58, 0, 6); /* e_shentsize, e_shnum, e_shstrndx */
    char list[4096] = "";
    det_image_scan_elf(bytes.data, bytes.n_bytes, count, list);
    cr_expect(strstr(list, "ELF 90, PTX 90 zstd"), "%s", list);
    det_bytes_free(&bytes);
}

Test(image_read, follows_a_wrapper_only_inside_the_bytes)
{
    struct det_bytes fatbin = load("sm_90.fatbin");
    const size_t n = 24 + fatbin.n_bytes;
    uint8_t *bytes = malloc(n);
    const uint64_t magic = 0x1466243b1, inside = (uint64_t)(uintptr_t)bytes + 24,
                   outside = (uint64_t)(uintptr_t)&fatbin;
    memset(bytes, 0, 24);
    memcpy(bytes, &magic, 8);
    memcpy(bytes + 8, &inside, 8);
    memcpy(bytes + 24, fatbin.data, fatbin.n_bytes);
    struct det_image image;
    cr_expect_eq(det_image_read(bytes, n, &image), DET_OK);
    cr_expect_str_eq(describe(&image), "ELF 90, PTX 90 zstd");
    det_image_free(&image);
    memcpy(bytes + 8, &outside, 8);
    cr_expect_eq(det_image_read(bytes, n, &image), DET_E_RANGE);
    free(bytes);
    det_bytes_free(&fatbin);
}

Test(image_copy, knows_the_size_of_every_container)
{
    static const char *const files[] = { "sm_90.fatbin", "all-major.fatbin", "sm_90.cubin",
        "sm_100f.cubin", "plain.ptx" };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct det_bytes bytes = load(files[i]), copy = { 0 };
        cr_assert_eq(det_image_copy(bytes.data, 1 << 20, &copy), DET_OK, "%s", files[i]);
        cr_assert_eq(
            copy.n_bytes, bytes.n_bytes, "%s: %zu of %zu", files[i], copy.n_bytes, bytes.n_bytes);
        cr_expect_arr_eq(copy.data, bytes.data, bytes.n_bytes, "%s", files[i]);
        det_bytes_free(&copy);
        cr_expect_eq(
            det_image_copy(bytes.data, bytes.n_bytes - 1, &copy), DET_E_LIMIT, "%s", files[i]);
        det_bytes_free(&copy);
        det_bytes_free(&bytes);
    }
}

Test(image_copy, follows_a_wrapper)
{
    struct det_bytes fatbin = load("sm_90.fatbin"), copy = { 0 };
    const struct {
        uint32_t magic, version;
        const void *data, *more;
    } wrapper = { 0x466243b1, 1, fatbin.data, NULL };
    cr_assert_eq(det_image_copy(&wrapper, 1 << 20, &copy), DET_OK);
    cr_assert_eq(copy.n_bytes, fatbin.n_bytes);
    cr_expect_arr_eq(copy.data, fatbin.data, fatbin.n_bytes);
    det_bytes_free(&fatbin);
    det_bytes_free(&copy);
}

/* The image ends at an unmapped page, at every length: an error, never a fault. */
Test(image_copy, stops_before_unmapped_memory)
{
    static const char *const files[] = { "ptx-only.fatbin", "sm_75.cubin", "plain.ptx" };
    const size_t room = 16384;
    char *pages =
        mmap(NULL, room + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq((void *)pages, MAP_FAILED);
    mprotect(pages + room, 4096, PROT_NONE);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct det_bytes bytes = load(files[i]), copy = { 0 };
        for (size_t n = 0; n < bytes.n_bytes; n += n < 200 ? 1 : 97) {
            memcpy(pages + room - n, bytes.data, n);
            cr_expect_neq(det_image_copy(pages + room - n, 1 << 20, &copy), DET_OK, "%s cut to %zu",
                files[i], n);
            det_bytes_free(&copy);
        }
        det_bytes_free(&bytes);
    }
    struct det_bytes copy = { 0 };
    cr_expect_neq(det_image_copy(NULL, 1 << 20, &copy), DET_OK);
    cr_expect_neq(det_image_copy((void *)8, 1 << 20, &copy), DET_OK);
    cr_expect_neq(det_image_copy("\x01\x02garbage", 1 << 20, &copy), DET_OK);
}

/* Up to CUDA 12 the number stood in the low byte and 'a' in bit 11 (LLVM, BinaryFormat/ELF.h). */
Test(image_read, knows_the_flags_of_older_cubins)
{
    struct det_bytes bytes = load("sm_75.cubin");
    const uint32_t plain = 0x5a055a, specific = 0x5a0d5a;
    struct det_image image;
    bytes.data[8] = 7;
    memcpy(bytes.data + 48, &plain, 4);
    cr_assert_eq(det_image_read(bytes.data, bytes.n_bytes, &image), DET_OK);
    cr_expect_str_eq(describe(&image), "ELF 90");
    det_image_free(&image);
    memcpy(bytes.data + 48, &specific, 4);
    cr_assert_eq(det_image_read(bytes.data, bytes.n_bytes, &image), DET_OK);
    cr_expect_str_eq(describe(&image), "ELF 90a");
    det_image_free(&image);
    det_bytes_free(&bytes);
}
