/* dlsym, dlvsym, dlopen: what they must not change for programs that have nothing to do with CUDA (rows 1, 2, 3, 7, 8, 9,
 * 10 and 13 of the failure table in notes/interposition.md section 8). */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/preload/loader/check.h"

TestSuite(loader_hooks, .init = prepare, .timeout = 600);

#define PROBES "next=b version=found default=42 runpath=7 error=1"

Test(loader_hooks, without_a_preload_the_probes_say_what_is_right)
{
    expect(NULL, DIR, "./hooks", PROBES, NULL);
}

Test(loader_hooks, a_hook_that_calls_instead_of_jumping_is_caught_by_the_probes)
{
    struct child child = probe(DIR "/libneighbour.so", DIR, "./hooks");
    cr_expect_null(
        strstr(child.out, "result " PROBES), "the plain C neighbour gave the right answers");
    child_free(&child);
}

/* Row 1. Compiled C gets this right only by the optimiser's luck; the assembly must in every build. */
ParameterizedTestParameters(loader_hooks, caller_is_kept)
{
    static char builds[][96] = { SHIM, WATCH, DIR "/libwatch_O0.so", DIR "/libwatch_cov.so",
        DIR "/libwatch_instr.so" };
    return cr_make_param_array(char[96], builds, sizeof builds / sizeof *builds);
}
ParameterizedTest(char (*library)[96], loader_hooks, caller_is_kept, .timeout = 600)
{
    prepare();
    expect(*library, DIR, "./hooks", PROBES, NULL);
}

/* Row 2. */
Test(loader_hooks, the_same_lookup_twice_from_many_threads)
{
    expect(SHIM, DIR, "./threads", "missing=0 done=8", NULL);
    expect(WATCH, DIR, "./threads", "missing=0 done=8", NULL);
}

/* Row 3: $ORIGIN RUNPATH of the calling library; the loader's cache switched off so that nothing else can find it. */
Test(loader_hooks, runpath_of_the_caller_without_the_loader_cache)
{
    expect(NULL, DIR, "/lib64/ld-linux-x86-64.so.2 --inhibit-cache --preload " SHIM " ./hooks",
        PROBES, NULL);
}

/* Row 7: names, versions and out-parameters nobody expects: every answer as without us. */
Test(loader_hooks, odd_lookups_answer_as_without_us)
{
    for (int seed = 1; seed <= 5; seed++) {
        struct child same = child_shell(NULL, 120,
            "cd %s && export LD_LIBRARY_PATH=. && ./fuzz %d >fuzz.plain.%d && LD_PRELOAD=%s ./fuzz "
            "%d >fuzz.watch.%d && "
            "cmp fuzz.plain.%d fuzz.watch.%d && test $(wc -l <fuzz.plain.%d) -gt 20000",
            DIR, seed, seed, WATCH, seed, seed, seed, seed, seed);
        cr_expect_eq(same.exit_status, 0, "seed %d: %s%s", seed, same.out, same.err);
        child_free(&same);
    }
}

/* Row 9. */
Test(loader_hooks, three_hundred_starts_at_once)
{
    struct child storm = child_shell(NULL, 60,
        "export LD_PRELOAD=%s; for i in $(seq 300); do /bin/true & done; wait; echo done", SHIM);
    cr_expect(!storm.timed_out && storm.exit_status == 0);
    cr_expect_str_eq(storm.out, "done\n");
    cr_expect_str_eq(storm.err, "");
    child_free(&storm);
}

/* Nothing we hold may outlive a process that is killed while it starts. */
Test(loader_hooks, kill_during_start_leaves_nothing_stuck)
{
    setenv("LD_PRELOAD", SHIM, 1);
    for (int i = 0; i < 200; i++) {
        const pid_t child = fork();
        if (child == 0) {
            execl("/bin/true", "true", (char *)NULL);
            _exit(127);
        }
        usleep((useconds_t)(i * 10));
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    unsetenv("LD_PRELOAD");
    expect(SHIM, DIR, "./hooks", PROBES, NULL);
}

/* Pages that one `true` touches, the fewest of ten starts: a count, not a time. */
static long pages_of_a_start(const char *preload)
{
    long fewest = 1l << 40;
    for (int i = 0; i < 10; i++) {
        struct rusage used;
        const pid_t child = fork();
        if (child == 0) {
            setenv("LD_PRELOAD", preload, 1);
            execl("/bin/true", "true", (char *)NULL);
            _exit(127);
        }
        cr_assert_eq(wait4(child, NULL, 0, &used), child);
        fewest = used.ru_minflt < fewest ? used.ru_minflt : fewest;
    }
    return fewest;
}

/* Row 10: what a process pays that never uses the GPU. Control: a library with one function. */
Test(loader_hooks, a_start_touches_few_pages)
{
    const long ours = pages_of_a_start(BUILD "/libdetshim.so"),
               empty = pages_of_a_start(DIR "/libnextb.so");
    cr_expect_leq(ours, empty + 12, "%ld pages, %ld with an empty library", ours, empty);
    cr_expect_gt(ours, empty, "was it loaded at all?");
}

/* Row 10: the environment is read once, not on every call. */
Test(loader_hooks, the_environment_is_not_asked_again)
{
    expect(DIR "/libgetenv_counter.so", DIR, "./env_calls", "extra=0 bad=0", NULL);
    expect(WATCH ":" DIR "/libgetenv_counter.so", DIR, "./env_calls", "extra=0 bad=0", NULL);
    expect(SHIM ":" DIR "/libgetenv_counter.so", DIR, "./env_calls", "extra=0 bad=0", NULL);
}

/* Row 13. */
Test(loader_hooks, foreign_children_run_as_before)
{
    struct child child = child_shell(NULL, 60,
        "cd %s && echo 'int main(void){return 7;}' >seven.c && gcc -static -o seven_static seven.c "
        "&& "
        "LD_PRELOAD=%s ./seven_static; echo static $?; "
        "LD_PRELOAD=%s.missing /bin/true; echo missing $?; "
        "LD_PRELOAD=%s env -i ./seven_static; echo cleared $?",
        DIR, SHIM, SHIM, SHIM);
    cr_expect_str_eq(child.out, "static 7\nmissing 0\ncleared 7\n", "%s%s", child.out, child.err);
    child_free(&child);
}

Test(loader_hooks, a_32_bit_child_runs)
{
    struct child made = child_shell(NULL, 60,
        "cd %s && test -e /lib/ld-linux.so.2 && "
        "printf '.globl _start\\n_start: mov $1,%%%%eax\\n mov $9,%%%%ebx\\n int $0x80\\n' >nine.s "
        "&& "
        "as --32 -o nine.o nine.s && ld -m elf_i386 -dynamic-linker /lib/ld-linux.so.2 -o nine "
        "nine.o /lib32/libc.so.6",
        DIR);
    if (made.exit_status != 0)
        cr_skip_test("no 32-bit loader here");
    struct child run = child_shell(NULL, 60, "cd %s && LD_PRELOAD=%s ./nine; echo $?", DIR, SHIM);
    cr_expect_str_eq(run.out, "9\n", "%s%s", run.out, run.err);
    child_free(&run);
    child_free(&made);
}

Test(loader_hooks, a_musl_child_runs)
{
    struct child made = child_shell(NULL, 60,
        "cd %s && command -v musl-gcc && printf '#include <dlfcn.h>\\nint main(void){"
        "return dlsym(RTLD_DEFAULT, \"malloc\") && !dlsym(RTLD_DEFAULT, \"no_such_thing\") ? 5 : "
        "6;}' >five.c && "
        "musl-gcc -o five five.c",
        DIR);
    if (made.exit_status != 0)
        cr_skip_test("no musl-gcc here (apt: musl-tools)");
    struct child run = child_shell(
        NULL, 60, "cd %s && ./five; echo $?; LD_PRELOAD=%s ./five; echo $?", DIR, WATCH);
    cr_expect_str_eq(run.out, "5\n5\n", "%s%s", run.out, run.err);
    child_free(&run);
    child_free(&made);
}

Test(loader_hooks, settings_are_not_judged_where_nothing_happens)
{
    const char *const env[] = { "LD_PRELOAD=" SHIM, "DET_SEED=abc", "DETSHIM_TYPO=1",
        "DETSHIM_STRICT=1", NULL };
    struct child child = child_shell(env, 60, "for i in $(seq 200); do /bin/true; done");
    cr_expect_eq(child.exit_status, 0);
    cr_expect_str_eq(child.err, "");
    child_free(&child);
}

Test(loader_hooks, library_keeps_to_its_symbols)
{
    struct child child = child_shell(NULL, 60, "%s/tools/check_symbols.sh %s", ROOT, SHIM);
    cr_expect_eq(child.exit_status, 0, "%s%s", child.out, child.err);
    child_free(&child);
}

/* The filter runs before sanitizers and allocators are ready: its own files may call nothing else. */
Test(loader_hooks, the_dlsym_path_calls_no_libc_function)
{
    struct child child = child_shell(NULL, 60,
        "cd %s && sed -nE 's/^ +([A-Za-z_0-9]+);/\\1/p' exports.map >loader/exported && "
        "cd obj/shim/loader && nm -u filter.c.o elf.c.o libc.c.o names.c.o thunk.c.o "
        ">../../../loader/wanted && cd ../../../loader && grep -q det_libc wanted && echo read && "
        "sed -nE 's/^ +U //p' wanted | grep -vE "
        "'^(det_|_GLOBAL_OFFSET_TABLE_|__ehdr_start|_end$|environ$|getauxval$|dl_iterate_phdr$)' | "
        "grep -vxF -f exported | sort -u",
        BUILD);
    cr_expect_str_eq(child.err, "");
    cr_expect_str_eq(child.out, "read\n", "%s%s", child.out, child.err);
    child_free(&child);
}
