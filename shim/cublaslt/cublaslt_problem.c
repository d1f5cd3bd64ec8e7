/* See cublaslt_problem.h. Handles come as opaque words; only the library's getters read them. */
#include "shim/cublaslt/cublaslt_problem.h"

#include <cuda.h>

#include "shim/loader/call.h"

typedef cublasStatus_t (*layout_getter)(
    cublasLtMatrixLayout_t, cublasLtMatrixLayoutAttribute_t, void *, size_t, size_t *);
typedef cublasStatus_t (*algo_getter)(
    const cublasLtMatmulAlgo_t *, cublasLtMatmulAlgoConfigAttributes_t, void *, size_t, size_t *);

static void put_layout(layout_getter get, cublasLtMatrixLayout_t layout, struct det_line *to)
{
    static const struct {
        cublasLtMatrixLayoutAttribute_t name;
        size_t n_bytes;
    } fields[] = { { CUBLASLT_MATRIX_LAYOUT_TYPE, 4 }, { CUBLASLT_MATRIX_LAYOUT_ORDER, 4 },
        { CUBLASLT_MATRIX_LAYOUT_ROWS, 8 }, { CUBLASLT_MATRIX_LAYOUT_COLS, 8 },
        { CUBLASLT_MATRIX_LAYOUT_LD, 8 }, { CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, 4 },
        { CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, 8 } };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        int64_t value = 0; /* little-endian: a 4-byte value fills the low half */
        size_t n_written = 0;
        if (get && layout)
            get(layout, fields[i].name, &value, fields[i].n_bytes, &n_written);
        det_line_text(to, i ? "," : "|");
        det_line_i64(to, value);
    }
}

void det_cublaslt_problem_text(const struct det_cublaslt_problem *problem, struct det_line *to)
{
    static const cublasLtMatmulDescAttributes_t fields[] = { CUBLASLT_MATMUL_DESC_COMPUTE_TYPE,
        CUBLASLT_MATMUL_DESC_SCALE_TYPE, CUBLASLT_MATMUL_DESC_POINTER_MODE,
        CUBLASLT_MATMUL_DESC_TRANSA, CUBLASLT_MATMUL_DESC_TRANSB, CUBLASLT_MATMUL_DESC_EPILOGUE,
        CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        int32_t value = 0;
        size_t n_written = 0;
        if (problem->desc)
            DET_REAL(cublasLtMatmulDescGetAttribute)
        (problem->desc, fields[i], &value, sizeof value, &n_written);
        det_line_text(to, i ? "," : "");
        det_line_i64(to, value);
    }
    const layout_getter get = (layout_getter)(uintptr_t)det_family_symbol(
        DET_FAMILY_CUBLASLT, "cublasLtMatrixLayoutGetAttribute");
    put_layout(get, problem->a, to);
    put_layout(get, problem->b, to);
    put_layout(get, problem->c, to);
    put_layout(get, problem->d, to);
}

static void put_device(struct det_line *to)
{
    typedef CUresult (*device_fn)(CUdevice *);
    typedef CUresult (*name_fn)(char *, int, CUdevice);
    const device_fn current = (device_fn)(uintptr_t)det_driver_symbol("cuCtxGetDevice");
    const name_fn name_of = (name_fn)(uintptr_t)det_driver_symbol("cuDeviceGetName");
    char name[96] = "";
    CUdevice device = 0;
    det_inside_begin();
    if (!current || !name_of || current(&device) != CUDA_SUCCESS ||
        name_of(name, sizeof name, device) != CUDA_SUCCESS)
        name[0] = 0;
    det_inside_end();
    name[sizeof name - 1] = 0;
    det_line_text(to, name[0] ? name : "no device");
}

void det_cublaslt_key(const char *problem, uint64_t workspace_bytes, struct det_line *to)
{
    typedef size_t (*version_fn)(void);
    const version_fn version =
        (version_fn)(uintptr_t)det_family_symbol(DET_FAMILY_CUBLASLT, "cublasLtGetVersion");
    det_line_text(to, "cublaslt ");
    det_line_u64(to, version ? version() : 0);
    det_line_text(to, "|");
    put_device(to);
    det_line_text(to, "|ws ");
    det_line_u64(to, workspace_bytes);
    det_line_text(to, "|");
    det_line_text(to, problem);
}

void det_cublaslt_algo_text(const cublasLtMatmulAlgo_t *algo, struct det_line *to)
{
    for (size_t i = 0; i < sizeof algo->data / sizeof *algo->data; i++)
        det_line_hex(to, algo->data[i], 16);
}

bool det_cublaslt_algo_parse(const char *text, cublasLtMatmulAlgo_t *algo)
{
    for (size_t i = 0; i < sizeof algo->data / sizeof *algo->data; i++) {
        algo->data[i] = 0;
        for (int digit = 0; digit < 16; digit++, text++) {
            const char c = *text;
            const int value = c >= '0' && c <= '9'   ? c - '0'
                              : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                                     : -1;
            if (value < 0)
                return false;
            algo->data[i] = algo->data[i] << 4 | (unsigned)value;
        }
    }
    return *text == 0;
}

void det_cublaslt_algo_words(const cublasLtMatmulAlgo_t *algo, struct det_line *to)
{
    static const struct {
        cublasLtMatmulAlgoConfigAttributes_t name;
        const char *word;
    } fields[] = { { CUBLASLT_ALGO_CONFIG_ID, "id" }, { CUBLASLT_ALGO_CONFIG_TILE_ID, "tile" },
        { CUBLASLT_ALGO_CONFIG_STAGES_ID, "stages" }, { CUBLASLT_ALGO_CONFIG_SPLITK_NUM, "splitk" },
        { CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME, "scheme" } };
    const algo_getter get = (algo_getter)(uintptr_t)det_family_symbol(
        DET_FAMILY_CUBLASLT, "cublasLtMatmulAlgoConfigGetAttribute");
    for (size_t i = 0; get && i < sizeof fields / sizeof *fields; i++) {
        int32_t value = 0;
        size_t n_written = 0;
        if (get(algo, fields[i].name, &value, sizeof value, &n_written) == CUBLAS_STATUS_SUCCESS)
            det_line_printf(to, i ? " %s=%d" : "%s=%d", fields[i].word, value);
    }
}
