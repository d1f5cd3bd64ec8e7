/* See mark.h. The symbol table of a cubin is ordinary ELF; every offset is checked. */
#include "shim/image/mark.h"

#include <elf.h>
#include <stdbool.h>
#include <string.h>

#include "shim/image/image.h"
#include "shim/image/parts.h"

#define MACHINE_CUDA 190

struct file {
    const uint8_t *bytes;
    size_t n_bytes;
    Elf64_Ehdr header;
};

static const uint8_t *part(const struct file *file, uint64_t at, uint64_t n)
{
    return at <= file->n_bytes && n <= file->n_bytes - at ? file->bytes + at : NULL;
}

static bool section(const struct file *file, size_t i, Elf64_Shdr *out)
{
    const uint8_t *at =
        i < file->header.e_shnum && file->header.e_shentsize == sizeof *out
            ? part(file, file->header.e_shoff + (uint64_t)i * sizeof *out, sizeof *out)
            : NULL;
    if (at)
        memcpy(out, at, sizeof *out);
    return at != NULL;
}

/* The contents of the marked variable, NULL when `table` does not name it. */
static const uint8_t *contents(const struct file *file, const Elf64_Shdr *table, size_t *n_bytes)
{
    Elf64_Shdr names, home;
    if (!section(file, table->sh_link, &names))
        return NULL;
    const uint8_t *text = part(file, names.sh_offset, names.sh_size);
    const uint8_t *first = part(file, table->sh_offset, table->sh_size);
    for (size_t i = 0; text && first && i < table->sh_size / sizeof(Elf64_Sym); i++) {
        Elf64_Sym symbol;
        memcpy(&symbol, first + i * sizeof symbol, sizeof symbol);
        if (symbol.st_name >= names.sh_size ||
            names.sh_size - symbol.st_name < sizeof DET_MARK_SYMBOL ||
            memcmp(text + symbol.st_name, DET_MARK_SYMBOL, sizeof DET_MARK_SYMBOL) != 0)
            continue;
        if (!section(file, symbol.st_shndx, &home) || home.sh_type == SHT_NOBITS ||
            symbol.st_value > home.sh_size || symbol.st_size > home.sh_size - symbol.st_value)
            return NULL;
        *n_bytes = (size_t)symbol.st_size;
        return part(file, home.sh_offset + symbol.st_value, symbol.st_size);
    }
    return NULL;
}

static enum det_err unpack(
    const uint8_t *at, size_t n_bytes, struct det_bytes *ptx, uint64_t *beside)
{
    struct det_mark_head head;
    if (n_bytes < sizeof head)
        return DET_E_FORMAT;
    memcpy(&head, at, sizeof head);
    if (memcmp(head.magic, DET_MARK_MAGIC, sizeof head.magic) != 0 ||
        head.packed_bytes > n_bytes - sizeof head)
        return DET_E_FORMAT;
    const struct det_image_entry entry = {
        .kind = DET_IMAGE_PTX,
        .payload = at + sizeof head,
        .payload_bytes = head.packed_bytes,
        .plain_bytes = head.plain_bytes,
        .pack = DET_PACK_LZ4,
    };
    *beside = head.beside;
    return det_image_unpack(&entry, ptx);
}

/* See mark.h */
enum det_err det_mark_find(
    const void *cubin, size_t n_bytes, struct det_bytes *ptx, uint64_t *beside)
{
    struct file file = { .bytes = cubin, .n_bytes = n_bytes };
    if (!det_elf_is(file.bytes, n_bytes))
        return DET_E_NOT_FOUND;
    memcpy(&file.header, cubin, sizeof file.header);
    if (file.header.e_machine != MACHINE_CUDA)
        return DET_E_NOT_FOUND;
    Elf64_Shdr table;
    for (size_t i = 0; section(&file, i, &table); i++) {
        size_t n = 0;
        const uint8_t *at = table.sh_type == SHT_SYMTAB ? contents(&file, &table, &n) : NULL;
        if (at)
            return unpack(at, n, ptx, beside);
    }
    return DET_E_NOT_FOUND;
}
