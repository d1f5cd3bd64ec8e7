/* See code.h. */
#include "cli/code.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "shim/core/io.h"

enum { MOST_FILE = 2040 << 20 };

struct walk {
    const char *path;
    size_t n;
    void (*each)(const struct cli_image *image, void *arg);
    void *arg;
};

static void one_image(const void *bytes, size_t n_bytes, void *arg)
{
    struct walk *walk = arg;
    struct det_image image = { 0 };
    const enum det_err err = det_image_read(bytes, n_bytes, &image);
    const struct cli_image found = { walk->path, walk->n++, &image, err };
    walk->each(&found, walk->arg);
    det_image_free(&image);
}

bool cli_code_walk(const char *path, void (*each)(const struct cli_image *image, void *arg),
    void *arg, size_t *n_images)
{
    struct det_bytes bytes = { 0 };
    const enum det_err err = det_io_read_file(path, MOST_FILE, &bytes);
    *n_images = 0;
    if (err != DET_OK) {
        cli_say("cannot read '%s': %s", path, det_err_text(err));
        return false;
    }
    struct walk walk = { path, 0, each, arg };
    if (bytes.n_bytes >= 4 && memcmp(bytes.data, ELFMAG, SELFMAG) == 0)
        det_image_scan_elf(bytes.data, bytes.n_bytes, one_image, &walk);
    else
        one_image(bytes.data, bytes.n_bytes, &walk);
    *n_images = walk.n;
    det_bytes_free(&bytes);
    return true;
}

/* A part of the file, or NULL where the header points outside of it. */
static const char *part(const char *bytes, size_t n_bytes, uint64_t at, uint64_t n)
{
    return at <= n_bytes && n <= n_bytes - at ? bytes + at : NULL;
}

static void symbols(const char *bytes, size_t n_bytes, const Elf64_Shdr *table,
    const Elf64_Shdr *names, void (*each)(const char *name, void *arg), void *arg)
{
    const char *text = part(bytes, n_bytes, names->sh_offset, names->sh_size);
    const char *first = part(bytes, n_bytes, table->sh_offset, table->sh_size);
    if (!text || !first || !names->sh_size || text[names->sh_size - 1])
        return;
    for (size_t i = 0; i < table->sh_size / sizeof(Elf64_Sym); i++) {
        Elf64_Sym symbol;
        memcpy(&symbol, first + i * sizeof symbol, sizeof symbol);
        const bool entry =
            ELF64_ST_TYPE(symbol.st_info) == STT_FUNC && symbol.st_shndx != SHN_UNDEF &&
            (symbol.st_other &
                0x10); /* STO_CUDA_ENTRY: a kernel, not a device function; static ones are local */
        if (entry && symbol.st_name < names->sh_size)
            each(text + symbol.st_name, arg);
    }
}

void cli_code_kernels(
    const void *cubin, size_t n_bytes, void (*each)(const char *name, void *arg), void *arg)
{
    Elf64_Ehdr header;
    if (n_bytes < sizeof header || memcmp(cubin, ELFMAG, SELFMAG) != 0)
        return;
    memcpy(&header, cubin, sizeof header);
    const char *sections =
        part(cubin, n_bytes, header.e_shoff, (uint64_t)header.e_shnum * sizeof(Elf64_Shdr));
    for (unsigned i = 0; sections && header.e_shentsize == sizeof(Elf64_Shdr) && i < header.e_shnum;
         i++) {
        Elf64_Shdr table, names;
        memcpy(&table, sections + i * sizeof table, sizeof table);
        if (table.sh_type != SHT_SYMTAB || table.sh_link >= header.e_shnum)
            continue;
        memcpy(&names, sections + table.sh_link * sizeof names, sizeof names);
        symbols(cubin, n_bytes, &table, &names, each, arg);
    }
}

void cli_code_arch(const struct det_image_entry *entry, char *to)
{
    const char *kind = entry->kind == DET_IMAGE_PTX ? "compute" : "sm";
    const char suffix[2] = { entry->suffix, 0 };
    if (entry->sm)
        snprintf(to, 24, "%s_%u%s", kind, entry->sm, suffix);
    else
        snprintf(to, 24, "unknown");
}

unsigned cli_code_sm(const char *text)
{
    char *end;
    text += strncmp(text, "sm_", 3) == 0 ? 3 : 0;
    const unsigned long sm = *text >= '1' && *text <= '9' ? strtoul(text, &end, 10) : 0;
    const bool tail = sm && (!*end || ((*end == 'a' || *end == 'f') && !end[1]));
    return tail && sm >= 10 && sm < 1000 ? (unsigned)sm : 0;
}
