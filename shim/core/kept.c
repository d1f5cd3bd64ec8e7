/* See kept.h. */
#include "shim/core/kept.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "shim/core/hash.h"

struct key {
    const void *handle;
    uint64_t field;
};
struct det_kept_item {
    struct key key;
    int64_t value;
    UT_hash_handle hh;
};

static bool lock(struct det_kept *map)
{
    for (int tries = 0; tries < 100000; tries++) {
        if (!atomic_flag_test_and_set_explicit(&map->busy, memory_order_acquire))
            return true;
        if (tries > 64)
            sched_yield();
    }
    return false;
}

static void unlock(struct det_kept *map)
{
    atomic_flag_clear_explicit(&map->busy, memory_order_release);
}

static struct det_kept_item *find(struct det_kept *map, const void *handle, unsigned field)
{
    const struct key key = { handle, field };
    struct det_kept_item *item;
    HASH_FIND(hh, map->items, &key, sizeof key, item);
    return item;
}

void det_kept_set(struct det_kept *map, const void *handle, unsigned field, int64_t value)
{
    if (!lock(map))
        return;
    struct det_kept_item *item = find(map, handle, field);
    if (!item && (item = calloc(1, sizeof *item))) {
        item->key = (struct key){ handle, field };
        HASH_ADD(hh, map->items, key, sizeof item->key, item);
    }
    if (item)
        item->value = value;
    unlock(map);
}

bool det_kept_get(struct det_kept *map, const void *handle, unsigned field, int64_t *value)
{
    if (!lock(map))
        return false;
    const struct det_kept_item *item = find(map, handle, field);
    if (item)
        *value = item->value;
    unlock(map);
    return item != NULL;
}

void det_kept_drop(struct det_kept *map, const void *handle, unsigned n_fields)
{
    if (!lock(map))
        return;
    for (unsigned field = 0; field < n_fields; field++) {
        struct det_kept_item *item = find(map, handle, field);
        if (item) {
            HASH_DELETE(hh, map->items, item);
            free(item);
        }
    }
    unlock(map);
}
