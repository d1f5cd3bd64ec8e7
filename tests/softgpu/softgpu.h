/* Between the two halves of the software GPU: the driver and runtime (driver_*.c, runtime_*.c) on one side, the PTX front end
 * and interpreter (ptx_*.c, exec_*.c) on the other. Shares no code with shim/ on purpose: one misreading must not hide in
 * both product and bench. Device memory is host memory; a device pointer is a host pointer. */
#ifndef SOFTGPU_H
#define SOFTGPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- PTX front end --- */
struct sg_module;
struct sg_kernel;
struct sg_param {
    size_t offset, bytes, align;
};
/** NULL on failure, with one line in `error`. */
struct sg_module *sg_module_load(const char *ptx, size_t n_bytes, char *error, size_t error_cap);
void sg_module_free(struct sg_module *module);
size_t sg_module_n_kernels(const struct sg_module *module);
struct sg_kernel *sg_module_kernel_at(struct sg_module *module, size_t i);
struct sg_kernel *sg_module_kernel(struct sg_module *module, const char *name);
/** .global and .const variables: storage lives as long as the module. */
bool sg_module_global(struct sg_module *module, const char *name, void **at, size_t *n_bytes);
const char *sg_kernel_name(const struct sg_kernel *kernel);
size_t sg_kernel_params(
    const struct sg_kernel *kernel, const struct sg_param **params, size_t *total_bytes);
size_t sg_kernel_shared_bytes(const struct sg_kernel *kernel);
size_t sg_kernel_local_bytes(const struct sg_kernel *kernel);
size_t sg_kernel_const_bytes(const struct sg_kernel *kernel);
unsigned sg_kernel_registers(
    const struct sg_kernel *kernel); /* an estimate: distinct 32-bit registers, 16..255 */
unsigned sg_kernel_max_threads(const struct sg_kernel *kernel); /* .maxntid or 1024 */

/* --- schedule --- */
/** One random stream decides every choice of a process; its history is hashed so that a test can see two runs differed. */
struct sg_schedule {
    uint64_t state[4];
    uint64_t hash;
    bool in_order; /* no randomness: blocks and warps in index order */
};
void sg_schedule_seed(struct sg_schedule *schedule, uint64_t seed);
uint32_t sg_schedule_pick(
    struct sg_schedule *schedule, uint32_t n); /* 0 … n-1; mixes the choice into the hash */

/* --- execution --- */
struct sg_dim {
    unsigned x, y, z;
};
struct sg_launch {
    struct sg_kernel *kernel;
    struct sg_dim grid, block;
    size_t dynamic_shared_bytes;
    const void *params; /* packed by the kernel's offsets; copied */
    bool cooperative;   /* all blocks resident together */
};
enum sg_fault {
    SG_OK,
    SG_ILLEGAL_ADDRESS,
    SG_ILLEGAL_INSTRUCTION,
    SG_TRAP,
    SG_MISALIGNED,
    SG_DEADLOCK,
    SG_ASSERT
};
struct sg_grid;
struct sg_grid *sg_grid_start(const struct sg_launch *launch);
/** Run some more of the grid (a random number of warp instructions from a random resident block); true when it ended. The
 *  driver interleaves the grids of several streams by calling this in random order. */
bool sg_grid_step(struct sg_grid *grid, struct sg_schedule *schedule);
/** After the end, or at any time: what went wrong, and one line about it. */
enum sg_fault sg_grid_fault(const struct sg_grid *grid, const char **text);
void sg_grid_free(struct sg_grid *grid);

/** Instructions executed by this process, by lane; and by opcode class for benches. Exact and repeatable under a seed. */
uint64_t sg_count_instructions(void);
uint64_t sg_count_atomics(void);

/* --- memory (driver_memory.c) --- */
/** May the device touch [at, at + n)? Cheap: arena bounds, then registered host ranges and module storage. */
bool sg_memory_ok(const void *at, size_t n_bytes);
void sg_memory_add_range(const void *at, size_t n_bytes);
void sg_memory_remove_range(const void *at);

#endif
