/* What descriptors of the backend API were given. See engine.h. */
#include <string.h>

#include "shim/core/kept.h"
#include "shim/cudnn/engine.h"

static struct det_kept kept;

int64_t det_graph_kept(const void *descriptor, enum det_kept_field field, int64_t otherwise)
{
    int64_t value = otherwise;
    return descriptor && det_kept_get(&kept, descriptor, field, &value) ? value : otherwise;
}

void det_graph_keep(const void *descriptor, enum det_kept_field field, int64_t value)
{
    det_kept_set(&kept, descriptor, field, value);
}

void det_graph_made(cudnnBackendDescriptor_t descriptor, cudnnBackendDescriptorType_t type)
{
    det_kept_drop(&kept, descriptor, DET_N_FIELDS);
    det_kept_set(&kept, descriptor, DET_OF_TYPE, (int64_t)type);
}

void det_graph_destroyed(cudnnBackendDescriptor_t descriptor)
{
    det_kept_drop(&kept, descriptor, DET_N_FIELDS);
}

/* Attributes that hold one value, and where it is kept. `copy`: fields of the child that the parent keeps for itself, as a bit set. */
#define BIT(field) (UINT64_C(1) << (field))
static const struct {
    cudnnBackendAttributeName_t name;
    enum det_kept_field field;
    uint64_t copy;
} rows[] = {
    { CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, DET_OF_GRAPH, 0 },
    { CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, DET_OF_DEVICE, 0 },
    { CUDNN_ATTR_ENGINE_OPERATION_GRAPH, DET_OF_GRAPH, BIT(DET_OF_CLASS) },
    { CUDNN_ATTR_ENGINE_DEVICEPROP, DET_OF_DEVICE, 0 },
    { CUDNN_ATTR_ENGINECFG_ENGINE, DET_N_FIELDS, BIT(DET_OF_GRAPH) | BIT(DET_OF_CLASS) },
    { CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, DET_N_FIELDS,
        BIT(DET_OF_GRAPH) | BIT(DET_OF_CLASS) | BIT(DET_OF_REASON) },
    { CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, DET_OF_DEVICE, 0 },
    { CUDNN_ATTR_TENSOR_IS_VIRTUAL, DET_OF_VIRTUAL, 0 },
    { CUDNN_ATTR_TENSOR_DATA_TYPE, DET_OF_DATA_TYPE, 0 },
    { CUDNN_ATTR_POINTWISE_MODE, DET_OF_PW_MODE, 0 },
    { CUDNN_ATTR_MATMUL_COMP_TYPE, DET_OF_COMP_TYPE, 0 },
    { CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, DET_N_FIELDS, BIT(DET_OF_PW_MODE) },
    { CUDNN_ATTR_OPERATION_POINTWISE_XDESC, DET_OF_X, BIT(DET_OF_VIRTUAL) | BIT(DET_OF_DATA_TYPE) },
    { CUDNN_ATTR_OPERATION_POINTWISE_YDESC, DET_OF_Y, 0 },
    { CUDNN_ATTR_OPERATION_MATMUL_DESC, DET_N_FIELDS, BIT(DET_OF_COMP_TYPE) },
    { CUDNN_ATTR_OPERATION_MATMUL_ADESC, DET_OF_A, 0 },
    { CUDNN_ATTR_OPERATION_MATMUL_BDESC, DET_OF_B, 0 },
    { CUDNN_ATTR_OPERATION_MATMUL_CDESC, DET_OF_C, 0 },
    { CUDNN_ATTR_OPERATION_MATMUL_GEMM_M_OVERRIDE_DESC, DET_OF_M, 0 },
    { CUDNN_ATTR_OPERATION_MATMUL_GEMM_N_OVERRIDE_DESC, DET_OF_N, 0 },
    { CUDNN_ATTR_OPERATION_MATMUL_GEMM_K_OVERRIDE_DESC, DET_OF_K, 0 },
    { CUDNN_ATTR_OPERATION_REDUCTION_DESC, DET_N_FIELDS, BIT(DET_OF_CLASS) },
};

static bool value_of(cudnnBackendAttributeType_t type, const void *at, int64_t *out)
{
    int word = 0;
    switch (type) {
    case CUDNN_TYPE_BACKEND_DESCRIPTOR:
    case CUDNN_TYPE_INT64:
        memcpy(out, at, sizeof *out);
        return true;
    case CUDNN_TYPE_BOOLEAN:
        *out = *(const unsigned char *)at != 0;
        return true;
    case CUDNN_TYPE_DATA_TYPE:
    case CUDNN_TYPE_POINTWISE_MODE:
        memcpy(&word, at, sizeof word);
        *out = word;
        return true;
    default:
        return false;
    }
}

/* A graph is as bad as the worst of its operations. */
static void keep_operations(
    cudnnBackendDescriptor_t graph, const cudnnBackendDescriptor_t *ops, int64_t n)
{
    int64_t worst = DET_GRAPH_PLAIN;
    for (int64_t i = 0; i < n; i++) {
        const int64_t one = det_graph_kept(ops[i], DET_OF_CLASS, DET_GRAPH_PLAIN);
        worst = one > worst ? one : worst;
    }
    if (worst > det_graph_kept(graph, DET_OF_CLASS, DET_GRAPH_PLAIN))
        det_graph_keep(graph, DET_OF_CLASS, worst);
}

void det_graph_set(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
    cudnnBackendAttributeType_t type, int64_t n, const void *values)
{
    int64_t value = 0;
    if (name == CUDNN_ATTR_OPERATIONGRAPH_OPS && type == CUDNN_TYPE_BACKEND_DESCRIPTOR)
        keep_operations(descriptor, values, n);
    if (n != 1 || !value_of(type, values, &value))
        return;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].name != name)
            continue;
        if (rows[i].field != DET_N_FIELDS)
            det_graph_keep(descriptor, rows[i].field, value);
        for (unsigned field = 0; field < DET_N_FIELDS; field++) {
            int64_t of_child = 0;
            if (rows[i].copy & BIT(field) &&
                det_kept_get(&kept, (const void *)(uintptr_t)value, field, &of_child))
                det_kept_set(&kept, descriptor, field, of_child);
        }
        return;
    }
}
