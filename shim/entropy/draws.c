/* Which draws happened, for the log: the first twenty per caller, then counts at powers of two. Callers are named by the
 * file that holds the return address, found by walking the loaded objects (dladdr is too new a symbol). */
#include <link.h>
#include <stdatomic.h>
#include <string.h>

#include "shim/core/bytes.h"
#include "shim/core/hash.h"
#include "shim/core/io.h"
#include "shim/entropy/entropy.h"
#include "shim/log/log.h"

struct search {
    uintptr_t address;
    char *to;
    size_t cap_bytes;
};

static int holds(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct search *search = arg;
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type != PT_LOAD ||
            search->address - info->dlpi_addr - part->p_vaddr >= part->p_memsz)
            continue;
        char program[512];
        const char *name = info->dlpi_name;
        if (!name || !*name)
            name = det_io_exe(program, sizeof program) ? program : "program";
        const char *slash = strrchr(name, '/');
        struct det_line line = { .at = search->to, .cap = search->cap_bytes };
        det_line_text(&line, slash ? slash + 1 : name);
        return 1;
    }
    return 0;
}

void det_caller_name(const void *address, char *to, size_t cap_bytes)
{
    struct search search = { (uintptr_t)address, NULL, cap_bytes };
    struct det_line line = { .cap = cap_bytes };
    search.to = line.at = to;
    det_line_text(&line, "?");
    dl_iterate_phdr(holds, &search);
}

#define N_CALLERS 256
static struct {
    _Atomic uint64_t key;
    _Atomic uint64_t count;
} callers[N_CALLERS];

/* How many draws this (caller, purpose) made before; the table never forgets, a full one shares its last row. */
static uint64_t times_before(const char *caller, const char *purpose)
{
    const uint64_t key =
        det_hash(caller, strlen(caller), det_hash(purpose, strlen(purpose), 0)) | 1;
    for (unsigned probe = 0; probe < N_CALLERS; probe++) {
        const unsigned i = probe == N_CALLERS - 1 ? 0 : (unsigned)(key + probe) % N_CALLERS;
        uint64_t found = 0;
        if (atomic_compare_exchange_strong(&callers[i].key, &found, key) || found == key ||
            probe == N_CALLERS - 1)
            return atomic_fetch_add(&callers[i].count, 1);
    }
    return 0;
}

void det_draw_log(
    const char *purpose, bool seeded, size_t n_bytes, uint64_t ordinal, const void *caller)
{
    char name[128];
    det_caller_name(caller, name, sizeof name);
    const uint64_t before = times_before(name, purpose);
    if (before < 20) {
        DET_LINE(detail, 200);
        det_line_printf(&detail, "%s %s", seeded ? "seeded" : "real", name);
        det_log_event("entropy", purpose, detail.at, n_bytes, ordinal);
    } else if ((before & (before - 1)) == 0) {
        DET_LINE(detail, 200);
        det_line_printf(&detail, "%s %s, draws so far", seeded ? "seeded" : "real", name);
        det_log_event("entropy", purpose, detail.at, n_bytes, before);
    }
}
