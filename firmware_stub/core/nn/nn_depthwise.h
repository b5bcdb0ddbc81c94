/* nn_depthwise.h - depthwise convolution: every channel has its own filter, or `filters` of them.
 *
 * input [input_height, input_width, depth] -> output [output_height, output_width, depth * filters].
 * Weights lie by output channel, its taps filled up with zeros: weights[channel * filters + f][taps rounded up to 16].
 */
#ifndef NN_DEPTHWISE_H
#define NN_DEPTHWISE_H

#include "nn_channels.h"
#include "nn_helium.h"
#include "nn_window.h"

enum { NN_DEPTHWISE_BLOCK = 16 };

/* How the Helium form goes about it. One channel of a part of the image is copied to scratch, `pitch` bytes a row. A
 * vector of 16 values of it, a patch, holds what `rows` by `columns` outputs see: 2 by 2, 1 by 2 or 1 by 1. A part of
 * the image gives up to `part_rows` (a multiple of `rows`) by `part_columns` outputs, NN_DEPTHWISE_SUMS at most with
 * columns rounded up to 8. `rows` is 0 where no vector holds a patch: the scalar form computes it. */
struct nn_patches {
    int32_t rows;
    int32_t columns;
    int32_t pitch;
    int32_t part_rows;
    int32_t part_columns;
};

enum { NN_DEPTHWISE_SUMS = 1024 };

struct nn_depthwise {
    struct nn_window window;
    int32_t depth;   /* input channels */
    int32_t filters; /* output channels for each input channel */
    int8_t input_zero_point;
    struct nn_patches patches;
    const int8_t *weights;
    struct nn_channels channels;
};

/* `scratch` holds one filter's window, filter_height * filter_width * depth bytes (none where no window leaves the
 * image), or what the patches need: see codegen/depthwise_patches.py. With a 1x1 filter, stride 1 and filters == 1 the
 * output may be the input. */
void nn_depthwise(const struct nn_depthwise *p, const int8_t *input, int8_t *output, int8_t *scratch);

#if NN_HELIUM
void nn_depthwise_patches(const struct nn_depthwise *p, const int8_t *input, int8_t *output, int8_t *scratch);
#endif

#endif
