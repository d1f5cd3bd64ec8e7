/* Finds libc's own dlsym, dlvsym and dlopen by walking the loaded libc, so that no other preload and no version guess stands
 * between (notes/interposition.md section 1.3; the idea is MangoHud's elfhacks). The list of objects is read through the
 * debugger's r_debug, not dl_iterate_phdr: TSan intercepts the latter and looks symbols up before it is ready itself. */
#include <dlfcn.h>
#include <sys/auxv.h>

#include "shim/core/start.h"
#include "shim/loader/internal.h"
#include "shim/loader/libc.h"
#include "shim/loader/loader.h"

DET_START_DATA static struct det_libc found;
DET_START_DATA static _Atomic int searched;
static _Atomic(void *) next_dlsym;

DET_START_TEXT static const struct link_map *first_object(void)
{
    const ElfW(Phdr) *headers = (const ElfW(Phdr) *)getauxval(AT_PHDR);
    const unsigned long n = getauxval(AT_PHNUM);
    const ElfW(Dyn) *dynamic = NULL;
    uintptr_t base = 0, at = 0;
    for (unsigned long i = 0; headers && i < n; i++) {
        if (headers[i].p_type == PT_PHDR)
            base = (uintptr_t)headers - headers[i].p_vaddr;
        if (headers[i].p_type == PT_DYNAMIC)
            at = headers[i].p_vaddr;
    }
    if (at)
        dynamic = (const ElfW(Dyn) *)(base + at);
    for (; dynamic && dynamic->d_tag != DT_NULL; dynamic++)
        if (dynamic->d_tag == DT_DEBUG && dynamic->d_un.d_ptr)
            return ((const struct r_debug *)dynamic->d_un.d_ptr)->r_map;
    return NULL;
}

DET_START_TEXT static bool is_libc(const char *path)
{
    const char *name = path;
    for (; *path; path++)
        if (*path == '/')
            name = path + 1;
    return det_starts(name, "libc.so") || det_starts(name, "libdl.so") ||
           det_starts(name, "libc.musl") || det_starts(name, "ld-musl");
}

DET_START_TEXT bool det_object_is_listed(const char *prefix)
{
    for (const struct link_map *map = first_object(); map; map = map->l_next) {
        const char *name = map->l_name ? map->l_name : "";
        for (const char *at = name; *at; at++)
            if (*at == '/')
                name = at + 1;
        if (det_starts(name, prefix))
            return true;
    }
    return false;
}

DET_START_TEXT static void take(struct det_libc *out, uintptr_t base, const ElfW(Dyn) * dynamic)
{
    if (!out->dlsym)
        out->dlsym =
            (void *(*)(void *, const char *))(uintptr_t)det_elf_symbol(base, dynamic, "dlsym");
    if (!out->dlvsym)
        out->dlvsym = (void *(*)(void *, const char *, const char *))(uintptr_t)det_elf_symbol(
            base, dynamic, "dlvsym");
    if (!out->dlopen)
        out->dlopen =
            (void *(*)(const char *, int))(uintptr_t)det_elf_symbol(base, dynamic, "dlopen");
    if (!out->dlclose)
        out->dlclose = (int (*)(void *))(uintptr_t)det_elf_symbol(base, dynamic, "dlclose");
}

static int take_from_info(struct dl_phdr_info *info, size_t n_bytes, void *arg)
{
    (void)n_bytes;
    struct det_object object;
    det_object_from_info(info, &object);
    if (object.dynamic && is_libc(object.path))
        take(arg, object.base, object.dynamic);
    return 0;
}

DET_START_TEXT const struct det_libc *det_libc(void)
{
    if (atomic_load_explicit(&searched, memory_order_acquire))
        return &found;
    struct det_libc search = { NULL, NULL, NULL, NULL };
    for (const struct link_map *map = first_object(); map; map = map->l_next)
        if (map->l_name && is_libc(map->l_name))
            take(&search, map->l_addr, map->l_ld);
    if (!search.dlsym)
        dl_iterate_phdr(take_from_info, &search);
    /* Several threads may do this at once: they store the same words. An empty answer is not kept, since libdl may be
     * loaded later (glibc before 2.34). */
    found.dlvsym = search.dlvsym;
    found.dlopen = search.dlopen;
    found.dlclose = search.dlclose;
    found.dlsym = search.dlsym;
    if (search.dlsym)
        atomic_store_explicit(&searched, 1, memory_order_release);
    return &found;
}

void *det_scope_symbol(const char *path, const char *name)
{
    const struct det_libc *libc = det_libc();
    if (!path[0] || !libc->dlopen || !libc->dlsym || !libc->dlclose)
        return NULL; /* the main program has no path here; its scope is the global one */
    void *handle = libc->dlopen(path, RTLD_NOLOAD | RTLD_LAZY);
    if (!handle)
        return NULL;
    void *symbol = libc->dlsym(handle, name);
    libc->dlclose(handle);
    return symbol;
}

void *det_next_dlsym(void)
{
    void *next = atomic_load_explicit(&next_dlsym, memory_order_relaxed);
    if (next)
        return next;
    const struct det_libc *libc = det_libc();
    if (libc->dlsym)
        next = libc->dlsym(RTLD_NEXT, "dlsym");
    if (!next || det_is_ours(next))
        next = (void *)(uintptr_t)libc->dlsym;
    atomic_store_explicit(&next_dlsym, next, memory_order_relaxed);
    return next;
}

DET_START_TEXT bool det_listed_symbol(const char *name)
{
    for (const struct link_map *map = first_object(); map; map = map->l_next)
        if (map->l_ld && !det_is_ours(map->l_ld) && det_elf_symbol(map->l_addr, map->l_ld, name))
            return true;
    return false;
}

DET_START_TEXT bool det_is_ours(const void *address)
{
    extern const char det_image_start[] __asm__("__ehdr_start")
        __attribute__((visibility("hidden")));
    extern const char det_image_end[] __asm__("_end") __attribute__((visibility("hidden")));
    return (uintptr_t)address - (uintptr_t)det_image_start <
           (uintptr_t)(det_image_end - det_image_start);
}
