/* nn_pointwise.h - convolution with a 1x1 filter and stride 1: a matrix product over all pixels.
 *
 * input [pixels, depth] -> output [pixels, count].
 */
#ifndef NN_POINTWISE_H
#define NN_POINTWISE_H

#include "nn_dense.h"

struct nn_pointwise {
    int32_t pixels;
    int32_t tile; /* pixels that the scratch holds, even; read by the Helium form only */
    struct nn_dense dense;
};

/* `scratch` holds 2 * depth bytes. Where the output is the input (count <= depth), or depth is not a multiple of 16, it
 * holds `tile` times the depth rounded up to 16. */
void nn_pointwise(const struct nn_pointwise *p, const int8_t *input, int8_t *output, int8_t *scratch);

#endif
