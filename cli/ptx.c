/* detshim ptx: the rewriter alone. Rewritten PTX on stdout, or with --classify one JSON line per kernel. */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/code.h"
#include "shim/ptx/ptx.h"

static const struct argp_option options[] = {
    { "classify", 'c', NULL, 0,
        "one JSON line per kernel: its class, and each atomic with its action", 0 },
    { "arch", 'a', "sm_XX", 0,
        "the PTX that speaks for this device, if any; default: every PTX found", 0 },
    { "identity", 'i', NULL, 0, "the twin that changes nothing but the extra parameter", 0 },
    { 0 },
};

struct request {
    bool classify, identity;
    unsigned sm;
    char **files;
    size_t n_files, n_kernels, n_rewritten, n_faults;
};

static error_t take(int key, char *arg, struct argp_state *state)
{
    struct request *request = state->input;
    switch (key) {
    case 'c':
        request->classify = true;
        return 0;
    case 'i':
        request->identity = true;
        return 0;
    case 'a':
        if (!(request->sm = cli_code_sm(arg)))
            argp_error(state, "--arch takes sm_90 or the like");
        return 0;
    case ARGP_KEY_ARGS:
        request->files = state->argv + state->next;
        request->n_files = (size_t)(state->argc - state->next);
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "no file given");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void put_string(const char *text)
{
    putchar('"');
    for (; *text; text++) {
        const unsigned char letter = (unsigned char)*text;
        if (letter == '"' || letter == '\\')
            printf("\\%c", letter);
        else if (letter < 32 || letter >= 127)
            printf("\\u%04x", letter);
        else
            putchar(letter);
    }
    putchar('"');
}

static void put_key(const char *key, const char *text)
{
    printf("\"%s\":", key);
    put_string(text);
}

static void put_place(const struct cli_image *from, const char *arch)
{
    putchar('{');
    put_key("file", from->file);
    printf(",\"image\":%zu,", from->ordinal);
    put_key("arch", arch);
}

static void put_site(const struct det_ptx_site *site)
{
    static const char *const types[] = { "f32", "f64", "f16", "bf16", "other" };
    printf("{\"line\":%u,", site->line);
    put_key("op", site->opcode);
    putchar(',');
    put_key("hazard", site->hazard);
    printf(",\"type\":\"%s\",\"lanes\":%u,\"shared\":%s,\"action\":\"%s\",", types[site->type],
        site->n_lanes, site->shared ? "true" : "false", site->rewritten ? "rewritten" : "left");
    put_key("reason", site->reason);
    putchar('}');
}

static void put_kernel(
    const struct cli_image *from, const char *arch, const struct det_ptx_kernel *kernel)
{
    put_place(from, arch);
    putchar(',');
    put_key("kernel", kernel->name);
    printf(",\"class\":\"%s\",", det_class_word(kernel->cls));
    put_key("reason", kernel->reason);
    fputs(",\"atomics\":[", stdout);
    for (size_t i = 0; i < kernel->n_sites; i++) {
        fputs(i ? "," : "", stdout);
        put_site(&kernel->sites[i]);
    }
    puts("]}");
}

struct place {
    struct request *request;
    const struct cli_image *from;
    const char *arch, *reason;
};

static void unknown_kernel(const char *name, void *arg)
{
    const struct place *place = arg;
    place->request->n_kernels++;
    put_place(place->from, place->arch);
    putchar(',');
    put_key("kernel", name);
    fputs(",\"class\":\"unknown\",", stdout);
    put_key("reason", place->reason);
    puts(",\"atomics\":[]}");
}

static void fault(
    struct request *request, const struct cli_image *from, const char *what, const char *why)
{
    request->n_faults++;
    cli_say("cannot read %s in '%s' (image %zu): %s", what, from->file, from->ordinal, why);
}

static void print_twin(struct request *request, const struct cli_image *from, const char *arch,
    const struct det_ptx_module *module)
{
    struct det_ptx_twin twin = { 0 };
    const struct det_ptx_twin_options how = { .identity = request->identity };
    const enum det_err err = det_ptx_make_twin(module, &how, &twin);
    if (err == DET_OK) {
        printf("// %s, image %zu, %s: %zu kernels rewritten\n", from->file, from->ordinal, arch,
            twin.n_kernels);
        fwrite(twin.text.data, 1, twin.text.n_bytes, stdout);
        request->n_rewritten += twin.n_kernels;
    } else if (err != DET_E_NOT_FOUND) {
        fault(request, from, "twin", det_err_text(err));
    }
    det_ptx_twin_free(&twin);
}

static void do_ptx(
    struct request *request, const struct cli_image *from, const struct det_image_entry *entry)
{
    char arch[24];
    struct det_bytes text = { 0 };
    struct det_ptx_module *module = NULL;
    struct det_ptx_where where = { 0, "" };
    cli_code_arch(entry, arch);
    const enum det_err err = det_image_unpack(entry, &text);
    if (err != DET_OK) {
        fault(request, from, "PTX", det_err_text(err));
    } else if (det_ptx_parse(text.data, text.n_bytes, &module, &where) != DET_OK) {
        char why[200];
        snprintf(why, sizeof why, "line %u: %s", where.line, where.text);
        fault(request, from, "PTX", why);
    } else {
        request->n_kernels += det_ptx_n_kernels(module);
        for (size_t i = 0; request->classify && i < det_ptx_n_kernels(module); i++)
            put_kernel(from, arch, det_ptx_kernel(module, i));
        if (!request->classify)
            print_twin(request, from, arch, module);
    }
    det_ptx_free(module);
    det_bytes_free(&text);
}

/* Machine code nobody can read: its kernels by name, with the reason and what to do about it. */
static void do_code(struct request *request, const struct cli_image *from,
    const struct det_image_entry *entry, const char *reason)
{
    char arch[24];
    struct det_bytes cubin = { 0 };
    cli_code_arch(entry, arch);
    struct place place = { request, from, arch, reason };
    if (request->classify && det_image_unpack(entry, &cubin) == DET_OK)
        cli_code_kernels(cubin.data, cubin.n_bytes, unknown_kernel, &place);
    det_bytes_free(&cubin);
}

static void for_device(struct request *request, const struct cli_image *from)
{
    const struct det_image_entry *ptx = NULL, *code = NULL;
    const enum det_image_voice voice = det_image_voice(from->image, request->sm, &ptx, &code);
    DET_LINE(reason, 256);
    if (voice == DET_VOICE_PTX) {
        do_ptx(request, from, ptx);
        return;
    }
    det_image_voice_text(voice, ptx, code, &reason);
    if (code)
        do_code(request, from, code, reason.at);
    if ((!code || !request->classify) && from->image->n_entries)
        cli_say("'%s' image %zu: %s", from->file, from->ordinal, reason.at);
}

/* Every PTX, and the machine code for which none of it may speak. */
static void for_all(struct request *request, const struct cli_image *from)
{
    for (size_t i = 0; i < from->image->n_entries; i++) {
        const struct det_image_entry *entry = &from->image->entries[i], *ptx = NULL, *code = NULL;
        if (entry->kind == DET_IMAGE_PTX)
            do_ptx(request, from, entry);
        if (entry->kind != DET_IMAGE_ELF)
            continue;
        const enum det_image_voice voice = det_image_voice(from->image, entry->sm, &ptx, &code);
        DET_LINE(reason, 256);
        if (voice != DET_VOICE_PTX) {
            det_image_voice_text(voice, ptx, code, &reason);
            do_code(request, from, entry, reason.at);
        }
    }
}

static void each_image(const struct cli_image *from, void *arg)
{
    struct request *request = arg;
    if (from->err != DET_OK)
        fault(request, from, "device code", det_err_text(from->err));
    if (request->sm)
        for_device(request, from);
    else
        for_all(request, from);
}

int cli_ptx(int argc, char **argv)
{
    static const struct argp argp = { options, take, "FILE...",
        "Print what the rewriter makes of the PTX in FILE: PTX text, cubin, fat binary, shared "
        "object, executable.\v"
        "Exit status: 0, 1 when nothing was found to show, 2 when something could not be read.",
        NULL, NULL, NULL };
    struct request request = { 0 };
    argp_err_exit_status = CLI_TROUBLE;
    argp_parse(&argp, argc, argv, 0, NULL, &request);
    for (size_t i = 0; i < request.n_files; i++) {
        size_t n_images;
        if (!cli_code_walk(request.files[i], each_image, &request, &n_images))
            request.n_faults++;
        else if (!n_images)
            cli_say("no device code in '%s'", request.files[i]);
    }
    if (fflush(stdout) != 0)
        cli_die(CLI_TROUBLE, "cannot write the output");
    if (request.n_faults)
        return CLI_TROUBLE;
    if (!request.classify && request.n_kernels && !request.n_rewritten)
        cli_say("%zu kernels read, none needs or allows rewriting; --classify tells why",
            request.n_kernels);
    return (request.classify ? request.n_kernels : request.n_rewritten) ? 0 : 1;
}
