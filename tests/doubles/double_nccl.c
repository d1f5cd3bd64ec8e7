/* libnccl.so.2 double: communicators between processes (or threads) of one machine, through shared memory.
 *
 * ordered when                                  source
 * NCCL_ALGO=Ring, and NCCL_NVLS_ENABLE=0,       NCCL guide, "Environment Variables": what each names; in-switch sums differ
 *   NCCL_COLLNET_ENABLE=0                        between calls: NVIDIA/nccl issue 1497
 * buffers not both in symmetric windows, or     src/scheduler/symmetric_sched.cc at v2.28.9-1: such kernels are picked before
 *   NCCL_WIN_ENABLE=0                            NCCL_ALGO is looked at
 * NCCL_TUNER_PLUGIN=none                        NCCL guide: a plugin that is present is loaded and may choose
 * Trees are drawn anew for every communicator (Megatron-LM docs/developer/determinism: "Tree" is refused).
 *
 * Calls in a group are queued when it ends, as NCCL launches them then. Not here: PAT, half types, scalars on the device, one process
 * with several devices; moves of more than a slot.
 */
#include "tests/doubles/nccl_double.h"

#include <fcntl.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

/* NCCL reads its integer parameters at first use and keeps them. */
static bool env_is(const char *name, const char *value)
{
    const char *text = getenv(name);
    return text && strcasecmp(text, value) == 0;
}

static bool allowed(const char *algorithm)
{
    const char *list = getenv("NCCL_ALGO");
    if (!list || !*list)
        return true;
    const bool except = *list == '^';
    for (const char *at = list + except; *at; at += strspn(at, ",")) {
        const size_t n = strcspn(at, ",");
        if (n == strlen(algorithm) && strncasecmp(at, algorithm, n) == 0)
            return !except;
        at += n;
    }
    return except;
}

enum way { RING, TREE, SWITCH, N_WAYS };
/* What the cost model takes: the switch where it can, then trees, then rings; a tuner plugin (present on this "machine") draws. */
static enum way way_of(bool symmetric)
{
    if (symmetric && !env_is("NCCL_WIN_ENABLE", "0"))
        return SWITCH;
    if (allowed("NVLS") && !env_is("NCCL_NVLS_ENABLE", "0"))
        return SWITCH;
    if (env_is("NCCL_COLLNET_ENABLE", "1") && allowed("CollnetDirect"))
        return SWITCH;
    if (!allowed("Ring") || (allowed("Tree") && !env_is("NCCL_TUNER_PLUGIN", "none")))
        return TREE;
    return allowed("Tree") ? TREE : RING;
}

bool double_barrier(struct ncclComm *comm)
{
    struct shared *s = comm->shared;
    const uint32_t generation = atomic_load(&s->generation);
    if (atomic_fetch_add(&s->arrived, 1) + 1 == (uint32_t)comm->n_ranks) {
        atomic_store(&s->arrived, 0);
        atomic_fetch_add(&s->generation, 1);
        return true;
    }
    for (long i = 0; i < SPINS; i++) {
        if (atomic_load(&s->generation) != generation)
            return true;
        sched_yield();
    }
    return false; /* a rank died */
}

DOUBLE_API ncclResult_t pncclGetVersion(int *version)
{
    *version = NCCL_VERSION_CODE;
    return ncclSuccess;
}
WITH_P(ncclGetVersion);

DOUBLE_API ncclResult_t pncclGetUniqueId(ncclUniqueId *id)
{
    INJECT("ncclGetUniqueId");
    uint64_t number = 0;
    if (!id || getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
        return ncclInvalidArgument;
    memset(id, 0, sizeof *id);
    snprintf(id->internal, sizeof id->internal, "/double_nccl_%016llx", (unsigned long long)number);
    return ncclSuccess;
}
WITH_P(ncclGetUniqueId);

DOUBLE_API ncclResult_t pncclCommInitRank(ncclComm_t *made, int n_ranks, ncclUniqueId id, int rank)
{
    INJECT("ncclCommInitRank");
    if (!made || n_ranks < 1 || n_ranks > MOST_RANKS || rank < 0 || rank >= n_ranks)
        return ncclInvalidArgument;
    const int fd = shm_open(id.internal, O_RDWR | O_CREAT, 0600);
    if (fd < 0 || ftruncate(fd, sizeof(struct shared)) != 0)
        return ncclSystemError;
    struct shared *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (shared == MAP_FAILED)
        return ncclSystemError;
    struct ncclComm *comm = calloc(1, sizeof *comm);
    comm->shared = shared;
    comm->rank = rank;
    comm->n_ranks = n_ranks;
    snprintf(comm->name, sizeof comm->name, "%.60s", id.internal);
    if (rank == 0)
        atomic_store(&shared->tree, double_pick(1u << 30));
    double_trace("ncclCommInitRank", "\"algo\":\"%s\",\"tuner\":\"%s\"",
        getenv("NCCL_ALGO") ? getenv("NCCL_ALGO") : "",
        getenv("NCCL_TUNER_PLUGIN") ? getenv("NCCL_TUNER_PLUGIN") : "");
    if (!double_barrier(comm))
        return ncclSystemError;
    if (rank == 0)
        shm_unlink(id.internal);
    *made = comm;
    return ncclSuccess;
}
WITH_P(ncclCommInitRank);

DOUBLE_API ncclResult_t pncclCommInitRankConfig(
    ncclComm_t *made, int n_ranks, ncclUniqueId id, int rank, ncclConfig_t *config)
{
    INJECT("ncclCommInitRankConfig");
    (void)config;
    return pncclCommInitRank(made, n_ranks, id, rank);
}
WITH_P(ncclCommInitRankConfig);

DOUBLE_API ncclResult_t pncclCommInitRankScalable(
    ncclComm_t *made, int n_ranks, int rank, int n_ids, ncclUniqueId *ids, ncclConfig_t *config)
{
    INJECT("ncclCommInitRankScalable");
    (void)config;
    return n_ids > 0 && ids ? pncclCommInitRank(made, n_ranks, ids[0], rank) : ncclInvalidArgument;
}
WITH_P(ncclCommInitRankScalable);

DOUBLE_API ncclResult_t pncclCommInitAll(ncclComm_t *comms, int n, const int *devices)
{
    INJECT("ncclCommInitAll");
    (void)devices;
    ncclUniqueId id;
    if (n != 1)
        return ncclInvalidUsage;
    pncclGetUniqueId(&id);
    return pncclCommInitRank(comms, 1, id, 0);
}
WITH_P(ncclCommInitAll);

DOUBLE_API ncclResult_t pncclCommDestroy(ncclComm_t comm)
{
    if (comm) {
        munmap(comm->shared, sizeof *comm->shared);
        free(comm);
    }
    return ncclSuccess;
}
WITH_P(ncclCommDestroy);

DOUBLE_API ncclResult_t pncclCommRegister(
    const ncclComm_t comm, void *buffer, size_t n_bytes, void **handle)
{
    INJECT("ncclCommRegister");
    (void)n_bytes;
    if (!comm || !handle)
        return ncclInvalidArgument;
    *handle = buffer;
    return ncclSuccess;
}
WITH_P(ncclCommRegister);

DOUBLE_API ncclResult_t pncclCommWindowRegister(
    ncclComm_t comm, void *buffer, size_t n_bytes, ncclWindow_t *window, int flags)
{
    INJECT("ncclCommWindowRegister");
    if (!comm || !window || comm->n_windows == MOST_WINDOWS)
        return ncclInvalidArgument;
    comm->windows[comm->n_windows++] =
        (struct window){ buffer, n_bytes, flags & NCCL_WIN_COLL_SYMMETRIC };
    *window = (ncclWindow_t)(void *)&comm->windows[comm->n_windows - 1];
    double_trace("ncclCommWindowRegister", "\"flags\":%d", flags);
    return ncclSuccess;
}
WITH_P(ncclCommWindowRegister);

DOUBLE_API ncclResult_t pncclRedOpCreatePreMulSum(ncclRedOp_t *op, void *scalar,
    ncclDataType_t type, ncclScalarResidence_t residence, ncclComm_t comm)
{
    INJECT("ncclRedOpCreatePreMulSum");
    if (!op || !scalar || !comm || residence != ncclScalarHostImmediate ||
        comm->n_scalars == MOST_OPS)
        return ncclInvalidArgument;
    comm->scalars[comm->n_scalars] =
        type == ncclFloat64 ? *(const double *)scalar : *(const float *)scalar;
    *op = (ncclRedOp_t)(ncclNumOps + comm->n_scalars++);
    return ncclSuccess;
}
WITH_P(ncclRedOpCreatePreMulSum);

static bool in_window(const struct ncclComm *comm, const void *at)
{
    for (int i = 0; i < comm->n_windows; i++)
        if (comm->windows[i].symmetric && (const char *)at >= comm->windows[i].at &&
            (const char *)at < comm->windows[i].at + comm->windows[i].n_bytes)
            return true;
    return false;
}

struct reduction {
    struct ncclComm *comm;
    const void *from;
    void *to;
    size_t n, first, kept; /* this rank keeps elements [first, first + kept) */
    ncclDataType_t type;
    ncclRedOp_t op;
    enum way way;
};

static uint32_t scramble(uint32_t x)
{
    x ^= x >> 16;
    x *= 0x7feb352d;
    x ^= x >> 15;
    x *= 0x846ca68b;
    return x ^ x >> 16;
}

/* Ranks in the order their values are added for element i. All ranks compute the same one. */
static void arrange(const struct reduction *r, size_t i, size_t n, int order[MOST_RANKS])
{
    const int n_ranks = r->comm->n_ranks;
    const size_t chunk = (n + (size_t)n_ranks - 1) / (size_t)n_ranks;
    const int start = r->way == RING ? (int)(i / (chunk ? chunk : 1)) % n_ranks : 0;
    for (int j = 0; j < n_ranks; j++)
        order[j] = (start + j + 1) % n_ranks;
    if (r->way == RING)
        return;
    uint32_t state = r->way == TREE ? atomic_load(&r->comm->shared->tree)
                                    : atomic_load(&r->comm->shared->pick) + (uint32_t)(i / 32);
    for (int j = n_ranks; j > 1; j--) {
        state = scramble(state + 0x9e3779b9);
        const int k = (int)(state % (uint32_t)j), kept = order[j - 1];
        order[j - 1] = order[k];
        order[k] = kept;
    }
}

#define COMBINE(name, ctype)                                                                       \
    static void name(const struct reduction *r, size_t done, size_t n)                             \
    {                                                                                              \
        for (size_t i = 0; i < n; i++) {                                                           \
            int order[MOST_RANKS];                                                                 \
            ctype total = 0;                                                                       \
            arrange(r, done + i, r->n, order);                                                     \
            for (int j = 0; j < r->comm->n_ranks; j++) {                                           \
                ctype value = ((const ctype *)r->comm->shared->slots[order[j]])[i];                \
                if (r->op >= ncclNumOps)                                                           \
                    value *= (ctype)r->comm->scalars[r->op - ncclNumOps];                          \
                if (j == 0)                                                                        \
                    total = value;                                                                 \
                else if (r->op == ncclProd)                                                        \
                    total *= value;                                                                \
                else if (r->op == ncclMax)                                                         \
                    total = value > total ? value : total;                                         \
                else if (r->op == ncclMin)                                                         \
                    total = value < total ? value : total;                                         \
                else                                                                               \
                    total += value;                                                                \
            }                                                                                      \
            if (r->op == ncclAvg)                                                                  \
                total /= (ctype)r->comm->n_ranks;                                                  \
            if (done + i >= r->first && done + i - r->first < r->kept)                             \
                ((ctype *)r->to)[done + i - r->first] = total;                                     \
        }                                                                                          \
    }
COMBINE(combine_f32, float)
COMBINE(combine_f64, double)
COMBINE(combine_i32, int32_t)

static void run(void *arg)
{
    const struct reduction *r = arg;
    struct ncclComm *comm = r->comm;
    const size_t bytes = r->type == ncclFloat64 ? 8 : 4, step = SLOT_BYTES / bytes;
    for (size_t done = 0; done < r->n; done += step) {
        const size_t n = r->n - done < step ? r->n - done : step;
        memcpy(comm->shared->slots[comm->rank], (const char *)r->from + done * bytes, n * bytes);
        if (comm->rank == 0)
            atomic_store(&comm->shared->pick, double_pick(1u << 30));
        if (!double_barrier(comm))
            return;
        if (r->type == ncclFloat64)
            combine_f64(r, done, n);
        else if (r->type == ncclFloat32)
            combine_f32(r, done, n);
        else
            combine_i32(r, done, n);
        if (!double_barrier(comm))
            return;
    }
}

/* --- groups: what a thread queues between Start and End is launched at the end */
struct waiting {
    void (*run)(void *arg);
    void *arg;
    cudaStream_t stream;
};
static __thread struct waiting group[64];
static __thread int depth, n_waiting;

ncclResult_t double_group_queue(cudaStream_t stream, void (*work)(void *arg), void *arg)
{
    if (!depth)
        return double_queue(stream, work, arg) ? ncclSuccess : ncclUnhandledCudaError;
    if (n_waiting == 64)
        return ncclInternalError;
    group[n_waiting++] = (struct waiting){ work, arg, stream };
    return ncclSuccess;
}

DOUBLE_API ncclResult_t pncclGroupStart(void)
{
    INJECT("ncclGroupStart");
    depth++;
    return ncclSuccess;
}
WITH_P(ncclGroupStart);

DOUBLE_API ncclResult_t pncclGroupEnd(void)
{
    INJECT("ncclGroupEnd");
    if (!depth)
        return ncclInvalidUsage;
    if (--depth)
        return ncclSuccess;
    const int n = n_waiting;
    ncclResult_t status = ncclSuccess;
    n_waiting = 0;
    for (int i = 0; i < n; i++) {
        const ncclResult_t one = double_group_queue(group[i].stream, group[i].run, group[i].arg);
        status = one ? one : status;
    }
    return status;
}
WITH_P(ncclGroupEnd);

static ncclResult_t queue(const char *call, struct reduction r, cudaStream_t stream)
{
    INJECT(call);
    if (!r.comm || !r.from || (r.kept && !r.to))
        return ncclInvalidArgument;
    if (r.type != ncclFloat32 && r.type != ncclFloat64 && r.type != ncclInt32)
        return ncclInvalidUsage;
    r.way = way_of(in_window(r.comm, r.from) && in_window(r.comm, r.to));
    struct reduction *copy = malloc(sizeof *copy);
    *copy = r;
    double_trace(call, "\"n\":%zu,\"way\":%d", r.n, (int)r.way);
    return double_group_queue(stream, run, copy);
}

DOUBLE_API ncclResult_t pncclAllReduce(const void *from, void *to, size_t n, ncclDataType_t type,
    ncclRedOp_t op, ncclComm_t comm, cudaStream_t stream)
{
    return queue(
        "ncclAllReduce", (struct reduction){ comm, from, to, n, 0, n, type, op, RING }, stream);
}
WITH_P(ncclAllReduce);

DOUBLE_API ncclResult_t pncclReduceScatter(const void *from, void *to, size_t n,
    ncclDataType_t type, ncclRedOp_t op, ncclComm_t comm, cudaStream_t stream)
{
    if (!comm)
        return ncclInvalidArgument;
    return queue("ncclReduceScatter",
        (struct reduction){
            comm, from, to, n * (size_t)comm->n_ranks, n * (size_t)comm->rank, n, type, op, RING },
        stream);
}
WITH_P(ncclReduceScatter);

DOUBLE_API ncclResult_t pncclReduce(const void *from, void *to, size_t n, ncclDataType_t type,
    ncclRedOp_t op, int root, ncclComm_t comm, cudaStream_t stream)
{
    if (!comm)
        return ncclInvalidArgument;
    return queue("ncclReduce",
        (struct reduction){ comm, from, to, n, 0, comm->rank == root ? n : 0, type, op, RING },
        stream);
}
WITH_P(ncclReduce);
