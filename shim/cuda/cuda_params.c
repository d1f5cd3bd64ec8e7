/* Copies of a launch's parameters with the table pointer appended, and of its attributes without early starts. */
#include <stdlib.h>
#include <string.h>

#include "shim/cuda/cuda_launch.h"

bool det_params_extra(void **extra, const char **buffer, size_t *n_bytes)
{
    *buffer = NULL;
    *n_bytes = 0;
    if (extra == NULL)
        return false;
    /* The list is short; a bound keeps a missing end mark from running away. */
    for (unsigned i = 0; i < 16 && extra[i] != CU_LAUNCH_PARAM_END; i += 2) {
        if (extra[i] == CU_LAUNCH_PARAM_BUFFER_POINTER)
            *buffer = extra[i + 1];
        else if (extra[i] == CU_LAUNCH_PARAM_BUFFER_SIZE && extra[i + 1] != NULL)
            *n_bytes = *(const size_t *)extra[i + 1];
        else
            return false;
    }
    return *buffer != NULL;
}

static const char *repack(struct det_params *out, void **extra, size_t table_offset)
{
    const char *from = NULL;
    size_t n_bytes = 0;
    if (!det_params_extra(extra, &from, &n_bytes))
        return "unknown parameter list";
    out->buffer_bytes = table_offset + sizeof out->table;
    out->buffer = calloc(1, out->buffer_bytes);
    if (out->buffer == NULL)
        return "out of memory";
    memcpy(out->buffer, from, n_bytes < table_offset ? n_bytes : table_offset);
    out->extra_store[0] = CU_LAUNCH_PARAM_BUFFER_POINTER;
    out->extra_store[1] = out->buffer;
    out->extra_store[2] = CU_LAUNCH_PARAM_BUFFER_SIZE;
    out->extra_store[3] = &out->buffer_bytes;
    out->extra_store[4] = CU_LAUNCH_PARAM_END;
    out->extra = out->extra_store;
    return NULL;
}

const char *det_params_make(
    struct det_params *out, void **params, void **extra, size_t n_params, size_t table_offset)
{
    memset(out, 0, sizeof *out);
    if (params != NULL && extra != NULL)
        return "parameters given twice";
    if (extra != NULL && params == NULL)
        return repack(out, extra, table_offset);
    if (params == NULL && n_params != 0)
        return "parameters missing";
    void **list = out->store;
    if (n_params + 1 > sizeof out->store / sizeof *out->store) {
        list = out->big = malloc((n_params + 1) * sizeof *list);
        if (list == NULL)
            return "out of memory";
    }
    if (n_params != 0)
        memcpy(list, params, n_params * sizeof *list);
    list[n_params] = &out->table;
    out->params = list;
    return NULL;
}

void det_params_free(struct det_params *params)
{
    free(params->big);
    free(params->buffer);
}

uint64_t det_params_read(void *const *params, void **extra, const uint32_t *offsets,
    const uint32_t *sizes, size_t n_params, size_t offset)
{
    uint64_t value = 0;
    const char *buffer = NULL;
    size_t n_bytes = 0;
    if (params == NULL) {
        if (det_params_extra(extra, &buffer, &n_bytes) && offset + sizeof value <= n_bytes)
            memcpy(&value, buffer + offset, sizeof value);
        return value;
    }
    for (size_t i = 0; i < n_params; i++)
        if (offset >= offsets[i] && offset + sizeof value <= (size_t)offsets[i] + sizes[i] &&
            params[i] != NULL)
            memcpy(&value, (const char *)params[i] + (offset - offsets[i]), sizeof value);
    return value;
}

const char *det_attrs_make(const CUlaunchConfig *config, CUlaunchAttribute out[DET_MAX_LAUNCH_ATTR],
    unsigned *n_out, bool *cooperative)
{
    *n_out = 0;
    if (config->numAttrs > DET_MAX_LAUNCH_ATTR || (config->numAttrs != 0 && config->attrs == NULL))
        return "unknown launch attributes";
    for (unsigned i = 0; i < config->numAttrs; i++) {
        const CUlaunchAttribute *const attr = &config->attrs[i];
        switch (attr->id) {
        case CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION:
            continue; /* an early start would run beside the fold before it: dropped, only slower */
        case CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_EVENT:
        case CU_LAUNCH_ATTRIBUTE_LAUNCH_COMPLETION_EVENT:
            return "early event";
        case CU_LAUNCH_ATTRIBUTE_DEVICE_UPDATABLE_KERNEL_NODE:
            if (attr->value.deviceUpdatableKernelNode.deviceUpdatable)
                return "node updated by the device";
            break;
        case CU_LAUNCH_ATTRIBUTE_COOPERATIVE:
            *cooperative = attr->value.cooperative != 0;
            break;
        default:
            break;
        }
        out[(*n_out)++] = *attr;
    }
    return NULL;
}
