/* NCCL between forked processes. Knows nothing of detshim. usage: use_nccl RANKS allreduce|reducescatter|reduce|windows|scaled|group|moves|split|shrink|all|sweep
 * The id is made by the parent before it forks, as launchers do; every rank prints its own bits through the parent. */
#include <nccl.h>

#include <sys/wait.h>
#include <unistd.h>

#include "lib.h"

#define GOOD(call)                                                                                 \
    do {                                                                                           \
        const int good_status = (int)(call);                                                       \
        if (good_status) {                                                                         \
            printf("%s: status %d\n", #call, good_status);                                         \
            _exit(2);                                                                              \
        }                                                                                          \
    } while (0)

static void reduce(
    ncclComm_t comm, int ranks, int rank, const char *way, size_t n, int f64, ncclRedOp_t op)
{
    const size_t bytes = f64 ? 8 : 4;
    const ncclDataType_t type = f64 ? ncclFloat64 : ncclFloat32;
    const int scatter = strcmp(way, "reducescatter") == 0;
    char *from = lib_numbers(n * (scatter ? ranks : 1), f64), *to = lib_numbers(n, f64);
    ncclWindow_t a, b;
    if (strcmp(way, "windows") == 0) {
        GOOD(ncclCommWindowRegister(comm, from, n * bytes, &a, NCCL_WIN_COLL_SYMMETRIC));
        GOOD(pncclCommWindowRegister(comm, to, n * bytes, &b, NCCL_WIN_COLL_SYMMETRIC));
    }
    lib_begin();
    if (scatter)
        GOOD(ncclReduceScatter(from, to, n, type, op, comm, lib_stream));
    else if (strcmp(way, "reduce") == 0)
        GOOD(ncclReduce(from, to, n, type, op, ranks - 1, comm, lib_stream));
    else
        GOOD(ncclAllReduce(from, to, n, type, op, comm, lib_stream));
    lib_end();
    if (strcmp(way, "reduce") != 0 || rank == ranks - 1)
        lib_take(to, n * bytes);
    else
        OK(CU(cuCtxSynchronize)());
}

/* Two sums in one group, nested; launched by the outer end. */
static void grouped(ncclComm_t comm)
{
    float *a = lib_numbers(3000, 0), *b = lib_numbers(3000, 0);
    double *c = lib_numbers(500, 1);
    GOOD(ncclGroupStart());
    GOOD(ncclAllReduce(a, a, 3000, ncclFloat32, ncclSum, comm, NULL));
    GOOD(pncclGroupStart());
    GOOD(pncclAllReduce(c, c, 500, ncclFloat64, ncclSum, comm, NULL));
    GOOD(pncclGroupEnd());
    GOOD(ncclAllReduce(b, b, 3000, ncclFloat32, ncclAvg, comm, NULL));
    GOOD(ncclGroupEnd());
    lib_take(a, 12000), lib_take(b, 12000), lib_take(c, 4000);
}

/* Every call that only moves data; each by its plain or its p name. */
static void moves(ncclComm_t comm, int ranks, int rank)
{
    enum { N = 100 };
    const size_t all = N * (size_t)ranks * 4;
    float *from = lib_numbers(N * (size_t)ranks, 0), *to = lib_numbers(N * (size_t)ranks, 0);
    const ncclDataType_t t = ncclFloat32;
    GOOD(ncclAllGather(from, to, N, t, comm, NULL));
    lib_take(to, all);
    GOOD(pncclBroadcast(from, to, N, t, 0, comm, NULL));
    GOOD(ncclBcast(to, N, t, ranks - 1, comm, NULL));
    GOOD(ncclAlltoAll(from, to, N, t, comm, NULL));
    lib_take(to, all);
    GOOD(ncclGather(from, to, N, t, 0, comm, NULL));
    GOOD(ncclScatter(from, to, N, t, ranks - 1, comm, NULL));
    lib_take(to, all);
    GOOD(ncclGroupStart());
    GOOD(ncclSend(from, N, t, (rank + 1) % ranks, comm, NULL));
    GOOD(ncclRecv(to, N, t, (rank + ranks - 1) % ranks, comm, NULL));
    GOOD(ncclGroupEnd());
    lib_take(to, all);
}

/* Sums in a communicator made from another: two halves, or all but the first rank. */
static void in_child(ncclComm_t comm, int ranks, int rank, int shrink)
{
    ncclComm_t made = NULL;
    int first = 0;
    if (!shrink)
        GOOD(ncclCommSplit(comm, rank % 2, -rank, &made, NULL));
    else if (rank)
        GOOD(ncclCommShrink(comm, &first, 1, &made, NULL, 0));
    if (!made)
        return;
    reduce(made, ranks, rank, "allreduce", 3000, 0, ncclSum);
    GOOD(ncclCommDestroy(made));
}

/* Every way to a communicator. */
static ncclComm_t join(int kind, int ranks, int rank, ncclUniqueId id)
{
    ncclComm_t comm = NULL;
    GOOD(kind == 0   ? ncclCommInitRank(&comm, ranks, id, rank)
         : kind == 1 ? ncclCommInitRankConfig(&comm, ranks, id, rank, NULL)
         : kind == 2 ? ncclCommInitRankScalable(&comm, ranks, rank, 1, &id, NULL)
         : kind == 3 ? pncclCommInitRank(&comm, ranks, id, rank)
         : kind == 4 ? pncclCommInitRankConfig(&comm, ranks, id, rank, NULL)
                     : pncclCommInitRankScalable(&comm, ranks, rank, 1, &id, NULL));
    return comm;
}

static void run(int ranks, int rank, ncclUniqueId id, const char *way, int kind)
{
    static const char *const ways[] = { "allreduce", "reducescatter", "reduce", "windows" };
    drv_start();
    lib_streams();
    const ncclComm_t comm = join(strcmp(way, "scaled") == 0    ? 2
                                 : strcmp(way, "windows") == 0 ? 1
                                                               : kind,
        ranks, rank, id);
    if (strcmp(way, "scaled") == 0) {
        const float half = 0.3f;
        ncclRedOp_t op;
        void *handle;
        float *buffer = lib_numbers(5000, 0);
        GOOD(ncclCommRegister(comm, buffer, 20000, &handle));
        GOOD(ncclRedOpCreatePreMulSum(
            &op, (void *)&half, ncclFloat32, ncclScalarHostImmediate, comm));
        lib_state = 99 + (uint64_t)rank;
        reduce(comm, ranks, rank, "allreduce", 5000, 0, op);
    } else if (strcmp(way, "group") == 0) {
        lib_state = 99 + (uint64_t)rank;
        grouped(comm);
    } else if (strcmp(way, "moves") == 0) {
        lib_state = 99 + (uint64_t)rank;
        moves(comm, ranks, rank);
    } else if (strcmp(way, "split") == 0 || strcmp(way, "shrink") == 0) {
        lib_state = 99 + (uint64_t)rank;
        in_child(comm, ranks, rank, strcmp(way, "shrink") == 0);
    } else if (strcmp(way, "sweep") == 0)
        for (int i = 0; i < 200;
             i++) { /* all ranks draw the same shapes, and numbers of their own; few windows fit */
            lib_state = 1000u * (uint64_t)kind + 77 + (uint64_t)i;
            const char *one = ways[i % 30 == 7 ? 3 : lib_random(3)];
            const size_t n = 1 + lib_random(300);
            const int f64 = (int)lib_random(2);
            const ncclRedOp_t op = (ncclRedOp_t)lib_random(5);
            lib_state = 1000 * (uint64_t)i + (uint64_t)rank;
            reduce(comm, ranks, rank, one, n, f64, op);
        }
    else {
        lib_state = 99 + (uint64_t)rank;
        for (int i = 0; i < 4; i++)
            reduce(comm, ranks, rank, way, 4000, i % 2, ncclSum);
    }
    GOOD(ncclCommDestroy(comm));
}

int main(int argc, char **argv)
{
    const int ranks = argc > 1 ? atoi(argv[1]) : 1;
    const char *way = argc > 2 ? argv[2] : "allreduce";
    ncclUniqueId id;
    int results[2];
    if (strcmp(way, "faults") == 0) {
        ncclComm_t comm = NULL;
        ncclWindow_t window;
        printf("result statuses=%d,%d,%d,%d\n",
            ncclCommInitRank(NULL, 1, (ncclUniqueId){ { 0 } }, 0),
            ncclCommInitRank(&comm, 2, (ncclUniqueId){ { 0 } }, 5),
            ncclCommWindowRegister(NULL, NULL, 0, &window, 1),
            ncclAllReduce(NULL, NULL, 4, ncclFloat32, ncclSum, NULL, NULL));
        return 0;
    }
    if (strcmp(way, "all") == 0) { /* one process, all its devices */
        ncclComm_t comm;
        drv_start();
        GOOD(ncclCommInitAll(&comm, 1, NULL));
        printf("result algo=%s\n", getenv("NCCL_ALGO") ? getenv("NCCL_ALGO") : "unset");
        return ncclCommDestroy(comm);
    }
    GOOD(argc > 3 && atoi(argv[3]) > 2 ? pncclGetUniqueId(&id) : ncclGetUniqueId(&id));
    if (strcmp(way, "id") == 0) {
        printf("result algo=%s\n", getenv("NCCL_ALGO") ? getenv("NCCL_ALGO") : "unset");
        return 0;
    }
    if (pipe(results) != 0)
        return 3;
    for (int rank = 0; rank < ranks; rank++)
        if (fork() == 0) {
            run(ranks, rank, id, way, argc > 3 ? atoi(argv[3]) : 0);
            const uint64_t line[2] = { (uint64_t)rank, lib_hash };
            _exit(write(results[1], line, sizeof line) == sizeof line ? 0 : 4);
        }
    uint64_t all[16] = { 0 }, line[2];
    int failed = 0, status = 0;
    for (int rank = 0; rank < ranks; rank++) {
        wait(&status);
        failed |= status;
    }
    if (failed)
        return 5;
    for (int rank = 0; rank < ranks; rank++)
        if (read(results[0], line, sizeof line) == sizeof line)
            all[line[0]] = line[1];
    lib_add(all, sizeof all);
    lib_result();
    return 0;
}
