/* nn_conv.h - convolution with any filter, stride, dilation, padding and number of groups.
 *
 * input [input_height, input_width, groups * group_depth] -> output [output_height, output_width, groups * count],
 * where `dense` describes one group: depth = filter_height * filter_width * group_depth in that order, and the number
 * of its output channels, count. Weights of the next group follow after those of (count / 4 rounded up) * 4 channels;
 * bias, multiplier and shift after `count` entries.
 */
#ifndef NN_CONV_H
#define NN_CONV_H

#include "nn_dense.h"
#include "nn_window.h"

struct nn_conv {
    struct nn_window window;
    int32_t groups;
    int32_t group_depth;
    int8_t input_zero_point;
    int32_t tile; /* patches that the scratch holds, even; read by the Helium form only */
    struct nn_dense dense;
};

/* `scratch` holds two patches, apart and side by side, 4 * dense.depth bytes; or `tile` patches, each of dense.depth
 * bytes rounded up to 16. */
void nn_conv(const struct nn_conv *p, const int8_t *input, int8_t *output, int8_t *scratch);

#endif
