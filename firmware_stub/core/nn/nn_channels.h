/* nn_channels.h - what a layer with weights does to its sums: bias, a factor by channel, back to int8.
 *
 * bias, multiplier and shift have one entry an output channel. The zero point of the input is folded into the bias:
 * bias[c] - zero_point * (sum of the weights of c), modulo 2^32, so that kernels multiply plain int8 values.
 */
#ifndef NN_CHANNELS_H
#define NN_CHANNELS_H

#include <stdbool.h>

#include "nn_requantize.h"

enum { NN_CHANNELS_AT_ONCE = 64 }; /* sums that kernels keep on the stack */

struct nn_channels {
    const int32_t *bias;
    const int32_t *multiplier;
    const int8_t *shift;
    bool shifts_right; /* every shift is negative */
    struct nn_output output;
};

/* Writes output[i] for channel first + i of its sum, i = 0 .. count - 1. */
void nn_channels_finish(const struct nn_channels *channels, int32_t first, int32_t count, const int32_t *sums,
                        int8_t *output);

static inline int32_t nn_channels_at_once(int32_t left)
{
    return left < NN_CHANNELS_AT_ONCE ? left : NN_CHANNELS_AT_ONCE;
}

#endif
