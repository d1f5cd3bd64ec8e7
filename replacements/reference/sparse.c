/* Plain C twins of sparse.ptx. Compiled as ISO C, so nothing is contracted: the only fused operations are the ones written. */
#include "replacements/sparse.h"

#include <math.h>

static const int32_t *ints(uint64_t at)
{
    return (const int32_t *)(uintptr_t)at;
}

static float *floats(uint64_t at)
{
    return (float *)(uintptr_t)at;
}

static void store(const struct det_sparse *p, uint32_t out, uint32_t k, float sum)
{
    float *at = floats(p->c) + (int64_t)out * p->c_row + (int64_t)k * p->c_column;
    const float scaled = p->alpha * sum;
    *at = p->beta == 0 ? scaled : fmaf(p->beta, *at, scaled);
}

void det_sparse_rows(const struct det_sparse *p)
{
    for (uint32_t row = 0; row < p->n_outputs; row++)
        for (uint32_t k = 0; k < p->n; k++) {
            float sum = 0;
            for (int32_t i = ints(p->offsets)[row] - p->base;
                 i < ints(p->offsets)[row + 1] - p->base; i++)
                sum = fmaf(floats(p->values)[i],
                    floats(p->b)[(int64_t)(ints(p->columns)[i] - p->base) * p->b_row +
                                 (int64_t)k * p->b_column],
                    sum);
            store(p, row, k, sum);
        }
}

void det_sparse_columns(const struct det_sparse *p)
{
    for (uint32_t out = 0; out < p->n_outputs; out++)
        for (uint32_t k = 0; k < p->n; k++) {
            float sum = 0;
            for (uint32_t row = 0; row < p->n_rows; row++)
                for (int32_t i = ints(p->offsets)[row] - p->base;
                     i < ints(p->offsets)[row + 1] - p->base; i++)
                    if (ints(p->columns)[i] - p->base == (int32_t)out)
                        sum = fmaf(floats(p->values)[i],
                            floats(p->b)[(int64_t)row * p->b_row + (int64_t)k * p->b_column], sum);
            store(p, out, k, sum);
        }
}
