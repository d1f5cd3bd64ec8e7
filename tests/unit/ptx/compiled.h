/* PTX for the tests: the kernels of this folder, compiled by nvcc once per architecture and kept under the build folder. */
#ifndef TESTS_UNIT_PTX_COMPILED_H
#define TESTS_UNIT_PTX_COMPILED_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <unistd.h>

#include "shim/core/io.h"
#include "shim/ptx/ptx.h"

static inline const char *cuda_home(void)
{
    const char *home = getenv("CUDA_HOME");
    return home && *home ? home : "/usr/local/cuda";
}

/* Path of NAME.cu compiled with `flags` for sm_`arch`; tests run in parallel, so a lock guards the compiler. */
static inline const char *compiled(const char *name, unsigned arch, const char *flags)
{
    static char path[512];
    char command[2048], source[512];
    snprintf(source, sizeof source, ROOT "/tests/unit/ptx/kernels/%s.cu", name);
    snprintf(command, sizeof command, "mkdir -p " BUILD "/tests/ptx");
    cr_assert_eq(system(command), 0);
    snprintf(path, sizeof path, BUILD "/tests/ptx/%s.sm_%u%s.ptx", name, arch, flags);
    for (char *at = path + strlen(BUILD); *at; at++)
        if (*at == ' ')
            *at = '_';
    const int lock = open(BUILD "/tests/ptx/lock", O_CREAT | O_RDWR, 0600);
    flock(lock, LOCK_EX);
    struct stat have, from;
    if (stat(path, &have) != 0 || stat(source, &from) != 0 || have.st_mtime < from.st_mtime) {
        snprintf(command, sizeof command,
            "%s/bin/nvcc -std=c++17 -w -ptx %s -arch=sm_%u -o '%s' '%s' >&2", cuda_home(), flags,
            arch, path, source);
        if (system(command) != 0)
            remove(path);
    }
    close(lock);
    cr_assert_eq(access(path, R_OK), 0, "nvcc did not make %s", path);
    return path;
}

static inline struct det_bytes read_text(const char *path)
{
    struct det_bytes text = { 0 };
    cr_assert_eq(det_io_read_file(path, 1u << 30, &text), DET_OK, "cannot read %s", path);
    return text;
}

static inline struct det_ptx_module *parse_file(const char *path)
{
    struct det_bytes text = read_text(path);
    struct det_ptx_module *module;
    struct det_ptx_where where;
    const enum det_err err = det_ptx_parse(text.data, text.n_bytes, &module, &where);
    cr_assert_eq(err, DET_OK, "%s line %u: %s", path, where.line, where.text);
    det_bytes_free(&text);
    return module;
}

static inline struct det_ptx_module *parse_text(const char *text)
{
    struct det_ptx_module *module;
    struct det_ptx_where where;
    cr_assert_eq(det_ptx_parse(text, strlen(text), &module, &where), DET_OK, "line %u: %s",
        where.line, where.text);
    return module;
}

#define PTX_HEAD ".version 8.0\n.target sm_90\n.address_size 64\n"

/* Runs the real ptxas over a text; its complaint goes to stderr. */
static inline int ptxas(const char *text, size_t n_bytes, unsigned arch)
{
    char path[128], command[512];
    snprintf(path, sizeof path, "/tmp/detshim_ptxas_%d.ptx", (int)getpid());
    cr_assert_eq(det_io_replace_file(path, text, n_bytes, 0600), DET_OK);
    snprintf(command, sizeof command, "%s/bin/ptxas -arch=sm_%u -o /dev/null %s >&2", cuda_home(),
        arch, path);
    const int status = system(command);
    remove(path);
    return status;
}

#endif
