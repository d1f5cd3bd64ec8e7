/* PTX instructions and atomics an exact add executes, next to the float atomic it replaces: counted by the software GPU, exact
 * and repeatable, the loop around the add subtracted from neither. And what the fold executes per touched element. */
#include <math.h>
#include <string.h>

#include "bench/bench.h"
#include "tests/softgpu/softgpu.h"
#include "tests/support/acc_kernel.h"
#include "tests/support/acc_table.h"

bool sg_memory_ok(const void *at, size_t n_bytes)
{
    return at != NULL && n_bytes != 0;
}
void sg_memory_add_range(const void *at, size_t n_bytes)
{
    (void)at, (void)n_bytes;
}
void sg_memory_remove_range(const void *at)
{
    (void)at;
}

enum { N_ADDS = 1 << 16, N_TARGETS = 1 << 12 };
static struct {
    uint64_t index, bits;
} items[N_ADDS];
static _Alignas(256) unsigned char targets[8 * N_TARGETS];

struct counts {
    double instructions, atomics;
};

static struct sg_module *load(const char *text, size_t n_bytes)
{
    char error[256] = "";
    struct sg_module *module = sg_module_load(text, n_bytes, error, sizeof error);
    if (module)
        return module;
    fprintf(stderr, "cannot load: %s\n", error);
    exit(1);
}

static struct counts run(
    struct sg_module *module, const char *name, unsigned blocks, const void *params)
{
    struct sg_schedule schedule = { .in_order = true };
    const uint64_t instructions = sg_count_instructions(), atomics = sg_count_atomics();
    const struct sg_launch launch = { .kernel = sg_module_kernel(module, name),
        .grid = { blocks, 1, 1 },
        .block = { 128, 1, 1 },
        .params = params };
    struct sg_grid *grid = sg_grid_start(&launch);
    while (!sg_grid_step(grid, &schedule))
        ;
    if (sg_grid_fault(grid, NULL) != SG_OK)
        exit(1);
    sg_grid_free(grid);
    return (struct counts){ (double)(sg_count_instructions() - instructions),
        (double)(sg_count_atomics() - atomics) };
}

static struct counts scatter(enum det_ptx_type type, bool plain, const struct table *t)
{
    const struct acc_kernel kernel = { .type = type, .lanes = 1, .plain = plain };
    struct det_bytes text = { 0 };
    if (acc_kernel_write(&text, &kernel) != DET_OK)
        exit(1);
    struct sg_module *module = load(text.data, text.n_bytes);
    const uint64_t params[4] = { (uint64_t)(uintptr_t)targets, (uint64_t)(uintptr_t)items, N_ADDS,
        (uint64_t)(uintptr_t)t->head };
    const struct counts counts = run(module, ACC_KERNEL, 64, params);
    sg_module_free(module);
    det_bytes_free(&text);
    return counts;
}

/* N(0,1) on random targets. */
static void fill(enum det_ptx_type type)
{
    uint64_t state = 1;
    for (unsigned i = 0; i < N_ADDS; i++) {
        double u[2];
        for (unsigned k = 0; k < 2; k++)
            u[k] = (double)(((state = state * 6364136223846793005u + 1442695040888963407u) >> 11) +
                            1) *
                   0x1p-53;
        const double value = sqrt(-2 * log(u[0])) * cos(6.283185307179586 * u[1]);
        const float single = (float)value;
        uint32_t bits;
        memcpy(&bits, &single, 4);
        items[i].index = (state >> 40) % N_TARGETS;
        memcpy(&items[i].bits, &value, 8);
        if (type == DET_PTX_F16) /* exponent rebased, fraction cut: enough for data */
            items[i].bits = (bits >> 16 & 0x8000) |
                            (fabs(value) < 0x1p-14 ? 1 : (bits >> 13 & 0x3ffff) - (112 << 10));
        else if (type != DET_PTX_F64)
            items[i].bits = type == DET_PTX_BF16 ? bits >> 16 : bits;
    }
    memset(targets, 0, sizeof targets);
}

int main(void)
{
    static const char *const names[] = { "f32", "f64", "f16", "bf16" };
    struct table t = table_open(4096, DET_ACC_FLUSH_F32);
    struct sg_module *folder = load(det_acc_fold_ptx, strlen(det_acc_fold_ptx));
    for (enum det_ptx_type type = DET_PTX_F32; type < DET_PTX_OTHER; type++) {
        char name[64];
        fill(type);
        const struct counts plain = scatter(type, true, &t), exact = scatter(type, false, &t);
        const uint64_t params[2] = { (uint64_t)(uintptr_t)t.head, (uint64_t)(uintptr_t)&t.report };
        const uint64_t before = t.report.elements;
        const struct counts fold = run(folder, DET_ACC_FOLD_KERNEL, 16, params);
        const double elements = (double)(t.report.elements - before);
        snprintf(name, sizeof name, "%s N(0,1), loop and add", names[type]);
        bench_value("exact_ptx", name, exact.instructions / N_ADDS, "instr/add",
            plain.instructions / N_ADDS);
        snprintf(name, sizeof name, "%s N(0,1), all atomics", names[type]);
        bench_value(
            "exact_ptx", name, exact.atomics / N_ADDS, "atomics/add", plain.atomics / N_ADDS);
        snprintf(name, sizeof name, "%s fold", names[type]);
        bench_value("exact_ptx", name, fold.instructions / elements, "instr/element", 0);
    }
    table_close(&t);
    return 0;
}
