/* See the header. write(2) into a scratch file answers EFAULT where a load would kill the program; process_vm_readv would not
 * do: it refuses the driver's own mappings, which pinned memory is. */
#include "shim/cuda/cuda_memory.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shim/core/hash.h"

enum { CHUNK = 1 << 20 };

/* Opened for one block only: programs close descriptors they do not know. */
struct scratch {
    int fd;
    char *at;
};

static bool scratch_open(struct scratch *scratch)
{
    scratch->fd = (int)syscall(SYS_memfd_create, "detshim", 1U /* MFD_CLOEXEC */);
    if (scratch->fd < 0)
        return false;
    scratch->at = ftruncate(scratch->fd, CHUNK) == 0
                      ? mmap(NULL, CHUNK, PROT_READ, MAP_SHARED, scratch->fd, 0)
                      : MAP_FAILED;
    if (scratch->at != MAP_FAILED)
        return true;
    close(scratch->fd);
    return false;
}

static void scratch_close(struct scratch *scratch)
{
    munmap(scratch->at, CHUNK);
    close(scratch->fd);
}

static bool fetched(const struct scratch *scratch, const char *from, size_t n_bytes)
{
    for (size_t done = 0; done < n_bytes;) {
        const ssize_t n = pwrite(scratch->fd, from + done, n_bytes - done, (off_t)done);
        if (n <= 0 && !(n < 0 && errno == EINTR))
            return false;
        done += n > 0 ? (size_t)n : 0;
    }
    return true;
}

/* In the same pieces whether read directly or not. */
static bool digest_row(
    const struct scratch *scratch, const char *from, size_t n_bytes, uint64_t *digest)
{
    for (size_t at = 0; at < n_bytes; at += CHUNK) {
        const size_t n = n_bytes - at < CHUNK ? n_bytes - at : CHUNK;
        if (scratch && !fetched(scratch, from + at, n))
            return false;
        *digest = det_hash(scratch ? scratch->at : from + at, n, *digest);
    }
    return true;
}

bool det_memory_digest(const struct det_digest_block *block, bool safe, uint64_t *digest)
{
    struct scratch scratch;
    bool good = true;
    *digest = 0;
    if (safe && !scratch_open(&scratch))
        return false;
    for (size_t z = 0; good && z < block->depth; z++)
        for (size_t y = 0; good && y < block->rows; y++)
            good = digest_row(safe ? &scratch : NULL,
                block->at + z * block->slice + y * block->pitch, block->width, digest);
    if (safe)
        scratch_close(&scratch);
    return good;
}
