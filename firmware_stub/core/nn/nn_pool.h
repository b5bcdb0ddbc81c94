/* nn_pool.h - average and maximum over a window that moves over an image; what lies outside does not count.
 *
 * input [input_height, input_width, channels] -> output [output_height, output_width, channels], of one scale.
 */
#ifndef NN_POOL_H
#define NN_POOL_H

#include "nn_window.h"

struct nn_pool {
    struct nn_window window;
    int32_t channels;
    int32_t minimum; /* range of the fused activation */
    int32_t maximum;
};

void nn_pool_average(const struct nn_pool *p, const int8_t *input, int8_t *output);
void nn_pool_maximum(const struct nn_pool *p, const int8_t *input, int8_t *output);

#endif
