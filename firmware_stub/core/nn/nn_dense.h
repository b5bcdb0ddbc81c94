/* nn_dense.h - one or two columns of int8 times a matrix of int8 weights, plus bias, requantized by channel.
 *
 * The inner loop of pointwise and full convolutions. The weights lie in groups of four output channels, four bytes for
 * each input: weights[channel / 4][depth][channel % 4], the last group filled up with zeros. depth <= 130000, so that
 * a sum of products fits an int32.
 */
#ifndef NN_DENSE_H
#define NN_DENSE_H

#include "nn_channels.h"

enum { NN_DENSE_GROUP = 4 };

struct nn_dense {
    int32_t depth;
    int32_t count; /* output channels */
    const int8_t *weights;
    struct nn_channels channels;
};

/* Reads `depth` values of the column and writes `count` values to the output, which may not overlap the column. */
void nn_dense_column(const struct nn_dense *dense, const int8_t *column, int8_t *output);

/* Two columns at once. `pairs` holds 2 * depth bytes for them side by side, so the outputs may overlap the columns. */
void nn_dense_columns(const struct nn_dense *dense, const int8_t *column0, const int8_t *column1, int8_t *output0,
                      int8_t *output1, int8_t *pairs);

#endif
