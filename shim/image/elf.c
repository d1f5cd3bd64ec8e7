/* ELF64, two uses: the facts of a CUDA object (cubin), and the fat binaries inside a host object. Facts of cubins: seen in
 * nvcc 13.0 output, flag layout of older toolkits from LLVM's public BinaryFormat/ELF.h. No instruction is looked at. */
#include <elf.h>

#include "shim/image/parts.h"

#define MACHINE_CUDA 190
#define ABI_SM_LOW                                                                                 \
    7 /* EI_ABIVERSION up to CUDA 12: sm in bits 0-7, 'a' in bit 11; from 8 on: sm in bits 8-15, 'a' bit 3 */

struct section {
    const char *name; /* inside the bytes; NUL checked */
    const uint8_t *data;
    size_t n_bytes;
};

bool det_elf_is(const uint8_t *bytes, size_t n_bytes)
{
    return n_bytes >= sizeof(Elf64_Ehdr) && memcmp(bytes, ELFMAG, SELFMAG) == 0 &&
           bytes[EI_CLASS] == ELFCLASS64 && bytes[EI_DATA] == ELFDATA2LSB;
}

static Elf64_Ehdr header_of(const uint8_t *bytes)
{
    Elf64_Ehdr header;
    memcpy(&header, bytes, sizeof header);
    return header;
}

/* Does [at, at + n) lie inside n_bytes? */
static bool inside(uint64_t at, uint64_t n, size_t n_bytes)
{
    return at <= n_bytes && n <= n_bytes - at;
}

static bool section_header(
    const uint8_t *bytes, size_t n_bytes, const Elf64_Ehdr *header, size_t i, Elf64_Shdr *out)
{
    if (header->e_shentsize < sizeof *out || header->e_shoff > n_bytes)
        return false;
    const uint64_t step = (uint64_t)i * header->e_shentsize;
    if (!inside(header->e_shoff + step, sizeof *out, n_bytes))
        return false;
    memcpy(out, bytes + header->e_shoff + step, sizeof *out);
    return true;
}

/* Section i; false when it, or its name, does not lie inside the bytes. Sections without bytes are skipped so, too. */
static bool section_at(
    const uint8_t *bytes, size_t n_bytes, const Elf64_Ehdr *header, size_t i, struct section *out)
{
    Elf64_Shdr names, own;
    if (!section_header(bytes, n_bytes, header, header->e_shstrndx, &names) ||
        !section_header(bytes, n_bytes, header, i, &own))
        return false;
    if (own.sh_type == SHT_NOBITS || !inside(names.sh_offset, names.sh_size, n_bytes) ||
        !inside(own.sh_offset, own.sh_size, n_bytes) || own.sh_name >= names.sh_size)
        return false;
    out->name = (const char *)bytes + names.sh_offset + own.sh_name;
    if (!memchr(out->name, 0, (size_t)(names.sh_size - own.sh_name)))
        return false;
    out->data = bytes + own.sh_offset;
    out->n_bytes = (size_t)own.sh_size;
    return true;
}

static const uint8_t *find(const uint8_t *in, size_t n_bytes, const void *what, size_t n_what)
{
    return n_bytes < n_what ? NULL : memmem(in, n_bytes, what, n_what);
}

/* `.note.nv.tkinfo` names the tools that wrote the cubin and their options, e.g. "-arch sm_90a -m 64". */
static void read_tool_note(
    const struct section *note, struct det_image_entry *entry, bool keep_arch)
{
    static const char linker[] = "nvlink", arch[] = "-arch ";
    entry->linked = find(note->data, note->n_bytes, linker, sizeof linker) != NULL;
    const uint8_t *at = find(note->data, note->n_bytes, arch, sizeof arch - 1);
    if (!at || keep_arch)
        return;
    at += sizeof arch - 1;
    unsigned sm;
    char suffix;
    if (det_arch_parse((const char *)at, note->n_bytes - (size_t)(at - note->data), &sm, &suffix) &&
        sm == entry->sm)
        entry->suffix = suffix;
}

/* See parts.h */
bool det_elf_facts(const uint8_t *bytes, size_t n_bytes, struct det_image_entry *entry)
{
    if (!det_elf_is(bytes, n_bytes))
        return false;
    const Elf64_Ehdr header = header_of(bytes);
    if (header.e_machine != MACHINE_CUDA)
        return false;
    const bool known = entry->sm != 0;
    const bool low = bytes[EI_ABIVERSION] <= ABI_SM_LOW;
    if (!known) {
        entry->sm = low ? header.e_flags & 0xff : header.e_flags >> 8 & 0xff;
        entry->suffix = header.e_flags & (low ? 0x800u : 0x8u) ? 'a' : 0;
    }
    entry->relocatable = header.e_type == ET_REL;
    struct section section;
    for (size_t i = 0; i < header.e_shnum; i++)
        if (section_at(bytes, n_bytes, &header, i, &section) &&
            strcmp(section.name, ".note.nv.tkinfo") == 0)
            read_tool_note(&section, entry, known);
    return true;
}

/* See parts.h */
uint64_t det_elf_tables_end(const uint8_t *header_bytes, size_t n_bytes)
{
    if (!det_elf_is(header_bytes, n_bytes))
        return 0;
    const Elf64_Ehdr header = header_of(header_bytes);
    const uint64_t sections = header.e_shoff + (uint64_t)header.e_shnum * header.e_shentsize;
    const uint64_t segments = header.e_phoff + (uint64_t)header.e_phnum * header.e_phentsize;
    if (sections < header.e_shoff || segments < header.e_phoff)
        return 0;
    return sections > segments ? sections : segments;
}

/* Fat binaries one after the other, each at an 8-byte boundary; a bad one is stepped over word by word. */
static size_t scan_fatbins(const uint8_t *bytes, size_t n_bytes,
    void (*each)(const void *image, size_t n_bytes, void *arg), void *arg)
{
    size_t n_found = 0, at = 0;
    while (n_bytes - at >= DET_FATBIN_HEADER_BYTES) {
        const uint64_t whole = det_fatbin_bytes(bytes + at);
        if (whole == 0 || whole > n_bytes - at) {
            at += 4;
            continue;
        }
        each(bytes + at, (size_t)whole, arg);
        n_found++;
        at += (size_t)whole;
    }
    return n_found;
}

static bool has_section(
    const uint8_t *bytes, size_t n_bytes, const Elf64_Ehdr *header, const char *name)
{
    struct section section;
    for (size_t i = 0; i < header->e_shnum; i++)
        if (section_at(bytes, n_bytes, header, i, &section) && section.n_bytes &&
            strcmp(section.name, name) == 0)
            return true;
    return false;
}

/* `__nv_relfatbin` holds the inputs of a device link. Once linked, they stay in the file but are never loaded. */
static bool holds_fatbins(const char *name, bool linked)
{
    return strcmp(name, ".nv_fatbin") == 0 || (!linked && strcmp(name, "__nv_relfatbin") == 0);
}

/* See image.h */
size_t det_image_scan_elf(const void *bytes, size_t n_bytes,
    void (*each)(const void *image, size_t n_bytes, void *arg), void *arg)
{
    const uint8_t *at = bytes;
    if (!det_elf_is(at, n_bytes))
        return 0;
    const Elf64_Ehdr header = header_of(at);
    if (header.e_machine == MACHINE_CUDA) {
        each(bytes, n_bytes, arg);
        return 1;
    }
    size_t n_found = 0;
    struct section section;
    bool any_name = false;
    const bool linked = header.e_type != ET_REL && has_section(at, n_bytes, &header, ".nv_fatbin");
    for (size_t i = 0; i < header.e_shnum; i++) {
        if (!section_at(at, n_bytes, &header, i, &section))
            continue;
        any_name = true;
        if (holds_fatbins(section.name, linked))
            n_found += scan_fatbins(section.data, section.n_bytes, each, arg);
    }
    /* Section headers stripped, or an object as mapped: the magic words are all there is to go by. */
    return any_name ? n_found : scan_fatbins(at, n_bytes, each, arg);
}
