/* Moves of the NCCL double, and communicators made from others. */
#include "tests/doubles/nccl_double.h"

/* --- moves: nothing is added up */
enum move { ALL_GATHER, BROADCAST, ALL_TO_ALL, GATHER, SCATTER, SEND, RECV };
struct moved {
    struct ncclComm *comm;
    enum move move;
    const char *from;
    char *to;
    size_t n_bytes;
    int root; /* or the peer */
};

static void collect(const struct moved *m)
{
    struct ncclComm *const comm = m->comm;
    const size_t n = m->n_bytes;
    const bool many = m->move == ALL_TO_ALL || (m->move == SCATTER && comm->rank == m->root);
    if (m->from)
        memcpy(comm->shared->slots[comm->rank], m->from, many ? n * (size_t)comm->n_ranks : n);
    if (!double_barrier(comm))
        return;
    if (m->move == BROADCAST)
        memcpy(m->to, comm->shared->slots[m->root], n);
    else if (m->move == SCATTER)
        memcpy(m->to, comm->shared->slots[m->root] + n * (size_t)comm->rank, n);
    else if (m->move != GATHER || comm->rank == m->root)
        for (int j = 0; j < comm->n_ranks; j++)
            memcpy(m->to + n * (size_t)j,
                comm->shared->slots[j] + (m->move == ALL_TO_ALL ? n * (size_t)comm->rank : 0), n);
    double_barrier(comm);
}

static void exchange(const struct moved *m)
{
    struct shared *const s = m->comm->shared;
    const int me = m->comm->rank;
    if (m->move == SEND) {
        for (int j = 0; j < m->comm->n_ranks; j++)
            for (long i = 0; i < SPINS && atomic_load(&s->full[me][j]); i++)
                sched_yield();
        memcpy(s->slots[me], m->from, m->n_bytes);
        atomic_store(&s->full[me][m->root], 1);
        return;
    }
    for (long i = 0; i < SPINS && !atomic_load(&s->full[m->root][me]); i++)
        sched_yield();
    memcpy(m->to, s->slots[m->root], m->n_bytes);
    atomic_store(&s->full[m->root][me], 0);
}

static void move_run(void *arg)
{
    const struct moved *m = arg;
    if (m->move == SEND || m->move == RECV)
        exchange(m);
    else
        collect(m);
}

static ncclResult_t move(
    const char *call, struct moved m, size_t n, ncclDataType_t type, cudaStream_t stream)
{
    INJECT(call);
    if (type != ncclFloat32 && type != ncclFloat64 && type != ncclInt32)
        return ncclInvalidUsage;
    m.n_bytes = n * (type == ncclFloat64 ? 8 : 4);
    if (!m.comm || m.root < 0 || m.root >= m.comm->n_ranks)
        return ncclInvalidArgument;
    if (m.n_bytes * (size_t)m.comm->n_ranks > SLOT_BYTES)
        return ncclInvalidUsage;
    struct moved *const copy = malloc(sizeof *copy);
    *copy = m;
    return double_group_queue(stream, move_run, copy);
}

#define MOVE(name, params, kind, from, to, root)                                                   \
    DOUBLE_API ncclResult_t p##name params                                                         \
    {                                                                                              \
        return move(#name, (struct moved){ comm, kind, from, to, 0, root }, n, type, stream);      \
    }                                                                                              \
    WITH_P(name);
MOVE(ncclAllGather,
    (const void *from, void *to, size_t n, ncclDataType_t type, ncclComm_t comm,
        cudaStream_t stream),
    ALL_GATHER, from, to, 0)
MOVE(ncclBroadcast,
    (const void *from, void *to, size_t n, ncclDataType_t type, int root, ncclComm_t comm,
        cudaStream_t stream),
    BROADCAST, from, to, root)
MOVE(ncclBcast,
    (void *at, size_t n, ncclDataType_t type, int root, ncclComm_t comm, cudaStream_t stream),
    BROADCAST, at, at, root)
MOVE(ncclAlltoAll,
    (const void *from, void *to, size_t n, ncclDataType_t type, ncclComm_t comm,
        cudaStream_t stream),
    ALL_TO_ALL, from, to, 0)
MOVE(ncclGather,
    (const void *from, void *to, size_t n, ncclDataType_t type, int root, ncclComm_t comm,
        cudaStream_t stream),
    GATHER, from, to, root)
MOVE(ncclScatter,
    (const void *from, void *to, size_t n, ncclDataType_t type, int root, ncclComm_t comm,
        cudaStream_t stream),
    SCATTER, from, to, root)
MOVE(ncclSend,
    (const void *from, size_t n, ncclDataType_t type, int peer, ncclComm_t comm,
        cudaStream_t stream),
    SEND, from, NULL, peer)
MOVE(ncclRecv,
    (void *to, size_t n, ncclDataType_t type, int peer, ncclComm_t comm, cudaStream_t stream), RECV,
    NULL, to, peer)

/* --- communicators made from others */
static ncclResult_t child(
    struct ncclComm *comm, ncclComm_t *made, const char *kind, int color, int n_ranks, int rank)
{
    ncclUniqueId id;
    memset(&id, 0, sizeof id);
    snprintf(
        id.internal, sizeof id.internal, "%s_%s%d_%d", comm->name, kind, comm->n_children, color);
    comm->n_children++;
    return rank < 0 ? ncclSuccess : pncclCommInitRank(made, n_ranks, id, rank);
}

DOUBLE_API ncclResult_t pncclCommSplit(
    ncclComm_t comm, int color, int key, ncclComm_t *made, ncclConfig_t *config)
{
    INJECT("ncclCommSplit");
    (void)config;
    if (!comm || !made)
        return ncclInvalidArgument;
    int *const mine = (int *)(void *)comm->shared->slots[comm->rank];
    mine[0] = color, mine[1] = key;
    if (!double_barrier(comm))
        return ncclSystemError;
    int n_ranks = 0, rank = 0;
    for (int j = 0; j < comm->n_ranks; j++) {
        const int *const theirs = (const int *)(const void *)comm->shared->slots[j];
        n_ranks += theirs[0] == color;
        rank += theirs[0] == color && (theirs[1] < key || (theirs[1] == key && j < comm->rank));
    }
    *made = NULL;
    if (!double_barrier(comm))
        return ncclSystemError;
    return child(comm, made, "split", color, n_ranks, color == NCCL_SPLIT_NOCOLOR ? -1 : rank);
}
WITH_P(ncclCommSplit);

DOUBLE_API ncclResult_t pncclCommShrink(ncclComm_t comm, int *excluded, int n_excluded,
    ncclComm_t *made, ncclConfig_t *config, int flags)
{
    INJECT("ncclCommShrink");
    (void)config, (void)flags;
    if (!comm || !made || (n_excluded && !excluded))
        return ncclInvalidArgument;
    int rank = comm->rank;
    for (int i = 0; i < n_excluded; i++) {
        if (excluded[i] == comm->rank)
            return ncclInvalidUsage;
        rank -= excluded[i] < comm->rank;
    }
    return child(comm, made, "shrink", 0, comm->n_ranks - n_excluded, rank);
}
WITH_P(ncclCommShrink);
