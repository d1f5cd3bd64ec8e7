/* The twins' cache: what is stored is found, what was half written, damaged, renamed or put there by somebody else is not; two
 * processes on one folder never see part of a file. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <sys/wait.h>

#include "shim/cuda/cuda_cache.c"

static char folder[64];
static const char code[] = "machine code, as far as this file is concerned; long enough to be cut";
static struct det_cache_key key;

static void setup(void)
{
    strcpy(folder, "/tmp/detshim-cache-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    key = det_cache_key("what decides", 12);
}

static void teardown(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    cr_expect_eq(system(command), 0);
}

TestSuite(cuda_cache, .init = setup, .fini = teardown);

static bool found(const struct det_cache_key *of)
{
    struct det_bytes out = { 0 };
    const bool ok = det_cache_find(folder, of, &out);
    if (ok) {
        cr_expect_eq(out.n_bytes, sizeof code);
        cr_expect_arr_eq(out.data, code, sizeof code);
    }
    det_bytes_free(&out);
    return ok;
}

static const char *path(const struct det_cache_key *of)
{
    static char text[256];
    snprintf(text, sizeof text, "%s/%016llx%016llx", folder, (unsigned long long)of->a,
        (unsigned long long)of->b);
    return text;
}

static void store(void)
{
    det_cache_store(folder, &key, code, sizeof code);
    cr_assert_eq(access(path(&key), R_OK), 0, "%s", path(&key));
}

static void write_file(const char *name, const void *from, size_t n)
{
    FILE *const file = fopen(name, "w");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(from, 1, n, file), n);
    fclose(file);
}

static void read_file(const char *name, struct det_bytes *out)
{
    cr_assert_eq(det_io_read_file(name, 1 << 20, out), DET_OK);
}

Test(cuda_cache, what_is_stored_is_found)
{
    cr_expect_not(found(&key));
    store();
    cr_expect(found(&key));
    struct stat info;
    cr_assert_eq(syscall(SYS_newfstatat, AT_FDCWD, path(&key), &info, 0), 0);
    cr_expect_eq(info.st_mode & 0777, 0600);
}

Test(cuda_cache, every_input_decides)
{
    const struct det_cache_key other = det_cache_key("what Decides", 12);
    cr_expect(other.a != key.a && other.b != key.b);
    store();
    cr_expect_not(found(&other));
}

Test(cuda_cache, half_written_files_are_refused_and_go)
{
    struct det_bytes whole = { 0 };
    store();
    read_file(path(&key), &whole);
    for (size_t n = 0; n < whole.n_bytes; n++) {
        write_file(path(&key), whole.data, n);
        cr_expect_not(found(&key), "%zu bytes", n);
        cr_expect_neq(access(path(&key), F_OK), 0, "it stays for ever");
    }
    write_file(path(&key), whole.data, whole.n_bytes);
    cr_expect(found(&key));
    det_bytes_append(&whole, "x", 1);
    write_file(path(&key), whole.data, whole.n_bytes);
    cr_expect_not(found(&key), "one byte more");
    det_bytes_free(&whole);
}

Test(cuda_cache, each_damaged_byte_is_noticed)
{
    struct det_bytes whole = { 0 };
    store();
    read_file(path(&key), &whole);
    for (size_t i = 0; i < whole.n_bytes; i++) {
        whole.data[i] ^= 4;
        write_file(path(&key), whole.data, whole.n_bytes);
        cr_expect_not(found(&key), "byte %zu", i);
        whole.data[i] ^= 4;
    }
    det_bytes_free(&whole);
}

Test(cuda_cache, foreign_files_are_refused)
{
    char other[256];
    const struct det_cache_key wrong = det_cache_key("another", 7);
    store();
    strcpy(other, path(&wrong));
    cr_assert_eq(rename(path(&key), other), 0);
    cr_expect_not(found(&wrong), "a file of another name");
    store();
    strcpy(other, folder);
    strcat(other, "/elsewhere");
    cr_assert_eq(rename(path(&key), other), 0);
    cr_assert_eq(symlink(other, path(&key)), 0);
    cr_expect_not(found(&key), "a link");
    store();
    cr_assert_eq(chmod(path(&key), 0666), 0);
    cr_expect_not(found(&key), "anybody may have written it");
    cr_assert_eq(mkdir(path(&key), 0700), 0);
    cr_expect_not(found(&key), "a folder");
    if (geteuid() == 0) {
        rmdir(path(&key));
        store();
        cr_assert_eq(chown(path(&key), 12345, 12345), 0);
        cr_expect_not(found(&key), "somebody else's");
    }
}

Test(cuda_cache, folders_that_others_may_write_are_refused)
{
    cr_expect_null(folder_check(folder));
    cr_assert_eq(chmod(folder, 0770), 0);
    cr_expect_str_eq(folder_check(folder), "may be written by others");
    cr_assert_eq(chmod(folder, 0707), 0);
    cr_expect_str_eq(folder_check(folder), "may be written by others");
    cr_expect_str_eq(folder_check("/proc/self"), "is a link");
    cr_expect_str_eq(folder_check("/nowhere/at/all"), "cannot be opened");
    cr_expect_str_eq(folder_check("/proc/self/status"), "cannot be opened");
    if (geteuid() == 0) {
        cr_assert_eq(chmod(folder, 0700), 0);
        cr_assert_eq(chown(folder, 12345, 12345), 0);
        cr_expect_str_eq(folder_check(folder), "belongs to another user");
    }
}

Test(cuda_cache, the_oldest_go_when_it_is_full)
{
    struct det_cache_key keys[8];
    for (int i = 0; i < 8; i++) {
        const struct timespec times[2] = { { 1000 + i, 0 }, { 1000 + i, 0 } };
        keys[i] = det_cache_key(&i, sizeof i);
        det_cache_store(folder, &keys[i], code, sizeof code);
        cr_assert_eq(utimensat(AT_FDCWD, path(&keys[i]), times, 0), 0);
    }
    const uint64_t each = sizeof(struct head) + sizeof code;
    make_room(folder, each, 100 * each);
    cr_expect(found(&keys[0]));
    make_room(folder, each, 8 * each); /* down to six with the new one */
    for (int i = 0; i < 8; i++)
        cr_expect_eq(found(&keys[i]), i >= 3, "%d", i);
}

Test(cuda_cache, two_processes_never_see_part_of_a_file, .timeout = 60)
{
    static char large[200000];
    enum { ROUNDS = 300 };
    memset(large, 'x', sizeof large);
    const pid_t child = fork();
    cr_assert_geq(child, 0);
    int seen = 0, wrong = 0;
    for (int i = 0; i < ROUNDS; i++) {
        struct det_bytes out = { 0 };
        if (i % 3 == 0)
            det_cache_store(folder, &key, large, sizeof large);
        if (det_cache_find(folder, &key, &out)) {
            seen++;
            wrong += out.n_bytes != sizeof large || memcmp(out.data, large, sizeof large) != 0;
        }
        det_bytes_free(&out);
    }
    if (child == 0)
        _exit(wrong != 0 || seen < ROUNDS / 2);
    int status;
    waitpid(child, &status, 0);
    cr_expect_eq(status, 0);
    cr_expect_eq(wrong, 0);
    cr_expect_eq(seen, ROUNDS, "a stored file was refused");
}

Test(cuda_cache, a_folder_that_may_only_be_read_is_read)
{
    store();
    if (geteuid() == 0) {
        cr_assert_eq(chown(path(&key), 12345, 12345), 0);
        cr_assert_eq(chown(folder, 12345, 12345), 0);
    }
    cr_assert_eq(chmod(folder, 0500), 0);
    const pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        if (geteuid() == 0 && syscall(SYS_setresuid, 12345, 12345, 12345) != 0)
            _exit(9);
        const struct det_cache_key other = det_cache_key("other", 5);
        const bool kept = det_cache_store(folder, &other, code, sizeof code);
        _exit((folder_check(folder) != NULL) | found(&key) << 1 | kept << 2 | found(&other) << 3);
    }
    int status;
    waitpid(child, &status, 0);
    cr_expect_eq(WEXITSTATUS(status), 2);
    cr_expect_eq(chmod(folder, 0700), 0);
}

Test(cuda_cache, only_files_of_our_own_make_room)
{
    const struct timespec old[2] = { { 1000, 0 }, { 1000, 0 } };
    char name[300];
    static const char foreign[] = "0123456789abcdef0123456789abcdef";
    static const char *const others[] = { "", ".1.2.txt", ".1.2.tmp" };
    store();
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s/%s%s", folder, foreign, others[i]);
        write_file(name, "somebody's", 10);
        cr_assert_eq(utimensat(AT_FDCWD, name, old, 0), 0);
    }
    make_room(folder, 1, 1);
    cr_expect_not(found(&key));
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s/%s%s", folder, foreign, others[i]);
        cr_expect_eq(access(name, F_OK) == 0, i < 2, "what a killed store left goes: %s", name);
    }
}
