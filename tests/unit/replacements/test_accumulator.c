/* The C twin of the exact accumulator against GMP and MPFR: fourteen families, threads in random order, random window bases.
 * Controls show that the families bite: layouts that are proven too small must fail here. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "replacements/reference/accumulator.h"
#include "tests/support/acc_table.h"
#include "tests/support/families.h"

/* --- a workload: many targets, one list of adds in random order, eaten by threads --- */
enum { N_TARGETS = 1400, CHUNK = 32 };
struct item {
    uint32_t target;
    uint64_t bits;
};
struct work {
    enum det_acc_type type;
    bool flush;
    struct item *items;
    size_t n_items, next;
    uint64_t initial[N_TARGETS], expected[N_TARGETS];
    unsigned char *targets;
    const struct det_acc_head *head; /* NULL: plain float atomics */
};

static void put_bits(struct work *w, size_t i, uint64_t bits)
{
    memcpy(w->targets + i * det_acc_formats[w->type].bytes, &bits, det_acc_formats[w->type].bytes);
}

static uint64_t get_bits(const struct work *w, size_t i)
{
    uint64_t bits = 0;
    memcpy(&bits, w->targets + i * det_acc_formats[w->type].bytes, det_acc_formats[w->type].bytes);
    return bits;
}

static struct work *work_open(enum det_acc_type type, bool flush, uint64_t *random)
{
    struct work *w = calloc(1, sizeof *w);
    w->type = type, w->flush = flush;
    w->items = malloc(sizeof *w->items * N_TARGETS * FAMILY_MAX_ADDENDS);
    w->targets = aligned_alloc(256, 8 * N_TARGETS + 256 - 8 * N_TARGETS % 256);
    for (uint32_t i = 0; i < N_TARGETS; i++) {
        uint64_t addends[FAMILY_MAX_ADDENDS];
        const size_t n =
            family_draw((enum oracle_type)type, i % N_FAMILIES, random, addends, &w->initial[i]);
        for (size_t k = 0; k < n; k++)
            w->items[w->n_items++] = (struct item){ i, addends[k] };
        w->expected[i] = oracle_sum((enum oracle_type)type, w->initial[i], addends, n, flush);
    }
    return w;
}

static void work_close(struct work *w)
{
    free(w->items);
    free(w->targets);
    free(w);
}

static void *eat(void *argument)
{
    struct work *w = argument;
    for (;;) {
        const size_t from = __atomic_fetch_add(&w->next, CHUNK, __ATOMIC_RELAXED);
        if (from >= w->n_items)
            return NULL;
        for (size_t i = from; i < from + CHUNK && i < w->n_items; i++) {
            void *target = w->targets + w->items[i].target * det_acc_formats[w->type].bytes;
            if (w->head)
                det_acc_ref_add(w->head, w->type, target, w->items[i].bits);
            else
                det_acc_ref_plain_add(w->type, target, w->items[i].bits, w->flush);
        }
    }
}

static void work_run(
    struct work *w, const struct det_acc_head *head, unsigned n_threads, uint64_t *random)
{
    for (size_t i = w->n_items - 1; i > 0; i--) {
        const size_t j = random_bits(random) % (i + 1);
        const struct item item = w->items[i];
        w->items[i] = w->items[j], w->items[j] = item;
    }
    for (size_t i = 0; i < N_TARGETS; i++)
        put_bits(w, i, w->initial[i]);
    w->head = head, w->next = 0;
    pthread_t threads[16];
    for (unsigned i = 0; i < n_threads; i++)
        pthread_create(&threads[i], NULL, eat, w);
    for (unsigned i = 0; i < n_threads; i++)
        pthread_join(threads[i], NULL);
}

static size_t work_wrong(const struct work *w, size_t by_family[N_FAMILIES])
{
    size_t wrong = 0;
    for (size_t i = 0; i < N_TARGETS; i++)
        if (get_bits(w, i) != w->expected[i]) {
            wrong++;
            by_family[i % N_FAMILIES]++;
        }
    return wrong;
}

/* --- tests --- */
Test(acc_plan, sizes_are_powers_of_two_and_fit)
{
    struct det_acc_layout layout;
    cr_assert_eq(det_acc_plan(1, 3, &layout), DET_OK);
    cr_assert_eq(layout.n_slots, 1024);
    cr_assert_eq(det_acc_plan(1025, 0, &layout), DET_OK);
    cr_assert_eq(layout.n_slots, 2048);
    cr_assert_eq(layout.total_bytes - layout.bins_at, (size_t)2048 * DET_ACC_SLOT_WORDS * 8);
    cr_assert_eq(det_acc_plan((1u << 26) + 1, 0, &layout), DET_E_LIMIT);
    cr_assert_eq(det_acc_plan(1, (1u << 16) + 1, &layout), DET_E_LIMIT);
    cr_assert_eq(det_acc_slots_in(1 << 20), 0);
    for (size_t bytes = 4 << 20; bytes < (size_t)1 << 33; bytes *= 3) {
        const uint32_t n = det_acc_slots_in(bytes);
        cr_assert_eq(det_acc_plan(n, 0, &layout), DET_OK);
        cr_assert(layout.total_bytes <= bytes && 3 * layout.total_bytes > bytes);
    }
    cr_assert_eq(det_acc_slots_for(0, 4), 1024);
    cr_assert_eq(
        det_acc_slots_for((size_t)1 << 20, 4), 32768); /* 8192 blocks + 2, half full at most */
    cr_assert_eq(det_acc_slots_for((size_t)1 << 40, 8), 1u << 26);
}

Test(acc_plan, grid_covers_the_slots_and_no_more)
{
    cr_assert_eq(det_acc_fold_grid(1024, 132), 256);
    cr_assert_eq(det_acc_fold_grid(1 << 20, 132), 1056);
    cr_assert_eq(det_acc_fold_grid(1 << 20, 0), 8);
    cr_assert_eq(det_acc_fold_grid(0, 132), 1);
    cr_assert_eq(det_acc_fold_grid(5, 132), 2);
    cr_assert_eq(det_acc_blocks_for(256, 4), 4);
    cr_assert_eq(det_acc_blocks_for(SIZE_MAX, 2), 1u << 26);
}

struct mode {
    enum det_acc_type type;
    bool flush;
};
static struct mode modes[] = { { DET_ACC_F32, true }, { DET_ACC_F32, false },
    { DET_ACC_F64, false }, { DET_ACC_F16, false }, { DET_ACC_BF16, false } };

ParameterizedTestParameters(acc_twin, equals_the_oracle_in_any_order)
{
    return cr_make_param_array(struct mode, modes, sizeof modes / sizeof *modes);
}

ParameterizedTest(struct mode *mode, acc_twin, equals_the_oracle_in_any_order, .timeout = 120)
{
    uint64_t random = 1 + mode->type * 2 + mode->flush;
    struct table t = table_open(4096, mode->flush ? DET_ACC_FLUSH_F32 : 0);
    struct work *w = work_open(mode->type, mode->flush, &random);
    size_t by_family[N_FAMILIES] = { 0 };
    for (unsigned run = 0; run < 25; run++) {
        if (run != 0) {
            t.head->f32_base = (int32_t)(random_bits(&random) % (DET_ACC_F32_BASE_MAX + 1));
            t.head->bf16_base = (int32_t)(random_bits(&random) % (DET_ACC_BF16_BASE_MAX + 1));
        }
        work_run(w, t.head, 1u << run % 5, &random);
        det_acc_ref_fold(t.head, &t.report);
        cr_assert(table_is_zero(&t));
        if (work_wrong(w, by_family) != 0)
            for (size_t i = 0; i < N_TARGETS; i++)
                if (get_bits(w, i) != w->expected[i])
                    cr_assert_fail("%s flush %d run %u family '%s': %#lx instead of %#lx",
                        det_acc_formats[mode->type].name, mode->flush, run,
                        family_names[i % N_FAMILIES], get_bits(w, i), w->expected[i]);
    }
    cr_assert_eq(t.report.folds, 25);
    cr_assert(t.report.elements > 25 * 1200 && t.report.specials > 0);
    cr_assert_eq(
        t.report.overflow + t.report.mixed_types + t.report.foreign_writer + t.report.headroom, 0);
    const bool windowed = mode->type == DET_ACC_F32 || mode->type == DET_ACC_BF16;
    cr_assert_eq(t.report.promotions > 0, windowed);
    work_close(w);
}

ParameterizedTestParameters(acc_twin, control_plain_atomics_depend_on_order)
{
    return cr_make_param_array(struct mode, modes, sizeof modes / sizeof *modes);
}

ParameterizedTest(
    struct mode *mode, acc_twin, control_plain_atomics_depend_on_order, .timeout = 120)
{
    uint64_t random = 77, first[N_TARGETS];
    struct work *w = work_open(mode->type, mode->flush, &random);
    size_t unstable = 0;
    work_run(w, NULL, 2, &random);
    for (size_t i = 0; i < N_TARGETS; i++)
        first[i] = get_bits(w, i);
    work_run(w, NULL, 2, &random);
    for (size_t i = 0; i < N_TARGETS; i++)
        unstable += get_bits(w, i) != first[i];
    cr_assert_gt(unstable, N_TARGETS / 5);
    work_close(w);
}
