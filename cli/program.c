/* See program.h. Every offset of the file is checked: it may be anything. */
#include "cli/program.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shim/core/io.h"

enum { MOST_FILE = 2040 << 20 };

#if defined(__x86_64__)
enum { MACHINE = EM_X86_64 };
#else
enum { MACHINE = EM_AARCH64 };
#endif

static const void *part(const struct det_bytes *bytes, uint64_t at, uint64_t n)
{
    return at <= bytes->n_bytes && n <= bytes->n_bytes - at ? bytes->data + at : NULL;
}

/* NUL-terminated text inside a section, "" when it is not one. */
static const char *text_at(const struct det_bytes *bytes, const Elf64_Shdr *strings, uint64_t at)
{
    const char *first = part(bytes, strings->sh_offset, strings->sh_size);
    return first && at < strings->sh_size && memchr(first + at, 0, strings->sh_size - at)
               ? first + at
               : "";
}

static bool header_of(const struct cli_program *program, Elf64_Ehdr *header)
{
    const void *at = part(&program->bytes, 0, sizeof *header);
    if (!at || memcmp(at, ELFMAG, SELFMAG) != 0)
        return false;
    memcpy(header, at, sizeof *header);
    return header->e_ident[EI_CLASS] == ELFCLASS64;
}

static bool section(
    const struct cli_program *program, const Elf64_Ehdr *header, unsigned i, Elf64_Shdr *out)
{
    const void *at =
        i < header->e_shnum && header->e_shentsize == sizeof *out
            ? part(&program->bytes, header->e_shoff + (uint64_t)i * sizeof *out, sizeof *out)
            : NULL;
    if (at)
        memcpy(out, at, sizeof *out);
    return at != NULL;
}

static void read_interpreter(struct cli_program *out, const Elf64_Ehdr *header)
{
    for (unsigned i = 0; i < header->e_phnum && header->e_phentsize == sizeof(Elf64_Phdr); i++) {
        Elf64_Phdr segment;
        const void *at =
            part(&out->bytes, header->e_phoff + (uint64_t)i * sizeof segment, sizeof segment);
        if (!at)
            return;
        memcpy(&segment, at, sizeof segment);
        const char *text = segment.p_type == PT_INTERP
                               ? part(&out->bytes, segment.p_offset, segment.p_filesz)
                               : NULL;
        if (text)
            snprintf(out->interpreter, sizeof out->interpreter, "%.*s",
                (int)strnlen(text, segment.p_filesz), text);
    }
    out->musl = strstr(out->interpreter, "musl") != NULL;
}

static enum cli_program_kind kind_of(struct cli_program *out)
{
    const struct det_bytes *bytes = &out->bytes;
    Elf64_Ehdr header;
    if (bytes->n_bytes > 2 && memcmp(bytes->data, "#!", 2) == 0) {
        const char *at = bytes->data + 2 + strspn(bytes->data + 2, " \t");
        snprintf(out->interpreter, sizeof out->interpreter, "%.*s", (int)strcspn(at, "\n"), at);
        return CLI_PROGRAM_SCRIPT;
    }
    if (bytes->n_bytes > EI_CLASS && memcmp(bytes->data, ELFMAG, SELFMAG) == 0 &&
        bytes->data[EI_CLASS] == ELFCLASS32)
        return CLI_PROGRAM_32BIT;
    if (!header_of(out, &header))
        return CLI_PROGRAM_OTHER;
    if (header.e_machine != MACHINE)
        return header.e_machine == EM_CUDA ? CLI_PROGRAM_OTHER : CLI_PROGRAM_FOREIGN;
    read_interpreter(out, &header);
    if (out->interpreter[0])
        return CLI_PROGRAM_DYNAMIC;
    return header.e_type == ET_DYN && cli_program_has_section(out, ".dynsym") ? CLI_PROGRAM_SHARED
           : header.e_type == ET_REL                                          ? CLI_PROGRAM_OTHER
                                                                              : CLI_PROGRAM_STATIC;
}

static bool find(const char *name, bool search, char *to)
{
    if (!search || strchr(name, '/'))
        return snprintf(to, PATH_MAX, "%s", name) < PATH_MAX && access(to, F_OK) == 0;
    const char *at = getenv("PATH");
    while (at && *at) {
        const size_t n = strcspn(at, ":");
        const int length = snprintf(to, PATH_MAX, "%.*s/%s", (int)n, at, name);
        if (length < PATH_MAX && access(to, X_OK) == 0)
            return true;
        at += n + (at[n] == ':');
    }
    return false;
}

void cli_program_open(const char *name, bool search, struct cli_program *out)
{
    struct stat info;
    memset(out, 0, sizeof *out);
    if (!find(name, search, out->path) || stat(out->path, &info) != 0 ||
        det_io_read_file(out->path, MOST_FILE, &out->bytes) != DET_OK)
        return;
    out->set_id = (info.st_mode & (S_ISUID | S_ISGID)) != 0;
    out->kind = kind_of(out);
}

void cli_program_close(struct cli_program *program)
{
    det_bytes_free(&program->bytes);
}

const char *cli_program_words(enum cli_program_kind kind)
{
    static const char *const words[] = { "not found or not readable", "script",
        "dynamically linked program", "statically linked program: LD_PRELOAD has no effect on it",
        "shared object", "32-bit program: our library is not loaded into it",
        "program of another machine", "no program" };
    return words[kind];
}

void cli_program_needed(
    const struct cli_program *program, void (*each)(const char *name, void *arg), void *arg)
{
    Elf64_Ehdr header;
    Elf64_Shdr dynamic, strings;
    if (!header_of(program, &header))
        return;
    for (unsigned i = 0; section(program, &header, i, &dynamic); i++) {
        if (dynamic.sh_type != SHT_DYNAMIC || !section(program, &header, dynamic.sh_link, &strings))
            continue;
        for (uint64_t at = 0; at + sizeof(Elf64_Dyn) <= dynamic.sh_size; at += sizeof(Elf64_Dyn)) {
            Elf64_Dyn entry;
            const void *from = part(&program->bytes, dynamic.sh_offset + at, sizeof entry);
            if (!from)
                return;
            memcpy(&entry, from, sizeof entry);
            if (entry.d_tag == DT_NEEDED)
                each(text_at(&program->bytes, &strings, entry.d_un.d_val), arg);
        }
    }
}

void cli_program_symbols(const struct cli_program *program, bool undefined,
    void (*each)(const char *name, void *arg), void *arg)
{
    Elf64_Ehdr header;
    Elf64_Shdr table, strings;
    if (!header_of(program, &header))
        return;
    for (unsigned i = 0; section(program, &header, i, &table); i++) {
        const bool wanted =
            table.sh_type == SHT_DYNSYM || (!undefined && table.sh_type == SHT_SYMTAB);
        if (!wanted || !section(program, &header, table.sh_link, &strings))
            continue;
        for (uint64_t at = 0; at + sizeof(Elf64_Sym) <= table.sh_size; at += sizeof(Elf64_Sym)) {
            Elf64_Sym symbol;
            const void *from = part(&program->bytes, table.sh_offset + at, sizeof symbol);
            if (!from)
                return;
            memcpy(&symbol, from, sizeof symbol);
            const bool is_undefined = symbol.st_shndx == SHN_UNDEF;
            if (symbol.st_name && is_undefined == undefined &&
                (undefined || ELF64_ST_TYPE(symbol.st_info) == STT_FUNC))
                each(text_at(&program->bytes, &strings, symbol.st_name), arg);
        }
    }
}

bool cli_program_has_section(const struct cli_program *program, const char *name)
{
    Elf64_Ehdr header;
    Elf64_Shdr names, one;
    if (!header_of(program, &header) || !section(program, &header, header.e_shstrndx, &names))
        return false;
    for (unsigned i = 0; section(program, &header, i, &one); i++) {
        if (strcmp(text_at(&program->bytes, &names, one.sh_name), name) == 0)
            return true;
    }
    return false;
}

/* "\tlibx.so.1 => /path (0x…)", "\tliby.so => not found" */
static void mapped_line(
    char *line, void (*each)(const char *name, const char *path, void *arg), void *arg)
{
    char *arrow = strstr(line, " => ");
    char *name = line + strspn(line, " \t");
    if (!arrow)
        return;
    *arrow = 0;
    char *path = arrow + 4;
    path[strcspn(path, "(\n")] = 0;
    for (size_t n = strlen(path); n && path[n - 1] == ' '; n--)
        path[n - 1] = 0;
    each(name, strcmp(path, "not found") == 0 ? "" : path, arg);
}

#define LOADER (MACHINE == EM_X86_64 ? "/lib64/ld-linux-x86-64.so.2" : "/lib/ld-linux-aarch64.so.1")

/* This machine's own ld.so by name: neither the file nor the interpreter it asks for is ever executed. */
void cli_program_mapped(const struct cli_program *program,
    void (*each)(const char *name, const char *path, void *arg), void *arg)
{
    char command[256];
    const bool ours =
        program->kind == CLI_PROGRAM_DYNAMIC && strcmp(program->interpreter, LOADER) == 0;
    if (!ours && program->kind != CLI_PROGRAM_SHARED)
        return;
    setenv("DETSHIM_PATH", program->path, 1);
    snprintf(
        command, sizeof command, "unset LD_PRELOAD; exec %s --list \"$DETSHIM_PATH\" 2>&-", LOADER);
    FILE *list = popen(command, "r"); // NOLINT(cert-env33-c): a constant; the path goes by variable
    for (char line[PATH_MAX + 256]; list && fgets(line, sizeof line, list);)
        mapped_line(line, each, arg);
    if (list)
        pclose(list);
    unsetenv("DETSHIM_PATH");
}
