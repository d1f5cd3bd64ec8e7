/* DET_SEED in plain C, C++ and Python processes. Stands on the real libc, libstdc++ and CPython; no CUDA is involved. */
#include <criterion/criterion.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/child.h"

#define LIBRARY "LD_PRELOAD=" BUILD "/libdetshim.so"
#define QUIET   "DETSHIM_LOG_LEVEL=off"

static const char *const plain[] = { "DET_SEED", "LD_PRELOAD", NULL };
static const char *const one[] = { "DET_SEED=1", LIBRARY, QUIET, "PYTHONHASHSEED", NULL };
static const char *const two[] = { "DET_SEED=2", LIBRARY, QUIET, "PYTHONHASHSEED", NULL };

static char *output(const char *const *env, const char *command)
{
    struct child child = child_shell(env, 60, "%s", command);
    cr_assert_eq(
        child.exit_status, 0, "'%s' ended with %d: %s", command, child.exit_status, child.err);
    free(child.err);
    return child.out;
}

static bool same(const char *const *env_a, const char *const *env_b, const char *command)
{
    char *a = output(env_a, command), *b = output(env_b, command);
    const bool equal = strcmp(a, b) == 0;
    free(a);
    free(b);
    return equal;
}

/* plain runs differ, seed 1 repeats, seed 2 is another run */
static void repeats(const char *command)
{
    char *before = output(plain, command);
    bool differ = false; /* a clock of seconds may stand still between two runs */
    for (int i = 0; i < 4 && !differ; i++) {
        char *after = output(plain, command);
        differ = strcmp(before, after) != 0;
        free(after);
        if (!differ)
            usleep(600000);
    }
    free(before);
    cr_assert(differ, "'%s' repeats without us: proves nothing", command);
    for (int i = 0; i < 3; i++)
        cr_assert(same(one, one, command), "'%s' differs under DET_SEED=1", command);
    cr_assert(!same(one, two, command), "'%s' ignores the seed", command);
}

Test(seed_c, time_in_seconds)
{
    repeats(BUILD "/preload/seed_c clock");
}
Test(seed_c, time_in_microseconds)
{
    repeats(BUILD "/preload/seed_c usec");
}
Test(seed_c, monotonic_nanoseconds)
{
    repeats(BUILD "/preload/seed_c nsec");
}
Test(seed_c, time_xor_pid)
{
    repeats(BUILD "/preload/seed_c timepid");
}
Test(seed_c, pid_alone)
{
    repeats(BUILD "/preload/seed_c pid");
}
Test(seed_c, srand48_of_time_plus_pid)
{
    repeats(BUILD "/preload/seed_c clock48");
}
Test(seed_c, four_threads_calling_rand)
{
    repeats(BUILD "/preload/seed_c threads");
}
Test(seed_c, a_forked_child_has_a_stream_of_its_own)
{
    repeats(BUILD "/preload/seed_c timepid fork");
    char *text = output(one, BUILD "/preload/seed_c timepid fork");
    int parent = 0, child = 0;
    cr_assert_eq(sscanf(text, "%d %*d %*d child %d", &parent, &child), 2, "%s", text);
    cr_assert_neq(parent, child);
    free(text);
}

Test(seed_c, a_constant_seed_keeps_its_very_numbers)
{
    cr_assert(same(plain, one, BUILD "/preload/seed_c constant"));
}

Test(seed_c, nothing_changes_without_a_seed_or_with_a_bad_one)
{
    const char *const none[] = { "DET_SEED", LIBRARY, QUIET, NULL };
    const char *const bad[] = { "DET_SEED=abc", LIBRARY, QUIET, NULL };
    const char *const off[] = { "DET_SEED=1", "DETSHIM_ENTROPY=off", LIBRARY, QUIET, NULL };
    const char *const observe[] = { "DET_SEED=1", "DETSHIM_LEVEL=observe", LIBRARY, QUIET, NULL };
    const char *const *const quiet[] = { none, bad, off, observe };
    for (size_t i = 0; i < sizeof quiet / sizeof *quiet; i++)
        cr_assert(!same(quiet[i], quiet[i], BUILD "/preload/seed_c usec"), "case %zu", i);
}

Test(seed_cpp, random_device)
{
    repeats(BUILD "/preload/seed_cpp device");
}

Test(seed_cpp, generator_seeded_from_random_device)
{
    repeats(BUILD "/preload/seed_cpp");
}

/* --- CPython: every way to start it. Static (Debian) and shared (pyenv, where present) interpreters. */
#define DRAW                                                                                       \
    "import random; print(random.random(), random.Random().random(), "                             \
    "list({'a','b','c','d','e'}), hash('x'))"

static unsigned with_python(const char *python, const char *format)
{
    if (access(python, X_OK) != 0)
        return 0;
    char command[2048];
    snprintf(command, sizeof command, format, python);
    cr_assert(!same(plain, plain, command), "'%s' repeats without us", command);
    cr_assert(same(one, one, command), "'%s' differs under DET_SEED=1", command);
    cr_assert(!same(one, two, command), "'%s' ignores the seed", command);
    return 1;
}

static void each_python(const char *format)
{
    /* The part inside CPython is for 3.8 and later. */
    unsigned n = with_python("/usr/bin/python3", format);
    char pattern[512];
    glob_t found;
    const char *home = getenv("HOME");
    snprintf(
        pattern, sizeof pattern, "%s/.pyenv/versions/3.{[89],1?}.*/bin/python3", home ? home : "");
    if (glob(pattern, GLOB_BRACE, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++)
            n += with_python(found.gl_pathv[i], format);
        globfree(&found);
    }
    if (n == 0)
        cr_skip_test("no CPython here");
}

Test(seed_python, command)
{
    each_python("%s -c \"" DRAW "\"");
}
Test(seed_python, isolated)
{
    each_python("%s -I -c \"" DRAW "\"");
}
Test(seed_python, ignoring_the_environment)
{
    each_python("%s -E -c \"" DRAW "\"");
}
Test(seed_python, without_site)
{
    each_python("%s -S -c \"" DRAW "\"");
}
Test(seed_python, isolated_without_site)
{
    each_python("%s -I -S -c \"" DRAW "\"");
}
Test(seed_python, without_user_site)
{
    each_python("%s -s -c \"" DRAW "\"");
}
Test(seed_python, importtime)
{
    each_python("%s -X importtime -c \"" DRAW "\" 2>/dev/null");
}
Test(seed_python, standard_input)
{
    each_python("echo \"" DRAW "\" | %s");
}
Test(seed_python, module)
{
    each_python("cd /tmp && mkdir -p detshim-m-$$ && cd detshim-m-$$ && echo \"" DRAW
                "\" >drawn.py && %s -m drawn; rm -rf /tmp/detshim-m-$$");
}
Test(seed_python, import_by_importlib)
{
    each_python(
        "%s -c \"import importlib; r = importlib.import_module('random'); print(r.random())\"");
}
Test(seed_python, a_child_process_by_subprocess)
{
    each_python("%s -c \"import subprocess, sys; print(subprocess.check_output([sys.executable, "
                "'-c', 'import random; print(random.random())']))\"");
}

#define POOL                                                                                       \
    "import multiprocessing, random\n"                                                             \
    "def draw(i): return random.random()\n"                                                        \
    "if __name__ == '__main__':\n"                                                                 \
    "    c = multiprocessing.get_context('HOW')\n"                                                 \
    "    for _ in range(3):\n"                                                                     \
    "        with c.Pool(1) as p: print(p.map(draw, [0]))\n"

static void pool(const char *how)
{
    char format[2048];
    snprintf(format, sizeof format,
        "d=$(mktemp -d) && cat >$d/m.py <<'X'\n" POOL
        "X\nsed -i s/HOW/%s/ $d/m.py; %%s $d/m.py; s=$?; rm -rf $d; exit $s",
        how);
    each_python(format);
    snprintf(format, sizeof format,
        "d=$(mktemp -d) && cat >$d/m.py <<'X'\n" POOL
        "X\nsed -i s/HOW/%s/ $d/m.py; /usr/bin/python3 $d/m.py | sort -u | wc -l; rm -rf $d",
        how);
    char *lines = output(one, format);
    cr_assert_str_eq(lines, "3\n", "children share a stream: %s", lines);
    free(lines);
}

Test(seed_python, forked_children)
{
    pool("fork");
}
Test(seed_python, spawned_children, .timeout = 300)
{
    pool("spawn");
}
Test(seed_python, forkserver_children, .timeout = 300)
{
    pool("forkserver");
}

Test(seed_python, secrets_stay_real)
{
    const char *draw = "/usr/bin/python3 -c \"import os, secrets, uuid, random, tempfile; "
                       "print(os.urandom(8), secrets.token_hex(), "
                       "uuid.uuid4(), random.SystemRandom().random())\"";
    cr_assert(!same(one, one, draw));
    const char *const all[] = { "DET_SEED=1", "DETSHIM_ENTROPY=all", LIBRARY, QUIET, NULL };
    cr_assert(same(all, all, draw), "DETSHIM_ENTROPY=all must pin them");
}

Test(seed_python, two_jobs_with_one_seed_do_not_share_temporary_names)
{
    cr_assert(!same(one, one, "/usr/bin/python3 -c \"import tempfile; print(tempfile.mktemp())\""));
}

Test(seed_python, entropy_all_warns_once)
{
    const char *const all[] = { "DET_SEED=1", "DETSHIM_ENTROPY=all", LIBRARY, NULL };
    struct child child =
        child_shell(all, 30, "/usr/bin/python3 -c 'import os; os.urandom(4); os.urandom(4)'");
    const char *first = strstr(child.err, "DETSHIM_ENTROPY=all");
    cr_assert(first && !strstr(first + 1, "DETSHIM_ENTROPY=all: keys"), "%s", child.err);
    child_free(&child);
}

Test(seed_python, tls_stays_real)
{
    const char *draw = "/usr/bin/python3 -c \"import ssl; print(ssl.RAND_bytes(16))\"";
    cr_assert(!same(one, one, draw));
}

Test(seed_python, leaves_no_trace)
{
    const char *look = "/usr/bin/python3 -c \"import sys, random, os; print(sorted(sys.modules), "
                       "sys.path, sorted(vars()), "
                       "type(random.__spec__.loader), random.__loader__.__class__)\"";
    char *without = output(plain, look), *with = output(one, look);
    cr_assert_str_eq(with, without);
    free(without);
    free(with);
}

Test(seed_python, a_hash_seed_set_by_the_user_is_kept)
{
    const char *const user[] = { "DET_SEED=1", "PYTHONHASHSEED=5", LIBRARY, QUIET, NULL };
    const char *const user_plain[] = { "PYTHONHASHSEED=5", NULL };
    cr_assert(same(user, user_plain, "/usr/bin/python3 -c \"print(hash('abc'))\""));
}

Test(seed_python, a_hash_seed_set_inside_is_reported_as_too_late)
{
    const char *const env[] = { "DET_SEED=1", LIBRARY, NULL };
    struct child child = child_shell(
        env, 30, "/usr/bin/python3 -c \"import os; os.environ['PYTHONHASHSEED'] = '0'\"");
    cr_assert(strstr(child.err, "too late"), "%s", child.err);
    child_free(&child);
}

Test(seed_python, ranks_differ_and_repeat)
{
    char *drawn[2][2];
    for (int run = 0; run < 2; run++)
        for (int rank = 0; rank < 2; rank++) {
            const char *const env[] = { "DET_SEED=1", LIBRARY, QUIET, rank ? "RANK=1" : "RANK=0",
                NULL };
            drawn[run][rank] =
                output(env, "/usr/bin/python3 -c 'import random; print(random.random())'");
        }
    cr_assert_str_eq(drawn[0][0], drawn[1][0]);
    cr_assert_str_eq(drawn[0][1], drawn[1][1]);
    cr_assert_neq(strcmp(drawn[0][0], drawn[0][1]), 0);
}

Test(seed_log, draws_are_listed_with_purpose_size_caller_and_ordinal)
{
    char log[] = "/tmp/detshim-seed-log-XXXXXX";
    const int fd = mkstemp(log);
    close(fd);
    char variable[200];
    snprintf(variable, sizeof variable, "DETSHIM_LOG=%s", log);
    const char *const env[] = { "DET_SEED=1", LIBRARY, variable, "DETSHIM_LOG_LEVEL=override",
        NULL };
    char *text = output(env, "/usr/bin/python3 -c \"import random, os; [random.Random() for _ in "
                             "range(100)]; os.urandom(5)\"");
    struct child read_log = child_shell(NULL, 10, "cat %s", log);
    cr_assert(strstr(read_log.out, "\"subject\":\"python.random\""), "%s", read_log.out);
    cr_assert(strstr(read_log.out, "seeded python3"), "%s", read_log.out);
    cr_assert(strstr(read_log.out, "\"detail\":\"real "), "%s", read_log.out);
    unsigned lines = 0;
    for (const char *at = read_log.out; (at = strstr(at, "\"subject\":\"python.random\"")); at++)
        lines++;
    cr_assert(lines >= 20 && lines < 30,
        "%u lines for about 101 draws: the first twenty, then powers of two", lines);
    unlink(log);
    child_free(&read_log);
    free(text);
}

Test(seed_off, a_shell_loop_with_bad_settings_prints_nothing)
{
    const char *const env[] = { "DETSHIM_STRICT=1", "DET_SEED=abc", "DETSHIM_TYPO=1", LIBRARY,
        NULL };
    struct child child = child_shell(env, 60, "bash -c 'for i in $(seq 200); do /bin/true; done'");
    cr_assert_eq(child.exit_status, 0);
    cr_assert_str_empty(child.err);
    child_free(&child);
}
