/* Sets of hashes that were seen. */
#include <criterion/criterion.h>
#include <pthread.h>

#include "shim/core/seen.h"

Test(seen, each_value_is_first_once)
{
    static struct det_seen set;
    for (uint64_t i = 0; i < 700; i++) {
        cr_assert(!det_seen_has(&set, i * 977));
        cr_assert(det_seen_first(&set, i * 977));
        cr_assert(!det_seen_first(&set, i * 977));
        cr_assert(det_seen_has(&set, i * 977));
    }
}

Test(seen, a_full_set_calls_everything_seen_and_ends)
{
    static struct det_seen set;
    int n = 0;
    for (uint64_t i = 1; i < 5000; i++)
        n += det_seen_first(&set, i * 1024); /* all want the same slot */
    cr_assert_eq(n, DET_SEEN_SLOTS / 4 * 3);
    cr_assert(!det_seen_has(&set, 4999 * 1024));
}

static struct det_seen shared;
static void *insert(void *arg)
{
    for (uint64_t i = 1; i <= 500; i++)
        *(int *)arg += det_seen_first(&shared, i);
    return NULL;
}

Test(seen, threads_share_the_firsts)
{
    pthread_t threads[4];
    int n[4] = { 0 }, total = 0;
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, insert, &n[i]);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        total += n[i];
    }
    cr_assert_eq(total, 500);
}
