/* Libc names for wrappers of libc's own functions. Before glibc 2.34 a process without libdl has no dlsym, and threads live in
 * libpthread: then the symbol tables are walked. */
#include <dlfcn.h>

#include "shim/loader/internal.h"
#include "shim/loader/libc.h"

struct walk {
    const char *name;
    void *found;
};

static int defines(struct dl_phdr_info *info, size_t n_bytes, void *arg)
{
    struct walk *walk = arg;
    struct det_object object;
    (void)n_bytes;
    det_object_from_info(info, &object);
    if (!object.dynamic || (uintptr_t)object.base == 0)
        return 0; /* the program itself comes first and may name libc's functions in its own PLT */
    void *found = det_elf_symbol(object.base, object.dynamic, walk->name);
    if (!found || det_is_ours(found))
        return 0;
    walk->found = found;
    return 1;
}

void *det_libc_next(const char *name)
{
    const struct det_libc *libc = det_libc();
    void *found = libc->dlsym ? libc->dlsym(RTLD_NEXT, name) : NULL;
    if (found && !det_is_ours(found))
        return found;
    struct walk walk = { name, NULL };
    dl_iterate_phdr(defines, &walk);
    return walk.found;
}

void *det_libc_default(const char *name)
{
    const struct det_libc *libc = det_libc();
    return libc->dlsym ? libc->dlsym(RTLD_DEFAULT, name) : NULL;
}
