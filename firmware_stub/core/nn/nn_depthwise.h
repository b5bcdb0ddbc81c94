/* nn_depthwise.h - depthwise convolution: every channel has its own filter, or `filters` of them.
 *
 * input [input_height, input_width, depth] -> output [output_height, output_width, depth * filters].
 * Weights lie by output channel: weights[channel * filters + f][filter_height * filter_width].
 */
#ifndef NN_DEPTHWISE_H
#define NN_DEPTHWISE_H

#include "nn_channels.h"
#include "nn_window.h"

struct nn_depthwise {
    struct nn_window window;
    int32_t depth;   /* input channels */
    int32_t filters; /* output channels for each input channel */
    int8_t input_zero_point;
    const int8_t *weights;
    struct nn_channels channels;
};

/* `scratch` holds one patch, filter_height * filter_width * depth bytes; it may be NULL where no window leaves the
 * image. With a 1x1 filter, stride 1 and filters == 1 the output may be the input. */
void nn_depthwise(const struct nn_depthwise *p, const int8_t *input, int8_t *output, int8_t *scratch);

#endif
