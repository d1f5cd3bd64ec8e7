/* NCCL: environment before the first call reads it, windows that would bypass it, and what reduced in which way. Rings are the one
 * algorithm whose order of additions NVIDIA describes as fixed for one communicator; in-switch sums are not repeatable between calls
 * (NVIDIA/nccl issue 1497), trees may be built anew. Other nodes or another rank order give other rings: not claimed. */
#include <nccl.h>

#include <stdatomic.h>

#include "shim/core/hash.h"
#include "shim/core/seen.h"
#include "shim/loader/call.h"
#include "shim/log/log.h"
#include "shim/pins/pins.h"

#define INIT(symbol, params, ...)                                                                  \
    DET_EXPORT ncclResult_t symbol params                                                          \
    {                                                                                              \
        if (!det_enter(DET_ID_##symbol))                                                           \
            return DET_REAL(symbol)(__VA_ARGS__);                                                  \
        det_pins_library("nccl");                                                                  \
        const ncclResult_t status = DET_REAL(symbol)(__VA_ARGS__);                                 \
        det_leave(DET_ID_##symbol);                                                                \
        return status;                                                                             \
    }
#define INIT_BOTH(symbol, params, ...)                                                             \
    INIT(symbol, params, __VA_ARGS__)                                                              \
    INIT(p##symbol, params, __VA_ARGS__)

INIT_BOTH(ncclGetUniqueId, (ncclUniqueId * id), id)
INIT_BOTH(ncclCommInitAll, (ncclComm_t * comms, int n, const int *devices), comms, n, devices)
INIT_BOTH(ncclCommInitRank, (ncclComm_t * comm, int n_ranks, ncclUniqueId id, int rank), comm,
    n_ranks, id, rank)
INIT_BOTH(ncclCommInitRankConfig,
    (ncclComm_t * comm, int n_ranks, ncclUniqueId id, int rank, ncclConfig_t *config), comm,
    n_ranks, id, rank, config)
INIT_BOTH(ncclCommInitRankScalable,
    (ncclComm_t * comm, int n_ranks, int rank, int n_ids, ncclUniqueId *ids, ncclConfig_t *config),
    comm, n_ranks, rank, n_ids, ids, config)

/* Kernels on symmetric windows are picked before NCCL_ALGO is looked at. A plain window is a valid, slower one. */
static atomic_bool symmetric_left;

static int decide_flags(enum det_call call, int asked)
{
    if (!(asked & NCCL_WIN_COLL_SYMMETRIC))
        return asked;
    if (!det_rule_acts(DET_RULE_NCCL_WINDOWS)) {
        atomic_store(&symmetric_left, true);
        return asked;
    }
    const int given = asked & ~NCCL_WIN_COLL_SYMMETRIC;
    det_log_override(det_call_name(call), DET_RULE_NCCL_WINDOWS, "winFlags", asked, given);
    return given;
}

#define WINDOW(symbol)                                                                             \
    DET_EXPORT ncclResult_t symbol(                                                                \
        ncclComm_t comm, void *buffer, size_t n_bytes, ncclWindow_t *window, int flags)            \
    {                                                                                              \
        if (!det_enter(DET_ID_##symbol))                                                           \
            return DET_REAL(symbol)(comm, buffer, n_bytes, window, flags);                         \
        const int given = decide_flags(DET_ID_##symbol, flags);                                    \
        const ncclResult_t status = DET_REAL(symbol)(comm, buffer, n_bytes, window, given);        \
        det_leave(DET_ID_##symbol);                                                                \
        return status;                                                                             \
    }
WINDOW(ncclCommWindowRegister)
WINDOW(pncclCommWindowRegister)

/* One record per call and value. */
static void observe(enum det_call call, const char *field, int64_t a, int64_t b)
{
    static struct det_seen seen;
    const int64_t key[3] = { (int64_t)call, a, b };
    if (det_seen_first(&seen, det_hash(key, sizeof key, 0)))
        det_log_event("observe", det_call_name(call), field, (uint64_t)a, (uint64_t)b);
}

#define OBSERVED(symbol, field, params, a, b, ...)                                                 \
    DET_EXPORT ncclResult_t symbol params                                                          \
    {                                                                                              \
        if (!det_enter(DET_ID_##symbol))                                                           \
            return DET_REAL(symbol)(__VA_ARGS__);                                                  \
        observe(DET_ID_##symbol, field, (int64_t)(a), (int64_t)(b));                               \
        const ncclResult_t status = DET_REAL(symbol)(__VA_ARGS__);                                 \
        det_leave(DET_ID_##symbol);                                                                \
        return status;                                                                             \
    }
OBSERVED(ncclCommSplit, "color and key",
    (ncclComm_t comm, int color, int key, ncclComm_t *made, ncclConfig_t *config), color, key, comm,
    color, key, made, config)
OBSERVED(ncclCommShrink, "excluded ranks and flags",
    (ncclComm_t comm, int *excluded, int n_excluded, ncclComm_t *made, ncclConfig_t *config,
        int flags),
    n_excluded, flags, comm, excluded, n_excluded, made, config, flags)
OBSERVED(ncclCommRegister, "bytes", (ncclComm_t comm, void *buffer, size_t n_bytes, void **handle),
    n_bytes, 0, comm, buffer, n_bytes, handle)
OBSERVED(ncclRedOpCreatePreMulSum, "type and residence",
    (ncclRedOp_t * op, void *scalar, ncclDataType_t type, ncclScalarResidence_t residence,
        ncclComm_t comm),
    type, residence, op, scalar, type, residence, comm)

/* Sums of floats depend on order; integers, minimum and maximum do not. Products do. */
static bool order_free(ncclDataType_t type, ncclRedOp_t op)
{
    const bool integer = type == ncclInt8 || type == ncclUint8 || type == ncclInt32 ||
                         type == ncclUint32 || type == ncclInt64 || type == ncclUint64;
    return op == ncclMax || op == ncclMin || (integer && (op == ncclSum || op == ncclProd));
}

enum outcome { ORDER_FREE, RING, ENVIRONMENT, SYMMETRIC, N_OUTCOMES };

static enum outcome outcome_of(ncclDataType_t type, ncclRedOp_t op)
{
    if (order_free(type, op))
        return ORDER_FREE;
    if (atomic_load_explicit(&symmetric_left, memory_order_relaxed))
        return SYMMETRIC;
    return det_pins_hold(DET_RULE_NCCL_RING) ? RING : ENVIRONMENT;
}

static void count(enum det_call call, enum outcome outcome)
{
    static const struct {
        enum det_class cls;
        enum det_rule rule;
        const char *why;
    } table[N_OUTCOMES] = {
        [ORDER_FREE] = { DET_CLASS_VOUCHED, DET_RULE_NCCL_RING, "" },
        [RING] = { DET_CLASS_PINNED, DET_RULE_NCCL_RING, "" },
        [ENVIRONMENT] = { DET_CLASS_UNCOVERED, DET_RULE_NCCL_RING,
            "NCCL_* settings let NCCL choose another order of additions" },
        [SYMMETRIC] = { DET_CLASS_UNCOVERED, DET_RULE_NCCL_WINDOWS,
            "symmetric windows bypass NCCL_ALGO" },
    };
    static _Atomic(struct det_ledger_row *) rows[DET_N_CALLS][N_OUTCOMES];
    struct det_ledger_row *row = rows[call][outcome];
    if (!row) {
        row = det_ledger_row("call", det_call_name(call), table[outcome].cls, table[outcome].rule,
            table[outcome].why);
        rows[call][outcome] = row;
    }
    det_ledger_hit(row);
}

#define REDUCTION(symbol, params, ...)                                                             \
    DET_EXPORT ncclResult_t symbol params                                                          \
    {                                                                                              \
        if (!det_enter(DET_ID_##symbol))                                                           \
            return DET_REAL(symbol)(__VA_ARGS__);                                                  \
        count(DET_ID_##symbol, outcome_of(type, op));                                              \
        observe(DET_ID_##symbol, "elements, type and operation", (int64_t)n,                       \
            (int64_t)type << 32 | (int64_t)op);                                                    \
        const ncclResult_t status = DET_REAL(symbol)(__VA_ARGS__);                                 \
        det_leave(DET_ID_##symbol);                                                                \
        return status;                                                                             \
    }
#define REDUCTION_BOTH(symbol, params, ...)                                                        \
    REDUCTION(symbol, params, __VA_ARGS__)                                                         \
    REDUCTION(p##symbol, params, __VA_ARGS__)
REDUCTION_BOTH(ncclAllReduce,
    (const void *from, void *to, size_t n, ncclDataType_t type, ncclRedOp_t op, ncclComm_t comm,
        cudaStream_t stream),
    from, to, n, type, op, comm, stream)
REDUCTION_BOTH(ncclReduceScatter,
    (const void *from, void *to, size_t n, ncclDataType_t type, ncclRedOp_t op, ncclComm_t comm,
        cudaStream_t stream),
    from, to, n, type, op, comm, stream)
REDUCTION_BOTH(ncclReduce,
    (const void *from, void *to, size_t n, ncclDataType_t type, ncclRedOp_t op, int root,
        ncclComm_t comm, cudaStream_t stream),
    from, to, n, type, op, root, comm, stream)

/* Nothing is added up: the order does not matter. */
#define MOVE(symbol, params, ...)                                                                  \
    DET_EXPORT ncclResult_t symbol params                                                          \
    {                                                                                              \
        if (!det_enter(DET_ID_##symbol))                                                           \
            return DET_REAL(symbol)(__VA_ARGS__);                                                  \
        count(DET_ID_##symbol, ORDER_FREE);                                                        \
        const ncclResult_t status = DET_REAL(symbol)(__VA_ARGS__);                                 \
        det_leave(DET_ID_##symbol);                                                                \
        return status;                                                                             \
    }
#define MOVE_BOTH(symbol, params, ...)                                                             \
    MOVE(symbol, params, __VA_ARGS__)                                                              \
    MOVE(p##symbol, params, __VA_ARGS__)
MOVE_BOTH(ncclAllGather,
    (const void *from, void *to, size_t n, ncclDataType_t type, ncclComm_t comm,
        cudaStream_t stream),
    from, to, n, type, comm, stream)
MOVE_BOTH(ncclBroadcast,
    (const void *from, void *to, size_t n, ncclDataType_t type, int root, ncclComm_t comm,
        cudaStream_t stream),
    from, to, n, type, root, comm, stream)
MOVE_BOTH(ncclBcast,
    (void *at, size_t n, ncclDataType_t type, int root, ncclComm_t comm, cudaStream_t stream), at,
    n, type, root, comm, stream)
MOVE_BOTH(ncclSend,
    (const void *from, size_t n, ncclDataType_t type, int peer, ncclComm_t comm,
        cudaStream_t stream),
    from, n, type, peer, comm, stream)
MOVE_BOTH(ncclRecv,
    (void *to, size_t n, ncclDataType_t type, int peer, ncclComm_t comm, cudaStream_t stream), to,
    n, type, peer, comm, stream)
MOVE_BOTH(ncclAlltoAll,
    (const void *from, void *to, size_t n, ncclDataType_t type, ncclComm_t comm,
        cudaStream_t stream),
    from, to, n, type, comm, stream)
MOVE_BOTH(ncclGather,
    (const void *from, void *to, size_t n, ncclDataType_t type, int root, ncclComm_t comm,
        cudaStream_t stream),
    from, to, n, type, root, comm, stream)
MOVE_BOTH(ncclScatter,
    (const void *from, void *to, size_t n, ncclDataType_t type, int root, ncclComm_t comm,
        cudaStream_t stream),
    from, to, n, type, root, comm, stream)

/* A group's kernels are launched by its end. The calls in between are all of the above, and counted. */
#define GROUP(symbol)                                                                              \
    ncclResult_t symbol(void);                                                                     \
    DET_EXPORT ncclResult_t symbol(void)                                                           \
    {                                                                                              \
        if (!det_enter(DET_ID_##symbol))                                                           \
            return DET_REAL(symbol)();                                                             \
        det_call_belongs();                                                                        \
        const ncclResult_t status = DET_REAL(symbol)();                                            \
        det_leave(DET_ID_##symbol);                                                                \
        return status;                                                                             \
    }
GROUP(ncclGroupStart)
GROUP(pncclGroupStart)
GROUP(ncclGroupEnd)
GROUP(pncclGroupEnd)
