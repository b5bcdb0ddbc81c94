/* network.c - the network as a sequence of kernel calls. All activations lie in one arena, planned ahead; what is
 * no longer needed is overwritten, the input included. Rendered. */
#include "network.h"

#include <stddef.h>

#include "network_weights.h"
#include "nn/nn_add.h"
#include "nn/nn_conv.h"
#include "nn/nn_fully_connected.h"
#include "nn/nn_reduce.h"

static _Alignas(16) int8_t arena[1088];

static const struct nn_conv step_0 = {
    .window = {
        .input_height = 4,
        .input_width = 4,
        .output_height = 4,
        .output_width = 4,
        .filter_height = 3,
        .filter_width = 3,
        .stride_height = 1,
        .stride_width = 1,
        .dilation_height = 1,
        .dilation_width = 1,
        .pad_top = 1,
        .pad_left = 1,
    },
    .groups = 1,
    .group_depth = 2,
    .input_zero_point = -3,
    .tile = 4,
    .dense = {
        .depth = 18,
        .count = 2,
        .weights = weights_0,
        .channels = {
            .bias = bias_0,
            .multiplier = multiplier_0,
            .shift = shift_0,
            .shifts_right = 1,
            .output = {
                .offset = 5,
                .minimum = -128,
                .maximum = 127,
            },
        },
    },
};

static const struct nn_add step_1 = {
    .shape = {
        .size = {1, 1, 1, 32},
        .first_step = {0, 0, 0, 1},
        .second_step = {0, 0, 0, 1},
    },
    .wide_zero_point = 5,
    .wide_factor = 524288,
    .narrow_zero_point = -3,
    .narrow_multiplier = 1717986944,
    .narrow_shift = -3,
    .narrow_sign = 1,
    .multiplier = 1342177260,
    .shift = -18,
    .output = {
        .offset = 1,
        .minimum = -128,
        .maximum = 127,
    },
};

static const struct nn_reduce_sum step_2 = {
    .shape = {
        .kept = {1, 1, 2},
        .kept_step = {0, 0, 1},
        .reduced = {1, 1, 16},
        .reduced_step = {0, 0, 2},
    },
    .zero_point_sum = 16,
    .multiplier = 1073741824,
    .shift = -2,
    .bytes_are_unsigned = 0,
    .output = {
        .offset = 0,
        .minimum = -128,
        .maximum = 127,
    },
};

static const struct nn_fully_connected step_3 = {
    .rows = 1,
    .depth = 2,
    .channels = 3,
    .weights = weights_3,
    .bias = bias_3,
    .scale = scale_3,
    .output = {
        .offset = 9,
        .minimum = -128,
        .maximum = 127,
    },
};

/* 32 values */
int8_t *network_input(void)
{
    return arena + 1024;
}

/* 3 values */
const int8_t *network_output(void)
{
    return arena + 16;
}

int network_run(void)
{
    /* operator 0 CONV_2D: 1x4x4x2 -> 1x4x4x2
     * tensor 3 */
    nn_conv(&step_0, arena + 1024, arena + 1056, arena + 0);
    /* operator 1 ADD: 1x4x4x2, 1x4x4x2 -> 1x4x4x2
     * tensor 4 */
    nn_add(&step_1, arena + 1056, arena + 1024, arena + 1056, arena + 0);
    /* operator 2 MEAN: 1x4x4x2 -> 1x2
     * tensor 5 */
    nn_reduce_sum(&step_2, arena + 1056, arena + 0);
    /* operator 3 FULLY_CONNECTED: 1x2 -> 1x3
     * tensor 8 */
    nn_fully_connected(&step_3, arena + 0, arena + 16);
    return 0;
}
