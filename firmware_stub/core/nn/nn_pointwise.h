/* nn_pointwise.h - convolution with a 1x1 filter and stride 1: a matrix product over all pixels.
 *
 * input [pixels, depth] -> output [pixels, count].
 */
#ifndef NN_POINTWISE_H
#define NN_POINTWISE_H

#include "nn_dense.h"

struct nn_pointwise {
    int32_t pixels;
    struct nn_dense dense;
};

/* `scratch` holds 2 * depth bytes. The output may begin where the input begins, as long as count <= depth. */
void nn_pointwise(const struct nn_pointwise *p, const int8_t *input, int8_t *output, int8_t *scratch);

#endif
