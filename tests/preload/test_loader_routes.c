/* Every way a program reaches a vendor library: who is called, who is counted (rows 4, 5, 6, 8, 14, 15 and the scenarios of
 * sections 3 and 5 of notes/interposition.md). Run under the watch build, which wraps calls of every family. */
#include "tests/preload/loader/check.h"

TestSuite(loader_routes, .init = prepare, .timeout = 600);

Test(loader_routes, linked_program)
{
    expect(WATCH, DIR, "./plt", "call=13 pointer=13 count=2", NULL);
}

Test(loader_routes, handle_by_dlsym_and_dlvsym)
{
    expect(WATCH, DIR, "./routes handle", "name=13 version=13 count=2", NULL);
}

Test(loader_routes, global_scope)
{
    expect(NULL, DIR, "./routes global", "early=0 said=1 found=13 main=13 count=-9 lib=1", NULL);
    expect(WATCH, DIR, "./routes global", "early=0 said=1 found=13 main=13 count=2 lib=1", NULL);
}

Test(loader_routes, what_the_library_lacks_looks_absent)
{
    expect(NULL, DIR, "./routes absent", "handle=01 default=01 main=01 version=0", NULL);
    expect(WATCH, DIR, "./routes absent", "handle=01 default=01 main=01 version=0", NULL);
    expect(WATCH, DIR, "WATCH=" WATCH " ./routes none", "absent=1", NULL);
}

/* Row 14. */
Test(loader_routes, extension_opened_locally)
{
    expect(WATCH, DIR, "./routes local", "value=13 count=1 constructor=1", NULL);
}

Test(loader_routes, two_generations_linked_by_two_extensions)
{
    expect(NULL, DIR, "./routes two", "before=12 b=13 a=12 again=13 constructor=13 count=-9", NULL);
    expect(WATCH, DIR, "./routes two", "before=12 b=13 a=12 again=13 constructor=13 count=4", NULL);
}

Test(loader_routes, two_generations_by_handle_without_a_telling_caller)
{
    expect(NULL, DIR, "./routes two_handles", "a=12 b=13 again=12 count=-9", NULL);
    expect(WATCH, DIR, "./routes two_handles", "a=12 b=13 again=12 count=3", NULL);
}

Test(loader_routes, framework_stub_does_not_recurse)
{
    expect(WATCH, DIR, "./routes stub", "stub=13 again=13 counted=1", NULL);
}

Test(loader_routes, deep_binding_bypasses_unless_stripped)
{
    expect(WATCH, DIR, "./routes deepbind", "value=13 count=0", NULL);
    expect(WATCH, DIR, "env DETSHIM_STRIP_DEEPBIND=1 ./routes deepbind", "value=13 count=1", NULL);
    expect(WATCH, DIR, "env DETSHIM_STRIP_DEEPBIND=1 DETSHIM_LEVEL=off ./routes deepbind",
        "value=13 count=0", NULL);
}

/* Row 4. A part asked by its front for the front's own name must get the part's function. */
Test(loader_routes, cudnn_front_and_parts)
{
    expect(WATCH, DIR, "./routes cudnn", "version=90900 made=2 count=1 nested=0 inner=1", NULL);
}

Test(loader_routes, driver_that_is_only_a_loader)
{
    expect(WATCH, DIR "/wsl", "./routes wsl", "value=105 count=1 nested=0", NULL);
}

Test(loader_routes, off_is_a_plain_jump)
{
    expect(WATCH, DIR, "env DETSHIM_LEVEL=off ./routes handle", "name=13 version=13 count=0", NULL);
    expect(WATCH, DIR, "env DETSHIM_DISABLE=1 ./routes handle", "name=13 version=13 count=0", NULL);
    expect(
        WATCH, DIR, "env DETSHIM_PROCS=other ./routes handle", "name=13 version=13 count=0", NULL);
    expect(WATCH, DIR, "env DETSHIM_PROCS=oth*,rout?s ./routes handle",
        "name=13 version=13 count=2", NULL);
    expect(WATCH, DIR, "env DETSHIM_LEVEL=off ./routes two",
        "before=12 b=13 a=12 again=13 constructor=13 count=0", NULL);
}

/* Section 5. */
Test(loader_routes, a_closed_library_stays_callable)
{
    expect(WATCH, DIR, "./routes closing", "before=13 after=13 count=2", NULL);
}

Test(loader_routes, fork_and_both_exits)
{
    expect(WATCH, DIR, "./routes forking", "bad=0", NULL);
}

Test(loader_routes, closed_descriptors)
{
    expect(WATCH, DIR, "./routes closed", "value=13 mine=3 read=10", NULL);
    expect(SHIM, DIR, "./routes closed", "value=13 mine=3 read=10", NULL);
}

Test(loader_routes, signal_handlers_are_the_programs_own)
{
    expect(WATCH, DIR, "./routes signals", "handled=1000 handlers=0 errno=77", NULL);
}

Test(loader_routes, dlerror_and_errno_are_the_programs_own)
{
    expect(NULL, DIR, "./routes error", "named=1 errno=42 cleared=1", NULL);
    expect(WATCH, DIR, "./routes error", "named=1 errno=42 cleared=1", NULL);
}

/* Rows 6, 8 and 15: 450 names x 26 versions x 3 flags x both forms; the second double's pointers are not its exports. The
 * wrapper must be that of the very ABI the driver would have given, and the status and NULLs must be the driver's. */
static void same_table(const char *path)
{
    struct child same = child_shell(NULL, 120,
        "cd %s && export LD_LIBRARY_PATH=%s && n=$(echo %s | tr / _) && ./table names "
        ">table.plain.$n 2>/dev/null && "
        "LD_PRELOAD=%s ./table names >table.watch.$n 2>table.err.$n && cmp table.plain.$n "
        "table.watch.$n && cat table.err.$n",
        DIR, path, path, WATCH);
    cr_expect_eq(same.exit_status, 0, "%s%s", same.out, same.err);
    cr_expect_str_eq(child_result(same.out, "wrong"), "0", "%s", same.out);
    cr_expect_gt(strtol(child_result(same.out, "total"), NULL, 10), 40000,
        "wrappers were called: %s", same.out);
    child_free(&same);
}

Test(loader_routes, every_driver_abi_is_the_one_asked_for)
{
    same_table(DIR);
}

Test(loader_routes, every_driver_abi_also_when_pointers_are_not_exports)
{
    same_table(DIR "/alias");
}

/* The driver's own calls are the same, in number and order, with and without us. */
Test(loader_routes, no_extra_driver_calls)
{
    struct child same = child_shell(NULL, 120,
        "cd %s && export LD_LIBRARY_PATH=. FAKE_TRACE=1 && ./cudart %s/lib/libcudart.so.13 "
        "2>calls.plain >/dev/null && "
        "LD_PRELOAD=%s ./cudart %s/lib/libcudart.so.13 2>calls.watch >/dev/null && cmp calls.plain "
        "calls.watch && "
        "wc -l <calls.plain",
        DIR, cuda_home(), WATCH, cuda_home());
    cr_expect_eq(same.exit_status, 0, "%s%s", same.out, same.err);
    cr_expect_gt(strtol(same.out, NULL, 10), 400, "%s", same.out);
    child_free(&same);
}

/* Row 5: the real runtime finds the driver through us: one call of ours per look-up of its own. */
Test(loader_routes, real_cudart_13_asks_through_us)
{
    char command[512];
    snprintf(command, sizeof command, "./cudart %s/lib/libcudart.so.13", cuda_home());
    struct child child = probe(WATCH, DIR, command);
    cr_expect_str_eq(child_result(child.out, "init"), "1", "%s%s", child.out, child.err);
    cr_expect_gt(strtol(child_result(child.out, "calls"), NULL, 10), 400, "%s", child.out);
    child_free(&child);
}

/* The self-test at exit: a device node is open, libcuda is mapped, and no wrapper ran. */
Test(loader_routes, silence_is_explained_at_exit)
{
    struct child made = child_shell(NULL, 10, "mkdir -p %s/dev && : >%s/dev/nvidiactl", DIR, DIR);
    cr_assert_eq(made.exit_status, 0);
    expect(WATCH, DIR, "./gpu_used dev/nvidiactl hooked", "fd=1", NULL);
    expect(WATCH, DIR, "./gpu_used /dev/null unhooked", "fd=1", NULL);
    expect(WATCH, DIR, "./gpu_used dev/nvidiactl unhooked", "fd=1", "statically");
    expect(WATCH, DIR, "./gpu_used dev/nvidiactl deepbind", "fd=1", "DETSHIM_STRIP_DEEPBIND=1");
    expect(DIR "/libneighbour.so:" WATCH, DIR, "./gpu_used dev/nvidiactl unhooked", "fd=1",
        "put libdetshim.so first");
    expect(WATCH, DIR, "env DETSHIM_LEVEL=off ./gpu_used dev/nvidiactl unhooked", "fd=1", NULL);
    child_free(&made);
}

/* The committed table against the toolkit that is installed: a new CUDA version shows up as a list of names. */
Test(loader_routes, driver_table_matches_the_headers)
{
    struct child child = child_shell(NULL, 60,
        "python3 %s/tools/driver_versions.py %s --check %s/shim/loader/driver_versions.def", ROOT,
        cuda_home(), ROOT);
    cr_expect_eq(child.exit_status, 0, "%s%s", child.out, child.err);
    child_free(&child);
}
