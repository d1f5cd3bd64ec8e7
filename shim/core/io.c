/* System calls with EINTR handled and errno put back. No stat, whose symbols are newer than glibc 2.28. */
#include "shim/core/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES_AT_ONCE = 16 };

enum det_err det_io_write(int fd, const void *from, size_t n_bytes)
{
    const int saved = errno;
    const char *at = from;
    while (n_bytes) {
        const ssize_t n = write(fd, at, n_bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            errno = saved;
            return DET_E_IO;
        }
        at += n;
        n_bytes -= (size_t)n;
    }
    errno = saved;
    return DET_OK;
}

static enum det_err read_all(int fd, size_t max_bytes, struct det_bytes *out)
{
    char chunk[16384];
    det_bytes_append(out, "", 0); /* an empty file still gives a NUL-terminated text */
    for (;;) {
        const ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return DET_E_IO;
        if (n == 0)
            return det_bytes_check(out);
        if ((size_t)n > max_bytes - out->n_bytes)
            return DET_E_LIMIT;
        det_bytes_append(out, chunk, (size_t)n);
        DET_TRY(det_bytes_check(out));
    }
}

enum det_err det_io_read_file(const char *path, size_t max_bytes, struct det_bytes *out)
{
    const int saved = errno;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        const enum det_err err = errno == ENOENT || errno == ENOTDIR ? DET_E_NOT_FOUND : DET_E_IO;
        errno = saved;
        return err;
    }
    det_bytes_free(out);
    const enum det_err err = read_all(fd, max_bytes, out);
    close(fd);
    errno = saved;
    return err;
}

/* A name no other process or thread uses: pid and thread id, beside the target so that rename stays atomic. */
static void temporary_name(struct det_line *line, const char *path)
{
    det_line_printf(line, "%s.%ld.%ld.tmp", path, (long)getpid(), syscall(SYS_gettid));
}

enum det_err det_io_replace_file(const char *path, const void *from, size_t n_bytes, mode_t mode)
{
    const int saved = errno;
    DET_LINE(name, 4096);
    temporary_name(&name, path);
    if (name.cut)
        return DET_E_LIMIT;
    unlink(name.at);
    enum det_err err = DET_E_IO;
    const int fd = open(name.at, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd >= 0) {
        err = det_io_write(fd, from, n_bytes);
        if (close(fd) != 0)
            err = DET_E_IO;
        if (err == DET_OK && rename(name.at, path) != 0)
            err = DET_E_IO;
        if (err != DET_OK)
            unlink(name.at);
    }
    errno = saved;
    return err;
}

static size_t to_page_end(const char *at, size_t n_bytes)
{
    const size_t left = PAGE - (uintptr_t)at % PAGE;
    return n_bytes < left ? n_bytes : left;
}

/* One element per page, because the kernel splits a partial transfer at elements only.
 * Returns the bytes copied, −1 when the call itself is not allowed here (seccomp). */
static ssize_t peek_some(char *from, void *to, size_t n_bytes)
{
    struct iovec local = { .iov_base = to, .iov_len = 0 }, remote[PAGES_AT_ONCE];
    unsigned n = 0;
    for (; n < PAGES_AT_ONCE && local.iov_len < n_bytes; n++) {
        char *at = from + local.iov_len;
        remote[n] = (struct iovec){ at, to_page_end(at, n_bytes - local.iov_len) };
        local.iov_len += remote[n].iov_len;
    }
    const ssize_t got = process_vm_readv(getpid(), &local, 1, remote, n, 0);
    if (got < 0)
        return errno == EFAULT ? 0 : -1;
    return got;
}

/* write(2) answers EFAULT instead of faulting; a page always fits into a pipe. */
static size_t peek_by_pipe(const char *from, char *to, size_t n_bytes)
{
    int ends[2];
    size_t done = 0;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return 0;
    while (done < n_bytes) {
        const size_t want = to_page_end(from + done, n_bytes - done);
        const ssize_t put = write(ends[1], from + done, want);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            break;
        size_t got = 0;
        while (got < (size_t)put) {
            const ssize_t n = read(ends[0], to + done + got, (size_t)put - got);
            if (n > 0)
                got += (size_t)n;
            else if (errno != EINTR)
                break;
        }
        done += got;
        if (got < want)
            break;
    }
    close(ends[0]);
    close(ends[1]);
    return done;
}

size_t det_io_peek(const void *from, void *to, size_t n_bytes)
{
    const int saved = errno;
    char *const at = (char *)from; /* struct iovec knows no const */
    size_t done = 0;
    if (n_bytes > UINTPTR_MAX - (uintptr_t)from)
        n_bytes = UINTPTR_MAX - (uintptr_t)from;
    while (done < n_bytes) {
        const ssize_t got = peek_some(at + done, (char *)to + done, n_bytes - done);
        if (got < 0) {
            done += peek_by_pipe(at + done, (char *)to + done, n_bytes - done);
            break;
        }
        if (got == 0)
            break;
        done += (size_t)got;
    }
    errno = saved;
    return done;
}

size_t det_io_exe(char *to, size_t cap_bytes)
{
    const int saved = errno;
    const ssize_t n = cap_bytes > 1 ? readlink("/proc/self/exe", to, cap_bytes - 1) : -1;
    errno = saved;
    if (n <= 0) {
        if (cap_bytes)
            to[0] = 0;
        return 0;
    }
    to[n] = 0;
    return (size_t)n;
}
