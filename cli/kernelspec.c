/* detshim kernelspec: a Jupyter kernelspec that starts the kernel under the library. A notebook's cells cannot do that: LD_PRELOAD is read
 * when a process starts (docs/NOTEBOOKS.md). */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/launch.h"
#include "detshim/detshim.h"
#include "shim/core/bytes.h"
#include "shim/core/io.h"
#include "shim/core/text.h"

struct options {
    const char *name, *python, *seed, *prefix;
};

static const struct argp_option table[] = {
    { "name", 'n', "NAME", 0, "name of the kernelspec (detshim)", 0 },
    { "python", 'p', "PATH", 0, "interpreter of the kernel (python3)", 0 },
    { "seed", 's', "N", 0, "DET_SEED of the kernel (1)", 0 },
    { "prefix", 'd', "DIR", 0,
        "folder that holds `kernels` (${JUPYTER_DATA_DIR:-~/.local/share/jupyter})", 0 },
    { 0 },
};

/* A kernelspec's name is a folder name and part of URLs: Jupyter allows these and no others. */
static bool plain_name(const char *name)
{
    return *name &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
               strlen(name) &&
           *name != '.';
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *options = state->input;
    uint64_t seed = 0;
    switch (key) {
    case 'n':
        if (!plain_name(arg))
            cli_die(CLI_REFUSED,
                "'%s' is no name for a kernelspec: letters, digits, '.', '_' and '-'", arg);
        options->name = arg;
        return 0;
    case 'p':
        options->python = arg;
        return 0;
    case 's':
        if (!det_text_u64(arg, &seed))
            cli_die(CLI_REFUSED, "'%s' is no seed: 0 to 2^64-1, decimal or 0x...", arg);
        options->seed = arg;
        return 0;
    case 'd':
        options->prefix = arg;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void make_folders(const char *path)
{
    char part[4096];
    for (size_t n = 1; n <= strlen(path) && n < sizeof part; n++)
        if (path[n] == '/' || path[n] == 0) {
            memcpy(part, path, n);
            part[n] = 0;
            if (mkdir(part, 0777) != 0 && errno != EEXIST)
                cli_die(CLI_TROUBLE, "cannot make '%s': %s", part, strerror(errno));
        }
}

static void quoted(struct det_bytes *out, const char *text)
{
    det_bytes_text(out, "\"");
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            det_bytes_append(out, "\\", 1);
        if ((unsigned char)*text >= ' ')
            det_bytes_append(out, text, 1);
    }
    det_bytes_text(out, "\"");
}

static const char *folder(const struct options *options)
{
    static char path[3072];
    const char *data = getenv("JUPYTER_DATA_DIR"), *home = getenv("HOME");
    if (options->prefix)
        snprintf(path, sizeof path, "%s/kernels/%s", options->prefix, options->name);
    else if (data && *data)
        snprintf(path, sizeof path, "%s/kernels/%s", data, options->name);
    else
        snprintf(path, sizeof path, "%s/.local/share/jupyter/kernels/%s", home ? home : "/root",
            options->name);
    return path;
}

int cli_kernelspec(int argc, char **argv)
{
    static const struct argp parser = { table, parse, NULL,
        "Writes a Jupyter kernelspec whose kernel runs under the library.", NULL, NULL, NULL };
    struct options options = { "detshim", "python3", "1", NULL };
    argp_parse(&parser, argc, argv, 0, NULL, &options);
    const char *at = folder(&options);
    struct det_bytes spec = { 0 };
    det_bytes_text(&spec, "{\n \"argv\": [");
    quoted(&spec, options.python);
    det_bytes_text(&spec,
        ", \"-m\", \"ipykernel_launcher\", \"-f\", \"{connection_file}\"],\n \"display_name\": ");
    quoted(&spec, strcmp(options.name, "detshim") == 0 ? "Python 3 (detshim)" : options.name);
    det_bytes_text(&spec, ",\n \"language\": \"python\",\n \"env\": {\"LD_PRELOAD\": ");
    quoted(&spec, cli_library());
    det_bytes_text(&spec, ", \"DET_SEED\": ");
    quoted(&spec, options.seed);
    det_bytes_text(&spec, "}\n}\n");
    make_folders(at);
    char file[4096];
    snprintf(file, sizeof file, "%s/kernel.json", at);
    if (det_bytes_check(&spec) != DET_OK ||
        det_io_replace_file(file, spec.data, spec.n_bytes, 0644) != DET_OK)
        cli_die(CLI_TROUBLE, "cannot write '%s': %s", file, strerror(errno));
    printf("%s\n", file);
    det_bytes_free(&spec);
    return 0;
}
