/* One more parameter: the table pointer behind the program's own, in both ways to pass parameters; attributes without early
 * starts; which libraries are vendor code. */
#define _GNU_SOURCE 1
#include <criterion/criterion.h>

#include "shim/cuda/cuda_owner.c"
#include "shim/cuda/cuda_params.c"

Test(cuda_params, a_pointer_list_is_copied_and_extended)
{
    int a = 1, b = 2;
    void *list[] = { &a, &b };
    struct det_params p;
    cr_assert_null(det_params_make(&p, list, NULL, 2, 16));
    cr_assert_neq((void *)p.params, (void *)list);
    cr_assert_eq(p.params[0], &a);
    cr_assert_eq(p.params[1], &b);
    cr_assert_eq(p.params[2], &p.table);
    cr_assert_null(p.extra);
    det_params_free(&p);
}

Test(cuda_params, a_long_list_moves_to_the_heap)
{
    int value;
    void *list[300];
    for (int i = 0; i < 300; i++)
        list[i] = &value;
    struct det_params p;
    cr_assert_null(det_params_make(&p, list, NULL, 300, 4096));
    cr_assert_eq(p.params[299], &value);
    cr_assert_eq(p.params[300], &p.table);
    det_params_free(&p);
}

Test(cuda_params, no_parameters_at_all)
{
    struct det_params p;
    cr_assert_null(det_params_make(&p, NULL, NULL, 0, 0));
    cr_assert_eq(p.params[0], &p.table);
    det_params_free(&p);
    cr_assert_str_eq(det_params_make(&p, NULL, NULL, 1, 8), "parameters missing");
}

Test(cuda_params, a_buffer_is_repacked_with_padding)
{
    char buffer[12] = "abcdefghijk";
    size_t n_bytes = sizeof buffer;
    void *extra[] = { CU_LAUNCH_PARAM_BUFFER_POINTER, buffer, CU_LAUNCH_PARAM_BUFFER_SIZE, &n_bytes,
        CU_LAUNCH_PARAM_END };
    struct det_params p;
    cr_assert_null(det_params_make(&p, NULL, extra, 3, 16));
    cr_assert_null(p.params);
    cr_assert_eq(p.extra[0], CU_LAUNCH_PARAM_BUFFER_POINTER);
    cr_assert_eq(memcmp(p.extra[1], buffer, sizeof buffer), 0);
    cr_assert_eq(*(size_t *)p.extra[3], 24);
    cr_assert_eq(p.extra[4], CU_LAUNCH_PARAM_END);
    det_params_free(&p);
    /* in any order, and a larger buffer than the kernel has parameters for */
    void *turned[] = { CU_LAUNCH_PARAM_BUFFER_SIZE, &n_bytes, CU_LAUNCH_PARAM_BUFFER_POINTER,
        buffer, CU_LAUNCH_PARAM_END };
    cr_assert_null(det_params_make(&p, NULL, turned, 1, 8));
    cr_assert_eq(memcmp(p.extra[1], buffer, 8), 0);
    cr_assert_eq(*(size_t *)p.extra[3], 16);
    det_params_free(&p);
}

Test(cuda_params, a_pointer_is_read_by_its_offset_even_inside_a_struct)
{
    struct {
        int n;
        char *data;
    } view = { 3, (char *)0x1234 };
    int count = 5;
    void *list[] = { &count, &view };
    const uint32_t offsets[] = { 0, 8 }, sizes[] = { 4, 16 };
    cr_assert_eq(det_params_read(list, NULL, offsets, sizes, 2, 16), 0x1234);
    cr_assert_eq(det_params_read(list, NULL, offsets, sizes, 2, 0), 0, "four bytes are no address");
    cr_assert_eq(det_params_read(list, NULL, offsets, sizes, 2, 24), 0);
    uint64_t buffer[3] = { 5, 3, 0x4321 };
    size_t n_bytes = sizeof buffer;
    void *extra[] = { CU_LAUNCH_PARAM_BUFFER_POINTER, buffer, CU_LAUNCH_PARAM_BUFFER_SIZE, &n_bytes,
        CU_LAUNCH_PARAM_END };
    cr_assert_eq(det_params_read(NULL, extra, offsets, sizes, 2, 16), 0x4321);
    cr_assert_eq(det_params_read(NULL, extra, offsets, sizes, 2, 24), 0);
    cr_assert_eq(det_params_read(NULL, NULL, offsets, sizes, 2, 0), 0);
}

Test(cuda_params, lists_we_do_not_know_are_refused)
{
    char buffer[8];
    void *list[] = { buffer };
    void *strange[] = { (void *)7, buffer, CU_LAUNCH_PARAM_END };
    struct det_params p;
    cr_assert_str_eq(det_params_make(&p, NULL, strange, 1, 8), "unknown parameter list");
    void *extra[] = { CU_LAUNCH_PARAM_END };
    cr_assert_str_eq(det_params_make(&p, list, extra, 1, 8), "parameters given twice");
    cr_assert_str_eq(det_params_make(&p, NULL, extra, 1, 8), "unknown parameter list");
}

Test(cuda_params, early_starts_are_dropped_or_refused)
{
    CUlaunchAttribute in[2] = { { .id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION },
        { .id = CU_LAUNCH_ATTRIBUTE_COOPERATIVE } };
    in[0].value.programmaticStreamSerializationAllowed = 1;
    in[1].value.cooperative = 1;
    CUlaunchConfig config = { .attrs = in, .numAttrs = 2 };
    CUlaunchAttribute out[DET_MAX_LAUNCH_ATTR];
    unsigned n = 9;
    bool cooperative = false;
    cr_assert_null(det_attrs_make(&config, out, &n, &cooperative));
    cr_assert_eq(n, 1);
    cr_assert_eq(out[0].id, CU_LAUNCH_ATTRIBUTE_COOPERATIVE);
    cr_assert(cooperative);
    in[0].id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_EVENT;
    cr_assert_str_eq(det_attrs_make(&config, out, &n, &cooperative), "early event");
    in[0].id = CU_LAUNCH_ATTRIBUTE_LAUNCH_COMPLETION_EVENT;
    cr_assert_str_eq(det_attrs_make(&config, out, &n, &cooperative), "early event");
    config.attrs = NULL;
    cr_assert_str_eq(det_attrs_make(&config, out, &n, &cooperative), "unknown launch attributes");
    config.numAttrs = 0;
    cr_assert_null(det_attrs_make(&config, out, &n, &cooperative));
}

Test(cuda_params, vendor_libraries_are_known_by_file_name)
{
    cr_assert(det_owner_name_is_vendor("/opt/x/libcublasLt.so.13"));
    cr_assert(det_owner_name_is_vendor("libcudnn_ops.so.9"));
    cr_assert(det_owner_name_is_vendor("libnccl.so.2"));
    cr_assert_not(det_owner_name_is_vendor("/opt/x/libcudart.so.13"));
    cr_assert_not(det_owner_name_is_vendor("libtorch_cuda.so"));
    cr_assert_not(det_owner_name_is_vendor(""));
    int local;
    cr_assert_not(det_owner_is_vendor(&local));
}
