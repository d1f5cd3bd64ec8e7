/* PTX modules for tests of the exact add: one kernel that scatters values into targets by emitted code. */
#ifndef TEST_SUPPORT_ACC_KERNEL_H
#define TEST_SUPPORT_ACC_KERNEL_H

#include "shim/ptx/emit.h"

/** Parameters of the kernel, all u64: targets, items, n, table. items: { u64 index, u64 bits } per operation; thread i handles
 *  items i, i + all, i + 2 all, … An operation adds `lanes` elements at targets + index * lanes * element bytes: the lanes of
 *  `bits`, low first, when packed; else its low element in every lane. */
#define ACC_KERNEL "acc_scatter"
struct acc_kernel {
    enum det_ptx_type type;
    unsigned lanes;
    bool packed, generic, negate, guarded, counted;
    bool plain;               /* the float atomic itself */
    unsigned version, target; /* of the module; 0: 78 and 90 */
};
enum det_err acc_kernel_write(struct det_bytes *out, const struct acc_kernel *kernel);

/** The same for shared memory: each block copies n_elems values from `initial` into an array, adds all items to it, passes a
 *  barrier, folds, and copies the array to targets + block * n_elems. Parameters, all u64: targets, items, n, table, initial.
 *  One lane, version 78, target 90; `plain` and `generic` count. */
enum det_err acc_kernel_write_shared(
    struct det_bytes *out, const struct acc_kernel *kernel, unsigned n_elems);

#endif
