/* The process path: who a process is, in words that are the same in every run. A forked child appends ".fN", N being
 * the fork's number in its parent; a child made by vfork or posix_spawn cannot be told at the time, so the exec hook
 * hands it ".vN" through DETSHIM_PATH. A plain exec keeps the path: it is still the same process. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shim/core/bytes.h"
#include "shim/core/hash.h"
#include "shim/entropy/entropy.h"
#include "shim/entropy/fork.h"

#define PATH_BYTES 160
static char path[PATH_BYTES];
static _Atomic int ready; /* 0 no, 1 being made, 2 yes */
static _Atomic uint64_t n_forks, n_spawned;
static uint64_t forking; /* number of the fork under way; glibc runs fork handlers under one lock */
static long owner;       /* pid the path belongs to */

/* The rank in its node comes last: it names a process only where no launcher said more. */
static const char *const rank_variables[] = { "RANK", "OMPI_COMM_WORLD_RANK", "PMIX_RANK",
    "PMI_RANK", "SLURM_PROCID", "LOCAL_RANK" };

static const char *rank_text(void)
{
    for (size_t i = 0; i < sizeof rank_variables / sizeof *rank_variables; i++) {
        const char *value = getenv(rank_variables[i]);
        if (value && *value && strspn(value, "0123456789") == strlen(value))
            return value;
    }
    return "";
}

void det_path_start(const char *inherited, const char *rank, char *to, size_t cap_bytes)
{
    struct det_line line = { .cap = cap_bytes };
    line.at = to;
    const size_t root = inherited ? strcspn(inherited, ".") : 0;
    const size_t rank_bytes = strlen(rank);
    const bool ours =
        root > 0 && (rank_bytes == 0 ? inherited[0] == 'p'
                                     : inherited[0] == 'r' && root == rank_bytes + 1 &&
                                           strncmp(inherited + 1, rank, rank_bytes) == 0);
    if (ours && strlen(inherited) < cap_bytes)
        det_line_text(&line, inherited);
    else if (rank_bytes)
        det_line_printf(&line, "r%s", rank);
    else
        det_line_text(&line, "p");
}

const char *det_path(void)
{
    int expected = 0;
    if (atomic_load_explicit(&ready, memory_order_acquire) == 2)
        return path;
    if (atomic_compare_exchange_strong(&ready, &expected, 1)) {
        det_path_start(getenv("DETSHIM_PATH"), rank_text(), path, sizeof path);
        owner = syscall(SYS_getpid);
        atomic_store_explicit(&ready, 2, memory_order_release);
    }
    while (atomic_load_explicit(&ready, memory_order_acquire) != 2)
        ;
    return path;
}

/* Append one step; a path that grows too long is folded into its hash, which keeps it distinct. */
static void append(char *to, size_t cap_bytes, const char *from, char kind, uint64_t number)
{
    DET_LINE(line, PATH_BYTES);
    if (strlen(from) > PATH_BYTES - 40) {
        det_line_bytes(&line, from, strcspn(from, "."));
        det_line_printf(&line, ".h%llx", (unsigned long long)det_hash(from, strlen(from), 0));
    } else {
        det_line_text(&line, from);
    }
    det_line_printf(&line, ".%c%llu", kind, (unsigned long long)number);
    struct det_line out = { .cap = cap_bytes };
    out.at = to;
    det_line_text(&out, line.at);
}

void det_path_spawned(char *to, size_t cap_bytes)
{
    const char *mine = det_path();
    append(to, cap_bytes, mine, 'v', atomic_fetch_add(&n_spawned, 1) + 1);
}

bool det_path_is_mine(void)
{
    det_path();
    return syscall(SYS_getpid) == owner;
}

void det_path_fork_prepare(void)
{
    det_path();
    forking = atomic_fetch_add(&n_forks, 1) + 1;
}

void det_path_fork_child(void)
{
    char child[PATH_BYTES];
    append(child, sizeof child, path, 'f', forking);
    memcpy(path, child, sizeof path);
    owner = syscall(SYS_getpid);
    atomic_store(&n_forks, 0);
    atomic_store(&n_spawned, 0);
    det_stream_fork_child();
}
