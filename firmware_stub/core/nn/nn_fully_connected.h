/* nn_fully_connected.h - a fully connected layer.
 *
 * The reference kernels rescale its sums in double precision, unlike those of every other layer: value * scale, rounded
 * to nearest, halves away from zero.
 * input [rows, depth] -> output [rows, channels]; weights[channels][depth]; bias as in nn_dense.h.
 */
#ifndef NN_FULLY_CONNECTED_H
#define NN_FULLY_CONNECTED_H

#include "nn_requantize.h"

struct nn_fully_connected {
    int32_t rows;
    int32_t depth;
    int32_t channels;
    const int8_t *weights;
    const int32_t *bias;
    const double *scale; /* input scale * weight scale / output scale, by channel */
    struct nn_output output;
};

void nn_fully_connected(const struct nn_fully_connected *p, const int8_t *input, int8_t *output);

#endif
