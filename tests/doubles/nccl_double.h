/* What the files of the NCCL double share. */
#ifndef DOUBLES_NCCL_H
#define DOUBLES_NCCL_H

#include <nccl.h>

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/doubles/double.h"

enum { MOST_RANKS = 16, SLOT_BYTES = 1 << 18, MOST_WINDOWS = 16, MOST_OPS = 8, SPINS = 20000000 };

struct shared {
    _Atomic uint32_t arrived, generation, attached;
    _Atomic uint32_t tree, pick; /* drawn by rank 0 */
    _Atomic uint32_t
        full[MOST_RANKS][MOST_RANKS]; /* a message from rank to rank lies in the sender's slot */
    char slots[MOST_RANKS][SLOT_BYTES];
};

struct ncclWindow_vidmem {
    int unused;
};
struct window {
    const char *at;
    size_t n_bytes;
    bool symmetric;
};
struct ncclComm {
    struct shared *shared;
    int rank, n_ranks, n_windows;
    struct window windows[MOST_WINDOWS];
    double scalars[MOST_OPS]; /* of operations made by ncclRedOpCreatePreMulSum */
    int n_scalars;
    char name[64];  /* of the shared memory */
    int n_children; /* communicators made from this one, in an order all ranks agree on */
};

#define INJECT(call)                                                                               \
    do {                                                                                           \
        const int injected = double_fail(call);                                                    \
        if (injected)                                                                              \
            return (ncclResult_t)injected;                                                         \
    } while (0)
/* every name has a p twin, which is the strong one */
#define WITH_P(name)                                                                               \
    __typeof__(name) name __attribute__((weak, alias("p" #name), visibility("default")))

/** Wait for all ranks; false when one died. */
bool double_barrier(struct ncclComm *comm);
/** double_queue now, or when the group of this thread ends. */
ncclResult_t double_group_queue(cudaStream_t stream, void (*work)(void *arg), void *arg);

#endif
