/* detshim doctor: what of a program can be reached, before it runs. Text for people; the last line is the verdict. */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/code.h"
#include "cli/program.h"
#include "cli/survey.h"

static const struct argp_option options[] = {
    { "gpu", 'g', "sm_XX", 0,
        "the card it will run on; default: a line each for sm_80, sm_90, sm_100, sm_120", 0 },
    { 0 },
};

struct request {
    unsigned sm;
    char **names;
    size_t n_names;
    bool command;
    unsigned n_missing, n_beyond; /* files not found; things no preload can cover */
    size_t n_images, n_kernels;
};

static error_t take(int key, char *arg, struct argp_state *state)
{
    struct request *request = state->input;
    switch (key) {
    case 'g':
        if (!(request->sm = cli_code_sm(arg)))
            argp_error(state, "--gpu takes sm_90 or the like");
        return 0;
    case ARGP_KEY_ARGS:
        request->names = state->argv + state->next;
        request->n_names = (size_t)(state->argc - state->next);
        request->command = state->next > 1 && strcmp(state->argv[state->next - 1], "--") == 0;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "no command or file given");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const char *const families[] = {
#define DET_FAMILY(id, soname) soname,
#include "shim/loader/families.def"
#undef DET_FAMILY
};
enum { N_FAMILIES = sizeof families / sizeof *families };

static bool of_nvidia(const char *name)
{
    static const char *const more[] = { "libcufft", "libnpp", "libnv", "libcupti", "libcudss",
        "libcufile" };
    for (size_t i = 0; i < N_FAMILIES; i++) {
        if (strncmp(name, families[i], strlen(families[i])) == 0)
            return true;
    }
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        if (strncmp(name, more[i], strlen(more[i])) == 0)
            return true;
    }
    return false;
}

static const char *base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool is_wrapped(const char *symbol)
{
    static const char *const calls[] = {
#define DET_CALL(name, since, how) #name,
#include "shim/loader/calls.def"
#undef DET_CALL
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        if (strcmp(calls[i], symbol) == 0)
            return true;
    }
    return false;
}

struct seen {
    unsigned n_hooks, n_lookups;
    bool static_vendor, linked_cudart;
    struct det_bytes names;
};

static void see_undefined(const char *symbol, void *arg)
{
    struct seen *seen = arg;
    if (is_wrapped(symbol)) {
        if (seen->n_hooks++ < 6)
            det_bytes_printf(&seen->names, "%s%s", seen->names.n_bytes ? ", " : "", symbol);
    } else if (strcmp(symbol, "dlsym") == 0 || strcmp(symbol, "dlopen") == 0) {
        seen->n_lookups++;
    }
}

static void see_defined(const char *symbol, void *arg)
{
    struct seen *seen = arg;
    seen->static_vendor |= strcmp(symbol, "cublasCreate_v2") == 0 ||
                           strcmp(symbol, "cudnnCreate") == 0 ||
                           strcmp(symbol, "ncclCommInitRank") == 0;
}

static void see_needed(const char *name, void *arg)
{
    ((struct seen *)arg)->linked_cudart |= strncmp(name, "libcudart.so.", 13) == 0;
}

static void show_hooks(struct request *request, const struct cli_program *program)
{
    struct seen seen = { 0 };
    const bool has_code = cli_program_has_section(program, ".nv_fatbin");
    cli_program_symbols(program, true, see_undefined, &seen);
    cli_program_symbols(program, false, see_defined, &seen);
    cli_program_needed(program, see_needed, &seen);
    if (seen.n_hooks)
        printf("  hooks      %u by direct call: %s%s\n", seen.n_hooks, seen.names.data,
            seen.n_hooks > 6 ? ", ..." : "");
    if (has_code && !seen.linked_cudart)
        puts("  hooks      cudart is linked statically: its driver calls are reached through dlsym "
             "and cuGetProcAddress");
    else if (seen.n_lookups)
        puts("  hooks      dlopen and dlsym: libraries loaded while it runs are reached, too");
    if (seen.static_vendor) {
        puts("  beyond     an NVIDIA library is linked statically: its kernels stay unknown");
        request->n_beyond++;
    }
    det_bytes_free(&seen.names);
}

static void show_code(struct request *request, const char *path)
{
    static const unsigned common[] = { 80, 90, 100, 120 };
    struct cli_survey survey;
    if (!cli_survey_open(path, &survey))
        return;
    request->n_images += survey.n_images;
    if (survey.n_images)
        printf("  code       %zu images: %s\n", survey.n_images, survey.architectures.data);
    for (size_t i = 0; survey.n_images && i < (request->sm ? 1 : 4); i++) {
        const unsigned sm = request->sm ? request->sm : common[i];
        request->n_beyond += cli_survey_show(&survey, sm, request->sm != 0);
    }
    request->n_kernels += survey.n_kernels;
    cli_survey_close(&survey);
}

static void see_mapped(const char *name, const char *path, void *arg)
{
    struct request *request = arg;
    if (!path[0]) {
        if (of_nvidia(name))
            printf("  libraries  %s: not found by ld.so here\n", name);
        return;
    }
    if (of_nvidia(base(name))) {
        printf("  libraries  %s (%s)\n", name, path);
        return;
    }
    struct cli_program library;
    cli_program_open(path, false, &library);
    if (cli_program_has_section(&library, ".nv_fatbin")) {
        printf("  libraries  %s (%s) holds device code:\n", name, path);
        show_hooks(request, &library);
        show_code(request, path);
    }
    cli_program_close(&library);
}

static void show_one(struct request *request, const char *name, bool search)
{
    struct cli_program program;
    cli_program_open(name, search, &program);
    printf("%s\n  is         %s%s%s%s\n", program.kind == CLI_PROGRAM_MISSING ? name : program.path,
        cli_program_words(program.kind), program.kind == CLI_PROGRAM_SCRIPT ? " for " : "",
        program.kind == CLI_PROGRAM_SCRIPT ? program.interpreter : "",
        program.musl ? " for musl libc" : "");
    if (program.set_id) {
        puts("  beyond     set-user-id or set-group-id: ld.so ignores LD_PRELOAD paths");
        request->n_beyond++;
    }
    const bool vendor = of_nvidia(base(program.path));
    if (vendor)
        puts("  is         NVIDIA's own: its code is never rewritten; calls into it are pinned by "
             "rules");
    request->n_missing += program.kind == CLI_PROGRAM_MISSING;
    request->n_beyond += program.kind == CLI_PROGRAM_STATIC || program.kind == CLI_PROGRAM_32BIT ||
                         program.kind == CLI_PROGRAM_FOREIGN;
    if (!vendor)
        show_hooks(request, &program);
    if (!vendor && program.kind != CLI_PROGRAM_MISSING && program.kind != CLI_PROGRAM_SCRIPT)
        show_code(request, program.path);
    cli_program_mapped(&program, see_mapped, request);
    if (strncmp(base(program.path), "python", 6) == 0 || program.kind == CLI_PROGRAM_SCRIPT)
        puts("  note       code loaded while it runs is not listed: give the modules' .so files, "
             "or run it with "
             "`detshim run --level observe`");
    if (program.kind == CLI_PROGRAM_SCRIPT && search) {
        char interpreter[256];
        snprintf(interpreter, sizeof interpreter, "%.*s", (int)strcspn(program.interpreter, " \t"),
            program.interpreter);
        show_one(request, interpreter, false);
    }
    cli_program_close(&program);
}

static void show_preloads(void)
{
    const char *set = getenv("LD_PRELOAD");
    char *list = strdup(set ? set : "");
    bool first = true;
    for (char *entry = list ? strtok(list, ": ") : NULL; entry;
         entry = strtok(NULL, ": "), first = false) {
        const bool ours = strcmp(base(entry), "libdetshim.so") == 0;
        printf("preload      %s%s\n", entry,
            ours && !first ? ": not the first; one that hooks dlsym before us hides calls" : "");
    }
    free(list);
}

int cli_doctor(int argc, char **argv)
{
    static const struct argp argp = { options, take, "(-- COMMAND [ARG...] | FILE...)",
        "Tell what of a program, library or device-code file can be made repeatable. Nothing is "
        "run.\v"
        "Exit status: 0 everything seen can be covered, 1 some cannot, 2 a file could not be read.",
        NULL, NULL, NULL };
    struct request request = { 0 };
    argp_err_exit_status = CLI_TROUBLE;
    argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &request);
    show_preloads();
    cli_survey_driver();
    for (size_t i = 0; i < (request.command ? 1 : request.n_names); i++)
        show_one(&request, request.names[i], request.command);
    if (request.n_missing)
        return CLI_TROUBLE;
    puts(request.n_beyond
             ? "RESULT       some of it cannot be covered; see beyond, unknown and uncovered above"
         : request.n_kernels ? "RESULT       nothing seen here is out of reach"
         : request.n_images
             ? "RESULT       no kernel was found in that code: it holds none for this card, or "
               "cannot be read"
             : "RESULT       no device code was seen; it may be loaded while the program runs");
    return request.n_beyond ? 1 : 0;
}
