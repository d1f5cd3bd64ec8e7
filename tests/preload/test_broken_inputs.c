/* Broken images, settings and machines: one clear line each, and the program behaves as it does without the shim. */
#include <unistd.h>

#include "bench_gpu.h"
#include "shim/core/io.h"

#define LOAD  BUILD "/preload/load_image"
#define MLP   BUILD "/programs/digits_mlp --epochs 1 --steps 2"
#define NVRTC BUILD "/programs/digits_nvrtc --epochs 1 --steps 2"

static const char *const plain[] = { "LD_PRELOAD", NULL };
static const char *const preloaded[] = { SHIM, NULL };
static char scratch[64];

static void make_scratch(void)
{
    strcpy(scratch, "/tmp/detshim-image-XXXXXX");
    close(mkstemp(scratch));
}
static void drop_scratch(void)
{
    unlink(scratch);
}
TestSuite(broken, .init = make_scratch, .fini = drop_scratch, .timeout = 600);

static struct det_bytes image(const char *name)
{
    char path[4096];
    struct det_bytes bytes = { 0 };
    snprintf(path, sizeof path, BUILD "/images/%s", name);
    cr_assert_eq(det_io_read_file(path, 1 << 20, &bytes), DET_OK, "%s", path);
    return bytes;
}

/* Load the bytes with and without the shim; returns the preloaded run. What the program prints, up to the sums themselves,
 * and how it ends must not change. */
static struct child load_both(const void *bytes, size_t n_bytes, const char *what)
{
    FILE *file = fopen(scratch, "wb");
    fwrite(bytes, 1, n_bytes, file);
    fclose(file);
    char command[256];
    snprintf(command, sizeof command, LOAD " %s", scratch);
    struct child bare = on_softgpu(command, 1, plain), child = on_softgpu(command, 1, preloaded);
    cr_expect_eq(child.signal, bare.signal, "%s: signal %d, plain %d\n%s", what, child.signal,
        bare.signal, child.err);
    cr_expect_eq(child.exit_status, bare.exit_status, "%s: %d, plain %d", what, child.exit_status,
        bare.exit_status);
    if (strncmp(bare.out, "result", 6) != 0)
        cr_expect_str_eq(child.out, bare.out, "%s: %s, plain %s", what, child.out, bare.out);
    child_free(&bare);
    return child;
}

/* Lines of ours that are no part of the summary at the end. */
static int notes(const char *text)
{
    int n = 0;
    for (const char *at = text; at && *at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL)
        n += strncmp(at, "detshim: ", 9) == 0 && strncmp(at, "detshim:  ", 10) != 0 &&
             strncmp(at, "detshim: run_to_run", 19) != 0;
    return n;
}

static void expect_one_note(const struct child *child, const char *what, const char *word)
{
    cr_expect_eq(notes(child->err), 1, "%s: %d notes\n%s", what, notes(child->err), child->err);
    cr_expect(strstr(child->err, word), "%s: no '%s' in\n%s", what, word, child->err);
}

Test(broken, a_good_image_is_loaded_without_a_note)
{
    struct det_bytes bytes = image("no-compress.fatbin");
    struct child child = load_both(bytes.data, bytes.n_bytes, "good");
    cr_expect_eq(child.exit_status, 0, "%s", child.out);
    cr_expect_eq(notes(child.err), 0, "%s", child.err);
    cr_expect(strstr(child.err, "exact atomics.exact add_all"), "%s", child.err);
}

Test(broken, cut_fat_binaries_change_nothing)
{
    static const char *const files[] = { "no-compress.fatbin", "mode-speed.fatbin",
        "ptx-only.fatbin" };
    for (int f = 0; f < 3; f++) {
        struct det_bytes bytes = image(files[f]);
        for (size_t n = 0; n < bytes.n_bytes; n += n < 32 ? 8 : bytes.n_bytes / 6) {
            char what[80];
            snprintf(what, sizeof what, "%s cut to %zu", files[f], n);
            struct child child = load_both(bytes.data, n, what);
            cr_expect_leq(notes(child.err), 1, "%s:\n%s", what, child.err);
            child_free(&child);
        }
        det_bytes_free(&bytes);
    }
}

Test(broken, flipped_bits_change_nothing)
{
    static const char *const files[] = { "no-compress.fatbin", "mode-speed.fatbin",
        "ptx-only.fatbin" };
    srand48(3);
    for (int f = 0; f < 3; f++) {
        struct det_bytes bytes = image(files[f]);
        for (int round = 0; round < 16; round++) {
            const size_t at = (size_t)lrand48() % (round % 2 ? bytes.n_bytes : 96),
                         bit = (size_t)lrand48() % 8;
            char what[80];
            snprintf(what, sizeof what, "%s byte %zu bit %zu", files[f], at, bit);
            bytes.data[at] ^= (char)(1 << bit);
            struct child child = load_both(bytes.data, bytes.n_bytes, what);
            cr_expect_leq(notes(child.err), 1, "%s:\n%s", what, child.err);
            child_free(&child);
            bytes.data[at] ^= (char)(1 << bit);
        }
        det_bytes_free(&bytes);
    }
}

Test(broken, unknown_compression_is_said_once)
{
    struct det_bytes bytes = image("ptx-only.fatbin");
    bytes.data[16 + 41] = 0x50; /* no compression we know, yet a packed size */
    struct child child = load_both(bytes.data, bytes.n_bytes, "unknown compression");
    expect_one_note(&child, "unknown compression",
        "driver refused a device code image (error 218): unknown or broken compression");
}

Test(broken, garbage_ptx_is_said_once)
{
    static const char text[] =
        ".version 8.0\n.target sm_90\n.address_size 64\n.visible .entry add_all(\n"
        ".param .u64 a, %% garbage ((( \n";
    struct child child = load_both(text, sizeof text, "garbage PTX");
    expect_one_note(
        &child, "garbage PTX", "driver refused a device code image (error 218): broken PTX, line ");
}

Test(broken, text_that_is_no_image_changes_nothing)
{
    struct child child = load_both("no image at all", 16, "text");
    cr_expect_leq(notes(child.err), 1, "%s", child.err);
}

/* Machine code the driver picks is compiled from other branches than the PTX: never ordered, never rewritten. */
Test(broken, ptx_of_another_architecture_is_unknown)
{
    static const char *const files[] = { "other-arch.fatbin", "other-arch-branches.fatbin" };
    for (int f = 0; f < 2; f++) {
        struct det_bytes bytes = image(files[f]);
        struct child child = load_both(bytes.data, bytes.n_bytes, files[f]);
        cr_expect(strstr(child.err, "1 unknown, 0 uncovered"), "%s:\n%s", files[f], child.err);
        cr_expect(strstr(child.err, " 0 ordered"), "%s:\n%s", files[f], child.err);
        cr_expect(strstr(child.err, "detshim:   unknown add_all 1x: PTX of another architecture"),
            "%s:\n%s", files[f], child.err);
        det_bytes_free(&bytes);
    }
}

Test(broken, a_bad_seed_is_said_once_and_ignored)
{
    const char *const bad[] = { SHIM, "DET_SEED=abc", NULL };
    char *good = result_of(MLP, 5, preloaded, "weights"), *same = result_of(MLP, 5, bad, "weights");
    cr_expect_str_eq(good, same);
    struct child child = on_softgpu(MLP, 5, bad);
    expect_one_note(&child, "DET_SEED=abc", "DET_SEED");
}

Test(broken, a_missing_driver_is_the_programs_own_business)
{
    const char *const none[] = { "LD_PRELOAD", "LD_LIBRARY_PATH=/nowhere", NULL };
    const char *const shim[] = { SHIM, "LD_LIBRARY_PATH=/nowhere", NULL };
    struct child bare = on_softgpu(NVRTC, 1, none), child = on_softgpu(NVRTC, 1, shim);
    if (bare.exit_status == 0)
        cr_skip_test("this machine has a CUDA driver");
    cr_expect_eq(child.exit_status, bare.exit_status);
    cr_expect_str_eq(child.out, bare.out);
    cr_expect(strstr(child.err, "no CUDA driver"), "%s", child.err);
    cr_expect_leq(count_lines(child.err, ""), count_lines(bare.err, "") + 1, "%s", child.err);
}

Test(broken, settings_are_not_judged_where_no_hook_fires)
{
    struct child child = child_shell(NULL, 120,
        "DETSHIM_STRICT=1 DET_SEED=abc DETSHIM_TYPO=1 " SHIM
        " bash -c 'for i in $(seq 200); do /bin/true; done'");
    cr_expect_eq(child.exit_status, 0);
    cr_expect_str_eq(child.out, "");
    cr_expect_str_eq(child.err, "");
}
