/* DETSHIM_TRACE=digests: a digest of every block of bytes that a copy brings to the host, and of memory that host and device
 * share. Nothing here waits or makes the program wait: copies that run by themselves are read when the program itself has
 * waited for them. Off, each hook is one branch. */
#ifndef DET_CUDA_DIGEST_H
#define DET_CUDA_DIGEST_H

#include <stdatomic.h>
#include <stdbool.h>

#include "shim/cuda/cuda_api.h"
#include "shim/policy/policy.h"

/** Inside a wrapper that det_enter let in: one load and a branch. */
#define det_digest_on()                                                                            \
    (__builtin_expect(                                                                             \
         atomic_load_explicit(&det_digest_state, memory_order_relaxed) != DET_DIGEST_OFF, 0) &&    \
        det_digest_decide())
enum { DET_DIGEST_NOT_JUDGED, DET_DIGEST_OFF, DET_DIGEST_ON };
extern _Atomic int det_digest_state;
bool det_digest_decide(void);
/** Copies that nobody has waited for yet. */
extern _Atomic unsigned det_digest_n_waiting;
#define det_digest_waiting()                                                                       \
    __builtin_expect(atomic_load_explicit(&det_digest_n_waiting, memory_order_relaxed) != 0, 0)

/** What a copy writes: rows of `width` bytes; one row, one slice for flat copies. */
struct det_digest_block {
    const char *at;
    size_t width, pitch, rows, slice, depth;
};
/** A copy was queued (or made, when it `waits`) on a stream. to_host: known to come from the device and end in host memory;
 *  otherwise both addresses are looked up. */
struct det_digest_copy {
    const char *call;
    CUstream stream; /* det_stream_normal */
    bool waits, to_host;
    CUdeviceptr from;
    struct det_digest_block block;
};
void det_digest_copied(const struct det_digest_copy *copy);
void det_digest_copied_3d(
    const char *call, CUstream stream, bool waits, const CUDA_MEMCPY3D *params);
void det_digest_copied_2d(
    const char *call, CUstream stream, bool waits, const CUDA_MEMCPY2D *params);

/** The program waited, or asked and heard that all is done. */
void det_digest_stream_done(CUstream stream);
void det_digest_event_done(CUevent event);
void det_digest_context_done(CUcontext ctx); /* NULL: the current one */
/** It is about to ask: when the answer comes is up to the clock. */
void det_digest_asked(void);
/** What an event tells, and who waits for it. */
void det_digest_event_recorded(CUevent event, CUstream stream);
void det_digest_event_waited(CUstream stream, CUevent event);
/** The handle may be used for another object. */
void det_digest_gone(const void *handle);

/** Memory that both sides see (cuda_shared.c): read when its context is idle, when it is freed after the thread waited for its
 *  last launch, and at process end. */
void det_shared_idle(CUcontext ctx);
void det_shared_waited(void);
void det_shared_finish(void);
void det_shared_fork_child(void);
/** Digest memory no copy brought, now. why: not NULL, not compared. */
void det_digest_block_now(const char *call, const struct det_digest_block *block, const char *why);

void det_digest_finish(void);
void det_digest_fork_child(void);

#endif
