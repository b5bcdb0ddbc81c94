#include "nn_pointwise.h"

#if NN_HELIUM

static void copy_columns(int8_t *to, int32_t pitch, const int8_t *from, int32_t depth, int32_t count)
{
    if (pitch == depth) {
        nn_helium_copy(to, from, count * depth);
        return;
    }
    for (; count > 0; count--, to += pitch, from += depth)
        nn_helium_copy(to, from, depth);
}

/* Columns that the weights do not fit, or that the outputs would overwrite, are copied, a tile at a time. */
void nn_pointwise(const struct nn_pointwise *p, const int8_t *input, int8_t *output, int8_t *scratch)
{
    const struct nn_dense *const dense = &p->dense;
    const int32_t depth = dense->depth;
    const int32_t padded = nn_dense_blocks(depth) * NN_DENSE_BLOCK;
    const bool copied = padded != depth || input == output;
    const int32_t tile = copied ? p->tile : NN_DENSE_TILE;
    for (int32_t left = p->pixels; left > 0; left -= tile) {
        const int32_t pixels = left < tile ? left : tile;
        const int8_t *columns = input;
        if (copied) {
            copy_columns(scratch, padded, input, depth, pixels);
            columns = scratch;
        }
        nn_dense_tile(dense, columns, padded, pixels, output, dense->count);
        input += pixels * depth;
        output += pixels * dense->count;
    }
}

#else

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

#endif
