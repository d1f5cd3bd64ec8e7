/* The log as a process shows it: each case is a child with its own settings, stderr and log file. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim/core/io.h"
#include "shim/log/log.h"

static char folder[] = "/tmp/detshim-log-XXXXXX";
static char file[64];
static char said[65536]; /* stderr of the last child */

static void prepare(void)
{
    cr_assert(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/log", folder);
}

static void clean(void)
{
    char command[96];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (system(command) != 0)
        cr_log_warn("scratch folder left");
}

/* Variables as "A=1 B=2"; returns the wait status. */
static int child(const char *settings, void (*body)(void))
{
    char name[80];
    snprintf(name, sizeof name, "%s/stderr", folder);
    const pid_t pid = fork();
    if (pid == 0) {
        const int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
        dup2(fd, 2);
        close(fd);
        setsid(); /* marks of other tests must not silence this one */
        char *copy = strdup(settings);
        for (char *one = strtok(copy, " "); one; one = strtok(NULL, " "))
            putenv(one);
        body();
        _exit(0);
    }
    int status;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    struct det_bytes text = { 0 };
    cr_assert_eq(det_io_read_file(name, sizeof said - 1, &text), DET_OK);
    memcpy(said, text.data, text.n_bytes + 1);
    det_bytes_free(&text);
    return status;
}

static char *logged(const char *name)
{
    struct det_bytes text = { 0 };
    cr_assert_eq(det_io_read_file(name, 1 << 26, &text), DET_OK, "%s", name);
    return text.data;
}

static unsigned lines(const char *text)
{
    unsigned n = 0;
    for (; (text = strchr(text, '\n')); text++)
        n++;
    return n;
}

static void hits(const char *name, enum det_class cls, const char *why, unsigned n)
{
    struct det_ledger_row *row = det_ledger_row(
        "kernel", name, cls, cls == DET_CLASS_EXACT ? DET_RULE_ATOMICS_EXACT : DET_N_RULES, why);
    while (n--)
        det_ledger_hit(row);
}

static void covered(void)
{
    hits("_Z4gradPf", DET_CLASS_EXACT, "", 3);
    hits("relu", DET_CLASS_ORDERED, "", 5);
    det_log_finish();
}

Test(log_summary, covered_process_promises, .init = prepare, .fini = clean)
{
    child("DET_SEED=7", covered);
    cr_assert(
        strstr(said, "detshim: run_to_run (this process), seed 7: 3 exact, 5 ordered, 0 pinned, "
                     "0 vouched, 0 unknown, 0 uncovered\n"),
        "%s", said);
    cr_assert(strstr(said, "exact atomics.exact grad 3x\n"), "%s", said);
    cr_assert(strstr(said, "not seen: host threads"));
    cr_assert_eq(lines(said), 3);
}

static void nothing(void)
{
    det_log_finish();
}

static void rows_without_hits(void)
{
    det_ledger_row("kernel", "never", DET_CLASS_UNCOVERED, DET_N_RULES, "x");
    det_log_counter("waits", 4);
    det_log_finish();
}

Test(log_summary, silent_where_nothing_happened, .init = prepare, .fini = clean)
{
    child("DET_SEED=abc DETSHIM_TYPO=1 DETSHIM_STRICT=1", nothing);
    cr_assert_str_empty(said, "no hooked call, no word, not even on bad settings");
    child("DET_SEED=7", rows_without_hits);
    cr_assert_str_empty(said);
}

static void many(void)
{
    char name[16];
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "bad%02d", i);
        hits(name, i % 2 ? DET_CLASS_UNCOVERED : DET_CLASS_UNKNOWN, "a reason", 1);
        snprintf(name, sizeof name, "good%02d", i);
        hits(name, DET_CLASS_EXACT, "", 1);
    }
    det_log_conflict("cublasSetMathMode", DET_RULE_ATOMICS_EXACT, "mode", "tf32");
    det_log_finish();
}

Test(log_summary, ten_lines_at_most_and_exceptions_by_name, .init = prepare, .fini = clean)
{
    child("", many);
    cr_assert_eq(lines(said), 10, "%s", said);
    cr_assert(strstr(said, "run_to_run except: "));
    cr_assert(strstr(said, " and 17 more (this process), no seed: 20 exact"), "%s", said);
    cr_assert(strstr(said, "uncovered bad01 1x: a reason"));
    cr_assert(strstr(said, "exact atomics.exact good"));
    cr_assert(strstr(said, "+34 more: DETSHIM_LOG=file"), "%s", said);
}

Test(log_summary, other_ranks_speak_only_of_trouble, .init = prepare, .fini = clean)
{
    child("RANK=3", covered);
    cr_assert_str_empty(said);
    child("RANK=3", many);
    cr_assert_eq(lines(said), 1);
    cr_assert(strstr(said, "(this process, rank 3)"));
    child("RANK=0", covered);
    cr_assert_eq(lines(said), 3);
}

Test(log_summary, observe_promises_nothing, .init = prepare, .fini = clean)
{
    child("DETSHIM_LEVEL=observe DETSHIM_STRICT=1", many);
    cr_assert(strstr(said, "detshim: observe, nothing changed"));
    cr_assert_null(strstr(said, "run_to_run"));
}

Test(log_summary, log_level_off_is_silent, .init = prepare, .fini = clean)
{
    child("DETSHIM_LOG_LEVEL=off DET_SEED=abc", many);
    cr_assert_str_empty(said);
}

static void strict(void)
{
    hits("fine", DET_CLASS_ORDERED, "", 1);
    cr_assert_not(det_strict_pending());
    hits("dark", DET_CLASS_UNKNOWN, "no PTX", 2);
    const bool by_unknown = det_strict_pending();
    hits("racy", DET_CLASS_UNCOVERED, "exch of a flag", 3);
    if (!det_strict_pending())
        _exit(1);
    if (by_unknown)
        det_ledger_hit(det_ledger_row("call", "marker", DET_CLASS_ORDERED, DET_N_RULES, ""));
    det_strict_end();
}

Test(log_strict, ends_with_status_4_and_the_whole_list, .init = prepare, .fini = clean)
{
    char settings[128];
    snprintf(settings, sizeof settings, "DETSHIM_STRICT=1 DETSHIM_LOG=%s", file);
    cr_assert_eq(WEXITSTATUS(child(settings, strict)), 4);
    cr_assert(strstr(said, "uncovered racy 3x: exch of a flag"), "%s", said);
    cr_assert_null(strstr(said, "dark"));
    char *text = logged(file);
    cr_assert_null(strstr(text, "marker"), "strict 1 is not armed by unknown");
    cr_assert(strstr(text, "\"end\":\"strict\"}\n"));
    cr_assert_eq(WEXITSTATUS(child("DETSHIM_STRICT=2", strict)), 4);
    cr_assert(strstr(said, "unknown dark 2x: no PTX"), "%s", said);
    cr_assert_eq(WEXITSTATUS(child("DETSHIM_STRICT=0", strict)), 1);
    cr_assert_eq(WEXITSTATUS(child("DETSHIM_STRICT=2 DETSHIM_LEVEL=observe", strict)), 1);
}

static void moved(void)
{
    hits("k", DET_CLASS_EXACT, "", 5);
    det_ledger_move(det_ledger_row("kernel", "k", DET_CLASS_EXACT, DET_RULE_ATOMICS_EXACT, ""),
        det_ledger_row("kernel", "k", DET_CLASS_UNCOVERED, DET_N_RULES, "table full"), 2);
    if (det_ledger_count(DET_CLASS_EXACT) != 3 || det_ledger_count(DET_CLASS_UNCOVERED) != 2 ||
        !det_strict_pending())
        _exit(1);
}

Test(log_ledger, moved_hits_change_class_and_arm_strict, .init = prepare, .fini = clean)
{
    cr_assert_eq(child("DETSHIM_STRICT=1", moved), 0);
}

static void *hammer(void *arg)
{
    char name[32];
    for (int i = 0; i < 20000; i++) {
        snprintf(name, sizeof name, "k%d", i % 500);
        hits(name, DET_CLASS_ORDERED, "", 1);
        det_log_override("cublasCreate_v2", DET_RULE_ATOMICS_EXACT, "mode", i % 7, i % 3);
    }
    return arg;
}

static void threads(void)
{
    pthread_t id[8];
    for (int i = 0; i < 8; i++)
        pthread_create(&id[i], NULL, hammer, NULL);
    for (int i = 0; i < 8; i++)
        pthread_join(id[i], NULL);
    if (det_ledger_count(DET_CLASS_ORDERED) != 160000)
        _exit(1);
    for (int i = 0; i < 500; i++) {
        char name[32];
        snprintf(name, sizeof name, "k%d", i);
        if (det_ledger_row("kernel", name, DET_CLASS_ORDERED, DET_N_RULES, "") !=
            det_ledger_row("kernel", name, DET_CLASS_ORDERED, DET_N_RULES, NULL))
            _exit(2);
    }
    det_log_finish();
}

/* Without the sorting at the end eight racing threads would leave another order each time. */
Test(log_file, middle_is_equal_between_runs_of_racing_threads, .init = prepare, .fini = clean)
{
    char settings[128], other[80];
    snprintf(settings, sizeof settings, "DETSHIM_LOG=%s", file);
    cr_assert_eq(child(settings, threads), 0);
    snprintf(settings, sizeof settings, "DETSHIM_LOG=%s2", file);
    cr_assert_eq(child(settings, threads), 0);
    snprintf(other, sizeof other, "%s2", file);
    char *a = strchr(logged(file), '\n'), *b = strchr(logged(other), '\n');
    *strstr(a, "\"t\":\"cost\"") = 0;
    *strstr(b, "\"t\":\"cost\"") = 0;
    /* "asked" of the first of several overrides with one "given" depends on who was first: blank it */
    for (char *at = a; (at = strstr(at, "\"asked\":")); at++)
        at[8] = '_';
    for (char *at = b; (at = strstr(at, "\"asked\":")); at++)
        at[8] = '_';
    cr_assert_str_eq(a, b);
    cr_assert_gt(lines(a), 1000);
    cr_assert_null(strstr(a, "as written"));
}

static void killed(void)
{
    hits("first", DET_CLASS_EXACT, "", 2);
    hits("second", DET_CLASS_UNCOVERED, "why", 1);
    raise(SIGKILL);
}

Test(log_file, complete_to_the_last_record_after_kill, .init = prepare, .fini = clean)
{
    char settings[128];
    snprintf(settings, sizeof settings, "DETSHIM_LOG=%s", file);
    cr_assert_eq(WTERMSIG(child(settings, killed)), SIGKILL);
    char *text = logged(file);
    cr_assert_eq(lines(text), 4);
    cr_assert(
        strstr(text,
            "{\"v\":1,\"t\":\"kernel\",\"name\":\"second\",\"class\":\"uncovered\",\"rule\":null,"
            "\"why\":\"why\"}\n"),
        "%s", text);
    cr_assert_null(strstr(text, "\"complete\":true"));
}

/* Programs close every descriptor and open their own: not a byte of ours may land in their files. */
static void closes_all(void)
{
    char own[96];
    snprintf(own, sizeof own, "%s/own", folder);
    hits("before", DET_CLASS_ORDERED, "", 1);
    for (int fd = 3; fd < 1024; fd++)
        close(fd);
    const int first = open(own, O_WRONLY | O_CREAT, 0600);
    for (int fd = first; fd < 600 && fd >= 0;)
        fd = dup(first);
    hits("after", DET_CLASS_ORDERED, "", 1);
    det_log_finish();
    struct stat info;
    if (fstat(first, &info) != 0 || info.st_size != 0)
        _exit(1);
}

Test(log_file, survives_closed_and_reused_descriptors, .init = prepare, .fini = clean)
{
    struct rlimit limit = { 2048, 2048 };
    setrlimit(RLIMIT_NOFILE, &limit);
    char settings[128];
    snprintf(settings, sizeof settings, "DETSHIM_LOG=%s", file);
    cr_assert_eq(child(settings, closes_all), 0);
    char *text = logged(file);
    cr_assert(strstr(text, "\"before\"") && strstr(text, "\"after\"") && strstr(text, "complete"));
}

static void high_descriptor(void)
{
    hits("x", DET_CLASS_ORDERED, "", 1);
    const int next = dup(0);
    if (next > 10 || fcntl(512, F_GETFD) != FD_CLOEXEC || !(fcntl(512, F_GETFL) & O_APPEND))
        _exit(1);
}

Test(log_file, descriptor_is_high_append_only_and_close_on_exec, .init = prepare, .fini = clean)
{
    char settings[128];
    snprintf(settings, sizeof settings, "DETSHIM_LOG=%s", file);
    cr_assert_eq(child(settings, high_descriptor), 0);
}

static void forks(void)
{
    hits("parent", DET_CLASS_EXACT, "", 2);
    if (fork() == 0) {
        det_log_fork_child();
        if (det_ledger_count(DET_CLASS_EXACT) != 0)
            _exit(1);
        if (fork() == 0) {
            det_log_fork_child();
            det_log_finish(); /* did nothing: says nothing, makes no file */
            _exit(0);
        }
        wait(NULL);
        hits("child", DET_CLASS_ORDERED, "", 1);
        det_log_finish();
        _exit(0);
    }
    int status;
    wait(&status);
    if (status)
        _exit(1);
    hits("parent", DET_CLASS_EXACT, "", 1);
    det_log_finish();
}

Test(log_file, forked_child_has_counts_and_a_log_of_its_own, .init = prepare, .fini = clean)
{
    char settings[128], other[80];
    snprintf(settings, sizeof settings, "DETSHIM_LOG=%s", file);
    cr_assert_eq(child(settings, forks), 0);
    snprintf(other, sizeof other, "%s.1", file);
    char *parent = logged(file), *own = logged(other);
    cr_assert_null(strstr(parent, "child"));
    cr_assert_null(strstr(own, "parent"));
    cr_assert(strstr(parent, "\"exact\":3,"));
    cr_assert(strstr(own, "\"exact\":0,\"ordered\":1,"));
    snprintf(other, sizeof other, "%s.2", file);
    cr_assert_neq(access(other, F_OK), 0);
}

Test(log_file, second_run_is_appended_as_a_block, .init = prepare, .fini = clean)
{
    char settings[128];
    snprintf(settings, sizeof settings, "DETSHIM_LOG=%s", file);
    child(settings, covered);
    const unsigned once = lines(logged(file));
    child(settings, covered);
    cr_assert_eq(lines(logged(file)), 2 * once);
}

Test(log_file, unwritable_place_gives_one_line, .init = prepare, .fini = clean)
{
    child("DETSHIM_LOG=/proc/no/such/log", covered);
    cr_assert(strstr(said, "detshim: cannot open log '/proc/no/such/log': "), "%s", said);
    cr_assert_eq(lines(said), 4, "%s", said);
}

Test(log_file, folders_are_made_and_pattern_expanded, .init = prepare, .fini = clean)
{
    char settings[160], name[128];
    snprintf(
        settings, sizeof settings, "RANK=2 LOCAL_RANK=1 DETSHIM_LOG=%s/a/b/%%r-%%l.jsonl", folder);
    child(settings, many);
    snprintf(name, sizeof name, "%s/a/b/2-1.jsonl", folder);
    cr_assert(strstr(logged(name), "\"rank\":2,\"local_rank\":1,"));
}

static void levels(void)
{
    for (int i = 0; i < 3; i++) {
        det_log_override("f", DET_RULE_ATOMICS_EXACT, "x", 1, 0);
        hits("k", DET_CLASS_ORDERED, "", 1);
    }
    det_log_kept("g", DET_RULE_ATOMICS_EXACT, "y", "mine");
    det_log_finish();
}

static unsigned count(const char *text, const char *what)
{
    unsigned n = 0;
    for (; (text = strstr(text, what)); text++)
        n++;
    return n;
}

Test(log_file, level_decides_how_often, .init = prepare, .fini = clean)
{
    static const struct {
        const char *level;
        unsigned overrides, hits;
    } rows[] = { { "summary", 1, 0 }, { "override", 3, 0 }, { "call", 3, 3 } };
    for (int i = 0; i < 3; i++) {
        char settings[160], name[80];
        snprintf(settings, sizeof settings, "DETSHIM_LOG_LEVEL=%s DETSHIM_LOG=%s%d", rows[i].level,
            file, i);
        snprintf(name, sizeof name, "%s%d", file, i);
        child(settings, levels);
        char *text = logged(name);
        cr_assert_eq(count(text, "\"t\":\"override\",\"call\":\"f\""), rows[i].overrides);
        cr_assert_eq(count(text, "\"t\":\"hit\""), rows[i].hits);
        cr_assert_eq(count(text, "\"of\":\"override\",\"call\":\"f\""), 1);
        cr_assert(strstr(text, "\"action\":\"changed\",\"n\":3}"));
        cr_assert(strstr(text, "\"action\":\"kept\",\"n\":1}"));
    }
}

static void notes(void)
{
    errno = 66;
    for (int i = 0; i < 5; i++)
        det_log_note("cannot read '%s': %d", "x.so", 7);
    det_log_note("another");
    if (errno != 66)
        _exit(1);
    if (fork() == 0) {
        det_log_fork_child();
        det_log_note("another");
        _exit(0);
    }
    wait(NULL);
    det_log_finish();
}

Test(log_notes, once_per_text_and_process_tree_but_counted, .init = prepare, .fini = clean)
{
    char settings[128];
    snprintf(settings, sizeof settings, "DETSHIM_LOG=%s", file);
    cr_assert_eq(child(settings, notes), 0);
    cr_assert_str_eq(said, "detshim: cannot read 'x.so': 7\ndetshim: another\n");
    cr_assert(strstr(logged(file), "\"of\":\"warn\",\"msg\":\"cannot read 'x.so': 7\",\"n\":5}"));
}

static void bad_settings(void)
{
    covered();
    if (fork() == 0) {
        det_log_fork_child();
        covered();
        _exit(0);
    }
    wait(NULL);
}

Test(log_notes, bad_settings_are_said_once, .init = prepare, .fini = clean)
{
    child("DET_SEED=abc DETSHIM_STRIKT=1", bad_settings);
    cr_assert_eq(count(said, "DET_SEED: 'abc'"), 1);
    cr_assert_eq(count(said, "DETSHIM_STRIKT"), 1);
    cr_assert_eq(count(said, "no seed:"), 2);
}

static void text_log(void)
{
    det_log_override_text("setenv", DET_RULE_ATOMICS_EXACT, "NCCL_ALGO", NULL, "Ring");
    det_log_event("entropy", "getrandom", "libc.so", 8, 1);
    covered();
}

Test(log_text, stderr_gets_records_and_summary, .init = prepare, .fini = clean)
{
    child("DETSHIM_LOG=stderr DETSHIM_LOG_LEVEL=override", text_log);
    cr_assert(
        strstr(said, "detshim: override call=setenv rule=atomics.exact field=NCCL_ALGO asked=\"\" "
                     "given=Ring action=changed\n"),
        "%s", said);
    cr_assert(
        strstr(said, "detshim: entropy subject=getrandom detail=libc.so a=8 b=1\n"), "%s", said);
    cr_assert(strstr(said, "detshim: kernel name=relu class=ordered\n"), "%s", said);
    cr_assert(strstr(said, "detshim: run_to_run (this process)"));
}
