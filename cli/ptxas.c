/* detshim ptxas: stands in for ptxas where a framework compiles its own PTX (Triton, Inductor). Arguments go to the real one
 * as they are; only the PTX it reads gains, behind its untouched text, an ordered entry for each kernel that adds floats
 * atomically, and a mark by which the library knows the cubin. Whatever goes wrong, the real one runs on the file as given. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <lz4.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "detshim/detshim.h"
#include "shim/core/hash.h"
#include "shim/core/io.h"
#include "shim/image/mark.h"
#include "shim/ptx/ptx.h"

enum { MOST_PTX = 256 << 20 };

/* What one call asks for. */
struct job {
    const char *real;   /* the ptxas that would have run */
    int input;          /* index of the one input in argv; 0: not a plain compilation */
    const char *output; /* NULL: not named, not a plain compilation */
    bool version;
};

static bool is_self(const char *path)
{
    struct stat own, other;
    return stat("/proc/self/exe", &own) == 0 && stat(path, &other) == 0 &&
           own.st_ino == other.st_ino && own.st_dev == other.st_dev;
}

static bool usable(const char *path)
{
    return access(path, X_OK) == 0 && !is_self(path);
}

/* DETSHIM_PTXAS[_BLACKWELL] as set at import of triton; else the first ptxas of PATH that is not we; else CUDA's usual place. */
static const char *find_real(bool blackwell)
{
    static char path[PATH_MAX];
    const char *set = getenv(blackwell ? "DETSHIM_PTXAS_BLACKWELL" : "DETSHIM_PTXAS");
    if (set && usable(set))
        return set;
    const char *names[] = { "ptxas-blackwell", "ptxas" };
    for (int i = blackwell ? 0 : 1; i < 2; i++) {
        for (const char *at = getenv("PATH"); at && *at; at += strcspn(at, ":"), at += *at == ':') {
            const size_t n = strcspn(at, ":");
            if (snprintf(path, sizeof path, "%.*s/%s", (int)n, at, names[i]) < PATH_MAX &&
                usable(path))
                return path;
        }
    }
    return usable("/usr/local/cuda/bin/ptxas") ? "/usr/local/cuda/bin/ptxas" : NULL;
}

static bool ends(const char *text, const char *tail)
{
    const size_t n = strlen(text), m = strlen(tail);
    return n > m && strcmp(text + n - m, tail) == 0;
}

/* Anything but one .ptx file to one named cubin, compiled whole, is none of our business. */
static void read_arguments(int argc, char **argv, struct job *job)
{
    int n_inputs = 0;
    bool plain = true;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0)
            job->version = true;
        else if (strcmp(word, "-o") == 0 || strcmp(word, "--output-file") == 0)
            job->output = i + 1 < argc ? argv[++i] : NULL;
        else if (strncmp(word, "--output-file=", 14) == 0)
            job->output = word + 14;
        else if (strcmp(word, "-c") == 0 || strcmp(word, "--compile-only") == 0 || word[0] == '@' ||
                 strcmp(word, "-e") == 0 || strncmp(word, "--entry", 7) == 0)
            plain = false;
        else if (word[0] != '-' && ends(word, ".ptx"))
            job->input = i, n_inputs++;
    }
    if (!plain || n_inputs != 1 || !job->output)
        job->input = 0;
}

/* Run the real one; its output into memory when `quiet`, for the caller to show or to drop. */
static int run(const char *real, char **argv, int quiet[2])
{
    fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
        if (quiet && (dup2(quiet[0], 1) < 0 || dup2(quiet[1], 2) < 0))
            _exit(CLI_CANNOT_RUN);
        execv(real, argv);
        _exit(CLI_CANNOT_RUN);
    }
    int status = -1;
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return child > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void show(int from, int to)
{
    char buffer[65536];
    lseek(from, 0, SEEK_SET);
    for (ssize_t n; (n = read(from, buffer, sizeof buffer)) > 0;)
        det_io_write(to, buffer, (size_t)n);
}

static void append_mark(
    struct det_bytes *text, const struct det_bytes *ptx, uint64_t beside, bool *failed)
{
    const size_t cap =
        sizeof(struct det_mark_head) + (size_t)LZ4_compressBound((int)ptx->n_bytes) + 8;
    char *bytes = calloc(1, cap);
    struct det_mark_head head = {
        .magic = DET_MARK_MAGIC, .beside = beside, .plain_bytes = (uint32_t)ptx->n_bytes
    };
    const int n = bytes ? LZ4_compress_default(ptx->data, bytes + sizeof head, (int)ptx->n_bytes,
                              (int)(cap - sizeof head))
                        : 0;
    *failed = n <= 0;
    head.packed_bytes = (uint32_t)(n > 0 ? n : 0);
    if (!*failed) {
        memcpy(bytes, &head, sizeof head);
        const size_t n_words = (sizeof head + (size_t)n + 7) / 8;
        det_bytes_printf(
            text, "\n.visible .global .align 8 .b64 " DET_MARK_SYMBOL "[%zu] = {", n_words);
        for (size_t i = 0; i < n_words; i++) {
            uint64_t word;
            memcpy(&word, bytes + 8 * i, 8);
            det_bytes_printf(
                text, "%s%s0x%llx", i ? "," : "", i % 8 ? "" : "\n", (unsigned long long)word);
        }
        det_bytes_text(text, "};\n");
    }
    free(bytes);
}

/* Original text, the entries beside it, the mark. `names` gets the entries that must be in the cubin. */
static enum det_err merge(const struct det_bytes *ptx, struct det_bytes *text)
{
    struct det_ptx_module *module = NULL;
    struct det_ptx_where where;
    struct det_ptx_twin twin = { 0 };
    uint64_t beside = 0;
    bool failed = false;
    DET_TRY(det_ptx_parse(ptx->data, ptx->n_bytes, &module, &where));
    const struct det_ptx_twin_options how = { .keep_name_suffix = true, .beside = true };
    enum det_err err =
        det_ptx_n_kernels(module) ? det_ptx_make_twin(module, &how, &twin) : DET_E_UNSUPPORTED;
    det_bytes_append(text, ptx->data, ptx->n_bytes);
    if (err == DET_OK) {
        beside = det_hash(twin.text.data, twin.text.n_bytes, 0);
        det_bytes_text(text, "\n");
        det_bytes_append(text, twin.text.data, twin.text.n_bytes);
    }
    if (err == DET_E_NOT_FOUND)
        err =
            DET_OK; /* nothing to rewrite: the mark alone lets the library read what the kernels are */
    if (err == DET_OK)
        append_mark(text, ptx, beside, &failed);
    if (err == DET_OK)
        err = failed ? DET_E_COMPRESSION : det_bytes_check(text);
    det_ptx_twin_free(&twin);
    det_ptx_free(module);
    return err;
}

/* A file of its own beside the others of the compilation; `path` holds its name. */
static bool write_copy(const struct det_bytes *text, char *path, size_t cap)
{
    const char *folder = getenv("TMPDIR");
    if (snprintf(path, cap, "%s/detshim-XXXXXX.ptx", folder && *folder ? folder : "/tmp") >=
        (int)cap)
        return false;
    const int fd = mkstemps(path, 4);
    if (fd < 0)
        return false;
    const bool good = det_io_write(fd, text->data, text->n_bytes) == DET_OK;
    close(fd);
    if (!good)
        unlink(path);
    return good;
}

/* Does the cubin carry what we put into its source? */
static bool accepted(const char *output)
{
    struct det_bytes cubin = { 0 }, ptx = { 0 };
    uint64_t beside;
    const bool good = det_io_read_file(output, MOST_PTX, &cubin) == DET_OK &&
                      det_mark_find(cubin.data, cubin.n_bytes, &ptx, &beside) == DET_OK;
    det_bytes_free(&cubin);
    det_bytes_free(&ptx);
    return good;
}

/* True when the output was written with our additions. */
static bool compile(const struct job *job, char **argv)
{
    struct det_bytes ptx = { 0 }, text = { 0 };
    char path[PATH_MAX];
    bool done = false;
    if (det_io_read_file(argv[job->input], MOST_PTX, &ptx) == DET_OK && ptx.n_bytes &&
        merge(&ptx, &text) == DET_OK && write_copy(&text, path, sizeof path)) {
        char *const given = argv[job->input];
        int quiet[2] = { memfd_create("out", MFD_CLOEXEC), memfd_create("err", MFD_CLOEXEC) };
        argv[job->input] = path;
        done = quiet[0] >= 0 && quiet[1] >= 0 && run(job->real, argv, quiet) == 0 &&
               accepted(job->output);
        argv[job->input] = given;
        unlink(path);
        if (done) {
            show(quiet[0], 1);
            show(quiet[1], 2);
        }
        close(quiet[0]);
        close(quiet[1]);
    }
    det_bytes_free(&ptx);
    det_bytes_free(&text);
    return done;
}

static int tell_version(const struct job *job, char **argv)
{
    const int status = run(job->real, argv, NULL);
    if (status == 0)
        printf("with detshim " DETSHIM_VERSION
               ": atomically added floats have an ordered entry beside\n");
    return status < 0 ? CLI_CANNOT_RUN : status;
}

int cli_ptxas(int argc, char **argv)
{
    struct job job = { .real = find_real(ends(argv[0], "-blackwell")) };
    const char *disable = getenv("DETSHIM_DISABLE"), *level = getenv("DETSHIM_LEVEL");
    const bool off = (disable && strcmp(disable, "1") == 0) || (level && strcmp(level, "off") == 0);
    if (!job.real)
        cli_die(CLI_NOT_FOUND, "no ptxas found: DETSHIM_PTXAS names it");
    read_arguments(argc, argv, &job);
    char *own = argv[0];
    argv[0] = (char *)(uintptr_t)job.real;
    if (job.version && !off)
        return tell_version(&job, argv);
    if (job.input && !off && compile(&job, argv))
        return 0;
    execv(job.real, argv);
    argv[0] = own;
    cli_die(CLI_CANNOT_RUN, "cannot run '%s': %s", job.real, strerror(errno));
}
