/* Reads objects that are already mapped: SONAME, DT_NEEDED, symbol by hash. Calls nothing but dl_iterate_phdr.
 * glibc relocates the pointers of the dynamic section in place, musl and the vDSO do not: both are accepted. */
#include "shim/core/start.h"
#include "shim/loader/internal.h"

DET_START_TEXT bool det_same(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

DET_START_TEXT bool det_starts(const char *text, const char *with)
{
    while (*with && *text == *with)
        text++, with++;
    return !*with;
}

DET_START_TEXT uintptr_t det_elf_pointer(
    uintptr_t base, const ElfW(Dyn) * dynamic, ElfW(Sxword) tag)
{
    for (; dynamic && dynamic->d_tag != DT_NULL; dynamic++)
        if (dynamic->d_tag == tag)
            return dynamic->d_un.d_ptr < base ? base + dynamic->d_un.d_ptr : dynamic->d_un.d_ptr;
    return 0;
}

const char *det_elf_soname(uintptr_t base, const ElfW(Dyn) * dynamic, const char *path)
{
    const char *strings = (const char *)det_elf_pointer(base, dynamic, DT_STRTAB);
    for (const ElfW(Dyn) *d = dynamic; strings && d && d->d_tag != DT_NULL; d++)
        if (d->d_tag == DT_SONAME)
            return strings + d->d_un.d_val;
    const char *name = path;
    for (; *path; path++)
        if (*path == '/')
            name = path + 1;
    return name;
}

bool det_elf_needs(uintptr_t base, const ElfW(Dyn) * dynamic, const char *soname)
{
    const char *strings = (const char *)det_elf_pointer(base, dynamic, DT_STRTAB);
    for (const ElfW(Dyn) *d = dynamic; strings && d && d->d_tag != DT_NULL; d++)
        if (d->d_tag == DT_NEEDED && det_same(strings + d->d_un.d_val, soname))
            return true;
    return false;
}

struct symbols {
    uintptr_t base;
    const ElfW(Sym) * symbols;
    const char *strings;
    const ElfW(Half) * versions;
};

/* Address of symbol `i` if it is the default version of `name` and defined here. */
DET_START_TEXT static void *symbol_matches(
    const struct symbols *table, uint32_t i, const char *name)
{
    const ElfW(Sym) *symbol = &table->symbols[i];
    if (symbol->st_shndx == SHN_UNDEF || !det_same(table->strings + symbol->st_name, name))
        return NULL;
    if (table->versions && (table->versions[i] & 0x8000))
        return NULL;
    if (ELF64_ST_TYPE(symbol->st_info) == STT_TLS)
        return NULL;
    const uintptr_t at = table->base + symbol->st_value;
    if (ELF64_ST_TYPE(symbol->st_info) == STT_GNU_IFUNC)
        return ((void *(*)(void))at)();
    return (void *)at;
}

DET_START_TEXT static void *find_gnu(
    const struct symbols *table, const uint32_t *hash_table, const char *name)
{
    uint32_t hash = 5381;
    for (const char *c = name; *c; c++)
        hash = hash * 33 + (unsigned char)*c;
    const uint32_t n_buckets = hash_table[0], first = hash_table[1], n_bloom = hash_table[2];
    const uint32_t *buckets = hash_table + 4 + n_bloom * (sizeof(ElfW(Addr)) / 4);
    const uint32_t *chain = buckets + n_buckets;
    uint32_t i = n_buckets ? buckets[hash % n_buckets] : 0;
    if (i < first)
        return NULL;
    for (;; i++) {
        const uint32_t entry = chain[i - first];
        if ((entry | 1) == (hash | 1)) {
            void *found = symbol_matches(table, i, name);
            if (found)
                return found;
        }
        if (entry & 1)
            return NULL;
    }
}

DET_START_TEXT static void *find_sysv(
    const struct symbols *table, const uint32_t *hash_table, const char *name)
{
    uint32_t hash = 0;
    for (const char *c = name; *c; c++) {
        hash = (hash << 4) + (unsigned char)*c;
        hash = (hash ^ ((hash & 0xf0000000u) >> 24)) & 0x0fffffffu;
    }
    const uint32_t n_buckets = hash_table[0];
    const uint32_t *buckets = hash_table + 2, *chain = buckets + n_buckets;
    for (uint32_t i = n_buckets ? buckets[hash % n_buckets] : 0; i; i = chain[i]) {
        void *found = symbol_matches(table, i, name);
        if (found)
            return found;
    }
    return NULL;
}

DET_START_TEXT void *det_elf_symbol(uintptr_t base, const ElfW(Dyn) * dynamic, const char *name)
{
    const struct symbols table = {
        .base = base,
        .symbols = (const ElfW(Sym) *)det_elf_pointer(base, dynamic, DT_SYMTAB),
        .strings = (const char *)det_elf_pointer(base, dynamic, DT_STRTAB),
        .versions = (const ElfW(Half) *)det_elf_pointer(base, dynamic, DT_VERSYM),
    };
    if (!table.symbols || !table.strings)
        return NULL;
    const uint32_t *gnu = (const uint32_t *)det_elf_pointer(base, dynamic, DT_GNU_HASH);
    if (gnu)
        return find_gnu(&table, gnu, name);
    const uint32_t *sysv = (const uint32_t *)det_elf_pointer(base, dynamic, DT_HASH);
    return sysv ? find_sysv(&table, sysv, name) : NULL;
}

void det_object_from_info(const struct dl_phdr_info *info, struct det_object *out)
{
    out->base = info->dlpi_addr;
    out->lo = UINTPTR_MAX;
    out->hi = 0;
    out->dynamic = NULL;
    out->path = info->dlpi_name ? info->dlpi_name : "";
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        const uintptr_t at = info->dlpi_addr + header->p_vaddr;
        if (header->p_type == PT_DYNAMIC)
            out->dynamic = (const ElfW(Dyn) *)at;
        if (header->p_type != PT_LOAD)
            continue;
        out->lo = at < out->lo ? at : out->lo;
        out->hi = at + header->p_memsz > out->hi ? at + header->p_memsz : out->hi;
    }
}

struct search {
    uintptr_t address;
    struct det_object *out;
};

static int holds(struct dl_phdr_info *info, size_t n_bytes, void *arg)
{
    (void)n_bytes;
    const struct search *search = arg;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        const uintptr_t at = info->dlpi_addr + header->p_vaddr;
        if (header->p_type == PT_LOAD && search->address - at < header->p_memsz) {
            det_object_from_info(info, search->out);
            return 1;
        }
    }
    return 0;
}

bool det_object_at(const void *address, struct det_object *out)
{
    struct search search = { .address = (uintptr_t)address, .out = out };
    return dl_iterate_phdr(holds, &search) == 1;
}
