/* What must differ between runs and between two jobs started together with one seed: keys, handshakes, names of temporary files.
 * Stands on the real CPython, OpenSSL, GnuTLS, libsodium, libgcrypt and OpenSSH of this machine; what is not installed is skipped. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/child.h"

#define SEEDED "export DET_SEED=1 DETSHIM_LOG_LEVEL=off LD_PRELOAD=" BUILD "/libdetshim.so; "
#define ALL    "export DETSHIM_ENTROPY=all; " SEEDED

/* Run `command` twice, each time as two jobs started together by a shell that knows nothing of us; every job prints one line.
 * Returns how many of the four lines are distinct. */
static int distinct_lines(const char *settings, const char *command)
{
    const char *const env[] = { "DET_SEED", "LD_PRELOAD", "DETSHIM_PATH", "PYTHONHASHSEED", NULL };
    struct child child = child_shell(env, 60,
        "d=$(mktemp -d); for i in 1 2; do ( %s %s ) >$d/a$i & ( %s %s ) >$d/b$i & wait; done; "
        "cat $d/* | wc -l; cat $d/* | sort -u | wc -l; rm -r $d",
        settings, command, settings, command);
    int lines = 0, distinct = 0;
    cr_assert_eq(sscanf(child.out, "%d %d", &lines, &distinct), 2, "%s: %s", command, child.err);
    cr_assert_eq(lines, 4, "'%s' printed %d lines: %s", command, lines, child.err);
    child_free(&child);
    return distinct;
}

static void stays_real(const char *command)
{
    cr_expect_eq(distinct_lines(SEEDED, command), 4, "'%s' repeats", command);
}

#define PYTHON(code) "/usr/bin/python3 -c \"" code "\""

Test(secrets, the_control_random_is_one_stream, .timeout = 120)
{
    cr_assert_eq(distinct_lines(SEEDED, PYTHON("import random; print(random.random())")), 1);
}

Test(secrets, of_python, .timeout = 300)
{
    stays_real(PYTHON("import uuid; print(uuid.uuid4())"));
    stays_real(PYTHON("import secrets; print(secrets.token_hex(16))"));
    stays_real(PYTHON("import os; print(os.urandom(16).hex())"));
    stays_real(PYTHON("import random; print(random.SystemRandom().random())"));
    stays_real(
        PYTHON("import multiprocessing as m; print(bytes(m.current_process().authkey).hex())"));
}

Test(secrets, names_of_temporary_files, .timeout = 120)
{
    stays_real(PYTHON("import tempfile; print(tempfile.mktemp())"));
    stays_real("n=$(mktemp); echo $n; rm $n");
}

/* Bytes 11..43 of a client's first flight are the handshake's random; the key share follows. */
#define HELLO                                                                                      \
    "import ssl; i, o = ssl.MemoryBIO(), ssl.MemoryBIO(); "                                        \
    "s = ssl.create_default_context().wrap_bio(i, o, server_hostname='x'); "
Test(secrets, a_tls_handshakes_random, .timeout = 120)
{
    stays_real("/usr/bin/python3 -c \"" HELLO
               "exec('try: s.do_handshake()\\nexcept ssl.SSLWantReadError: pass'); "
               "print(o.read()[11:43].hex())\"");
    stays_real(PYTHON("import ssl; print(ssl.RAND_bytes(16).hex())"));
}

/* A function void f(buffer, n) or int f(level, buffer, n) of a library, called through ctypes. */
static void library_stays_real(const char *soname, const char *call)
{
    char command[512];
    snprintf(command, sizeof command,
        "/usr/bin/python3 -c \"import ctypes; l = ctypes.CDLL('%s'); b = "
        "ctypes.create_string_buffer(16); "
        "l.%s; assert any(b.raw); print(b.raw.hex())\"",
        soname, call);
    struct child there =
        child_shell(NULL, 30, "/usr/bin/python3 -c \"import ctypes; ctypes.CDLL('%s')\"", soname);
    if (there.exit_status == 0)
        stays_real(command);
    else
        fprintf(stderr, "%s is not installed here: skipped\n", soname);
    child_free(&there);
}

Test(secrets, of_crypto_libraries, .timeout = 300)
{
    library_stays_real("libcrypto.so.3", "RAND_bytes(b, 16)");
    library_stays_real("libcrypto.so.3", "RAND_priv_bytes(b, 16)");
    library_stays_real("libgnutls.so.30", "gnutls_rnd(2, b, 16)");
    library_stays_real("libsodium.so.23", "randombytes_buf(b, 16)");
    library_stays_real("libgcrypt.so.20", "gcry_randomize(b, 16, 2)");
}

Test(secrets, of_command_line_tools, .timeout = 120)
{
    struct child there = child_shell(NULL, 10, "command -v openssl && command -v ssh-keygen");
    const int status = there.exit_status;
    child_free(&there);
    if (status != 0)
        cr_skip_test("openssl or ssh-keygen is not installed");
    stays_real("openssl rand -hex 16");
    stays_real(
        "k=$(mktemp -u); ssh-keygen -q -t ed25519 -N '' -C x -f $k; cat $k.pub; rm $k $k.pub");
}

Test(secrets, entropy_all_pins_what_asks_libc, .timeout = 120)
{
    cr_assert_eq(distinct_lines(ALL, PYTHON("import os; print(os.urandom(16).hex())")), 1);
    cr_assert_eq(distinct_lines(ALL, PYTHON("import uuid; print(uuid.uuid4())")), 1);
}
