/* nn_dense.h - columns of int8 times a matrix of int8 weights, plus bias, requantized by channel.
 *
 * The inner loop of pointwise and full convolutions. The weights lie in groups of four output channels and blocks of
 * 16 inputs, weights[channel / 4][input / 16][channel % 4][input % 16], filled up with zeros. depth <= 130000, so that
 * a sum of products fits an int32.
 */
#ifndef NN_DENSE_H
#define NN_DENSE_H

#include "nn_channels.h"
#include "nn_helium.h"

enum { NN_DENSE_GROUP = 4, NN_DENSE_BLOCK = 16 };

struct nn_dense {
    int32_t depth;
    int32_t count; /* output channels */
    const int8_t *weights; /* aligned to 4 */
    struct nn_channels channels;
};

static inline int32_t nn_dense_blocks(int32_t depth)
{
    return (depth + NN_DENSE_BLOCK - 1) / NN_DENSE_BLOCK;
}

/* Bytes of a group's weights. */
static inline int32_t nn_dense_group_bytes(int32_t depth)
{
    return nn_dense_blocks(depth) * NN_DENSE_BLOCK * NN_DENSE_GROUP;
}

#if NN_HELIUM
enum { NN_DENSE_TILE = 128 }; /* most columns at once */

/* Up to NN_DENSE_TILE columns, `pitch` bytes apart: all whole blocks of a column are read, whatever lies behind its
 * depth. The outputs are `output_pitch` bytes apart and may not overlap the columns. */
void nn_dense_tile(const struct nn_dense *dense, const int8_t *columns, int32_t pitch, int32_t count, int8_t *output,
                   int32_t output_pitch);
#else
/* Reads `depth` values of the column and writes `count` values to the output, which may not overlap the column. */
void nn_dense_column(const struct nn_dense *dense, const int8_t *column, int8_t *output);

/* Two columns at once. `pairs` holds 2 * depth bytes for them side by side, so the outputs may overlap the columns. */
void nn_dense_columns(const struct nn_dense *dense, const int8_t *column0, const int8_t *column1, int8_t *output0,
                      int8_t *output1, int8_t *pairs);
#endif

#endif
