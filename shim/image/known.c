/* Store of PTX by machine code; see the header. */
#include "shim/image/known.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "shim/core/hash.h"
#include "shim/image/image.h"

enum { MAX_IMAGES = 4096, MAX_MIB = 256 };

struct key {
    uint64_t a, b, n_bytes; /* two hashes: a collision would run the wrong kernel */
};
struct entry {
    struct key key;
    char *ptx;
    size_t n_ptx;
    UT_hash_handle hh;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct entry *entries;
static size_t n_entries, total_bytes;

static struct key key_of(const void *machine, size_t n_bytes)
{
    return (struct key){ det_hash(machine, n_bytes, 1), det_hash(machine, n_bytes, 2), n_bytes };
}

bool det_known_add(const void *machine, size_t n_bytes, const char *ptx, size_t n_ptx)
{
    struct det_bytes bytes = { 0 };
    struct entry *there = NULL, *made = NULL;
    bool kept = false;
    while (n_ptx > 0 && ptx[n_ptx - 1] == '\0')
        n_ptx--;
    if (n_ptx == 0 || det_image_copy(machine, n_bytes, &bytes) != DET_OK)
        return false;
    const struct key key = key_of(bytes.data, bytes.n_bytes);
    det_bytes_free(&bytes);
    pthread_mutex_lock(&lock);
    HASH_FIND(hh, entries, &key, sizeof key, there);
    if (there != NULL) {
        kept = true;
    } else if (n_entries < MAX_IMAGES && total_bytes + n_ptx <= (size_t)MAX_MIB << 20 &&
               (made = calloc(1, sizeof *made)) != NULL && (made->ptx = malloc(n_ptx)) != NULL) {
        memcpy(made->ptx, ptx, n_ptx);
        made->n_ptx = n_ptx;
        made->key = key;
        HASH_ADD(hh, entries, key, sizeof key, made);
        n_entries++;
        total_bytes += n_ptx;
        kept = true;
    } else {
        free(made);
    }
    pthread_mutex_unlock(&lock);
    return kept;
}

bool det_known_find(const void *machine, size_t n_bytes, struct det_bytes *ptx)
{
    struct entry *there = NULL;
    const struct key key = key_of(machine, n_bytes);
    pthread_mutex_lock(&lock);
    HASH_FIND(hh, entries, &key, sizeof key, there);
    if (there != NULL)
        det_bytes_append(ptx, there->ptx, there->n_ptx);
    pthread_mutex_unlock(&lock);
    return there != NULL && det_bytes_check(ptx) == DET_OK;
}

void det_known_fork_child(void)
{
    static const pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;
    memcpy(&lock, &fresh, sizeof lock);
}
