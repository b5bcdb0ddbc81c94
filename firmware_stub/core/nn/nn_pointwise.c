#include "nn_pointwise.h"

#include <string.h>

void nn_pointwise(const struct nn_pointwise *p, const int8_t *input, int8_t *output, int8_t *scratch)
{
    const int32_t depth = p->dense.depth;
    const int32_t count = p->dense.count;
    for (int32_t pixel = 0; pixel + 1 < p->pixels; pixel += 2, input += 2 * depth, output += 2 * count)
        nn_dense_columns(&p->dense, input, input + depth, output, output + count, scratch);
    if (p->pixels % 2 != 0)
        nn_dense_column(&p->dense, memcpy(scratch, input, (size_t)depth), output);
}
