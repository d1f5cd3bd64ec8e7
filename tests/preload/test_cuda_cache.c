/* DETSHIM_CACHE on the software GPU: the second process compiles nothing, two at once share a folder, and what is wrong with the
 * folder or a file costs a line, never a result. */
#include <dirent.h>
#include <unistd.h>

#include "bench_gpu.h"

#define FLOW BUILD "/preload/cuda_flow plain"

/* Tests run side by side: each has a folder and a log of its own. */
static char folder[256], here[300], log_path[300], log_to[320], elsewhere[300];

static void setup(void)
{
    snprintf(folder, sizeof folder, BUILD "/tap/cache.%d", (int)getpid());
    snprintf(here, sizeof here, "DETSHIM_CACHE=%s", folder);
    snprintf(log_path, sizeof log_path, "%s.jsonl", folder);
    snprintf(log_to, sizeof log_to, "DETSHIM_LOG=%s", log_path);
    snprintf(elsewhere, sizeof elsewhere, "XDG_CACHE_HOME=%s", folder);
}

static int shell(const char *format)
{
    char command[2000];
    snprintf(command, sizeof command, "folder='%s'; %s", folder, format);
    return system(command);
}

static void teardown(void)
{
    cr_expect_eq(shell("rm -rf \"$folder\" \"$folder.jsonl\""), 0);
}

TestSuite(cuda_cache, .init = setup, .fini = teardown);

static struct child run(const char *cache, const char *fail)
{
    const char *const env[] = { SHIM, cache, log_to, fail, NULL };
    remove(log_path);
    return on_softgpu(FLOW, 1, env);
}

static bool logged(const char *text)
{
    char line[4096];
    bool found = false;
    FILE *const file = fopen(log_path, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        found |= strstr(line, text) != NULL;
    if (file != NULL)
        fclose(file);
    return found;
}

#define COMPILED "\"twins compiled for the cache\":1"
#define CACHED   "\"twins from the cache\":1"

static void expect(struct child *child, const char *y, const char *counter)
{
    cr_expect_eq(child->exit_status, 0, "%s%s", child->out, child->err);
    cr_expect_str_eq(child_result(child->out, "y"), y);
    cr_expect(strstr(child->err, "1 exact"), "%s", child->err);
    cr_expect_eq(logged(COMPILED), counter != NULL && strcmp(counter, COMPILED) == 0);
    cr_expect_eq(logged(CACHED), counter != NULL && strcmp(counter, CACHED) == 0);
    child_free(child);
}

static char *sums(void)
{
    return result_of(FLOW, 1, (const char *const[]){ SHIM, NULL }, "y");
}

/* The only file in the folder. */
static const char *only_file(void)
{
    static char path[512];
    int n = 0;
    DIR *const dir = opendir(folder);
    cr_assert_not_null(dir);
    for (struct dirent *item; (item = readdir(dir)) != NULL;)
        if (item->d_name[0] != '.') {
            snprintf(path, sizeof path, "%s/%s", folder, item->d_name);
            n++;
        }
    closedir(dir);
    cr_assert_eq(n, 1);
    return path;
}

Test(cuda_cache, the_second_process_compiles_nothing)
{
    char *const y = sums();
    struct child child = run(here, NULL);
    expect(&child, y, COMPILED);
    only_file();
    child = run(here, "SOFTGPU_FAIL=cuLinkCreate:1:2");
    expect(&child, y, CACHED);
    cr_assert_eq(shell("ls -lA --full-time \"$folder\" >\"$folder.jsonl.before\""), 0);
    child = run("DETSHIM_CACHE=off", NULL);
    expect(&child, y, NULL);
    cr_expect_eq(shell("ls -lA --full-time \"$folder\" | cmp - \"$folder.jsonl.before\"; "
                       "s=$?; rm \"$folder.jsonl.before\"; exit $s"),
        0, "off touches nothing");
}

Test(cuda_cache, hits_misses_and_stores_are_counted)
{
    struct child child = run(here, NULL);
    cr_expect(logged("\"twins not in the cache\":1"));
    cr_expect(logged("\"twins stored in the cache\":1"));
    child_free(&child);
    child = run(here, NULL);
    cr_expect_not(logged("\"twins not in the cache\""));
    cr_expect_not(logged("\"twins stored in the cache\""));
    cr_expect(logged(CACHED));
    child_free(&child);
}

Test(cuda_cache, what_the_driver_does_not_take_is_compiled_again)
{
    char *const y = sums();
    struct child child = run(here, NULL);
    child_free(&child);
    child = run(here, "SOFTGPU_FAIL=cuModuleLoadDataEx:1:209");
    cr_expect(logged("\"twins stored in the cache\":1"));
    expect(&child, y, COMPILED);
    child = run(here, NULL);
    expect(&child, y, CACHED);
}

Test(cuda_cache, without_a_home_there_is_none)
{
    char *const y = sums();
    const char *const home[] = { SHIM, "DETSHIM_CACHE", "XDG_CACHE_HOME", "HOME", log_to, NULL };
    remove(log_path);
    struct child child = on_softgpu(FLOW, 1, home);
    cr_expect_null(strstr(child.err, "CACHE"), "%s", child.err);
    expect(&child, y, NULL);
}

/* The program's first launch of its kernels is recorded, not run. */
Test(cuda_cache, a_twin_first_needed_inside_a_capture, .timeout = 120)
{
#define CAPTURE BUILD "/preload/cuda_graphs two"
    char *const y = result_of(CAPTURE, 1, (const char *const[]){ SHIM, NULL }, "y");
    const char *const env[] = { SHIM, here, log_to, NULL };
    for (int round = 0; round < 2; round++) {
        remove(log_path);
        struct child child = on_softgpu(CAPTURE, 1, env);
        cr_expect_eq(child.exit_status, 0, "%s%s", child.out, child.err);
        cr_expect_str_eq(child_result(child.out, "y"), y);
        cr_expect(logged(round == 0 ? COMPILED : CACHED), "round %d", round);
        child_free(&child);
    }
}

Test(cuda_cache, two_processes_at_once_share_it)
{
    char *const y = sums();
    const char *const env[] = { SHIM, here, NULL };
    for (int round = 0; round < 5; round++) {
        cr_assert_eq(shell("rm -rf \"$folder\""), 0);
        struct child child = on_softgpu("sh -c '" FLOW " & " FLOW "; wait'", 1, env);
        cr_expect_eq(child.exit_status, 0, "%s", child.err);
        cr_expect_str_eq(child_result(child.out, "y"), y);
        cr_expect_null(strstr(child.err, "cache:"), "%s", child.err);
        cr_expect_eq(count_lines(child.err, "detshim: run_to_run (this process), no seed: 1 exact"),
            2, "%s", child.err);
        only_file();
        child_free(&child);
    }
}

Test(cuda_cache, a_damaged_file_is_replaced)
{
    char *const y = sums();
    struct child child = run(here, NULL);
    child_free(&child);
    FILE *const file = fopen(only_file(), "r+");
    cr_assert_not_null(file);
    fseek(file, 200, SEEK_SET);
    fputs("sometimes disks do this", file);
    fclose(file);
    child = run(here, NULL);
    cr_expect(strstr(child.err, "is damaged; not used"), "%s", child.err);
    expect(&child, y, COMPILED);
    child = run(here, NULL);
    expect(&child, y, CACHED);
}

Test(cuda_cache, a_folder_that_cannot_be_used_is_counted)
{
    char *const y = sums();
    struct child child = run("DETSHIM_CACHE=/proc/nowhere", NULL);
    cr_expect_null(strstr(child.err, "CACHE"), "%s", child.err);
    cr_expect(logged("folders that cannot be the cache\":1"));
    expect(&child, y, NULL);
    cr_assert_eq(shell("mkdir -p \"$folder\" && chmod 777 \"$folder\""), 0);
    child = run(here, NULL);
    cr_expect_eq(count_lines(child.err, "detshim: DETSHIM_CACHE: "), 1, "%s", child.err);
    cr_expect(strstr(child.err, "may be written by others"), "%s", child.err);
    expect(&child, y, NULL);
    cr_assert_eq(
        shell("rmdir \"$folder\" && mkdir \"$folder.to\" && ln -s \"$folder.to\" \"$folder\""), 0);
    child = run(here, NULL);
    cr_expect(strstr(child.err, "is a link"), "%s", child.err);
    expect(&child, y, NULL);
    cr_expect_eq(shell("rmdir \"$folder.to\""), 0, "nothing was put there");
    /* the default place: nobody asked for it, nobody hears of it */
    const char *const home[] = { SHIM, "DETSHIM_CACHE", "XDG_CACHE_HOME=/proc/nowhere", NULL };
    child = on_softgpu(FLOW, 1, home);
    cr_expect_null(strstr(child.err, "CACHE"), "%s", child.err);
    cr_expect(strstr(child.err, "1 exact"), "%s", child.err);
    child_free(&child);
}

Test(cuda_cache, a_linker_that_refuses_leaves_the_ordinary_way)
{
    char *const y = sums();
    struct child child = run(here, "SOFTGPU_FAIL=cuLinkComplete:1:218");
    expect(&child, y, NULL);
    child = run(here, "SOFTGPU_FAIL=cuLinkAddData:1:222");
    expect(&child, y, NULL);
}

Test(cuda_cache, the_default_place_is_below_the_users_cache)
{
    char *const y = sums();
    const char *const home[] = { SHIM, "DETSHIM_CACHE", elsewhere, NULL };
    struct child child = on_softgpu(FLOW, 1, home);
    cr_expect_str_eq(child_result(child.out, "y"), y);
    cr_expect_eq(shell("[ $(ls \"$folder/detshim\" | wc -l) = 1 ] && "
                       "[ $(stat -c %a \"$folder/detshim\") = 700 ]"),
        0);
    child_free(&child);
}
