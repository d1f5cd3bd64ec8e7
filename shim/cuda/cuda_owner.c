/* Owner of an address by walking the mapped objects; only when code is loaded, so speed does not matter. */
#include "shim/cuda/cuda_owner.h"

#include <link.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

bool det_owner_name_is_vendor(const char *name)
{
    static const char *const prefixes[] = { "libcublas", "libcudnn", "libcurand.", "libcusparse",
        "libcusolver", "libcufft", "libnccl", "libnpp", "libnvjpeg", "libcutensor", "libnvrtc",
        "libnvJitLink", "libcusparseLt", "libcufile", "libnvshmem" };
    const char *const slash = strrchr(name, '/');
    const char *const base = slash != NULL ? slash + 1 : name;
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (strncmp(base, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}

struct question {
    uintptr_t address;
    bool vendor;
};

static int look(struct dl_phdr_info *info, size_t n_bytes, void *arg)
{
    struct question *const q = arg;
    (void)n_bytes;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *const ph = &info->dlpi_phdr[i];
        const uintptr_t at = info->dlpi_addr + ph->p_vaddr;
        if (ph->p_type != PT_LOAD || q->address < at || q->address - at >= ph->p_memsz)
            continue;
        q->vendor = info->dlpi_name != NULL && det_owner_name_is_vendor(info->dlpi_name);
        return 1;
    }
    return 0;
}

bool det_owner_is_vendor(const void *address)
{
    struct question q = { (uintptr_t)address, false };
    dl_iterate_phdr(look, &q);
    return q.vendor;
}
