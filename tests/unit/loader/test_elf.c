/* Reading mapped objects and the hash of wrapped names: pure code of shim/loader, without a preload. Oracle: libc's own dlsym over every
 * exported name of the libraries this test is linked to. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "shim/loader/elf.c"
#include "shim/loader/names.c"

struct object {
    const char *path;
    uintptr_t base;
    const ElfW(Dyn) * dynamic;
};

static struct object object_of(const void *address)
{
    Dl_info info;
    struct link_map *map = NULL;
    cr_assert(dladdr1(address, &info, (void **)&map, RTLD_DL_LINKMAP));
    return (struct object){ map->l_name, map->l_addr, map->l_ld };
}

/* Exported names of an object by its own symbol table; the number of chains ends a GNU hash table. */
static size_t n_symbols(const struct object *o)
{
    const uint32_t *gnu = (const uint32_t *)det_elf_pointer(o->base, o->dynamic, DT_GNU_HASH);
    cr_assert(gnu);
    const uint32_t n_buckets = gnu[0], first = gnu[1];
    const uint32_t *buckets = gnu + 4 + gnu[2] * 2, *chain = buckets + n_buckets;
    uint32_t last = 0;
    for (uint32_t i = 0; i < n_buckets; i++)
        last = buckets[i] > last ? buckets[i] : last;
    while (!(chain[last - first] & 1))
        last++;
    return last + 1;
}

Test(loader_elf, every_exported_name_is_found_where_dlsym_finds_it)
{
    const struct object o = object_of((const void *)(uintptr_t)&qsort);
    void *libc = dlopen(o.path, RTLD_NOW | RTLD_NOLOAD);
    const ElfW(Sym) *symbols = (const ElfW(Sym) *)det_elf_pointer(o.base, o.dynamic, DT_SYMTAB);
    const char *strings = (const char *)det_elf_pointer(o.base, o.dynamic, DT_STRTAB);
    const ElfW(Half) *versions = (const ElfW(Half) *)det_elf_pointer(o.base, o.dynamic, DT_VERSYM);
    unsigned n = 0;
    for (size_t i = 1; i < n_symbols(&o); i++) {
        const ElfW(Sym) *s = &symbols[i];
        const unsigned type = ELF64_ST_TYPE(s->st_info);
        if (s->st_shndx == SHN_UNDEF || s->st_shndx == SHN_ABS || (versions[i] & 0x8000) ||
            (type != STT_FUNC && type != STT_OBJECT))
            continue;
        const char *name = strings + s->st_name;
        cr_expect_eq(det_elf_symbol(o.base, o.dynamic, name), dlsym(libc, name), "%s", name);
        n++;
    }
    cr_assert_gt(n, 1500u);
}

Test(loader_elf, names_that_are_not_there_are_not_found)
{
    const struct object o = object_of((const void *)(uintptr_t)&qsort);
    static const char *const absent[] = { "", "q", "qsor", "qsortt", "cublasCreate_v2",
        "\xff\xff" };
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
        cr_expect_null(det_elf_symbol(o.base, o.dynamic, absent[i]), "%s", absent[i]);
    cr_expect_null(det_elf_symbol(o.base, NULL, "qsort"));
}

/* A made-up object with a System V hash table only, its pointers not relocated, as musl and the vDSO leave them. */
Test(loader_elf, sysv_hash_and_unrelocated_pointers)
{
    static struct {
        uint32_t hash[2 + 1 + 3];
        ElfW(Sym) symbols[3];
        char strings[32];
    } body = { { 1, 3, 1, 0, 2, 0 }, { { 0 }, { 0 }, { 0 } }, "\0first\0second\0libx.so.1" };
    body.symbols[1] =
        (ElfW(Sym)){ .st_name = 1, .st_info = STT_FUNC, .st_shndx = 1, .st_value = 16 };
    body.symbols[2] = (ElfW(Sym)){ .st_name = 7, .st_info = STT_FUNC, .st_shndx = SHN_UNDEF };
    const uintptr_t base = (uintptr_t)&body;
    const ElfW(Dyn) dynamic[] = { { DT_HASH, { offsetof(__typeof__(body), hash) } },
        { DT_SYMTAB, { offsetof(__typeof__(body), symbols) } },
        { DT_STRTAB, { offsetof(__typeof__(body), strings) } }, { DT_SONAME, { 14 } },
        { DT_NEEDED, { 1 } }, { DT_NULL, { 0 } } };
    cr_expect_eq(det_elf_symbol(base, dynamic, "first"), (void *)(base + 16));
    cr_expect_null(det_elf_symbol(base, dynamic, "second"), "undefined here");
    cr_expect_str_eq(det_elf_soname(base, dynamic, "/x/liby.so"), "libx.so.1");
    cr_expect(det_elf_needs(base, dynamic, "first"));
    cr_expect_not(det_elf_needs(base, dynamic, "firs"));
    cr_expect_str_eq(
        det_elf_soname(base, dynamic + 4, "/x/liby.so"), "liby.so", "no SONAME: the file's name");
}

Test(loader_elf, an_object_is_found_by_an_address_inside_it)
{
    struct det_object found;
    cr_assert(det_object_at((const void *)(uintptr_t)&qsort, &found));
    cr_expect(found.lo <= (uintptr_t)&qsort && (uintptr_t)&qsort < found.hi);
    cr_expect_str_eq(det_elf_soname(found.base, found.dynamic, found.path), "libc.so.6");
    cr_expect_not(det_object_at(malloc(64), &found));
}

Test(loader_names, every_wrapped_name_is_found_and_no_neighbour_of_it)
{
    for (unsigned call = 0; call < DET_N_CALLS; call++) {
        char name[160];
        snprintf(name, sizeof name, "%s", det_call_name((enum det_call)call));
        cr_expect_eq(det_call_find(name), call, "%s", name);
        const size_t n = strlen(name);
        name[n - 1] ^= 1;
        const enum det_call other = det_call_find(name);
        cr_expect(other == DET_N_CALLS || strcmp(det_call_name(other), name) == 0, "%s", name);
    }
    cr_expect_eq(det_call_find(""), DET_N_CALLS);
}

/* The hash reads eight bytes at a time: the same value wherever the text stands, and never a byte of the next page. */
Test(loader_names, a_name_at_every_place_in_a_page_and_at_its_very_end)
{
    const size_t page = 4096;
    char *at = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(at, MAP_FAILED);
    cr_assert_eq(mprotect(at + page, page, PROT_NONE), 0);
    memset(at, 0x5a, page);
    static const char *const names[] = { "cublasGemmEx", "cublasSgemm_v2", "cuInit",
        "ncclAllReduce", "cuMemAlloc_v2", "c", "cudaLaunchKernel" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const size_t n = strlen(names[i]) + 1;
        const enum det_call right = det_call_find(names[i]);
        for (size_t place = 0; place < 64; place++) {
            memcpy(at + place, names[i], n);
            cr_expect_eq(det_call_find(at + place), right, "%s at %zu", names[i], place);
            memset(at, 0x5a, 256);
            memcpy(at + page - n - place, names[i], n);
            cr_expect_eq(det_call_find(at + page - n - place), right);
            memset(at + page - 256, 0x5a, 256);
        }
        memcpy(at + page - n, names[i], n);
        cr_expect_eq(det_call_find(at + page - n), right, "%s at the end", names[i]);
        memset(at + page - 256, 0x5a, 256);
    }
    munmap(at, 2 * page);
}
