/* NCCL under the shim, against the double: ranks are forked processes. The environment is also seen by the real library, which
 * reads it in ncclGetUniqueId and needs a device for all else. */
#include "bench_lib.h"

Test(nccl, reductions_run_along_rings, .timeout = 300)
{
    pinned("use_nccl 4 allreduce", shim);     /* ncclAllReduce ncclCommInitRank ncclGetUniqueId */
    pinned("use_nccl 5 reducescatter", shim); /* ncclReduceScatter */
    pinned("use_nccl 3 reduce", shim);        /* ncclReduce */
    says("use_nccl 3 allreduce", (const char *const[]){ SHIM, "DETSHIM_LOG=stderr", NULL },
        "field=NCCL_ALGO asked=unset given=Ring action=changed");
    char *trace = trace_of("use_nccl 3 allreduce", shim);
    cr_expect(strstr(trace, "\"algo\":\"Ring\",\"tuner\":\"none\"") &&
                  !strstr(trace, "\"way\":1") && !strstr(trace, "\"way\":2"),
        "%s", trace);
    free(trace);
}

/* ncclGroupStart ncclGroupEnd: a group's sums; ncclCommSplit, ncclCommShrink: sums of a communicator made from another */
Test(nccl, groups_and_children_run_along_rings, .timeout = 300)
{
    pinned("use_nccl 4 group", shim);
    pinned("use_nccl 6 split", shim);
    pinned("use_nccl 5 shrink", shim);
    says("use_nccl 4 group", loud, "call name=ncclAllReduce class=pinned rule=nccl.ring");
    says("use_nccl 4 group", loud, "call name=pncclAllReduce class=pinned rule=nccl.ring");
    says("use_nccl 6 split", loud, "call name=ncclAllReduce class=pinned rule=nccl.ring");
    char *algo = lib_value("use_nccl 1 all", shim, "algo"); /* ncclCommInitAll */
    cr_expect_str_eq(algo, "Ring");
    free(algo);
}

/* ncclAllGather ncclBroadcast ncclBcast ncclAlltoAll ncclGather ncclScatter ncclSend ncclRecv: no bit is touched, and the ledger
 * knows whose kernels they launch */
Test(nccl, moves_are_vouched_for)
{
    cr_expect_eq(distinct("use_nccl 4 moves", plain, 3), 1);
    unchanged("use_nccl 4 moves", "bits");
    static const char *const names[] = { "ncclAllGather", "pncclBroadcast", "ncclBcast",
        "ncclAlltoAll", "ncclGather", "ncclScatter", "ncclSend", "ncclRecv" };
    for (int i = 0; i < 8; i++) {
        char line[100];
        snprintf(line, sizeof line, "call name=%s class=vouched", names[i]);
        says("use_nccl 4 moves", loud, line);
    }
    static const char *const launching[] = { SHIM, "DETSHIM_LOG=stderr", "DOUBLES_KERNELS=1",
        NULL };
    static const char *const ways[] = { "use_nccl 2 group", "use_nccl 2 moves",
        "use_nccl 2 allreduce" };
    for (int i = 0; i < 3; i++) {
        struct child child = with_doubles(ways[i], launching);
        cr_expect_eq(child.exit_status, 0, "%s%s", child.out, child.err);
        cr_expect(
            strstr(child.err, " 0 unknown, 0 uncovered") && !strstr(child.err, "double_kernel"),
            "%s", child.err);
        child_free(&child);
    }
}

/* NCCL_WIN_ENABLE=1 by the user: the windows themselves lose the flag. ncclCommWindowRegister pncclCommWindowRegister
 * ncclCommInitRankConfig */
Test(nccl, symmetric_windows_become_plain_ones, .timeout = 300)
{
    const char *const theirs[] = { SHIM, "DETSHIM_LOG_LEVEL=off", "NCCL_WIN_ENABLE=1", NULL };
    pinned("use_nccl 4 windows", shim);
    pinned("use_nccl 4 windows", theirs);
    says("use_nccl 2 windows", (const char *const[]){ SHIM, "DETSHIM_LOG=stderr", NULL },
        "call=ncclCommWindowRegister rule=nccl.windows field=winFlags asked=1 given=0");
    says("use_nccl 2 windows", (const char *const[]){ SHIM, "DETSHIM_LOG=stderr", NULL },
        "call=pncclCommWindowRegister rule=nccl.windows field=winFlags asked=1 given=0");
    const char *const without[] = { SHIM, "DETSHIM_RULES=-nccl.windows", "DETSHIM_LOG=stderr",
        NULL };
    cr_expect_gt(distinct("use_nccl 4 windows", without, 6), 1);
    says("use_nccl 2 windows", without, "symmetric windows bypass NCCL_ALGO");
}

Test(nccl, a_users_algorithm_is_kept_or_named)
{
    const char *const tree[] = { SHIM, "DETSHIM_LOG=stderr", "NCCL_ALGO=Tree", NULL };
    const char *const no_switch[] = { SHIM, "DETSHIM_LOG=stderr", "NCCL_ALGO=^NVLS", NULL };
    says("use_nccl 2 allreduce", tree, "field=NCCL_ALGO asked=Tree given=Tree action=conflict");
    says("use_nccl 2 allreduce", tree, "let NCCL choose another order");
    /* without the switch there are still trees, which may be built anew */
    says("use_nccl 2 allreduce", no_switch, "asked=^NVLS given=^NVLS action=conflict");
    says("use_nccl 2 allreduce", no_switch, "let NCCL choose another order");
    static const char *const rings[] = { "NCCL_ALGO=ring", "NCCL_ALGO=^Tree",
        "NCCL_ALGO=^NVLS,Tree", "NCCL_ALGO=^tree,nvls", "NCCL_ALGO=^CollnetChain,Tree,NVLS" };
    for (int i = 0; i < 5; i++) {
        const char *const env[] = { SHIM, "DETSHIM_LOG=stderr", rings[i], NULL };
        says("use_nccl 2 allreduce", env, "action=kept");
        cr_expect_eq(distinct("use_nccl 3 allreduce", env, 3), 1, "%s", rings[i]);
    }
    const char *const only_name[] = { SHIM, "DETSHIM_LOG=stderr", "NCCL_ALGO=^NVLSTree", NULL };
    says("use_nccl 2 allreduce", only_name, "given=^NVLSTree action=conflict");
    char *trace = trace_of("use_nccl 2 allreduce", tree);
    cr_expect(strstr(trace, "\"algo\":\"Tree\""), "the user's value reaches NCCL: %s", trace);
    free(trace);
}

/* Each by another way to a communicator, plain and p names. */
Test(nccl, twelve_hundred_random_reductions_match, .timeout = 300)
{
    for (int kind = 0; kind < 6; kind++) {
        char command[40];
        snprintf(command, sizeof command, "use_nccl 3 sweep %d", kind);
        cr_assert_gt(distinct(command, plain, 2), 1);
        cr_expect_eq(distinct(command, shim, 2), 1, "%s", command);
    }
}

Test(nccl, nothing_is_set_in_a_process_without_nccl)
{
    struct child child = with_doubles(
        "use_cublas single", (const char *const[]){ SHIM, "DETSHIM_LOG=stderr", NULL });
    cr_expect_eq(child.exit_status, 0);
    cr_expect(!strstr(child.err, "NCCL_"), "%s", child.err);
    child_free(&child);
}

Test(nccl, bad_arguments_and_injected_statuses_reach_the_program)
{
    unchanged("use_nccl 1 faults", "statuses");
    static const char *const calls[] = { "ncclGetUniqueId", "ncclCommInitRank", "ncclAllReduce" };
    for (int i = 0; i < 3; i++)
        for (int status = 1; status <= 7; status++) {
            char fail[80];
            snprintf(fail, sizeof fail, "DOUBLES_FAIL=%s:1:%d", calls[i], status);
            struct child a = with_doubles(
                "use_nccl 1 allreduce", (const char *const[]){ "LD_PRELOAD", fail, NULL });
            struct child b = with_doubles("use_nccl 1 allreduce",
                (const char *const[]){ SHIM, "DETSHIM_LOG_LEVEL=off", fail, NULL });
            cr_expect_str_eq(a.out, b.out, "%s", fail);
            cr_expect_eq(a.exit_status, b.exit_status, "%s", fail);
            child_free(&a);
            child_free(&b);
        }
}

/* The real library, without a device: what it says it read. */
Test(nccl, the_real_library_reads_what_was_set)
{
    const char *cuda = getenv("CUDA_HOME");
    char path[4096], file[4200];
    snprintf(path, sizeof path, "LD_LIBRARY_PATH=%s/lib", cuda ? cuda : "/usr/local/cuda");
    snprintf(file, sizeof file, "%s/libnccl.so.2", path + strlen("LD_LIBRARY_PATH="));
    if (access(file, R_OK) != 0)
        cr_skip_test("no real libnccl.so.2");
    const char *const env[] = { path, SHIM, "NCCL_DEBUG=INFO", "NCCL_ALGO", "DETSHIM_LOG_LEVEL=off",
        NULL };
    struct child child = with_doubles("use_nccl 1 id", env);
    if (child.exit_status == 2 && !strstr(child.out, "set by environment")) {
        child_free(&child);
        cr_skip_test("ncclGetUniqueId finds no network interface here");
    }
    cr_expect(strstr(child.out, "NCCL_ENV_PLUGIN set by environment to none"), "%s%s", child.out,
        child.err);
    cr_expect_str_eq(child_result(child.out, "algo"), "Ring");
    child_free(&child);
}
