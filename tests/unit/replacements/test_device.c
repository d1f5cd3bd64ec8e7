/* Emitted PTX and the fold kernel on the software GPU, under random schedules: against GMP and MPFR, and against the C twin bin
 * by bin. How many schedules: SCHEDULES in the environment, else what fits CI (the test prints it). */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <math.h>
#include <string.h>

#include "replacements/reference/accumulator.h"
#include "tests/softgpu/softgpu.h"
#include "tests/support/acc_kernel.h"
#include "tests/support/acc_table.h"
#include "tests/support/families.h"

/* The interpreter asks the driver whether memory may be touched; here everything may. */
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

static unsigned n_schedules(unsigned usual)
{
    const char *asked = getenv("SCHEDULES");
    return asked ? (unsigned)atoi(asked) : usual;
}

/* --- kernels --- */
static struct sg_module *load(const char *text, size_t n_bytes)
{
    char error[256] = "";
    struct sg_module *module = sg_module_load(text, n_bytes, error, sizeof error);
    cr_assert_not_null(module, "%s", error);
    return module;
}

static struct sg_module *load_scatter(const struct acc_kernel *form)
{
    struct det_bytes text = { 0 };
    cr_assert_eq(acc_kernel_write(&text, form), DET_OK);
    struct sg_module *module = load(text.data, text.n_bytes);
    det_bytes_free(&text);
    return module;
}

static struct sg_grid *start(struct sg_module *module, const char *name, unsigned blocks,
    unsigned threads, const void *params)
{
    struct sg_kernel *kernel = sg_module_kernel(module, name);
    cr_assert_not_null(kernel);
    const struct sg_launch launch = {
        .kernel = kernel, .grid = { blocks, 1, 1 }, .block = { threads, 1, 1 }, .params = params
    };
    return sg_grid_start(&launch);
}

static void finish(struct sg_grid *grid)
{
    const char *text = "";
    const enum sg_fault fault = sg_grid_fault(grid, &text);
    cr_assert_eq(fault, SG_OK, "%s", text);
    sg_grid_free(grid);
}

static void run(struct sg_module *module, const char *name, unsigned blocks, unsigned threads,
    const void *params, struct sg_schedule *schedule)
{
    struct sg_grid *grid = start(module, name, blocks, threads, params);
    while (!sg_grid_step(grid, schedule))
        ;
    finish(grid);
}

static void fold(struct sg_module *module, struct table *t, struct sg_schedule *schedule)
{
    const uint64_t params[2] = { (uint64_t)(uintptr_t)t->head, (uint64_t)(uintptr_t)&t->report };
    run(module, DET_ACC_FOLD_KERNEL, 1 + sg_schedule_pick(schedule, 5), DET_ACC_FOLD_BLOCK, params,
        schedule);
}

/* --- workloads --- */
enum { PER_FAMILY = 3, N_TARGETS = PER_FAMILY * N_FAMILIES };
struct item {
    uint64_t index, bits;
};
struct work {
    enum det_acc_type type;
    unsigned lanes, bytes;
    bool flush;
    size_t n_items;
    struct item *items;
    uint64_t initial[4 * N_TARGETS], expected[4 * N_TARGETS];
    unsigned char *targets;
};

static void put_bits(struct work *w, size_t i, uint64_t bits)
{
    memcpy(w->targets + i * w->bytes, &bits, w->bytes);
}

static uint64_t get_bits(const struct work *w, size_t i)
{
    uint64_t bits = 0;
    memcpy(&bits, w->targets + i * w->bytes, w->bytes);
    return bits;
}

/* lanes 1: a list per target. lanes 2: packed, neighbours have lists of their own, the shorter filled up with -0, the identity.
 * lanes 4: vector, four neighbours receive the same addends. */
static struct work *work_open(
    enum det_acc_type type, bool flush, unsigned lanes, bool negate, uint64_t *random)
{
    struct work *w = calloc(1, sizeof *w);
    const uint64_t sign = oracle_sign((enum oracle_type)type);
    *w = (struct work){
        .type = type, .lanes = lanes, .bytes = det_acc_formats[type].bytes, .flush = flush
    };
    w->items = malloc(sizeof *w->items * N_TARGETS * FAMILY_MAX_ADDENDS);
    w->targets = aligned_alloc(256, 8192);
    for (unsigned i = 0; i < N_TARGETS; i++) {
        uint64_t addends[2][FAMILY_MAX_ADDENDS], unused;
        size_t n[2] = { 0, 0 };
        for (unsigned lane = 0; lane < lanes; lane++) {
            uint64_t *list = addends[lane % 2];
            if (lane < (lanes == 2 ? 2 : 1))
                n[lane] = family_draw(
                    (enum oracle_type)type, (i + lane) % N_FAMILIES, random, list, &unused);
            else
                list = addends[0];
            uint64_t dummy[FAMILY_MAX_ADDENDS];
            family_draw((enum oracle_type)type, 12, random, dummy, &w->initial[i * lanes + lane]);
            if (lanes == 1)
                w->initial[i] = unused;
            w->expected[i * lanes + lane] = oracle_sum((enum oracle_type)type,
                w->initial[i * lanes + lane], list, lanes == 2 ? n[lane] : n[0], flush);
        }
        for (size_t k = 0; k < n[0] || k < n[1]; k++) {
            uint64_t bits = k < n[0] ? addends[0][k] : sign;
            if (lanes == 2)
                bits |= (k < n[1] ? addends[1][k] : sign) << 16;
            if (negate)
                bits ^= lanes == 2 ? sign | sign << 16 : sign;
            w->items[w->n_items++] = (struct item){ i, bits };
        }
    }
    return w;
}

static void work_close(struct work *w)
{
    free(w->items);
    free(w->targets);
    free(w);
}

static void work_scatter(
    struct work *w, struct sg_module *module, const struct table *t, struct sg_schedule *schedule)
{
    static const unsigned shapes[][2] = { { 1, 32 }, { 3, 64 }, { 7, 96 }, { 2, 128 }, { 13, 32 },
        { 5, 37 } };
    for (size_t i = 0; i < (size_t)N_TARGETS * w->lanes; i++)
        put_bits(w, i, w->initial[i]);
    const uint64_t params[4] = { (uint64_t)(uintptr_t)w->targets, (uint64_t)(uintptr_t)w->items,
        w->n_items, (uint64_t)(uintptr_t)t->head };
    const unsigned *shape = shapes[sg_schedule_pick(schedule, 6)];
    run(module, ACC_KERNEL, shape[0], shape[1], params, schedule);
}

static void work_check(const struct work *w, const char *what, unsigned seed)
{
    for (size_t i = 0; i < (size_t)N_TARGETS * w->lanes; i++)
        cr_assert_eq(get_bits(w, i), w->expected[i],
            "%s %s seed %u family '%s' lane %zu: %#lx instead of %#lx", what,
            det_acc_formats[w->type].name, seed, family_names[i / w->lanes % N_FAMILIES],
            i % w->lanes, get_bits(w, i), w->expected[i]);
}

static void random_bases(struct table *t, uint64_t *random)
{
    t->head->f32_base = (int32_t)(random_bits(random) % (DET_ACC_F32_BASE_MAX + 1));
    t->head->bf16_base = (int32_t)(random_bits(random) % (DET_ACC_BF16_BASE_MAX + 1));
}

/* --- tests --- */
struct form {
    struct acc_kernel kernel;
    bool flush;
    unsigned schedules;
};
static struct form forms[] = {
    { { .type = DET_PTX_F32, .lanes = 1 }, true, 200 },
    { { .type = DET_PTX_F32, .lanes = 1, .generic = true, .guarded = true, .counted = true }, false,
        60 },
    { { .type = DET_PTX_F32, .lanes = 4, .version = 81, .target = 90 }, true, 60 },
    { { .type = DET_PTX_F32, .lanes = 1, .negate = true, .version = 60, .target = 60 }, true, 60 },
    { { .type = DET_PTX_F64, .lanes = 1, .guarded = true }, false, 200 },
    { { .type = DET_PTX_F16, .lanes = 1, .counted = true }, false, 200 },
    { { .type = DET_PTX_F16, .lanes = 2, .packed = true, .generic = true }, false, 200 },
    { { .type = DET_PTX_BF16, .lanes = 1 }, false, 200 },
    { { .type = DET_PTX_BF16, .lanes = 2, .packed = true, .negate = true }, false, 200 },
};

ParameterizedTestParameters(acc_device, equals_the_oracle_under_any_schedule)
{
    return cr_make_param_array(struct form, forms, sizeof forms / sizeof *forms);
}

ParameterizedTest(
    struct form *form, acc_device, equals_the_oracle_under_any_schedule, .timeout = 600)
{
    uint64_t random = 100 + (uint64_t)form->kernel.type;
    const enum det_acc_type type = (enum det_acc_type)form->kernel.type;
    struct sg_module *scatter = load_scatter(&form->kernel),
                     *folder = load(det_acc_fold_ptx, strlen(det_acc_fold_ptx));
    struct work *w = work_open(type, form->flush, form->kernel.lanes, form->kernel.negate, &random);
    struct table t = table_open(1024, form->flush ? DET_ACC_FLUSH_F32 : 0);
    const unsigned n = n_schedules(form->schedules);
    uint64_t last_hash = 0;
    for (unsigned seed = 0; seed < n; seed++) {
        struct sg_schedule schedule = { .in_order = false };
        sg_schedule_seed(&schedule, seed);
        if (seed != 0)
            random_bases(&t, &random);
        work_scatter(w, scatter, &t, &schedule);
        fold(folder, &t, &schedule);
        work_check(w, "after the fold,", seed);
        cr_assert_neq(schedule.hash, last_hash); /* it was another schedule */
        last_hash = schedule.hash;
        cr_assert(table_is_zero(&t));
    }
    cr_assert_eq(t.report.folds, n);
    cr_assert(t.report.specials > 0 && t.report.elements > 0);
    cr_assert_eq(t.report.promotions > 0, type == DET_ACC_F32 || type == DET_ACC_BF16);
    cr_assert_eq(
        t.report.overflow + t.report.mixed_types + t.report.foreign_writer + t.report.headroom, 0);
    cr_assert_eq(t.report.adds > 0, form->kernel.counted);
    printf("%s: %u schedules, %zu items each: %lu elements folded, %lu promotions, %lu zero, Inf "
           "or NaN addends\n",
        det_acc_formats[type].name, n, w->n_items, (unsigned long)t.report.elements,
        (unsigned long)t.report.promotions, (unsigned long)t.report.specials);
    work_close(w);
}

ParameterizedTestParameters(acc_device, leaves_the_table_as_the_twin_does)
{
    return cr_make_param_array(struct form, forms, sizeof forms / sizeof *forms);
}

ParameterizedTest(struct form *form, acc_device, leaves_the_table_as_the_twin_does, .timeout = 120)
{
    uint64_t random = 7 + (uint64_t)form->kernel.type;
    const enum det_acc_type type = (enum det_acc_type)form->kernel.type;
    if (form->kernel.negate)
        return; /* the twin takes addends as they are */
    struct sg_module *scatter = load_scatter(&form->kernel),
                     *folder = load(det_acc_fold_ptx, strlen(det_acc_fold_ptx));
    struct work *w = work_open(type, form->flush, form->kernel.lanes, false, &random);
    const uint32_t flags = form->flush ? DET_ACC_FLUSH_F32 : 0;
    struct table device = table_open(1024, flags), twin = table_open(1024, flags);
    for (unsigned seed = 0; seed < 5; seed++) {
        struct sg_schedule schedule = { .in_order = false };
        sg_schedule_seed(&schedule, 1000 + seed);
        random_bases(&device, &random);
        twin.head->f32_base = device.head->f32_base, twin.head->bf16_base = device.head->bf16_base;
        work_scatter(w, scatter, &device, &schedule);
        unsigned char after[8192], before[8192];
        memcpy(after, w->targets, sizeof after);
        for (size_t i = 0; i < (size_t)N_TARGETS * w->lanes; i++)
            put_bits(w, i, w->initial[i]);
        for (size_t k = 0; k < w->n_items; k++)
            for (unsigned lane = 0; lane < w->lanes; lane++)
                det_acc_ref_add(twin.head, type,
                    w->targets + (w->items[k].index * w->lanes + lane) * w->bytes,
                    w->items[k].bits >> (form->kernel.packed && lane ? 16 : 0) &
                        (oracle_sign((enum oracle_type)type) * 2 - 1));
        cr_assert(table_same_sums(&device, &twin), "seed %u", seed);
        cr_assert_eq(table_counters(&device)->n_dirty, table_counters(&twin)->n_dirty);
        cr_assert_eq(table_counters(&device)->specials, table_counters(&twin)->specials);
        cr_assert_eq(table_counters(&device)->promotions, table_counters(&twin)->promotions);
        memcpy(before, w->targets, sizeof before);
        det_acc_ref_fold(twin.head, &twin.report);
        memcpy(before, w->targets, sizeof before);
        memcpy(w->targets, after, sizeof after);
        fold(folder, &device, &schedule);
        work_check(w, "against the twin,", seed);
        cr_assert_arr_eq(w->targets, before, (size_t)N_TARGETS * w->lanes * w->bytes);
        twin.report.adds = device.report.adds; /* the twin has no threads that count */
        cr_assert_arr_eq(&device.report, &twin.report, sizeof twin.report);
    }
    work_close(w);
}

Test(acc_device, control_plain_atomics_differ_between_schedules)
{
    uint64_t random = 3;
    const struct acc_kernel kernel = { .type = DET_PTX_F32, .lanes = 1, .plain = true };
    struct sg_module *scatter = load_scatter(&kernel);
    struct work *w = work_open(DET_ACC_F32, true, 1, false, &random);
    struct table t = table_open(1024, 0);
    unsigned char first[8192];
    unsigned differ = 0;
    for (unsigned seed = 0; seed < 8; seed++) {
        struct sg_schedule schedule = { .in_order = false };
        sg_schedule_seed(&schedule, seed);
        work_scatter(w, scatter, &t, &schedule);
        if (seed == 0)
            memcpy(first, w->targets, sizeof first);
        differ += memcmp(first, w->targets, (size_t)N_TARGETS * w->bytes) != 0;
    }
    cr_assert_gt(differ, 3);
    work_close(w);
}

Test(acc_device, adds_are_counted_and_reported)
{
    uint64_t random = 4;
    const struct acc_kernel kernel = { .type = DET_PTX_F32, .lanes = 1, .counted = true };
    struct sg_module *scatter = load_scatter(&kernel),
                     *folder = load(det_acc_fold_ptx, strlen(det_acc_fold_ptx));
    struct work *w = work_open(DET_ACC_F32, true, 1, false, &random);
    struct table t = table_open(1024, DET_ACC_FLUSH_F32);
    struct sg_schedule schedule = { .in_order = false };
    sg_schedule_seed(&schedule, 1);
    uint64_t counted = 0;
    for (size_t i = 0; i < w->n_items; i++) {
        const uint64_t magnitude = w->items[i].bits & 0x7fffffff;
        counted += (magnitude >= 0x800000 && magnitude < 0x7f800000) || magnitude > 0x7f800000;
    }
    work_scatter(w, scatter, &t, &schedule);
    fold(folder, &t, &schedule);
    cr_assert_eq(t.report.adds, counted);
    cr_assert_eq(t.report.headroom, 0);
    table_counters(&t)->adds = DET_ACC_ADDS_LIMIT + 1;
    fold(folder, &t, &schedule);
    cr_assert_eq(t.report.headroom, 1);
    work_close(w);
}

/* Small whole numbers: every order of float adds is exact, so a lost or doubled update shows. */
enum { N_WHOLE = 6016 }; /* 188 blocks, all full */
static float whole[N_WHOLE] __attribute__((aligned(256)));
static struct item whole_items[2 * N_WHOLE];

static void whole_scatter(
    struct sg_module *module, const struct table *t, struct sg_schedule *schedule)
{
    memset(whole, 0, sizeof whole);
    for (unsigned i = 0; i < 2 * N_WHOLE; i++) {
        const float value = (float)(1 + i % 5);
        whole_items[i].index = i % N_WHOLE;
        memcpy(&whole_items[i].bits, &value, 4);
    }
    const uint64_t params[4] = { (uint64_t)(uintptr_t)whole, (uint64_t)(uintptr_t)whole_items,
        2 * N_WHOLE, (uint64_t)(uintptr_t)t->head };
    run(module, ACC_KERNEL, 9, 128, params, schedule);
}

Test(acc_device, a_full_table_loses_no_update)
{
    const struct acc_kernel kernel = { .type = DET_PTX_F32, .lanes = 1 };
    struct sg_module *scatter = load_scatter(&kernel),
                     *folder = load(det_acc_fold_ptx, strlen(det_acc_fold_ptx));
    struct table t = table_open(1024, DET_ACC_FLUSH_F32);
    struct sg_schedule schedule = { .in_order = false };
    sg_schedule_seed(&schedule, 2);
    t.head->slot_mask = 63; /* 64 slots for 188 blocks */
    t.head->hash_shift = 26;
    t.head->probe_limit = 8;
    whole_scatter(scatter, &t, &schedule);
    fold(folder, &t, &schedule);
    for (unsigned i = 0; i < N_WHOLE; i++)
        cr_assert_eq(whole[i], (float)(2 + i % 5 + (i + N_WHOLE) % 5));
    cr_assert(t.report.overflow > 0 && t.report.elements == 64 * 32);
    cr_assert(table_is_zero(&t));
}

/* Addends of one scale far from where the window starts: the fold moves it, and no bit depends on where it is. */
static void scale_check(enum det_acc_type type, int scale, struct sg_module *folder)
{
    enum { N_SUMS = 40, N_EACH = 50 };
    const struct acc_kernel kernel = { .type = (enum det_ptx_type)type, .lanes = 1 };
    struct sg_module *scatter = load_scatter(&kernel);
    struct table t = table_open(1024, 0), twin = table_open(1024, 0);
    struct sg_schedule schedule = { .in_order = false };
    uint64_t random = 5 + (uint64_t)scale, before = 0;
    struct work *w = work_open(type, false, 1, false, &random);
    sg_schedule_seed(&schedule, 3);
    for (unsigned launch = 0; launch < 4; launch++) {
        w->n_items = 0;
        for (unsigned i = 0; i < N_SUMS; i++) {
            uint64_t list[N_EACH];
            for (unsigned k = 0; k < N_EACH; k++) {
                const float f = ldexpf((float)(random_bits(&random) % 2000) - 999.5F, scale);
                uint32_t bits;
                memcpy(&bits, &f, 4);
                list[k] = type == DET_ACC_F32 ? bits : bits >> 16;
                w->items[w->n_items++] = (struct item){ i, list[k] };
            }
            w->initial[i] = launch == 0 ? 0 : w->expected[i];
            w->expected[i] = oracle_sum((enum oracle_type)type, w->initial[i], list, N_EACH, false);
        }
        for (unsigned i = N_SUMS; i < N_TARGETS; i++)
            w->expected[i] = w->initial[i];
        work_scatter(w, scatter, &t, &schedule);
        for (size_t k = 0; k < w->n_items; k++)
            det_acc_ref_add(twin.head, type, (char *)w->targets + w->items[k].index * w->bytes,
                w->items[k].bits);
        before = t.report.promotions;
        fold(folder, &t, &schedule);
        work_check(w, "moved window", launch);
        const uint64_t promoted = t.report.promotions - before;
        cr_assert(launch == 0 ? promoted == w->n_items : promoted * 64 < w->n_items,
            "launch %u: %lu promotions", launch, promoted);
        table_counters(&twin)->elements = N_SUMS;
        det_acc_ref_fold(twin.head, &twin.report);
        cr_assert(t.head->f32_base == twin.head->f32_base &&
                  t.head->bf16_base == twin.head->bf16_base && t.head->window == twin.head->window);
    }
    cr_assert(table_is_zero(&t));
    work_close(w);
    table_close(&t);
    table_close(&twin);
}

Test(acc_device, the_window_follows_the_data, .timeout = 60)
{
    struct sg_module *folder = load(det_acc_fold_ptx, strlen(det_acc_fold_ptx));
    scale_check(DET_ACC_F32, -50, folder); /* about 1e-12 … 1e-15 */
    scale_check(DET_ACC_F32, 40, folder);
    scale_check(DET_ACC_F32, -130, folder);
    scale_check(DET_ACC_F32, 110, folder);
    scale_check(DET_ACC_BF16, -100, folder);
    scale_check(DET_ACC_BF16, 90, folder);
}

Test(acc_device, a_foreign_writer_is_noticed_and_loses_nothing)
{
    const struct acc_kernel exact = { .type = DET_PTX_F32, .lanes = 1 },
                            plain = { .type = DET_PTX_F32, .lanes = 1, .plain = true };
    struct sg_module *scatter = load_scatter(&exact), *foreign = load_scatter(&plain);
    struct sg_module *folder = load(det_acc_fold_ptx, strlen(det_acc_fold_ptx));
    struct table t = table_open(1024, DET_ACC_FLUSH_F32);
    const uint64_t other[4] = { (uint64_t)(uintptr_t)whole, (uint64_t)(uintptr_t)whole_items,
        2 * N_WHOLE, 0 };
    const uint64_t params[2] = { (uint64_t)(uintptr_t)t.head, (uint64_t)(uintptr_t)&t.report };
    for (unsigned seed = 0; seed < 4; seed++) {
        struct sg_schedule schedule = { .in_order = false };
        sg_schedule_seed(&schedule, seed);
        whole_scatter(scatter, &t, &schedule);
        struct sg_grid *a = start(folder, DET_ACC_FOLD_KERNEL, 4, DET_ACC_FOLD_BLOCK, params);
        struct sg_grid *b = start(foreign, ACC_KERNEL, 9, 128, other);
        for (bool a_done = false, b_done = false; !a_done || !b_done;)
            if (sg_schedule_pick(&schedule, 2))
                a_done = a_done || sg_grid_step(a, &schedule);
            else
                b_done = b_done || sg_grid_step(b, &schedule);
        finish(a);
        finish(b);
        for (unsigned i = 0; i < N_WHOLE; i++)
            cr_assert_eq(whole[i], 2 * (float)(2 + i % 5 + (i + N_WHOLE) % 5));
    }
    cr_assert_gt(t.report.foreign_writer, 0);
}

Test(acc_device, two_types_over_the_same_bytes_are_reported)
{
    struct sg_module *folder = load(det_acc_fold_ptx, strlen(det_acc_fold_ptx));
    static _Alignas(256) unsigned char targets[256];
    struct table t = table_open(1024, 0);
    struct sg_schedule schedule = { .in_order = false };
    sg_schedule_seed(&schedule, 3);
    for (unsigned apart = 0; apart < 2; apart++) {
        const uint64_t before = t.report.mixed_types;
        det_acc_ref_add(t.head, DET_ACC_F32, targets + 128 * apart, 0x3f800000);
        det_acc_ref_add(t.head, DET_ACC_F64, targets + 96, 0x3ff0000000000000);
        det_acc_ref_add(t.head, DET_ACC_F16, targets + 192 - 192 * apart, 0x3c00);
        fold(folder, &t, &schedule);
        cr_assert_eq(t.report.mixed_types > before, !apart);
    }
}
