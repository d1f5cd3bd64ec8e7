/* Order between streams (design section 6.4): two launches that add to the same memory from two streams round in the order their
 * folds run. A wait is added where nothing else can be waiting for us; elsewhere the overlap is reported. */
#ifndef DET_CUDA_ORDER_H
#define DET_CUDA_ORDER_H

#include "shim/cuda/cuda_decide.h"
#include "shim/cuda/cuda_state.h"

enum { DET_MAX_WAITS = 16 };

struct det_order {
    uint64_t
        group; /* in: kernels of one launch of a graph are not compared with each other; 0 for one kernel */
    CUstream wait_for[DET_MAX_WAITS];
    uint64_t table[DET_MAX_WAITS], number[DET_MAX_WAITS]; /* what each wait puts before us */
    unsigned n_waits;
    bool unordered;
};

/** Table lock held (or a graph's launch). Note a launch on `stream` that adds to `targets` and find launches of other tables
 *  that may still be running and add there, too, and that neither one stream nor the program's events put before it. Around
 *  graphs no wait is added. vague: it may add anywhere. */
void det_order_note(struct det_table *table, CUstream stream, const struct det_range *targets,
    size_t n, bool vague, struct det_order *out);
/** The launch noted last and the waits of `order` are queued on `stream`: what follows there, or waits for an event recorded
 *  there from now on, comes after them. */
void det_order_queued(struct det_table *table, CUstream stream, const struct det_order *order);
/** Its handle may be given to another stream. */
void det_order_stream_gone(CUstream stream);
/** Queue the waits on `stream`. False: the driver refused one. */
bool det_order_wait(const struct det_order *order, CUstream stream);
/** The launch noted last on `table` was not queued after all. */
void det_order_failed(struct det_table *table);
/** Something that can wait for the outside was queued in this context: no waits are added before it is idle again. */
void det_order_outside(struct det_ctx *ctx);
/** The context is idle. */
void det_order_idle(struct det_ctx *ctx);
void det_order_fork_child(void);

#endif
