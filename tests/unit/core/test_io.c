/* Files, peeking at memory, errno, hashes, error texts. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "detshim/classes.h"
#include "shim/core/hash.h"
#include "shim/core/io.h"
#include "shim/core/once.h"
#include "shim/core/sort.h"

static char folder[] = "/tmp/detshim-io-XXXXXX";

static const char *path(const char *name)
{
    static char text[256];
    if (folder[strlen(folder) - 1] == 'X')
        cr_assert(mkdtemp(folder));
    snprintf(text, sizeof text, "%s/%s", folder, name);
    return text;
}

Test(core_io, replaced_file_reads_back)
{
    char *name = strdup(path("a"));
    errno = 5;
    cr_assert_eq(det_io_replace_file(name, "one", 3, 0600), DET_OK);
    cr_assert_eq(det_io_replace_file(name, "second\0x", 8, 0600), DET_OK);
    struct det_bytes got = { 0 };
    cr_assert_eq(det_io_read_file(name, 8, &got), DET_OK);
    cr_assert_eq(got.n_bytes, 8);
    cr_assert(memcmp(got.data, "second\0x", 9) == 0);
    cr_assert_eq(det_io_read_file(name, 7, &got), DET_E_LIMIT);
    cr_assert_eq(errno, 5);
    det_bytes_free(&got);
    unlink(name);
    cr_assert_eq(rmdir(folder), 0, "no temporary file is left behind");
}

Test(core_io, missing_and_unreadable_files_are_told_apart)
{
    struct det_bytes got = { 0 };
    errno = 0;
    cr_assert_eq(det_io_read_file("/no/such", 10, &got), DET_E_NOT_FOUND);
    cr_assert_eq(det_io_read_file("/tmp", 10, &got), DET_E_IO);
    cr_assert_eq(det_io_replace_file("/no/such", "", 0, 0600), DET_E_IO);
    cr_assert_eq(errno, 0);
}

Test(core_io, write_to_a_closed_descriptor_fails_with_errno_kept)
{
    errno = 3;
    cr_assert_eq(det_io_write(-1, "x", 1), DET_E_IO);
    cr_assert_eq(errno, 3);
}

/* Three readable pages, then one that is not: the copy stops exactly at the border, from any offset. */
Test(core_io, peek_stops_before_the_first_unreadable_page)
{
    enum { PAGE = 4096 };
    char *at = mmap(NULL, 40 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(at, 7, 40 * PAGE);
    mprotect(at + 35 * PAGE, PAGE, PROT_NONE);
    static char to[64 * PAGE];
    for (size_t offset = 0; offset < 3 * PAGE; offset += 777) {
        memset(to, 0, sizeof to);
        cr_assert_eq(det_io_peek(at + offset, to, 38 * PAGE), 35 * PAGE - offset);
        cr_assert_eq(to[35 * PAGE - offset - 1], 7);
        cr_assert_eq(to[35 * PAGE - offset], 0);
    }
    cr_assert_eq(det_io_peek(at, to, 10), 10);
    cr_assert_eq(det_io_peek(at + 35 * PAGE, to, 10), 0);
    cr_assert_eq(det_io_peek(NULL, to, 10), 0);
    cr_assert_eq(det_io_peek((void *)-1, to, 10), 0);
    cr_assert_eq(det_io_peek((void *)0xdead000000000000, to, 10), 0);
}

/* Containers of old Docker forbid process_vm_readv: the pipe answers the same. */
Test(core_io, peek_works_where_process_vm_readv_is_forbidden)
{
    struct sock_filter filter[] = { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
    struct sock_fprog program = { .len = 4, .filter = filter };
    char *at = mmap(NULL, 40960, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(at, 9, 40960);
    mprotect(at + 32768, 8192, PROT_NONE);
    cr_assert_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        cr_skip_test("this kernel takes no seccomp filter");
    static char to[40960];
    cr_assert_eq(det_io_peek(at + 5, to, 40000), 32763);
    cr_assert_eq(to[32762], 9);
    cr_assert_eq(det_io_peek(NULL, to, 8), 0);
    cr_assert_eq(dup(0) < 16, true, "no descriptor is left open");
}

Test(core_io, executable_is_known)
{
    char name[4096];
    cr_assert_gt(det_io_exe(name, sizeof name), 0);
    cr_assert(strstr(name, "core_test_io"));
    cr_assert_eq(det_io_exe(name, 1), 0);
}

Test(core_hash, differs_by_seed_and_matches_known_vectors)
{
    cr_assert_neq(det_hash("abc", 3, 0), det_hash("abc", 3, 1));
    cr_assert_neq(det_hash("abc", 3, 0), det_hash("abd", 3, 0));
    cr_assert_eq(
        det_hash("", 0, 0), 0x2d06800538d394c2);  /* XXH3-64 of nothing, from its specification */
    cr_assert_eq(det_mix(0), 0xe220a8397b1dcdaf); /* first output of splitmix64 from state 0 */
}

static int by_value(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

Test(core_sort, sorts_every_length)
{
    int values[300];
    void *items[300];
    for (int n = 0; n < 300; n++) {
        for (int i = 0; i < n; i++) {
            values[i] = (int)(det_mix((uint64_t)(n * 1000 + i)) % 50);
            items[i] = &values[i];
        }
        det_sort(items, (size_t)n, by_value);
        for (int i = 1; i < n; i++)
            cr_assert_leq(*(int *)items[i - 1], *(int *)items[i]);
    }
}

/* The child finds the mark of its parent; once the parent's process is gone the text may be said again. */
Test(core_once, child_keeps_quiet_while_the_parent_lives)
{
    int status;
    char text[64];
    snprintf(text, sizeof text, "once %d", (int)getpid());
    if (fork() == 0) {
        const bool first = det_once_per_tree(text), second = det_once_per_tree(text);
        if (fork() == 0)
            _exit(det_once_per_tree(text));
        int inner;
        wait(&inner);
        _exit(first && !second && WEXITSTATUS(inner) == 0 ? 0 : 1);
    }
    wait(&status);
    cr_assert_eq(status, 0);
    cr_assert(det_once_per_tree(text));
}

Test(core_words, every_code_and_class_has_a_text)
{
    for (int i = 0; i < DET_N_ERRORS; i++)
        cr_assert_gt(strlen(det_err_text((enum det_err)i)), 3);
    cr_assert_str_eq(det_err_text((enum det_err)999), "unknown error");
    cr_assert_str_eq(det_class_word(DET_CLASS_EXACT), "exact");
    cr_assert_str_eq(det_class_word(DET_CLASS_UNCOVERED), "uncovered");
    cr_assert_str_eq(det_class_word((enum det_class) - 1), "unknown");
}
