/* Exact adds in shared memory on the software GPU, under random schedules, against GMP and MPFR. Several blocks add the same
 * items, each to an array of its own; all must come out alike, and as the oracle says. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdlib.h>
#include <string.h>

#include "tests/softgpu/softgpu.h"
#include "tests/support/acc_kernel.h"
#include "tests/support/acc_table.h"
#include "tests/support/families.h"

bool sg_memory_ok(const void *at, size_t n_bytes)
{
    (void)n_bytes;
    return at != NULL;
}
void sg_memory_add_range(const void *at, size_t n_bytes)
{
    (void)at, (void)n_bytes;
}
void sg_memory_remove_range(const void *at)
{
    (void)at;
}

enum { N_ELEMS = 3 * N_FAMILIES, N_BLOCKS = 3 };
struct item {
    uint64_t index, bits;
};
struct work {
    enum oracle_type type;
    unsigned bytes;
    size_t n_items;
    struct item items[N_ELEMS * FAMILY_MAX_ADDENDS];
    uint64_t expected[N_ELEMS];
    unsigned char initial[8 * N_ELEMS], out[N_BLOCKS][8 * N_ELEMS];
};

static struct work *work_open(enum oracle_type type)
{
    struct work *w = calloc(1, sizeof *w);
    uint64_t random = 21 + (uint64_t)type, addends[FAMILY_MAX_ADDENDS], initial;
    w->type = type;
    w->bytes = (unsigned)oracle_formats[type].bytes;
    for (unsigned i = 0; i < N_ELEMS; i++) {
        const size_t n = family_draw(type, i % N_FAMILIES, &random, addends, &initial);
        for (size_t k = 0; k < n; k++)
            w->items[w->n_items++] = (struct item){ i, addends[k] };
        w->expected[i] = oracle_sum(type, initial, addends, n, false);
        memcpy(w->initial + i * w->bytes, &initial, w->bytes);
    }
    return w;
}

static void run(struct work *w, struct sg_module *module, const struct table *t, unsigned seed)
{
    static const unsigned threads[] = { 32, 64, 96, 128, 37, 256 };
    struct sg_schedule schedule = { .in_order = false };
    sg_schedule_seed(&schedule, seed);
    const uint64_t params[5] = { (uint64_t)(uintptr_t)w->out, (uint64_t)(uintptr_t)w->items,
        w->n_items, (uint64_t)(uintptr_t)t->head, (uint64_t)(uintptr_t)w->initial };
    memset(w->out, 0xee, sizeof w->out);
    const struct sg_launch launch = { .kernel = sg_module_kernel(module, ACC_KERNEL),
        .grid = { N_BLOCKS, 1, 1 },
        .block = { threads[sg_schedule_pick(&schedule, 6)], 1, 1 },
        .params = params };
    cr_assert_not_null(launch.kernel);
    struct sg_grid *grid = sg_grid_start(&launch);
    while (!sg_grid_step(grid, &schedule))
        ;
    const char *text = "";
    cr_assert_eq(sg_grid_fault(grid, &text), SG_OK, "%s", text);
    sg_grid_free(grid);
}

static uint64_t result(const struct work *w, unsigned block, unsigned i)
{
    uint64_t bits = 0;
    memcpy(&bits, &w->out[0][0] + (block * N_ELEMS + i) * w->bytes, w->bytes);
    return bits;
}

static struct sg_module *load(const struct acc_kernel *form)
{
    struct det_bytes text = { 0 };
    char error[256] = "";
    cr_assert_eq(acc_kernel_write_shared(&text, form, N_ELEMS), DET_OK);
    struct sg_module *module = sg_module_load(text.data, text.n_bytes, error, sizeof error);
    cr_assert_not_null(module, "%s", error);
    det_bytes_free(&text);
    return module;
}

static struct acc_kernel forms[] = { { .type = DET_PTX_F32, .lanes = 1 },
    { .type = DET_PTX_F32, .lanes = 1, .generic = true }, { .type = DET_PTX_F64, .lanes = 1 },
    { .type = DET_PTX_F16, .lanes = 1 }, { .type = DET_PTX_BF16, .lanes = 1, .generic = true } };

ParameterizedTestParameters(acc_shared, equals_the_oracle_under_any_schedule)
{
    return cr_make_param_array(struct acc_kernel, forms, sizeof forms / sizeof *forms);
}

ParameterizedTest(
    struct acc_kernel *form, acc_shared, equals_the_oracle_under_any_schedule, .timeout = 300)
{
    const char *asked = getenv("SCHEDULES");
    struct work *w = work_open((enum oracle_type)form->type);
    struct sg_module *module = load(form);
    struct table t = table_open(
        1024, DET_ACC_FLUSH_F32); /* for global memory only: shared memory keeps subnormals */
    const unsigned n = asked ? (unsigned)atoi(asked) : 60;
    for (unsigned seed = 0; seed < n; seed++) {
        run(w, module, &t, seed);
        for (unsigned block = 0; block < N_BLOCKS; block++)
            for (unsigned i = 0; i < N_ELEMS; i++)
                cr_assert_eq(result(w, block, i), w->expected[i],
                    "%s seed %u block %u '%s': %#lx instead of %#lx", oracle_formats[w->type].name,
                    seed, block, family_names[i % N_FAMILIES], result(w, block, i), w->expected[i]);
    }
    cr_assert_gt(table_counters(&t)->specials, 0);
    cr_assert_eq(table_counters(&t)->overflow, 0);
    free(w);
}

Test(acc_shared, control_plain_atomics_differ_between_blocks)
{
    const struct acc_kernel form = { .type = DET_PTX_F32, .lanes = 1, .plain = true };
    struct work *w = work_open(ORACLE_F32);
    struct sg_module *module = load(&form);
    struct table t = table_open(1024, 0);
    unsigned differ = 0;
    for (unsigned seed = 0; seed < 8; seed++) {
        run(w, module, &t, seed);
        differ +=
            memcmp(&w->out[0][0], &w->out[0][0] + N_ELEMS * w->bytes, N_ELEMS * w->bytes) != 0;
    }
    cr_assert_gt(differ, 3);
    free(w);
}

Test(acc_shared, a_shadow_has_room_for_the_words_and_a_bit_each)
{
    cr_assert_eq(det_ptx_shadow_bytes(DET_PTX_F32, 32), 32 * 40 + 4);
    cr_assert_eq(det_ptx_shadow_bytes(DET_PTX_F16, 33), 33 * 16 + 8);
    cr_assert_eq(det_ptx_shadow_bytes(DET_PTX_OTHER, 1), 0);
}
