/* Driver wrappers on the software GPU, continued: host threads, fork, module variables through the runtime with a default stream
 * per thread, settings and refusals that must look the same with and without us. */
#include "bench_gpu.h"

static const char *const plain[] = { "LD_PRELOAD", NULL };
static const char *const preloaded[] = { SHIM, NULL };

static bool all_equal(const char *program, const char *const env[], const char *name, int n)
{
    char *const first = result_of(program, 1, env, name);
    bool equal = true;
    for (int seed = 2; seed <= n; seed++) {
        char *const value = result_of(program, seed, env, name);
        equal &= strcmp(first, value) == 0;
        free(value);
    }
    free(first);
    return equal;
}

static void expect_log(const char *program, const char *text)
{
    struct child child = on_softgpu(program, 1, preloaded);
    cr_expect(strstr(child.err, text), "wanted '%s' in: %s", text, child.err);
    child_free(&child);
}

Test(cuda_more, two_host_threads_on_one_stream_and_on_their_own, .timeout = 600)
{
    const char *const program = BUILD "/preload/cuda_threads";
    static const char *const names[] = { "shared", "first", "second" };
    cr_expect_not(all_equal(program, plain, "shared", 4), "the software GPU must bite");
    for (int i = 0; i < 3; i++)
        cr_expect(all_equal(program, preloaded, names[i], 6), "%s", names[i]);
    expect_log(program, "73 exact");
}

Test(cuda_more, a_forked_child_prints_nothing_and_ends_well)
{
    struct child child = on_softgpu(BUILD "/preload/cuda_threads", 1, preloaded);
    cr_expect(strstr(child.out, "child 0\n"), "%s", child.out);
    cr_expect_eq(count_lines(child.err, "detshim: run_to_run"), 1, "%s", child.err);
    child_free(&child);
}

Test(cuda_more, variables_and_constants_through_the_runtime)
{
    const char *const program = BUILD "/preload/symbols";
    cr_expect_not(all_equal(program, plain, "sums", 4), "the software GPU must bite");
    cr_expect(all_equal(program, preloaded, "sums", 20));
    expect_log(program, "3 exact, 1 ordered");
}

Test(cuda_more, settings_and_refusals_look_the_same)
{
    const char *const program = BUILD "/preload/cuda_settings";
    struct child without = on_softgpu(program, 1, plain), with = on_softgpu(program, 1, preloaded);
    char *const a = strstr(without.out, "result "), *const b = strstr(with.out, "result ");
    cr_assert(a && b, "%s%s", without.out, with.out);
    cr_expect_str_neq(a, b, "this seed rounds otherwise than the exact sum");
    *a = *b = '\0';
    cr_expect_str_eq(without.out, with.out);
    cr_expect(strstr(with.err, "2 exact"), "%s", with.err);
    child_free(&without);
    child_free(&with);
}

/* nvrtcGetCUBIN, cuLinkAddFile, cuLinkAddFile_v2: the program gets what it gets without us; the PTX is noted in the log. */
Test(cuda_more, ptx_of_run_time_compiled_machine_code_is_kept)
{
    const char *const program = BUILD "/preload/nvrtc_cubin";
    const char *const logged[] = { SHIM, "DETSHIM_LOG=stderr", "DETSHIM_LOG_LEVEL=call", NULL };
    struct child without = on_softgpu(program, 1, plain), with = on_softgpu(program, 1, logged);
    if (without.exit_status == 77)
        cr_skip_test("no NVRTC");
    cr_expect_str_eq(without.out, with.out);
    cr_expect(strstr(with.err, "its PTX is kept"), "%s", with.err);
    child_free(&without);
    child_free(&with);
}

/* Two pointers into one allocation, 256 KiB apart: separate tensors stay exact; where the second is the target itself the first
 * launch is named and later ones run the program's kernel, which reads what it has just added. */
Test(cuda_more, a_read_of_the_target_through_another_pointer_is_noticed, .timeout = 300)
{
    const char *const tensors = BUILD "/preload/cuda_alias tensors";
    const char *const same = BUILD "/preload/cuda_alias same";
    cr_expect_not(all_equal(tensors, plain, "y", 4), "the software GPU must bite");
    cr_expect(all_equal(tensors, preloaded, "y", 6));
    expect_log(tensors, " 3 exact, 0 ordered, 0 pinned, 0 vouched, 0 unknown, 0 uncovered");
    expect_log(same, "far 1x: read of pending sum");
    expect_log(same, "far 2x: reads what it adds to");
    expect_log(same, " 0 exact");
    struct child child = on_softgpu(same, 1, preloaded);
    cr_expect(strstr(child.out, "stale 1\n"), "only the launch that was named: %s", child.out);
    child_free(&child);
    const char *const strict[] = { SHIM, "DETSHIM_STRICT=1", NULL };
    child = on_softgpu(same, 1, strict);
    cr_expect_eq(child.exit_status, 4, "%s", child.err);
    child_free(&child);
}
