/* The software GPU's driver and runtime, from outside: children under tests/softgpu/run, and the library opened in this process
 * (Criterion forks each test). Stands on the software GPU alone: it says nothing about a real driver. */
#include <criterion/criterion.h>
#include <cuda.h>
#include <cudaTypedefs.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/child.h"

#define PROGRAM BUILD "/softgpu/programs/"

/* --- whole programs --- */

static struct child run(const char *options, const char *program, const char *const env[])
{
    return child_shell(
        env, 60, "B=%s %s/tests/softgpu/run %s -- %s%s", BUILD, ROOT, options, PROGRAM, program);
}

static char *sum_of(const char *options, const char *program)
{
    struct child c = run(options, program, NULL);
    cr_assert_eq(c.exit_status, 0, "%s: %s%s", program, c.out, c.err);
    cr_assert_str_eq(child_result(c.out, "vadd"), "ok");
    char *sum = strdup(child_result(c.out, "sum"));
    child_free(&c);
    cr_assert_str_not_empty(sum);
    return sum;
}

Test(softgpu_schedule, float_atomics_differ_from_seed_to_seed)
{
    char *first = sum_of("--seed 1", "atomic_sum");
    int different = 0;
    for (int seed = 2; seed < 8; seed++) {
        char options[32];
        snprintf(options, sizeof options, "--seed %d", seed);
        different += strcmp(first, sum_of(options, "atomic_sum")) != 0;
    }
    cr_assert_geq(different, 3, "only %d of 6 seeds gave other bits", different);
}

Test(softgpu_schedule, float_atomics_differ_from_run_to_run)
{
    char *first = sum_of("", "atomic_sum");
    int different = 0;
    for (int i = 0; i < 6; i++)
        different += strcmp(first, sum_of("", "atomic_sum")) != 0;
    cr_assert_geq(different, 1);
}

Test(softgpu_schedule, a_seed_repeats_the_bits)
{
    for (int i = 0; i < 3; i++)
        cr_assert_str_eq(sum_of("--seed 11", "atomic_sum"), sum_of("--seed 11", "atomic_sum"));
    cr_assert_str_eq(
        sum_of("--mode in_order", "atomic_sum"), sum_of("--mode in_order", "atomic_sum"));
}

static char *report_of(const char *options, const char *program)
{
    char name[] = "/tmp/softgpu-report-XXXXXX", all[256];
    close(mkstemp(name));
    snprintf(all, sizeof all, "%s --report %s", options, name);
    struct child c = run(all, program, NULL);
    cr_assert_eq(c.exit_status, 0, "%s%s", c.out, c.err);
    child_free(&c);
    FILE *file = fopen(name, "r");
    char *line = calloc(1, 1024);
    cr_assert_not_null(fgets(line, 1024, file));
    fclose(file);
    unlink(name);
    return line;
}

Test(softgpu_schedule, a_seed_repeats_the_whole_history)
{
    const char *programs[] = { "atomic_sum", "streams", "graphs", "per_thread" };
    for (size_t i = 0; i < 4; i++) {
        char *once = report_of("--seed 4", programs[i]),
             *again = report_of("--seed 4", programs[i]);
        char *other = report_of("--seed 5", programs[i]);
        cr_expect_str_eq(once, again, "%s", programs[i]);
        cr_expect_str_neq(once, other, "%s", programs[i]);
        cr_expect_not_null(strstr(once, "\"launches\":"));
    }
}

static void all_ok(const char *options, const char *program, int n)
{
    struct child c = run(options, program, NULL);
    int good = 0;
    for (const char *at = c.out; (at = strstr(at, "=ok")); at++)
        good++;
    cr_expect_eq(c.exit_status, 0);
    cr_expect_eq(good, n, "%s %s: %s%s", options, program, c.out, c.err);
    child_free(&c);
}

Test(softgpu_programs, streams_events_and_host_functions_keep_order)
{
    for (int seed = 1; seed <= 12; seed++) {
        char options[32];
        snprintf(options, sizeof options, "--seed %d", seed);
        all_ok(options, "streams", 7);
    }
    all_ok("--mode in_order", "streams", 7);
}

Test(softgpu_programs, a_captured_graph_does_what_direct_launches_do)
{
    for (int seed = 1; seed <= 12; seed++) {
        char options[32];
        snprintf(options, sizeof options, "--seed %d", seed);
        all_ok(options, "graphs", 8);
    }
}

Test(softgpu_programs, each_thread_has_a_default_stream)
{
    all_ok("", "per_thread", 2);
}

Test(softgpu_programs, real_nvrtc_and_a_driver_found_by_dlsym)
{
    all_ok("", "nvrtc", 1);
}

Test(softgpu_programs, every_way_nvcc_packs_code_runs)
{
    const char *images[] = { "none", "plain", "speed", "size", "balance", "major", "arch_a",
        "other" };
    const char *expected = sum_of("--seed 9", "atomic_sum");
    for (size_t i = 0; i < sizeof images / sizeof *images; i++) {
        char program[64];
        snprintf(program, sizeof program, "images_%s", images[i]);
        cr_expect_str_eq(sum_of("--seed 9", program), expected, "%s", program);
    }
}

static void error_is(const char *program, const char *const env[], const char *code)
{
    struct child c = run("", program, env);
    cr_expect_str_eq(child_result(c.out, "error"), code, "%s: %s%s", program, c.out, c.err);
    child_free(&c);
}

Test(softgpu_programs, code_that_cannot_run_is_refused)
{
    const char *strict[] = { "SOFTGPU_STRICT_CODE=1", NULL }, *old[] = { "SOFTGPU_SM=80", NULL };
    const char *ptx[] = { "SOFTGPU_MAX_PTX=8.0", NULL };
    error_is("images_sass", NULL, "209");
    error_is("images_rdc", NULL, "209");
    error_is("images_other", strict, "209");
    error_is("atomic_sum", old, "209");
    error_is("atomic_sum", ptx, "222");
    error_is("images_major", old, ""); /* sm_80 machine code, compute_120 PTX stands in */
}

Test(softgpu_programs, without_a_driver_the_runtime_says_35)
{
    struct child c = child_shell(NULL, 30,
        "d=$(mktemp -d) && cp %s/softgpu/libcudart.so.13 $d && LD_LIBRARY_PATH=$d %satomic_sum; rm "
        "-r $d",
        BUILD, PROGRAM);
    cr_assert_str_eq(child_result(c.out, "error"), "35", "%s%s", c.out, c.err);
    child_free(&c);
}

Test(softgpu_programs, faults_are_sticky_until_reset)
{
    const struct {
        const char *which, *launch, *sync;
    } cases[] = { { "faults address", "0", "700" }, { "faults pageable", "0", "700" },
        { "faults misaligned", "0", "716" }, { "faults trap", "0", "719" },
        { "faults shape", "9", "0" } };
    for (size_t i = 0; i < 5; i++) {
        struct child c = run("", cases[i].which, NULL);
        cr_expect_str_eq(child_result(c.out, "launch"), cases[i].launch, "%s", cases[i].which);
        cr_expect_str_eq(child_result(c.out, "sync"), cases[i].sync, "%s", cases[i].which);
        cr_expect_str_eq(child_result(c.out, "later"), cases[i].sync, "%s", cases[i].which);
        cr_expect_str_eq(child_result(c.out, "reset"), "0", "%s", cases[i].which);
        child_free(&c);
    }
}

Test(softgpu_programs, faults_can_be_injected_by_name_and_ordinal)
{
    const char *second[] = { "SOFTGPU_FAIL=cuMemAlloc:2:2", NULL };
    const char *suffixed[] = { "SOFTGPU_FAIL=cuMemAlloc_v2:4:2", NULL };
    const char *never[] = { "SOFTGPU_FAIL=cuMemAlloc:5:2,cuMemAllocPitch:1:2", NULL };
    const char *launch[] = { "SOFTGPU_FAIL=cuMemFree:1:1,cuLaunchKernel:2:719", NULL };
    const char *small[] = { "SOFTGPU_MEM_MIB=0", NULL };
    error_is("atomic_sum", second, "2");
    error_is("atomic_sum", suffixed, "2");
    error_is("atomic_sum", never, "");
    error_is("atomic_sum", launch, "719");
    error_is("atomic_sum", small, "2");
}

Test(softgpu_programs, the_trace_tells_each_launch)
{
    struct child c = run("--trace /dev/stdout", "atomic_sum", NULL);
    cr_expect_not_null(strstr(c.out, "\"grid\":[32,1,1],\"block\":[128,1,1]"), "%s", c.out);
    cr_expect_not_null(strstr(c.out, "\"param_bytes\":28"), "%s", c.out);
    cr_expect_not_null(strstr(c.out, "\"via\":\"launch\""), "%s", c.out);
    child_free(&c);
    c = run("--trace /dev/stdout", "graphs", NULL);
    cr_expect_not_null(strstr(c.out, "\"via\":\"graph\""), "%s", c.out);
    child_free(&c);
}

/* --- the driver in this process --- */

static PFN_cuGetProcAddress_v12000 proc_address;

static void *find(
    const char *name, int version, cuuint64_t flags, CUdriverProcAddressQueryResult *status)
{
    void *found = NULL;
    proc_address(name, &found, version, flags, status);
    return found;
}
#define CU(name, version) ((PFN_##name##_v##version)find(#name, version, 0, NULL))

static void *open_driver(void)
{
    void *library = dlopen(BUILD "/softgpu/libcuda.so.1", RTLD_NOW);
    cr_assert_not_null(library, "%s", dlerror());
    proc_address = (PFN_cuGetProcAddress_v12000)dlsym(library, "cuGetProcAddress_v2");
    return library;
}

static void start_driver(void)
{
    CUcontext context;
    open_driver();
    cr_assert_eq(CU(cuInit, 2000)(0), CUDA_SUCCESS);
    cr_assert_eq(CU(cuDevicePrimaryCtxRetain, 7000)(&context, 0), CUDA_SUCCESS);
    cr_assert_eq(CU(cuCtxSetCurrent, 4000)(context), CUDA_SUCCESS);
}

Test(softgpu_entry, versions_and_stream_flags_choose_the_symbol)
{
    void *library = open_driver();
    const struct {
        const char *name;
        int version;
        cuuint64_t flags;
        const char *symbol;
    } rows[] = {
        { "cuMemAlloc", 3020, 0, "cuMemAlloc_v2" },
        { "cuMemAlloc", 13000, 2, "cuMemAlloc_v2" },
        { "cuLaunchKernel", 4000, 0, "cuLaunchKernel" },
        { "cuLaunchKernel", 13000, 1, "cuLaunchKernel" },
        { "cuLaunchKernel", 13000, 2, "cuLaunchKernel_ptsz" },
        { "cuLaunchKernel", 6050, 2, "cuLaunchKernel" },
        { "cuMemcpyHtoD", 13000, 2, "cuMemcpyHtoD_v2_ptds" },
        { "cuGetProcAddress", 11030, 0, "cuGetProcAddress" },
        { "cuGetProcAddress", 12000, 0, "cuGetProcAddress_v2" },
        { "cuStreamGetCaptureInfo", 10010, 0, "cuStreamGetCaptureInfo" },
        { "cuStreamGetCaptureInfo", 11080, 0, "cuStreamGetCaptureInfo_v2" },
        { "cuStreamGetCaptureInfo", 12030, 2, "cuStreamGetCaptureInfo_v3_ptsz" },
        { "cuGraphAddNode", 12020, 0, "cuGraphAddNode" },
        { "cuGraphAddNode", 12030, 0, "cuGraphAddNode_v2" },
        { "cuStreamBeginCapture", 10000, 0, "cuStreamBeginCapture" },
        { "cuStreamBeginCapture", 10010, 0, "cuStreamBeginCapture_v2" },
        { "cuCtxSynchronize", 12000, 0, "cuCtxSynchronize" },
        { "cuCtxSynchronize", 13000, 0, "cuCtxSynchronize_v2" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CUdriverProcAddressQueryResult status = 9;
        void *found = find(rows[i].name, rows[i].version, rows[i].flags, &status);
        cr_expect_eq(found, dlsym(library, rows[i].symbol), "%s %d", rows[i].name, rows[i].version);
        cr_expect_eq(status, CU_GET_PROC_ADDRESS_SUCCESS);
    }
}

/* Else a preloaded wrapper stands in the driver's own table and calls itself for ever. */
Test(softgpu_entry, libraries_bind_their_own_symbols)
{
    struct child c = child_shell(NULL, 10,
        "for l in libcuda.so.1 libcudart.so.13; do readelf -d %s/softgpu/$l | grep -c SYMBOLIC; "
        "done",
        BUILD);
    cr_expect_null(strchr(c.out, '0'), "%s", c.out);
    child_free(&c);
}

Test(softgpu_entry, what_is_missing_looks_missing)
{
    CUdriverProcAddressQueryResult status = 9;
    void *library = open_driver(), *found = (void *)1;
    cr_expect_null(find("cuNoSuchCall", 13000, 0, &status));
    cr_expect_eq(status, CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND);
    cr_expect_null(find("cuLibraryLoadData", 11080, 0, &status));
    cr_expect_eq(status, CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT);
    cr_expect_null(find("", 0, 0, &status));
    cr_expect_eq(
        proc_address("cuInit", &found, CUDA_VERSION + 10, 0, NULL), CUDA_ERROR_INVALID_VALUE);
    cr_expect_null(dlsym(library, "cuTexRefCreate"));
}

Test(softgpu_entry, private_tables_are_never_offered)
{
    const unsigned char integrity[16] = { 0xd4, 0x08, 0x20, 0x55, 0xbd, 0xe6, 0x70, 0x4b, 0x8d,
        0x34, 0xba, 0x12, 0x3c, 0x66, 0xe1, 0xf2 };
    const void *table = &table;
    CUuuid id;
    open_driver();
    memcpy(&id, integrity, 16);
    cr_expect_eq(CU(cuGetExportTable, 3000)(&table, &id), CUDA_ERROR_NOT_FOUND);
    cr_expect_null(table);
}

Test(softgpu_entry, nothing_works_before_init)
{
    int n = 0;
    open_driver();
    cr_expect_eq(CU(cuDeviceGetCount, 2000)(&n), CUDA_ERROR_NOT_INITIALIZED);
    cr_expect_eq(CU(cuDriverGetVersion, 2020)(&n), CUDA_SUCCESS);
    cr_expect_eq(n, CUDA_VERSION);
}

Test(softgpu_device, several_devices_of_another_generation)
{
    int n = 0, major = 0, can = 0;
    setenv("SOFTGPU_DEVICES", "2", 1);
    setenv("SOFTGPU_SM", "120", 1);
    start_driver();
    cr_expect_eq(CU(cuDeviceGetCount, 2000)(&n), CUDA_SUCCESS);
    cr_expect_eq(n, 2);
    CU(cuDeviceGetAttribute, 2000)(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 1);
    cr_expect_eq(major, 12);
    CU(cuDeviceCanAccessPeer, 4000)(&can, 0, 1);
    cr_expect_eq(can, 1);
    cr_expect_eq(CU(cuDeviceGetAttribute, 2000)(&major, CU_DEVICE_ATTRIBUTE_WARP_SIZE, 2),
        CUDA_ERROR_INVALID_DEVICE);
}

static const char good_ptx[] =
    ".version 8.0\n.target sm_90\n.address_size 64\n"
    ".visible .global .align 4 .u32 counter = 5;\n"
    ".visible .entry bump(.param .u64 p, .param .u32 n)\n{\n"
    "    .reg .b32 %r<4>;\n    .reg .b64 %rd<4>;\n"
    "    ld.param.u64 %rd1, [p];\n    ld.param.u32 %r1, [n];\n"
    "    cvta.to.global.u64 %rd2, %rd1;\n    atom.global.add.u32 %r2, [%rd2], %r1;\n"
    "    ret;\n}\n";

Test(softgpu_code, images_and_their_errors)
{
    CUmodule module;
    start_driver();
    char log[256] = "";
    CUjit_option options[] = { CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES };
    void *values[] = { log, (void *)sizeof log };
    PFN_cuModuleLoadDataEx_v2010 load = CU(cuModuleLoadDataEx, 2010);
    cr_expect_eq(
        load(&module, ".version 8.0\n.target sm_90\n.entry f( { ret; }", 2, options, values),
        CUDA_ERROR_INVALID_PTX);
    cr_expect_str_not_empty(log);
    cr_expect_eq((size_t)values[1], strlen(log) + 1);
    cr_expect_eq(load(&module, "\001\002\003\004garbage", 0, NULL, NULL), CUDA_ERROR_INVALID_IMAGE);
    cr_expect_eq(load(&module,
                     "\x7f"
                     "ELF\002\001\001",
                     0, NULL, NULL),
        CUDA_ERROR_NO_BINARY_FOR_GPU);
    unsigned fatbin[] = { 0xba55ed50u, 0x00100001u, 4096, 0, 0x01010001u, 64, 0xffffff00u, 0, 0, 0,
        0, 90, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 };
    cr_expect_eq(load(&module, fatbin, 0, NULL, NULL), CUDA_ERROR_INVALID_IMAGE);
    cr_expect_eq(CU(cuModuleLoad, 2000)(&module, "/nonexistent"), CUDA_ERROR_FILE_NOT_FOUND);
}

Test(softgpu_code, launches_take_pointers_or_a_buffer_and_both_handles)
{
    CUmodule module;
    CUlibrary library;
    CUkernel kernel;
    CUfunction function;
    CUdeviceptr at, counter;
    unsigned result = 0, n = 3;
    size_t bytes = 0, offset = 0;
    start_driver();
    cr_assert_eq(CU(cuModuleLoadData, 2000)(&module, good_ptx), CUDA_SUCCESS);
    cr_assert_eq(CU(cuModuleGetFunction, 2000)(&function, module, "bump"), CUDA_SUCCESS);
    cr_assert_eq(CU(cuLibraryLoadData, 12000)(&library, good_ptx, NULL, NULL, 0, NULL, NULL, 0),
        CUDA_SUCCESS);
    cr_assert_eq(CU(cuLibraryGetKernel, 12000)(&kernel, library, "bump"), CUDA_SUCCESS);
    cr_assert_eq(CU(cuMemAlloc, 3020)(&at, 4), CUDA_SUCCESS);
    cr_assert_eq(CU(cuMemsetD32, 3020)(at, 0, 1), CUDA_SUCCESS);
    void *params[] = { &at, &n };
    struct {
        CUdeviceptr at;
        unsigned n;
    } buffer = { at, 5 };
    bytes = 12;
    void *extra[] = { CU_LAUNCH_PARAM_BUFFER_POINTER, &buffer, CU_LAUNCH_PARAM_BUFFER_SIZE, &bytes,
        CU_LAUNCH_PARAM_END };
    PFN_cuLaunchKernel_v4000 launch = CU(cuLaunchKernel, 4000);
    cr_expect_eq(launch(function, 1, 1, 1, 32, 1, 1, 0, NULL, params, NULL), CUDA_SUCCESS);
    n = 1000; /* copied at the call */
    cr_expect_eq(launch((CUfunction)kernel, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, extra), CUDA_SUCCESS);
    cr_expect_eq(
        launch(function, 1, 1, 1, 1025, 1, 1, 0, NULL, params, NULL), CUDA_ERROR_INVALID_VALUE);
    cr_expect_eq(
        launch(function, 1, 1, 1, 1, 1, 1, 1 << 20, NULL, params, NULL), CUDA_ERROR_INVALID_VALUE);
    CU(cuMemcpyDtoH, 3020)(&result, at, 4);
    cr_expect_eq(result, 101);
    cr_expect_eq(CU(cuFuncGetParamInfo, 12040)(function, 1, &offset, &bytes), CUDA_SUCCESS);
    cr_expect(offset == 8 && bytes == 4);
    cr_expect_eq(CU(cuModuleGetGlobal, 3020)(&counter, &bytes, module, "counter"), CUDA_SUCCESS);
    CU(cuMemcpyDtoH, 3020)(&result, counter, 4);
    cr_expect(result == 5 && bytes == 4);
    cr_expect_eq(CU(cuModuleGetFunction, 2000)(&function, module, "no"), CUDA_ERROR_NOT_FOUND);
}

Test(softgpu_code, linked_ptx_loads)
{
    CUlinkState link;
    CUmodule module;
    CUfunction function;
    void *image = NULL;
    size_t n_bytes = 0;
    start_driver();
    cr_assert_eq(CU(cuLinkCreate, 6050)(0, NULL, NULL, &link), CUDA_SUCCESS);
    cr_assert_eq(CU(cuLinkAddData, 6050)(
                     link, CU_JIT_INPUT_PTX, (void *)good_ptx, sizeof good_ptx, "a", 0, NULL, NULL),
        CUDA_SUCCESS);
    static const char second[] =
        ".version 8.0\n.target sm_90\n.address_size 64\n.visible .entry nothing()\n{\n ret;\n}\n";
    cr_assert_eq(CU(cuLinkAddData, 6050)(
                     link, CU_JIT_INPUT_PTX, (void *)second, sizeof second, "b", 0, NULL, NULL),
        CUDA_SUCCESS);
    cr_assert_eq(CU(cuLinkComplete, 5050)(link, &image, &n_bytes), CUDA_SUCCESS);
    cr_assert_eq(CU(cuModuleLoadData, 2000)(&module, image), CUDA_SUCCESS);
    cr_expect_eq(CU(cuLinkDestroy, 5050)(link), CUDA_SUCCESS);
    cr_expect_eq(CU(cuModuleGetFunction, 2000)(&function, module, "bump"), CUDA_SUCCESS);
    cr_expect_eq(CU(cuModuleGetFunction, 2000)(&function, module, "nothing"), CUDA_SUCCESS);
}

Test(softgpu_memory, ranges_pointers_and_limits)
{
    CUdeviceptr at, more, base;
    size_t n_bytes = 0, unused_bytes = 0, total = 0;
    CUmemorytype type = 0;
    setenv("SOFTGPU_MEM_MIB", "1", 1);
    start_driver();
    cr_assert_eq(CU(cuMemAlloc, 3020)(&at, 1000), CUDA_SUCCESS);
    cr_expect_eq(CU(cuMemAlloc, 3020)(&more, 1 << 20), CUDA_ERROR_OUT_OF_MEMORY);
    cr_expect_eq(CU(cuMemGetInfo, 3020)(&unused_bytes, &total), CUDA_SUCCESS);
    cr_expect(total == 1 << 20 && unused_bytes == total - 1024);
    cr_expect_eq(CU(cuMemGetAddressRange, 3020)(&base, &n_bytes, at + 999), CUDA_SUCCESS);
    cr_expect(base == at && n_bytes == 1000);
    cr_expect_eq(
        CU(cuPointerGetAttribute, 4000)(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, at), CUDA_SUCCESS);
    cr_expect_eq(type, CU_MEMORYTYPE_DEVICE);
    cr_expect_eq(CU(cuMemcpyHtoD, 3020)(at, &type, 1001), CUDA_ERROR_INVALID_VALUE);
    cr_expect_eq(CU(cuMemFree, 3020)(at + 1), CUDA_ERROR_INVALID_VALUE);
    cr_expect_eq(CU(cuMemFree, 3020)(at), CUDA_SUCCESS);
    cr_expect_eq(CU(cuMemFree, 3020)(at), CUDA_ERROR_INVALID_VALUE);
    int *host = malloc(64);
    cr_expect_eq(CU(cuMemHostRegister, 6050)(host, 64, 0), CUDA_SUCCESS);
    cr_expect_eq(
        CU(cuMemHostRegister, 6050)(host, 64, 0), CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED);
    cr_expect_eq(CU(cuMemHostGetDevicePointer, 3020)(&at, host, 0), CUDA_SUCCESS);
    cr_expect_eq(CU(cuMemHostUnregister, 4000)(host), CUDA_SUCCESS);
}

Test(softgpu_context, contexts_stack_and_have_ids)
{
    CUcontext first, second, now;
    unsigned long long a = 0, b = 0;
    CUdeviceptr at;
    open_driver();
    CU(cuInit, 2000)(0);
    cr_expect_eq(CU(cuMemAlloc, 3020)(&at, 4), CUDA_ERROR_INVALID_CONTEXT);
    cr_assert_eq(CU(cuCtxCreate, 3020)(&first, 0, 0), CUDA_SUCCESS);
    cr_assert_eq(CU(cuCtxCreate, 3020)(&second, 0, 0), CUDA_SUCCESS);
    CU(cuCtxGetCurrent, 4000)(&now);
    cr_expect_eq(now, second);
    CU(cuCtxGetId, 12000)(first, &a);
    CU(cuCtxGetId, 12000)(second, &b);
    cr_expect_neq(a, b);
    cr_expect_eq(CU(cuCtxDestroy, 4000)(second), CUDA_SUCCESS);
    CU(cuCtxGetCurrent, 4000)(&now);
    cr_expect_eq(now, first);
    cr_expect_eq(CU(cuCtxPushCurrent, 4000)(second), CUDA_ERROR_INVALID_CONTEXT);
    cr_expect_eq(CU(cuMemAlloc, 3020)(&at, 4), CUDA_SUCCESS);
}

Test(softgpu_stream, values_hold_a_stream_back)
{
    CUstream stream;
    CUdeviceptr flag;
    unsigned *host = NULL;
    start_driver();
    cr_assert_eq(CU(cuStreamCreate, 2000)(&stream, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
    cr_assert_eq(CU(cuMemHostAlloc, 2020)((void **)&host, 8, 0), CUDA_SUCCESS);
    host[0] = host[1] = 0;
    CU(cuMemHostGetDevicePointer, 3020)(&flag, host, 0);
    cr_expect_eq(
        CU(cuStreamWaitValue32, 11070)(stream, flag, 1, CU_STREAM_WAIT_VALUE_GEQ), CUDA_SUCCESS);
    cr_expect_eq(CU(cuStreamWriteValue32, 11070)(stream, flag + 4, 9, 0), CUDA_SUCCESS);
    for (int i = 0; i < 100; i++)
        cr_assert_eq(CU(cuStreamQuery, 2000)(stream), CUDA_ERROR_NOT_READY);
    cr_expect_eq(host[1], 0);
    host[0] = 1;
    cr_expect_eq(CU(cuStreamSynchronize, 2000)(stream), CUDA_SUCCESS);
    cr_expect_eq(host[1], 9);
}

Test(softgpu_capture, the_state_machine_gives_the_documented_codes)
{
    CUstream a, b;
    CUevent event;
    CUgraph graph;
    CUstreamCaptureStatus status;
    cuuint64_t id = 0;
    start_driver();
    PFN_cuStreamBeginCapture_v10010 begin = CU(cuStreamBeginCapture, 10010);
    PFN_cuStreamEndCapture_v10000 end = CU(cuStreamEndCapture, 10000);
    CU(cuStreamCreate, 2000)(&a, 0);
    CU(cuStreamCreate, 2000)(&b, 0);
    CU(cuEventCreate, 2000)(&event, 0);
    cr_expect_eq(begin(NULL, CU_STREAM_CAPTURE_MODE_GLOBAL), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
    cr_expect_eq(end(a, &graph), CUDA_ERROR_ILLEGAL_STATE);
    cr_expect_eq(begin(a, CU_STREAM_CAPTURE_MODE_GLOBAL), CUDA_SUCCESS);
    cr_expect_eq(begin(a, CU_STREAM_CAPTURE_MODE_GLOBAL), CUDA_ERROR_ILLEGAL_STATE);
    CU(cuStreamGetCaptureInfo, 10010)(a, &status, &id);
    cr_expect(status == CU_STREAM_CAPTURE_STATUS_ACTIVE && id > 0);
    cr_expect_eq(CU(cuStreamSynchronize, 2000)(a), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
    CU(cuStreamIsCapturing, 10000)(a, &status);
    cr_expect_eq(status, CU_STREAM_CAPTURE_STATUS_INVALIDATED);
    cr_expect_eq(end(a, &graph), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);

    CU(cuEventRecord, 2000)(event, b); /* outside */
    begin(a, CU_STREAM_CAPTURE_MODE_GLOBAL);
    cr_expect_eq(CU(cuStreamWaitEvent, 3020)(a, event, 0), CUDA_ERROR_STREAM_CAPTURE_ISOLATION);
    end(a, &graph);

    begin(a, CU_STREAM_CAPTURE_MODE_GLOBAL);
    begin(b, CU_STREAM_CAPTURE_MODE_GLOBAL);
    CU(cuEventRecord, 2000)(event, a);
    cr_expect_eq(CU(cuStreamWaitEvent, 3020)(b, event, 0), CUDA_ERROR_STREAM_CAPTURE_MERGE);
    end(a, &graph);
    end(b, &graph);

    begin(a, CU_STREAM_CAPTURE_MODE_GLOBAL);
    CU(cuEventRecord, 2000)(event, a);
    CU(cuStreamWaitEvent, 3020)(b, event, 0);
    cr_expect_eq(end(b, &graph), CUDA_ERROR_STREAM_CAPTURE_UNMATCHED);
    cr_expect_eq(end(a, &graph), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
    cr_expect_eq(CU(cuStreamSynchronize, 2000)(b), CUDA_SUCCESS);
}
